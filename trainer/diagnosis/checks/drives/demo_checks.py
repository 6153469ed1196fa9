"""Recorded drives: do the demos have the units, the rewards and the observations of the agent."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, drives_check
from trainer.diagnosis.drives import Drives
from trainer.diagnosis.finding import CheckResult, Finding, Lacking, Sound

LEAST_DEMO = 100
LEAST_AGENT = 300
NEAR_M, NEAR_RAD, LEAST_ALIKE = 3.0, 0.2, 3
"""Distance and angle within which two steps are at the same place, and steps of the agent from which one of a demo is judged."""
MOST_COMPARED = 2_000
"""Steps of demos."""
FOLLOWS_S, MOST_TIMES = 0.5, 4.0
"""How long a car takes to follow its controls, and how many times as much it may do for the demos, by their driving alone."""
HELD = 0.3
"""Deflection from which a control counts as held on one side."""
SHORTER, MUST_HOLD_S = 4.0, 0.4
"""An agent that holds a control this many times shorter than humans do, where they hold it this long, only flickers."""
NOT_THE_DRIVING = ("end_of_track", "standstill_s", "failure_countdown", "least_s", "min_steps")


def _too_few(drives: Drives) -> Lacking | None:
    agent, demo = int(drives.agent.sum()), int(drives.brought.sum())
    if agent >= LEAST_AGENT and demo >= LEAST_DEMO:
        return None
    return Lacking(f"{LEAST_AGENT} steps of the agent and {LEAST_DEMO} of laps or imports (there are {agent} and {demo})")


def _answers(
    drives: Drives, who: NDArray[np.bool_], control: int, turning: bool, first: int, last: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what was asked for (steps, lags), ``first`` to ``last`` steps before, and what the car did (steps).

    Only steps count at which the car moves, and around which one side drove and no step is missing.
    """
    index = np.arange(last, len(drives) - 1)
    e, t, agent = drives.episode, drives.t, drives.agent
    use = (e[index + 1] == e[index - last]) & (t[index + 1] == t[index - last] + last + 1) & who[index]
    use &= drives.speed[index] > 3.0
    for lag in range(first, last + 1):
        use &= agent[index] == agent[index - lag]
    index = index[use]
    if turning:  # a steered car turns by an angle per metre
        change = (drives.heading[index + 1] - drives.heading[index]) * drives.hz / drives.speed[index]
    else:
        change = (drives.speed[index + 1] - drives.speed[index]) * drives.hz
    asked = np.stack([drives.executed[index - lag, control] for lag in range(first, last + 1)], 1).astype(np.float64)
    good = np.isfinite(change) & np.isfinite(asked).all(1)
    return asked[good], change[good].astype(np.float64)


def _response(drives: Drives, who: NDArray[np.bool_], control: int, turning: bool, lag: int) -> tuple[float, float, int]:
    """Return (slope, correlation, steps) of what the car does on what was asked for ``lag`` steps before."""
    several, change = _answers(drives, who, control, turning, lag, lag)
    asked = several[:, 0]
    if len(asked) < LEAST_DEMO // 2 or asked.std() < 1e-3 or change.std() < 1e-9:
        return 0.0, 0.0, len(asked)
    r = float(np.corrcoef(asked, change)[0, 1])
    return r * float(change.std() / asked.std()), r, len(asked)


def _held(drives: Drives, who: NDArray[np.bool_], control: int, turning: bool) -> float:
    """Return what the car does per unit of a control that is held; NaN where too little is known.

    A car follows slowly, so a control that flickers at random does less in each step than one that is held: what was asked for
    in each of the last steps is added up. Of one that is held these hardly differ: the small differences are left out.
    """
    asked, change = _answers(drives, who, control, turning, 0, round(FOLLOWS_S * drives.hz))
    if len(change) < LEAST_DEMO // 2:
        return np.nan
    parts = np.linalg.lstsq(asked - asked.mean(0), change - change.mean(), rcond=0.01)[0]
    return float(parts.sum())


