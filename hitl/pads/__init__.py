"""What the player steers with."""

import os

# Read by SDL when it starts, so they are set before anything here imports pygame.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")  # the game has the focus, not we
os.environ.setdefault("SDL_JOYSTICK_THREAD", "1")  # Windows: notice pads although this process has no window

PADS: dict[str, str] = {
    "auto": "hitl.pads.open:auto_pad",
    "sdl": "hitl.pads.open:sdl_pad",
    "inputs": "hitl.pads.open:inputs_pad",
    "keyboard": "hitl.pads.open:keyboard_pad",
}
"""Which kinds of pad there are: ``module:function``, imported when the pad is opened. `docs/extending.md` says how to add one.

The function takes (settings, name, id): part of the pad's name, and the id of the one that was chosen; either may be empty.
"""
