"""Updates a second beside sb3-contrib's TQC: same networks, weights and batch, in the same run, taking turns.

    python benchmarks/tqc.py [--seconds 4] [--json FILE]

Neither side draws its batch (that is measured in sampling.py). The share of bare matrix products says how much of an update
is left to save: it is the time that the same products take by themselves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from common import parser, print_table, write_report
from sb3_twin import Fixed, copy_weights, theirs

from trainer.batch import Batch
from trainer.config import TrainConfig
from trainer.memory import keep_freed_memory
from trainer.tqc import TQC

OBSERVATIONS, ACTIONS = 24, 2
CONFIG = TrainConfig(
    hidden=256,
    layers=2,
    layer_norm_actor=False,
    layer_norm_critic=False,
    critics=2,
    quantiles=25,
    n_step=1,
    learn_alpha=True,
    alpha=0.1,
    metrics_every=1_000_000,
)


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
        discount=torch.full((rows,), CONFIG.gamma, device=device),
        next_observation=torch.randn(rows, OBSERVATIONS, generator=g).to(device),
        human=none,
        takeover=none,
        before_takeover=none,
        demo=none,
    )


def products(rows: int, device: str) -> Callable[[], None]:
    """Return a function that does the matrix products of one update and nothing else."""
    h, e, n = CONFIG.hidden, CONFIG.critics, CONFIG.quantiles
    critic = [(OBSERVATIONS + ACTIONS, h), (h, h), (h, n)]
    actor = [(OBSERVATIONS, h), (h, h), (h, 2 * ACTIONS)]
    jobs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def add(members: int, a: int, b: int, c: int) -> None:
        jobs.append((torch.randn(members, a, b, device=device), torch.randn(members, b, c, device=device)))

    for _ in range(2):  # actor on observations, actor on what followed
        for i, o in actor:
            add(1, rows, i, o)
    for _ in range(3):  # targets, critics, critics for the actor
        for i, o in critic:
            add(e, rows, i, o)
    for i, o in critic:  # critics' gradients by the weights
        add(e, i, rows, o)
    for _, o in critic[1:]:  # and by what went into a layer, for the critics' and for the actor's step
        add(e, rows, o, h)
        add(e, rows, o, h)
    add(1, rows, e * h, OBSERVATIONS + ACTIONS)
    for i, o in actor:
        add(1, i, rows, o)
    for _, o in actor[1:]:
        add(1, rows, o, h)

    def run() -> None:
        for a, b in jobs:
            torch.bmm(a, b)

    return run


def race(sides: list[Callable[[int], None]], seconds: float, device: str) -> list[float]:
    """Return seconds for one call of each side (the median of many short turns)."""

    def turn(side: Callable[[int], None], count: int) -> float:
        begin = time.perf_counter()
        side(count)
        if device != "cpu":
            torch.cuda.synchronize()
        return (time.perf_counter() - begin) / count

    for side in sides:
        side(5)
    counts = [max(1, int(0.1 / turn(side, 5))) for side in sides]
    times: list[list[float]] = [[] for _ in sides]
    until = time.perf_counter() + seconds * len(sides)
    while time.perf_counter() < until:
        for side, count, found in zip(sides, counts, times, strict=True):
            found.append(turn(side, count))
    return [statistics.median(found) for found in times]


def measure(rows: int, threads: int, seconds: float, device: str = "cpu") -> tuple[float, float, float]:
    """Return seconds of an update of ours, of theirs, and of the bare products."""
    torch.set_num_threads(threads)
    config = CONFIG.with_values(batch_size=rows)
    ours, other, batch = TQC(OBSERVATIONS, ACTIONS, config, device), theirs(OBSERVATIONS, ACTIONS, config, device), None
    copy_weights(ours, other)
    batch = random_batch(rows, device)
    other.replay_buffer = Fixed(batch, config.gamma)  # type: ignore[assignment]
    bare = products(rows, device)

    def we(count: int) -> None:
        for _ in range(count):
            ours.update(batch)

    def they(count: int) -> None:
        other.train(count, rows)

    def matrices(count: int) -> None:
        for _ in range(count):
            bare()

    one, two, three = race([we, they, matrices], seconds, device)
    return one, two, three


def main() -> None:
    """Race all sizes, print the table, write the JSON."""
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--seconds", type=float, default=4.0, help="for each side of each race (default: 4)")
    args = made.parse_args()
    keep_freed_memory()
    figures: dict[str, float] = {}
    rows = []
    for threads in (1, 2):
        for size in (256, 512):
            ours, other, bare = measure(size, threads, args.seconds)
            figures[f"ratio_b{size}_t{threads}"] = round(other / ours, 3)
            figures[f"updates_per_s_b{size}_t{threads}"] = round(1 / ours, 1)
            figures[f"matmul_share_b{size}_t{threads}"] = round(bare / ours, 3)
            rows.append(
                (
                    f"batch {size}, {threads} thread(s)",
                    f"{1 / ours:.0f}",
                    f"{1 / other:.0f}",
                    f"{other / ours:.2f}",
                    f"{bare / ours:.0%}",
                    f"{bare / other:.0%}",
                )
            )
    if torch.cuda.is_available():
        ours, other, bare = measure(512, 1, args.seconds, "cuda")
        figures["ratio_gpu_b512"] = round(other / ours, 3)
        rows.append(("batch 512, GPU", f"{1 / ours:.0f}", f"{1 / other:.0f}", f"{other / ours:.2f}"))
        rows[-1] += (f"{bare / ours:.0%}", f"{bare / other:.0%}")
    columns = ("", "ours/s", "sb3-contrib/s", "ratio", "matrix products, ours", "theirs")
    print_table("TQC updates, 256x256, 2 x 25 quantiles", columns, rows)
    write_report(args.json, figures)


if __name__ == "__main__":
    main()
