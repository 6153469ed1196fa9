"""What a history says about the data: where episodes end, whether new ones come, whether they are what is learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, RoadFacts, column_check, history_check
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.stats import Array, middle, part

WINDOW = 0.02
"""Share of the track within which ends are at one place."""
START, FINISH = 0.01, 0.98
STILL = 0.3
"""Share of the newest episodes that must still end at those places."""
MOST_PLACES = 3
LEAST = 40
"""Episodes from which places are told."""
FAR_APART = 4.0
"""Times that a step of a batch is paid what a step of the agent's own episodes is, or the other way round."""
WAITS = 0.8
"""Share of the time that a trainer waits from which it has stopped for want of data."""


@dataclass(frozen=True)
class EndPlace:
    """Where episodes end; shares of the track, or of episodes."""

    at: float
    low: float
    high: float
    ends: int
    share: float
    """Of all episodes."""
    of_those: float
    """Of the episodes that get that far."""


def end_places(progress: Array) -> list[EndPlace]:
    """Return the places where many episodes end, in their order, of each episode's progress at its end (share of the track)."""
    ordered = np.sort(progress[np.isfinite(progress)])
    count, free, found = len(ordered), ordered < FINISH, []
    for _ in range(MOST_PLACES):
        left = ordered[free]
        if not len(left):
            break
        inside = np.searchsorted(left, left + WINDOW, side="right") - np.arange(len(left))
        first = int(np.argmax(inside))
        ends = left[first : first + inside[first]]
        low, high = float(ends[0]), float(ends[-1])
        reached = int((ordered >= low).sum())
        place = EndPlace(float(np.median(ends)), low, high, len(ends), len(ends) / count, len(ends) / max(1, reached))
        if not (place.share >= 0.1 or (place.of_those >= 0.5 and reached >= 20)) or len(ends) < 10:
            break
        found.append(place)
        free &= (ordered < low) | (ordered > high)
    return sorted(found, key=lambda p: p.at)


def _progress(history: History, road: RoadFacts | None) -> tuple[str, Array] | None:
    """Return the column with each episode's progress at its end, as shares of the track."""
    column = next((c for c in ("worker/progress", "worker/best_progress") if c in history), None)
    if column is None:
        return None
    values = history[column][np.isfinite(history[column])]
    if column == "worker/best_progress" and (np.diff(values) >= -1e-9).all():
        return None  # really the best so far
    top = float(values.max())
    if top > 100.5:  # metres
        return column, values / (road.length_m + road.artefact_m if road is not None else top)
    return column, values / (100.0 if top > 1.5 else 1.0)


def _where(place: EndPlace, road: RoadFacts | None) -> str:
    if place.at < START:
        return "at the start"
    text = f"at {place.at:.1%} of the way"
    if road is None:
        return text
    metres = place.at * (road.length_m + road.artefact_m)
    corner = road.corner_at(metres)
    return f"{text} ({metres:,.0f} m{f', {corner}' if corner else ''})"


