"""Looking through what was recorded."""
