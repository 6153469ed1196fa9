"""Our actor as a program of its own: observations (B, O) in, actions (B, A) in [-1, 1] out, TorchScript or ONNX."""

from __future__ import annotations

import contextlib
import io
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import DeviceError, UsageError
from data.extras import install
from data.files import held
from data.files.replacing import refuse_present

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainer.networks.actor_critic import Actor
    from trainer.networks.mlp import MlpEnsemble

INPUT, PLACE, OUTPUT = "observation", "progress", "action"


def driving_module(actor: Actor) -> nn.Module:
    """Return what the actor does without noise as a plain module, (B, O) to (B, A). Raises UsageError where it cannot be one."""
    import torch
    from torch import nn

    from trainer.networks.mlp import MlpEnsemble
    from trainer.networks.residual import GraphEnsemble
    from trainer.networks.units import LIMIT

    if isinstance(actor.body, MlpEnsemble):
        body: nn.Module = _perceptron(actor.body)
    elif isinstance(actor.body, GraphEnsemble):
        body = _First(actor.body)
    else:
        raise UsageError(
            "This agent has a memory or sees pictures, and only actors of numbers without a memory can be exported as programs."
        )
    units = actor.units

    class Driving(nn.Module):
        zero: Tensor
        unit: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.body = body
            if units is not None:
                self.register_buffer("zero", units.zero.clone())
                self.register_buffer("unit", units.unit.clone())

        def forward(self, observation: Tensor) -> Tensor:
            seen = observation
            if units is not None:
                seen = torch.clamp((seen - self.zero) / self.unit, -LIMIT, LIMIT)
            mean, _ = self.body(seen).chunk(2, -1)
            return torch.tanh(mean)

    return Driving().eval().requires_grad_(False)


def _perceptron(net: MlpEnsemble) -> nn.Sequential:
    """Return a perceptron as torch's own layers."""
    from torch import nn

    parts: list[nn.Module] = []
    values = dict(net.named_parameters())
    for i in range(net.layers + 1):
        weight, bias = values[f"weight{i}"][0].T.contiguous(), values[f"bias{i}"][0, 0]
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": bias})
        parts.append(layer)
        if i < net.layers:
            if net.layer_norm:
                norm = nn.LayerNorm(weight.shape[0])
                norm.load_state_dict({"weight": values[f"gain{i}"][0, 0], "bias": values[f"shift{i}"][0, 0]})
                parts.append(norm)
            parts.append(nn.ReLU())
    return nn.Sequential(*parts)


def _First(net: nn.Module) -> nn.Module:  # noqa: N802 (stands for a module's class, without importing torch to say so)
    """Return the only member of an ensemble."""
    from torch import nn

    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.net.body(x[None])[0]  # type: ignore[operator]
            return out

    return First()


def write_torchscript(module: nn.Module, inputs: int, path: Path, *, placed: bool = False) -> None:
    """Write a module as TorchScript. ``placed``: it takes the metres along the track (B,), too.

    Raises DeviceError when the file cannot be written.
    """
    import torch

    made = io.BytesIO()
    with _quiet():
        torch.jit.save(torch.jit.trace(module, _example(inputs, placed)), made)
    write_new(path, _without_paths(made))


def _without_paths(made: io.BytesIO) -> bytes:
    """Return a TorchScript archive without what torch notes for error messages: where on this machine the sources lie."""
    out = io.BytesIO()
    with zipfile.ZipFile(made) as whole, zipfile.ZipFile(out, "w") as kept:
        for entry in whole.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                kept.writestr(zipfile.ZipInfo(entry.filename), whole.read(entry), entry.compress_type)
    return out.getvalue()


def _example(inputs: int, placed: bool) -> tuple[Tensor, ...]:
    import torch

    return (torch.zeros(2, inputs), torch.zeros(2))[: 1 + placed]


def write_onnx(module: nn.Module, inputs: int, path: Path, *, placed: bool = False) -> None:
    """Write a module as ONNX, for batches of any size. ``placed``: as in `write_torchscript`.

    torch's exporter needs the package onnx for that. Raises DeviceError when it is missing or the file cannot be written.
    """
    import torch

    try:
        import onnx  # noqa: F401
    except ImportError:
        raise DeviceError(
            f"ONNX is written with the package onnx, which is not installed: {install('onnx')}. TorchScript needs "
            "nothing: name the file .pt."
        ) from None
    made: Any = io.BytesIO()
    names = [INPUT, PLACE][: 1 + placed]
    batch = {name: {0: "batch"} for name in (*names, OUTPUT)}
    with _quiet():
        torch.onnx.export(  # its other exporter needs onnxscript as well, and writes the same
            module, _example(inputs, placed), made, input_names=names, output_names=[OUTPUT], dynamic_axes=batch, dynamo=False
        )  # fmt: skip
    write_new(path, made.getvalue())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that both exporters will be replaced one day
        yield


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet. Raises UsageError when it is, DeviceError when it cannot be written."""
    refuse_present(path)
    try:
        held.write_whole(path, content)
    except OSError as error:
        raise DeviceError(f"'{path.name}' cannot be written {held.why(error, 'name another file')}.") from error
