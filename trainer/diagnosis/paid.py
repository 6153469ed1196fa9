"""Whether a history's rewards say anything: where nothing is ever paid, Q is noise, and a ratio of it to anything is chance."""

from __future__ import annotations

import numpy as np

from trainer.diagnosis.finding import Lacking
from trainer.diagnosis.history import History

UNPAID = Lacking("a step that is paid: every reward so far is 0, so that there is nothing to be learned, rightly or wrongly")


def largest_reward(history: History) -> float:
    """Return the largest reward seen, by size: mean plus a deviation of ``debug/r``; 0 without that column."""
    if "debug/r" not in history:
        return 0.0
    return float(np.nanmax(np.abs(history["debug/r"]) + history.columns.get("debug/r_std", 0.0)))


def nothing_paid(history: History) -> bool:
    """Whether every reward that was learned from is 0, as far as ``debug/r`` tells."""
    return "debug/r" in history and largest_reward(history) == 0
