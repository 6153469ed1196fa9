"""What goes wrong in the chaos run beside the kills, one after the other.

| fault | how |
|---|---|
| the store is locked | another connection holds ``BEGIN EXCLUSIVE`` for 2 to 8 seconds |
| the disk is full | the home lies on a small file system (tmpfs) that is filled to the last byte for 2 to 8 seconds |
| the pad goes and comes back | SDL's virtual joystick is detached and attached again |
| the environment hangs | the game's own step does not return for 1 to 6 seconds |
| the environment fails | it raises for 1 to 4 seconds |
| the clock jumps | every process's wall clock is moved, by an hour to ten years, forward or back |
| the machine is suspended | every process is stopped (SIGSTOP) for 2 to 8 seconds |
| a checkpoint is truncated, or altered | the newest file or two; the trainer is then killed, so that it must begin with them |
| Weights & Biases cannot be reached | online mode, and an address at which nobody listens, in every trainer |
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from pathlib import Path

from chaos_crew import Crew
from chaos_stage import Stage
from chaos_verdict import Witness

JUMPS = (3_600.0, -3_600.0, 86_400.0, -86_400.0, 40 * 86_400.0, -3_650 * 86_400.0, 0.0)
SEEN_S = 60.0
"""A recovery is looked for within this time after a fault."""


class Faults:
    """Injects them in random order, and remembers when each was over."""

    def __init__(self, stage: Stage, crew: Crew, dice: random.Random, short: bool) -> None:
        self.stage, self.crew, self.dice, self.scale = stage, crew, dice, 0.25 if short else 1.0
        self.done: Counter[str] = Counter()
        self.over: list[tuple[str, float]] = []
        self._jump = 0.0
        self._times: dict[str, list[float]] = {"a checkpoint truncated": [], "a checkpoint altered": []}

    def go_on_until(self, end: float) -> None:
        """Inject faults until that moment (s)."""
        kinds = {
            "store locked": self._lock, "disk full": self._fill, "pad gone": self._pad, "environment hangs": self._hang,
            "environment fails": self._fail, "clock jumps": self._clock, "suspended": self._suspend,
            "a checkpoint truncated": self._truncate, "a checkpoint altered": self._alter,
        }  # fmt: skip
        if not self.stage.small:
            del kinds["disk full"]
        order: list[str] = []
        while time.monotonic() < end:
            order = order or self.dice.sample(sorted(kinds), len(kinds))
            name = order.pop()
            kinds[name]()
            self.done[name] += 1
            self.over.append((name, time.monotonic()))
            time.sleep(max(0.0, min(self.dice.uniform(2.0, 8.0) * self.scale, end - time.monotonic())))
        self.done["W&B unreachable"] = sum(life.role == "trainer" for life in self.crew.lives) if self.stage.logs else 0

    def end(self) -> None:
        """Take back what may still be wrong."""
        for path in self.stage.control.iterdir():
            path.unlink()
        self._filler.unlink(missing_ok=True)

    def _some(self, low: float, high: float) -> float:
        return self.dice.uniform(low, high) * self.scale

    def _lock(self) -> None:
        other = sqlite3.connect(self.stage.store, isolation_level=None, timeout=5.0)
        with contextlib.closing(other), contextlib.suppress(sqlite3.OperationalError):
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(self._some(2.0, 8.0))
            other.execute("ROLLBACK")

    @property
    def _filler(self) -> Path:
        return self.stage.home / "filler"

    def _fill(self) -> None:
        until = time.monotonic() + self._some(2.0, 8.0)
        fd = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while time.monotonic() < until:  # what others free meanwhile is taken as well
                with contextlib.suppress(OSError):
                    for size in (1 << 20, 4096):
                        while time.monotonic() < until:
                            try:
                                os.write(fd, bytes(size))
                            except OSError:
                                break
                time.sleep(0.02)
        finally:
            os.close(fd)
            self._filler.unlink()

    def _pad(self) -> None:
        gone = self.stage.control / "pad"
        gone.touch()
        time.sleep(self._some(1.0, 5.0))
        gone.unlink()

    def _environment(self, how: str, seconds: float) -> None:
        path = self.stage.control / "environment"
        new = path.with_suffix(".new")
        new.write_text(f"{how} {time.monotonic() + seconds}")
        new.replace(path)
        time.sleep(seconds)
        path.unlink()

    def _hang(self) -> None:
        self._environment("hang", self._some(1.0, 6.0))

    def _fail(self) -> None:
        self._environment("raise", self._some(1.0, 4.0))

    def _clock(self) -> None:
        self._jump = self.dice.choice([jump for jump in JUMPS if jump != self._jump])
        path = self.stage.control / "clock"
        path.with_suffix(".new").write_text(str(self._jump))
        path.with_suffix(".new").replace(path)

    def _suspend(self) -> None:
        with self.crew.lock:  # nobody is asked anything meanwhile
            stopped = [life.process for life in self.crew.now.values() if life.process.poll() is None]
            for process in stopped:
                process.send_signal(signal.SIGSTOP)
            time.sleep(self._some(2.0, 8.0))
            for process in stopped:
                process.send_signal(signal.SIGCONT)

    def _newest(self) -> list[Path]:
        files = sorted((self.stage.home / "checkpoints").glob("*.safetensors"))
        return files[-self.dice.choice((1, 2)) :] if len(files) > 3 else files[-1:] if len(files) > 1 else []

    def _truncate(self) -> None:
        for path in self._newest():
            os.truncate(path, self.dice.choice((0, path.stat().st_size // 2, path.stat().st_size - 1)))
        self._start_over("a checkpoint truncated")

    def _alter(self) -> None:
        for path in (path for path in self._newest() if path.stat().st_size):
            with contextlib.suppress(OSError), path.open("r+b") as file:
                file.seek(self.dice.randrange(path.stat().st_size))
                byte = file.read(1)[0]
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte ^ 0x55]))
        self._start_over("a checkpoint altered")

    def _start_over(self, name: str) -> None:
        """Kill the trainer, so that the next one meets the damage, and see how long it takes to be at work again.

        While it is spared, only the session meets it.
        """
        if self.crew.spared == "trainer":
            return
        self.crew.kill("trainer")
        self.crew.start("trainer")
        began, life = time.monotonic(), self.crew.now["trainer"]
        while time.monotonic() < began + SEEN_S * self.scale:
            if life.first_sign is not None:
                self._times[name].append(life.first_sign - life.started)
                return
            if life.process.poll() is not None:
                return
            time.sleep(0.05)

    def recovery(self, crew: Crew) -> dict[str, list[float]]:
        """Return for each kind how long the session needed (s), as far as the same session lived to show it.

        Locked and full: until all that was driven by then was in the store. Pad: until the player drove again. Else: until
        the next step.
        """
        found: dict[str, list[float]] = {name: list(self._times.get(name, [])) for name in self.done}
        for name, end in self.over:
            if name in self._times:
                continue
            for life in crew.lives:
                witness = life.witness
                if life.role != "session" or not witness.at or not witness.at[0] < end < witness.at[-1]:
                    continue
                then = self._when(name, witness, end)
                if then is not None and then - end < SEEN_S:
                    found[name].append(then - end)
        return found

    @staticmethod
    def _when(name: str, witness: Witness, end: float) -> float | None:
        if name in ("store locked", "disk full"):
            driven = sum(at <= end for at in witness.at)
            return next((max(at, end) for count, at in witness.acknowledged if count >= driven), None)
        wanted = name == "pad gone"
        steps = zip(witness.at, witness.human, strict=True)
        return next((at for at, human in steps if at > end and (human or not wanted)), None)

    def burst(self, crew: Crew) -> int:
        """Return the most steps that a session made in the first second after a suspension or a hang."""
        ends = [end for name, end in self.over if name in ("suspended", "environment hangs")]
        sessions = [life.witness.at for life in crew.lives if life.role == "session"]
        return max((sum(end < at <= end + 1.0 for at in times) for end in ends for times in sessions), default=0)


