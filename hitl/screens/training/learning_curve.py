"""The learning curve as lines of text: how often each corner was passed, or what was earned, evaluation after evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.tables.checkpoints import Evaluation
from trainer.checkpoints.verdicts import has_places
from trainer.diagnosis.stats import bar_chart

NEWEST = 30  # evaluations that are drawn
FINISH = "finish"
RETURN = "return"


def passes_of(evaluation: Evaluation) -> dict[str, int]:
    """Return how many episodes of an evaluation left each corner on the road, in the corners' order, and reached the finish."""
    return {**evaluation.passes, FINISH: evaluation.finished}


def learning_curve(evaluations: Sequence[Evaluation]) -> list[tuple[str, str]]:
    """Return (corner, its shares of passes as a row of bars and the newest in figures) for the track that was evaluated last.

    Where there is no place to pass it is ``RETURN`` and what was earned, from the least to the most. ``evaluations``: oldest
    first, of any tracks. An empty list where there is none yet.
    """
    here = [e for e in evaluations if e.track == evaluations[-1].track and e.episodes]
    if not here:
        return []
    places, here = has_places(here), here[-NEWEST:]
    newest = here[-1]
    if not places:
        earned = np.array([e.return_mean for e in here])
        return [(RETURN, f"{bar_chart(earned, float(earned.min()))}  {newest.return_mean:.1f}")]
    rows = []
    for name, passed in passes_of(newest).items():
        shares = np.array([passes_of(e).get(name, 0) / e.episodes for e in here])
        rows.append((name, f"{bar_chart(shares, 0.0, 1.0)}  {passed} of {newest.episodes}"))
    return rows
