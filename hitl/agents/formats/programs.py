"""Agents that are programs of their own: TorchScript, ONNX, and the user's Python."""

from __future__ import annotations

import inspect
import io
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DeviceError, InputFileError, shown
from data.extras import install
from hitl.agents.agent import Stateless
from hitl.agents.archives import sha256_of
from hitl.agents.own_code import import_last_here

Floats = NDArray[np.float32]
ONNX_NUMBERS: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
}  # fmt: skip
"""The kinds of numbers that an ONNX program may take, by their names there."""


class TorchScriptNetwork(Stateless):
    """A TorchScript program that takes (B, I) float32 and returns (B, K), or a tuple whose first part is that."""

    def __init__(self, data: bytes, name: str) -> None:
        import torch

        self._torch, self._name = torch, name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it will be replaced one day
                self.module: Any = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()
            bad = sum(int((~torch.isfinite(p)).sum()) for p in self.module.parameters())
        except Exception as error:  # a foreign file may fail in any way
            raise InputFileError(
                f"'{name}' is no TorchScript program ({shown(type(error).__name__)}): save it with "
                "`torch.jit.script(actor).save(...)`, or give your own code as module:callable."
            ) from error
        if bad:
            raise InputFileError(f"'{name}': {bad:,} numbers of its weights are not finite, so it cannot drive.")
        first = next((p for p in self.module.parameters() if p.dim() == 2), None)
        self._takes = int(first.shape[1]) if first is not None else None
        # Weights of 64 bits take numbers of 64 bits; a program in whole numbers (quantised) still takes these.
        self._dtype = first.dtype if first is not None and first.is_floating_point() else torch.float32
        self.inputs: int | None = None  # its first weight may be behind something else: only trying tells

    def __call__(self, shown_: Floats) -> NDArray[Any]:
        """Return outputs (B, K) for what is shown (B, I)."""
        try:
            with self._torch.inference_mode():
                given = self.module(self._torch.tensor(shown_, dtype=self._dtype))
        except Exception as error:  # what a program raises itself comes as torch.jit.Error, which is no RuntimeError
            takes = f" (its first layer takes {self._takes})" if self._takes is not None else ""
            numbers = f"the {shown_.shape[1]} numbers that it is shown here"
            what = f"does not take {numbers}{takes}" if isinstance(error, RuntimeError) else f"fails with {numbers}"
            said = (str(error).strip() or type(error).__name__).splitlines()[-1].removeprefix("builtins.")
            raise InputFileError(f"'{self._name}' {what}: {shown(said, 100)}.") from error
        first = given[0] if isinstance(given, tuple | list) and given else given
        if not isinstance(first, self._torch.Tensor):
            raise InputFileError(
                f"The answer of '{self._name}' is no tensor ({type(first).__name__}): let it return its action as one (B, A), "
                "and save it again."
            )
        return np.asarray((first.float() if first.dtype == self._torch.bfloat16 else first).detach().numpy())


class OnnxNetwork(Stateless):
    """An ONNX program with one input (B, I) of fractions, whose first output is (B, K)."""

    def __init__(self, data: bytes, name: str) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise DeviceError(f"'{name}' needs the package onnxruntime, which is not installed: {install('onnx')}.") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a small network; the trainer wants the other cores
        options.log_severity_level = 4  # what it has to say comes as an exception
        self._name = name
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own exceptions have no common base
            raise InputFileError(f"'{name}' is no ONNX program ({shown(error, 100)}): export it again.") from error
        taken = self._session.get_inputs()
        if len(taken) != 1:
            names = ", ".join(shown(i.name) for i in taken)
            raise InputFileError(f"'{name}' takes {len(taken)} inputs ({names}), and a session has one observation.")
        self._input, kind = taken[0].name, taken[0].type
        if kind not in ONNX_NUMBERS:
            raise InputFileError(f"'{name}' takes {shown(kind)}, and is shown fractions here: export it with a float input.")
        self._dtype = ONNX_NUMBERS[kind]
        sizes = taken[0].shape[1:]
        self.inputs: int | None = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], int) else None
        # An export without a free batch takes one observation at a time.
        self._one_by_one = taken[0].shape[:1] == [1]

    def __call__(self, shown_: Floats) -> NDArray[Any]:
        """Return outputs (B, K) for what is shown (B, I)."""
        if self._one_by_one and len(shown_) > 1:
            return np.concatenate([self(row[None]) for row in shown_])
        try:
            return np.asarray(self._session.run(None, {self._input: np.ascontiguousarray(shown_, self._dtype)})[0])
        except Exception as error:  # as above
            raise InputFileError(
                f"'{self._name}' does not take the {shown_.shape[1]} numbers that it is shown here ({shown(error, 100)})."
            ) from error