def _far(demos: float, agent: float) -> bool:
    """Tell whether one is more than MOST_TIMES the other; what is not known is no contradiction."""
    return not (abs(demos) < MOST_TIMES * abs(agent) and abs(agent) < MOST_TIMES * abs(demos))


def one_sided(drives: Drives, control: int) -> bool:
    """Whether the demos use the upper half of a control's range only, and the agent the lower one as well."""
    demo, agent = drives.executed[drives.brought, control], drives.executed[drives.agent, control]
    return bool(demo.min() > -0.02 and (agent < -0.1).mean() > 0.03)


@drives_check("demo-units")
def units(drives: Drives, case: Case) -> Answer:
    """The car answers the demos' controls as it answers the agent's: else their units or signs differ."""
    if (lacking := _too_few(drives)) is not None:
        return lacking
    top = np.abs(drives.executed[drives.brought]).max(axis=0)
    evidence = [
        f"the demos' {label} reaches {value:.3g}, the policy's at most 1"
        for label, value in zip(drives.action_names, top, strict=True)
        if value > 1.05
    ]
    sure = 0.9 if evidence else 0.0
    seen: list[str] = []
    for control, label in enumerate(drives.action_names):
        for turning in (True, False):
            agent = [_response(drives, drives.agent, control, turning, lag) for lag in range(4)]
            lag = max(range(len(agent)), key=lambda k: abs(agent[k][1]))
            (slope_a, r_a, _), (slope_d, r_d, n) = agent[lag], _response(drives, drives.brought, control, turning, lag)
            if abs(r_a) < 0.5 or abs(r_d) < 0.5 or n < LEAST_DEMO // 2:
                continue
            what = "turning" if turning else "gaining speed"
            ratio = slope_d / slope_a
            text = f"{what} per unit of {label}: agent {slope_a:+.3g} (r {r_a:+.2f}), demos {slope_d:+.3g} (r {r_d:+.2f})"
            seen.append(text)
            if ratio < 0:
                evidence.append(text + ": the other sign")
                sure = max(sure, 0.95)
            elif _far(slope_d, slope_a) and _far(*(_held(drives, w, control, turning) for w in (drives.brought, drives.agent))):
                evidence.append(text + f": {max(ratio, 1 / ratio):.0f} times as much")
                sure = max(sure, 0.9)
            elif ratio > 1.5 and one_sided(drives, control):
                evidence.append(text + "; and the demos never go below 0, where the agent often is: 0 to 1 for -1 to 1")
                sure = max(sure, 0.8)
    if evidence:
        sentence = "The same number means something else in the demos than in the policy's actions."
        return Finding(sentence, tuple(evidence), sure)
    return Sound("; ".join(seen) or "the demos' controls lie within the policy's range")


@drives_check("layouts-mixed")
def mixed(drives: Drives, case: Case) -> Answer:
    """Recordings of several layouts in one home, which cannot be learned from together."""
    if not drives.other_layouts:
        return Sound("all recordings have one layout")
    sentence = "Some recordings have other observations or actions than this run's and are left out of training."
    return Finding(sentence, drives.other_layouts, 0.95)


def _hold(drives: Drives, who: NDArray[np.bool_], control: int) -> tuple[float, int]:
    """Return for how many seconds a control is usually held on one side, each step counted once, and the steps looked at."""
    values = drives.executed[:, control]
    side = np.where(np.abs(values) > HELD, np.sign(values), 0.0)
    joined = drives.joined & (side[1:] == side[:-1]) & (who[1:] == who[:-1])
    begins = np.flatnonzero(np.concatenate(([True], ~joined)))
    lengths = np.diff(np.append(begins, len(side)))
    used = (side[begins] != 0) & who[begins]
    lengths = lengths[used]
    return (float(np.median(np.repeat(lengths, lengths))) / drives.hz if len(lengths) else 0.0), int(lengths.sum())


