"""Updates a second beside sb3-contrib's TQC: same networks, weights and batch, in the same run, taking turns.

    python benchmarks/tqc.py [--seconds 4] [--threads 1 2] [--json FILE]

Neither side draws its batch (that is measured in sampling.py). On a CPU sb3-contrib is raced twice: in a process of its own, as
it is when people install and run it (``ratio_``), and in our process, where the C library keeps freed memory as our trainer
tells it to (``ratio_same_memory_``: what is left when that gift of ours is given to both). One-thread times are processor time,
so a busy machine blurs them less.

The share of bare matrix products says how much of an update is left to save: it is the time that the same products take by
themselves, each in the layout that is the fastest here.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch
from common import parser, print_table, write_report
from raced import ACTIONS, CONFIG, OBSERVATIONS
from sb3_twin import Fixed, copy_weights, theirs

from trainer.daemon.process_tuning import tune_malloc
from trainer.learner.tqc import TQC
from trainer.replay.batch import Batch


def random_batch(rows: int, device: str) -> Batch:
    """Return a batch of noise."""
    g = torch.Generator().manual_seed(0)
    pair = torch.randn(rows, OBSERVATIONS + ACTIONS, generator=g)
    pair[:, OBSERVATIONS:].clamp_(-1, 1)
    pair = pair.to(device)
    none = torch.zeros(rows, dtype=torch.bool, device=device)
    return Batch(
        pair=pair,
        observation=pair[:, :OBSERVATIONS],
        action=pair[:, OBSERVATIONS:],
        proposed=pair[:, OBSERVATIONS:],
        reward=torch.randn(rows, generator=g).to(device),
        discount=torch.full((rows,), CONFIG.times().gamma, device=device),
        next_observation=torch.randn(rows, OBSERVATIONS, generator=g).to(device),
        human=none,
        takeover=none,
        before_takeover=none,
        cloned=none,
        demo=none,
        answer=pair[:, OBSERVATIONS:],
    )


def products(rows: int, device: str) -> tuple[Callable[[], None], float]:
    """Return a function that does the matrix products of one update and nothing else, and how many operations they are."""
    h, e, n, o, a = CONFIG.hidden, CONFIG.critics, CONFIG.quantiles, OBSERVATIONS, ACTIONS
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
        for left, right, out in jobs:
            torch.bmm(left, right, out=out)

    return run, sum(2.0 * x.numel() * y.shape[2] for x, y, _ in jobs)


def race(sides: list[Callable[[int], float]], seconds: float) -> list[float]:
    """Return seconds for one call of each side (the median of many short turns); a side says what so many calls took."""
    for side in sides:
        side(5)
    counts = [max(1, int(0.1 / (side(5) / 5))) for side in sides]
    times: list[list[float]] = [[] for _ in sides]
    until = time.perf_counter() + seconds * len(sides)
    while time.perf_counter() < until:
        for side, count, found in zip(sides, counts, times, strict=True):
            found.append(side(count) / count)
    return [statistics.median(found) for found in times]


def timed(work: Callable[[int], None], threads: int, device: str) -> Callable[[int], float]:
    """Return a side of a race."""
    clock = time.thread_time if threads == 1 and device == "cpu" else time.perf_counter

    def side(count: int) -> float:
        begin = clock()
        work(count)
        if device != "cpu":
            torch.cuda.synchronize()
        return clock() - begin

    return side


def their_update(rows: int, device: str, ours: TQC | None = None) -> Callable[[int], None]:
    """Return so many updates by sb3-contrib; ``ours`` gets the same weights."""
    config = CONFIG.with_values(batch_size=rows)
    other = theirs(OBSERVATIONS, ACTIONS, config, device)
    if ours is not None:
        copy_weights(ours, other)
    other.replay_buffer = Fixed(random_batch(rows, device), config.times().gamma)  # type: ignore[assignment]
    return lambda count: other.train(count, rows)


def as_installed(pipe: Connection, rows: int, threads: int) -> None:
    """Answer how long so many of their updates take, in a process that nobody has tuned; 0 ends it."""
    torch.set_num_threads(threads)
    side = timed(their_update(rows, "cpu"), threads, "cpu")
    while count := pipe.recv():
        pipe.send(side(count))


def measure(rows: int, threads: int, seconds: float, device: str = "cpu") -> tuple[list[float], float]:
    """Return seconds of an update of ours, of theirs, of the bare products, and on a CPU of theirs as installed; operations."""
    torch.set_num_threads(threads)
    ours, batch = TQC(OBSERVATIONS, ACTIONS, CONFIG.with_values(batch_size=rows), device), random_batch(rows, device)
    bare, operations = products(rows, device)

    def we(count: int) -> None:
        for _ in range(count):
            ours.update(batch)

    def matrices(count: int) -> None:
        for _ in range(count):
            bare()

    sides = [timed(work, threads, device) for work in (we, their_update(rows, device, ours), matrices)]
    if device != "cpu":
        return race(sides, seconds), operations
    context = multiprocessing.get_context("spawn")
    pipe, end = context.Pipe()
    process = context.Process(target=as_installed, args=(end, rows, threads), daemon=True)
    process.start()

    def elsewhere(count: int) -> float:
        pipe.send(count)
        return float(pipe.recv())

    found = race([*sides, elsewhere], seconds)
    pipe.send(0)
    process.join()
    return found, operations


def main() -> None:
    """Race all sizes, print the table, write the JSON."""
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--seconds", type=float, default=4.0, help="for each side of each race (default: 4)")
    made.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of one process (default: 1 2)")
    args = made.parse_args()
    tune_malloc()
    figures: dict[str, float] = {}
    rows = []
    sizes = [(size, threads, "cpu") for threads in args.threads for size in (256, 512)]
    if torch.cuda.is_available():
        sizes.append((512, 1, "cuda"))
    for size, threads, device in sizes:
        (ours, other, bare, *plain), operations = measure(size, threads, args.seconds, device)
        if device == "cpu":
            end, name = f"_b{size}_t{threads}", f"batch {size}, {threads} thread(s)"
            figures[f"updates_per_s{end}"] = round(1 / ours, 1)
            figures[f"ratio_same_memory{end}"] = round(other / ours, 3)
            figures[f"matmul_share{end}"] = round(bare / ours, 3)
            figures[f"matmul_gflops{end}"] = round(operations / bare / 1e9, 1)
        else:
            end, name = f"_gpu_b{size}", f"batch {size}, GPU"
        figures[f"ratio{end}"] = round((plain or [other])[0] / ours, 3)
        rows.append(
            (
                name,
                f"{1 / ours:.0f}",
                f"{1 / (plain or [other])[0]:.0f}",
                f"{(plain or [other])[0] / ours:.2f}",
                f"{other / ours:.2f}" if plain else "",
                f"{bare / ours:.0%}",
                f"{other / bare:.2f}",
                f"{operations / bare / 1e9:.0f}",
            )
        )
    columns = ("", "ours/s", "sb3-contrib/s", "ratio", "same memory", "matrix products", "products alone", "GFLOP/s")
    print_table("TQC updates, 256x256, 2 x 25 quantiles", columns, rows)
    write_report(args.json, figures)


if __name__ == "__main__":
    main()
