"""The quantile Huber loss and its exact gradient.

For a prediction ``z`` at level ``tau`` and targets ``y_1 … y_M`` the loss (Dabney et al. 2018, eq. 10; Kuznetsov et al.
2020, eq. 8, Huber width 1) is ``mean_j |tau - 1[y_j < z]| * huber(y_j - z)``. With ``d_j = z - y_j`` its derivative is

    ``((1 - tau) * P - tau * N) / M``,  ``P = sum_j clip(d_j, 0, 1)``,  ``N = sum_j clip(-d_j, 0, 1)``.

``P`` and ``N`` are piecewise linear in ``z`` with knots at the targets, so with sorted targets they follow exactly from
prefix sums at three ranks (of ``z - 1``, ``z`` and ``z + 1``): O(log M) a prediction. On a CPU a binary search mispredicts its
branches, and streaming over the targets in blocks that stay in the cache is faster. On a GPU every step has a price, and few
steps over a tensor of all pairs cost the least while that is small. All are exact, and ``best_method`` picks one.
"""

from __future__ import annotations

import threading

import numpy as np
import torch
from torch import Tensor

BLOCK_BYTES = 1_000_000
"""Scratch of the streaming form: small enough for the cache."""
MOST_PAIRS = 1 << 24
"""Pairs that may lie in memory at once, 64 MB of them; four times what two critics of 25 quantiles need for a batch of 2048.

Ten critics there have seven times as many. Pairs in chunks would pass over all of them several times: ``prefix`` reads none.
"""


