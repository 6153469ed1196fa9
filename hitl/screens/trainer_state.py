"""The trainer's state as a session shows it, read on a thread of its own so that no tick waits for the disk."""

from __future__ import annotations

import threading
from pathlib import Path

from hitl.remote.elsewhere import far_trainer, is_at_work
from takeover_ui.view import TrainerState
from trainer.daemon.heartbeat import Heartbeat, read_heartbeat

EVERY_S = 0.5
SILENT_S = 15.0  # a trainer that writes a checkpoint to a slow disk may be silent for a while, but not longer


def trainer_state(beat: Heartbeat | None) -> TrainerState:
    """Return what the screen shows of a heartbeat. Of a trainer that has stopped, nothing is shown, not even a finding."""
    if beat is None or beat.state in ("stopped", "failed") or beat.age_s >= SILENT_S:
        return TrainerState(alive=False)
    return TrainerState(alive=True, finding_title=beat.finding_title)


def far_state(beat: Heartbeat | None) -> TrainerState:
    """Return the same of a trainer on another machine, by what was heard of it last."""
    return TrainerState(alive=is_at_work(beat), far=True)


class HeartbeatReader:
    """Keeps ``newest`` up to date inside its ``with`` block. Reading ``newest`` never waits.

    ``far``: another machine trains.
    """

    def __init__(self, root: Path, every_s: float = EVERY_S, *, far: bool = False) -> None:
        self.newest: TrainerState | None = None
        self._far = far
        self._root, self._every_s = root, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="heartbeat", daemon=True)

    def _follow(self) -> None:
        while True:
            self.newest = far_state(far_trainer(self._root)) if self._far else trainer_state(read_heartbeat(self._root))
            if self._over.wait(self._every_s):
                return

    def __enter__(self) -> HeartbeatReader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(2.0)
