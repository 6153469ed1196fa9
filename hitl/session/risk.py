"""How likely the agent is to fail soon, and when it asks for help. Pure numpy.

Risk comes from two sources. The quantile critics say how uncertain the return is: their spread, how far they disagree, how
low the lower tail lies under the level of the last seconds (distributional risk as in Dabney et al. 2018, disagreement as in
EnsembleDAgger, Menda et al. 2019). Alone they foresee too little, so a small predictor is fitted to the agent's own failures:
a logistic regression on what the car sees, on the critics' numbers, and on random tanh features of both (Rahimi and Recht 2008),
which answers "is this one to four seconds before a failure?". It is fitted in about a second, again for each session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_S, MOST_S = 1.0, 4.0  # s before a failure that the predictor learns to recognise
TAIL = 0.2  # share of the quantiles that is the lower tail
RECENT = 0.05  # share of the newest step in the recent level: about a second at 20 Hz
HIDDEN = 96  # random features
RIDGE = 3.0
APART_S = 2.0  # s between two requests at least
STANDS_S = 3.0  # s that a request stands, unless the risk falls first
RELEASE = 0.6  # share of the threshold below which a request is withdrawn
MARGIN = 0.9  # share of the budget that is spent on the drives it is set by: on others the agent asks a little more
LEAST_FAILURES = 5  # fewer teach nothing


@dataclass(frozen=True, slots=True)
class Attempt:
    """The agent's own driving in one episode: features (T, F), and whether it ended in a failure (not in a takeover)."""

    features: Array
    failed: bool


def critic_numbers(quantiles: NDArray[np.float32]) -> Array:
    """Return (T, 4) of quantiles (E, T, N): mean, spread of the mean distribution, disagreement of the means, lower tail."""
    z = np.sort(quantiles.astype(np.float64), axis=2)
    means = z.mean(2)
    joint = z.mean(0)
    tail = max(1, round(TAIL * joint.shape[1]))
    low = joint[:, :tail].mean(1)
    return np.stack([means.mean(0), joint.std(1), means.std(0), low], axis=1)


class RiskLevel:
    """Follows the recent level of the value, and sets the critics' numbers against it."""

    def __init__(self) -> None:
        self._level: float | None = None

    def __call__(self, numbers: Array) -> Array:
        """Return (6,) of one step's numbers (4,): they themselves, with the tail and the value against the recent level."""
        mean, spread, apart, low = numbers
        level = mean if self._level is None else self._level + RECENT * (mean - self._level)
        self._level = level
        return np.array([mean, spread, apart, low - mean, mean - level, low - level])


def features(observations: NDArray[np.float32], quantiles: NDArray[np.float32]) -> Array:
    """Return (T, O + 6) for the consecutive steps of one episode: observations (T, O), quantiles (E, T, N)."""
    level = RiskLevel()
    rows = [level(row) for row in critic_numbers(quantiles)]
    return np.concatenate([observations.astype(np.float64), np.array(rows).reshape(len(rows), 6)], axis=1)


@dataclass(frozen=True, slots=True)
class RiskModel:
    """A fitted predictor. ``risk`` maps features (T, F) to the chance, 0 to 1, that a failure is one to four seconds away."""

    mean: Array
    scale: Array
    mixing: Array
    shift: Array
    weights: Array

    def risk(self, rows: Array) -> Array:
        """Return (T,) for features (T, F)."""
        score = self._expand(rows) @ self.weights
        return 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))

    def _expand(self, rows: Array) -> Array:
        x = np.clip((rows - self.mean) / self.scale, -8.0, 8.0)
        return np.concatenate([x, np.tanh(x @ self.mixing + self.shift), np.ones((len(x), 1))], axis=1)


def fit(attempts: Sequence[Attempt], hz: float) -> RiskModel | None:
    """Fit a predictor to the agent's attempts; None while there are too few failures, or nothing to tell them from."""
    used = [a for a in attempts if len(a.features)]
    if sum(a.failed for a in used) < LEAST_FAILURES:
        return None
    x = np.concatenate([a.features for a in used])
    y = np.concatenate([labels(len(a.features), a.failed, hz) for a in used])
    if y.min() == y.max():
        return None
    rng = np.random.default_rng(0)
    size = x.shape[1]
    mixing = rng.normal(size=(size, HIDDEN)) * (1.5 / np.sqrt(size))
    model = RiskModel(x.mean(0), x.std(0) + 1e-6, mixing, rng.uniform(-1.0, 1.0, HIDDEN), np.zeros(0))
    return replace(model, weights=_logistic(model._expand(x), y))


def labels(steps: int, failed: bool, hz: float) -> Array:
    """Return (T,): 1 where a step lies one to four seconds before a failure."""
    y = np.zeros(steps)
    if failed:
        y[max(0, steps - round(MOST_S * hz)) : max(0, steps - round(LEAST_S * hz))] = 1.0
    return y


def _logistic(g: Array, y: Array) -> Array:
    """Return the ridge logistic regression of y on g, by Newton's method."""
    w = np.zeros(g.shape[1])
    penalty = RIDGE * np.eye(len(w))
    for _ in range(20):
        p = 1.0 / (1.0 + np.exp(-np.clip(g @ w, -30.0, 30.0)))
        step = np.linalg.solve((g * (p * (1.0 - p))[:, None]).T @ g + penalty, g.T @ (p - y) + RIDGE * w)
        w -= step
        if np.abs(step).max() < 1e-3:
            break
    return w


@dataclass
class Asker:
    """Turns risk into requests: one begins when the risk rises to the threshold, and lasts for a while."""

    threshold: float
    hz: float
    _since: int | None = None  # steps that a request has stood
    _last: int = 10**9  # steps since the last one began
    _above: bool = False

    def begin(self) -> None:
        """An episode begins."""
        self._since, self._last, self._above = None, 10**9, False

    def step(self, risk: float, agent: bool = True) -> tuple[bool, bool]:
        """Return (a request stands, one begins in this step). While a human drives, none does."""
        self._last += 1
        rises = risk >= self.threshold and not self._above
        self._above = risk >= self.threshold
        begins = rises and agent and self._last >= APART_S * self.hz
        if begins:
            self._since, self._last = 0, 0
        elif self._since is not None:
            self._since += 1
            if not agent or self._since >= STANDS_S * self.hz or risk < RELEASE * self.threshold:
                self._since = None
        return self._since is not None, begins


def requests(risk: Array, threshold: float, hz: float) -> list[int]:
    """Return the steps at which an :class:`Asker` would begin requests in an attempt with that risk (T,)."""
    above = risk >= threshold
    begun: list[int] = []
    for t in np.flatnonzero(above & ~np.r_[False, above[:-1]]).tolist():
        if not begun or t - begun[-1] >= APART_S * hz:
            begun.append(t)
    return begun


def calibrate(risks: Sequence[Array], budget: float, hz: float) -> float:
    """Return the lowest threshold that keeps the requests within ``budget`` (all attempts together) with a margin."""
    pooled = np.concatenate(risks)
    chosen = float("inf")
    for threshold in np.unique(np.quantile(pooled, np.linspace(0.999, 0.2, 120)))[::-1].tolist():
        if sum(len(requests(risk, threshold, hz)) for risk in risks) > MARGIN * budget:
            break
        chosen = threshold
    return chosen
