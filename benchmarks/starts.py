"""How long a trainer needs to start on a full store, and what of it is reading.

    python benchmarks/starts.py [--steps 1000000 12000000] [--json FILE] [--folder DIR]

A store of so many steps of 45 numbers, in episodes of 20 seconds, one in eight with a takeover of 3 seconds, one in twenty an
evaluation. Then a replay of the default size is filled from it, as a trainer does when it starts, each time in a process of its
own. The store (some 310 bytes a step) is deleted at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from common import parser, print_table, stopwatch, write_report

from data.connect import bulk_writing
from data.reading.episodes import EpisodeData, EpisodeWriter, SegmentData
from data.records import HUMAN, SessionInfo
from data.schema import STEP_MEASURES
from data.store import Store

OBSERVATIONS, ACTIONS, LENGTH, TAKEOVER, SESSIONS = 45, 2, 400, (200, 260), 50
INFO = SessionInfo(
    kind="play", env="box2d", track="hairpin", hz=20.0, observation_names=tuple(f"o{i}" for i in range(OBSERVATIONS)),
    action_names=("gas_brake", "steer"),
)  # fmt: skip
START = """
import json, sys, time
from pathlib import Path
from data.reading.follow import Follower
from data.reading.step_cache import StepCache
from trainer.daemon.process_tuning import tune_malloc
from trainer.config import TrainConfig
from trainer.replay.replay import Replay, around_demos
tune_malloc()
config, read, began = TrainConfig(), 0.0, time.perf_counter()
cpu, replay, path = time.process_time(), None, Path(sys.argv[1])
cache = StepCache(path.parent / "steps-cache") if sys.argv[2:] else None
with Follower(path, newest=config.capacity, around=around_demos(config), cache=cache) as follower:
    while True:
        at = time.perf_counter()
        update = follower.poll()
        read += time.perf_counter() - at
        if not (update.news or update.more):
            break
        if replay is None:
            replay = Replay(*map(len, follower.layout), config)
        replay.expect(follower.expected)
        replay.add(update)
    follower.caught_up()
print(json.dumps({"start_s": time.perf_counter() - began, "read_s": read, "cpu_s": time.process_time() - cpu,
                  "online_rows": replay.online_rows, "demo_rows": replay.demo_rows}))
"""


def drives(episodes: int, first: int) -> Iterator[EpisodeData]:
    """Make so many episodes; their numbers come from a pool, for it is not they that are measured."""
    rng = np.random.default_rng(first)
    pool = rng.standard_normal((32, LENGTH, OBSERVATIONS), np.float32)
    actions = rng.uniform(-1, 1, (32, LENGTH, ACTIONS)).astype(np.float32)
    measures = {name: rng.uniform(0, 50, LENGTH) for name in STEP_MEASURES}
    over = np.arange(LENGTH) == LENGTH - 1
    for n in range(first, first + episodes):
        driver = np.zeros(LENGTH, np.uint8)
        helped = n % 8 == 0
        if helped:
            driver[slice(*TAKEOVER)] = HUMAN
        yield EpisodeData(
            observation=pool[n % 32], executed=actions[n % 32], proposed=actions[(n + 1) % 32], driver=driver,
            reward=rng.standard_normal(LENGTH), terminated=over, columns=measures, last_observation=pool[n % 32, 0],
            purpose="evaluation" if n % 20 == 7 else "drive", reason="off_road",
            segments=[SegmentData("takeover", *TAKEOVER, "stick", "corner 1", outcome="cleared")] if helped else [],
        )  # fmt: skip


def fill(path: Path, steps: int) -> None:
    """Make a store of so many steps."""
    with Store(path) as store, bulk_writing(store.conn):
        each = steps // SESSIONS // LENGTH
        for k in range(SESSIONS):
            session = store.start_session(INFO)
            with EpisodeWriter(store.conn, session) as writer:
                for episode in drives(each, k * each):
                    writer.add(episode)
            store.end_session(session)


def start(path: Path, cached: bool) -> dict[str, float]:
    """Fill a replay from the store in a process of its own; return what it took."""
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", START, str(path), *["cached"] * cached], capture_output=True, text=True, check=True, cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def main() -> None:
    """Print the table and write the JSON."""
    made = parser((__doc__ or "").splitlines()[0])
    made.add_argument("--steps", type=int, nargs="+", default=[1_000_000, 12_000_000])
    made.add_argument("--folder", type=Path, default=None, help="where some 4 GB may lie for a while")
    args = made.parse_args()
    rows: list[tuple[str, ...]] = []
    figures: dict[str, float] = {}
    with stopwatch() as watch:
        for steps in args.steps:
            folder = Path(tempfile.mkdtemp(prefix="hitl-starts-", dir=args.folder))
            try:
                fill(folder / "store.sqlite", steps)
                for what, cached in (("as it is", False), ("first with the cache", True), ("next", True)):
                    found = start(folder / "store.sqlite", cached)
                    figures |= {f"{name}_{steps // 1000}k_{what}".replace(" ", "_"): round(v, 3) for name, v in found.items()}
                    rows.append((f"{steps:,}", what, *(f"{value:,.2f}" for value in found.values())))
                    print(*rows[-1], flush=True)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    print_table("A trainer's start", ("steps", "", *found), rows)
    write_report(args.json, figures, seeds=[0], wall_seconds=watch.seconds)


if __name__ == "__main__":
    main()
