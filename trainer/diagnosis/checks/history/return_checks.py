"""How the return develops, which all other figures serve: has it stopped rising, has it fallen."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from data.errors import shown
from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, case_check
from trainer.diagnosis.finding import CheckResult, Finding, Lacking, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.names import ours_for
from trainer.diagnosis.stats import Array, held_for, middle, part, slope, trend

PLATEAU, COLLAPSED = "return-plateau", "return-collapsed"
TEST, TRAIN = ("return_test",), ("return_train", "worker/return")
"""Evaluations, and what was driven while training (``trainer.diagnosis.names`` has what others call them)."""
BINS = 20
LEAST = 25
"""Least number of different values on a plateau, and for an ordinary fall to be told."""
LEAST_FALL = 8
"""The same for a fall that no noise explains."""
SHORT = 150
"""Rows or episodes; a plateau in a shorter history is only its beginning."""
SHARE = 0.35
"""Least share of the run that a plateau lasts."""
NEAR = 0.1
"""Share of the rise within which a run is at the level of its plateau."""
FALL = 0.35
"""Share of the rise (or, where a run began at its best, of that level) from which a fall counts as a collapse."""
DIP = 0.1
"""The same from which it is no longer said that the return holds."""
FALLING = "a longer history, for whether it goes on falling"
MASTERED = 0.8
"""Share of the newest drives that finish from which a run has stopped rising because there is nothing left to learn."""
NOTHING = 0.05
"""Rise over a stretch, in shares of the level, that is none whatever chance says of it."""
DONE, GROWN = 0.025, 4.0
"""Spread below which, and growth since the start from which, a level may be that of a car that finishes every time."""
HIGH, FROM_NOTHING = 6.0, 25.0
"""Times what an untrained agent earns from which a level is not clearly low; beyond the second, it earned next to nothing."""
TIGHT, WIDE = 0.15, 0.5
"""Spread of the episodes' returns, in shares of the level: below, they end alike; above, anywhere."""


@dataclass(frozen=True)
class ReturnCurve:
    """Returns in their order."""

    values: Array
    what: str
    """What they are called."""
    unit: str
    """What each belongs to: a row, an episode."""
    source: str
    begins_at: float = 0.0
    """The step at which the file begins, where what came before is not in it."""
    single: bool = False
    """Whether each value is of an episode of its own, rather than the newest that was known in that row."""

    @property
    def constant(self) -> bool:
        """Whether it is the same from the first to the last."""
        return bool(np.ptp(self.values) == 0)

    @property
    def held(self) -> int:
        """Rows for which a value usually stands."""
        return 1 if self.single and self.constant else held_for(self.values)

    @property
    def different(self) -> float:
        """Values, each counted once for as long as it is held."""
        return different(self.values, self.held)


def different(values: Array, held: int) -> float:
    """Return how many values these are when each is held for so many rows."""
    return max(1.0, len(values) / held)


def curves(case: Case) -> list[ReturnCurve]:
    """Return all returns that are known, those of evaluations first: of drives without help, of a history's columns."""
    found: list[ReturnCurve] = []
    if case.drives is not None:
        for purpose in ("evaluation", "drive"):
            totals = [e.total for e in case.drives.unaided(purpose)]
            if totals:
                found.append(
                    ReturnCurve(np.array(totals), f"return of {purpose}s", "episode", case.drives.name, single=True)
                )
    history = case.history
    if history is not None:
        for names in (TEST, TRAIN):
            column = next((n for n in names if n in history), None)
            if column is not None:
                known = history[column][np.isfinite(history[column])]
                if len(known) < 2 or np.ptp(known) > 0 or names is TRAIN:  # evaluations that are always 0 never were
                    single = column == "worker/return"
                    found.append(ReturnCurve(known, column, "row", history.name, history.begins_at, single))
    return found


@case_check(PLATEAU)
def goes(case: Case) -> Answer:
    """Has a return fallen and stayed down, or has the one that tells most stopped rising?"""
    known = curves(case)
    if not known:  # settings, a line or laps hold no return of the agent
        return _no_return(case.history) if case.history is not None else None
    outcomes = [replace(collapsed(c), source=c.source) for c in known if len(c.values) >= LEAST_FALL]
    enough = [c for c in known if c.different >= LEAST]
    if any(isinstance(o, Lacking) and o.needs.startswith(FALLING) for o in outcomes):  # then another that holds reassures no one
        outcomes = [o for o in outcomes if not isinstance(o, Sound)]
    best = enough[0] if enough else max(known, key=lambda c: c.different)
    if any(isinstance(o, Finding) for o in outcomes):
        return outcomes
    if len(best.values) < LEAST_FALL:
        return [*outcomes, Lacking("more episodes: eight returns at least", source=best.source)]
    return [*outcomes, replace(plateau(best, case), source=best.source)]


