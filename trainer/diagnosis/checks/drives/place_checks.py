"""Recorded drives: where episodes fail, whether demos show that place, whether anything is evaluated."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.reading.drives import EpisodeSummary
from data.records import Corner
from data.statistics import ENOUGH, independent, wilson
from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, drives_check
from trainer.diagnosis.checks.drives.start_checks import START_M
from trainer.diagnosis.drives import Drives
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.diagnosis.stats import Array, bar_chart

WINDOW_M = 40.0
MANY = 0.4
"""Share of failed episodes from which a place counts as one that the agent cannot do."""
BEFORE_S = 3.0
"""Seconds before a failure in which it could still be avoided."""
FAR = 2.0
"""A state is not covered when its nearest demo is this many times as far as demos are from each other."""

LEAST_APART = 0.01
"""The same of demos that are all but one state, as of a car that stands; in deviations of the observations."""


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
    if corner is None:
        return f"{low:.0f} to {high:.0f} m"
    return f"'{corner.name}' ({corner.from_m:.0f} to {corner.to_m:.0f} m)"


def _corner(drives: Drives, low: float, high: float) -> Corner | None:
    return next((c for c in drives.corners if c.from_m - 40.0 <= (low + high) / 2 <= c.to_m), None)


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


@drives_check("failures-in-one-corner")
def one_corner(drives: Drives, case: Case) -> Answer:
    """Most failures within one short stretch."""
    last = drives.recent()
    if len(last) < 10:
        return Lacking(f"ten episodes of the agent without help (there are {len(last)})")
    failed = [e for e in last if e.failed]
    text = f"{len(failed)} of the newest {len(last)} episodes without help failed"
    if len(failed) < 8 or len(failed) < MANY * len(last):
        return Sound(text)
    places = np.array([e.farthest for e in failed])
    beyond = places[places >= START_M]  # the start is no corner, and the check of the start says it
    if np.median(places) < START_M or 2 * (len(places) - len(beyond)) >= len(last):
        return Lacking(f"failures that are not at the start ({text})")
    low, high, share = hot_spot(beyond)
    share *= len(beyond) / len(places)
    where = spot_name(drives, low, high)
    if share < 0.6:
        return Sound(f"{text}, spread over the road (at most {share:.0%} within {WINDOW_M:.0f} m)")
    evidence = (text, f"{share:.0%} of the failures lie between {low:.0f} and {high:.0f} m: {where}")
    corner = _corner(drives, low, high)
    place = f"{where} and fails there" if corner is not None else f"{low:.0f} m and fails between there and {high:.0f} m"
    sentence = f"The agent drives well up to {place}: that is the place to take over."
    how = "`hitl play` offers you the wheel there" if corner is None else f'`hitl play --practice "{corner.name}"`'
    return Finding(
        sentence,
        evidence,
        min(0.95, share),
        change=f"Take over there a few times, a second or two before it: {how}.",
        picture=_where_failures(drives, failed),
        data={"from_m": round(low, 1), "to_m": round(high, 1)},
    )


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


@drives_check("demos-uncovered")
def uncovered(drives: Drives, case: Case) -> Answer:
    """States shortly before failures that no demo has been near to."""
    last = drives.recent()
    failed = [e for e in last if e.failed]
    if len(failed) < 6:
        return Sound(f"only {len(failed)} of the newest episodes failed")
    # An agent that mostly gets through has learned the place, with these demos or without.
    level = "" if len(failed) >= MANY * len(last) else "note"
    low, high, share = hot_spot(np.array([e.farthest for e in failed]))
    if share < 0.4:
        return Lacking("failures that lie together")
    before = BEFORE_S * max(5.0, float(np.nanmedian(drives.speed)))
    begin, end = low - before, high
    there = (drives.progress >= begin) & (drives.progress <= end)
    ids = {e.id for e in failed if low <= e.farthest <= high}
    states_at = np.flatnonzero(there & drives.agent & np.isin(drives.episode, list(ids)))
    demos_at = np.flatnonzero(there & drives.demo)
    where = spot_name(drives, low, high)
    if not drives.demo.any():
        return Lacking("a lap or a takeover")
    if len(states_at) < 20:
        return Lacking("recorded steps before the failures")
    if len(demos_at) < 5:
        text = f"{number_of(len(ids), 'failure')}; {number_of(len(demos_at), 'demo step')} between {begin:.0f} and {end:.0f} m"
        return Finding(f"No demo shows how to drive at {where}.", (text,), 0.95, level=level)
    states_at, demos_at = states_at[:: max(1, len(states_at) // 600)], demos_at[-3000:]
    spread = drives.observation[there & (drives.agent | drives.demo)].std(axis=0)
    use = spread > 1e-4
    scaled = drives.observation[:, use] / spread[use]
    states, demos = scaled[states_at], scaled[demos_at]
    distance = _nearest(states, demos)
    usual = _among_demos(drives, demos_at, demos)
    ratio = float(np.median(distance)) / usual
    share_far = float((distance > FAR * usual).mean())
    evidence = (
        f"{number_of(len(states_at), 'state')} of {number_of(len(ids), 'failed episode')} within {before:.0f} m before {where}",
        f"the nearest demo is {ratio:.1f} times as far as demos are from each other there; for {share_far:.0%} of the states it "
        f"is more than {FAR:g} times",
    )
    if share_far < 0.5:
        return Sound("; ".join(evidence))
    return Finding(
        f"At {where} the demos come with other speeds and lines than the agent: they do not show it the way out.",
        evidence,
        min(0.9, 0.4 + 0.5 * share_far),
        level=level,
        picture=_distance_picture(drives, states_at, distance / usual, begin, end),
        data={"ratio": round(ratio, 2), "share_far": round(share_far, 3), "from_m": round(begin, 1), "to_m": round(end, 1)},
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
        return max(LEAST_APART, float(np.median(np.concatenate(found))))
    far = 10 if len(demos) > 30 else 1  # neighbours in time are near by nature
    gaps = np.sqrt(((demos[far:] - demos[:-far]) ** 2).mean(1))
    return max(LEAST_APART, float(np.median(gaps)))


def _distance_picture(drives: Drives, index: NDArray[np.int64], ratio: Array, begin: float, end: float) -> str:
    edges = np.linspace(begin, end, 41)
    cell = np.clip(np.digitize(drives.progress[index], edges) - 1, 0, 39)
    values = np.array([np.median(ratio[cell == i]) if (cell == i).any() else np.nan for i in range(40)])
    top = max(4.0, float(np.nanmax(values)))
    return (
        f"agent to nearest demo, {begin:.0f} to {end:.0f} m; full bar {top:.1f}, demos among themselves 1\n"
        f"{bar_chart(values, 0.0, top)}\n{_under(drives, begin, end, 40)}"
    )


@drives_check("evaluation-missing")
def evaluated(drives: Drives, case: Case) -> Answer:
    """Evaluation episodes: there at all, and enough of them for each checkpoint."""
    if not any(e.purpose in ("drive", "evaluation") for e in drives.episodes):
        return None
    driven = [e for e in drives.closed("drive") if not e.helped or e.checkpoint_id is not None]
    judged = drives.closed("evaluation")
    steps = sum(e.length for e in driven)
    if not judged:
        if drives.trained_checkpoints < 3 or steps < 1500:
            return Lacking("a longer run: three checkpoints and 1,500 steps")
        sentence = "No checkpoint was ever measured: while you play, each drives too little alone to say which one is the best."
        written = number_of(drives.trained_checkpoints, "checkpoint")
        text = f"{number_of(len(driven), 'episode')} with {number_of(steps, 'step')}, {written}, no evaluation"
        return Finding(sentence, (text,), 0.95)
    counts = Counter(e.checkpoint_id for e in judged)
    usual = int(np.median(list(counts.values())))
    worth = independent(usual)
    low, high = wilson(0.5 * worth, worth)
    text = f"{number_of(len(counts), 'checkpoint')}, usually {number_of(usual, 'evaluation')}: "
    text += f"a share of one half is known to ±{(high - low) / 2:.0%}"
    if len(counts) >= 3 and max(counts.values()) < ENOUGH // 2:
        sentence = "So few episodes per checkpoint cannot tell a good one from a lucky one."
        return Finding(sentence, (text,), 0.9, fault="evaluation-noisy")
    return [
        Sound(f"{number_of(len(judged), 'evaluation episode')} of {number_of(len(counts), 'checkpoint')}"),
        Sound(text, fault="evaluation-noisy"),
    ]


@drives_check("weights-swapped")
def swapped(drives: Drives, case: Case) -> Answer:
    """Episodes driven by more than one checkpoint."""
    use = drives.agent & (drives.checkpoint_id >= 0)
    ids, checkpoints = drives.episode[use], drives.checkpoint_id[use]
    known = np.unique(ids)
    if len(known) < 5:
        return Lacking("five episodes that know their checkpoint")
    several = sum(len(np.unique(checkpoints[ids == i])) > 1 for i in known.tolist())
    text = f"{several} of {len(known)} episodes were driven by more than one checkpoint"
    if several > 0.1 * len(known):
        sentence = "Weights change in mid-episode, so a return belongs to no checkpoint."
        return Finding(sentence, (text,), 0.9)
    return Sound(text)


@drives_check("finish-unpaid")
def finish_paid(drives: Drives, case: Case) -> Answer:
    """The last step of a finished lap against the bonus that is set."""
    bonus = drives.reward_settings.get("end_of_track", 0.0)
    if bonus <= 0:
        return None
    last = dict(zip(drives.episode.tolist(), drives.reward.tolist(), strict=True))
    paid = [last[e.id] for e in drives.episodes if e.reason == "finish" and e.id in last]
    if len(paid) < 2:
        return Lacking("two finished laps")
    text = f"the last step of {number_of(len(paid), 'finished episode')} paid {np.median(paid):.2f}; the bonus is {bonus:g}"
    if np.median(paid) < 0.5 * bonus:
        return Finding("Laps are finished, but the finish bonus is not paid.", (text,), 0.95)
    return Sound(text)


@drives_check("far-below-human")
def below_human(drives: Drives, case: Case) -> Answer:
    """Returns of the agent alone against human laps."""
    laps = [e.total for e in drives.closed("lap") if e.reason == "finish"]
    last = [e.total for e in drives.recent()]
    if not laps or len(last) < 5:
        return Lacking("a finished human lap and five episodes of the agent")
    human, agent = float(np.mean(laps)), float(np.mean(last))
    text = f"the newest {len(last)} episodes earn {agent:.1f} on average, a human lap {human:.1f}"
    if math.isfinite(human) and human > 0 and agent < 0.6 * human:
        return Finding(f"The agent earns {agent / human:.0%} of a human lap.", (text,), 0.9)
    return Sound(text)


CHECKS: tuple[Check, ...] = (one_corner, uncovered, evaluated, swapped, finish_paid, below_human)
