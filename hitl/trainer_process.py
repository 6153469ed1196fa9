"""The trainer as a process of its own, seen from the session: start it, feel its pulse, stop it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from types import TracebackType

from hitl.home import Home
from hitl.processes import command, environment
from trainer.daemon import control
from trainer.daemon.heartbeat import Heartbeat, read_heartbeat

STOP_S = 20.0  # a trainer needs a moment to write its last checkpoint


class TrainerProcess:
    """Runs ``hitl train`` on a home folder. Its output goes to ``trainer.log`` there."""

    def __init__(self, home: Home, *arguments: str) -> None:
        self._home = home
        self._log = home.root / "trainer.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command("hitl", "train", "--home", str(home.root), *arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(PYTHONUNBUFFERED="1"),
            )

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def pulse(self) -> Heartbeat | None:
        """Return the newest heartbeat; None before the first."""
        return read_heartbeat(self._home.root)

    def last_words(self) -> str:
        """Return the last line that it printed."""
        with contextlib.suppress(OSError):
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return "it said nothing."

    def stop(self) -> None:
        """Ask it to write its last checkpoint and end; after a while, end it."""
        deadline = time.monotonic() + STOP_S
        while self.alive and time.monotonic() < deadline:
            # A file, not a signal: on Windows a signal would be a kill. Asked again, since a trainer that is only now starting
            # clears what was left from before.
            with contextlib.suppress(OSError):
                control.ask(self._home.root, control.STOP)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.3)
        if self.alive:
            self._process.kill()
        self._process.wait()
        control.withdraw(self._home.root, control.STOP)

    def __enter__(self) -> TrainerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