def _no_return(history: History) -> Lacking:
    """Return what a history without returns would need, with the columns that it has and that are not known."""
    needs = "a column with the return: return_test or return_train"
    strange = [c for c in history.columns if not c.startswith("_") and ours_for(c) is None]
    if strange and len(strange) == len([c for c in history.columns if not c.startswith("_")]):
        needs += f" (none of its columns has a known name: {shown(', '.join(strange[:8]), 120)})"
    return Lacking(needs, source=history.name)


def _too_few(run: ReturnCurve) -> str:
    """Return what is needed where there are too few returns to tell how they develop."""
    rows = number_of(len(run.values), run.unit)
    if run.constant and len(run.values) > 1:
        return (
            f"returns that change: {run.what} is {run.values[0]:.4g} in all {rows}, so either nothing is written into it, or "
            "every episode is paid the same"
        )
    some = rows if run.held == 1 else f"{number_of(round(run.different), 'return')} in {rows}"
    return f"a longer history: {some} of {run.what} are too few to tell how it goes on"


def _error(values: Array, held: int) -> float:
    """Return the standard error of the median."""
    return 1.25 * float(np.std(values)) / different(values, held) ** 0.5


def collapsed(run: ReturnCurve) -> CheckResult:
    """Find a level that was held for a while and then lost."""
    values, few = run.values, run.different < LEAST
    window = max(1, 3 * len(values) // BINS)
    if few:
        window = max(window, 3 * run.held)
    starts = np.arange(0, len(values) - 2 * window + 1, max(1, window // 3))
    if not len(starts) or run.different < LEAST_FALL:
        return Lacking(_too_few(run), fault=COLLAPSED)
    levels = np.array([middle(values[k : k + window]) for k in starts])
    at = int(np.argmax(levels))
    top, last = float(levels[at]), middle(values[-window:])
    best = values[starts[at] : starts[at] + window]
    error = (_error(best, run.held) ** 2 + _error(values[-window:], run.held) ** 2) ** 0.5
    if few:  # three values may lie together by chance: the noise is that of all, from one to the next
        steps = np.abs(np.diff(values[:: run.held]))
        error = max(error, 1.25 * 1.4826 * middle(steps) / 2**0.5 * (2 * run.held / window) ** 0.5)
    won = top - middle(values[: max(1, window // 3)])
    scale = won if won > 4 * error else abs(top)
    text = f"{run.what} {top:.4g} at its best ({run.unit} {starts[at]:,} to {starts[at] + window:,}), {last:.4g} at the end"
    share, clear = (0.6, 6) if few else (FALL, 4)
    if top - last > max(share * scale, clear * error) and scale > 0:
        low = top - (top - last) / 2
        above = np.flatnonzero(np.array([middle(values[k : k + window]) for k in starts]) > low)
        since = int(starts[above[-1]]) + window
        evidence = (f"{text}; below the middle of the two since about {run.unit} {since:,} of {len(values):,}",)
        sentence = f"The return has fallen from {top:.4g} to {last:.4g} and has not come back."
        data = {"best": top, "last": last, "since": since, "column": run.what}
        return Finding(sentence, evidence, 0.7 if few else 0.85, data=data, fault=COLLAPSED)
    if few:
        return Lacking(_too_few(run), fault=COLLAPSED)
    if top - last > max(DIP * scale, 5 * error):
        needs = f"{FALLING}: {run.what} lies below its best at the end ({last:.4g} after {top:.4g})"
        return Lacking(needs, fault=COLLAPSED)
    return Sound(f"{run.what} keeps what it reached ({last:.4g} at the end)", fault=COLLAPSED)


def _finishing(case: Case) -> tuple[float, str] | None:
    """Return the share of the newest episodes that finish, and what says so; None where nothing does."""
    if case.drives is not None:
        newest = case.drives.recent()
        finished = sum(e.reason == "finish" for e in newest)
        return (finished / len(newest), f"{finished} of the newest {len(newest)} drives finish") if newest else None
    history = case.history
    if history is None:
        return None
    if "finish_rate" in history:
        late = part(history["finish_rate"], 0.75)
        if len(late) >= 5:
            rate = float(late.mean()) / (100.0 if late.max() > 1.5 else 1.0)
            return rate, f"{rate:.0%} of the newest episodes finish (finish_rate)"
    return None


def plateau(run: ReturnCurve, case: Case) -> CheckResult:
    """Find a level that was reached and no longer rises. Sound is only what rises, or where the car finishes."""
    values, count = run.values, len(run.values)
    finishing = _finishing(case)
    mastered = finishing is not None and finishing[0] >= MASTERED
    level = middle(values[3 * count // 4 :])
    parts = np.array_split(values, min(BINS, count))
    medians = np.array([middle(p) for p in parts])
    # The noise is the level's own: where it still climbed, the spread is the climb.
    noise = 1.25 * 1.4826 * middle(np.abs(values[count // 2 :] - level))
    errors = np.array([noise / different(p, run.held) ** 0.5 for p in parts])
    rise = level - float(medians[0])
    course_text = f"{run.what} from {medians[0]:.4g} to {level:.4g} over {count:,} {run.unit}s" if rise > 0 else (
        f"{run.what} {level:.4g} at the end of {count:,} {run.unit}s")  # fmt: skip
    if mastered and finishing is not None:
        return Sound(f"{course_text}; {finishing[1]}")
    near = np.abs(medians - level) <= np.maximum(NEAR * abs(rise), 3 * errors + 1e-9 * abs(level))
    # One odd part does not end a plateau. The last of a climb lies near the level too, and is left out as long as it shows.
    firsts = [k for k in range(len(near)) if near[k] and near[k:].mean() >= 0.85]
    sinces = [round(k * count / len(near)) for k in firsts]
    sinces = [k for k in sinces if count - k >= SHARE * count]
    since = next((k for k in sinces if _stands(values, k, run.held, rise)), None) if count >= SHORT else None
    if since is None or different(values[since:], run.held) < LEAST:
        if _rises(values, run.held):
            return Sound(f"{course_text}, and it rises")
        if run.different < LEAST:
            return Lacking(_too_few(run))
        if count < SHORT:
            return Lacking(f"a longer history: {count} {run.unit}s of {run.what}, too few to tell a plateau from a slow rise")
        return Lacking(f"a longer history: whether {run.what} ({level:.4g} at the end) still rises cannot be told yet")
    stands = values[since:]
    place = f"since about {run.unit} {since:,} of {count:,}" if since else f"from the first {run.unit} on"
    sentence = f"The return has stood at about {level:.4g} {place}: more of the same does not raise it."
    spread = 1.4826 * middle(np.abs(stands - level))
    evidence = [
        f"{run.what}: median {level:.4g}, deviation {spread:.3g} over the last {count - since:,} {run.unit}s",
        f"it began at {medians[0]:.4g}; rank correlation with time since then {trend(stands):+.2f}",
    ]
    if finishing is not None:
        evidence.append(finishing[1])
    spread_of_one, ends = _ends(case, since / count, run)
    untrained = middle(values[: max(run.held, 5, count // 100)])
    times = level / untrained if untrained > 0 and not run.begins_at else 0.0
    if finishing is None and (HIGH <= times <= FROM_NOTHING or (spread_of_one < DONE and times >= GROWN)):
        return Lacking(
            f"whether the car finishes, as a column of finishes or of progress: {run.what} no longer rises from {level:.4g}, "
            f"{times:.0f} times what it began with, which is either a ceiling or the end of what there is to learn"
        )
    if ends:
        evidence.append(ends)
    if run.begins_at:
        evidence.append(f"the file begins at step {run.begins_at:,.0f}: what came before is not in it")
    data = {"level": level, "since": since, "of": count}
    return Finding(sentence, tuple(evidence), 0.9, data=data)


def _ends(case: Case, begin: float, run: ReturnCurve) -> tuple[float, str]:
    """Return the spread of single episodes on the plateau (shares of the level; inf if unknown), and what it says."""
    history: History | None = case.history
    values, what = run.values[int(begin * len(run.values)) :], run.what
    if history is not None and run.source == history.name:
        column = next((n for n in TRAIN if n in history), None)
        if column is None:
            return math.inf, ""
        what, values = column, part(history[column], begin)
        if "mean" in history.called.get(column, "").lower():
            return math.inf, "the file holds means of many episodes, so it does not say whether they end alike or anywhere"
    middle_ = middle(values)
    if not abs(middle_) > 0 or len(values) < LEAST:
        return math.inf, ""
    spread = 1.4826 * middle(np.abs(values - middle_)) / abs(middle_)
    if spread < TIGHT:
        says = "they end alike, as at one place"
    elif spread > WIDE:
        says = "they end in many places"
    else:
        says = "they end in a few places, or by chance near one"
    return spread, f"single episodes ({what}) are spread by {spread:.0%} of the level: {says}"


def _rises(values: Array, held: int) -> bool:
    """Whether the return surely rises: over the last half of the run or, in a short one, over all of it."""
    some = values[::held]
    some = some[len(some) // 2 :] if len(some) >= SHORT else some
    gain, error = slope(some)
    return len(some) >= LEAST_FALL and gain > 2.5 * error


def _stands(values: Array, since: int, held: int, rise: float) -> bool:
    """Whether there is no rise from a place on: none beyond chance, and surely less than a third of the rate before.

    Without the second, a short or noisy history that rises evenly would seem to stand at its end.
    """
    gain, error = slope(values[since::held])
    if gain > 1.64 * error and gain > max(0.03 * abs(rise), NOTHING * abs(middle(values))):
        return False
    return since == 0 or gain + 1.64 * error < rise * (len(values) - since) / since / 3


CHECKS: tuple[Check, ...] = (goes,)
