"""The store: recording, bulk import, loading, size; beside plain ``sqlite3`` executemany and NumPy's ``npz``.

One million steps of a session with 45-number observations and two actions. Recording is measured in real time while another
process reads the whole store over and over.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import parser, print_table, write_report

from data.exchange.importing import write
from data.exchange.merge import merge
from data.exchange.portable import Portable
from data.reading.episodes import EpisodeData
from data.reading.follow import Follower
from data.recording.recorder import Recorder
from data.records import HUMAN, SessionInfo, StepRow
from data.schema import STEP_MEASURES
from data.store import Store
from data.tables.upkeep import size_on_disk

OBSERVATIONS, ACTIONS, LENGTH = 45, 2, 1000
INFO = SessionInfo(
    kind="play", env="box2d", track="hairpin", hz=20.0, observation_names=tuple(f"o{i}" for i in range(OBSERVATIONS)),
    action_names=("gas_brake", "steer"),
)  # fmt: skip
READER = """
import sys
from data.reading.follow import Follower
while True:
    follower = Follower(sys.argv[1])
    while len(follower.poll()):
        pass
    follower.close()
    print("read", flush=True)
"""


def episodes(steps: int) -> list[EpisodeData]:
    """Make episodes of random numbers, a tenth of the steps human."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(steps // LENGTH):
        driver = np.zeros(LENGTH, np.uint8)
        driver[300:400] = HUMAN
        made.append(
            EpisodeData(
                observation=rng.standard_normal((LENGTH, OBSERVATIONS), np.float32),
                executed=rng.uniform(-1, 1, (LENGTH, ACTIONS)).astype(np.float32),
                proposed=rng.uniform(-1, 1, (LENGTH, ACTIONS)).astype(np.float32),
                reward=rng.standard_normal(LENGTH), driver=driver,
                columns={name: rng.standard_normal(LENGTH) for name in STEP_MEASURES},
                last_observation=np.zeros(OBSERVATIONS, np.float32),
            )
        )  # fmt: skip
    return made


