"""When to help, how much, and when it is enough: short sentences with a cause, going back, and calling the player."""
