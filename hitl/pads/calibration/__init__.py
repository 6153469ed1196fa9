"""Where the controls of a device rest, and how far they go."""
