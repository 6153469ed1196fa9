"""Which steps of the replay follow each other, for networks with a memory."""

from __future__ import annotations

import numpy as np


class Chains:
    """Which row of the replay was before each row, which came after, and which may be learned from."""

    ROW_BYTES = 3 * 4 + 3

    def __init__(self) -> None:
        self.before = np.empty(0, np.int32)
        """Row of the step before in the same episode; -1 at its beginning and behind a gap."""
        self.after = np.empty(0, np.int32)
        """Row of the step after, or of the episode's last observation; -1 where it is not known."""
        self.span = np.empty(0, np.int32)
        """Steps from a row to the one that its return bootstraps at."""
        self.step = np.empty(0, bool)
        """False for an episode's last observation, where nothing was done any more."""
        self.online = np.empty(0, bool)
        self.demo = np.empty(0, bool)
        """Whether a row may be drawn, in either half."""

    def allocate(self, rows: int) -> None:
        """Make room for so many rows."""
        for name, fill in (("before", -1), ("after", -1), ("span", 0), ("step", 0), ("online", 0), ("demo", 0)):
            old = getattr(self, name)
            new = np.full(rows, fill, old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def add(self, rows: np.ndarray, t: np.ndarray, last: int, last_t: int) -> None:
        """Note new steps of an episode, at times ``t``, behind the row ``last`` of time ``last_t`` (-1: there was none)."""
        self.before[rows], self.after[rows], self.step[rows] = -1, -1, True
        self.online[rows] = self.demo[rows] = False
        chain = np.concatenate(([last], rows)) if last >= 0 else rows
        times = np.concatenate(([last_t], t)) if last >= 0 else t
        joined = times[1:] == times[:-1] + 1
        self.before[chain[1:][joined]] = chain[:-1][joined]
        self.after[chain[:-1][joined]] = chain[1:][joined]

    def end(self, last: int, row: int) -> None:
        """Note that ``row`` holds what was seen after an episode's last step, which is in the row ``last``."""
        self.before[row], self.after[row], self.after[last] = last, -1, row
        self.step[row] = self.online[row] = self.demo[row] = False

    def forget(self, rows: np.ndarray, kept: np.ndarray, gone: np.ndarray) -> None:
        """Take ``rows`` of an episode out of the online half; of these ``kept`` stay where they are, without ``gone``."""
        self.online[rows] = False
        for pointers in (self.before, self.after):
            pointers[kept[np.isin(pointers[kept], gone)]] = -1

    def mark_demos(self, rows: np.ndarray) -> None:
        """Say which rows the demo half is drawn from now."""
        self.demo[:] = False
        self.demo[rows] = True

    def around(self, rows: np.ndarray, back: int, ahead: int) -> np.ndarray:
        """Return (back + 1 + ahead, S): the rows themselves with those before and after them, -1 where there are none."""
        chain = np.full((back + 1 + ahead, len(rows)), -1, np.int64)
        chain[back] = rows
        for pointers, way, count in ((self.before, -1, back), (self.after, 1, ahead)):
            at = rows
            for k in range(1, count + 1):
                at = np.where(at >= 0, pointers[at], -1)
                chain[back + way * k] = at
        return chain
