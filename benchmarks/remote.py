"""How long it takes from a takeover's end on a worker to its steps in the remote trainer's store, on loopback.

    python benchmarks/remote.py [--takeovers 80] [--tmrl-server] [--json FILE]

Server, trainer and the worker's sender are processes of their own, as `hitl server`, `hitl train --from-server` and `hitl worker`
start them. A recorder writes at the pace of a live session, 20 steps a second: takeovers of random length with the agent's
driving between them. A takeover has arrived when the trainer's store holds its last step and its closed segment.
`--tmrl-server` puts tmrl's own Server in the middle.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from common import parser, print_table, stopwatch, write_report  # noqa: E402

from data.recording.recorder import Recorder  # noqa: E402
from data.records import SessionInfo, StepRow  # noqa: E402
from hitl.home import Home  # noqa: E402
from hitl.remote.child import Child  # noqa: E402
from hitl.remote.link import Access, free_port  # noqa: E402

HZ, SEEN, WAIT_S = 20.0, 29, 30.0
ARRIVED = (
    "SELECT g.number FROM segments g JOIN steps s ON s.episode_id = g.episode_id AND s.t = g.stop - 1"
)


class Driver(threading.Thread):
    """Records takeovers at the pace of a live session. ``ended``: when each was over (s), by its number."""

    def __init__(self, recorder: Recorder, count: int) -> None:
        super().__init__(daemon=True)
        self._recorder, self._count, self._due = recorder, count, time.perf_counter()
        self.random = random.Random(0)
        self.ended: dict[int, float] = {}

    def run(self) -> None:
        """Drive."""
        recorder = self._recorder
        for k in range(self._count):
            if k % 10 == 0:
                recorder.begin_episode()
            self._steps(self.random.randint(5, 20), 0)
            number = recorder.begin_segment("takeover", "pad")
            self._steps(self.random.randint(5, 20), 1)
            self.ended[number] = time.perf_counter()
            recorder.end_segment(number)
        recorder.end_episode("truncated", "time_limit", np.zeros(SEEN, np.float32))

    def _steps(self, count: int, driver: int) -> None:
        for _ in range(count):
            self._due = max(self._due + 1 / HZ, time.perf_counter() - 1 / HZ)
            time.sleep(max(0.0, self._due - time.perf_counter()))
            seen = np.full(SEEN, self.random.random(), np.float32)
            self._recorder.step(StepRow(seen, seen[:2], seen[2:4], driver, 0.1, progress=1.0))


def latencies(folder: Path, takeovers: int, tmrl_server: bool) -> list[float]:
    """Return seconds, one entry a takeover."""
    port = free_port()
    trainer, worker = Home(folder / "trainer"), Home(folder / "worker").create()
    password = {"HITL_PASSWORD": "on loopback, for a benchmark"}
    os.environ.update(password)

    def start(*args: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-u", "-m", *map(str, args)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, text=True, start_new_session=True)

    if tmrl_server:
        server = start("tests.support.tmrl_roles", "server", port, password["HITL_PASSWORD"], folder)
    else:
        server = start("hitl", "server", "--home", folder / "server", "--port", port)
    training = start("hitl", "train", "--from-server", "--home", trainer.root, "--port", port)
    said: list[str] = []
    try:
        to = Access(port=port, password=password["HITL_PASSWORD"])
        child = Child("forward", worker.root, to, said.append, name="benchmark", everything=False)
        until = time.monotonic() + 180  # importing tmrl may take long on a busy machine
        while not any("answers" in text for text in said):
            if time.monotonic() > until or server.poll() is not None or training.poll() is not None:
                raise SystemExit("the machines do not find each other")
            time.sleep(0.05)
        info = SessionInfo(
            "play", "box2d", "default", HZ, tuple(f"o{k}" for k in range(SEEN)), ("gas_brake", "steer"), {}, 0, "pad"
        )
        recorder = Recorder(worker.store_path, info)
        driver = Driver(recorder, takeovers)
        driver.start()
        arrived = watch(trainer, takeovers)
        driver.join()
        recorder.close()
        child.close()
    finally:
        for process in (training, server):
            process.send_signal(signal.SIGINT)
        for process in (training, server):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        if tmrl_server:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # the child that tlspyo starts outlives its parent
    return [arrived[number] - driver.ended[number] for number in sorted(driver.ended)]


def watch(trainer: Home, takeovers: int) -> dict[int, float]:
    """Return when each takeover was there, looking every few milliseconds."""
    arrived: dict[int, float] = {}
    until = time.monotonic() + takeovers * 2 + WAIT_S
    while not trainer.store_path.exists() and time.monotonic() < until:
        time.sleep(0.01)
    with sqlite3.connect(trainer.store_path, timeout=10) as db:
        while len(arrived) < takeovers:
            found = [number for (number,) in db.execute(ARRIVED).fetchall()]
            now = time.perf_counter()
            for number in found:
                arrived.setdefault(number, now)
            if time.monotonic() > until:
                missing = sorted(set(range(takeovers)) - set(arrived))
                raise SystemExit(f"{len(missing)} of {takeovers} takeovers have not arrived: {missing[:20]}")
            time.sleep(0.005)
    return arrived


def main() -> None:
    """Measure, print and write."""
    options = parser(__doc__ or "")
    options.add_argument("--takeovers", type=int, default=80)
    options.add_argument("--tmrl-server", action="store_true", help="through tmrl's own Server, which must be installed")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, stopwatch() as clock:
        took = np.array(latencies(Path(folder), args.takeovers, args.tmrl_server))
    figures = {
        "takeovers": len(took),
        "arrive_s_p50": round(float(np.quantile(took, 0.5)), 3),
        "arrive_s_p95": round(float(np.quantile(took, 0.95)), 3),
        "arrive_s_max": round(float(took.max()), 3),
    }
    where = "tmrl's Server" if args.tmrl_server else "hitl server"
    print_table(f"Takeover's end to the trainer's store, through {where}", ["", "value"], list(figures.items()))
    write_report(args.json, figures, [0], clock.seconds)


if __name__ == "__main__":
    main()
