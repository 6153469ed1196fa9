"""A session in the stand-in TrackMania: how punctual it is beside a trainer, and what is left of it after faults of all kinds.

    python benchmarks/trackmania.py [--minutes 10] [--faults 100] [--layouts 11 20 33]

For each layout of telemetry, in a home of its own: the agent of the plugin with 33 numbers sees the layout ``detailed``. The game
runs as a process of its own, at 100 frames a second. In the first part a virtual SDL pad is pressed at random moments by
another thread, and the scripted driver steers while it is held. In the second, a fault counts as named when the store's events
hold a warning from its time, and as a freeze when the time between two ticks of an episode grew beyond five, or when nothing
was driven within ten seconds of the fault's end. Where other work shares the machine, `chrt -f 10` before it all keeps that out
of the figures; the trainer stays an ordinary process. The first parts run one after the other; the faults of all layouts run at
the same time afterwards, each in a process of its own, because most of that time is waiting. Ten minutes for each of three
layouts take some 37 minutes in all.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support" / "modules")]  # the stand-in for vgamepad lies there

import numpy as np  # noqa: E402
from common import parser, print_table, stopwatch, write_report  # noqa: E402
from loop import Notes, Presser, next_tick  # noqa: E402

import hitl.session.environment  # noqa: E402
from data.store import Store  # noqa: E402
from hitl import arbiter  # noqa: E402
from hitl.drivers.human import HumanDriver, HumanSide, ScriptedHuman  # noqa: E402
from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule  # noqa: E402
from hitl.games.observation_layout import DETAILED  # noqa: E402
from hitl.games.trackmania.frames import LAYOUTS  # noqa: E402
from hitl.home import Home  # noqa: E402
from hitl.pads.base import PadState  # noqa: E402
from hitl.pads.sdl import SdlPad  # noqa: E402
from hitl.protocols import Tick  # noqa: E402
from hitl.remote.link import free_port  # noqa: E402
from hitl.road.track import Track  # noqa: E402
from hitl.session.setup import SessionSetup  # noqa: E402
from hitl.session_options import SessionOptions  # noqa: E402
from hitl.task.details import is_detailed  # noqa: E402
from tests.support.stand_in_game import stand_in_track  # noqa: E402
from tests.support.virtual_pad import VirtualPad  # noqa: E402

COMPARED_AFTER = 25  # steps after a restart in which what the game obeys is not compared yet
FAULTS = (
    ("silent", 0.4),
    ("half", 0.0),
    ("nan", 0.4),
    ("garbage", 0.4),
    ("close", 0.0),
    ("down", 0.4),
    ("nowhere", 0.8),
    ("frozen", 1.0),
    ("other", 1.0),
    ("killed", 0.5),
)
FREEZE_TICKS, BACK_S = 5, 10.0
NAMED_WITHIN_S = 2.0  # after a fault's end


class Game:
    """The stand-in as a process; ``fault`` makes it misbehave."""

    def __init__(self, layout: int) -> None:
        self.layout, self.port, self.session_port = layout, free_port(), free_port()
        os.environ["STAND_IN_PORT"] = str(self.port)
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.stand_in_game", *map(str, (self.port, self.layout, self.session_port))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def fault(self, kind: str, seconds: float) -> None:
        """Misbehave in that way, for so long."""
        if kind == "killed":
            self.close()
            time.sleep(seconds)
            self._start()
            return
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kind} {seconds}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


class SteeredWheel(HumanDriver):
    """A pad of which only the button counts: while it is held, the scripted driver says what stick and pedals do."""

    def __init__(self, pad: SdlPad, driver: ScriptedHuman, notes: Notes) -> None:
        super().__init__(pad)
        self.driver, self.notes = driver, notes

    def begin(self) -> None:
        """An episode begins: the next reading is its first."""
        self.driver.begin()
        self.notes.first.append(len(self.notes.driver))

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Read the button; the time noted is the one before, so a press that is missed had its chance."""
        self.notes.read.append(time.perf_counter())
        pad, hold = super().read(info)
        driven, _ = self.driver.read(info)
        return PadState(steer=driven.steer, gas=driven.gas, brake=driven.brake, buttons=pad.buttons), hold


def rig_for(folder: Path, game: Game, wheel: Any, watch: Any) -> SessionSetup:
    """Return a session in that game."""
    home = Home(folder).create()
    home.line.write_text("\n".join(f"{x},{y}" for x, y in stand_in_track().line.points.tolist()))
    ports = f"port = {game.port}\nsession_port = {game.session_port}"
    (home.root / "settings.toml").write_text(f"[trackmania]\n{ports}\nsettle_s = 0.4\n")
    gating = arbiter.GatingSettings(mode="hold", settle_s=0.0, minimum_s=0.0)
    options = SessionOptions(env="trackmania", real_time=True, gating=gating, may_be_detailed=True)
    rig = SessionSetup(home, options, human=wheel, watch=watch)
    assert is_detailed(rig.observation_names) == (game.layout == DETAILED)
    return rig


