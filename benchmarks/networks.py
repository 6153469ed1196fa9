"""What each kind of network costs, and how long the recurrent one remembers.

    python benchmarks/networks.py [--updates 640] [--json FILE]

Costs are medians of turns that the networks take one after the other, on the preset ``hitl`` (batch 256). The memory is tried on
drives of 200 steps in which a cue is given every ten steps and asked for five steps later; the learned stretches are 8 steps with
8 of burn-in, and the actions in the replay are random.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from common import parser, print_table, write_report

from trainer.config import BARE
from trainer.daemon.process_tuning import tune_malloc
from trainer.learner.tqc import TQC
from trainer.networks.actor_critic import remember
from trainer.presets import PRESETS
from trainer.replay.from_arrays import finished_episode
from trainer.replay.replay import Replay

NUMBERS, PICTURE, ACTIONS, STEPS = 45, (2, 24, 24), 2, 200
KINDS: dict[str, dict[str, object]] = {
    "mlp": {},
    "residual": {"layers": 2},
    "simba": {},
    "recurrent": {},
    "cnn": {"image": PICTURE},
    "cnn, few filters": {"image": PICTURE, "cnn_filters": (16, 32), "cnn_output": 64},
}
RECALL = BARE.with_values(
    network="recurrent", hidden=32, layers=1, rnn_size=32, sequence=8, burn_in=8, quantiles=5, drop_per_critic=1, batch_size=128,
    lr_actor=1e-3, lr_critic=3e-3, alpha=0.02, gamma=0.5, n_step=2, polyak=0.9, metrics_every=1000,
)  # fmt: skip


def costs(kind: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return one update with its drawing, and one action in the session, of a network."""
    config = PRESETS["hitl"].with_values(network=kind.partition(",")[0], **KINDS[kind])
    size, rng = NUMBERS + int(np.prod(config.image)) * bool(config.image), np.random.default_rng(0)
    replay = Replay(size, ACTIONS, config)
    driver = np.zeros(300, np.uint8)
    driver[100:160] = 1
    for i in range(1, 11):
        seen, did = rng.random((301, size), np.float32), rng.uniform(-1, 1, (300, ACTIONS))
        replay.add(finished_episode(i, seen, did, rng.normal(size=300), terminated=True, driver=driver))
    learner, generator = TQC(size, ACTIONS, config), torch.Generator().manual_seed(0)
    memory, observation = remember(learner.actor), torch.rand(1, size)

    def update() -> None:
        learner.update(replay.sample(config.batch_size, generator))

    def act() -> None:
        action = learner.actor.act(observation, memory=memory)
        if memory is not None:
            memory.stepped(action)

    return update, act


def drive(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return observations (201, 3) of cue, question and noise, and for each step the cue that is asked for (200,), else 0."""
    seen, asked = np.zeros((STEPS + 1, 3), np.float32), np.zeros(STEPS)
    seen[:, 2] = rng.normal(size=STEPS + 1)
    seen[0:STEPS:10, 0] = rng.choice([-1, 1], STEPS // 10)
    seen[5:STEPS:10, 1] = 1.0
    asked[5::10] = seen[0:STEPS:10, 0]
    return seen, asked


def recall(learner: TQC, drives: int = 5) -> tuple[float, float]:
    """Return the shares of cues that are recalled in the first and in the last 100 steps, driven greedily in one go."""
    right: tuple[list[bool], list[bool]] = ([], [])
    for k in range(drives):
        (seen, asked), memory = drive(np.random.default_rng(1000 + k)), remember(learner.actor)
        assert memory is not None
        for t in range(STEPS):
            action = learner.actor.act(torch.from_numpy(seen[t : t + 1]), memory=memory)
            memory.stepped(action)
            if asked[t]:
                right[t >= STEPS // 2].append(float(action) * asked[t] > 0)
    return float(np.mean(right[0])), float(np.mean(right[1]))


def remembered(updates: int, **changes: object) -> tuple[float, float]:
    """Return ``recall`` after so many updates."""
    config, rng = RECALL.with_values(**changes), np.random.default_rng(0)
    replay = Replay(3, 1, config)
    for i in range(1, 41):
        (seen, asked), did = drive(rng), rng.uniform(-1, 1, (STEPS, 1))
        replay.add(finished_episode(i, seen, did, did[:, 0] * asked, terminated=True))
    learner, generator = TQC(3, 1, config), torch.Generator().manual_seed(0)
    for _ in range(updates):
        learner.update(replay.sample(config.batch_size, generator))
    return recall(learner)


def main() -> None:
    """Measure, print the tables, write the JSON."""
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--updates", type=int, default=640, help="of the recurrent network (default: 640)")
    args = made.parse_args()
    torch.set_num_threads(1)
    tune_malloc()
    turns = {kind: costs(kind) for kind in KINDS}
    times: dict[str, tuple[list[float], list[float]]] = {kind: ([], []) for kind in KINDS}
    for _ in range(15):
        for kind, jobs in turns.items():
            for job, found, count in zip(jobs, times[kind], (2, 20), strict=True):
                begin = time.perf_counter()
                for _ in range(count):
                    job()
                found.append((time.perf_counter() - begin) / count * 1e3)
    figures: dict[str, float] = {}
    rows, plain = [], statistics.median(times["mlp"][0])
    for kind, (update, act) in times.items():
        one, two = statistics.median(update), statistics.median(act)
        name = kind.replace(", ", "_").replace(" ", "_")
        figures[f"update_ms_{name}"], figures[f"act_ms_{name}"] = round(one, 3), round(two, 4)
        figures[f"update_ratio_{name}"] = round(one / plain, 2)
        rows.append((kind, f"{one:.1f}", f"{one / plain:.1f}", f"{two:.2f}"))
    print_table("what a network costs", ("network", "ms an update", "times the mlp", "ms an action"), rows)
    recalls = []
    for label, changes in (("with burn-in", {}), ("without burn-in", {"burn_in": 0})):
        first, last = remembered(args.updates, **changes)
        name = label.replace(" ", "_").replace("-", "_")
        figures[f"recall_first_{name}"], figures[f"recall_last_{name}"] = round(first, 3), round(last, 3)
        recalls.append((label, f"{first:.0%}", f"{last:.0%}"))
    print_table("cues recalled in drives of 200 steps", ("", "first 100 steps", "last 100 steps"), recalls)
    write_report(args.json, figures)


if __name__ == "__main__":
    main()
