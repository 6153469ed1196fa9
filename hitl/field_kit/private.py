"""Takes out of every text what could tell whose PC it was: names, paths, addresses, serial numbers, variables.

Measurements give figures and a few short texts. Every text goes through here on its way into a kit.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data.errors import shown
from hitl.field_kit.kit import finite
from hitl.home import Home

GONE = "…"
LONGEST = 300  # characters of a text
_WHO = ("USER", "USERNAME", "LOGNAME", "USERDOMAIN", "COMPUTERNAME", "HOSTNAME", "NAME")
_TOLD = ("PROCESSOR", "OS")  # variables whose values a kit may hold: what the processor and the system are called
_LONG = 8  # characters from which the value of a variable can be told from an everyday word
_PATTERNS = (
    r"\b[\w.+-]+@[\w.-]+\b",  # mail
    r"(?:\b[A-Za-z]:[\\/]|\\\\)[^\"'<>|;:\n]*",  # Windows paths may hold blanks, so what follows in the sentence goes, too
    r"(?<![\w.])~?/(?!dev/)(?:[^\s\"'<>|;:,)]|[ ](?=[^\s]*/))+",
    r"\b(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}\b",  # IPv4
    r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])",  # IPv6, and addresses of network and Bluetooth cards
    r"\b(?=[\w-]*\d)(?:[0-9A-Fa-f]{2,4}-){2,7}[0-9A-Fa-f]{2,4}\b",
    r"\b(?=(?:[A-Za-z_]*\d){5})\w{8,}\b",  # serial numbers: long, and mostly digits
    r"\b(?=[A-Fa-f]*\d)[0-9A-Fa-f]{12,}\b",
)
_ANY = re.compile("|".join(_PATTERNS))


class Private:
    """What is known of this PC and its user. Measurements ``add`` what they learn: a pad's serial number, a game's address."""

    def __init__(self, home: Home) -> None:
        self._words: set[str] = set()
        self._values: set[str] = set()
        with contextlib.suppress(Exception):  # a user without a name, as in some containers
            self.add(getpass.getuser())
        with contextlib.suppress(RuntimeError):
            self.add(Path.home().name)
        self.add(platform.node(), platform.node().partition(".")[0], *(os.environ.get(name, "") for name in _WHO))
        for place in (Path.home, Path.cwd, tempfile.gettempdir, lambda: home.root, lambda: sys.prefix, lambda: sys.base_prefix):
            with contextlib.suppress(OSError, RuntimeError):  # no such folder any more, or no home
                self._values |= {text for text in [str(place())] if len(text) > 3}
        self._values |= {v for k, v in os.environ.items() if len(v) >= _LONG and not k.upper().startswith(_TOLD)}

    def add(self, *words: str) -> None:
        """Remember words that no kit may hold."""
        self._words |= {word.strip() for word in words if word.strip()}

    def text(self, text: str) -> str:
        """Return a text without what is private, on one line."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, GONE)
        for word in sorted(self._words, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", GONE, text, flags=re.I)
        return shown(_ANY.sub(GONE, text), LONGEST)

    def figures(self, figures: dict[str, Any]) -> dict[str, Any]:
        """Return figures as a kit may hold them."""
        return {name: self._value(value) for name, value in figures.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, float):
            return finite(value)
        if isinstance(value, Iterable):
            return [self._value(item) for item in value]
        return value
