"""Drawing the rows of batches where the learner is: what they are drawn from lies on its device, too.

The same rules as ``trainer.replay.halves.online`` and ``sampling`` there, without a number that Python must know while they are
followed: how many rows are demos, how many are new, and what all weighs are ``DrawNumbers`` on the device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from trainer.replay.replay import Replay


class DrawNumbers(NamedTuple):
    """What the rows of a batch depend on beside chance; numbers, or tensors (0-d) with them."""

    online: float | Tensor
    """Rows of the online half; the others are demos."""
    rows: float | Tensor
    """Rows that the online half is drawn from."""
    fresh: float | Tensor
    """So many of the online half come from the newest alone."""
    newest: float | Tensor
    """How many rows are the newest."""
    floor: float | Tensor
    """Rows before this place that are demos come from takeovers."""
    share: float | Tensor
    """Of the demos behind it, so many come from takeovers: see ``trainer.replay.halves.sampling.Masses``."""
    takeovers: float | Tensor
    """What takeovers weigh."""
    others: float | Tensor
    """What all other demos weigh."""


class DeviceDraw:
    """Follows what a replay draws from.

    ``rows`` may be recorded as a CUDA graph; ``catch_up`` brings over what is new, and says when it must be recorded again.
    """

    def __init__(self, replay: Replay, device: torch.device) -> None:
        self._replay, self._device = replay, device
        self._online = torch.zeros(1, dtype=torch.int64, device=device)
        self._known = self._drops = self._built = 0
        self._slots = torch.zeros(1, dtype=torch.int64, device=device)
        self._upper = torch.full((1,), torch.inf, dtype=torch.float64, device=device)
        self._stretches = torch.tensor([[0.0, 1.0, 0.0, 0.0]], dtype=torch.float64, device=device)
        """For each stretch of demos: where its weight begins, the weight of a row, its first slot, the place of its last."""

    def catch_up(self) -> bool:
        """Bring over what has changed; True where some of it lies elsewhere now."""
        moved = self._follow_online()
        return self._follow_demos() or moved

    def _follow_online(self) -> bool:
        online = self._replay.online
        moved = len(self._online) != online.room
        if moved:
            self._online = torch.zeros(online.room, dtype=torch.int64, device=self._device)
        if moved or self._drops != online.drops:
            self._known, self._drops = 0, online.drops
        if self._known < online.count:
            self._online[self._known : online.count].copy_(torch.from_numpy(online.rows[self._known :]))
            self._known = online.count
        return moved

    def _follow_demos(self) -> bool:
        demo, moved = self._replay.demo_table, False
        if self._built == demo.built or not demo.rows:  # without any, none is drawn
            return False
        self._built, upper = demo.built, demo.upper.clone()
        upper[-1] = torch.inf  # whatever rounding makes of a weight, it lies in a stretch
        stretches = torch.stack((demo.lower, demo.weights, demo.starts, demo.lengths - 1), 1)
        for name, values, fill in (("_slots", demo.slots, 0), ("_upper", upper, torch.inf), ("_stretches", stretches, 0)):
            there = getattr(self, name)
            if len(there) < len(values):
                there = there.new_empty((2 ** len(values).bit_length(), *there.shape[1:]))
                setattr(self, name, there)
                moved = True
            there[: len(values)].copy_(values)
            there[len(values) :].fill_(fill)
        return moved

    def numbers(self, batch_size: int, demos: int) -> DrawNumbers:
        """Return what batches with so many demos depend on now."""
        replay, online = self._replay, batch_size - demos
        floor, *masses = replay.demo_table.masses(demos, replay.takeover_floor(demos, batch_size))
        fresh, newest = replay.fresh(online)
        return DrawNumbers(online, replay.online.count, fresh, newest, online + floor, *masses)

    def rows(self, u: Tensor, n: DrawNumbers, out: Tensor | None = None) -> Tensor:
        """Return row numbers, int64 (C, B), for uniform ``u`` in [0, 1), float64 (C, B)."""
        place = torch.arange(u.shape[1], dtype=u.dtype, device=u.device)
        span = torch.where(place < n.fresh, n.newest, n.rows)
        at = (u * span).floor_().add_(n.rows - span)  # in this order: a sum of both may round up to a row beyond the last
        # Where the share is 0 or 1, what is divided by 0 is not taken.
        behind = torch.where(u < n.share, u / n.share * n.takeovers, (u - n.share) / (1 - n.share) * n.others + n.takeovers)
        weight = torch.where(place < n.floor, u * n.takeovers, behind)
        which = torch.searchsorted(self._upper, weight, right=True)
        begin, each, first, last = self._stretches[which].unbind(-1)
        slot = ((weight - begin) / each).trunc_().minimum(last).add_(first)
        return torch.where(place < n.online, self._online[at.long()], self._slots[slot.long()], out=out)
