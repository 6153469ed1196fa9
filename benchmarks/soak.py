"""A week of driving in accelerated time: twelve million steps through the recorder, the store and the trainer.

    python benchmarks/soak.py [--steps 12000000] [--json FILE] [--folder DIR]

Fifty sessions record episodes of 20 seconds as fast as they go, one in eight with a takeover of 3 seconds, one in twenty an
evaluation, while `hitl train` follows in a process of its own with a replay of a million steps and few updates. The wall's
clock is moved along, so that the store spans a week. Cost is CPU time: the machine may have other things to do. Then: how long
a session and a trainer need to start on the full store, and whether pruning keeps every takeover. The store (some 4 GB) is
deleted at the end.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from common import parser, print_table, stopwatch, write_report

import data.connect
from data.recording.recorder import Recorder
from data.records import SessionInfo, StepRow
from data.store import Store
from data.tables.upkeep import size_on_disk
from trainer.daemon import control
from trainer.daemon.heartbeat import Heartbeat, read_heartbeat

ROOT = Path(__file__).parent.parent
WEEK, SESSIONS, LENGTH, TAKEOVER = 12_000_000, 50, 400, (200, 260)
SETTINGS = ("utd=0.001", "hidden=32", "quantiles=9", "batch_size=64", "checkpoint_seconds=20", "warmup_steps=1000")
PAGE, HERTZ = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")

SESSION_START = """
import sys, time
began, cpu = time.perf_counter(), time.process_time()
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
ticks, home = [], Home(__import__("pathlib").Path(sys.argv[1]))
with SessionSetup(home, SessionOptions(), watch=ticks.append, stop=lambda: bool(ticks)) as rig:
    rig.session.episode("drive", seed=1)
    print(time.perf_counter() - began, time.process_time() - cpu)
"""


class Calendar(datetime.datetime):
    """The wall's clock, moved along by what was driven."""

    ahead_s = 0.0

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        """Return the moment of the week."""
        return datetime.datetime.now(tz) + datetime.timedelta(seconds=cls.ahead_s)


def layout() -> SessionInfo:
    """Return what the embedded game's sessions look like, so that a real one can start on the store."""
    from hitl.games.open_game import open_world
    from hitl.home import Home
    from hitl.session_options import SessionOptions

    with tempfile.TemporaryDirectory() as folder:
        world = open_world(SessionOptions(), Home(Path(folder)))
        info = SessionInfo(
            kind="play", env="box2d", track=world.track.name, hz=20.0, observation_names=world.observation_names,
            action_names=world.action_names, driver="scripted",
        )  # fmt: skip
        world.close()
    return info


class Driver:
    """Records sessions; the steps' numbers come from a small pool, for it is not they that are measured."""

    def __init__(self, path: Path, info: SessionInfo) -> None:
        self.path, self.info = path, info
        rng = np.random.default_rng(0)
        self.pool = [
            StepRow(
                observation=rng.standard_normal(len(info.observation_names)).astype(np.float32),
                executed=rng.uniform(-1, 1, len(info.action_names)).astype(np.float32),
                proposed=rng.uniform(-1, 1, len(info.action_names)).astype(np.float32),
                driver=0, reward=float(rng.normal()), progress=float(k), x=1.0, y=2.0, speed=12.0,
            )
            for k in range(512)
        ]  # fmt: skip
        self.episodes = self.steps = 0

    def session(self, steps: int) -> None:
        """Record one session of so many steps."""
        with Recorder(self.path, self.info) as recorder:
            while steps > 0:
                self._episode(recorder)
                steps -= LENGTH
                if self.episodes % 20 == 0:
                    recorder.flush(120.0)

    def _episode(self, recorder: Recorder) -> None:
        n, pool = self.episodes, self.pool
        self.episodes += 1
        helped = n % 8 == 0
        recorder.begin_episode("evaluation" if n % 20 == 7 else "drive")
        number = None
        for t in range(LENGTH):
            row = pool[(n * 7 + t) & 511]
            if helped and t == TAKEOVER[0]:
                number = recorder.begin_segment("takeover", "stick", "hairpin")
            if number is not None and t == TAKEOVER[1]:
                recorder.end_segment(number, "cleared")
                number = None
            row.driver, row.terminated = int(number is not None), t == LENGTH - 1
            recorder.step(row)
        recorder.end_episode("terminated", "off_road", pool[0].observation)
        self.steps += LENGTH
        Calendar.ahead_s += LENGTH / 20.0


def cpu_s(pid: int) -> float:
    """Return the CPU seconds a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / HERTZ


def resident(pid: int) -> int:
    """Return the bytes of memory a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def trainer(home: Path) -> subprocess.Popen[bytes]:
    """Start `hitl train`."""
    command = [sys.executable, "-m", "hitl", "train", "--home", str(home), "--quiet"]
    command += [word for pair in SETTINGS for word in ("--set", pair)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})


def caught_up(home: Path, process: subprocess.Popen[bytes], steps: int) -> Heartbeat:
    """Wait until the trainer has taken in so many online steps, and owes nothing."""
    while True:
        beat = read_heartbeat(home)
        at_work = beat is not None and beat.pid == process.pid and beat.state in ("idle", "waiting", "training")
        if beat is not None and at_work and beat.online_steps >= steps and beat.owed_updates == 0:
            return beat
        if process.poll() is not None:
            raise SystemExit("The trainer ended early.")
        time.sleep(0.05)


def stop(home: Path, process: subprocess.Popen[bytes]) -> None:
    """End the trainer."""
    control.ask(home, control.STOP)
    process.wait(300)


