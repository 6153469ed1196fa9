"""What evaluations say: which checkpoint is the best, and whether training has fallen below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.statistics import ENOUGH, independent, wilson
from data.tables.checkpoints import Evaluation


@dataclass(frozen=True)
class Verdict:
    """What is known of one checkpoint."""

    checkpoint_id: int
    episodes: int
    rate: float
    """Share of episodes that passed, over the corners that count (or finished)."""
    low: float
    high: float
    """95 % interval of the rate, for what these drives are worth."""
    return_mean: float


def has_places(evaluations: Sequence[Evaluation]) -> bool:
    """Tell whether there is a place to pass or to reach, as far as these show: many a game has neither corners nor a finish."""
    return any(e.passes or e.finished for e in evaluations)


def rate_of(evaluation: Evaluation, weights: Mapping[str, float]) -> float:
    """Return the share of passes over the corners that were helped, weighted by the help; else the share that finished."""
    known = {name: w for name, w in weights.items() if name in evaluation.passes and w > 0}
    if not evaluation.episodes:
        return 0.0
    if not known:
        return evaluation.finished / evaluation.episodes
    total = sum(known.values())
    return sum(w * evaluation.passes[name] / evaluation.episodes for name, w in known.items()) / total


def verdicts(evaluations: Sequence[Evaluation], weights: Mapping[str, float]) -> list[Verdict]:
    """Judge every evaluated checkpoint, oldest first."""
    result = []
    for e in evaluations:
        if e.checkpoint_id is None or not e.episodes:
            continue
        rate = rate_of(e, weights)
        worth = independent(e.episodes, e.distinct)
        low, high = wilson(rate * worth, worth)
        result.append(Verdict(e.checkpoint_id, e.episodes, rate, low, high, e.return_mean))
    return result


def best(judged: Sequence[Verdict]) -> Verdict | None:
    """Return the best checkpoint of those with enough episodes: by the lower end of its interval, then by return."""
    enough = [v for v in judged if v.episodes >= ENOUGH]
    return max(enough, key=lambda v: (v.low, v.return_mean), default=None)


def below_best(judged: Sequence[Verdict]) -> int:
    """Return how many of the newest evaluations in a row lie significantly below the best.

    Significantly: their 95 % intervals do not touch, and 20 episodes stand behind each.
    """
    top, count = best(judged), 0
    for verdict in reversed(judged):
        if top is None or verdict.checkpoint_id == top.checkpoint_id:
            break
        if verdict.episodes < ENOUGH:
            continue
        if verdict.high >= top.low:
            break
        count += 1
    return count
