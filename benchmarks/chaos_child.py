"""One process of the chaos run: a live session, the trainer or a review, with the faults that can be done from inside.

    python benchmarks/chaos_child.py ROLE HOME CONTROL JOURNAL [--wheel pad|scripted] [more for `hitl train`]

CONTROL is a folder whose files say what is to go wrong now: ``clock`` (seconds that the wall's clock is off), ``pad`` (it is
there: unplugged), ``environment`` (``hang`` or ``raise``, and the moment on the monotonic clock until which). JOURNAL is the
independent witness, appended line by line:

    session UUID            the recorder's
    R NUMBER T DRIVER AT CRC   a step was handed to the recorder, at a moment on the monotonic clock
    A COUNT AT              so many steps of this session are committed, says the recorder; on the disk before the next line
    L SEGMENT AT            a judgement was written
    B AT                    the review has drawn
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import faulthandler
import os
import random
import signal
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
sys.path.insert(0, str(Path(__file__).parent.parent))

HELD_S, REST_S = (0.2, 1.5), (0.3, 2.0)  # how long the button is held and left alone, s
COMMANDS = ("next", "previous", "good", "bad", "star", "start_in", "start_out", "stop_in", "more", "less", "undo", "next_open")


def shift_clock(control: Path) -> None:
    """Move this process's wall clock by what the file ``clock`` says, now and whenever it changes."""
    import data.connect

    real = time.time

    def offset() -> float:
        with contextlib.suppress(OSError, ValueError):
            return float((control / "clock").read_text())
        return 0.0

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return datetime.datetime.fromtimestamp(real() + offset(), tz)

    time.time = lambda: real() + offset()
    data.connect.datetime = Shifted  # type: ignore[misc]


class Journal:
    """The witness: what it is told is on its way to the disk before it returns, and there after ``sync``."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, *words: Any, sync: bool = False) -> None:
        """Append a line."""
        os.write(self._fd, (" ".join(map(str, words)) + "\n").encode())
        if sync:
            os.fsync(self._fd)


def checksum(observation: bytes, executed: bytes) -> int:
    """Return what tells a step's numbers from any other's."""
    return zlib.crc32(executed, zlib.crc32(observation))


def witness(recorder: Any, journal: Journal) -> threading.Thread:
    """Note every step that the recorder is given, and each time that it says how many are committed."""
    import numpy as np

    step = recorder.step

    def noted(row: Any) -> None:
        number, t = recorder._episode, recorder._t
        crc = checksum(np.asarray(row.observation, "<f4").tobytes(), np.asarray(row.executed, "<f4").tobytes())
        step(row)
        journal.write("R", number, t, row.driver, time.monotonic(), crc)

    recorder.step = noted
    journal.write("session", recorder.uuid)

    def follow() -> None:
        told = 0
        while True:
            count = recorder.status.committed_steps
            if count > told:
                journal.write("A", count, time.monotonic(), sync=True)
                told = count
            time.sleep(0.02)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    return thread


def break_environment(control: Path) -> None:
    """Let the embedded game hang or fail for as long as the file ``environment`` says."""
    from hitl.games.box2d import Box2DGame

    advance = Box2DGame.advance

    def broken(self: Box2DGame, dt: float) -> None:
        with contextlib.suppress(OSError, ValueError):
            how, until = (control / "environment").read_text().split()
            if how == "raise" and time.monotonic() < float(until):
                raise RuntimeError("the game fell over")
            time.sleep(max(0.0, float(until) - time.monotonic()))
        advance(self, dt)

    Box2DGame.advance = broken  # type: ignore[method-assign]


class Hands:
    """Presses and releases the takeover button, and pulls the cable, on the session's own thread."""

    def __init__(self, pad: Any, control: Path) -> None:
        self.pad, self.control, self.random = pad, control, random.Random()
        self._out = self._held = False
        self._next = time.monotonic()

    def tick(self, _: Any) -> None:
        """Do what is due."""
        out = (self.control / "pad").exists()
        if out != self._out:
            self._out, self._held = out, False
            self.pad.unplug() if out else self.pad.plug()
        if not out and time.monotonic() >= self._next:
            self._held = not self._held
            (self.pad.press if self._held else self.pad.release)("rightshoulder")
            self.pad.axis("gas", self.random.random() * 0.6)
            self.pad.axis("steer", self.random.uniform(-0.5, 0.5))
            self._next = time.monotonic() + self.random.uniform(*(HELD_S if self._held else REST_S))


