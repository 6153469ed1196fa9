"""Recorded drives: observations that say nothing, actions at their limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.reading.standing import STANDS
from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, case_check, drives_check
from trainer.diagnosis.drives import AT_LIMIT, Drives
from trainer.diagnosis.finding import Finding, Lacking, Sound

LEAST_STEPS = 400
CLIPPED = 0.15  # share of steps at one end of the range from which an observation counts as clipped
SENT = ("slip", "gear", "rpm", "steer_left", "steer_right", "acceleration", "jerk", "ground", "skid")
"""Beginnings of the names of numbers that only some of the game's plugins send."""
DEAF = 0.3
"""Share of what was asked for below which a half-turned stick steers nothing."""


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


@drives_check("observation-constant")
def constant(drives: Drives, case: Case) -> Answer:
    """Observations that are the same number all along."""
    if len(drives) < LEAST_STEPS:
        return Lacking(f"{LEAST_STEPS} recorded steps (there are {len(drives)})")
    reach = np.ptp(drives.observation, axis=0)
    size = np.abs(drives.observation).max(axis=0)
    still = [n for n, r, s in zip(drives.observation_names, reach, size, strict=True) if r <= 1e-6 * max(1.0, s)]
    still = [n for n in still if n not in drives.untold and (n not in drives.bounded or n.startswith(SENT))]
    if not still:
        return Sound(f"all {number_of(len(reach), 'observation')} change over {number_of(len(drives), 'step')}")
    never = f"never change in {number_of(len(drives), 'step')}"
    text = f"{len(still)} of {number_of(len(reach), 'observation')} {never}: {_some(still)}"
    what = "an observation that is" if len(still) == 1 else "observations that are"
    sentence = f"The agent learns nothing from {what} always the same."
    zero = [n for n in still if not drives.observation[:, drives.observation_names.index(n)].any()]
    if unfilled := [n for n in zero if n.startswith(SENT)]:
        sentence = f"Nothing fills {_some(unfilled)}: your plugin or pad does not send it, so the agent sees 0 all along."
        change = "Install a plugin of the game that sends these numbers (docs/trackmania.md), or leave them out."
        return Finding(sentence, (text,), 0.95, change=change, data={"observations": still, "unfilled": unfilled})
    return Finding(sentence, (text,), 0.95, data={"observations": still})


@drives_check("observation-clipped")
def clipped(drives: Drives, case: Case) -> Answer:
    """Observations that lie at an end of their range on much of the track."""
    if len(drives) < LEAST_STEPS:
        return Lacking(f"{LEAST_STEPS} recorded steps")
    moves = _moves(drives)
    if moves.sum() < LEAST_STEPS:
        return Lacking(f"{LEAST_STEPS} recorded steps in which the car moves (there are {moves.sum()})")
    shares = {
        n: _share_at_ends(drives.observation[moves, i])
        for i, n in enumerate(drives.observation_names)
        if n not in drives.bounded
    }
    found = {n: share for n, share in shares.items() if share > CLIPPED}
    if found:
        past = _past_actions(drives)
        found = {n: share for n, share in found.items() if n not in past}
    if not found:
        highest = max(shares.values(), default=0.0)
        return Sound(f"no observation is at an end of its range in more than {highest:.0%} of the steps")
    order = sorted(found.items(), key=lambda item: -item[1])
    steps = number_of(int(moves.sum()), "step")
    evidence = tuple(f"{n} is at an end of its range in {share:.0%} of {steps}" for n, share in order[:6])
    much, change = ("on much of the road", "") if case.has_road else ("much of the time", "Widen its range in the environment.")
    sentence = f"{order[0][0]} is clipped {much}: there the agent cannot tell one situation from another."
    return Finding(sentence, evidence, 0.9 if order[0][1] > 2 * CLIPPED else 0.75, change, data={"share": found})


def _moves(drives: Drives) -> NDArray[np.bool_]:
    """Return the steps (n,) in which the car moves, or all where its speed is not known: a standing car sees one thing all along,
    such as a speed of 0, and that is no end of a range."""
    speed = np.nan_to_num(drives.speed)
    return np.asarray(speed >= STANDS if speed.any() else np.ones(len(drives), bool), np.bool_)


