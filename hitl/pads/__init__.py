"""What the player steers with."""
