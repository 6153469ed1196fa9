"""What the spaces of a dataset mean as the vectors that are stored: observations laid out flat, actions around 0 in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from data.errors import DeviceError
from data.exchange.checks import EpisodeRefusedError
from data.ranges import ActionRange
from data.words import number_of

SLACK = 1e-3
"""By how much of its range an action may exceed it, through rounding."""


class SpaceLayout(Protocol):
    """Turns observations of one space into vectors, as a live session lays them out (``hitl.games.pictures.SpaceSight``)."""

    names: tuple[str, ...]
    image: tuple[int, ...]

    def begin(self) -> None:
        """An episode begins."""

    def __call__(self, observation: Any) -> np.ndarray:
        """Return (O,) float32."""


SeeSpace = Callable[[Any], SpaceLayout]
"""Returns the layout of a space. Raises HitlError for one that cannot be learned from."""


def in_order(space: Any, described: Any) -> Any:
    """Return the space with its parts in the order in which ``described`` (Minari's JSON of it) names them.

    The environment itself keeps that order; a dictionary space that is built anew sorts its keys.
    """
    from gymnasium import spaces

    inside = described.get("subspaces") if isinstance(described, dict) else None
    if isinstance(space, spaces.Dict) and isinstance(inside, dict) and set(inside) == set(space.spaces):
        return spaces.Dict([(key, in_order(space.spaces[key], inside[key])) for key in inside])
    if isinstance(space, spaces.Tuple) and isinstance(inside, list) and len(inside) == len(space.spaces):
        return spaces.Tuple([in_order(part, told) for part, told in zip(space.spaces, inside, strict=True)])
    return space


def is_flat(space: Any) -> bool:
    """Whether an observation is a plain vector of numbers."""
    from gymnasium import spaces

    return isinstance(space, spaces.Box) and len(space.shape) == 1


def laid_out(observations: Any, layout: SpaceLayout) -> np.ndarray:
    """Return (m, O) float32 of m observations: an array, or a dictionary or tuple of such. Raises EpisodeRefusedError."""
    count = {len(part) for part in leaves(observations)}
    if len(count) != 1:
        raise EpisodeRefusedError("the parts of its observations are not equally many")
    layout.begin()
    rows = [layout(_at(observations, i)) for i in range(count.pop())]
    return np.stack(rows) if rows else np.zeros((0, len(layout.names)), np.float32)


def leaves(value: Any) -> list[Any]:
    """Return the arrays of nested observations, in order."""
    if isinstance(value, dict | tuple):
        parts = [value[key] for key in sorted(value)] if isinstance(value, dict) else value
        return [leaf for part in parts for leaf in leaves(part)]
    return [value]


def _at(value: Any, i: int) -> Any:
    if isinstance(value, dict):
        return {key: _at(part, i) for key, part in value.items()}
    return tuple(_at(part, i) for part in value) if isinstance(value, tuple) else value[i]


def around_zero(space: Any, actions: np.ndarray) -> np.ndarray:
    """Return (n, A) actions of a flat Box as ours, in [-1, 1] with rest at 0: what ``GymEnv.scaled`` undoes.

    Raises EpisodeRefusedError when an action lies outside of the space.
    """
    try:
        scaled = ActionRange(space)
    except DeviceError as error:
        raise EpisodeRefusedError(f"the dataset states a range that does not exist. {error}") from error
    low, high = scaled.low, scaled.high
    given = np.asarray(actions, np.float64)
    if given.shape != (len(given), len(low)):
        raise EpisodeRefusedError(
            f"its actions have shape {given.shape} where rows of {number_of(len(low), 'number')} were stated"
        )
    slack = SLACK * (high - low)
    out = ~((given >= low - slack) & (given <= high + slack))
    if out.any():
        row, k = np.argwhere(out)[0]
        stated = f"{low[k]:g} to {high[k]:g}"
        if not scaled.stated[k]:
            stated += " (where the dataset states no bound, hitl takes this one)"
        raise EpisodeRefusedError(f"its action number {k} leaves the range {stated}: {given[row, k]:g} in step {row}")
    return scaled.back(given)
