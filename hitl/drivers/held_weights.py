"""Weights that were seen to drive, in a game that cannot be copied: drives without noise go back to them when newer ones fall.

Where a game can be copied, new weights are tried there before they drive (``trainer.daemon.proving``). Here the drives
themselves are the trial: the player sees newer weights fall once, and not again before these come as far with noise.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from trainer.daemon.proving import LAP, WORSE

if TYPE_CHECKING:
    from trainer.networks.actor_critic import Actor

DRIVES = 2  # with noise, in a row, by which newer weights show that they may drive without noise again
FAILURES = 2  # in a row, after which the held weights are held no more
UNFINISHED = 0.85  # share of the lap that a drive counts for at most where it did not reach the finish


def lap_share(progress: float, length: float, finished: bool) -> float:
    """Return how much of the lap counts as driven, 0 to 1, for a drive up to ``progress`` of ``length`` m.

    An agent that stands at the last corner must not look like one that drives most of its laps: its weights would be held, and
    those that learn the corner held back.
    """
    return 1.0 if finished else min(UNFINISHED, progress / length)


class HeldWeights:
    """Chooses which weights drive without noise. It is told how far each drive without help came."""

    def __init__(self) -> None:
        self.held: Actor | None = None
        """The last ones that drove the lap without noise."""
        self.checkpoint_id: int | None = None
        """Theirs."""
        self.in_force = False
        """Whether they drive, and not the newest."""
        self._fell = False  # the newest weights did, when they last drove without noise
        self._shares: list[float] = []  # of the newest weights' last drives with noise, since they fell
        self._failures = 0

    def drove_newest(self, actor: Actor, checkpoint_id: int | None, share: float, deterministic: bool) -> None:
        """The newest weights drove ``share`` (0 to 1) of the lap."""
        if not deterministic:
            self._shares = [*self._shares, share][-DRIVES:]
            self.in_force = self._fell and not (len(self._shares) == DRIVES and min(self._shares) >= LAP - WORSE)
            return
        if share >= LAP:
            self.held, self.checkpoint_id, self._failures = copy.deepcopy(actor), checkpoint_id, 0
        self._fell = self.in_force = self.held is not None and share < LAP - WORSE
        self._shares = []

    def drove_held(self, share: float) -> None:
        """The held weights drove ``share`` of the lap: the road, the car or the player's settings may be others by now."""
        self._failures = 0 if share >= LAP - WORSE else self._failures + 1
        if self._failures == FAILURES:
            self.held, self.in_force, self._fell = None, False, False
