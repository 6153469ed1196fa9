"""The environment of the user's own tmrl."""
