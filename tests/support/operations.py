"""Which operations torch is asked for: how many steps a device would be given, and whether one of them waits for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique_dim", "_unique2"}
NO_WORK = {
    "view", "transpose", "t", "slice", "select", "expand", "unsqueeze", "squeeze", "_unsafe_view", "detach", "alias", "split",
    "as_strided", "permute", "split_with_sizes", "unbind", "empty", "empty_like", "empty_strided", "new_empty",
}  # fmt: skip


class NeverWait(TorchDispatchMode):
    """Fails on every operation that needs a value of a tensor on the processor; counts those that do work.

    ``device``: fails as well on a tensor that lies elsewhere, which would have to be moved.
    """

    def __init__(self, device: str | None = None) -> None:
        super().__init__()
        self.device, self.counts = device, Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.split("::")[1]
        assert name not in WAITING, f"{name} waits for the device"
        if name in ("index", "index_put_"):
            for index in args[1]:
                assert index is None or index.dtype != torch.bool, "a mask's count is waited for"
        if name not in NO_WORK:
            self.counts[name] += 1
        if self.device == "meta" and name.startswith("_fused_adam"):
            result = None  # it has no form without numbers
        else:
            result = func(*args, **(kwargs or {}))
        if self.device is not None:
            for x in _tensors((args, kwargs, result)):
                assert x.device.type == self.device, f"{name}: a tensor on the {x.device}"
        return result


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """Find the tensors among an operation's arguments; torch's own way through them takes longer than the operation."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
