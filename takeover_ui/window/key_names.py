"""The keys that a session can read, by SDL's names for them."""

from __future__ import annotations

import string

_SPECIAL: dict[str, tuple[int, int]] = {
    "left": (0xFF51, 0x25), "up": (0xFF52, 0x26), "right": (0xFF53, 0x27), "down": (0xFF54, 0x28), "space": (0x20, 0x20),
    "escape": (0xFF1B, 0x1B), "return": (0xFF0D, 0x0D), "backspace": (0xFF08, 0x08), "tab": (0xFF09, 0x09), "f11": (0xFFC8, 0x7A),
    "left shift": (0xFFE1, 0xA0), "right shift": (0xFFE2, 0xA1), "left ctrl": (0xFFE3, 0xA2), "right ctrl": (0xFFE4, 0xA3),
    "left alt": (0xFFE9, 0xA4), "insert": (0xFF63, 0x2D), "delete": (0xFFFF, 0x2E), "home": (0xFF50, 0x24), "end": (0xFF57, 0x23),
    "page up": (0xFF55, 0x21), "page down": (0xFF56, 0x22), ",": (0x2C, 0xBC), ".": (0x2E, 0xBE), "-": (0x2D, 0xBD),
    "=": (0x3D, 0xBB), ";": (0x3B, 0xBA), "'": (0x27, 0xDE), "/": (0x2F, 0xBF), "\\": (0x5C, 0xDC),
    **{f"[{k}]": (0xFFB0 + k, 0x60 + k) for k in range(10)},
}  # fmt: skip
"""X11's and Windows' numbers of the keys that are neither letters nor digits; ``[0]`` to ``[9]`` are those of the number pad."""
CODES: dict[str, tuple[int, int]] = {
    **_SPECIAL, **{key: (ord(key), ord(key.upper())) for key in (*string.ascii_lowercase, *string.digits)},
}  # fmt: skip
"""The same of all keys."""
KEYS = tuple(CODES)
"""Entry *i* of the window's shared counters belongs to key *i*."""
