"""All that is drawn or pressed: overlay, game view, review, report."""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # a player's terminal is no place for a library's greeting
