"""The three processes of the chaos run: started as a player would, killed, stopped, watched."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from chaos_stage import Stage
from chaos_verdict import Witness

from trainer.daemon import control
from trainer.daemon.heartbeat import read_heartbeat

ROLES = ("session", "trainer", "review")
CHILD = Path(__file__).with_name("chaos_child.py")
TRAINER = ("hidden=32", "quantiles=9", "batch_size=64", "checkpoint_seconds=1", "checkpoint_seconds_max=3", "warmup_steps=100")
PATIENCE_S = 60.0
"""Without a sign of life, or an end when asked to, a process counts as hung."""
START_S = 180.0
"""Without a first sign of life. A busy machine needs long to start one."""
LOOK_S, SAMPLE_S, AGAIN_S = 0.1, 1.0, 1.5
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass
class Life:
    """One process, from its start to its end."""

    role: str
    process: subprocess.Popen[bytes]
    journal: Path
    log: Path
    started: float
    after_kill: bool
    killed: bool = False
    killed_at: float | None = None
    """When it died by kill -9, the hung ones included."""
    first_sign: float | None = None
    sign: tuple[float, float] = (0.0, 0.0)
    """(what it last said, when that was seen)"""
    memory: list[tuple[float, int]] = field(default_factory=list)
    expected: bool = False
    """Its end was our doing."""
    witness: Witness = field(default_factory=Witness)


class Crew:
    """Who is alive. Every method may be called from any thread; ``lock`` is held while nobody may come or go."""

    def __init__(self, stage: Stage, dice: random.Random) -> None:
        self.stage, self.dice = stage, dice
        self.lock = threading.RLock()
        self.lives: list[Life] = []
        self.now: dict[str, Life] = {}
        self.hangs: list[str] = []
        self.refused: list[str] = []
        self.ended: list[str] = []
        self.stop_s: list[float] = []
        self.spared = ""
        """Whom nobody kills now."""

    def start(self, role: str) -> None:
        """Start a process of this role, if none is there."""
        with self.lock:
            before = self.now.get(role)
            if before is not None and before.process.poll() is None:
                return
            number = len(self.lives)
            journal, log = (self.stage.root / f"{role}-{number}.{end}" for end in ("journal", "log"))
            command = [sys.executable, str(CHILD), role, str(self.stage.home), str(self.stage.control), str(journal)]
            if role == "session":
                command += ["--wheel", "scripted" if self.dice.random() < 0.3 else "pad"]
            elif role == "trainer":
                command += ["--quiet", *self.stage.logs, *(word for pair in TRAINER for word in ("--set", pair))]
            with log.open("ab") as out:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.stage.environment
                )
            now = time.monotonic()
            life = Life(role, process, journal, log, now, before is not None and before.killed, sign=(0.0, now))
            self.lives.append(life)
            self.now[role] = life

    def kill(self, role: str) -> None:
        """Kill -9, without warning."""
        with self.lock:
            life = self.now[role]
            if life.process.poll() is not None:
                return
            life.expected = life.killed = True
            life.killed_at = time.monotonic()
            life.process.kill()
            life.process.wait()

    def stop(self, role: str) -> None:
        """Ask it to end, in one of the ways there are; one that does not within the patience counts as hung."""
        with self.lock:
            life = self.now[role]
            if life.process.poll() is not None:
                return
            life.expected, began = True, time.monotonic()
            by_file = role == "trainer" and self.dice.random() < 0.5
            if not by_file:
                life.process.send_signal(signal.SIGTERM)
            while life.process.poll() is None:
                if by_file:  # asked again: one that is only starting clears what was left from before
                    with contextlib.suppress(OSError):
                        control.ask(self.stage.home, control.STOP)
                if time.monotonic() - began > PATIENCE_S:
                    self._hung(life, "did not stop when asked to")
                    return
                time.sleep(0.05)
            self.stop_s.append(time.monotonic() - began)

    def _hung(self, life: Life, how: str) -> None:
        self.hangs.append(f"{life.role} {how} (see {life.log.name})")
        with contextlib.suppress(OSError):
            life.process.send_signal(signal.SIGUSR1)  # says where each thread is
            time.sleep(0.5)
        life.expected, life.killed_at = True, time.monotonic()
        life.process.kill()
        life.process.wait()

    def at_work(self, role: str) -> bool:
        """Whether a process of this role lives and has begun its work."""
        life = self.now[role]
        return life.process.poll() is None and life.first_sign is not None

    def wait_until_at_work(self) -> None:
        """Return when the session drives and the trainer has a heartbeat."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            for role in ROLES:
                self.start(role)  # a review that found nothing to look at yet is opened again
            self._look()
            if all(self.now[role].first_sign is not None for role in ("session", "trainer")):
                return
            time.sleep(2 * LOOK_S)
        raise SystemExit("The processes did not start: see the logs.")

    def look_after(self, over: threading.Event) -> None:
        """Watch memory and signs of life, and start again what has ended by itself, as a player would."""
        due = 0.0
        while not over.wait(LOOK_S):
            with self.lock:
                self._look()
                if time.monotonic() >= due:
                    due = time.monotonic() + SAMPLE_S
                    for life in self.now.values():
                        self._sample(life)

    def _look(self) -> None:
        for role, life in list(self.now.items()):
            now = time.monotonic()
            if life.process.poll() is not None:
                if not life.expected:
                    life.expected = True
                    self._note_end(life)
                    self.now[role] = life
                    life.sign = (life.sign[0], now)
                elif not life.killed and now - life.sign[1] > AGAIN_S:  # the killed ones have their own
                    self.start(role)
                continue
            said = self._says(life)
            if said != life.sign[0]:
                life.sign = (said, now)
                if life.first_sign is None and said:
                    life.first_sign = now
            elif now - life.sign[1] > (PATIENCE_S if life.first_sign is not None else START_S):
                self._hung(life, f"gave no sign of life for {now - life.sign[1]:.0f} s")

    def _says(self, life: Life) -> float:
        """Return a number that changes while the process is at work; 0 before."""
        if life.role == "trainer":
            beat = read_heartbeat(self.stage.home)
            mine = beat is not None and beat.pid == life.process.pid and beat.state != "starting"
            return beat.ticks if mine and beat is not None else life.sign[0]
        try:
            return float(life.journal.stat().st_size)
        except OSError:
            return 0.0

    def _note_end(self, life: Life) -> None:
        lines = life.log.read_text(errors="replace").strip().splitlines()
        text = f"{life.role}: exit {life.process.returncode}, {lines[-1] if lines else 'without a word'}"
        (self.refused if life.first_sign is None and lines and "hitl:" in lines[-1] else self.ended).append(text)

    def _sample(self, life: Life) -> None:
        with contextlib.suppress(OSError, IndexError, ValueError):
            resident = int(Path(f"/proc/{life.process.pid}/statm").read_text().split()[1]) * PAGE
            if life.first_sign is not None:
                life.memory.append((time.monotonic(), resident))

    def first_sign(self, life: Life) -> float | None:
        """Return when a process was first seen at work (s)."""
        if life.role == "session":
            return life.witness.at[0] if life.witness.at else None
        if life.role == "review":
            return life.witness.beats[0] if life.witness.beats else None
        return life.first_sign

    def tracebacks(self) -> int:
        """Return how many processes have printed one."""
        return sum("Traceback (most recent" in life.log.read_text(errors="replace") for life in self.lives)
