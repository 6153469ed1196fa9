"""What a batch holds, and how often one is learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from data.demos import DemoRule
from trainer.settings.bounds import NotNegative, Positive, Share, Steps


@dataclass(frozen=True)
class BatchSettings:
    """How batches are drawn."""

    # Sampling (RLPD, Ball et al. 2023)
    batch_size: Annotated[int, Meta(ge=1, le=2**20)] = 256
    """Steps in a batch."""
    utd: Positive = 2.0
    """Critic updates for each new online step."""
    actor_every: Annotated[int, Meta(ge=1, le=10**6)] = 1
    """One actor update after this many critic updates."""
    warmup_steps: Steps = 500
    """Online steps before the first update."""
    max_debt_steps: Steps = 200_000
    """Updates owed for more online steps than this are forgiven (a trainer started late does not catch up for days)."""
    capacity: Annotated[int, Meta(ge=1, le=10**9)] = 1_000_000
    """Steps held; the oldest online episodes go first, demos stay."""
    demo_fraction: Share = 0.5
    """Share of demo rows in every mini-batch as soon as there are demos; 0 with ``one_replay``."""
    demo_copies: NotNegative = 4.0
    """A batch holds at most this many copies of each demo step on average, so few demos are not worn out."""
    lap_priority: NotNegative = DemoRule.lap_priority
    """Weight of a lap's step in the demo half, times the segment's own priority."""
    star_priority: NotNegative = DemoRule.star_priority
    """Factor for segments with the verdict ``star``."""
    recent_fraction: Share = 0.5
    """Share of the online half that is drawn from the newest ``recent_steps`` online steps only: what has just been tried is
    learned from at once, however much lies in the memory (after Wang and Ross 2019)."""
    recent_steps: Annotated[int, Meta(ge=1, le=10**9)] = 2000
    """See ``recent_fraction``."""
    recent_drives: Annotated[int, Meta(ge=0, le=10**6)] = 4
    """So many drives are newest whatever their length: a lap of two minutes has more steps than ``recent_steps``."""
    one_replay: bool = DemoRule.one_replay
    """Laps and takeovers lie in the one replay instead of a half of their own (the reference recipe)."""
    demo_weight: NotNegative = 1.0
    """With ``one_replay``: how much likelier a demo step is drawn; it falls to 1 as the replay fills to 200,000 samples."""
