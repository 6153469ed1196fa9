"""Updates a second beside sb3-contrib's and sbx's TQC: same networks and batch, drawing included, in one run, taking turns.

    python benchmarks/tqc.py [--seconds 4] [--threads 1 2] [--sbx PYTHON] [--json FILE]

On a GPU, with sbx in another environment (its JAX and our torch want different CUDA libraries), in less than five minutes:

    python -m venv sbx && sbx/bin/pip install sbx-rl "jax[cuda12]"
    python benchmarks/tqc.py --gpu --seconds 3 --sbx sbx/bin/python --json gpu.json

Each side draws from a full replay of its own. sb3-contrib is raced twice on a CPU: in a process of its own, as it is when people
install and run it (``ratio_sb3_``), and in our process, where the C library keeps freed memory as our trainer tells it to
(``ratio_same_memory_``: what is left when that gift of ours is given to both). sbx makes 64 updates in one compiled loop.
One-thread times are processor time, so a busy machine blurs them less.

The share of bare matrix products says how much of an update is left to save: it is the time that the same products take by
themselves, each in the layout and by the library that is the fastest here.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from common import parser, print_table, write_report
from raced import ACTIONS, CONFIG, OBSERVATIONS
from sb3_twin import theirs

from trainer.config import TrainConfig
from trainer.daemon.process_tuning import tune_malloc
from trainer.learner.make import make_learner
from trainer.learner.products import fast_products
from trainer.presets import PRESETS
from trainer.replay.from_arrays import finished_episode
from trainer.replay.replay import Replay
from trainer.updates.device_updates import TOGETHER
from trainer.updates.updates import make_updates

EPISODE, EPISODES = 500, 100
Side = Callable[[int], float]
"""Makes so many updates; returns the seconds that they took."""
OTHERS = ("sb3", "same_memory", "sbx")


def filled(config: TrainConfig, device: str) -> Replay:
    """Return a replay of random drives, a tenth of them takeovers."""
    replay = Replay(OBSERVATIONS, ACTIONS, config, device=device)
    rng, driver = np.random.default_rng(0), np.zeros(EPISODE, np.uint8)
    driver[200:250] = 1
    for i in range(1, EPISODES + 1):
        seen = rng.standard_normal((EPISODE + 1, OBSERVATIONS), np.float32)
        acted = rng.uniform(-1, 1, (EPISODE, ACTIONS))
        replay.add(finished_episode(i, seen, acted, rng.standard_normal(EPISODE), terminated=False, driver=driver))
    return replay


def timed(work: Callable[[int], None], threads: int, device: str) -> Side:
    """Return a side of a race."""
    clock = time.thread_time if threads == 1 and device == "cpu" else time.perf_counter

    def side(count: int) -> float:
        begin = clock()
        work(count)
        if device != "cpu":
            torch.cuda.synchronize()
        return clock() - begin

    return side


def our_updates(config: TrainConfig, device: str) -> Callable[[int], None]:
    """Return so many updates by ours, as the trainer makes them."""
    learner = make_learner(OBSERVATIONS, ACTIONS, config, device)
    updates = make_updates(learner, filled(config, device), torch.Generator().manual_seed(0))

    def make(count: int) -> None:
        for _ in range(max(1, count // TOGETHER)):
            updates.make(min(count, TOGETHER))

    for _ in range(3):
        make(TOGETHER)
    if updates.trouble:
        raise SystemExit(updates.trouble)
    return make


def sb3_updates(config: TrainConfig, device: str) -> Callable[[int], None]:
    """Return so many updates by sb3-contrib."""
    other = theirs(OBSERVATIONS, ACTIONS, config, device, EPISODE * EPISODES)
    rng, buffer = np.random.default_rng(0), other.replay_buffer
    for name in ("observations", "next_observations", "rewards"):
        part = getattr(buffer, name)
        part[:] = rng.standard_normal(part.shape, np.float32)
    buffer.actions[:] = rng.uniform(-1, 1, buffer.actions.shape)
    buffer.full = True
    return lambda count: other.train(count, config.batch_size)


def as_installed(pipe: Connection, config: TrainConfig, threads: int) -> None:
    """Answer how long so many updates of sb3-contrib take, in a process that nobody has tuned; 0 ends it."""
    torch.set_num_threads(threads)
    side = timed(sb3_updates(config, "cpu"), threads, "cpu")
    while count := pipe.recv():
        pipe.send(side(count))


@contextmanager
def sb3_as_installed(config: TrainConfig, threads: int) -> Iterator[Side]:
    """Give sb3-contrib as a side in a process of its own."""
    context = multiprocessing.get_context("spawn")
    pipe, end = context.Pipe()
    process = context.Process(target=as_installed, args=(end, config, threads), daemon=True)
    process.start()

    def side(count: int) -> float:
        pipe.send(count)
        return float(pipe.recv())

    yield side
    pipe.send(0)
    process.join()


@contextmanager
def sbx(python: str, config: TrainConfig, threads: int, device: str) -> Iterator[Side]:
    """Give sbx as a side; ``python`` is the one that has it. On a GPU it is to leave memory to the others."""
    asked = {
        "device": device, "threads": threads, "observations": OBSERVATIONS, "actions": ACTIONS, "rows": config.batch_size,
        "hidden": config.hidden, "layers": config.layers,
    }  # fmt: skip
    command = [python, str(Path(__file__).with_name("sbx_side.py")), json.dumps(asked)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready, tell, answers = process.stdout.readline(), process.stdin, process.stdout
        if not ready or (device != "cpu" and "cuda" not in ready.lower()):
            raise SystemExit(f"sbx does not run on {device} with {python}: {ready.strip() or 'see above'}")

        def side(count: int) -> float:
            print(count, file=tell)
            return float(answers.readline())

        yield side
        print(0, file=tell)


def products(config: TrainConfig, device: str) -> tuple[Callable[[], None], float]:
    """Return a function that does the matrix products of one update and nothing else, and how many operations they are."""
    h, e, n, o, a = config.hidden, config.critics, config.quantiles, OBSERVATIONS, ACTIONS
    rows = config.batch_size
    jobs: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def add(members: int, first: int, inner: int, last: int, times: int = 1, turned: str = "") -> None:
        shapes = [(members, first, inner), (members, inner, last)]
        left, right = (
            torch.randn(m, y, x, device=device).transpose(1, 2)
            if side in turned
            else torch.randn(m, x, y, device=device)
            for side, (m, x, y) in zip("lr", shapes, strict=True)
        )
        jobs.extend([(left, right, torch.empty(members, first, last, device=device))] * times)

    for members, inputs, outputs, forward, heads in ((e, o + a, n, 3, 2), (1, o, 2 * a, 2, 2)):
        add(members, rows, inputs, h, forward)  # targets, critics, critics for the actor; the actor on o and on o'
        add(members, rows, h, h, forward)
        add(members, outputs, h, rows, heads, "lr")  # the actor's step needs no quantiles
        add(members, inputs, rows, h, turned="l")  # gradients by the weights
        add(members, h, rows, h, turned="l")
        add(members, outputs, rows, h, turned="l")
        add(members, rows, outputs, h, turned="r")  # and by what went into a layer
        add(members, rows, h, h, turned="r")
    add(e, rows, h, h, turned="r")  # the actor's step, down to the action
    add(e, rows, h, a, turned="r")

    def run() -> None:
        with fast_products(torch.device(device)):
            for left, right, out in jobs:
                torch.bmm(left, right, out=out)

    return run, sum(2.0 * x.numel() * y.shape[2] for x, y, _ in jobs)


def race(sides: dict[str, Side], seconds: float) -> dict[str, float]:
    """Return seconds for one update of each side, the median of many short turns."""
    counts = {}
    for name, side in sides.items():
        side(TOGETHER)
        whole = 64 if name == "sbx" else TOGETHER
        counts[name] = max(1, round(0.15 / (side(whole) / whole) / whole)) * whole
    times: dict[str, list[float]] = {name: [] for name in sides}
    until = time.perf_counter() + seconds * len(sides)
    while time.perf_counter() < until or len(times["ours"]) < 3:
        for name, side in sides.items():
            times[name].append(side(counts[name]) / counts[name])
    return {name: statistics.median(found) for name, found in times.items()}


def measure(
    config: TrainConfig, threads: int, seconds: float, device: str, python: str | None
) -> tuple[dict[str, float], float]:
    """Return seconds of an update of each side by name, and the operations of the bare products in one."""
    torch.set_num_threads(threads)
    bare, operations = products(config, device)

    def matrices(count: int) -> None:
        for _ in range(count):
            bare()

    with ExitStack() as stack:
        works = {"ours": our_updates(config, device), "products": matrices}
        works["same_memory" if device == "cpu" else "sb3"] = sb3_updates(config, device)
        sides = {name: timed(work, threads, device) for name, work in works.items()}
        if device == "cpu":
            sides["sb3"] = stack.enter_context(sb3_as_installed(config, threads))
        if python is not None:
            sides["sbx"] = stack.enter_context(sbx(python, config, threads, device))
        return race(sides, seconds), operations


def recipes(seconds: float, device: str, figures: dict[str, float]) -> None:
    """Note our updates a second with the reference recipe's own networks, which the others do not have."""
    torch.set_num_threads(1)
    for name, network in (("residual", "residual"), ("lstm", "recurrent")):
        config = PRESETS["run_l"].with_values(network=network, batch_size=512, capacity=EPISODE * EPISODES)
        side = timed(our_updates(config, device), 1, device)
        side(1)
        times, until = [side(1)], time.perf_counter() + seconds
        while time.perf_counter() < until:
            times.append(side(1 if device == "cpu" else TOGETHER) / (1 if device == "cpu" else TOGETHER))
        end = f"{name}{config.hidden}_b512" if device == "cpu" else f"gpu_{name}{config.hidden}_b512"
        figures[f"updates_per_s_{end}"] = round(1 / statistics.median(times), 1)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    made = parser((__doc__ or "").splitlines()[0])
    made.add_argument("--seconds", type=float, default=4.0, help="for each side of each race (default: 4)")
    made.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of one process (default: 1 2)")
    made.add_argument("--rows", type=int, nargs="+", default=[256, 512, 2048], help="batch sizes (default: 256 512 2048)")
    made.add_argument("--gpu", action="store_true", help="race on the GPU, not on the processor")
    made.add_argument("--sbx", metavar="PYTHON", help="a Python that has sbx-rl (default: this one, if it has it)")
    args = made.parse_args()
    if args.gpu and not torch.cuda.is_available():
        made.error("torch finds no graphics card that it can use with CUDA")
    if args.sbx is None and importlib.util.find_spec("sbx"):
        args.sbx = sys.executable
    return args


