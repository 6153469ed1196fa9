"""The demo: a stalled agent gets through its corner after seconds of takeover.

Before: twenty deterministic episodes of the stalled agent. Then it drives, a human or the scripted driver takes over at the
corner, and the trainer learns from that in its own process, until two evaluations in a row pass and laps are finished, or the
time is up. After: the same twenty starts with the best checkpoint. Home folder, session, store and trainer are the real ones.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Literal

from data.errors import TrainingError, UsageError
from data.records import Corner
from data.store import Store
from data.words import number_of
from hitl.session.practice import TRIES, Practice
from hitl.session.session import EpisodeResult
from hitl.session.setup import SessionSetup
from hitl.trainer_process import TrainerProcess

EPISODES = 20
TEST_SEED = 1_000_000  # the starts of "before" and "after"; checkpoints are chosen on others
CHOICE_SEED = 3_000_000
LEAST = 6  # laps of an evaluation in between, however long the road is
PASSES_TO_STOP = 0.95  # of an evaluation's laps, in two in a row: then the demo ends early
STEPS_BETWEEN = 600  # driven steps between two evaluations
MOST_STEPS = 12_000  # driven steps after which learning stops
FINISHES_TO_STOP = 0.5  # of the laps, in the second one: an agent that fails elsewhere now goes on learning
MOST_MORE = 3  # evaluations for which it goes on
MOST_OWED = 400  # updates that the trainer may owe before a headless session waits for it
FAR_S, FAR_TRIES = 20.0, 10  # s of driving to a corner from which on so many tries, shortly before it, come before each drive


@dataclass(frozen=True)
class Measurement:
    """Deterministic episodes of one checkpoint."""

    results: list[EpisodeResult]
    corner: str
    checkpoint_id: int | None
    asked: int | None = None
    """So many were to be driven, unless the player left; None: twenty."""

    @property
    def passes(self) -> int:
        """Episodes that passed the corner."""
        return sum(r.passed[self.corner] for r in self.results)

    @property
    def finished(self) -> int:
        """Episodes that ended at the finish."""
        return sum(r.reason == "finish" for r in self.results)

    @property
    def return_mean(self) -> float:
        """Mean return, NaN of no episode."""
        return fmean(r.total for r in self.results) if self.results else math.nan

    @property
    def complete(self) -> bool:
        """Whether all episodes were driven."""
        return len(self.results) == (EPISODES if self.asked is None else self.asked)

    def most(self, count: int, share: float) -> bool:
        """Tell whether ``count`` is that share of the episodes, to the last whole one."""
        return count >= math.floor(share * len(self.results))

    def as_json(self) -> dict[str, float | int | None]:
        """Return its part of the ``--json`` file; null is what was not measured."""
        if not self.results:
            return {"episodes": 0, "corner_passes": None, "laps_finished": None, "return_mean": None}
        counted = {"episodes": len(self.results), "corner_passes": self.passes, "laps_finished": self.finished}
        return {**counted, "return_mean": round(self.return_mean, 2)}


@dataclass(frozen=True)
class DemoResult:
    """Before and after, and what it took. Takeovers are counted as in the report."""

    track: str
    seed: int
    corner: Corner
    before: Measurement
    after: Measurement
    takeover_seconds: float
    takeovers: int
    agent_steps: int
    updates: int
    wall_seconds: float
    stand_in_seconds: float = 0.0
    """Of the takeover seconds, those of the scripted driver."""
    ended: Literal["time", "steps", "player"] = "time"
    """Why learning ended where the corner was not learned: no time or no steps were left, or the player ended it."""

    def as_json(self) -> dict[str, Any]:
        """Return the content of the ``--json`` file."""
        return {
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "takeover_seconds": round(self.takeover_seconds, 2),
            "takeovers": self.takeovers,
            "stand_in_seconds": round(self.stand_in_seconds, 2),
            "agent_steps": self.agent_steps,
            "updates": self.updates,
            "wall_seconds": round(self.wall_seconds, 1),
            "track": self.track,
            "seed": self.seed,
        }


Phase = Literal["before", "learning", "practice", "evaluation", "after"]
PHASES: Mapping[Phase, str] = {
    "before": "before: the stalled agent, alone",
    "learning": "learning: takeovers at the corner",
    "practice": "practice: the corner again and again",
    "evaluation": "in between: what it has learned, alone",
    "after": "after: the best checkpoint, alone",
}


class Progress:
    """What the demo reports while it runs. This class shows nothing; subclasses show what they can."""

    def phase(self, phase: Phase) -> None:
        """A new part begins."""

    def step(self, share: float, text: str) -> None:
        """``share`` of the time limit is used (0 to 1); ``text`` says how far the demo is."""

    def lap(self, number: int, of: int) -> None:
        """Lap ``number`` of an evaluation begins."""

    def lap_over(self, result: EpisodeResult) -> None:
        """A lap of an evaluation has ended."""

    def measured(self, before: Measurement) -> None:
        """The stalled agent has been measured; what is driven next, the player may take over. It may wait for the player."""

    def episode_over(self, result: EpisodeResult) -> None:
        """A drive has ended."""

    def offers_practice(self) -> bool:
        """Tell whether the player now wants to practise the corner; asked after each drive. It may wait for the player."""
        return False

    def evaluated(self, agent_steps: int, measured: Measurement) -> None:
        """A checkpoint has been evaluated."""


class Demo:
    """One run of the demo, in a home that holds a stalled agent.

    ``rig`` is the session with takeovers; ``referee`` evaluates, in lock-step (it may be the same one). Learning ends after
    ``minutes``. ``paced``: the session waits for the trainer, which keeps up by itself only in real time. ``between``: laps of an
    evaluation while it learns (None: as many as before and after).
    """

    def __init__(
        self,
        rig: SessionSetup,
        referee: SessionSetup,
        trainer: TrainerProcess,
        corner: Corner,
        progress: Progress,
        *,
        minutes: float,
        paced: bool = True,
        between: int | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.rig, self.referee, self.trainer = rig, referee, trainer
        self.corner, self.progress, self.seconds = corner, progress, 60.0 * minutes
        self.paced, self.cancelled = paced, cancelled
        self.agent_steps = self.human_steps = 0
        self._practice: Practice | None = None
        self._tries = 0  # of practice that are left
        self._far = False  # the corner is a long way from the start
        with Store(rig.home.store_path, read_only=True) as store:
            first = store.latest_checkpoint()
        self._updates_before = first.updates if first is not None else 0
        self._evaluations: list[Measurement] = []
        self._between = min(between or EPISODES, rig.track.line.drives(LEAST))

    def run(self) -> DemoResult:
        """Measure, learn, measure again."""
        began = time.monotonic()
        self.progress.phase("before")
        before = self._measure(TEST_SEED)
        if before.complete:
            self._far = median(r.steps for r in before.results) > FAR_S * self.rig.task.settings.hz
            self.progress.measured(before)
            after = self._improve()
        else:  # the player has left: there is nothing to compare with
            after = Measurement([], self.corner.name, None)
        self.rig.written()
        with Store(self.rig.home.store_path, read_only=True) as store:
            takeovers, _ = store.rule().takeovers(store.segments(track=self.rig.track.name))
        scripted = sum(s.seconds for s in takeovers if s.trigger == "scripted")
        return DemoResult(
            stand_in_seconds=scripted,
            track=self.rig.track.name,
            seed=self.rig.options.seed,
            corner=self.corner,
            before=before,
            after=after,
            takeover_seconds=sum(s.seconds for s in takeovers),
            takeovers=len(takeovers),
            agent_steps=self.agent_steps,
            updates=self._updates(),
            wall_seconds=time.monotonic() - began,
            ended="player" if self.cancelled() else "steps" if self._driven > MOST_STEPS else "time",
        )

    def _improve(self) -> Measurement:
        """Learn, and measure the best checkpoint."""
        self.progress.phase("learning")
        if not self.cancelled():
            self._learn()
        if self._driven == 0:
            return Measurement([], self.corner.name, None)
        self.progress.phase("after")
        known = [m for m in self._evaluations if m.checkpoint_id is not None]
        if best := max(known, key=lambda m: (m.passes, m.return_mean), default=None):
            self.referee.policy.pin(str(best.checkpoint_id))
        return self._measure(TEST_SEED)

    def _learn(self) -> None:
        began = time.monotonic()
        episode = good = more = 0
        next_evaluation = STEPS_BETWEEN
        if self._far:
            self._begin_practice(FAR_TRIES)
        while not self.cancelled():
            used = time.monotonic() - began
            if used > self.seconds or self._driven > MOST_STEPS:
                break
            result = self._drive(10_000 * (self.rig.options.seed + 1) + episode)
            episode += 1
            self.agent_steps += result.steps - result.human_steps
            self.human_steps += result.human_steps
            self.progress.episode_over(result)
            self._wait_for_trainer()
            self.progress.step(used / self.seconds, self._standing(episode))
            if self.cancelled():  # the player leaves
                break
            if self._far and result.purpose == "drive":
                self._begin_practice(FAR_TRIES)
            elif not self._tries and self.progress.offers_practice():
                self._begin_practice(TRIES)
            if self._driven >= next_evaluation and not self._tries:
                next_evaluation = self._driven + STEPS_BETWEEN
                newest = self._evaluate()
                good = good + 1 if newest.most(newest.passes, PASSES_TO_STOP) else 0
                if good >= 2 and (newest.most(newest.finished, FINISHES_TO_STOP) or more >= MOST_MORE):
                    break
                more += good >= 2

    def _drive(self, seed: int) -> EpisodeResult:
        """Drive the next episode: a try at the corner while the player practises, else from the start."""
        if not self._tries or self._practice is None:
            return self.rig.session.episode("drive", seed=seed)
        self._tries -= 1
        result = self._practice.attempt(seed)
        if not self._tries:
            self.progress.phase("learning")
        return result

    def _begin_practice(self, tries: int) -> None:
        self.rig.written()
        with contextlib.suppress(UsageError):  # no recorded approach that a try could begin at
            self._practice, self._tries = Practice(self.rig, self.corner.name, self.rig.options.seed), tries
            self.progress.phase("practice")

    @property
    def _driven(self) -> int:
        return self.agent_steps + self.human_steps

    def _standing(self, episodes: int) -> str:
        last = ""
        if self._evaluations:
            last = f", {self._evaluations[-1].passes} of {len(self._evaluations[-1].results)} passes"
        hz = self.rig.task.settings.hz
        learned = number_of(self._updates(), "update")
        return f"{number_of(episodes, 'episode')}, {self.human_steps / hz:.0f} s of takeover, {learned}{last}"

    def _evaluate(self) -> Measurement:
        """Evaluate the newest checkpoint."""
        self.progress.phase("evaluation")
        measured = self._measure(CHOICE_SEED + 1000 * len(self._evaluations), self._between)
        if measured.complete:
            self._evaluations.append(measured)
            self.progress.evaluated(self.agent_steps, measured)
        self.progress.phase("learning")
        return measured

    def _measure(self, first_seed: int, laps: int | None = None) -> Measurement:
        laps = laps or EPISODES

        def over(result: EpisodeResult) -> None:
            self.progress.lap_over(result.judge((self.corner,)))

        results = self.referee.evaluate(laps, first_seed, lambda number: self.progress.lap(number, laps), over)
        return Measurement(results, self.corner.name, self.referee.policy.checkpoint_id, laps)

    def _wait_for_trainer(self) -> None:
        """Wait until the trainer owes few updates: a session faster than real time would run away from it."""
        if not self.paced:
            return
        self.rig.written()
        while not self.cancelled():
            if not self.trainer.alive:
                raise TrainingError(f"The trainer has stopped: {self.trainer.last_line()}")
            beat = self.trainer.heartbeat()
            if beat is not None and beat.online_steps >= self._driven and beat.owed_updates <= MOST_OWED:
                return
            time.sleep(0.02)

    def _updates(self) -> int:
        """Updates of this demo, without those that made the stalled agent."""
        beat = self.trainer.heartbeat()
        return max(0, beat.updates - self._updates_before) if beat is not None else 0
