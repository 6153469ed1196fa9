"""Which kinds of pad there are: the word behind ``--pad``, and what opens it. `docs/extending.md` says how to add one."""

from __future__ import annotations

PADS: dict[str, str] = {
    "sdl": "hitl.pads.open:sdl_pad",
    "inputs": "hitl.pads.open:inputs_pad",
    "keyboard": "hitl.pads.open:keyboard_pad",
}
"""``module:function``, imported when the pad is opened.

The function takes (settings, name, id): part of the pad's name, and the id of the one that was chosen; either may be empty.
"""


def kinds() -> list[str]:
    """Return every kind that may be asked for; ``auto`` is a pad if one is plugged in, else the keyboard."""
    return ["auto", *PADS]
