"""The demo: a stalled agent gets through its corner after seconds of takeover.

Before: twenty deterministic episodes of the stalled agent. Then it drives, somebody takes over at the corner, and the trainer
learns from that in its own process, until two evaluations in a row pass, or the time is up. After: the same twenty starts
with the best checkpoint. Nothing in it is special to the demo: home folder, session, store and trainer are the real ones.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from data.errors import TrainingError, UsageError
from data.store import Store
from hitl.home import Home
from hitl.road.corners import Corner
from hitl.session.session import EpisodeResult
from hitl.session.setup import SessionSetup
from hitl.trainer_process import TrainerProcess

EPISODES = 20
TEST_SEED = 1_000_000  # the starts of "before" and "after"; checkpoints are chosen on others
CHOICE_SEED = 3_000_000
ENOUGH = 19  # passes of 20 in two evaluations in a row that end the demo early
STEPS_BETWEEN = 600  # agent steps between two evaluations


@dataclass
class Limits:
    """When the demo stops, whatever has come of it."""

    wall_seconds: float = 240.0  # of driving and learning
    agent_steps: int = 12_000
    lag_updates: int = 400  # updates that the trainer may be behind before a headless session waits for it


@dataclass
class Outcome:
    """Twenty deterministic episodes."""

    results: list[EpisodeResult]
    corner: str
    checkpoint: str = ""

    @property
    def passes(self) -> int:
        """Episodes that passed the corner."""
        return sum(r.passed[self.corner] for r in self.results)

    def summary(self) -> dict[str, float | int]:
        """Return the figures that are reported."""
        return {
            "episodes": len(self.results),
            "corner_passes": self.passes,
            "return_mean": round(fmean(r.total for r in self.results), 2),
        }


@dataclass
class DemoResult:
    """What the demo came to."""

    track: str
    seed: int
    corner: Corner
    before: Outcome
    after: Outcome
    takeover_seconds: float
    takeovers: int
    agent_steps: int
    updates: int
    wall_seconds: float = 0.0
    evaluations: list[tuple[int, int, float]] = field(default_factory=list)  # (agent steps, passes, mean return)

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` writes."""
        return {
            "before": self.before.summary(),
            "after": self.after.summary(),
            "takeover_seconds": round(self.takeover_seconds, 2),
            "takeovers": self.takeovers,
            "agent_steps": self.agent_steps,
            "updates": self.updates,
            "wall_seconds": round(self.wall_seconds, 1),
            "track": self.track,
            "seed": self.seed,
        }


class Progress(Protocol):
    """What the demo tells while it runs."""

    def phase(self, text: str) -> None:
        """A new part begins."""

    def step(self, share: float, text: str) -> None:
        """So much of the time limit is used (0 to 1), and this is where things stand."""


def open_shipped(home: Home) -> None:
    """Copy the stalled agent and its two laps into an empty home folder.

    Raises:
        UsageError: the folder already holds a store.
    """
    if home.store_path.exists():
        raise UsageError(
            f"The folder '{home.root.name}' already holds a store, and a demo starts from its own: choose an empty folder."
        )
    home.create()
    with resources.as_file(resources.files("hitl") / "stalled") as shipped:
        shutil.copyfile(shipped / "store.sqlite", home.store_path)
        for file in Path(shipped).glob("*.safetensors"):
            shutil.copyfile(file, home.checkpoints / file.name)
    Store.open(home.store_path).close()  # it came with an earlier version of the store, and is read before it is written to


def stalled_at(home: Home, track: str) -> Corner | None:
    """Return the corner of a track that the stored evaluations of its newest checkpoint did not pass once."""
    with Store.open(home.store_path, read_only=True) as store:
        evaluations = store.evaluations(track=track)
        corners = store.corners(track)
    if not evaluations:
        return None
    last = evaluations[-1]
    for corner in sorted(corners, key=lambda c: c.from_m):
        if last.passes.get(corner.name) == 0:
            return Corner(corner.name, corner.from_m, corner.to_m)
    return None


