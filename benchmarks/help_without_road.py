"""Takeovers where there is no road: two of Gymnasium's games, with known controllers in the human's place, from Python.

    python benchmarks/help_without_road.py [--game lander] [--arms none,expert,slow] [--seeds 5] [--steps 5000] [--json FILE]

The loop is that of `docs/python.md`: ``Takeover`` around the environment, batches of ``SymmetricReplay``, our learner, with the
settings that a game without a road has by itself. The human watches each episode, takes over where it goes wrong, and holds the
wheel to the end: for ``--seconds`` in all, and not before ``--alone`` steps. Greedy returns of 20 episodes.

``lander`` is LunarLander, 50 steps a second; the human takes over where it falls too fast near the ground, tilts, or hovers.
``expert`` is Gymnasium's own heuristic. ``slow`` is the same, seeing what was a tenth of a second ago, with hands that move ten
times a second: alone it lands one time in two. Above 200 the lander has landed. ``hill`` is MountainCar, 30 steps a second; the
human takes over where the car has not left the valley in 5 s, and pushes the way it rolls. At the top it has earned some 90.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import mean
from typing import Any

import numpy as np
from common import parser, print_table, stopwatch, write_report
from outside import iqm, returns

from trainer.presets import PRESETS

HANDS = {"expert": (0, 1), "slow": (5, 5)}
"""Steps that the human sees late, and for which the hands stay as they are."""
AVERAGE = {name: getattr(PRESETS["hitl"], name) for name in ("actor_average", "actor_average_growth", "actor_average_most")}
ARMS: dict[str, dict[str, Any]] = {
    "none": {}, "expert": {}, "slow": {}, "expert_uncloned": {"bc_weight": 0.0}, "expert_average": AVERAGE,
}  # fmt: skip
"""Who helps (the word before ``_``), and what is set otherwise."""
HOVERS, ROLLS = 400, 150  # steps after which no one waits any longer


@dataclass(frozen=True)
class Game:
    """``drive`` (environment, observation): what the human does; ``wanted`` (observation, steps): whether it takes over."""

    id: str
    hz: int
    drive: Callable[[Any, np.ndarray], Any]
    wanted: Callable[[np.ndarray, int], bool]


def land(env: Any, seen: np.ndarray) -> Any:
    """Drive LunarLander as Gymnasium's own heuristic does."""
    from gymnasium.envs.box2d.lunar_lander import heuristic

    return heuristic(env.unwrapped, seen)


def crashes(seen: np.ndarray, steps: int) -> bool:
    """Tell whether a lander falls too fast near the ground, tilts, or hovers."""
    _, height, _, falls, angle, *_ = seen.tolist()
    return bool((height < 0.7 and falls < -0.5) or abs(angle) > 0.5 or steps > HOVERS)


GAMES = {
    "lander": Game("LunarLanderContinuous-v3", 50, land, crashes),
    "hill": Game(
        "MountainCarContinuous-v0", 30, lambda env, seen: [1.0 if seen[1] >= 0.0 else -1.0], lambda seen, steps: steps > ROLLS
    ),
}


class Hands:
    """A person who watches and takes over: called with each observation, it returns an action or None."""

    def __init__(self, env: Any, game: Game, skill: str, seconds: float) -> None:
        self._env, self._game, (self._late, self._holds) = env, game, HANDS[skill]
        self.left, self.on = round(seconds * game.hz), False
        self.begin()

    def begin(self) -> None:
        """An episode begins."""
        self._seen: deque[np.ndarray] = deque(maxlen=self._late + 1)
        self._at, self._drives = 0, False

    def __call__(self, seen: np.ndarray, info: dict[str, Any]) -> np.ndarray | None:
        """Look, and drive if it is time."""
        self._seen.append(np.asarray(seen))
        self._at += 1
        if not self._drives:
            self._drives = self.on and self.left > 0 and self._game.wanted(self._seen[0], self._at)
            self._began = self._at
        if not self._drives:
            return None
        self.left -= 1
        if (self._at - self._began) % self._holds == 0:
            self._action = np.clip(self._game.drive(self._env, self._seen[0]), -1, 1).astype(np.float32)
        return self._action


