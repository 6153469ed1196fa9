"""The keys that a session can read, by SDL's names for them."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

_SPECIAL: dict[str, tuple[int, int]] = {
    "left": (0xFF51, 0x25), "up": (0xFF52, 0x26), "right": (0xFF53, 0x27), "down": (0xFF54, 0x28), "space": (0x20, 0x20),
    "escape": (0xFF1B, 0x1B), "return": (0xFF0D, 0x0D), "backspace": (0xFF08, 0x08), "tab": (0xFF09, 0x09), "f11": (0xFFC8, 0x7A),
    "left shift": (0xFFE1, 0xA0), "right shift": (0xFFE2, 0xA1), "left ctrl": (0xFFE3, 0xA2), "right ctrl": (0xFFE4, 0xA3),
    "left alt": (0xFFE9, 0xA4), "insert": (0xFF63, 0x2D), "delete": (0xFFFF, 0x2E), "home": (0xFF50, 0x24), "end": (0xFF57, 0x23),
    "page up": (0xFF55, 0x21), "page down": (0xFF56, 0x22), ",": (0x2C, 0xBC), ".": (0x2E, 0xBE), "-": (0x2D, 0xBD),
    "=": (0x3D, 0xBB), ";": (0x3B, 0xBA), "'": (0x27, 0xDE), "/": (0x2F, 0xBF), "\\": (0x5C, 0xDC),
    "[+]": (0xFFAB, 0x6B), "[-]": (0xFFAD, 0x6D), "[*]": (0xFFAA, 0x6A), "[/]": (0xFFAF, 0x6F), "[.]": (0xFFAE, 0x6E),
    **{f"[{k}]": (0xFFB0 + k, 0x60 + k) for k in range(10)},
    **{f"f{k}": (0xFFBD + k, 0x6F + k) for k in (*range(1, 11), 12)},
}  # fmt: skip
"""X11's and Windows' numbers of the keys that are neither letters nor digits; ``[0]`` to ``[9]`` are those of the number pad."""
_RANGES = ((0x21, 0x7E), (0xA1, 0x17F), (0x3B1, 0x3C9), (0x430, 0x45F), (0x491, 0x491))
_OTHERS = [chr(code) for first, last in _RANGES for code in range(first, last + 1)]
_PLAIN = (*_SPECIAL, *string.ascii_lowercase, *string.digits)
OF_LAYOUTS = tuple(s for s in _OTHERS if s == s.lower() and s.isprintable() and s not in _PLAIN)
"""What else is printed on the keys of some keyboard. Which key that is, each layout says for itself: 0 for Windows' number."""
CODES: dict[str, tuple[int, int]] = {
    **_SPECIAL, **{key: (ord(key), ord(key.upper())) for key in (*string.ascii_lowercase, *string.digits)},
    **{sign: (ord(sign) if ord(sign) < 0x100 else 0x1000000 + ord(sign), 0) for sign in OF_LAYOUTS},
}  # fmt: skip
"""The same of all keys."""
KEYS = tuple(CODES)
"""Entry *i* of the window's shared counters belongs to key *i*."""
_SAME = {"enter": "return"}


def name_of(key: int) -> str:
    """Return the name of the key that SDL has this number for; "" for one without. Both Enters are ``return``."""
    import pygame

    name = pygame.key.name(key) or pygame.key.name(key, use_compat=False).lower()  # pygame's own are those of ASCII alone
    return _SAME.get(name, name)


def printed(key: str, words: Mapping[str, str]) -> str:
    """Return what a key is called: by a word of the language where it has one, else by what is printed on it."""
    if len(key) == 3 and key[0] == "[" and key[2] == "]":
        return words["key_number_pad"].format(key=key[1])
    shown = key.upper() if len(key.upper()) == 1 or re.fullmatch(r"f\d+", key) else key  # not so "ß"
    return words.get(f"key_{key.replace(' ', '_')}") or shown
