"""The checks of the diagnosis, by what they look at."""