@drives_check("exploration-short")
def short_pulses(drives: Drives, case: Case) -> Answer:
    """How long the agent holds a control on one side, against a human: single steps to and fro try out nothing that is driven."""
    texts, found = [], []
    for control, label in enumerate(drives.action_names):
        (agent, n), (human, m) = _hold(drives, drives.agent, control), _hold(drives, drives.demo, control)
        if n < LEAST_AGENT // 3 or m < LEAST_DEMO // 2:
            continue
        text = f"{label} is held on one side for {agent:.2f} s by the agent and for {human:.2f} s by humans (median over steps)"
        texts.append(text)
        if agent < human / SHORTER and agent <= 3.5 / drives.hz and human >= MUST_HOLD_S:
            found.append(text)
    if not texts:
        return Lacking("steps of the agent and of humans with their controls well off the middle")
    if not found:
        return Sound("; ".join(texts))
    sentence = "The agent tries out movements that are far shorter than what a human holds: they cancel each other."
    return Finding(sentence, tuple(found), 0.8)


@drives_check("demos-stale")
def stale(drives: Drives, case: Case) -> Answer:
    """Demos that were paid, or seen, by other rules than the agent's steps of today."""
    outcomes: list[CheckResult] = [*_other_settings(drives), *_repaid(drives)]
    if (lacking := _too_few(drives)) is not None:
        return outcomes or lacking
    outcomes += [*_paid_otherwise(drives), *_seen_otherwise(drives)]
    return [o for o in outcomes if isinstance(o, Finding)] or outcomes


def _other_settings(drives: Drives) -> Iterable[CheckResult]:
    for old, seconds in drives.demo_rewards:
        differ = {
            k: (old[k], v)
            for k, v in drives.reward_settings.items()
            if k in old and abs(old[k] - v) > 1e-3 * max(1e-9, abs(v), abs(old[k])) and k not in NOT_THE_DRIVING
        }
        if differ:
            text = ", ".join(f"{k} {a:g} then, {b:g} now" for k, (a, b) in list(differ.items())[:5])
            yield Finding(f"{seconds:.0f} s of demos were recorded under another reward than today's.", (text,), 0.85)


def _repaid(drives: Drives) -> Iterable[CheckResult]:
    if not drives.repaid:
        return
    least = max(1e-9, 0.01 * max(abs(total) for pair in drives.repaid for total in pair))  # below it, both are nothing
    ratios = [abs(old - new) / max(abs(old), abs(new), least) for old, new in drives.repaid]
    old, new = (float(np.mean(values)) for values in zip(*drives.repaid, strict=True))
    text = f"{number_of(len(ratios), 'run')}: {old:.1f} on average as recorded, {new:.1f} by today's settings on this line"
    if float(np.median(ratios)) > 0.15:
        yield Finding("The recorded rewards are not what today's settings would pay.", (text,), 0.8)
    else:
        yield Sound(text)


def _paid_otherwise(drives: Drives) -> Iterable[CheckResult]:
    """Compare what a step pays that gains as many metres at about the same speed."""
    gain = np.full(len(drives), np.nan)  # m of progress in each step
    gain[:-1][drives.joined] = np.diff(drives.progress)[drives.joined]
    good = np.isfinite(gain) & (gain > 0.05)
    agent, demo = good & drives.agent, good & drives.brought
    if agent.sum() < LEAST_AGENT // 2 or demo.sum() < LEAST_DEMO // 2:
        return
    edges = np.unique(np.quantile(gain[demo], np.linspace(0, 1, 9)))
    least = max(1e-9, 0.01 * float(np.quantile(np.abs(drives.reward[agent | demo]), 0.95)))  # below it, both pay nothing
    ratios = []
    for low, high in pairwise(edges):
        a, d = agent & (gain >= low) & (gain < high), demo & (gain >= low) & (gain < high)
        if a.sum() < 10 or d.sum() < 5:
            continue
        # Medians: a bonus or a penalty of single steps is not the rule.
        ours, theirs = float(np.median(drives.reward[a])), float(np.median(drives.reward[d]))
        ratios.append((theirs - ours) / max(abs(ours), abs(theirs), least))
    if len(ratios) < 3:
        yield Lacking("demos and agent at the same speeds")
        return
    off = float(np.median(ratios))
    speeds = number_of(len(ratios), "speed")
    text = f"for the same metres a step of a demo pays {off:+.0%} of what it pays the agent (median of {speeds})"
    if np.mean(np.abs(ratios) > 0.15) > 0.6 and abs(off) > 0.15:
        sentence = "The demos carry rewards of other rules than today's, so the critic misjudges human driving."
        yield Finding(sentence, (text,), 0.9)
    else:
        yield Sound(text)


