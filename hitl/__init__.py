"""The live side: games, arbiter, pads, session, policy, and the command line."""

__version__ = "0.1.0"