def drive(arm: str, seed: int, args: Any) -> dict[str, Any]:
    """Drive, learn and be helped in turn; return what was earned, by steps driven."""
    import gymnasium

    from hitl import SymmetricReplay, Takeover

    skill, curve, game = arm.partition("_")[0], {}, GAMES[args.game]
    bare = gymnasium.make(game.id)
    hands = Hands(bare, game, skill, args.seconds) if skill in HANDS else None
    steps = takeovers = 0
    with tempfile.TemporaryDirectory() as home:
        env = Takeover(bare, hands, store=home, real_time=False)
        replay, learner = SymmetricReplay(home, seed=seed, **ARMS[arm]), None
        env.action_space.seed(seed)
        episode, marks = 0, list(range(args.every, args.steps + 1, args.every))
        while marks:
            seen, _ = env.reset(seed=10_000 * (seed + 1) + episode)
            over, helped = False, False
            if hands is not None:
                hands.begin()
                hands.on = steps >= args.alone
            while not over:
                action = env.action_space.sample() if learner is None else learner.act(seen, deterministic=False)
                seen, _, terminated, truncated, info = env.step(action)
                helped |= info["driver"] == "human"
                over, steps = terminated or truncated, steps + 1
            episode, takeovers = episode + 1, takeovers + helped
            env.flush()
            replay.poll()
            learner = learner or replay.learner()
            for batch in replay.batches(learner):
                learner.update(batch)
            while marks and steps >= marks[0]:
                curve[marks.pop(0)] = mean(returns(gymnasium.make(game.id), partial(learner.act, deterministic=True)))
        env.close()
    assert learner is not None
    spent = 0.0 if hands is None else args.seconds - hands.left / game.hz
    return {"arm": arm, "seed": seed, "curve": curve, "human_s": spent, "takeovers": takeovers, "updates": learner.updates}


def run(job: tuple[str, int, Any]) -> dict[str, Any]:
    """One agent."""
    import torch

    torch.set_num_threads(1)
    with stopwatch() as watch:
        result = drive(*job)
    return {**result, "s": watch.seconds}


def main() -> None:
    """Run them all and print the table."""
    made = parser(__doc__)
    made.add_argument("--game", choices=GAMES, default="lander")
    made.add_argument("--arms", default="none,expert,slow")
    made.add_argument("--seeds", type=int, default=5)
    made.add_argument("--first", type=int, default=0, help="the first seed")
    made.add_argument("--steps", type=int, default=5_000)
    made.add_argument("--every", type=int, default=1_000)
    made.add_argument("--alone", type=int, default=1_000, help="steps before the first help")
    made.add_argument("--seconds", type=float, default=30.0, help="of help in all")
    made.add_argument("--jobs", type=int, default=2)
    args = made.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    arms, results = args.arms.split(","), []
    seeds = list(range(args.first, args.first + args.seeds))
    jobs = [(arm, seed, args) for seed in seeds for arm in arms]
    with stopwatch() as watch, multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        for result in pool.imap_unordered(run, jobs, 1):
            results.append(result)
            print(json.dumps(result), flush=True)
            write_report(args.json, {"runs": results}, seeds, watch.seconds)
    rows = []
    for arm in arms:
        found = [r for r in results if r["arm"] == arm]
        for mark in found[0]["curve"]:
            values = [r["curve"][mark] for r in found]
            agents = ", ".join(f"{value:.0f}" for value in values)
            rows.append((arm, f"{mark:,}", f"{iqm(values):.0f}", agents, f"{mean(r['human_s'] for r in found):.0f}"))
    print_table(f"Greedy return on {GAMES[args.game].id}, 20 episodes", ("who helps", "steps", "IQM", "agents", "human s"), rows)


if __name__ == "__main__":
    main()
