"""Weights are tried in copies of the game before they drive."""
