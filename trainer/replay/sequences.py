"""Sequences for recurrent networks, drawn from the replay's episodes.

A sequence is drawn by one of its learned steps, in the proportions of ordinary rows, and that step lies anywhere in it. (Drawn by
their last step, an episode's end, the crash or the finish, would be learned from as many times more rarely than its middle as a
sequence has steps.) What comes before and after is followed step by step, so no sequence crosses an episode's end or a gap.
"""

from __future__ import annotations

import numpy as np
import torch

from trainer.config import TrainConfig
from trainer.replay.batch import Batch, Moments, Sequences
from trainer.replay.rows import RowTable


def sequence_batch(table: RowTable, config: TrainConfig, anchors: np.ndarray, offsets: np.ndarray, online: int) -> Batch:
    """Return one batch of the sequences around ``anchors`` (S,), rows that are ``offsets`` (S,) steps behind their beginning.

    The first ``online`` of them are of the online half. Every batch has the same number of rows: where a sequence is shorter, or
    holds steps that may not be drawn, others of the same half stand in twice.
    """
    c, chains, device = config, table.chains, table.device
    assert chains is not None
    length, count, n_step = c.sequence, len(anchors), c.times().n_step
    back = length + c.burn_in  # one more than is seen: the action before the first step seen
    chain = chains.around(anchors, back, length - 1 + n_step)
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
        acted = table.executed(flat_before).mul_(torch.from_numpy(before.ravel() >= 0)[:, None])
        seen = table.seen(flat)
        return torch.cat((seen, acted), 1).view(steps, count, seen.shape[1] + acted.shape[1]).to(device), rows

    burn_in, _ = inputs(start - warm, c.burn_in)
    steps, rows = inputs(start, length + n_step)
    learned = rows[:length]
    usable = (learned >= 0) & (chains.online[learned] | chains.demo[learned])
    halves = ((usable[:, :online], 0, online), (usable[:, online:], online, count - online))
    t, s = np.concatenate(
        [np.stack([np.resize(part, size * length) for part in _where(mask, shift)]) for mask, shift, size in halves if size], 1
    )
    chosen = rows[t, s]
    sequences = Sequences(burn_in, torch.from_numpy(warm), steps)
    flat = steps.view(-1, steps.shape[2])[:, : table.observation_size]

    def moments(t: np.ndarray) -> Moments:
        index = torch.from_numpy(t * count + s).to(device)
        return Moments(sequences, index, flat.index_select(0, index))

    return table.remembered(
        torch.from_numpy(chosen), online * length, moments(t), moments(t + chains.span[chosen])
    )


def _where(mask: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places (t, s) that are true, sequence by sequence, with s counted from ``shift``."""
    s, t = np.nonzero(mask.T)
    return t, s + shift