def online(store_path: Path) -> int:
    """Return the online steps in the store."""
    with Store(store_path, read_only=True) as store:
        row = store.conn.execute("SELECT sum(length) FROM episodes WHERE purpose <> 'evaluation'").fetchone()
    return int(row[0] or 0)


def kept(store_path: Path) -> tuple[int, int, int, int]:
    """Return what pruning may never take: segments, human steps, steps inside segments, and a sum over the latter's numbers."""
    with Store(store_path, read_only=True) as store:
        one = store.conn.execute
        inside = "FROM segments g JOIN steps p ON p.episode_id = g.episode_id AND p.t >= g.start AND p.t <= g.stop"
        return (
            one("SELECT count(*) FROM segments").fetchone()[0],
            one("SELECT count(*) FROM segments g JOIN steps p ON p.episode_id = g.episode_id WHERE p.driver = 1").fetchone()[0],
            *one(f"SELECT count(*), sum(p.id * 31 + unicode(hex(p.observation))) {inside}").fetchone(),
        )


def drive(home: Path, steps: int) -> list[dict[str, float]]:
    """Record the week with the trainer beside it; returns what each tenth cost."""
    home.mkdir(parents=True)
    path = home / "store.sqlite"
    driver, rows = Driver(path, layout()), []
    driver.session(4_000)
    process = trainer(home)
    caught_up(home, process, 0)
    for tenth in range(10):
        mine, theirs, before = time.process_time(), cpu_s(process.pid), driver.steps
        for _ in range(SESSIONS // 10):
            driver.session(steps // SESSIONS)
            beat = caught_up(home, process, online(path))
        count = driver.steps - before
        rows.append(
            {
                "tenth": tenth + 1,
                "record_us": (time.process_time() - mine) / count * 1e6,
                "train_us": (cpu_s(process.pid) - theirs) / count * 1e6,
                "record_mb": resident(os.getpid()) / 1e6,
                "train_mb": resident(process.pid) / 1e6,
                "demo_rows": beat.demo_rows,
                "store_mb": size_on_disk(path) / 1e6,
            }
        )
        print({k: round(v, 1) for k, v in rows[-1].items()}, flush=True)
    stop(home, process)
    return rows


def starts(home: Path) -> dict[str, float]:
    """Measure how long a session and a trainer need on the full store, s: on the wall, and of CPU."""
    out = subprocess.run(
        [sys.executable, "-c", SESSION_START, str(home)], capture_output=True, text=True, check=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout.split()  # fmt: skip
    began = time.monotonic()
    process = trainer(home)
    beat = caught_up(home, process, 1)
    found = {
        "session_start_s": float(out[0]), "session_start_cpu_s": float(out[1]),
        "trainer_start_s": time.monotonic() - began, "trainer_start_cpu_s": cpu_s(process.pid),
        "trainer_online_steps": beat.online_steps, "trainer_demo_rows": beat.demo_rows,
    }  # fmt: skip
    stop(home, process)
    return found


def prune_all_but_a_day(path: Path) -> dict[str, float]:
    """Prune what is older than the last day of the week, and see that nothing a person did is gone."""
    before = kept(path)
    with Store(path) as store:
        (newest,) = store.conn.execute("SELECT max(started) FROM episodes").fetchone()
        (cut,) = store.conn.execute("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ?, '-1 day')", (newest,)).fetchone()
        wanted = store.prunable(cut)[0]
        cpu = time.process_time()
        gone = store.prune(cut)
        cpu = time.process_time() - cpu
        sound = store.check()
    after = kept(path)
    return {
        "pruned_steps": gone, "pruned_as_announced": int(gone == wanted), "prune_cpu_us_per_step": cpu / max(1, gone) * 1e6,
        "takeovers": before[0], "takeover_steps_lost": before[2] - after[2], "takeovers_changed": int(before != after),
        "unsound": len(sound),
    }  # fmt: skip


def main() -> None:
    """Print the table and write the JSON."""
    made: argparse.ArgumentParser = parser(__doc__ or "")
    made.add_argument("--steps", type=int, default=WEEK)
    made.add_argument("--folder", type=Path, default=None, help="where some 4 GB may lie for a while")
    args = made.parse_args()
    data.connect.datetime = Calendar  # type: ignore[misc]
    Calendar.ahead_s = -args.steps / 20.0
    folder = Path(tempfile.mkdtemp(prefix="hitl-soak-", dir=args.folder))
    home = folder / "home"
    try:
        with stopwatch() as watch:
            rows = drive(home, args.steps)
            found = starts(home)
            found |= prune_all_but_a_day(home / "store.sqlite")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    first, last, second = rows[0], rows[-1], rows[1]
    figures: dict[str, Any] = {
        "steps": args.steps,
        "cost_ratio_record": round(last["record_us"] / first["record_us"], 3),
        "cost_ratio_train": round(last["train_us"] / first["train_us"], 3),
        "cost_ratio_train_from_second": round(last["train_us"] / second["train_us"], 3),
        "memory_ratio_record": round(last["record_mb"] / second["record_mb"], 3),
        "memory_ratio_train": round(last["train_mb"] / second["train_mb"], 3),
        "bytes_per_step": round(last["store_mb"] * 1e6 / args.steps),
        **{name: round(value, 3) for name, value in found.items()},
        "tenths": [{k: round(v, 2) for k, v in row.items()} for row in rows],
    }
    print_table(
        f"{args.steps:,} steps, by tenths", list(rows[0]), [[f"{v:,.1f}" for v in row.values()] for row in rows]
    )
    print_table("", ["", "value"], [(k, f"{v:,}") for k, v in figures.items() if k != "tenths"])
    write_report(args.json, figures, seeds=[0], wall_seconds=watch.seconds)


if __name__ == "__main__":
    main()
