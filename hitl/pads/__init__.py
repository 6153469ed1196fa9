"""What the player steers with."""

import os

# Read by SDL when it starts, so they are set before anything here imports pygame.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")  # the game has the focus, not we
os.environ.setdefault("SDL_JOYSTICK_THREAD", "1")  # Windows: notice pads without a window of ours
