"""Ending a trainer that is at work: what is waited for, what came of it, and how to end one that does not answer."""

from __future__ import annotations

import os
import time
from pathlib import Path

from data.errors import TrainingError
from data.files import held
from data.files.paths import disk_is_full, is_no_room
from data.words import about, number_of
from hitl.home import Home, in_home
from hitl.screens.training.silence import wakes
from trainer.daemon import control
from trainer.daemon.heartbeat import NAME, Heartbeat, read_heartbeat, unreadable

STOP_S = 60.0  # it may be writing a checkpoint to a slow disk
SLOW_S = 3.0  # what takes longer is explained
SILENT_S = 5.0  # a trainer that has not been heard of for so long does not just write
AGAIN = "What it had learned since its last checkpoint is learned again by `hitl train`."


def stop(home: Home, named: Path | None) -> str:
    """Ask the trainer at work to end, wait for it, and return what came of that; ``named``: the home as it was typed.

    Raises TrainingError where it does not end, or has ended without writing what it had learned.
    """
    process = control.process(home.store_path)
    ask(home, control.STOP)
    began, told = time.monotonic(), False
    while control.running(home.store_path):
        waited = time.monotonic() - began
        if waited > STOP_S:
            raise TrainingError(f"The trainer has not stopped within {STOP_S:.0f} s. {_by_hand(process)}")
        if not told and waited > SLOW_S:
            told = True
            print(in_home(_waits(home, process), named), flush=True)
        time.sleep(0.05)
    beat = read_heartbeat(home.root)
    if beat is None and (why := unreadable(home.root)):
        raise TrainingError(f"The trainer has ended. {NAME} says whether it wrote its last checkpoint, and cannot be read {why}.")
    if beat is None or beat.state not in ("stopped", "failed") or beat.pid != (process or beat.pid):
        full = " The disk is full: make room on it." if disk_is_full(home.root) else ""  # it could not even say that it ends
        raise TrainingError(f"The trainer has ended, and did not say whether it wrote its last checkpoint.{full} {AGAIN}")
    if beat.state == "failed":
        raise TrainingError(f"The trainer has stopped: {beat.problem}")
    if text := unsaved(beat):
        raise TrainingError(text)
    return "The trainer has written its last checkpoint and stopped." if beat.checkpoint else "The trainer has stopped."


def ask(home: Home, name: str) -> None:
    """Leave a file for the trainer (``control.ask``). Raises TrainingError where there is no room for it, or no right."""
    try:
        control.ask(home.root, name)
    except OSError as error:
        why = "(the disk is full): make room on it" if is_no_room(error) else held.why(error, "make it writable")
        raise TrainingError(f"The trainer cannot be asked: '{name}' cannot be written in the home folder {why}.") from error


def unsaved(beat: Heartbeat) -> str:
    """Return what is lost with a trainer that has ended, and why; empty where nothing is."""
    if not beat.unsaved:
        return ""
    many = number_of(beat.unsaved, "update is", "updates are")
    why = f"{beat.problem} " if beat.problem else ""
    return f"The trainer has stopped, but {many} in no checkpoint. {why}`hitl train` makes them again."


def _waits(home: Home, process: int) -> str:
    """Return what is waited for."""
    beat, named = read_heartbeat(home.root), f" (process {process})" if process else ""
    text = f"Waiting up to {STOP_S:.0f} s for the trainer{named} to write its last checkpoint and stop."
    if beat is not None and beat.age_s > SILENT_S:
        text += f" It was last heard of {about(beat.age_s)} ago."
    return f"{text} {_wakes(process)}".rstrip()


def _by_hand(process: int) -> str:
    """Return how to end a trainer that does not answer; its number is not known where an earlier version began it."""
    if not process:
        return f"End its process by hand. {AGAIN}"
    command = f"taskkill /F /PID {process}" if os.name == "nt" else f"kill -9 {process}"
    return f"{_wakes(process)} `{command}` ends it at once. {AGAIN}".lstrip()


def _wakes(process: int) -> str:
    """Return that a process is suspended, and how to let it go on; empty where it is not."""
    waking = wakes(process)
    return f"It is suspended: {waking}" if waking else ""
