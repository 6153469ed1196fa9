"""The settings window: every setting that a player changes, with what it does shown at once."""