def _seen_otherwise(drives: Drives) -> Iterable[CheckResult]:
    """Compare observations where the car was at the same place, as fast and as turned: one that lies elsewhere nearly everywhere
    was made by another rule. Who drives slower, or on another line, sees other numbers by the same rule."""
    agent, demos = np.flatnonzero(drives.agent), np.flatnonzero(drives.brought)
    agent, demos = (who[np.isfinite(drives.progress[who])] for who in (agent, demos))
    demos = demos[:: max(1, len(demos) // MOST_COMPARED)]
    judged = np.array([n not in drives.bounded for n in drives.observation_names])  # the others are controls
    if not len(agent) or not len(demos) or not judged.any():
        return
    agent = agent[np.argsort(drives.progress[agent], kind="stable")]
    along = drives.progress[agent]
    reach = np.ptp(drives.observation[agent], axis=0)
    outside, total = np.zeros(len(judged)), 0
    for d in demos:
        first, last = np.searchsorted(along, (drives.progress[d] - NEAR_M, drives.progress[d] + NEAR_M))
        near = agent[first:last]
        near = near[_alike(drives, near, d)]
        if len(near) < LEAST_ALIKE:
            continue
        seen = drives.observation[near]
        low, high = seen.min(axis=0), seen.max(axis=0)
        room = (high - low) + 0.05 * reach + 1e-6
        outside += (drives.observation[d] < low - room) | (drives.observation[d] > high + room)
        total += 1
    if total < LEAST_DEMO // 4:
        yield Lacking("demos and agent at the same places, as fast and on the same line, for whether both see the same there")
        return
    share = np.where(judged, outside / total, 0.0)
    far = [n for n, s in zip(drives.observation_names, share, strict=True) if s > 0.6]
    if far:
        top = ", ".join(f"{n} ({share[drives.observation_names.index(n)]:.0%})" for n in far[:5])
        lie = number_of(len(far), "observation of the demos lies", "observations of the demos lie")
        text = f"at the same places and speeds {lie} where the agent's never do: {top}"
        sentence = "The demos' observations were made by another rule than the agent's: the same place looks different."
        yield Finding(sentence, (text,), 0.85)
    else:
        yield Sound(f"observations of demos and agent agree at the same places and speeds ({number_of(total, 'step')})")


def _alike(drives: Drives, steps: NDArray[np.int64], one: np.int64) -> NDArray[np.bool_]:
    """Return at which steps the car is where it is in ``one``, as fast and as turned, as far as that is known."""

    def near(column: NDArray[np.float64], room: float) -> NDArray[np.bool_]:
        off = np.abs(column[steps] - column[one])
        return np.asarray(~(off > room), np.bool_)  # what is not known is no difference

    turned = np.abs(np.sin((drives.heading[steps] - drives.heading[one]) / 2))
    alike = near(drives.x, NEAR_M) & near(drives.y, NEAR_M) & ~(turned > NEAR_RAD / 2)
    return np.asarray(alike & near(drives.speed, max(1.0, 0.1 * float(drives.speed[one]))), np.bool_)


CHECKS: tuple[Check, ...] = (units, mixed, short_pulses, stale)
