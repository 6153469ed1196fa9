"""Takeovers where there is no road: tasks that no one here made, with known controllers in the human's place, from Python.

    python benchmarks/help_without_road.py [--game lander] [--arms none,expert,slow] [--seeds 5] [--steps 5000] [--json FILE]

The loop is that of `docs/python.md`: ``Takeover`` around the environment, batches of ``SymmetricReplay``, our learner, with the
settings that a game without a road has by itself. The human watches each episode, takes over where it goes wrong, and holds the
wheel to the end: for ``--seconds`` in all, and not before ``--alone`` steps. Greedy returns of ``--episodes`` episodes.

``lander`` is LunarLander, 50 steps a second; the human takes over where it falls too fast near the ground, tilts, or hovers.
``expert`` is Gymnasium's own heuristic. ``slow`` is the same, seeing what was a tenth of a second ago, with hands that move ten
times a second: alone it lands one time in two. Above 200 the lander has landed. ``hill`` is MountainCar, 30 steps a second; the
human takes over where the car has not left the valley in 5 s, and pushes the way it rolls. At the top it has earned some 90.
``cube`` is gym-hil's pick-cube (``pip install gym-hil``, and ``MUJOCO_GL=egl`` without a display), 10 steps a second, its cube
anywhere: an arm that earns nothing before it has lifted it. The human takes over where it has not in 3 s; shown are percents.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from common import parser, print_table, run_jobs, stopwatch
from helped_games import GAMES, HANDS, Game, Hands
from outside import iqm, returns

from data.store import Store
from hitl.games.gym.env import open_gym
from hitl.home import Home
from hitl.trials.copies import earned_between
from hitl.trials.drives import GymDrives
from trainer.daemon.proving import Proving
from trainer.presets import PRESETS

AVERAGE = {name: getattr(PRESETS["hitl"], name) for name in ("actor_average", "actor_average_growth", "actor_average_most")}
ARMS: dict[str, dict[str, Any]] = {
    "none": {}, "expert": {}, "slow": {}, "expert_uncloned": {"bc_weight": 0.0}, "expert_average": AVERAGE,
}  # fmt: skip
"""Who helps (the word before ``_``), and what is set otherwise. With ``_tried`` behind it, weights drive without noise once they
have passed a trial in a copy of the game, as with `hitl train`."""
TRIED = "_tried"
TRIAL_EVERY = 200  # updates


def proving_of(learner: Any, home: str, game: Game) -> Proving:
    """Return what tries a learner's weights as `hitl train` does."""
    proving, place = Proving(learner), Home(Path(home))
    with Store(place.store_path, read_only=True) as store:
        (track,) = store.tracks()
    proving.use(GymDrives(lambda: open_gym(game.id), lambda: earned_between(place, track)).trial)
    return proving


def drive(arm: str, seed: int, args: Any) -> dict[str, Any]:
    """Drive, learn and be helped in turn; return what was earned, by steps driven."""
    from hitl import SymmetricReplay, Takeover

    skill, curve, game = arm.partition("_")[0], {}, GAMES[args.game]
    changes, proving, tried_at = ARMS[arm.removesuffix(TRIED)], None, 0
    bare = game.make()
    hands = Hands(bare, game, skill, args.seconds) if skill in HANDS else None
    steps = takeovers = 0
    with tempfile.TemporaryDirectory() as home:
        env = Takeover(bare, hands, store=home, real_time=False)
        replay, learner = SymmetricReplay(home, seed=seed, **changes), None
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
            if arm.endswith(TRIED) and learner.updates - tried_at >= TRIAL_EVERY:
                proving, tried_at = proving or proving_of(learner, home, game), learner.updates
                proving.offer()
            while marks and steps >= marks[0]:
                earned = returns(game.make(), partial(learner.act, deterministic=True), args.episodes)
                curve[marks.pop(0)] = game.unit * mean(earned)
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
    made.add_argument("--episodes", type=int, default=20, help="of each evaluation")
    made.add_argument("--jobs", type=int, default=2)
    args = made.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    arms, seeds = args.arms.split(","), list(range(args.first, args.first + args.seeds))
    results = run_jobs(run, [(arm, seed, args) for seed in seeds for arm in arms], args.jobs, args.json, seeds)
    rows = []
    for arm in arms:
        found = [r for r in results if r["arm"] == arm]
        for mark in found[0]["curve"]:
            values = [r["curve"][mark] for r in found]
            agents = ", ".join(f"{value:.0f}" for value in values)
            rows.append((arm, f"{mark:,}", f"{iqm(values):.0f}", agents, f"{mean(r['human_s'] for r in found):.0f}"))
    print_table(f"Greedy return on {GAMES[args.game].name}", ("who helps", "steps", "IQM", "agents", "human s"), rows)


if __name__ == "__main__":
    main()