def ordinary() -> None:
    """Give a process its ordinary place again, where all this runs before other programs (`chrt -f 10 python …`)."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def punctuality(folder: Path, layout: int, seconds: float) -> dict[str, Any]:
    """Drive for a while beside a trainer."""
    game, notes, ages = Game(layout), Notes(), []
    with VirtualPad() as pad:
        presser = Presser(pad, 0)

        def wheel(track: Track) -> HumanSide:
            return SteeredWheel(SdlPad(pad.name), ScriptedHuman(ScriptedDriver(track), None), notes)

        try:
            with rig_for(folder, game, wheel, notes.tick) as rig:
                command = [sys.executable, "-m", "hitl", "train", "--home", str(folder), "--quiet"]
                trainer = subprocess.Popen(command, cwd=ROOT, preexec_fn=ordinary if hasattr(os, "SCHED_OTHER") else None)
                act, state, looked = rig.policy.act, rig.env.game.state, [0.0]

                def seen() -> Any:
                    looked[0] = time.perf_counter()
                    return state()

                def timed(observation: Any, deterministic: bool) -> Any:
                    ages.append(rig.env.game.age + time.perf_counter() - looked[0])
                    return act(observation, deterministic)

                rig.env.game.state, rig.policy.act = seen, timed
                rig.policy.begin_episode()  # loading torch for the first time is no part of driving
                until = time.monotonic() + seconds
                rig.session.stop = lambda: time.monotonic() > until
                presser.start()
                while time.monotonic() < until:
                    rig.session.episode("drive")
                presser.ended.set()
                presser.join()
                late = rig.lateness
                assert trainer.poll() is None, "the trainer ended early"
                trainer.terminate()
                trainer.wait()
                rig.written()
                with Store(rig.home.store_path) as store:
                    updates = store.conn.execute("SELECT coalesce(max(updates), 0) FROM metrics").fetchone()[0]
                    lost = [
                        text
                        for (text,) in store.conn.execute("SELECT message FROM events WHERE kind IN ('env_lost', 'notice')")
                    ]
        finally:
            game.close()
    assert late is not None
    for text in lost:
        print("without a fault:", text)
    hit, total, _ = next_tick(presser.presses, notes)
    return {
        "ticks": late.ticks,
        "missed": late.missed,
        "late_ms_max": 1000 * late.worst,
        "state_age_ms_p50": 1000 * float(np.quantile(ages, 0.5)),
        "state_age_ms_p99": 1000 * float(np.quantile(ages, 0.99)),
        "takeovers": total,
        "next_tick_takeovers": hit / total if total else 0.0,
        "episodes": len(notes.first),
        "warnings_without_fault": len(lost),
        "trainer_updates": updates,
    }


def faults(folder: Path, layout: int, count: int) -> dict[str, Any]:
    """Inject faults of all kinds into running episodes."""
    hitl.session.environment.RETRY_S = (0.2, 0.5, 0.5, 0.5, 0.5)
    hitl.session.environment.MOST_FAILURES = count + 1  # a session ends when a game fails five times within as many seconds
    game, rng, done = Game(layout), random.Random(0), threading.Event()
    given: list[tuple[str, datetime, datetime]] = []  # kind, begin, end
    ticks: list[float] = []
    gaps: list[float] = []
    newest: list[Tick] = []
    running = [False]

    def wheel(track: Track) -> HumanSide:
        return ScriptedHuman(ScriptedDriver(track), TakeoverRule(track, HelpRule()))

    def tick(seen: Tick) -> None:
        newest[:] = [seen]
        now = time.monotonic()
        if running[0]:
            gaps.append(now - ticks[-1])
        ticks.append(now)
        running[0] = True

    back: list[float] = []
    try:
        with rig_for(folder, game, wheel, tick) as rig:

            def injure() -> None:
                due = [FAULTS[k % len(FAULTS)] for k in range(count)]  # each kind as often as the others
                rng.shuffle(due)
                while due and not done.is_set():
                    time.sleep(rng.uniform(0.3, 0.8))
                    if not running[0] or rig.session._result.steps < 10:
                        continue
                    kind, seconds = due[-1]
                    if kind == "frozen" and newest[0].info["state"].speed < 3.0:
                        continue  # not now: a car that stands cannot be told from one that is made to stand
                    if kind == "other" and rig.session._result.steps < COMPARED_AFTER:
                        continue  # not now: what the game obeys is not compared in the first second after a restart
                    due.pop()
                    began = datetime.now(UTC)
                    game.fault(kind, seconds)
                    if kind != "killed":
                        time.sleep(seconds)
                    ended = time.monotonic()
                    given.append((kind, began, datetime.now(UTC)))
                    while time.monotonic() - ended < 3 * BACK_S and not (ticks and ticks[-1] > ended + 0.2):
                        time.sleep(0.02)
                    back.append(ticks[-1] - ended)
                done.set()

            threading.Thread(target=injure, daemon=True).start()
            rig.session.stop = done.is_set
            results = []
            while not done.is_set():
                results.append(rig.session.episode("drive"))
                running[0] = False
            rig.written()
            with Store(rig.home.store_path) as store:
                stored = store.conn.execute("SELECT count(*) FROM steps").fetchone()[0]
                told = [
                    datetime.fromisoformat(at)
                    for (at,) in store.conn.execute("SELECT at FROM events WHERE level = 'warning' ORDER BY id")
                ]
    finally:
        game.close()
    near = timedelta(seconds=NAMED_WITHIN_S)
    unnamed = Counter(kind for kind, began, ended in given if not any(began <= at <= ended + near for at in told))
    return {
        "faults": len(given),
        "kinds": len({kind for kind, _, _ in given}),
        "interrupted": sum(r.reason == "env_lost" for r in results),
        "named": len(given) - sum(unnamed.values()),
        "not_named": " ".join(f"{kind}:{n}" for kind, n in sorted(unnamed.items())),
        "freezes": sum(gap > FREEZE_TICKS / 20 for gap in gaps) + sum(late > BACK_S for late in back),
        "tick_gap_ms_max": 1000 * max(gaps),
        "back_s_max": max(back),
        "fault_steps": sum(r.steps for r in results),
        "lost_steps": sum(r.steps for r in results) - stored,
    }


def main() -> None:
    """Measure, print and write."""
    options = parser(__doc__ or "")
    options.add_argument("--minutes", type=float, default=10.0, help="beside a trainer, for each layout")
    options.add_argument("--faults", type=int, default=100, help="for each layout")
    options.add_argument("--layouts", type=int, nargs="+", default=sorted(LAYOUTS), choices=sorted(LAYOUTS))
    args = options.parse_args()
    figures: dict[str, dict[str, Any]] = {}
    with stopwatch() as watch, tempfile.TemporaryDirectory() as folder:
        for layout in args.layouts:
            found = {"load_before": load()}
            found |= punctuality(Path(folder) / f"a{layout}", layout, 60.0 * args.minutes) if args.minutes else {}
            figures[str(layout)] = found | {"load_after": load()}
            if args.minutes:
                shown(figures)
        if args.faults and len(args.layouts) == 1:
            figures[str(layout)] |= faults(Path(folder) / "b", layout, args.faults)
        elif args.faults:
            at_once(Path(folder), args.layouts, args.faults, figures)
        shown(figures)
    write_report(args.json, figures, [0], watch.seconds)


def at_once(folder: Path, layouts: list[int], count: int, figures: dict[str, dict[str, Any]]) -> None:
    """Inject faults into all layouts at the same time, and add what is found to ``figures``."""
    running = []
    for layout in layouts:
        file = folder / f"faults-{layout}.json"
        more = ["--minutes", "0", "--faults", str(count), "--layouts", str(layout), "--json", str(file)]
        running.append((layout, file, subprocess.Popen([sys.executable, __file__, *more], stdout=subprocess.DEVNULL)))
    try:
        for layout, file, process in running:
            if process.wait():
                raise SystemExit(f"The faults of {layout} numbers a frame ended with {process.returncode}.")
            found = json.loads(file.read_text())["figures"][str(layout)]
            figures[str(layout)] |= {name: value for name, value in found.items() if not name.startswith("load")}
    finally:
        for _, _, process in running:
            process.terminate()


def load() -> float:
    """Return the load average of the last minute; 0 where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def shown(figures: dict[str, dict[str, Any]]) -> None:
    """Print what is measured so far."""
    names = dict.fromkeys(name for found in figures.values() for name in found)

    def cell(value: Any) -> Any:
        return f"{value:.2f}" if isinstance(value, float) else value

    rows = [(name, *(cell(found.get(name, "")) for found in figures.values())) for name in names]
    print_table("Stand-in TrackMania, by numbers a frame", ("figure", *figures), rows)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
