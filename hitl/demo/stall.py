"""An agent that stalls honestly: trained from nothing, with or without human laps in its memory, until it stalls at a corner.

This is the learner that most people run: one replay for everything, laps included, and no takeovers. It is trained in
lock-step in one process, so the same seed gives the same agent on the same machine. Nothing makes it fail on purpose: training
stops when three evaluations in a row have not passed a corner that the agent reaches, and the agent has tried it a dozen times
meanwhile: on a lap of a minute an evaluation comes after each try, and three tries are no stall.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any

from data.records import Corner
from data.store import Store
from hitl.drivers.human import NoHuman, ScriptedHuman
from hitl.drivers.scripted import ScriptedDriver
from hitl.home import Home
from hitl.session.lockstep import Lockstep
from hitl.session.session import EpisodeResult
from hitl.session_options import SessionOptions

LAPS = 2
EVALUATE_EVERY = 1000  # agent steps
LEAST = 10  # episodes of an evaluation, however long the road is
IN_A_ROW = 3  # evaluations without a pass that make a stall
TRIES = 12  # drives of the training that come to the corner while no evaluation passes it, at least
MASTERED = 0.95  # share of laps finished, in IN_A_ROW evaluations in a row, after which the agent will not stall
REACH_M = 40.0  # m before a corner from which an episode's end belongs to it

RECIPE: dict[str, Any] = {
    "one_replay": True,
    "demo_fraction": 0.0,
    "bc_weight": 0.0,
    "actor_average": None,
    "recent_fraction": 0.0,
    "own_finishes": 0,
    "stalled_steps": 0,
    "lr_actor": 3e-4,
    "log_std_max": 2.0,
    "utd": 0.5,
    "warmup_steps": 1000,
    "init_gas_bias": 0.5,
}
"""What differs from the ``hitl`` preset: one replay without a demo half, no cloning, no average of the actor, plain learning
rates, and one update for two steps."""


@dataclass(frozen=True)
class Evaluated:
    """One evaluation on the way."""

    agent_steps: int
    updates: int
    episodes: int
    return_mean: float
    progress_mean: float
    finished: int
    passes: dict[str, int]


@dataclass(frozen=True)
class StallResult:
    """How training went. ``corner``: where the agent stalled; None when it did not stall within the steps given."""

    corner: Corner | None
    evaluations: tuple[Evaluated, ...]
    agent_steps: int
    updates: int


def stalled_corner(
    results: list[list[EpisodeResult]],
    corners: tuple[Corner, ...],
    length_m: float,
    in_a_row: int = IN_A_ROW,
    drives: Sequence[Sequence[float]] | None = None,
) -> Corner | None:
    """Return the corner that the agent has stalled at: in the last evaluations no episode passed it, and they end in it.

    ``results``: evaluations, oldest first, each a list of episodes. A place that belongs to no known corner becomes one.
    ``drives``: how far (m) the agent drove in training before each evaluation, since the one before; ``TRIES`` of them must have
    come to the corner. None: they are not counted.
    """
    for count in range(in_a_row, len(results) + 1):
        corner = _not_passed(results[-count:], corners, length_m)
        if corner is None or drives is None:
            return corner
        came = sum(progress >= corner.from_m - REACH_M for before in drives[-count:] for progress in before)
        if came >= TRIES:
            return corner
    return None


def _not_passed(last: list[list[EpisodeResult]], corners: tuple[Corner, ...], length_m: float) -> Corner | None:
    """Return the corner that all these evaluations come to, where none of their episodes passes it."""
    ends = [min(r.progress, length_m) for evaluation in last for r in evaluation]
    where = median(ends)
    known = next((c for c in corners if c.from_m - REACH_M <= where < c.to_m), None)
    corner = known or Corner("stall", max(0.0, where - 10.0), min(length_m - 3.0, where + 30.0))
    if where < REACH_M or any(end >= corner.to_m for end in ends):
        return None
    reached = [
        sum(r.progress >= corner.from_m - REACH_M for r in evaluation) >= 0.8 * len(evaluation) for evaluation in last
    ]
    return corner if all(reached) else None


def mastered(results: list[list[EpisodeResult]]) -> bool:
    """Tell whether the last evaluations reached the finish: such an agent needs no help."""
    last = results[-IN_A_ROW:]
    return len(last) == IN_A_ROW and all(
        sum(r.reason == "finish" for r in evaluation) >= MASTERED * len(evaluation) for evaluation in last
    )


def train_until_stalled(
    home: Home,
    track: str = "default",
    *,
    env: str = "box2d",
    seed: int = 0,
    max_steps: int = 20_000,
    in_a_row: int = IN_A_ROW,
    laps: int = LAPS,
    settings: dict[str, Any] | None = None,
    report: Callable[[Evaluated], None] = lambda _: None,
) -> StallResult:
    """Train a new agent in an empty home until it stalls, until it drives the whole track, or for ``max_steps`` agent steps.

    ``laps``: of the scripted driver, in its memory from the beginning.
    The home then holds the run as any other: laps, every step, each evaluation, a checkpoint for each evaluation.
    """
    from trainer.presets import PRESETS

    config = replace(PRESETS["hitl"], **{**RECIPE, **(settings or {})}, seed=seed)
    options = SessionOptions(env, track, kind="stall", seed=seed, greedy_every=0)
    with Lockstep(home, options, config, human=lambda t: ScriptedHuman(ScriptedDriver(t, seed=seed), None)) as run:
        rig = run.rig
        results: list[list[EpisodeResult]] = []
        evaluations: list[Evaluated] = []
        drives: list[list[float]] = [[]]
        corner: Corner | None = None
        episode, episodes = 0, rig.track.line.drives(LEAST)
        for k in range(laps):
            rig.session.episode("lap", seed=k)
        rig.session.human = NoHuman()
        while run.steps < max_steps and corner is None:
            drives[-1].append(run.drive(10_000 * seed + 100 + episode).progress)
            episode += 1
            if run.steps < (len(results) + 1) * EVALUATE_EVERY:
                continue
            run.save()
            found = rig.evaluate(episodes, 2_000_000 + 1000 * len(results))
            results.append(found)
            evaluations.append(
                Evaluated(
                    run.steps,
                    run.learner.updates,
                    episodes,
                    fmean(r.total for r in found),
                    fmean(r.progress for r in found),
                    sum(r.reason == "finish" for r in found),
                    {c.name: sum(r.passed[c.name] for r in found) for c in rig.corners},
                )
            )
            report(evaluations[-1])
            corner = stalled_corner(results, rig.corners, rig.track.line.length, in_a_row, drives)
            drives.append([])
            if mastered(results):
                break
        if corner is not None and corner.name == "stall":
            with Store(home.store_path) as store:
                store.upsert_corner(rig.track.name, *corner, "mined")
        rig.written()
        return StallResult(corner, tuple(evaluations), run.steps, run.learner.updates)
