"""Which column of the replay's table of numbers is what."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.config import TrainConfig


@dataclass(frozen=True)
class TableColumns:
    """Columns by name: a place for one, a slice for several."""

    observation: slice
    """What was seen, without a picture."""
    action: slice
    """What the game received, behind the observation: ``pair`` is both."""
    pair: slice
    proposed: slice
    reward: int
    """The return of the next steps, up to ``n_step``; a step's own reward is not in this table."""
    discount: int
    flags: slice
    """The five that follow, 0 or 1 each."""
    human: int
    takeover: int
    before_takeover: int
    cloned: int
    helped: int
    answer: slice
    """What is cloned: ``action``, or columns of its own (``hand_delay_s``, ``frozen_teaches``)."""
    return_bound: int
    """What was earned from here to the episode's end, -inf where it has none; there with ``frozen_teaches`` alone."""
    width: int
    """How many there are."""

    @classmethod
    def of(cls, observed: int, actions: int, config: TrainConfig) -> TableColumns:
        """Return those for so many observed numbers in the table, and action numbers."""
        own_answer = bool(config.hand_delay_s or config.taught)
        pair = observed + actions
        flags = pair + actions + 2
        answer = flags + 5
        bound = answer + actions * own_answer
        return cls(
            observation=slice(0, observed),
            action=slice(observed, pair),
            pair=slice(0, pair),
            proposed=slice(pair, pair + actions),
            reward=flags - 2,
            discount=flags - 1,
            flags=slice(flags, answer),
            human=flags,
            takeover=flags + 1,
            before_takeover=flags + 2,
            cloned=flags + 3,
            helped=flags + 4,
            answer=slice(answer, bound) if own_answer else slice(observed, pair),
            return_bound=bound,
            width=bound + config.taught,
        )
