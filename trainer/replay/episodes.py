"""One episode in the replay: which rows hold its steps, and what they return once their future is known."""

from __future__ import annotations

import numpy as np

from data.records import HUMAN, EpisodeRecord
from trainer.config import TrainConfig
from trainer.replay.returns import n_step_returns
from trainer.replay.rows import RowTable


class Episode:
    """Rows of one episode in the order of ``t``."""

    def __init__(self, hz: float) -> None:
        self.rows = np.empty(0, np.int64)
        self.record: EpisodeRecord | None = None
        self.hz = hz
        """Steps in a second."""
        self.last_row = -1
        """Row of what was seen after the last step; -1 where that is not known."""
        self.missing, self.last_missing = 0, -1
        """Stored steps that were left out, because no learner could use them, and the last of their times."""
        self.ready = 0
        """Rows before this one have their return and, if they may be drawn, are in the online list."""

    @property
    def complete(self) -> bool:
        """Whether the episode is closed and all its steps are here."""
        record = self.record
        return record is not None and record.end is not None and len(self.rows) + self.missing >= record.length

    @property
    def settled(self) -> bool:
        """Whether all its steps are here and have their return."""
        return self.complete and self.ready == len(self.rows)

    @property
    def all_rows(self) -> np.ndarray:
        """The rows of its steps, and of what was seen after the last."""
        return self.rows if self.last_row < 0 else np.append(self.rows, self.last_row)

    def last_observation(self, table: RowTable) -> np.ndarray | None:
        """Return what was seen after the last of the steps that are here; None where it is not known, or has its row.

        Of a pruned or an old episode only stretches may be here: what was seen at its end did not follow them. An episode without
        steps here may be one of another layout, whose observations do not fit.
        """
        record = self.record
        if record is None or self.last_row >= 0 or not len(self.rows):
            return None
        if record.driven is not None and table.t[self.rows[-1]] + 1 < record.driven:
            return None
        return record.last_observation

    def earned(self, table: RowTable, config: TrainConfig) -> np.ndarray:
        """Return what was earned from each step to the end (T,), discounted; -inf where the episode was cut off, or has gaps."""
        t, rows = table.t[self.rows], self.rows
        found = np.full(len(rows), -np.inf, np.float32)
        first = int(np.flatnonzero(np.diff(t) != 1)[-1]) + 1 if (np.diff(t) != 1).any() else 0
        if table.terminated[rows[-1]]:
            ahead = 0.0
            gamma = config.times(self.hz).gamma
            for k in range(len(rows) - 1, first - 1, -1):
                ahead = float(table.raw[rows[k]]) + gamma * ahead
                found[k] = ahead
        return found

    def settle(self, table: RowTable, config: TrainConfig) -> np.ndarray:
        """Work out the returns of rows whose future is now known; return the rows that may be drawn from now on."""
        c, times, record, rows, first = config, config.times(self.hz), self.record, self.rows, self.ready
        to_end = self._standstill_steps(table, times.stalled_steps)
        if first >= len(rows):
            return rows[:0]
        known = first - max(0, min(first, len(rows) - to_end))  # rows that could be drawn, and are worked out once more
        part = rows[first - known :]
        result = n_step_returns(
            table.raw[part],
            table.driver[part],
            table.terminated[part],
            table.t[part],
            complete=self.complete,
            has_last=self._knows_last(table),
            gamma=times.gamma,
            n_step=times.n_step,
            handover_cost=c.handover_cost,
            skip=round(c.skip_before_takeover_s * self.hz),
            stop_at_change=c.stop_at_driver_change,
            to_end=to_end,
        )
        n = result.settled
        done = part[:n]
        successors = np.append(part, self.last_row)
        human = table.driver[done] == HUMAN
        table.array[done, table.columns.reward] = result.reward[:n]
        table.array[done, table.columns.discount] = result.discount[:n]
        table.array[done, table.columns.human] = human
        table.array[done, table.columns.takeover] = human & (record is None or record.purpose != "lap")
        table.array[done, table.columns.before_takeover] = result.before_takeover[:n]
        valid = result.successor[:n] >= 0
        table.next[done] = np.where(valid, successors[result.successor[:n]], -1)
        table.changed(done)
        if table.chains is not None:
            table.chains.span[done] = result.successor[:n] - np.arange(n)
            if self.complete and self._knows_last(table):
                table.chains.end(int(rows[-1]), self.last_row)
        drawn = valid & ~result.skipped[:n]
        drawn[:known] = False  # they are already
        self.ready += n - known
        return done[drawn if c.takeovers_online else drawn & ~human]

    def _knows_last(self, table: RowTable) -> bool:
        """Whether what followed the last row is known: not when that was not the episode's last step."""
        return self.last_row >= 0 and self.last_missing < int(table.t[self.rows[-1]])

    def _standstill_steps(self, table: RowTable, most: int) -> int:
        """Return how many of the last steps have returns that go on to the episode's end (see ``config.stalled_s``)."""
        record, rows = self.record, self.rows
        if table.chains is not None or record is None or not self.complete or not len(rows):
            return 0
        if record.reason != "stalled" or not table.terminated[rows[-1]]:
            return 0
        # The word alone may be wrong: where it can be known, only the steps in which the car did stand.
        return most if record.stood is None else min(most, record.stood)

    def keep(self, stays: np.ndarray, table: RowTable) -> np.ndarray:
        """Let go of all rows that are not true in ``stays`` (one for each step), and return them."""
        rows = self.all_rows
        if self.last_row >= 0:
            stays = np.append(stays, stays[-1])
            if not stays[-1]:
                self.last_row = -1
        kept, gone = rows[stays], rows[~stays]
        lost = kept[np.isin(table.next[kept], gone)]
        # Where the episode terminated nothing is bootstrapped: any row will do.
        table.next[lost] = np.where(table.array[lost, table.columns.discount] == 0, lost, -1)
        if table.chains is not None:
            table.chains.forget(rows, kept, gone)
        self.rows = kept if self.last_row < 0 else kept[:-1]
        self.ready = len(self.rows)
        return gone