def midpoints(quantiles: int, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Tensor:
    """Return the levels ``(2 i + 1) / 2N`` (N,), float."""
    return (torch.arange(quantiles, dtype=dtype, device=device) + 0.5) / quantiles


def sort_rows(x: Tensor) -> Tensor:
    """Return ``x`` (B, M) with every row sorted; NumPy's vector sort is ten times torch's on a CPU."""
    if x.device.type == "cpu":
        return torch.from_numpy(np.sort(x.numpy(), axis=1))
    return x.sort(1).values


def best_method(z: Tensor, targets: int) -> str:
    """Return ``stream`` for the CPU; elsewhere ``pairs``, or ``prefix`` where there are too many of them."""
    if z.device.type == "cpu":
        return "stream"
    return "pairs" if z.numel() * targets <= MOST_PAIRS else "prefix"


def quantile_huber(
    z: Tensor, targets: Tensor, tau: Tensor, *, weight: Tensor | None = None, want_loss: bool = True, method: str = ""
) -> tuple[Tensor | None, Tensor]:
    """Return the loss (0-d, None unless ``want_loss``) and its gradient by ``z``.

    ``z`` (E, B, N): N quantiles of E critics; ``targets`` (B, M): sorted along M, shared by the critics; ``tau`` (N,);
    ``weight`` (B,): factor for each row. The loss is the mean over critics, rows, quantiles and targets (as in
    sb3-contrib and the paper's code).
    """
    method = method or best_method(z, targets.shape[1])
    if method == "pairs":
        return _pairs(z, targets, tau, weight, want_loss)
    above, below, pairs = {"stream": _stream, "prefix": _prefix}[method](z, targets, want_loss)
    scale = 1.0 / (targets.shape[1] * z.numel())
    # (1 - tau) P - tau N, in place on P
    gradient = above.sub_(torch.add(above, below).mul_(tau)).mul_(scale)
    loss = None
    if pairs is not None:
        over, under = pairs
        loss = over.sub_(over * tau).add_(under * tau)
        if weight is not None:
            loss = loss * weight[:, None]
        loss = loss.sum() * scale
    if weight is not None:
        gradient.mul_(weight[:, None])
    return loss, gradient


def squared_error(
    z: Tensor, targets: Tensor, *, weight: Tensor | None = None, want_loss: bool = True
) -> tuple[Tensor | None, Tensor]:
    """Return the mean of ``(z - y)^2`` over critics and rows, and its gradient by ``z``, as ``quantile_huber`` does.

    The critic loss of SAC (Haarnoja et al. 2018, eq. 5, without its half), REDQ and RLPD (Ball et al. 2023, alg. 1): ``z``
    (E, B, 1) against the mean of ``targets`` (B, M).
    """
    error = z - targets.mean(1)[:, None]
    gradient = error * (2.0 / z.numel())
    if weight is not None:
        gradient.mul_(weight[:, None])
    return ((gradient * error).sum() * 0.5 if want_loss else None), gradient


def _pairs(
    z: Tensor, targets: Tensor, tau: Tensor, weight: Tensor | None, want_loss: bool
) -> tuple[Tensor | None, Tensor]:
    """Take every pair by itself. With ``c = clip(d, -1, 1)`` a pair's slope is ``c / 2 + (1/2 - tau) |c|``."""
    scale = 1.0 / (targets.shape[1] * z.numel())
    d = z[..., None] - targets[:, None]  # (E, B, N, M)
    loss = None
    if want_loss:
        c = d.clamp(-1.0, 1.0)
        each = (c * (d - 0.5 * c) * torch.where(d > 0, 1.0 - tau[:, None], tau[:, None])).sum(-1)
        loss = (each if weight is None else each * weight[:, None]).sum() * scale
    c = d.clamp_(-1.0, 1.0)
    sizes = torch.linalg.vector_norm(c, 1, -1)
    gradient = c.sum(-1).add_(sizes).addcmul_(sizes, tau, value=-2.0).mul_(0.5 * scale)
    if weight is not None:
        gradient.mul_(weight[:, None])
    return loss, gradient


_local = threading.local()


def _scratch(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return a tensor to write into, the same one again for the same shape (fresh memory costs more than the sums)."""
    kept = getattr(_local, "scratch", None)
    if kept is None or kept.shape != shape or kept.dtype != like.dtype or kept.device != like.device:
        kept = _local.scratch = torch.empty(shape, dtype=like.dtype, device=like.device)
    return kept


Sums = tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]


def _stream(z: Tensor, targets: Tensor, want_loss: bool) -> Sums:
    """Sum over targets in cache-sized blocks, the batch innermost: a vector unit then has long rows to work on."""
    count = targets.shape[1]
    flipped = z.transpose(1, 2).contiguous()  # (E, N, B)
    columns = targets.t().contiguous().view(count, 1, 1, targets.shape[0])
    block = max(1, min(count, BLOCK_BYTES // max(1, z.numel() * z.element_size())))
    pad = _scratch((block, *flipped.shape), z)
    total, above = torch.zeros_like(flipped), torch.zeros_like(flipped)
    over, under = (torch.zeros_like(flipped), torch.zeros_like(flipped)) if want_loss else (None, None)
    for start in range(0, count, block):
        y = columns[start : start + block]
        d = torch.sub(flipped, y, out=pad[: y.shape[0]])
        if over is not None and under is not None:
            # huber(d) = c (d - c / 2) with c = clip(d, -1, 1); these are rare, so they may take memory
            for side, low, high in ((over, 0.0, 1.0), (under, -1.0, 0.0)):
                c = d.clamp(low, high)
                side += (c * (d - 0.5 * c)).sum(0)
        total += d.clamp_(-1.0, 1.0).sum(0)
        above += d.clamp_(min=0.0).sum(0)
    below = torch.sub(above, total, out=total)

    def back(x: Tensor) -> Tensor:
        return x.transpose(1, 2)

    pairs = (back(over), back(under)) if over is not None and under is not None else None
    return back(above), back(below), pairs


def _prefix(z: Tensor, targets: Tensor, want_loss: bool) -> Sums:
    """Rank every prediction among the sorted targets; prefix sums then give the sums exactly."""
    critics, rows, width = z.shape
    count = targets.shape[1]
    # Ranks within a row do not change when the row is shifted; near 0 the sums lose the least.
    middle = targets.mean(1, keepdim=True)
    y = (targets - middle).contiguous()
    q = z.transpose(0, 1).reshape(rows, critics * width) - middle
    keys = torch.cat((q - 1, q, q + 1), 1)
    ranks = torch.searchsorted(y, keys)
    low, mid, high = ranks.chunk(3, 1)
    sums = torch.nn.functional.pad(y.cumsum(1), (1, 0))
    s_low, s_mid, s_high = sums.gather(1, ranks).chunk(3, 1)
    above = low + (mid - low) * q - (s_mid - s_low)
    below = (count - high) + (s_high - s_mid) - (high - mid) * q

    def back(x: Tensor) -> Tensor:
        return x.view(rows, critics, width).transpose(0, 1).contiguous()

    if not want_loss:
        return back(above), back(below), None
    squares = torch.nn.functional.pad((y * y).cumsum(1), (1, 0))
    t_low, t_mid, t_high = squares.gather(1, ranks).chunk(3, 1)
    near_over = 0.5 * ((mid - low) * q * q - 2 * q * (s_mid - s_low) + (t_mid - t_low))
    near_under = 0.5 * ((high - mid) * q * q - 2 * q * (s_high - s_mid) + (t_high - t_mid))
    far_over = low * (q - 0.5) - s_low
    far_under = (sums[:, -1:] - s_high) - (count - high) * (q + 0.5)
    return back(above), back(below), (back(near_over + far_over), back(near_under + far_under))
