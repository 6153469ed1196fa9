"""Drawing a half-and-half batch of 512 from ten thousand and from a million steps, and following a store.

    python benchmarks/sampling.py [--json FILE]
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
from common import parser, print_table, write_report

from trainer.config import BARE
from trainer.replay.from_arrays import finished_episode
from trainer.replay.replay import Replay

OBSERVATIONS, ACTIONS, BATCH = 24, 2, 512
EPISODE = 500


def filled(steps: int) -> Replay:
    """Return a replay with so many steps, a tenth of them takeovers."""
    replay = Replay(OBSERVATIONS, ACTIONS, BARE.with_values(capacity=2_000_000, batch_size=BATCH))
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(EPISODE + 1, OBSERVATIONS)).astype(np.float32)
    action = rng.uniform(-1, 1, (EPISODE, ACTIONS)).astype(np.float32)
    reward = rng.normal(size=EPISODE).astype(np.float32)
    driver = np.zeros(EPISODE, np.uint8)
    driver[200:250] = 1
    for i in range(steps // EPISODE):
        replay.add(finished_episode(i, observation, action, reward, terminated=True, driver=driver))
    return replay


def milliseconds(replays: list[Replay], rounds: int = 60, count: int = 10) -> list[float]:
    """Return the median time of one batch from each, taking turns."""
    generator = torch.Generator().manual_seed(0)
    found: list[list[float]] = [[] for _ in replays]
    for _ in range(rounds):
        for replay, times in zip(replays, found, strict=True):
            begin = time.perf_counter()
            for _ in range(count):
                replay.sample(BATCH, generator)
            times.append((time.perf_counter() - begin) / count * 1e3)
    return [statistics.median(times) for times in found]


def main() -> None:
    """Measure, print the table, write the JSON."""
    args = parser(__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    begin = time.perf_counter()
    replays = [filled(10_000), filled(1_000_000)]
    fill = time.perf_counter() - begin
    small, large = milliseconds(replays)
    figures = {
        "ms_10k": round(small, 4),
        "ms_1m": round(large, 4),
        "ratio_1m_10k": round(large / small, 3),
        "add_steps_per_s": round(1_010_000 / fill),
    }
    rows = [("10,000 steps", f"{small:.3f}"), ("1,000,000 steps", f"{large:.3f}"), ("ratio", f"{large / small:.2f}")]
    print_table(f"a batch of {BATCH}, half online, half demo (milliseconds)", ("from", "ms"), rows)
    write_report(args.json, figures)


if __name__ == "__main__":
    main()
