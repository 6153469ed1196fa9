"""The trainer as a process of its own: start it, read its heartbeat, stop it."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from data.errors import StoreError, TrainingError, shown
from data.files import held
from data.files.paths import disk_is_full
from data.store import Store
from data.words import about
from hitl.coach.rules import Said, Say
from hitl.home import Home
from hitl.processes import apart, command, environment
from trainer.daemon import control
from trainer.daemon.heartbeat import TOKEN, Heartbeat, read_heartbeat

if TYPE_CHECKING:
    from hitl.session.setup import SessionSetup

FULL_S = 5.0  # s after which a trainer that could not write a heartbeat is taken for one without room for it
START_S = 30.0  # a trainer must have written its first heartbeat by then
STOP_S = 20.0  # a trainer needs a moment to write its last checkpoint
SLOW_S = 2.0  # what takes longer is explained
AGAIN_S = 60.0  # and how long it still takes is said as often
FOLLOWS = "HITL_TRAINER_FOLLOWS"  # set for a trainer that is to end when its standard input is closed, so when its parent ends


class TrainerProcess:
    """Runs ``hitl train`` on a home folder. Its output goes to ``trainer.log`` there.

    ``detached``: it keeps running when this process and its terminal end. Otherwise use it as a context manager, which stops it;
    it ends by itself when this process is killed.

    On Linux it leads a session of its own in both cases. What a terminal has started shares its processors, so a trainer that
    learns all the time would leave the driving beside it with next to nothing on a busy machine.
    """

    def __init__(self, home: Home, *arguments: str, detached: bool = False) -> None:
        self._home = home
        self._log = home.root / "trainer.log"
        self._begun, self._token = time.monotonic(), secrets.token_hex(8)
        follows = not detached
        with self._open_log() as log:
            self._from = log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(
                command("hitl", "train", *arguments, "--home", str(home.root)),
                stdin=subprocess.PIPE if follows else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(PYTHONUNBUFFERED="1", **{TOKEN: self._token}, **({FOLLOWS: "1"} if follows else {})),
                **(apart() if detached or sys.platform.startswith("linux") else {}),
            )

    def _open_log(self) -> BinaryIO:
        try:
            return held.insist(lambda: self._log.open("ab"))
        except OSError as error:
            home = shown(self._home.root.name)
            raise TrainingError(
                f"The trainer cannot be started: {self._log.name} cannot be written in the home folder '{home}' "
                f"{held.why(error, 'make it writable')}, or choose another with --home DIR."
            ) from error

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def heartbeat(self) -> Heartbeat | None:
        """Return the newest heartbeat; None before the first."""
        return read_heartbeat(self._home.root)

    def wait_for_heartbeat(
        self, say_text: Callable[[str], None] = lambda _: None, left: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait for its first heartbeat, as long as it lives; ``say_text`` hears when that takes long. ``left``: no one waits.

        Raises TrainingError, with the trainer's last line, when it ends first.
        """
        told = False
        while not self._has_begun() and not left():
            if not self.alive:
                raise TrainingError(f"The trainer ended at once: {self.last_line()}")
            if time.monotonic() > self._begun + FULL_S and self._has_no_room():
                problem = "the trainer is at work, but can write no checkpoint, nor how it does"
                say_text(f"The disk is full: {problem}. Make room on it.")
                return
            if not told and time.monotonic() > self._begun + START_S:
                told = True
                say_text(f"The trainer is still starting; {self._log.name} in the home folder says more. Ctrl+C stops waiting.")
            time.sleep(0.05)

    def _has_begun(self) -> bool:
        # Not by the process id: in a virtual environment on Windows, python.exe starts the trainer as another process.
        beat = self.heartbeat()
        return beat is not None and beat.token == self._token and beat.state not in ("stopped", "failed")

    def _has_no_room(self) -> bool:
        """Whether it has the home to itself already, and cannot write there."""
        return disk_is_full(self._home.root) and control.running(self._home.store_path)

    def last_line(self) -> str:
        """Return the last line that it printed."""
        with contextlib.suppress(OSError):
            lines = held.read_bytes(self._log)[self._from :].decode("utf-8", "replace").strip().splitlines()
            if lines:
                return lines[-1].removeprefix("hitl: ")
        return "the disk is full. Make room on it, then try again." if disk_is_full(self._home.root) else "it said nothing."

    def stop(self) -> None:
        """Ask it to write its last checkpoint and end; kill it when it has not ended after ``STOP_S``."""
        deadline = time.monotonic() + STOP_S
        while self.alive and time.monotonic() < deadline:
            # A file, not a signal: on Windows a signal would be a kill. Ask again and again, because a trainer that is just
            # starting deletes such a file.
            with contextlib.suppress(OSError):
                control.ask(self._home.root, control.STOP)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.3)
        if self.alive:
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        control.withdraw(self._home.root, control.STOP)

    def __enter__(self) -> TrainerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def when_parent_ends(act: Callable[[], None]) -> None:
    """Call ``act``, on a thread of its own, when the process that started this trainer has ended; if it is to follow that."""
    if os.environ.pop(FOLLOWS, ""):
        # Under another number: on Windows a child with this standard input, too, would stand still while it is read from.
        ours, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

        def watch() -> None:
            with contextlib.suppress(OSError):
                while os.read(ours, 1):
                    pass
            act()

        threading.Thread(target=watch, name="hitl-parent", daemon=True).start()


