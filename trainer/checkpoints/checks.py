"""Whether a checkpoint from elsewhere holds the networks that it describes, checked before they are built.

Its sum only shows that it was not altered on the way. Whoever made it may have written anything into it: sizes that ask for all
the memory, weights that are not finite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.checkpoints.meta import CheckpointMeta

MOST_WEIGHT = 1e6
"""No weight of a network that drives is larger; beyond it a pass through the network overflows."""
MOST_SEEN, LEAST_UNIT = 1e36, 1e-37
"""No mean square of what is seen is larger, and no unit smaller: single precision has no more."""


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
    networks |= {"average": networks["actor"], "proven": networks["actor"], "targets": networks["critics"]}
    for name, network in networks.items():
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
        of_units = key.startswith("units.")
        least = {"units.variance": 0.0, "units.batches": 0.0, "units.unit": LEAST_UNIT}.get(key)
        wrong = least is not None and value.numel() > 0 and float(value.min()) < least
        if wrong or not largest <= (MOST_SEEN if of_units else MOST_WEIGHT):
            raise ValueError(f"{name}.{key} holds numbers that no network has")
