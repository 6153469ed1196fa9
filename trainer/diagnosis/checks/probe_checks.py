"""Whether the critic tells one action from another, whether two critics are two, whether the policy is stuck."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, probe_check
from trainer.diagnosis.finding import Finding, Lacking, Sound

if TYPE_CHECKING:
    from trainer.diagnosis.probe import Probe

BLIND = 0.01  # spread of Q over actions below which a critic sees none
DIM = 0.05  # the same for one that explains nothing; a sound one spreads by 0.1 within a thousand updates, and 0.25 later
EXPLAINS = 0.5  # share of the error; a trained critic explains nine tenths, one that is fed other actions a fifth at most
SOME = 0.2  # a critic that explains this much, and is not yet sound, may only need more updates
LEAST_UPDATES = 600
"""Before that a sound critic may still know nothing of actions."""


@probe_check("critic-ignores-actions")
def distinguishes(probe: Probe, case: Case) -> Answer:
    """Q of the executed action against Q of other actions in the same states."""
    text = (
        f"over random actions in one state Q varies by {probe.spread:.1%} of its deviation over states",
        f"the executed action explains {max(0.0, probe.gain):.0%} of the error that random actions leave "
        f"({number_of(probe.rows, 'row')}, {number_of(probe.updates, 'update')})",
    )
    if probe.gain > EXPLAINS and probe.spread > BLIND:
        return Sound("; ".join(text))
    if probe.updates < LEAST_UPDATES or probe.rows < 100:
        return Lacking(f"{LEAST_UPDATES} updates and 100 rows")
    if probe.spread < DIM and (probe.gain <= SOME or probe.spread < BLIND):
        sentence = (
            "The critic does not tell the executed action from a random one, so nothing that is driven, takeovers included, "
            "can teach the agent."
        )
        return Finding(sentence, text, 0.95 if probe.spread < BLIND else 0.85)
    return Lacking("more updates: the critic does not yet explain what it is asked for")


@probe_check("twin-critics-identical")
def twins(probe: Probe, case: Case) -> Answer:
    """Whether two critics give different values."""
    if math.isnan(probe.twins):
        return None
    text = f"the first two critics differ by {probe.twins:.2%} of Q's deviation"
    if probe.twins < 1e-4:
        sentence = "The critics are the same function, so they cannot check each other."
        return Finding(sentence, (text,), 0.97)
    return Sound(text)


@probe_check("actions-saturated")
def stuck(probe: Probe, case: Case) -> Answer:
    """Greedy actions that are all at their limits."""
    text = f"in {probe.saturated:.0%} of {probe.rows} states every control of the greedy action lies at a limit"
    if probe.saturated > 0.85:
        sentence = "Whatever it sees, the policy asks for full lock and full pedal."
        return Finding(sentence, (text,), 0.9)
    return Sound(text)


CHECKS: tuple[Check, ...] = (distinguishes, twins, stuck)
