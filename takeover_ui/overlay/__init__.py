"""What lies over the game while driving."""
