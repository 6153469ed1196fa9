"""How the trainer is doing, as a session shows it: read on a thread of its own, so that no tick waits for the disk."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from takeover_ui.view import TrainerState
from trainer.daemon.heartbeat import Heartbeat, read_heartbeat

EVERY_S = 0.5
SILENT_S = 15.0  # a trainer that writes a checkpoint to a slow disk may be silent for a while, but not longer
OVER = ("stopped", "failed")


def trainer_state(beat: Heartbeat | None, alive: bool | None = None) -> TrainerState:
    """Return what the screen shows of a heartbeat; ``alive`` where it is known better than from the beat's age.

    A finding belongs to a trainer at work: of one that has stopped nothing is shown.
    """
    if alive is None:
        alive = beat is not None and beat.state not in OVER and beat.age_s < SILENT_S
    if beat is None or not alive:
        return TrainerState(alive=alive)
    return TrainerState(
        alive=True,
        updates=beat.updates,
        steps_behind=beat.steps_behind,
        last_checkpoint=Path(beat.checkpoint).stem.partition("-")[0].lstrip("0"),
        checkpoint_age_s=beat.checkpoint_age_s,
        finding_title=beat.finding_title,
    )


class HeartbeatReader:
    """Keeps ``newest`` up to date while it is entered. Reading it costs nothing and never waits."""

    def __init__(self, root: Path, every_s: float = EVERY_S) -> None:
        self.newest: TrainerState | None = None
        self._root, self._every_s = root, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="heartbeat", daemon=True)

    def _follow(self) -> None:
        while True:
            self.newest = trainer_state(read_heartbeat(self._root))
            if self._over.wait(self._every_s):
                return

    def __enter__(self) -> HeartbeatReader:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(2.0)
