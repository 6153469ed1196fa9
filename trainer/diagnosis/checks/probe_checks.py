"""Whether the critic tells one action from another, whether two critics are two, whether the policy is stuck."""

from __future__ import annotations

import math

from trainer.diagnosis.case import Answer, Case, Check
from trainer.diagnosis.finding import Finding, Lacking, Sound

BLIND = 0.01  # spread of Q over actions below which a critic sees none
DIM = (
    0.05  # the same for one that explains nothing; a sound one spreads by 0.1 within a thousand updates, and 0.25 later
)
EXPLAINS = 0.5  # share of the error; a trained critic explains nine tenths, one that is fed other actions a fifth at most
SOME = 0.2  # a critic that explains this much, and is not yet sound, may only need more updates
LEAST_UPDATES = 600
"""Before that a sound critic may still know nothing of actions."""


def distinguishes(case: Case) -> Answer:
    """Q of the executed action against Q of other actions in the same states."""
    name, probe = "critic-ignores-actions", case.probe
    if probe is None:
        return None
    text = (
        f"over random actions in one state Q varies by {probe.spread:.1%} of its deviation over states",
        f"the executed action explains {max(0.0, probe.gain):.0%} of the error that random actions leave "
        f"({probe.rows} rows, {probe.updates:,} updates)",
    )
    if probe.gain > EXPLAINS and probe.spread > BLIND:
        return Sound(name, "; ".join(text), probe.name)
    if probe.updates < LEAST_UPDATES or probe.rows < 100:
        return Lacking(name, f"{LEAST_UPDATES} updates and 100 rows", probe.name)
    if probe.spread < DIM and (probe.gain <= SOME or probe.spread < BLIND):
        sentence = (
            "The critic does not tell the executed action from a random one, so nothing that is driven, takeovers included, "
            "can teach the agent."
        )
        sure = 0.95 if probe.spread < BLIND else 0.85
        return Finding(name, sentence, text, sure, source=probe.name)
    return Lacking(name, "more updates: the critic does not yet explain what it is asked for", probe.name)


def twins(case: Case) -> Answer:
    """The critics as functions."""
    name, probe = "twin-critics-identical", case.probe
    if probe is None or math.isnan(probe.twins):
        return None
    text = f"the first two critics differ by {probe.twins:.2%} of Q's deviation"
    if probe.twins < 1e-4:
        sentence = "The critics are the same function, so they are no check on each other."
        return Finding(name, sentence, (text,), 0.97, source=probe.name)
    return Sound(name, text, probe.name)


def stuck(case: Case) -> Answer:
    """Greedy actions that are all at their limits."""
    name, probe = "actions-saturated", case.probe
    if probe is None:
        return None
    text = f"in {probe.saturated:.0%} of {probe.rows} states every control of the greedy action lies at a limit"
    if probe.saturated > 0.85:
        sentence = "Whatever it sees, the policy asks for full lock and full pedal."
        return Finding(name, sentence, (text,), 0.9, source=probe.name)
    return Sound(name, text, probe.name)


CHECKS: tuple[Check, ...] = (distinguishes, twins, stuck)
