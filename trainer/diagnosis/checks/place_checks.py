"""Recorded drives: where episodes fail, whether demos show that place, whether anything is judged."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.reading.drives import EpisodeSummary
from data.statistics import ENOUGH, independent, wilson
from trainer.diagnosis.case import Answer, Case, Check
from trainer.diagnosis.drives import Drives
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.diagnosis.stats import Array, bar_chart

RECENT = 40
"""Newest episodes without help that say how the agent drives now."""
WINDOW_M = 40.0
MANY = 0.4
"""Share of failed episodes from which a place counts as one that the agent cannot do."""
BEFORE_S = 3.0
"""Seconds before a failure in which it was still to be avoided."""
FAR = 2.0
"""A state is not covered when its nearest demo is this many times as far as demos are from each other."""


def recent(drives: Drives) -> list[EpisodeSummary]:
    """Return the newest episodes of the agent alone."""
    return [e for e in drives.closed("drive", "evaluation") if not e.helped][-RECENT:]


def hot_spot(places: Array) -> tuple[float, float, float]:
    """Return (from_m, to_m, share) of the window that holds most of the places."""
    ordered = np.sort(places)
    counts = np.searchsorted(ordered, ordered + WINDOW_M, side="right") - np.arange(len(ordered))
    first = int(np.argmax(counts))
    inside = ordered[first : first + counts[first]]
    return float(inside[0]), float(inside[-1]), float(counts[first] / len(ordered))


def spot_name(drives: Drives, low: float, high: float) -> str:
    """Return the name of the corner at (or shortly behind) a place, else the place in metres."""
    corner = _corner(drives, low, high)
    return f"{low:.0f} to {high:.0f} m" if corner is None else f"'{corner[0]}' ({corner[1]:.0f} to {corner[2]:.0f} m)"


def _corner(drives: Drives, low: float, high: float) -> tuple[str, float, float] | None:
    middle = (low + high) / 2
    return next((c for c in drives.corners if c[1] - 40.0 <= middle <= c[2]), None)


def _under(drives: Drives, begin: float, end: float, cells: int) -> str:
    """Return a line of characters that marks the corners below a picture of the road from ``begin`` to ``end`` (m)."""
    marks = [" "] * cells
    for name, a, b in drives.corners:
        first, last = (round((x - begin) / (end - begin) * cells) for x in (a, b))
        if last <= 0 or first >= cells:
            continue
        first, last = max(0, first), min(cells, last)
        label = f" {name} " if len(name) + 4 <= last - first else ""
        marks[first:last] = label.center(last - first, "─")
    return "".join(marks).rstrip()


def one_corner(case: Case) -> Answer:
    """Most failures within one short stretch."""
    name, drives = "failures-in-one-corner", case.drives
    if drives is None:
        return None
    last = recent(drives)
    if len(last) < 10:
        return Lacking(name, f"ten episodes of the agent without help (there are {len(last)})", drives.name)
    failed = [e for e in last if e.failed]
    text = f"{len(failed)} of the newest {len(last)} episodes without help failed"
    if len(failed) < 8 or len(failed) < MANY * len(last):
        return Sound(name, text, drives.name)
    low, high, share = hot_spot(np.array([e.farthest for e in failed]))
    where = spot_name(drives, low, high)
    if share < 0.6:
        return Sound(name, f"{text}, spread over the road (at most {share:.0%} within {WINDOW_M:.0f} m)", drives.name)
    evidence = (text, f"{share:.0%} of the failures lie between {low:.0f} and {high:.0f} m: {where}")
    sentence = f"The agent drives well up to {where} and fails there: that is the place to take over."
    picture = _where_failures(drives, failed)
    data = {"from_m": round(low, 1), "to_m": round(high, 1)}
    corner = _corner(drives, low, high)
    change = "Take over there a few times, a second or two before it: `hitl play` offers you the wheel there."
    if corner is not None:
        change = f'Take over there a few times, a second or two before it: `hitl play --practice "{corner[0]}"`.'
    sure = min(0.95, share)
    return Finding(name, sentence, evidence, sure, change=change, picture=picture, source=drives.name, data=data)


def _where_failures(drives: Drives, failed: list[EpisodeSummary]) -> str:
    end = max([e.farthest for e in drives.episodes] + [c[2] for c in drives.corners])
    edges = np.linspace(0.0, end + 1e-6, 61)
    counts, _ = np.histogram([e.farthest for e in failed], edges)
    values = np.where(counts > 0, counts.astype(np.float64), np.nan)
    drawn = bar_chart(values).replace(" ", "·")
    return f"failures along the road, 0 to {end:.0f} m\n{drawn}\n{_under(drives, 0.0, end, 60)}"


def _nearest(states: NDArray[Any], known: NDArray[Any]) -> Array:
    """Return the distance (root mean square over the observations) of each state to the nearest known one."""
    result = np.empty(len(states))
    for i in range(0, len(states), 64):
        part = states[i : i + 64, None, :] - known[None]
        result[i : i + 64] = np.sqrt((part**2).mean(-1)).min(1)
    return result


def uncovered(case: Case) -> Answer:
    """States shortly before failures that no demo has been near to."""
    name, drives = "demos-uncovered", case.drives
    if drives is None:
        return None
    last = recent(drives)
    failed = [e for e in last if e.failed]
    if len(failed) < 6:
        return Sound(name, f"only {len(failed)} of the newest episodes failed", drives.name)
    # An agent that mostly gets through has learned the place, with these demos or without.
    level = "" if len(failed) >= MANY * len(last) else "note"
    low, high, share = hot_spot(np.array([e.farthest for e in failed]))
    if share < 0.4:
        return Lacking(name, "failures that lie together", drives.name)
    before = BEFORE_S * max(5.0, float(np.nanmedian(drives.speed)))
    begin, end = low - before, high
    there = (drives.progress >= begin) & (drives.progress <= end)
    ids = {e.id for e in failed if low <= e.farthest <= high}
    states_at = np.flatnonzero(there & drives.agent & np.isin(drives.episode, list(ids)))
    demos_at = np.flatnonzero(there & drives.demo)
    where = spot_name(drives, low, high)
    if not drives.demo.any():
        return Lacking(name, "a lap or a takeover", drives.name)
    if len(states_at) < 20:
        return Lacking(name, "recorded steps before the failures", drives.name)
    if len(demos_at) < 5:
        none = (f"{len(ids)} failures; {len(demos_at)} demo steps between {begin:.0f} and {end:.0f} m",)
        return Finding(name, f"No demo shows how to drive at {where}.", none, 0.95, level=level, source=drives.name)
    states_at, demos_at = states_at[:: max(1, len(states_at) // 600)], demos_at[-3000:]
    spread = drives.observation[there & (drives.agent | drives.demo)].std(axis=0)
    use = spread > 1e-4
    scaled = drives.observation[:, use] / spread[use]
    states, demos = scaled[states_at], scaled[demos_at]
    distance = _nearest(states, demos)
    usual = _among_demos(drives, demos_at, demos)
    ratio = float(np.median(distance)) / usual
    share_far = float((distance > FAR * usual).mean())
    picture = _distance_picture(drives, states_at, distance / usual, begin, end)
    evidence = (
        f"{len(states_at)} states of {len(ids)} failed episodes within {before:.0f} m before {where}",
        f"the nearest demo is {ratio:.1f} times as far as demos are from each other there; for {share_far:.0%} of the states it "
        f"is more than {FAR:g} times",
    )
    data = {
        "ratio": round(ratio, 2),
        "share_far": round(share_far, 3),
        "from_m": round(begin, 1),
        "to_m": round(end, 1),
    }
    if share_far < 0.5:
        return Sound(name, "; ".join(evidence), drives.name)
    sentence = f"At {where} the demos come with other speeds and lines than the agent: they do not show it the way out."
    return Finding(
        name,
        sentence,
        evidence,
        min(0.9, 0.4 + 0.5 * share_far),
        level=level,
        picture=picture,
        source=drives.name,
        data=data,
    )


def _among_demos(drives: Drives, index: NDArray[np.int64], demos: NDArray[Any]) -> float:
    """Return how far a demo step usually is from the nearest one of another drive (of its own, if there is but one)."""
    runs = drives.episode[index]
    found = []
    for run in np.unique(runs):
        mine, others = demos[runs == run], demos[runs != run]
        if len(others):
            found.append(_nearest(mine[:200], others))
    if found:
        return max(1e-6, float(np.median(np.concatenate(found))))
    far = 10 if len(demos) > 30 else 1  # neighbours in time are near by nature
    gaps = np.sqrt(((demos[far:] - demos[:-far]) ** 2).mean(1))
    return max(1e-6, float(np.median(gaps)))


def _distance_picture(drives: Drives, index: NDArray[np.int64], ratio: Array, begin: float, end: float) -> str:
    edges = np.linspace(begin, end, 41)
    cell = np.clip(np.digitize(drives.progress[index], edges) - 1, 0, 39)
    values = np.array([np.median(ratio[cell == i]) if (cell == i).any() else np.nan for i in range(40)])
    top = max(4.0, float(np.nanmax(values)))
    return (
        f"agent to nearest demo, {begin:.0f} to {end:.0f} m; full bar {top:.1f}, demos among themselves 1\n"
        f"{bar_chart(values, 0.0, top)}\n{_under(drives, begin, end, 40)}"
    )


def evaluated(case: Case) -> Answer:
    """Evaluation episodes: there at all, and enough of them for each checkpoint."""
    drives = case.drives
    if drives is None:
        return None
    if not any(e.purpose in ("drive", "evaluation") for e in drives.episodes):
        return None
    driven = [e for e in drives.closed("drive") if not e.helped or e.checkpoint_id is not None]
    judged = drives.closed("evaluation")
    steps = sum(e.length for e in driven)
    if not judged:
        if drives.trained_checkpoints < 3 or steps < 1500:
            return Lacking("evaluation-missing", "a longer run: three checkpoints and 1,500 steps", drives.name)
        sentence = "No episode was ever driven without noise and help, so nothing says which checkpoint is the best."
        text = f"{len(driven)} episodes with {steps:,} steps, {drives.trained_checkpoints} checkpoints, no evaluation"
        return Finding("evaluation-missing", sentence, (text,), 0.95, source=drives.name)
    counts = Counter(e.checkpoint_id for e in judged)
    usual = int(np.median(list(counts.values())))
    worth = independent(usual)
    low, high = wilson(0.5 * worth, worth)
    text = f"{len(counts)} checkpoints, usually {usual} evaluations: a share of one half is known to ±{(high - low) / 2:.0%}"
    if len(counts) >= 3 and max(counts.values()) < ENOUGH // 2:
        sentence = "So few episodes per checkpoint cannot tell a good one from a lucky one."
        return Finding("evaluation-noisy", sentence, (text,), 0.9, source=drives.name)
    there = f"{len(judged)} evaluation episodes of {len(counts)} checkpoints"
    return [Sound("evaluation-missing", there, drives.name), Sound("evaluation-noisy", text, drives.name)]


def swapped(case: Case) -> Answer:
    """Episodes driven by more than one checkpoint."""
    name, drives = "weights-swapped", case.drives
    if drives is None:
        return None
    use = drives.agent & (drives.checkpoint >= 0)
    ids, checkpoints = drives.episode[use], drives.checkpoint[use]
    known = np.unique(ids)
    if len(known) < 5:
        return Lacking(name, "five episodes that know their checkpoint", drives.name)
    several = sum(len(np.unique(checkpoints[ids == i])) > 1 for i in known.tolist())
    text = f"{several} of {len(known)} episodes were driven by more than one checkpoint"
    if several > 0.1 * len(known):
        sentence = "Weights change in mid-episode, so a return belongs to no checkpoint."
        return Finding(name, sentence, (text,), 0.9, source=drives.name)
    return Sound(name, text, drives.name)


def finish_paid(case: Case) -> Answer:
    """The last step of a finished lap against the bonus that is set."""
    name, drives = "finish-unpaid", case.drives
    if drives is None:
        return None
    bonus = drives.reward_settings.get("end_of_track", 0.0)
    if bonus <= 0:
        return None
    last: dict[int, float] = {}
    for i in np.flatnonzero(np.r_[drives.episode[1:] != drives.episode[:-1], True]):
        last[int(drives.episode[i])] = float(drives.reward[i])
    paid = [last[e.id] for e in drives.episodes if e.reason == "finish" and e.id in last]
    if len(paid) < 2:
        return Lacking(name, "two finished laps", drives.name)
    text = f"the last step of {len(paid)} finished episodes paid {np.median(paid):.2f}; the bonus is {bonus:g}"
    if np.median(paid) < 0.5 * bonus:
        return Finding(name, "Laps are finished, but the finish bonus is not paid.", (text,), 0.95, source=drives.name)
    return Sound(name, text, drives.name)


def below_human(case: Case) -> Answer:
    """Returns of the agent alone against human laps."""
    name, drives = "far-below-human", case.drives
    if drives is None:
        return None
    laps = [e.total for e in drives.closed("lap") if e.reason == "finish"]
    last = [e.total for e in recent(drives)]
    if not laps or len(last) < 5:
        return Lacking(name, "a finished human lap and five episodes of the agent", drives.name)
    human, agent = float(np.mean(laps)), float(np.mean(last))
    text = f"the newest {len(last)} episodes earn {agent:.1f} on average, a human lap {human:.1f}"
    if math.isfinite(human) and human > 0 and agent < 0.6 * human:
        sentence = f"The agent earns {agent / human:.0%} of a human lap."
        return Finding(name, sentence, (text,), 0.9, source=drives.name)
    return Sound(name, text, drives.name)


CHECKS: tuple[Check, ...] = (one_corner, uncovered, evaluated, swapped, finish_paid, below_human)