class Demo:
    """One run of it, in a home that holds a stalled agent.

    ``rig`` is driven, with the one who takes over at its wheel; ``referee`` evaluates, in lock-step (it may be the same).
    """

    def __init__(
        self,
        rig: SessionSetup,
        referee: SessionSetup,
        trainer: TrainerProcess,
        corner: Corner,
        progress: Progress,
        *,
        limits: Limits | None = None,
        paced: bool = True,
        on_episode: Callable[[EpisodeResult], None] = lambda _: None,
        on_measured: Callable[[float], None] = lambda _: None,
        on_evaluation: Callable[[int, int, float], None] = lambda *_: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.rig, self.referee, self.trainer = rig, referee, trainer
        self.corner, self.progress = corner, progress
        self.limits = limits or Limits()
        self.paced = paced  # False: in real time the trainer keeps up by itself
        self.on_episode, self.on_measured, self.on_evaluation = on_episode, on_measured, on_evaluation
        self.cancelled = cancelled
        self.agent_steps = self.human_steps = self.takeovers = 0
        self._driven = 0
        with Store.open(rig.home.store_path, read_only=True) as store:
            first = store.latest_checkpoint()
        self._updates_before = first.updates if first is not None else 0
        self._evaluations: list[tuple[int, int, float]] = []
        self._best: tuple[int, float, int] | None = None  # (passes, mean return, checkpoint)

    def run(self) -> DemoResult:
        """Before, learning, after."""
        began = time.monotonic()
        self.progress.phase("before: the stalled agent, alone")
        before = self._outcome(TEST_SEED)
        self.on_measured(fmean(r.total for r in before.results))
        self.progress.phase("learning: takeovers at the corner")
        self._learn()
        self.progress.phase("after: the best checkpoint, alone")
        if self._best is not None:
            self.referee.policy.hold(str(self._best[2]))
        after = self._outcome(TEST_SEED)
        self.rig.written()
        hz = self.rig.task.settings.hz
        return DemoResult(
            track=self.rig.track.name,
            seed=self.rig.options.seed,
            corner=self.corner,
            before=before,
            after=after,
            takeover_seconds=self.human_steps / hz,
            takeovers=self.takeovers,
            agent_steps=self.agent_steps,
            updates=self._updates(),
            wall_seconds=time.monotonic() - began,
            evaluations=self._evaluations,
        )

    def _learn(self) -> None:
        limits, began = self.limits, time.monotonic()
        episode = good = 0
        next_evaluation = STEPS_BETWEEN
        while good < 2 and not self.cancelled():
            used = time.monotonic() - began
            if used > limits.wall_seconds or self._driven > limits.agent_steps:
                break
            result = self.rig.session.episode("drive", seed=10_000 * (self.rig.options.seed + 1) + episode)
            episode += 1
            self._driven += result.steps
            self.agent_steps += result.steps - result.human_steps
            self.human_steps += result.human_steps
            self.takeovers += result.takeovers
            self.on_episode(result)
            self._wait_for_trainer()
            self.progress.step(used / limits.wall_seconds, self._standing(episode))
            if self._driven >= next_evaluation:
                next_evaluation = self._driven + STEPS_BETWEEN
                good = good + 1 if self._evaluate() >= ENOUGH else 0

    def _standing(self, episodes: int) -> str:
        last = f", {self._evaluations[-1][1]} of {EPISODES} passes" if self._evaluations else ""
        hz = self.rig.task.settings.hz
        return f"{episodes} episodes, {self.human_steps / hz:.0f} s of takeover, {self._updates():,} updates{last}"

    def _evaluate(self) -> int:
        """Evaluate the newest checkpoint; returns its passes."""
        outcome = self._outcome(CHOICE_SEED + 1000 * len(self._evaluations))
        mean = fmean(r.total for r in outcome.results)
        self._evaluations.append((self.agent_steps, outcome.passes, mean))
        self.on_evaluation(self.agent_steps, outcome.passes, mean)
        which = self.referee.policy.checkpoint_id
        if which is not None and (self._best is None or (outcome.passes, mean) > self._best[:2]):
            self._best = (outcome.passes, mean, which)
        return outcome.passes

    def _outcome(self, first_seed: int) -> Outcome:
        results = self.referee.evaluate(EPISODES, first_seed)
        for result in results:
            result.judge((self.corner,))
        return Outcome(results, self.corner.name, self.referee.policy.checkpoint_name)

    def _wait_for_trainer(self) -> None:
        """Faster than real time the session would run away from the trainer: let it come within its lag."""
        if not self.paced:
            return
        self.rig.written()
        while not self.cancelled():
            if not self.trainer.alive:
                raise TrainingError(f"The trainer has stopped: {self.trainer.last_words()}")
            beat = self.trainer.pulse()
            if beat is not None and beat.online_steps >= self._driven and beat.owed_updates <= self.limits.lag_updates:
                return
            time.sleep(0.02)

    def _updates(self) -> int:
        """Updates of this demo: those that made the stalled agent are not counted."""
        beat = self.trainer.pulse()
        return max(0, beat.updates - self._updates_before) if beat is not None else 0