class TakingTurns:
    """A session that drives as fast as it can, and a trainer: what an episode taught drives the next one.

    Without that the session would be over before the first update.
    """

    def __init__(self, rig: SessionSetup, say_text: Callable[[str], None]) -> None:
        self._rig, self._say_text, self._told = rig, say_text, False
        self._name = f"{control.CATCH_UP}{os.getpid()}"

    def wait(self, stop: Callable[[], bool], show: Callable[[float], None] = lambda seconds: None) -> None:
        """Let the trainer, if there is one at work, learn from all that was recorded.

        ``show`` takes how long it has been waited for, in seconds: each second anew.
        """
        root, began = self._rig.home.root, time.monotonic()
        if not self._learns() or not self._rig.written():
            return
        try:
            control.ask(root, self._name)
        except OSError:  # no room, no right: the session goes on
            return
        shown, say_at = 0, SLOW_S
        while control.asked(root, self._name) and self._learns() and not stop():
            if (waited := time.monotonic() - began) >= shown + 1:
                shown = int(waited)
                show(float(shown))
            if waited > say_at:
                say_at = waited + (AGAIN_S if self._say_why() else SLOW_S)
            time.sleep(0.01)
        control.withdraw(root, self._name)

    def _say_why(self) -> bool:
        """Say what is waited for, once, and how much longer; return whether that is known."""
        beat = read_heartbeat(self._rig.home.root)
        left = about(beat.left_s) if beat is not None and beat.left_s is not None else ""
        if not self._told:
            self._told = True
            text = "The trainer learns from each episode before the next is driven"
            text += f": that takes {left} now" if left else ""
            self._say_text(f"{text}. `hitl train pause` lets the session go on alone.")
        elif left:
            self._say_text(f"The trainer is still learning, for {left}.")
        return bool(left)

    def _learns(self) -> bool:
        """Whether a trainer is at work: one that is paused, or silent, is not waited for."""
        home = self._rig.home
        if not control.running(home.store_path) or control.asked(home.root, control.PAUSE):
            return False
        beat = read_heartbeat(home.root)
        return beat is None or beat.age_s < START_S


def wait_for_laps(
    rig: SessionSetup, say: Say, stop: Callable[[], bool], leave_by: str = "Escape or Ctrl+C"
) -> bool:
    """Let a trainer first learn what the laps of a home show: an agent without a checkpoint drives at random.

    Where that is not to be expected, the player is told what to type. ``leave_by``: what they press to leave. Returns False when
    they leave meanwhile.
    """
    from hitl.agents.beside import BesidePolicy

    rig.policy.begin_episode()  # takes the newest checkpoint
    laps, all_laps, store_path = 0, 0, rig.home.store_path
    with contextlib.suppress(StoreError), Store(store_path, read_only=True) as store:  # else the recorder says so
        laps, all_laps = store.count_laps((rig.observation_names, rig.action_names))
    if isinstance(rig.policy, BesidePolicy):
        if rig.policy.problem:
            say(Said("problem", "warning", {"problem": rig.policy.problem}))
        return True
    if rig.policy.checkpoint_name:
        return True
    began, shown = time.monotonic(), -1
    while laps and _learns(rig, began):
        if stop():  # asked once for each turn: a short press of a key is seen only once
            return False
        beat = read_heartbeat(rig.home.root)
        done = int(10 * beat.laps_learned) if beat is not None and beat.state == "training" else 0
        if done != shown:
            shown = done
            say(Said("laps_learned", values={"n": laps, "percent": 10 * done, "leave": leave_by}))
        time.sleep(0.1)
        rig.policy.begin_episode()
    if rig.policy.checkpoint_name:
        return True
    coaching = rig.session.coaching
    if coaching is not None:  # what is known of the corners is how another agent drove them
        coaching.forget(lost=rig.policy.unread > 0)
    if rig.policy.unread:
        say(Said("lost", "warning"))
        return True
    if laps and control.running(store_path):
        why = "random_waits"
    elif laps:
        why = "random_laps"
    elif all_laps:
        why = "random_useless"
    elif rig.policy.refused:
        why = "random_refused"
    else:
        why = "random_show" if rig.world.has_line else "random_roadless"
    problem = f"{rig.policy.problem} " if rig.policy.problem else ""
    say(Said("random", "warning", {"problem": problem, "n": laps or all_laps}, why=why))
    return True


def _learns(rig: SessionSetup, began: float) -> bool:
    """Whether a trainer is still on the way to the first checkpoint that can drive here."""
    if rig.policy.checkpoint_name or rig.policy.refused or not control.running(rig.home.store_path):
        return False
    beat = read_heartbeat(rig.home.root)
    if beat is None or beat.state in ("stopped", "failed"):  # of the trainer before this one
        return time.monotonic() < began + START_S
    return beat.state in ("starting", "training") and beat.age_s < START_S
