"""How many threads torch computes with, which is a setting of the whole process: in another program's, it is put back."""

from __future__ import annotations

import torch

_found: list[int] = []


def use_threads(count: int) -> None:
    """Let torch compute with so many threads from now on."""
    if not _found:
        _found.append(torch.get_num_threads())
    torch.set_num_threads(count)


def found() -> int | None:
    """Return how many there were before the first change; None while nothing was changed."""
    return _found[0] if _found else None
