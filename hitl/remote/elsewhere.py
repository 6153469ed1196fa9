"""What a home knows of other machines: how the trainer there does, and whether the server is reached.

The trainer's machine tells its workers; the process that talks to the server writes it into the home, for windows and commands.
"""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path
from typing import Any

from data.errors import shown
from data.files import held
from data.words import about, number_of
from hitl.home import Home
from trainer.daemon import control
from trainer.daemon.heartbeat import Heartbeat, read_heartbeat, write_heartbeat

FAR = "far-trainer.json"
LINK = "link.json"
EVERY_S = 1.0
"""Between two writings."""
FRESH_S = 10.0
"""Without news, after which neither counts as known."""
SLOW_S = 15.0  # a trainer that writes a checkpoint to a slow disk may be silent for a while
_TOLD = ("state", "detail", "updates", "steps_missing")


def told_to_workers(root: Path) -> dict[str, Any]:
    """Return how the trainer of this home does, for a message; empty while that is not known."""
    beat = read_heartbeat(root)
    if beat is None or beat.age_s >= SLOW_S:
        return {}
    return {name: getattr(beat, name) for name in _TOLD}


class FarTrainer:
    """Keeps in a worker's home what its trainer tells."""

    def __init__(self, root: Path) -> None:
        self._root, self._kept = root, -math.inf

    def heard(self, message: dict[str, Any], now: float) -> None:
        """Take in a message of the trainer's state. One of an earlier version tells nothing, but that it is there."""
        if now - self._kept < EVERY_S:
            return
        self._kept = now
        told = message.get("beat")
        state, detail, updates, missing = (told.get(name) if isinstance(told, dict) else None for name in _TOLD)
        beat = Heartbeat(
            at=time.time(),
            ticks=time.monotonic(),
            state=shown(state, 20) if isinstance(state, str) else "",
            detail=shown(detail, 200) if isinstance(detail, str) else "",
            updates=max(0, updates) if isinstance(updates, int) else 0,
            steps_missing=max(0, missing) if isinstance(missing, int) else 0,
        )
        write_heartbeat(self._root, beat, FAR)


def far_trainer(root: Path) -> Heartbeat | None:
    """Return what was heard last of the trainer on another machine; None where nothing ever was."""
    return read_heartbeat(root, FAR)


def is_at_work(beat: Heartbeat | None) -> bool:
    """Whether a trainer elsewhere answers and has not ended."""
    return beat is not None and beat.age_s < FRESH_S and beat.state not in ("stopped", "failed")


def trains_elsewhere(home: Home) -> bool:
    """Whether what is driven in a home is learned from on another machine: it was a worker's after any trainer of its own."""
    if control.running(home.store_path):
        return False
    try:
        sent = (home.root / "worker.json").stat().st_mtime
    except OSError:
        return False
    own = read_heartbeat(home.root)
    return own is None or own.at < sent or (own.state == "failed" and not own.updates)  # it was only tried


def far_said(home: Home) -> str:
    """Return how the trainer elsewhere does, in words that follow "on another machine"."""
    beat = far_trainer(home.root)
    if beat is None:
        return "on another machine; nothing has been heard of it yet"
    # What it waits for is told with commands for that machine.
    doing = f": {beat.doing.partition(':')[0]}" if beat.state else ""
    updates = f"; {number_of(beat.updates, 'update')}" if beat.updates else ""
    if beat.age_s < FRESH_S:
        return f"on another machine{doing}{updates}"
    return f"on another machine, last heard of {about(beat.age_s)} ago{doing}{updates}"


def keep_link(root: Path, reached: bool, said: str) -> None:
    """Write down whether the server is reached. ``said``: why not."""
    state = "reached" if reached else "silent"
    write_heartbeat(root, Heartbeat(at=time.time(), ticks=time.monotonic(), state=state, problem=said), LINK)


def forget_link(root: Path) -> None:
    """Take away what is known of the server: what is asked next is of the next connection."""
    with contextlib.suppress(OSError):
        held.unlink(root / LINK)


def link_of(root: Path) -> tuple[bool, str] | None:
    """Return whether the server is reached, and why not; None where nothing here looks for it now."""
    beat = read_heartbeat(root, LINK)
    if beat is None or beat.age_s >= FRESH_S:
        return None
    return beat.state == "reached", shown(beat.problem, 400)
