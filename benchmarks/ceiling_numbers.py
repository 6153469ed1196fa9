"""The numbers of a ceiling run: for every arm a middle over the seeds with its interval, and ratios to other arms."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 5000
BASES = ("continue", "continue_fast", "rlpd", "laps", "no_help", "ours_lap", "ours_laps")
PUBLISHED = ("hg_dagger", "iwr", "rlif", "pvp", "hil_serl")  # the arms of ``opponents.py``
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A middle with its 95 % interval; ``bound`` is ≥ or ≤ where censored seeds make it one, or ≷ for both ways."""

    middle: float
    low: float
    high: float
    bound: str = ""

    def text(self, form: str = ",.0f") -> str:
        """Return ``1,234 (1,000–1,500)``; a dash for nothing."""
        if math.isnan(self.middle):
            return "–"
        middle = f"{self.bound}{' ' if self.bound else ''}{self.middle:{form}}"
        return middle if math.isnan(self.low) else f"{middle} ({self.low:{form}}–{self.high:{form}})"


def iqm(values: Values, axis: int = -1) -> Values:
    """Return the mean of the middle half along an axis."""
    from scipy.stats import trim_mean

    result: Values = np.asarray(trim_mean(values, 0.25, axis=axis))
    return result


def intervals(strata: Sequence[Values], middle: Any = iqm) -> tuple[Values, Values, Values]:
    """Return the middle of all strata together and its 95 % percentile bootstrap interval, along the last axis.

    ``strata``: one array (..., seeds) a track; seeds are drawn anew within each. Tracks with a single one are drawn from together
    (a lone such track with the smallest of the others). With a single seed in all there is no interval (NaN).
    """
    from scipy.stats import bootstrap

    found = middle(np.concatenate(strata, -1), axis=-1)
    strata = _none_alone(strata)
    if any(s.shape[-1] < 2 for s in strata):
        return found, np.full_like(found, np.nan), np.full_like(found, np.nan)

    def statistic(*samples: Values, axis: int = -1) -> Values:
        result: Values = middle(np.concatenate(samples, axis), axis=axis)
        return result

    result = bootstrap(
        tuple(strata),
        statistic,
        n_resamples=RESAMPLES,
        method="percentile",
        axis=-1,
        vectorized=True,
        rng=np.random.default_rng(0),
        batch=500,
    ).confidence_interval
    return found, result.low, result.high


def _none_alone(strata: Sequence[Values]) -> list[Values]:
    """Put strata of a single seed together, so that there is something to draw from."""
    alone = [s for s in strata if s.shape[-1] < 2]
    others = sorted((s for s in strata if s.shape[-1] >= 2), key=lambda s: s.shape[-1])
    if not alone:
        return others
    if len(alone) == 1 and others:
        alone.append(others.pop(0))
    return [*others, np.concatenate(alone, -1)]


def estimate(strata: Sequence[Sequence[float | None]], middle: Any = iqm, bound: str = "") -> Estimate:
    """Return the middle and its interval of numbers by track; missing ones are left out."""
    known = [np.array([v for v in s if v is not None and math.isfinite(v)], np.float64) for s in strata]
    known = [s for s in known if len(s)]
    if not known:
        return Estimate(math.nan, math.nan, math.nan)
    found, low, high = intervals(known, middle)
    return Estimate(float(found), float(low), float(high), bound)


@dataclass(frozen=True)
class Run:
    """One file of ``ceiling.py``: a track."""

    track: str
    budget: int
    arms: dict[str, dict[str, Any]]
    seeds: list[int]
    budgets: dict[str, int] = field(default_factory=dict)
    """Of arms that had another one."""

    def joined(self, other: Run) -> Run:
        """Return this track with the arms and the seeds of another file of it beside its own."""
        arms = dict(self.arms)
        for name, more in other.arms.items():
            known = arms.get(name, {})
            new = [i for i, seed in enumerate(other.seeds_of(name)) if seed not in known.get("seeds", ())]
            taken = {key: [values[i] for i in new] for key, values in {**more, "seeds": other.seeds_of(name)}.items()}
            arms[name] = {key: [*known.get(key, ()), *values] for key, values in taken.items()}
        budgets = {name: max(run.budget_of(name) for run in (self, other) if name in run.arms) for name in arms}
        seeds = sorted({*self.seeds, *other.seeds})
        return Run(self.track, max(self.budget, other.budget), arms, seeds, budgets)

    def budget_of(self, arm: str) -> int:
        """Return the steps that an arm had at most."""
        return self.budgets.get(arm, self.budget)

    @classmethod
    def read(cls, path: Path) -> Run:
        """Read a file. Raises KeyError when it is none of ``ceiling.py``'s."""
        report = json.loads(path.read_text(encoding="utf-8"))
        figures = report["figures"]
        return cls(Path(figures["track"]).stem, int(figures["budget_steps"]), figures["arms"], list(report["seeds"]))

    def seeds_of(self, arm: str) -> list[int]:
        """Return the seeds of an arm in the order of its lists."""
        return list(self.arms[arm].get("seeds", self.seeds[: len(self.arms[arm]["steps_to_90"])]))

    def steps(self, arm: str) -> dict[int, float]:
        """Return each seed's steps to 90 %, the budget where it never got there."""
        found = self.arms[arm]["steps_to_90"]
        return {s: self.budget_of(arm) if v is None else v for s, v in zip(self.seeds_of(arm), found, strict=True)}

    def censored(self, arm: str) -> set[int]:
        """Return the seeds that never got there."""
        return {s for s, v in zip(self.seeds_of(arm), self.arms[arm]["steps_to_90"], strict=True) if v is None}


