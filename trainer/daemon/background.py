"""How a trainer lets other programs go first."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

NICENESS = 5
"""How far a trainer steps back behind other programs."""
AUTOGROUP = Path("/proc/self/autogroup")
"""Where Linux keeps the niceness of all that belongs to one terminal."""


def be_nice() -> None:
    """Let a session on the same machine go first."""
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "win32":
            import psutil

            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            os.nice(max(0, NICENESS - os.nice(0)))
            if sys.platform.startswith("linux") and os.getsid(0) == os.getpid():
                # Linux shares a processor out among terminals and others that lead a session of their own, and only within one
                # of them by niceness. This process leads one: so it is in the background, and no terminal is slowed down.
                AUTOGROUP.write_text(str(NICENESS))
