"""The little that the windows need of the operating system, and SDL does not offer."""