def last(run: Run, arm: str, key: str, first: bool = False) -> list[float | None]:
    """Return each seed's last (or first) value of the curves, None where there is none of that name."""
    return [curve[0 if first else -1].get(key) if curve else None for curve in run.arms[arm]["curves"]]


def ratio(runs: Sequence[Run], arm: str, base: str) -> Estimate:
    """Return how many times fewer steps than ``base`` the arm needed: the median over paired seeds, with its interval."""
    strata: list[list[float]] = []
    least, most = [], []  # what the ratios could be, had every seed been given all the steps it needs
    for run in runs:
        if arm == base or arm not in run.arms or base not in run.arms:
            continue
        ours, theirs = run.steps(arm), run.steps(base)
        both = sorted(ours.keys() & theirs.keys())
        strata.append([theirs[s] / ours[s] for s in both])
        least += [0.0 if s in run.censored(arm) else theirs[s] / ours[s] for s in both]
        most += [math.inf if s in run.censored(base) else theirs[s] / ours[s] for s in both]
    if not least:
        return Estimate(math.nan, math.nan, math.nan)
    found = estimate(strata, np.median)
    lower, higher = median(least) < found.middle, median(most) > found.middle
    return replace(found, bound="≷" if lower and higher else "≤" if lower else "≥" if higher else "")


def summary(runs: Sequence[Run], episodes: int = 20) -> dict[str, dict[str, Any]]:
    """Return the estimates by arm."""
    result: dict[str, dict[str, Any]] = {}
    for arm in dict.fromkeys(name for run in runs for name in run.arms):
        where = [run for run in runs if arm in run.arms]
        seeds = sum(len(run.seeds_of(arm)) for run in where)
        never = sum(len(run.censored(arm)) for run in where)
        others = [
            [
                None if a is None or b is None else (a - b) / episodes
                for a, b in zip(last(r, arm, "others"), last(r, arm, "others", first=True), strict=True)
            ]
            for r in where
        ]
        result[arm] = {
            "reached": (seeds - never, seeds),
            "steps_to_90": estimate([list(r.steps(arm).values()) for r in where], bound="≥" if never > seeds // 4 else ""),
            "held": estimate([r.arms[arm]["held"] for r in where]),
            "passes": estimate([[_share(v, episodes) for v in last(r, arm, "passes")] for r in where]),
            "return": estimate([r.arms[arm]["final_return"] for r in where]),
            "finished": estimate([[_share(v, episodes) for v in r.arms[arm]["finished_laps"]] for r in where]),
            "lap_seconds": estimate([r.arms[arm]["lap_seconds"] for r in where]),
            "human_seconds": estimate([r.arms[arm]["human_seconds"] for r in where]),
            "others": estimate(others),
            "takeover_share": estimate([last(r, arm, "takeover_share") for r in where]),
            **{f"over_{base}": ratio(where, arm, base) for base in BASES},
        }
    best = best_published(result)
    for arm, figures in result.items():
        figures["over_best"] = ratio(runs, arm, best or arm)
    return result


def best_published(found: dict[str, dict[str, Any]]) -> str | None:
    """Return the published rule that needed the fewest steps (then: passed most at the end); None without one."""
    known = [arm for arm in PUBLISHED if arm in found]
    return min(known, key=lambda a: (found[a]["steps_to_90"].middle, -found[a]["passes"].middle), default=None)


def _share(count: float | None, of: int) -> float | None:
    return None if count is None else count / of
