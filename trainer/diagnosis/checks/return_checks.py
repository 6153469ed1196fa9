"""How the return develops, which all other figures serve: has it stopped rising, has it fallen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trainer.diagnosis.case import Answer, Case, Check, case_check
from trainer.diagnosis.finding import Finding, Lacking, Outcome, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.stats import Array, middle, trend

PLATEAU, COLLAPSED = "return-plateau", "return-collapsed"
TEST = ("return_test", "test_return", "eval_return", "return_eval", "evaluation_return", "eval_mean_reward", "test_reward")
TRAIN = (
    "return_train", "train_return", "worker_return", "ep_rew_mean", "episode_return", "episodic_return", "ep_return",
    "episode_reward", "mean_reward", "mean_return", "run_reward", "return", "reward_train", "train_reward",
    "reward", "score",
)  # fmt: skip
"""What a return is called, by us and by others."""
BINS = 20
LEAST = 25
"""Least number of different values on a plateau."""
SHORT = 150
"""Rows or episodes; a plateau in a shorter history is only its beginning."""
SHARE = 0.35
"""Least share of the run that a plateau lasts."""
NEAR = 0.1
"""Share of the rise within which a run is at the level of its plateau."""
FALL = 0.35
"""Share of the rise (or, where a run began at its best, of that level) from which a fall counts as a collapse."""
MASTERED = 0.8
"""Share of the newest drives that finish from which a run has stopped rising because there is nothing left to learn."""


def named(history: History, names: Sequence[str]) -> str | None:
    """Return the first column that is called so: by its whole name or by the end of a path, whatever the case."""
    plain = {re.sub(r"[^a-z0-9]+", "_", c.lower()).strip("_"): c for c in history.columns if c in history}
    for name in names:
        for known, column in plain.items():
            if known == name or known.endswith("_" + name):
                return column
    return None


@dataclass(frozen=True)
class ReturnCurve:
    """Returns in their order."""

    values: Array
    what: str
    """What they are called."""
    unit: str
    """What each belongs to: a row, an episode."""
    source: str

    @property
    def held(self) -> int:
        """Rows for which a value usually stands."""
        return _held_for(self.values)

    @property
    def different(self) -> float:
        """Values, each counted once for as long as it is held."""
        return different(self.values, self.held)


def _held_for(values: Array) -> int:
    """Return for how many rows a value is usually held: an evaluation stands in every row until the next."""
    edges = np.flatnonzero(np.concatenate(([True], np.diff(values) != 0, [True])))
    return max(1, int(np.median(np.diff(edges)))) if len(values) else 1


def different(values: Array, held: int) -> float:
    """Return how many values these are when each is held for so many rows."""
    return max(1.0, len(values) / held)


def course(case: Case) -> ReturnCurve | Lacking | None:
    """Return the returns that tell most: evaluations where there are enough of them, else drives without help.

    None where there are only settings, a line or laps, which hold no return of the agent.
    """
    found: list[ReturnCurve] = []
    if case.drives is not None:
        for purpose in ("evaluation", "drive"):
            totals = [e.total for e in case.drives.unaided(purpose)]
            if totals:
                found.append(ReturnCurve(np.array(totals, np.float64), f"return of {purpose}s", "episode", case.drives.name))
    history = case.history
    if history is not None:
        for names in (TEST, TRAIN):
            column = named(history, names)
            if column is not None:
                known = history[column][np.isfinite(history[column])]
                found.append(ReturnCurve(known, column, "row", history.name))
    if not found:
        needs = "a column with the return: return_test or return_train"
        return Lacking(needs, source=history.name) if history is not None else None
    enough = [c for c in found if c.different >= LEAST]
    best = enough[0] if enough else max(found, key=lambda c: c.different)
    return best if len(best.values) >= 8 else Lacking("more episodes: eight returns at least", source=best.source)


@case_check(PLATEAU)
def goes(case: Case) -> Answer:
    """Has the return fallen and stayed down, or stopped rising?"""
    known = course(case)
    if known is None or isinstance(known, Lacking):
        return known
    outcomes = [collapsed(known)]
    if isinstance(outcomes[0], Sound):
        outcomes.append(plateau(known, case))
    return [replace(outcome, source=known.source) for outcome in outcomes]


def _error(values: Array, held: int) -> float:
    """Return the standard error of the median."""
    return 1.25 * float(np.std(values)) / different(values, held) ** 0.5


def collapsed(run: ReturnCurve) -> Outcome:
    """Find a level that was held for a while and then lost."""
    values = run.values
    if run.different < LEAST:
        return Sound(f"{run.what}: {run.different:.0f} different values, too few to tell a fall", fault=COLLAPSED)
    window = max(1, 3 * len(values) // BINS)
    starts = np.arange(0, len(values) - 2 * window + 1, max(1, window // 3))
    levels = np.array([middle(values[k : k + window]) for k in starts])
    at = int(np.argmax(levels))
    top, last = float(levels[at]), middle(values[-window:])
    best = values[starts[at] : starts[at] + window]
    error = (_error(best, run.held) ** 2 + _error(values[-window:], run.held) ** 2) ** 0.5
    won = top - middle(values[: max(1, window // 3)])
    scale = won if won > 4 * error else abs(top)
    text = f"{run.what} {top:.4g} at its best ({run.unit} {starts[at]:,} to {starts[at] + window:,}), {last:.4g} at the end"
    if top - last > max(FALL * scale, 4 * error) and scale > 0:
        low = top - (top - last) / 2
        above = np.flatnonzero(np.array([middle(values[k : k + window]) for k in starts]) > low)
        since = int(starts[above[-1]]) + window
        evidence = (f"{text}; below the middle of the two since about {run.unit} {since:,} of {len(values):,}",)
        sentence = f"The return has fallen from {top:.4g} to {last:.4g} and has not come back."
        data = {"best": top, "last": last, "since": since}
        return Finding(sentence, evidence, 0.85, data=data, fault=COLLAPSED)
    return Sound(text, fault=COLLAPSED)


def plateau(run: ReturnCurve, case: Case) -> Outcome:
    """Find a level that was reached and no longer rises."""
    values, count = run.values, len(run.values)
    if count < SHORT:
        return Sound(f"{run.what}: {count} {run.unit}s, too few to tell a plateau")
    level = middle(values[3 * count // 4 :])
    parts = np.array_split(values, min(BINS, count))
    medians = np.array([middle(p) for p in parts])
    # The noise is the level's own: where it still climbed, the spread is the climb.
    noise = 1.25 * 1.4826 * middle(np.abs(values[count // 2 :] - level))
    errors = np.array([noise / different(p, run.held) ** 0.5 for p in parts])
    rise = level - float(medians[0])
    course_text = f"{run.what} from {medians[0]:.4g} to {level:.4g} over {count:,} {run.unit}s"
    near = np.abs(medians - level) <= np.maximum(NEAR * abs(rise), 3 * errors + 1e-9 * abs(level))
    # One odd part does not end a plateau. The last of a climb lies near the level too, and is left out as long as it shows.
    firsts = [k for k in range(len(near)) if near[k] and near[k:].mean() >= 0.85]
    sinces = [round(k * count / len(near)) for k in firsts]
    sinces = [k for k in sinces if count - k >= SHARE * count]
    if not sinces:
        return Sound(course_text)
    since = next((k for k in sinces if _stands(values, k, run.held, rise)), None)
    if since is None:
        return Sound(f"{course_text}, and it may still rise")
    stands = values[since:]
    if different(stands, run.held) < LEAST:
        few = f"{different(stands, run.held):.0f} different values, too few to tell a plateau"
        return Sound(f"{course_text}: {few}")
    drives = case.drives
    if drives is not None:
        newest = drives.recent()
        finished = sum(e.reason == "finish" for e in newest)
        if newest and finished >= MASTERED * len(newest):
            text = f"{course_text}; {finished} of the newest {len(newest)} drives finish"
            return Sound(text)
    place = f"since about {run.unit} {since:,} of {count:,}" if since else f"from the first {run.unit} on"
    sentence = f"The return has stood at about {level:.4g} {place}: more of the same does not raise it."
    spread = 1.4826 * middle(np.abs(stands - level))
    evidence = (
        f"{run.what}: median {level:.4g}, deviation {spread:.3g} over the last {count - since:,} {run.unit}s",
        f"it began at {medians[0]:.4g}; rank correlation with time since then {trend(stands):+.2f}",
    )
    data = {"level": level, "since": since, "of": count}
    return Finding(sentence, evidence, 0.9, data=data)


def _stands(values: Array, since: int, held: int, rise: float) -> bool:
    """Whether there is no rise from a place on: none beyond chance, and surely less than a third of the rate before.

    Without the second, a short or noisy history that rises evenly would seem to stand at its end.
    """
    part = values[since::held]
    time = np.arange(len(part)) / max(1, len(part) - 1) - 0.5
    low, high = np.quantile(part, (0.02, 0.98))
    part = np.clip(part, low, high)
    slope = float(np.sum(time * (part - part.mean())) / np.sum(time * time)) if len(part) > 2 else 0.0
    error = float(np.std(part - slope * time)) * (12.0 / max(1, len(part))) ** 0.5
    if slope > 1.64 * error and slope > 0.03 * abs(rise):
        return False
    return since == 0 or slope + 1.64 * error < rise * (len(values) - since) / since / 3


CHECKS: tuple[Check, ...] = (goes,)
