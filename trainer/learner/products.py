"""Matrix products on a processor, by whichever of torch's two libraries is faster on this one.

MKL, which torch takes by itself, uses half of the width of AMD's newer processors (no AVX-512). oneDNN uses all of it, and torch
goes there where it is told that products may be rounded to 16 bits. On these processors oneDNN does not round: it is the same
product, in another order of sums. Where it would round (AMX, ARM), it is not taken.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

SIDE = 256
GAIN = 1.3
"""How many times as fast oneDNN must be: far from what a busy machine makes of two equal ones."""
EXACT = 4.0
"""How many times MKL's rounding error it may have; with 16 bits it has some thousand times that."""
_TRIES = 12


@contextmanager
def fast_products(device: torch.device) -> Iterator[None]:
    """Make the products of this block by the faster library, where ``device`` is a processor. Others' are made as before."""
    if device.type != "cpu" or not onednn_is_better():
        yield
        return
    setting: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined,unused-ignore]
    before = setting.fp32_precision
    setting.fp32_precision = "bf16"
    try:
        yield
    finally:
        setting.fp32_precision = before


@functools.cache
def onednn_is_better() -> bool:
    """Tell whether oneDNN is faster here and rounds no more: asked of two products, once (some 10 ms)."""
    setting: Any = getattr(torch.backends.mkldnn, "matmul", None)
    if setting is None or not hasattr(setting, "fp32_precision") or not torch.backends.mkldnn.is_available():
        return False  # an earlier torch, or one without oneDNN
    before = setting.fp32_precision
    draws = torch.Generator().manual_seed(0)
    a, b = (torch.randn(SIDE, SIDE, generator=draws) for _ in range(2))
    exact, errors, seconds = a.double() @ b.double(), [], []
    try:
        for precision in (before, "bf16"):
            setting.fp32_precision = precision
            errors.append(float((a @ b - exact).abs().max()))
            seconds.append(min(_seconds(a, b) for _ in range(_TRIES)))
    except RuntimeError:  # a torch that knows no such precision
        return False
    finally:
        setting.fp32_precision = before
    return is_better(errors, seconds)


def is_better(errors: list[float], seconds: list[float]) -> bool:
    """Judge the second of two ways by its largest error and its time."""
    return errors[1] <= EXACT * errors[0] and seconds[0] >= GAIN * seconds[1]


def _seconds(a: Tensor, b: Tensor) -> float:
    began = time.perf_counter()
    torch.mm(a, b)
    return time.perf_counter() - began