@history_check("ends-in-one-place")
def places(history: History, case: Case) -> Answer:
    """Episodes that end at one place or two: a corner, wherever the progress at their ends is known."""
    known = _progress(history, case.road)
    if known is None:
        return Lacking("a column with the progress at the end of each episode, as the worker's history has")
    column, values = known
    if len(values) < LEAST:
        return Lacking(f"{LEAST} episodes with their progress")
    found = end_places(values)
    on_the_way = [p for p in found if p.at >= START]
    if not any(p.share >= 0.3 or p.of_those >= 0.5 for p in on_the_way):
        finished = float((values >= FINISH).mean())
        return Sound(f"{finished:.0%} of {number_of(len(values), 'episode')} come to the end, the others end here and there")
    newest = values[-max(LEAST, len(values) // 3) :]
    still = float(np.mean([any(p.low <= v <= p.high for p in on_the_way) for v in newest]))
    if still < STILL:  # where a beginner failed is over
        return Sound(f"{still:.0%} of the newest {number_of(len(newest), 'episode')} end where many ended before")
    evidence = tuple(
        f"{number_of(p.ends, 'episode')} of {len(values):,} end {_where(p, case.road)} "
        f"({p.share:.0%} of all, {p.of_those:.0%} of those that get that far)"
        for p in found
    )
    first, *others = on_the_way
    sentence = f"{first.of_those:.0%} of the episodes that get there end {_where(first, case.road)}"
    sentence += "".join(f"; of those that pass it, {p.of_those:.0%} end {_where(p, case.road)}" for p in others[:1])
    corners = [c for p in on_the_way if case.road is not None and (c := case.road.corner_at(_metres(p, case.road)))]
    change = f'Take over there: `hitl play --practice "{corners[0]}"`.' if corners and not case.foreign else ""
    return Finding(
        sentence + ".",
        (
            *evidence,
            f"{still:.0%} of the newest {number_of(len(newest), 'episode')} still end at these places",
            f"told by {column}",
        ),
        0.9,
        change=change,
        data={"places": [{"at": round(p.at, 4), "share": round(p.share, 3), "of_those": round(p.of_those, 3)} for p in found]},
    )


def _metres(place: EndPlace, road: RoadFacts) -> float:
    return place.at * (road.length_m + road.artefact_m)


@column_check("batch-unlike-drives", "debug/r", "return_train", "episode_length_train")
def unlike(history: History, case: Case) -> Answer:
    """What a step of a batch is paid, against what a step of the agent's own episodes is."""
    if history.ours:  # its columns are sums over several steps, and half of each batch are demos on purpose
        return None
    length = history["episode_length_train"]
    own = middle(part(np.where(length > 1, history["return_train"] / np.maximum(length, 1.0), np.nan), 0.6))
    batch = middle(part(history["debug/r"], 0.6))
    if not (np.isfinite(own) and np.isfinite(batch) and own > 0 and batch > 0):
        return Lacking("returns above zero, for what a step is paid")
    text = f"a step of a batch is paid {batch:.3g}, a step of the agent's own episodes {own:.3g}"
    if 1 / FAR_APART <= batch / own <= FAR_APART:
        return Sound(text)
    evidence = [text]
    if "debug/demo_fraction_in_batch" in history:
        share = middle(part(history["debug/demo_fraction_in_batch"], 0.6))
        if share > 0.02:
            demos = (batch - (1 - share) * own) / share
            evidence.append(f"{share:.0%} of a batch are demos; they would be paid {demos:.3g} a step")
    times = f"{batch / own:.0f} times what" if batch > own else f"a {own / batch:.0f}th of what"
    sentence = f"A step of a batch is paid {times} a step of the agent's own episodes is: it learns from other driving."
    return Finding(sentence, tuple(evidence), 0.7, data={"batch": batch, "own": own})


@column_check("learning-starved", "idle_time", "round_time")
def starved(history: History, case: Case) -> Answer:
    """A trainer that waits nearly all the time, because the steps that it may learn from are used up."""
    if history.ours:
        return None
    idle, whole = part(history["idle_time"], 0.85), part(history["round_time"], 0.85)
    if len(idle) != len(whole) or len(idle) < 5 or not whole.sum() > 0:
        return Lacking("more rows with idle_time and round_time")
    share = float(min(1.0, idle.sum() / whole.sum()))
    rounds = number_of(len(idle), "round")
    text = f"the trainer waits for {share:.0%} of the last {rounds} ({middle(idle):.0f} of {middle(whole):.0f} s)"
    if share < WAITS:
        return Sound(text)
    sentence = "Learning has all but stopped for want of new data: the trainer waits until more is driven."
    return Finding(sentence, (text,), 0.85)


@history_check("collector-silent")
def silent(history: History, case: Case) -> Answer:
    """Rows that go on while memory, returns and lengths stand still: nothing new is driven any more."""
    names = [c for c in ("memory_len", "return_train", "episode_length_train") if c in history]
    if history.ours or len(history) < 40:
        return None
    if len(names) < 2:
        return Lacking("two of the columns memory_len, return_train and episode_length_train")
    tail = min(_standing(history[c]) for c in names)
    usual = max(_usual_hold(history[c]) for c in names)
    if "memory_len" not in names and np.array_equal(history[names[0]], history[names[1]], equal_nan=True):
        return Sound("returns and lengths are the same number: one for each step")
    if tail < max(20, 0.08 * len(history), 3 * usual):
        return Sound(f"new episodes arrive until the end ({', '.join(names)} change)")
    since = len(history) - tail
    place = f"since row {since:,} of {len(history):,}" if since else f"in all {number_of(len(history), 'row')}"
    evidence = [f"{', '.join(names)} stand still {place}, while further rows are written"]
    stamp = history.columns.get("_timestamp")
    if stamp is not None and np.isfinite(stamp[[since, -1]]).all():
        evidence.append(f"that is {(stamp[-1] - stamp[since]) / 3600:.1f} h")
    sentence = f"The collector is silent: no new episode {place}."
    return Finding(sentence, tuple(evidence), 0.9, data={"since": since})


def _standing(values: Array) -> int:
    """Return for how many of the last rows a column holds its last value (rows without one count as standing)."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return 0
    differs = known[values[known] != values[known[-1]]]
    return len(values) - (int(differs[-1]) + 1 if len(differs) else 0)


def _usual_hold(values: Array) -> float:
    """Return for how many rows a value is held at most, apart from the last and from the longest ones."""
    known = values[np.isfinite(values)]
    edges = np.flatnonzero(np.concatenate(([True], np.diff(known) != 0)))
    holds = np.diff(edges)
    return float(np.quantile(holds, 0.95)) if len(holds) else 1.0


@column_check("replay-narrowed", "memory_len", "return_test", "return_train")
def narrowed(history: History, case: Case) -> Answer:
    """Evaluations that fall from the moment on when the oldest steps leave a full memory, while training drives hold."""
    if history.ours:
        return None
    memory, test, train = history["memory_len"], history["return_test"], history["return_train"]
    size = case.recipe.memory_size if case.recipe is not None else None
    full = np.flatnonzero(memory >= 0.995 * (size or float(np.nanmax(memory))))
    if len(full) < max(10, 0.08 * len(memory)) or np.ptp(part(memory, 0.95)) > 0.001 * float(np.nanmax(memory)):
        return Sound("the memory was not full, so nothing had to leave it")
    begin = int(full[0])
    if begin < 20:
        return Lacking("rows from before the memory was full")
    before, after = test[max(0, begin - begin // 4) : begin], test[-max(10, (len(test) - begin) // 3) :]
    drove, drives = train[max(0, begin - begin // 4) : begin], train[-max(10, (len(train) - begin) // 3) :]
    (top, last), (was, is_) = (middle(before), middle(after)), (middle(drove), middle(drives))
    if not np.isfinite([top, last, was, is_]).all():
        return Lacking("returns from before and after the memory was full")
    room = 3 * 1.25 * float(np.nanstd(before)) / max(1.0, len(np.unique(before))) ** 0.5
    if top - last < max(0.25 * abs(top), room) or is_ < was - 0.2 * abs(was):
        return Sound("since the memory is full, evaluations have done no worse than training drives")
    evidence = (
        f"the memory is full ({memory[begin]:,.0f} samples) since row {begin:,}; the oldest leave it from there on",
        f"return_test {top:.4g} before, {last:.4g} at the end; return_train {was:.4g} before, {is_:.4g} at the end",
    )
    sentence = "Since the oldest steps leave the memory, evaluations fall while training drives still look well."
    return Finding(sentence, evidence, 0.85, data={"since": begin})


CHECKS: tuple[Check, ...] = (places, unlike, starved, silent, narrowed)