def main() -> None:
    """Race all sizes, print the table, write the JSON."""
    args = arguments()
    tune_malloc()
    device = "cuda" if args.gpu else "cpu"
    figures: dict[str, float] = {}
    rows = []
    wide = CONFIG.with_values(hidden=PRESETS["run_l"].hidden)
    races = [(f"b{size}", CONFIG.with_values(batch_size=size), t) for t in args.threads for size in args.rows]
    races.append((f"wide{wide.hidden}_b512", wide.with_values(batch_size=512), 1))
    if args.gpu:
        races = [(name, config, 1) for name, config, threads in races if threads == args.threads[0]]
    for name, config, threads in races:
        found, operations = measure(config, threads, args.seconds, device, args.sbx)
        ours, bare = found["ours"], found["products"]
        end = f"_gpu_{name}" if args.gpu else f"_{name}_t{threads}"
        figures[f"updates_per_s{end}"] = round(1 / ours, 1)
        figures[f"matmul_share{end}"] = round(bare / ours, 3)
        figures[f"matmul_gflops{end}"] = round(operations / bare / 1e9, 1)
        for other in OTHERS:
            if other in found:
                figures[f"ratio_{other}{end}"] = round(found[other] / ours, 3)
        cells = [f"{found[other] / ours:.2f}" if other in found else "" for other in OTHERS]
        rate = f"{operations / bare / 1e9:.0f}"
        rows.append((end[1:], f"{1 / ours:.0f}", *cells, f"{bare / ours:.0%}", rate))
        print(end[1:], {key: round(1 / value, 1) for key, value in found.items()}, flush=True)
    recipes(args.seconds, device, figures)
    columns = ("", "ours/s", "over sb3-contrib", "same memory", "over sbx", "matrix products", "GFLOP/s")
    print_table("TQC updates, 2 x 25 quantiles, drawing included", columns, rows)
    write_report(args.json, figures)


if __name__ == "__main__":
    main()
