"""Archives of Stable-Baselines3 and sb3-contrib: the network of a model's ``MlpPolicy``, rebuilt from its numbers.

``data`` is read as JSON and ``policy.pth`` as plain tensors. What both hold pickled is never looked at, so nothing of an archive
is run, and neither library is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import InputFileError, shown
from hitl.agents.archives import tensors_of, unzipped
from hitl.agents.layers import TorchNetwork, Weights, chained, linear, numbers, perceptron

if TYPE_CHECKING:
    from torch import nn

ACTIVATIONS = ("ReLU", "Tanh", "ELU", "LeakyReLU", "SiLU", "GELU", "Sigmoid", "Softplus", "SELU", "CELU", "Mish", "Identity")
CLIP_MEAN = 2.0
"""SAC's and TQC's ``clip_mean`` with gSDE, where an archive does not say another."""
POLICY = "policy.pth"


@dataclass(frozen=True)
class Box:
    """A space of numbers as an archive states it."""

    shape: tuple[int, ...]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True)
class Sb3Model:
    """What an archive says of the network that drives."""

    algorithm: str
    """SAC, TQC, TD3 (DDPG, too), PPO (A2C and TRPO, too), DQN or QRDQN."""
    network: TorchNetwork
    observation: Box
    actions: Box | int
    """Bounds of a continuous action, or how many there are to choose from."""
    squashed: bool
    """The network's outputs are in [-1, 1] and stand for the whole range of actions."""
    names: dict[str, str]
    """Name of a parameter of ``network.module`` to that of the archive."""


def read(data: bytes, name: str) -> Sb3Model:
    """Return the model in an archive. Raises InputFileError."""
    entries, said = _unpacked(data, name)
    weights = tensors_of(entries[POLICY], name)
    observation = _box(said.get("observation_space"), name, "observations")
    kwargs = said.get("policy_kwargs")
    kwargs = kwargs if isinstance(kwargs, Mapping) else {}
    _refuse_other_makes(weights, kwargs, name)
    return _Builder(weights, said, kwargs, name).model(observation)


def saw_all_as_it_came(data: bytes, name: str) -> bool:
    """Tell whether an archive says that no ``VecNormalize`` was around its environment. Raises InputFileError.

    PPO, A2C and TRPO keep what was seen before it was normalised only where it was.
    """
    _, said = _unpacked(data, name)
    return said.get("_last_obs") is not None and "_last_original_obs" in said and said["_last_original_obs"] is None


