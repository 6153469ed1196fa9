"""The reference line, the track on it, and its corners."""