def session(home: Path, control: Path, journal: Journal, wheel: str) -> int:
    """Drive in real time until asked to stop."""
    from hitl import arbiter
    from hitl.drivers.human import HumanDriver, ScriptedHuman
    from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule
    from hitl.home import Home
    from hitl.pads.sdl import SdlPad
    from hitl.session.setup import SessionSetup
    from hitl.session_options import SessionOptions
    from tests.support.virtual_pad import VirtualPad

    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    break_environment(control)
    seed = random.randrange(1_000_000)
    with contextlib.ExitStack() as stack:
        watch = None
        if wheel == "pad":
            pad = stack.enter_context(VirtualPad())
            watch = Hands(pad, control).tick

        def sit_down(track: Any) -> Any:
            if wheel == "pad":
                return HumanDriver(SdlPad(pad.name))
            names = frozenset(c.name for c in track.corners)
            return ScriptedHuman(ScriptedDriver(track, seed=seed), TakeoverRule(track, HelpRule(corners=names)))

        rig = stack.enter_context(
            SessionSetup(
                Home(home),
                SessionOptions(real_time=True, seed=seed, gating=arbiter.GatingSettings(mode="hold")),
                human=sit_down,
                watch=watch,
                stop=lambda: bool(asked),
            )
        )
        witness(rig.recorder, journal)
        while not rig.session.stop():
            rig.session.episode("drive", seed=random.randrange(1_000_000))
    journal.write("A", rig.recorder.status.committed_steps, time.monotonic(), sync=True)
    return 0


def review(home: Path, journal: Journal) -> int:
    """Look through the takeovers and judge them at random, until asked to stop."""
    from data.reading.segment_review import StoreReview
    from data.store import Store
    from hitl.screens.stored.scene import stored_scene
    from takeover_ui.review.app import ReviewApp
    from takeover_ui.review.model import ReviewModel

    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    dice = random.Random()
    with Store.open_existing(home / "store.sqlite") as store:
        label = store.label

        def noted(ids: Any, **changes: Any) -> int:
            ids = list(ids)
            count = label(ids, **changes)
            if count:
                journal.write("L", ids[0], time.monotonic(), sync=True)
            return count

        store.label = noted  # type: ignore[method-assign,assignment]
        model = ReviewModel(StoreReview(store, stored_scene(store, None).track))
        app = ReviewApp(model, stored_scene(store, None), (640, 360))
        try:
            due, last = time.monotonic(), time.monotonic()
            while not model.over:
                app.events()
                if asked:
                    model.do("quit")
                elif time.monotonic() >= due:
                    model.do(dice.choice(COMMANDS))
                    due = time.monotonic() + dice.uniform(0.1, 0.6)
                model.tick(time.monotonic() - last)
                last = time.monotonic()
                app.draw()
                journal.write("B", last)
                time.sleep(0.1)
        finally:
            app.close()
    return 0


def main() -> int:
    """Play one role."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("session", "trainer", "review"))
    parser.add_argument("home", type=Path)
    parser.add_argument("control", type=Path)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--wheel", choices=("pad", "scripted"), default="pad")
    args, more = parser.parse_known_args()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    shift_clock(args.control)
    if args.role == "trainer":
        from hitl.cli import main as command_line

        sys.argv = ["hitl", "train", "--home", str(args.home), *more]  # it has this process for itself, as from a terminal
        return command_line()
    from data.errors import HitlError

    journal = Journal(args.journal)
    try:
        return session(args.home, args.control, journal, args.wheel) if args.role == "session" else review(args.home, journal)
    except HitlError as error:  # as the command line does
        print(f"hitl: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
