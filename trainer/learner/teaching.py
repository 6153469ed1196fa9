"""Until when an agent from elsewhere teaches, and from when on ours drives in its place (``frozen_teaches``)."""

from __future__ import annotations

import math

import torch

from trainer.learner.learner import Learner
from trainer.replay.replay import Replay

EVERY = 100  # updates between two looks
NO_NEARER = 10_000  # updates without coming a tenth nearer, or without knowing how near it is, after which the player is told


class Teaching:
    """Compares the learner with the agent that teaches it, in drives that it has not learned from, until the two agree."""

    def __init__(self, learner: Learner, replay: Replay) -> None:
        self._learner, self._replay = learner, replay
        self._looked = learner.updates - EVERY if learner.updates else 0  # a run that goes on is looked at first of all
        self.apart: float | None = None
        """How far the two were apart when this was last looked at, in actions from -1 to 1; None while it cannot be known."""
        self._nearest, self._nearer_at = math.inf, learner.updates
        self._told: set[bool] = set()  # whether it was known then how far the two are apart
        if (gates := replay.demos.gates) is not None:
            gates.everywhere = learner.drives_everywhere

    @property
    def active(self) -> bool:
        """Whether the other agent still drives."""
        return self._learner.config.taught and not self._learner.drives_everywhere

    @property
    def result(self) -> str:
        """What is to be said when the two agree."""
        return f"It does what your agent does, {self.apart or 0.0:.3f} apart on average (1 is full): from now on it drives."

    @property
    def state(self) -> str:
        """How far it is, in a few words."""
        apart = "known after five of its drives without help" if self.apart is None else f"{self.apart:.3f} apart"
        return f"{apart}; at {self._learner.config.frozen_bound:g} apart ours drives"

    def stuck(self) -> str | None:
        """Return what is to be said, once, when ours comes no nearer to the agent for long, so that help cannot show."""
        learner, known = self._learner, self.apart is not None
        if known in self._told or not self.active or learner.updates < self._nearer_at + NO_NEARER:
            return None
        self._told.add(known)
        if self.apart is None:
            return (
                f"For {NO_NEARER:,} updates it could not be known how near ours is to what your agent does: that takes five of "
                "its drives without your help, and is seen only where you never helped. Until then your agent drives, and your "
                "help does not show. Let it drive alone, or type `hitl train stop`, and then "
                "`hitl train --set frozen_teaches=false` to have ours drive only where you helped."
            )
        bound = math.ceil(110 * self.apart) / 100
        return (
            f"For {NO_NEARER:,} updates ours has come no nearer to what your agent does: it is {self.apart:.3f} apart, "
            f"and drives from {learner.config.frozen_bound:g} on. Until then your agent drives, and your help does not show. "
            f"Type `hitl train stop`, and then `hitl train --set frozen_bound={bound:g}` to let ours drive, or "
            "`hitl train --set frozen_teaches=false` to have it drive only where you helped."
        )

    @torch.no_grad()
    def try_to_end(self) -> bool:
        """Look again if it is time to; True when the two agree now, and ours drives from now on."""
        learner, gates = self._learner, self._replay.demos.gates
        if gates is None:
            return False
        gates.everywhere = learner.drives_everywhere  # a run that went back to an older checkpoint may be taught anew
        self._looked = min(self._looked, learner.updates)
        if not self.active or learner.updates < self._looked + EVERY:
            return False
        self._looked = learner.updates
        lesson = self._replay.held_out_drives()
        if lesson is None:
            return False
        seen, theirs = (part.to(learner.device) for part in lesson)
        self.apart = float((learner.newest.act(seen, True) - theirs).abs().mean())
        if self.apart < 0.9 * self._nearest:
            self._nearest, self._nearer_at = self.apart, learner.updates
        if self.apart > learner.config.frozen_bound:
            return False
        learner.drive_everywhere()
        gates.everywhere = True
        return True
