"""Whether this machine's torch can use a device that somebody has asked for."""

from __future__ import annotations

import torch

from data.errors import UsageError, shown
from data.extras import install_cuda

CPU, CUDA = "cpu", "cuda"


def check_device(asked: str, instead: str = "omit --device cuda", name: str = "--device ") -> None:
    """Raise UsageError for a device that this machine's torch cannot use.

    ``instead``: what to do without it. ``name``: what the word was given behind.
    """
    asks = name.startswith("--")  # a script says itself where it learns
    if asked == "auto" and asks:
        return
    try:
        device = torch.device(asked)
    except RuntimeError:
        raise UsageError(f"{name}{shown(asked)} is unknown: give {'auto, ' if asks else ''}cpu or cuda.") from None
    if device.type == CUDA:
        _check_cuda(device, name, instead)
    elif device.type != CPU:
        try:
            torch.zeros(1, device=device)
        except Exception as error:  # of many kinds, by device
            raise UsageError(f"{name}{shown(asked)} cannot be used with this machine's torch: give cpu or cuda.") from error


def _check_cuda(device: torch.device, name: str, instead: str) -> None:
    if torch.cuda.is_available():
        if (count := torch.cuda.device_count()) <= (device.index or 0):
            last = "only cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
            raise UsageError(f"{name}{device} is not on this machine: it has {last}.")
        return
    if torch.version.cuda is None:
        raise UsageError(f"This torch is made for the CPU alone: {install_cuda()} installs one for CUDA, or {instead}.")
    raise UsageError(
        f"torch finds no graphics card that it can use with CUDA: install Nvidia's newest driver, or {instead}."
    )
