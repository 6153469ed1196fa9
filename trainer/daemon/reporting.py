"""How a trainer tells what it does: a heartbeat in the home folder, events in the store, sentences for the player."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from data.errors import StoreError, is_reader_gone
from data.store import Store
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import TOKEN, Heartbeat, write_heartbeat

HERE = "`hitl play` drives"
FROM_WORKERS = "hitl worker drives, on each player's machine"
"""Where a trainer's steps come from, as its player is told. A worker's home is another one: that is no command for here."""
BEAT_S = 0.5  # s between two heartbeats when nothing changes


class Reporter:
    """Keeps the heartbeat. ``say`` takes sentences for the player; ``show`` gets every heartbeat and the newest metrics."""

    def __init__(
        self, root: Path, say: Callable[[str], None], show: Callable[[Heartbeat, Watch], None], source: str = HERE
    ) -> None:
        """``source``: what steps come from, ``HERE`` or ``FROM_WORKERS``."""
        self.source = source
        self._root, self._store_path = root, root / "store.sqlite"
        self._say, self._show = say, show
        self.beat = Heartbeat(pid=os.getpid(), token=os.environ.get(TOKEN, ""))
        self._written_at = time.monotonic()

    def say(self, text: str) -> None:
        """Tell the player a sentence."""
        with _unheard():
            self._say(text)

    def event(self, kind: str, text: str, level: str = "info", data: dict[str, str] | None = None) -> None:
        """Tell the player a sentence and store it as an event."""
        self.say(text)
        with contextlib.suppress(StoreError), Store(self._store_path, create=False) as store:
            store.add_event(kind, text, level, data=data)

    def due(self, state: str, online_steps: int, updates: int) -> bool:
        """Whether a heartbeat should be written now: at once where something changed that people wait for."""
        pause = BEAT_S
        if state != self.beat.state or online_steps != self.beat.online_steps:
            pause = 0.0
        elif updates != self.beat.updates:
            pause = 0.1
        return time.monotonic() - self._written_at >= pause

    def write(self, state: str, watch: Watch, problem: str | None = None) -> None:
        """Write the heartbeat with a new state, and show it."""
        beat, now = self.beat, time.monotonic()
        beat.state, beat.at, beat.ticks, self._written_at = state, time.time(), now, now
        if state not in ("waiting", "idle", "training"):
            beat.detail = ""
        if problem is not None:
            beat.problem = problem
        write_heartbeat(self._root, beat)
        with _unheard():
            self._show(beat, watch)


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Go on where what is said cannot be printed: ``trainer.log`` may lie on a full disk.

    A reader of a pipe that has gone away (`hitl train | head`) ends the trainer as ever.
    """
    try:
        yield
    except OSError as error:
        if is_reader_gone(error):
            raise
