"""Starting a process of our own: with our packages wherever one stands, and with an output that any file can take."""

from __future__ import annotations

import codecs
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds our packages."""
_PLAIN = {
    "─": "-", "━": "-", "│": "|", "·": "-", "…": "...", "→": "->", "←": "<-", "✓": "+", "×": "x", "–": "-", "—": "-", "−": "-",
    "≤": "<=", "≥": ">=", "±": "+-", "≈": "~", "•": "*", "“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "\xa0": " ", "µ": "u",
}  # fmt: skip


def command(module: str, *words: str) -> list[str]:
    """Return the command line of a child that runs a module of ours; to be started with :func:`environment`."""
    return [sys.executable, "-m", module, *words]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of such a child: it finds our packages, and none in the folder where it stands; it writes UTF-8."""
    path = os.environ.get("PYTHONPATH", "")
    if ROOT.name not in ("site-packages", "dist-packages"):  # found without help, and not to stand before Python's own modules
        path = os.pathsep.join(filter(None, (str(ROOT), path)))
    found = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
    return {**found, **({"PYTHONPATH": path} if path else {}), **more}


def take_any_letter() -> None:
    """Let this process print every letter to an output that has none such: as a like sign, or as its number.

    A file or a pipe takes the code page of the user's Windows, which lacks most signs.
    """
    codecs.register_error("hitl.plain", _plain)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # pythonw.exe, and a process without a console
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="hitl.plain")


def prepare_children() -> None:
    """Have the same for whatever Python this process starts (a window, a library's helper), and nothing found where one stands.

    For the command line's own process: it changes the environment.
    """
    asked = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    os.environ["PYTHONIOENCODING"] = f"{asked}:backslashreplace"
    os.environ["PYTHONSAFEPATH"] = "1"


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks: the codec's error handler of :func:`take_any_letter`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking), error.end
