"""A session in the stand-in TrackMania: how punctual it is beside a trainer, and what is left of it after faults of all kinds.

    python benchmarks/trackmania.py [--seconds 300] [--faults 100]

The game runs as a process of its own, at 100 frames a second.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "hitl" / "games" / "modules")]  # the stand-in for vgamepad lies there

import numpy as np  # noqa: E402

import hitl.session  # noqa: E402
from benchmarks.common import parser, print_table, stopwatch, write_report  # noqa: E402
from data.store import Store  # noqa: E402
from hitl.home import Home  # noqa: E402
from hitl.remote.link import free_port  # noqa: E402
from hitl.rig import Rig, RigOptions  # noqa: E402
from hitl.scripted import Rule, ScriptedDriver, TakeoverRule  # noqa: E402
from hitl.track import Track  # noqa: E402
from hitl.wheel import ScriptedWheel  # noqa: E402
from tests.hitl.games.stand_in import stand_in_track  # noqa: E402

FAULTS = (
    ("silent", 0.4),
    ("half", 0.0),
    ("nan", 0.4),
    ("garbage", 0.4),
    ("close", 0.0),
    ("down", 0.4),
    ("nowhere", 0.8),
)


class Game:
    """The stand-in as a process; ``fault`` makes it misbehave."""

    def __init__(self) -> None:
        self.port = free_port()
        os.environ["STAND_IN_PORT"] = str(self.port)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hitl.games.stand_in", str(self.port), "20"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def fault(self, kind: str, seconds: float) -> None:
        """Misbehave in that way, for so long."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kind} {seconds}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def rig_for(folder: Path, game: Game) -> Rig:
    """Return a session in that game, with the scripted driver taking over where it must."""
    home = Home(folder).create()
    home.line.write_text("\n".join(f"{x},{y}" for x, y in stand_in_track().line.points.tolist()))
    (home.root / "settings.toml").write_text(f"[trackmania]\nport = {game.port}\nsettle_s = 0.4\n")

    def wheel(track: Track) -> ScriptedWheel:
        return ScriptedWheel(ScriptedDriver(track), TakeoverRule(track, Rule()))

    return Rig(home, RigOptions(env="trackmania", real_time=True), wheel=wheel)


def punctuality(folder: Path, seconds: float) -> dict[str, Any]:
    """Drive for a while beside a trainer."""
    game, ages = Game(), []
    try:
        with rig_for(folder, game) as rig:
            trainer = subprocess.Popen(
                [sys.executable, "-m", "hitl", "train", "--home", str(folder), "--quiet"], cwd=ROOT
            )
            act = rig.policy.act

            def timed(observation: Any, deterministic: bool) -> Any:
                ages.append(rig.env.game.age)
                return act(observation, deterministic)

            rig.policy.act = timed  # type: ignore[method-assign]
            until = time.monotonic() + seconds
            rig.session.stop = lambda: time.monotonic() > until
            while time.monotonic() < until:
                rig.session.episode("drive")
            late = rig.lateness
            trainer.terminate()
            trainer.wait()
    finally:
        game.close()
    assert late is not None
    return {
        "ticks": late.ticks,
        "missed": late.missed,
        "late_ms_max": 1000 * late.worst,
        "state_age_ms_p50": 1000 * float(np.quantile(ages, 0.5)),
        "state_age_ms_p99": 1000 * float(np.quantile(ages, 0.99)),
    }


def faults(folder: Path, count: int) -> dict[str, Any]:
    """Inject faults of all kinds into running episodes."""
    hitl.session.RETRY_S = (0.2, 0.5)
    game, rng, done, given = Game(), random.Random(0), threading.Event(), []
    try:
        with rig_for(folder, game) as rig:
            driving = threading.Event()

            def injure() -> None:
                while len(given) < count:
                    time.sleep(rng.uniform(0.5, 1.2))
                    if driving.is_set() and rig.session._result.steps > 5:
                        given.append(rng.choice(FAULTS))
                        game.fault(*given[-1])
                        time.sleep(given[-1][1] + 0.8)
                done.set()

            threading.Thread(target=injure, daemon=True).start()
            rig.session.stop = done.is_set
            results, freezes = [], 0
            while not done.is_set():
                driving.set()
                began = time.monotonic()
                results.append(rig.session.episode("drive"))
                driving.clear()
                freezes += time.monotonic() - began - results[-1].steps / 20 > 10.0
            rig.written()
            with Store.open(rig.home.store_path) as store:
                stored = store.conn.execute("SELECT count(*) FROM steps").fetchone()[0]
                named = store.conn.execute("SELECT count(*) FROM events WHERE kind = 'env_lost'").fetchone()[0]
    finally:
        game.close()
    return {
        "faults": len(given),
        "interrupted": sum(r.reason == "env_lost" for r in results),
        "named": named,
        "freezes": freezes,
        "lost_steps": sum(r.steps for r in results) - stored,
    }


def main() -> None:
    """Measure, print and write."""
    options = parser(__doc__ or "")
    options.add_argument("--seconds", type=float, default=300.0)
    options.add_argument("--faults", type=int, default=100)
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, stopwatch() as watch:
        figures = punctuality(Path(folder) / "a", args.seconds) | faults(Path(folder) / "b", args.faults)
    rows = [(name, f"{value:.2f}" if isinstance(value, float) else value) for name, value in figures.items()]
    print_table("Stand-in TrackMania", ("figure", ""), rows)
    write_report(args.json, figures, [0], watch.seconds)


if __name__ == "__main__":
    main()
