"""The demo and the stalled agent that it begins with."""
