"""From a driven step to a committed row."""
