"""New weights drive without noise only once a trial has shown that they come as far as those that drive now."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a session knows the rule's numbers, too, and may do without torch
    from trainer.learner.learner import Learner
    from trainer.networks.actor_critic import Actor

LAP = 0.9
"""Share of the lap from which on weights are worth holding. Before, nothing is there to be lost, and the newest always drive."""


def of_the_lap(share: float) -> str:
    """Return in words what weights did that drove this share of the lap."""
    return f"came {100 * share:.0f} % of the lap"


@dataclass(frozen=True)
class Trial:
    """How actors are tried: alone, without noise, in copies of the game."""

    share: Callable[[Actor, int], float]
    """Drives from the starts of the trial with this number; returns how much of the lap the actor drives on average, 0 to 1.
    Where there is no road: how far it comes from what was earned alone at first to the best help."""
    worth: float = LAP
    """The share from which on weights are worth holding, before help has shown what is new."""
    told: Callable[[float], str] = of_the_lap
    """What weights of a share did, in words."""


FARTHER = 0.1
"""After help, weights that drive so much more of the lap than any before it are worth holding, too. On a long lap with several
hard corners, what was won at the first one would else be lost again before the last one is passed."""
WORSE = 0.1
"""Share of a lap that weights may come less far than the best so far, even where those before come no farther: else small steps
down would add up."""
LUCK = 0.8
"""Share of what is remembered of the best trial that is kept when those weights are tried again: luck in it fades."""
PATIENCE = 2_000
"""Updates for which the newest weights may be held back; then they are given up, and learning goes on from the proven ones."""
PAUSE, PAUSE_AFTER_HELP = 9.0, 2.0
"""Pauses between trials, in times of the last trial: trials take a tenth of the trainer's time, and a third after help."""


class TrialLeftError(Exception):
    """The run is to end: a trial was left, and says nothing of the weights."""


class Proving:
    """Keeps ``learner.proven``: weights that were seen to drive, whatever becomes of newer ones.

    Drives with noise are always by the newest weights: what these do wrong is learned from at once.
    """

    def __init__(self, learner: Learner, clock: Callable[[], float] = time.monotonic) -> None:
        self._learner, self._clock = learner, clock
        self.trial: Trial | None = None
        self._count = self._tried_at = 0
        self._ended, self._took = -math.inf, 0.0
        self.share: float | None = None
        """How much of the lap the best weights so far drive, by their trials."""
        self._best: Actor | None = None
        """These, or None: the proven ones."""
        self._helped_at = learner.helped_at
        self._stood: float | None = None
        """The most of the lap that the newest weights drove in a trial before the human helped; None before the first trial."""
        self._good_at = learner.updates  # when the newest weights last were the proven ones
        self.gave_up = False
        """Whether the newest weights were given up in the last trial."""
        self.held_back: float | None = None
        """What the newest weights drove of it, while that is less; None while they are the proven ones."""

    def use(self, trial: Trial | None) -> None:
        """Try actors by this from now on; None: they cannot be tried here, and the newest drive."""
        if trial is None:
            self._learner.proven = None
        if trial != self.trial:  # on another road the proven weights must prove themselves again
            self._helped_at, self._stood = self._learner.helped_at, None
            if self.trial is not None:
                self._learner.worth_holding = None
            self.trial, self.share, self.held_back, self._best, self._ended = trial, None, None, None, -math.inf

    @property
    def state(self) -> str:
        """A sentence while the newest weights are held back; else empty."""
        if self.held_back is None or self.share is None:
            return ""
        assert self.trial is not None
        newest, before = self.trial.told(self.held_back), self.trial.told(self.share)
        return (
            f"Alone in a copy of the game, the agent as it is now {newest}; as it was before, it {before}. So it drives as it "
            "did before until it does as well again, but for the drives in which it tries things (with noise). Learning goes "
            "on; nothing is to be done."
        )

    @property
    def due(self) -> bool:
        """Whether actors can be tried, and it is time to do so again: sooner where the human has shown something new."""
        pause = PAUSE_AFTER_HELP if self._learner.helped_at > self._tried_at else PAUSE
        return self.trial is not None and self._clock() >= self._ended + pause * self._took

    def offer(self) -> bool:
        """Try the newest weights; tells whether they drive without noise now."""
        assert self.trial is not None
        learner, began = self._learner, self._clock()
        self._tried_at = learner.updates
        self._count += 1
        if learner.proven is not None and self.share is None:
            self.share = self.trial.share(learner.proven, self._count)
            if self.share < self._held_from - WORSE:  # they were proven on another road
                learner.proven = self.share = None
        if learner.proven is None and self._stood is None:  # a start, perhaps on another road: what help wins is seen anew
            learner.worth_holding = None
        newest = self.trial.share(learner.newest, self._count)
        self._note_help(newest)
        if learner.proven is None:
            taken = is_best = newest >= self._held_from
        elif newest == self.share:
            taken, is_best = True, False
        else:
            taken, is_best = self._compare(newest, learner.proven)
        if taken:
            learner.prove()
        if is_best:
            self._best, self.share = learner.proven, newest
        self.held_back = None if taken or learner.proven is None else newest
        self.gave_up = self.held_back is not None and learner.updates - self._good_at >= PATIENCE
        if self.gave_up:
            learner.return_to_proven()
        if self.held_back is None or self.gave_up:
            self._good_at = learner.updates
        self._ended = self._clock()
        self._took = self._ended - began
        return self.held_back is None

    @property
    def _held_from(self) -> float:
        assert self.trial is not None
        return self.trial.worth if self._learner.worth_holding is None else self._learner.worth_holding

    def _note_help(self, newest: float) -> None:
        """After the first help on this road, all that goes beyond where the agent stood is worth holding."""
        learner = self._learner
        if self._stood is None or learner.helped_at == self._helped_at:
            self._helped_at, self._stood = learner.helped_at, max(newest, self._stood or 0.0)
        elif learner.worth_holding is None:
            learner.worth_holding = min(self._held_from, self._stood + FARTHER)

    def _compare(self, newest: float, proven: Actor) -> tuple[bool, bool]:
        """Return whether weights that drive ``newest`` of the lap come as far as those before, and whether they are the best."""
        assert self.trial is not None
        assert self.share is not None
        # The others drive from the same starts, which may be easier or harder than those before.
        best = self.trial.share(proven if self._best is None else self._best, self._count)
        before = best if self._best in (None, proven) else self.trial.share(proven, self._count)
        taken = newest >= before and newest >= best - WORSE
        is_best = taken and newest >= best and newest >= self.share
        self.share = LUCK * self.share + (1 - LUCK) * best
        return taken, is_best