def _past_actions(drives: Drives) -> set[str]:
    """Return the observations that are past actions: such lie at the ends of their range as often as hands do."""
    import torch

    from trainer.replay.past_actions import PastActions

    past = PastActions(len(drives.observation_names), len(drives.action_names), torch.device("cpu"))
    for episode in dict.fromkeys(drives.episode.tolist()):
        part = drives.episode == episode
        past.note(drives.observation[part], drives.executed[part], drives.t[part])
    found = [] if past.columns is None else past.columns.tolist()
    return {name for name, is_one in zip(drives.observation_names, found, strict=False) if is_one}


def _share_at_ends(values: NDArray[np.float32]) -> float:
    """Return the share of steps at the very largest or smallest value of something that otherwise takes many values."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-6 or len(np.unique(values[:: max(1, len(values) // 2000)])) < 20:
        return 0.0  # a flag or a gear has ends by nature
    step = 1e-5 * (high - low)
    return float(((values >= high - step) | (values <= low + step)).mean())


@drives_check("actions-saturated")
def saturated(drives: Drives, case: Case) -> Answer:
    """The agent's own actions, all at their limits."""
    agent = np.flatnonzero(drives.agent)[-5000:]
    if len(agent) < LEAST_STEPS // 2:
        return Lacking(f"{LEAST_STEPS // 2} steps of the agent")
    share = (np.abs(drives.proposed[agent]) > AT_LIMIT).mean(axis=0)
    text = ", ".join(f"{n} {s:.0%}" for n, s in zip(drives.action_names, share, strict=True))
    text = f"share of the agent's last {number_of(len(agent), 'step')} at a limit: {text}"
    if (share > 0.85).all():
        if drives.theirs_at_limit > 0.85:  # how it was made by another program is nothing that a setting here could mend
            return Sound(f"{text}; so does the agent from elsewhere that drives here")
        sentence = "Whatever it sees, the policy asks for full lock and full pedal: there its gradient is zero."
        return Finding(sentence, (text,), 0.9)
    return Sound(text)


@drives_check("stick-bent")
def bent(drives: Drives, case: Case) -> Answer:
    """What the game makes of the stick, where the observation holds what it applied: half of the way may steer straight ahead."""
    if "steer" not in drives.observation_names or "steer" not in drives.action_names:
        return None
    applied = drives.observation[:, drives.observation_names.index("steer")].astype(np.float64)
    asked = drives.executed[:, drives.action_names.index("steer")].astype(np.float64)
    best: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
    for lag in (0, 1, 2, 3):  # steps from the stick to the car
        back = np.arange(lag, len(drives)) - lag
        same = drives.episode[lag:] == drives.episode[back]
        a, b = asked[back][same], applied[lag:][same]
        if len(a) >= LEAST_STEPS and a.std() > 1e-3 and b.std() > 1e-6:
            r = abs(float(np.corrcoef(a, b)[0, 1]))
            best = (r, a, b) if best is None or r > best[0] else best
    if best is None:
        return Lacking(f"{LEAST_STEPS} steps in which the car is steered")
    _, a, b = best
    half, full = (np.abs(a) > 0.3) & (np.abs(a) < 0.5), np.abs(a) > 0.9
    if half.sum() < 30 or full.sum() < 10:
        return Lacking("steps with half and with full lock")
    little, much = (float(np.median(np.abs(b[who]) / np.abs(a[who]))) for who in (half, full))
    text = f"of half lock the game applies {little:.0%} (median of {number_of(int(half.sum()), 'step')}), of full lock {much:.0%}"
    if little < DEAF and much > 2 * little and much > 0.5:
        sentence = "The game distorts the stick: with half of it the car drives straight on. Neither of you can steer finely."
        return Finding(sentence, (text,), 0.9)
    return Sound(text)


@case_check("numbers-unusable")
def unusable(case: Case) -> Answer:
    """Steps with numbers that cannot be learned from: they are left out, but whatever gives them goes on giving them."""
    if case.unusable is None:
        return None
    steps, names = case.unusable
    if not steps:
        return Sound("every number of every step can be learned from", source="store")
    order = sorted(names.items(), key=lambda item: -item[1])
    evidence = tuple(f"{number} in {number_of(count, 'step')}" for number, count in order[:6])
    hold = "steps hold" if steps > 1 else "step holds"
    numbers = _some([n for n, _ in order])
    return Finding(
        f"{steps:,} recorded {hold} a number that is not finite or far too large: {numbers}. Training leaves them out.",
        evidence,
        1.0,
        data={"steps": steps, "numbers": dict(order)},
        source="store",
    )


CHECKS: tuple[Check, ...] = (unusable, constant, clipped, saturated, bent)