class PythonNetwork:
    """The user's own ``module:callable``: observation (I,) to an action (A,), or to the number of one.

    A class is called without arguments to make one. An object with ``predict`` (a model of Stable-Baselines3) is asked by it. Its
    ``reset()``, where there is one, is called when an episode begins. It is trusted because it was typed.
    """

    remembers = True  # nothing is known of what it keeps
    inputs: int | None = None

    def __init__(self, spec: str) -> None:
        self._spec = spec
        module, _, path = spec.partition(":")
        made: Any = _imported(module, spec)
        try:
            for part in path.split("."):
                made = getattr(made, part)
            if inspect.isclass(made):
                made = made()
        except AttributeError as error:
            raise InputFileError(f"The module '{module}' has no '{path}': give --agent module:callable.") from error
        except Exception as error:
            raise InputFileError(f"'{spec}' cannot be made ({shown(type(error).__name__)}: {shown(error, 100)}).") from error
        predict: Any = getattr(made, "predict", None)
        if not callable(made) and predict is None:
            raise InputFileError(f"'{spec}' is a {type(made).__name__}, which can neither be called nor asked to predict.")
        self.action_space = getattr(made, "action_space", None) if not callable(made) else None
        """The space that a model's answers lie in; None where it states none."""
        self._ask: Callable[[Floats], Any] = made if callable(made) else self._predicted
        self._predict, self._takes_state = predict, not callable(made) and "state" in inspect.signature(predict).parameters
        self._memory: Any = None  # of a model that remembers (RecurrentPPO): what it answered last, beside the action
        self._reset = getattr(made, "reset", None)

    def __call__(self, shown_: Floats) -> NDArray[Any]:
        """Return what it answers, (B, K) or (B,), to what is shown (B, I), one after the other."""
        try:
            answers = [np.asarray(self._ask(row.copy())) for row in shown_]  # its copy: it may keep or change it
        except Exception as error:
            raise InputFileError(
                f"'{self._spec}' fails with the {shown_.shape[1]} numbers that it is shown ({shown(type(error).__name__)}: "
                f"{shown(error, 100)})."
            ) from error
        try:
            answer = np.stack([a.reshape(-1) if a.size != 1 else a.reshape(()) for a in answers])
        except ValueError as error:
            raise InputFileError(f"'{self._spec}' answers with another number of numbers each time.") from error
        return answer if answer.ndim == 2 else answer[:, None]

    def _predicted(self, seen: Floats) -> Any:
        remembered = {} if self._memory is None else {"state": self._memory}
        answer = self._predict(seen, deterministic=True, **remembered)
        if self._takes_state:
            self._memory = answer[1]
        return answer[0]

    def stepped(self, executed: Floats) -> None:
        """It is told nothing of what was done."""

    def reset(self) -> None:
        """An episode begins."""
        self._memory = None
        if callable(self._reset):
            self._reset()

    @staticmethod
    def sha256(spec: str) -> str:
        """Return the sum of the source of a module that was imported, "" where it has none."""
        source = getattr(sys.modules.get(spec.partition(":")[0]), "__file__", None)
        try:
            return sha256_of(Path(source).read_bytes()) if source else ""
        except OSError:
            return ""


def _imported(module: str, spec: str) -> Any:
    """Import a module, as `import_last_here`. Raises InputFileError."""
    try:
        return import_last_here(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise InputFileError(f"The module '{module}' needs '{error.name}', which is not installed.") from None
        raise InputFileError(
            f"There is no module '{module}' here, which --agent {spec} imports: start from the folder that it is in."
        ) from None
    except Exception as error:
        raise InputFileError(
            f"The module '{module}' cannot be imported ({shown(type(error).__name__)}: {shown(error, 100)})."
        ) from error