def _unpacked(data: bytes, name: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return an archive's entries, and what its ``data`` says."""
    entries = unzipped(data, name)
    if "data" not in entries or POLICY not in entries:
        raise InputFileError(
            f"'{name}' is no archive of Stable-Baselines3: it has no '{'data' if 'data' not in entries else POLICY}'. Give the "
            "file that `model.save` wrote."
        )
    try:
        said = json.loads(entries["data"])
        if not isinstance(said, dict):
            raise ValueError("it is not a table")
    except (ValueError, RecursionError) as error:
        raise InputFileError(f"'{name}' is damaged: its 'data' is not JSON ({shown(error)}). Save the model again.") from error
    return entries, said


def _refuse_other_makes(weights: Weights, kwargs: Mapping[str, Any], name: str) -> None:
    custom = str(kwargs.get("features_extractor_class") or "FlattenExtractor")
    for what, library, is_it in (
        ("remembers what it has seen", "RecurrentPPO", lambda key: key.startswith(("lstm_actor.", "lstm_critic."))),
        ("normalises within its network", "CrossQ", lambda key: key.endswith(".ra_mean")),
    ):
        if any(map(is_it, weights)):
            raise InputFileError(
                f"'{name}' {what} ({library}), and such an archive cannot be rebuilt here: load it in a module of your own, "
                f"mine.py (model = {library}.load(...)), and give --agent mine:model."
            )
    if any("features_extractor." in key for key in weights) or "FlattenExtractor" not in custom:
        raise InputFileError(
            f"'{name}' looks at its observations through a features extractor of its own (pictures?), and only MlpPolicy can be "
            "rebuilt: export it as TorchScript or ONNX, or give your own code as module:callable."
        )


def _box(space: Any, name: str, what: str) -> Box:
    """Return a Box as ``data`` prints it: its text holds every number to eight digits."""
    kind = str(space.get(":type:", "")) if isinstance(space, Mapping) else ""
    if "Box" not in kind:
        found = re.findall(r"(\w+)'>$", kind)
        raise InputFileError(
            f"'{name}': its {what} are a {shown(found[0] if found else 'space that is not named')}, and only plain vectors (a "
            "Box) can be driven with."
        )
    try:
        shape = space.get("_shape", space.get("shape"))
        if not isinstance(shape, list) or not all(type(n) is int and 0 < n < 1_000_000 for n in shape) or not shape:
            raise ValueError(f"its shape is {shape}")
        count = int(np.prod(shape))
        low, high = (_numbers(space[end], count) for end in ("low", "high"))
    except (ValueError, KeyError, TypeError) as error:
        raise InputFileError(f"'{name}': the space of its {what} cannot be read ({shown(error)}).") from error
    return Box(tuple(shape), low, high)


def _numbers(text: Any, count: int) -> NDArray[np.float32]:
    words = str(text).replace("[", " ").replace("]", " ").replace(",", " ").split()
    if "..." in words:  # NumPy prints a thousand numbers and no more: such are observations, whose bounds are not needed
        return np.full(count, np.nan, np.float32)
    found = np.array([float(word) for word in words], np.float32)
    if len(found) != count:
        raise ValueError(f"{len(found)} bounds for {count} numbers")
    return found


class _Builder:
    """Finds the network that drives among an archive's weights, by their names."""

    def __init__(self, weights: Weights, said: Mapping[str, Any], kwargs: Mapping[str, Any], name: str) -> None:
        self._weights, self._said, self._kwargs, self._name = weights, said, kwargs, name

    def model(self, observation: Box) -> Sb3Model:
        """Return the model. Raises InputFileError for a policy of another kind."""
        from torch import nn

        policy = self._said.get("policy_class")
        module = str(policy.get("__module__", "")) if isinstance(policy, Mapping) else ""
        has = self._weights.__contains__
        actions: Box | int
        if has("actor.latent_pi.0.weight") or has("actor.mu.weight"):
            algorithm, squashed = "TQC" if ".tqc." in module else "SAC", True
            body, paths = self._body("actor.latent_pi", nn.ReLU)
            gsde = has("actor.mu.0.weight")
            parts = [*body, *self._head("actor.mu.0" if gsde else "actor.mu", paths, len(body))]
            clip = float(self._kwargs.get("clip_mean", CLIP_MEAN)) if gsde else 0.0
            parts += [nn.Hardtanh(-clip, clip)] if clip > 0 else []
            parts.append(nn.Tanh())
            actions = self._action_box()
        elif has("actor.mu.0.weight"):
            algorithm, squashed = "TD3", True
            body, paths = self._body("actor.mu", nn.ReLU)
            parts = [*body[:-1], nn.Tanh()]
            actions = self._action_box()
        elif has("action_net.weight"):
            algorithm = "PPO"
            body, paths = self._body("mlp_extractor.policy_net", nn.Tanh, before="mlp_extractor.shared_net")
            parts = [*body, *self._head("action_net", paths, len(body))]
            squashed = str(self._kwargs.get("squash_output")) == "True"
            parts += [nn.Tanh()] if squashed else []
            actions = self._choices() or self._action_box()
        elif has("q_net.q_net.0.weight") or has("quantile_net.quantile_net.0.weight"):
            prefix = "q_net.q_net" if has("q_net.q_net.0.weight") else "quantile_net.quantile_net"
            algorithm, squashed = "DQN" if prefix == "q_net.q_net" else "QRDQN", False
            body, paths = self._body(prefix, nn.ReLU)
            parts = body[:-1]
            actions = self._choices() or 0
            if algorithm == "QRDQN":
                parts.append(_MeanOfQuantiles(actions))
        else:
            raise InputFileError(
                f"'{self._name}' is a model of {shown(module or 'an unknown kind')}, whose network is not known here: SAC, TQC, "
                "TD3, DDPG, PPO, A2C, TRPO, DQN and QR-DQN with MlpPolicy are. Export it as TorchScript or ONNX."
            )
        network = chained(parts, self._name)
        first = next((p for p in network if isinstance(p, nn.Linear)), None)
        inputs, stated = first.in_features if first is not None else 0, int(np.prod(observation.shape))
        if inputs != stated:
            raise InputFileError(
                f"'{self._name}' is damaged: its network takes {inputs} numbers and its observations have {stated}."
            )
        return Sb3Model(algorithm, TorchNetwork(network, inputs), observation, actions, squashed, paths)

    def _body(self, prefix: str, usual: type[nn.Module], before: str = "") -> tuple[list[nn.Module], dict[str, str]]:
        """Return the hidden layers with their activations, and where their parameters come from."""
        activation = self._activation(usual)
        paths: dict[str, str] = {}
        parts: list[nn.Module] = []
        for one in filter(None, (before, prefix)):
            for k in numbers(self._weights, one):
                paths |= {f"{len(parts)}.{p}": f"{one}.{k}.{p}" for p in ("weight", "bias")}
                parts += perceptron({key: self._weights[key] for key in self._of(one, k)}, one, activation, self._name)
        return parts, paths

    def _of(self, prefix: str, k: int) -> list[str]:
        return [key for key in (f"{prefix}.{k}.weight", f"{prefix}.{k}.bias") if key in self._weights]

    def _head(self, prefix: str, paths: dict[str, str], at: int) -> list[nn.Module]:
        paths |= {f"{at}.{p}": f"{prefix}.{p}" for p in ("weight", "bias")}
        return [linear(self._weights, prefix, self._name)]

    def _activation(self, usual: type[nn.Module]) -> type[nn.Module]:
        from torch import nn

        text = self._kwargs.get("activation_fn")
        if text is None:
            return usual
        found = re.search(r"(\w+)'?>?$", str(text))
        word = found[1] if found else ""
        if word not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise InputFileError(f"'{self._name}' was made with the activation {shown(text)}; known are {known}.")
        kind: type[nn.Module] = getattr(nn, word)
        return kind

    def _action_box(self) -> Box:
        return _box(self._said.get("action_space"), self._name, "actions")

    def _choices(self) -> int | None:
        """Return how many actions a discrete agent chooses from; None for a continuous one."""
        space = self._said.get("action_space")
        if not isinstance(space, Mapping) or not str(space.get(":type:", "")).endswith(".Discrete'>"):
            return None
        try:
            count = int(space["n"])
        except (KeyError, TypeError, ValueError):
            count = 0
        if not 0 < count < 100_000:
            raise InputFileError(f"'{self._name}' chooses one of {shown(space.get('n'))} actions, which is no number of actions.")
        return count


def _MeanOfQuantiles(actions: int) -> nn.Module:  # noqa: N802 (stands for a module's class, without importing torch to say so)
    """Return the layer that makes quantiles (B, N * actions) values (B, actions)."""
    from torch import Tensor, nn

    class MeanOfQuantiles(nn.Module):
        def forward(self, quantiles: Tensor) -> Tensor:
            return quantiles.reshape(len(quantiles), -1, actions).mean(1)

    return MeanOfQuantiles()