def timed(call: Callable[[], object]) -> float:
    """Return the seconds a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def import_into(path: Path, data: list[EpisodeData]) -> float:
    """Import all through the door that every importer uses; returns seconds."""

    def items() -> Iterator[tuple[str, Portable]]:
        for i, episode in enumerate(data):
            yield str(i), Portable(INFO, episode, f"benchmark:{i}")

    with Store(path) as store:
        return timed(lambda: write(store, items(), "benchmark"))


def plain_sqlite(path: Path, data: list[EpisodeData]) -> tuple[float, float]:
    """Write and read the same numbers with bare sqlite3, no index, no checks, no ids; returns seconds of both."""
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("CREATE TABLE steps (observation BLOB, executed BLOB, proposed BLOB, reward REAL, driver INTEGER)")

    def fill() -> None:
        for e in data:
            assert e.proposed is not None
            rows = zip(
                (o.tobytes() for o in e.observation), (a.tobytes() for a in e.executed), (a.tobytes() for a in e.proposed),
                np.asarray(e.reward).tolist(), np.asarray(e.driver).tolist(), strict=True,
            )  # fmt: skip
            conn.executemany("INSERT INTO steps VALUES (?, ?, ?, ?, ?)", rows)
        conn.commit()

    def read() -> None:
        columns = list(zip(*conn.execute("SELECT * FROM steps").fetchall(), strict=True))
        for blobs in columns[:3]:
            np.stack([np.frombuffer(blob, np.float32) for blob in blobs])
        np.array(columns[3]), np.array(columns[4])

    result = timed(fill), timed(read)
    conn.close()
    return result


def plain_npz(path: Path, data: list[EpisodeData]) -> tuple[float, float]:
    """Write and read the same numbers as one npz file; returns seconds of both."""
    names = ("observation", "executed", "proposed", "reward", "driver")

    def load() -> None:
        with np.load(path) as whole:
            for name in names:
                whole[name]

    def save() -> None:
        whole: dict[str, Any] = {n: np.concatenate([getattr(e, n) for e in data]) for n in names}
        np.savez(path, **whole)

    return timed(save), timed(load)


def follow_all(path: Path) -> float:
    """Load the whole store as the trainer does; returns seconds."""

    def load() -> None:
        with Follower(path) as follower:
            assert len(follower.poll(100_000_000)) > 0

    return timed(load)


def record(path: Path, seconds: float, hz: float, reader: bool) -> tuple[np.ndarray, float, int]:
    """Record in real time; returns (seconds each tick spent recording, share of a core used, times the reader got through)."""
    process = None
    if reader:
        process = subprocess.Popen(
            [sys.executable, "-c", READER, str(path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
        )
        process.stdout.readline()  # type: ignore[union-attr]
    rng = np.random.default_rng(1)
    row = StepRow(
        rng.standard_normal(OBSERVATIONS, np.float32), np.zeros(ACTIONS, np.float32), np.zeros(ACTIONS, np.float32), 0, 0.5,
        progress=1.0,
    )  # fmt: skip
    count = int(seconds * hz)
    spent = np.empty(count)
    with Recorder(path, INFO) as recorder:
        recorder.begin_episode()
        cpu, begin = time.process_time(), time.perf_counter()
        for i in range(count):
            if i % 400 == 100:
                number = recorder.begin_segment("takeover", "stick")
            if i % 400 == 200:
                recorder.end_segment(number)
            tick = time.perf_counter()
            recorder.step(row)
            spent[i] = time.perf_counter() - tick
            time.sleep(max(0.0, begin + (i + 1) / hz - time.perf_counter()))
        share = (time.process_time() - cpu) / (time.perf_counter() - begin)
    rounds = 0
    if process is not None:
        process.kill()
        rounds = len(process.communicate()[0].splitlines())
    return spent, share, rounds


def main() -> int:
    """Run the benchmark."""
    arguments = parser((__doc__ or "").strip().splitlines()[0])
    arguments.add_argument("--steps", type=int, default=1_000_000)
    arguments.add_argument("--seconds", type=float, default=20.0, help="of recording at 20 Hz, and as long at 500 Hz")
    args = arguments.parse_args()
    n = args.steps // LENGTH * LENGTH
    data = episodes(n)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        imported = import_into(path, data)
        size = size_on_disk(path)
        loaded = min(follow_all(path) for _ in range(3))
        with Store(Path(folder) / "merged.sqlite") as store:
            merged = timed(lambda: merge(store.conn, store.path, path))
        sql = plain_sqlite(Path(folder) / "plain.sqlite", data)
        npz = plain_npz(Path(folder) / "plain.npz", data)
        sizes = {name: size_on_disk(Path(folder) / name) for name in ("plain.sqlite", "plain.npz")}
        del data
        _, share, _ = record(path, args.seconds, 20.0, reader=False)
        spent, _, rounds = record(path, args.seconds, 500.0, reader=True)
    million = 1e6 / n
    figures = {
        "import_steps_per_s": round(n / imported),
        "load_1m_s": round(loaded * million, 3),
        "bytes_per_step": round(size / n, 1),
        "record_ms_p999": round(float(np.quantile(spent, 0.999)) * 1e3, 4),
        "record_core_share": round(share, 5),
        "record_ms_max": round(float(spent.max()) * 1e3, 4),
        "merge_steps_per_s": round(n / merged),
        "plain_sqlite_steps_per_s": round(n / sql[0]),
        "plain_sqlite_load_1m_s": round(sql[1] * million, 3),
        "npz_steps_per_s": round(n / npz[0]),
        "npz_load_1m_s": round(npz[1] * million, 3),
        "reader_rounds": rounds,
    }
    print_table(
        f"{n:,} steps of {OBSERVATIONS} + {ACTIONS} + {ACTIONS} numbers",
        ("", "write, steps/s", "load 1 M, s", "bytes a step"),
        [
            ("store", f"{figures['import_steps_per_s']:,}", figures["load_1m_s"], figures["bytes_per_step"]),
            ("store to store (merge)", f"{figures['merge_steps_per_s']:,}", "", ""),
            ("plain sqlite3, blobs, no index", f"{figures['plain_sqlite_steps_per_s']:,}", figures["plain_sqlite_load_1m_s"],
             round(sizes["plain.sqlite"] / n, 1)),
            ("npz", f"{figures['npz_steps_per_s']:,}", figures["npz_load_1m_s"], round(sizes["plain.npz"] / n, 1)),
        ],
    )  # fmt: skip
    print_table(
        "recording",
        ("", "", "wanted"),
        [
            ("tick, p99.9, while another process reads the whole store", f"{figures['record_ms_p999']} ms", "< 0.2 ms"),
            ("tick, longest", f"{figures['record_ms_max']} ms", ""),
            ("share of one core at 20 Hz", f"{share:.2%}", "< 2 %"),
        ],
    )
    write_report(args.json, figures, [0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
