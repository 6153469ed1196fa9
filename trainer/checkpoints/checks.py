"""What a checkpoint from elsewhere says about itself, checked before anything is built from it.

Its sum only shows that nobody altered it on the way. Who made it may have written anything into it: sizes that ask for all the
memory, counters that are none, weights that are not finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.checkpoints.meta import CheckpointMeta

FIELDS = {"observation_names", "action_names", "config", "updates", "env_steps", "kind", "numbers", "tracks", "format"}
"""Of :class:`trainer.checkpoints.meta.CheckpointMeta`."""
MOST_NAMES = 1_000_000
MOST_TRACK = 200
MOST_WEIGHT = 1e6
"""No weight of a network that drives is larger; beyond it a pass through the network overflows."""


def described(values: Any, known: set[str] | None = None) -> dict[str, Any]:
    """Return the fields of a description, each of its kind. Raises ValueError."""
    if not isinstance(values, dict):
        raise ValueError("its description is no table")
    found = {key: value for key, value in values.items() if key in (known or FIELDS)}
    for key in ("observation_names", "action_names"):
        names = found.get(key)
        if not isinstance(names, list) or not 0 < len(names) <= MOST_NAMES or any(type(n) is not str for n in names):
            raise ValueError(f"its {key} are no list of names")
        found[key] = tuple(names)
    if not isinstance(found.get("config"), dict) or not isinstance(found.get("kind", ""), str):
        raise ValueError("its settings are no table")
    for key in ("updates", "env_steps", "format"):
        if type(found.setdefault(key, 1 if key == "format" else None)) is not int or not 0 <= found[key] < 2**53:
            raise ValueError(f"its {key} are no count")
    numbers = found.setdefault("numbers", {})
    if not isinstance(numbers, dict) or any(type(k) is not str for k in numbers):
        raise ValueError("its counters are no table")
    tracks = found.setdefault("tracks", {})
    if not isinstance(tracks, dict) or any(type(t) is not str or len(t) > MOST_TRACK for pair in tracks.items() for t in pair):
        raise ValueError("its tracks are no table of names")
    for name, value in numbers.items():
        if type(value) not in (int, float) or not abs(value) < 2**53:
            raise ValueError(f"its counter {name} is no number")
        if value < 0 and (name in ("updates", "env_steps", "online_steps") or name.startswith("steps.")):
            raise ValueError(f"its counter {name} is below zero")
    return found


def check_fit(tensors: Mapping[str, Tensor], meta: CheckpointMeta) -> None:
    """See that the networks it describes are those it holds, without making them. Raises ValueError, or UsageError for settings.

    ``torch.device("meta")`` gives tensors their shapes and no memory.
    """
    import torch  # here, so that a description can be checked without it

    from trainer.config import TrainConfig
    from trainer.networks.actor_critic import Actor, Critics

    config = TrainConfig.from_dict(meta.config)
    sizes = len(meta.observation_names), len(meta.action_names)
    with torch.device("meta"):
        networks = {"actor": Actor(*sizes, config), "critics": Critics(*sizes, config)}
    for name, network in (*networks.items(), ("average", networks["actor"]), ("targets", networks["critics"])):
        held = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
        if held:
            _same(name, held, network.state_dict())


def _same(name: str, held: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    if held.keys() != wanted.keys():
        raise ValueError(f"its {name} has other layers than it says")
    for key, value in held.items():
        if value.shape != wanted[key].shape or not value.is_floating_point():
            raise ValueError(f"{name}.{key} has another shape or kind than it says")
        largest = float(value.abs().max()) if value.numel() else 0.0
        if not largest <= MOST_WEIGHT or math.isnan(largest):
            raise ValueError(f"{name}.{key} holds numbers that no network has")
