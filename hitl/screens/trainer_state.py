"""The trainer's state as a session shows it, read on a thread of its own so that no tick waits for the disk."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from pathlib import Path

from hitl.remote.elsewhere import far_trainer, is_at_work
from takeover_ui.view import Doing, TrainerState
from trainer.daemon.heartbeat import SILENT_S, Heartbeat, read_heartbeat, unreadable

EVERY_S = 0.5
RESTS_S = 5.0  # without an update: a trainer that keeps up with who drives rests between any two chunks
_DOING: dict[str, Doing] = {"starting": "starts", "waiting": "waits", "idle": "rests", "paused": "paused"}


def trainer_state(beat: Heartbeat | None) -> TrainerState:
    """Return what the screen shows of a heartbeat. Of a trainer that has stopped, nothing is shown, not even a finding."""
    if beat is None or beat.state in ("stopped", "failed") or beat.age_s >= SILENT_S:
        return TrainerState(alive=False)
    return TrainerState(True, beat.finding_title, doing=_DOING.get(beat.state, "learns"), missing=beat.steps_missing)


def far_state(beat: Heartbeat | None) -> TrainerState:
    """Return the same of a trainer on another machine, by what was heard of it last."""
    if beat is None or not is_at_work(beat):
        return TrainerState(alive=False, far=True)
    return TrainerState(True, far=True, doing=_DOING.get(beat.state, "learns"), missing=beat.steps_missing)


class HeartbeatReader:
    """Keeps ``newest`` up to date inside its ``with`` block. Reading ``newest`` never waits.

    ``far``: another machine trains.
    """

    def __init__(self, root: Path, every_s: float = EVERY_S, *, far: bool = False) -> None:
        self.newest: TrainerState | None = None
        self._far = far
        self._root, self._every_s = root, every_s
        self._beat: Heartbeat | None = None
        self._updates: int | None = None
        self._learned_at = -math.inf
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="heartbeat", daemon=True)

    def _follow(self) -> None:
        while True:
            beat = far_trainer(self._root) if self._far else read_heartbeat(self._root)
            if beat is None and unreadable(self._root):
                beat = self._beat  # another program has it open: its age will tell whether the trainer has ended
            self._beat = beat
            self.newest = self._lately(beat, far_state(beat) if self._far else trainer_state(beat))
            if self._over.wait(self._every_s):
                return

    def _lately(self, beat: Heartbeat | None, state: TrainerState) -> TrainerState:
        """Return the state, which is no rest while updates come again and again: what is shown would flicker."""
        now, updates = time.monotonic(), 0 if beat is None else beat.updates
        if self._updates is not None and updates > self._updates:
            self._learned_at = now
        self._updates = updates
        return replace(state, doing="learns") if state.doing == "rests" and now - self._learned_at < RESTS_S else state

    def __enter__(self) -> HeartbeatReader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(2.0)
