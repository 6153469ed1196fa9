"""A trainer at work that says nothing: whether it is suspended, and how long nothing was heard of it."""

from __future__ import annotations

from pathlib import Path

from data.words import about
from hitl.home import Home
from trainer.daemon import control
from trainer.daemon.heartbeat import SILENT_S, Heartbeat

THEN = "when it was last heard of"


def wakes(process: int) -> str:
    """Return how to let a process go on that was suspended (Ctrl+Z in its terminal); empty where it was not."""
    try:
        state = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):  # no Linux, or it is gone
        return ""
    return f"`kill -CONT {process}` lets it go on." if state in (b"T", b"t") else ""


def wakes_of(home: Home) -> str:
    """Return the same of the trainer at work on a home."""
    return wakes(control.process(home.store_path))


def is_of(beat: Heartbeat, home: Home) -> bool:
    """Whether a beat is that of the trainer at work on a home, and not of the one before."""
    process = control.process(home.store_path)
    return not (beat.pid and process and beat.pid != process)


def silence(beat: Heartbeat | None, waking: str) -> str:
    """Return in what state a trainer at work is that says nothing; empty where it does. ``waking``: how it goes on.

    What such a one said last is old: that all was learned then is not true of what was driven since.
    """
    if waking:
        return f"suspended, and learns nothing: {waking.rstrip('.')}"
    if beat is None or beat.state == "starting" or beat.age_s < SILENT_S:  # it may read a large store without a word
        return ""
    return f"silent: nothing was heard of it for {about(beat.age_s)}"


def known_of(beat: Heartbeat) -> list[tuple[str, str]]:
    """Return names and values of what a silent one had done when it was last heard of, and nothing that is no longer so."""
    age = beat.checkpoint_age_s
    checkpoint = beat.checkpoint.removesuffix(".safetensors") or "none yet"
    return [
        ("updates", f"{beat.updates:,} {THEN}"),
        ("checkpoint", checkpoint + (f", {about(age)} ago" if age is not None else "")),
    ]
