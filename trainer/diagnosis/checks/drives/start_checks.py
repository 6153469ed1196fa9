"""Recorded drives: does the car set off at all, and is anything that it does paid."""

from __future__ import annotations

import numpy as np

from data.reading.drives import EpisodeSummary
from data.reading.standing import STANDS
from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, drives_check
from trainer.diagnosis.drives import Drives
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.diagnosis.stats import Array

START_M = 10.0
"""From the start: an agent that ends here has not come to any corner."""
LEAST = 5
"""Drives from which it is told that the car does not set off; nothing else ends so many of them at the start."""
LEAST_STEPS = 400
ALIKE = 0.95
"""Share of steps with one and the same reward, from which it is named: what the others are paid decides."""
ENDS = ("over", "finish")
"""Reasons for which an episode ends by itself: being paid alike for a shorter or longer time tells the two apart."""
REACH = "Take over and go on to where it is paid (`hitl play`), or look at what the environment pays."
MOVES = 0.1
"""Share of a drive's steps in which the car moves, below which it has not set off where the road is not known."""


def ends_at_start(drives: Drives, episode: EpisodeSummary) -> bool | None:
    """Whether a drive failed before the car had set off; None where neither its place nor its speed is known."""
    if not episode.failed:
        return False
    if any(e.farthest > 0 for e in drives.episodes):
        return episode.farthest < START_M
    speed = drives.speed[drives.episode == episode.id]
    if not len(speed) or not np.nan_to_num(drives.speed).any():
        return None
    return bool((speed >= STANDS).mean() < MOVES)


@drives_check("never-sets-off")
def sets_off(drives: Drives, case: Case) -> Answer:
    """Drives without help that end at the start."""
    last = drives.recent()
    if len(last) < LEAST:
        return Lacking(f"{LEAST} episodes of the agent without help (there are {len(last)})")
    ended = [ends_at_start(drives, e) for e in last]
    if None in ended:
        return Lacking("where the car is, or how fast it is")
    at_start = [e for e, here in zip(last, ended, strict=True) if here]
    text = f"{len(at_start)} of the newest {len(last)} episodes without help fail in the first {START_M:.0f} m"
    if len(at_start) < LEAST or 2 * len(at_start) < len(last):
        return Sound(text)
    how = "never sets off: all" if len(at_start) == len(last) else "hardly sets off: most"
    evidence = [text]
    there = np.isin(drives.episode, [e.id for e in at_start]) & drives.agent
    if there.any():
        asked = np.median(drives.executed[there], axis=0)
        actions = ", ".join(f"{name} {value:+.2f}" for name, value in zip(drives.action_names, asked, strict=True))
        evidence.append(f"what it does there (median): {actions}")
    return Finding(
        f"The agent {how} of its newest drives end at the start.",
        tuple(evidence),
        min(0.95, len(at_start) / len(last)),
        data={"from_m": 0.0, "to_m": START_M, "episodes": len(at_start)},
    )


@drives_check("nothing-paid")
def paid(drives: Drives, case: Case) -> Answer:
    """A car that drives, and is paid nothing for it."""
    if len(drives) < LEAST_STEPS:
        return Lacking(f"{LEAST_STEPS} recorded steps (there are {len(drives)})")
    steps = number_of(len(drives), "step")
    usual, share = _usual(drives.reward)
    if usual and not case.has_road and share == 1.0 and not any(e.failed or e.reason in ENDS for e in drives.episodes):
        text = f"the reward is {usual:g} in all of {steps}, and no episode ended before its time"
        return Finding("Whatever it does is paid alike, so there is nothing to learn from.", (text,), 0.95, change=REACH)
    if usual and share >= ALIKE:
        rest = f", and only the other {1 - share:.1%} tell what is better" if share < 1.0 else ""
        return Sound(f"{share:.1%} of {steps} are paid {usual:g}{rest}")
    paid = float((drives.reward != 0).mean())
    if paid:
        return Sound(f"{paid:.0%} of {steps} are paid something, more or less than 0")
    text = f"the reward is 0 in all of {steps}"
    if not case.has_road:
        return Finding("Nothing that was driven so far is paid, so there is nothing to learn from.", (text,), 0.95, change=REACH)
    moves = int((np.nan_to_num(drives.speed) >= STANDS).sum())
    if moves < LEAST_STEPS // 4:
        return Lacking("steps in which the car moves: so far nothing is paid, as is right for a car that stands")
    text += f"; in {moves:,} of them the car moves"
    return Finding("Nothing that the car does is paid, so there is nothing to learn from.", (text,), 0.95)


def _usual(rewards: Array) -> tuple[float, float]:
    """Return the reward that most steps have, and their share."""
    values, counts = np.unique(rewards, return_counts=True)
    return float(values[counts.argmax()]), float(counts.max() / len(rewards))


CHECKS: tuple[Check, ...] = (sets_off, paid)
