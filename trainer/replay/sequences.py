"""Sequences for recurrent networks, drawn from the replay's episodes.

A sequence is drawn by one of its learned steps, in the proportions of ordinary rows, and that step lies anywhere in it. (Drawn by
their last step, an episode's end, the crash or the finish, would be learned from as many times more rarely than its middle as a
sequence has steps.) What comes before and after is followed step by step, so no sequence crosses an episode's end or a gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from trainer.replay.batch import Batch, Moments, Sequences

if TYPE_CHECKING:
    from trainer.replay.replay import Replay


class Chains:
    """Which row of the replay was before each row, which came after, and which may be learned from."""

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


def draw_sequences(replay: Replay, count: int, batch_size: int, generator: torch.Generator | None) -> list[Batch]:
    """Return ``count`` batches of ``batch_size`` / ``sequence`` sequences each, first online ones, then demos.

    Every batch has the same number of rows: where a sequence is shorter, or holds steps that may not be drawn, others of the same
    half stand in twice.
    """
    length = replay.config.sequence
    number = max(2, batch_size // length)
    demos = replay.demo_count(number, generator, length)
    anchors = replay.draw_rows(count, number - demos, demos, generator, length).numpy()
    offsets = torch.randint(length, (count, number), generator=generator).numpy()
    replay.drawn += count * number * length
    replay.drawn_demo += count * demos * length
    return [_batch(replay, a, o, number - demos) for a, o in zip(anchors, offsets, strict=True)]


def _batch(replay: Replay, anchors: np.ndarray, offsets: np.ndarray, online: int) -> Batch:
    c, chains, device = replay.config, replay.chains, replay.device
    assert chains is not None
    length, count = c.sequence, len(anchors)
    back = length + c.burn_in  # one more than is seen: the action before the first step seen
    chain = chains.around(anchors, back, length - 1 + c.n_step)
    known, every = chain >= 0, np.arange(count)
    first = back - known[:back].sum(0)
    last = back + (known & chains.step[chain])[back + 1 : back + length].sum(0)
    # As many steps as there are: moved back from an episode's end, and forth from its beginning.
    start = np.maximum(np.minimum(back - offsets, last - length + 1), first)
    warm = np.minimum(start - first, c.burn_in)

    def inputs(begin: np.ndarray, steps: int) -> tuple[torch.Tensor, np.ndarray]:
        """Return (steps, S, O + A) from ``begin`` (S,) on, and their rows."""
        at = np.minimum(begin + np.arange(steps)[:, None], len(chain) - 1)
        rows, before = chain[at, every], chain[np.maximum(at - 1, 0), every]
        flat, flat_before = (torch.from_numpy(np.maximum(x, 0).ravel()) for x in (rows, before))
        acted = replay.table.executed(flat_before).mul_(torch.from_numpy(before.ravel() >= 0)[:, None])
        seen = replay.table.seen(flat)
        return torch.cat((seen, acted), 1).view(steps, count, seen.shape[1] + acted.shape[1]).to(device), rows

    burn_in, _ = inputs(start - warm, c.burn_in)
    steps, rows = inputs(start, length + c.n_step)
    learned = rows[:length]
    usable = (learned >= 0) & (chains.online[learned] | chains.demo[learned])
    halves = ((usable[:, :online], 0, online), (usable[:, online:], online, count - online))
    t, s = np.concatenate(
        [np.stack([np.resize(part, size * length) for part in _where(mask, shift)]) for mask, shift, size in halves if size], 1
    )
    chosen = rows[t, s]
    sequences = Sequences(burn_in, torch.from_numpy(warm), steps)
    flat = steps.view(-1, steps.shape[2])[:, : replay.table.observation_size]

    def moments(t: np.ndarray) -> Moments:
        index = torch.from_numpy(t * count + s).to(device)
        return Moments(sequences, index, flat.index_select(0, index))

    return replay.table.remembered(
        torch.from_numpy(chosen), online * length, moments(t), moments(t + chains.span[chosen])
    )


def _where(mask: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places (t, s) that are true, sequence by sequence, with s counted from ``shift``."""
    s, t = np.nonzero(mask.T)
    return t, s + shift
