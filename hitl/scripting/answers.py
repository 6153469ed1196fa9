"""What an environment's answers tell, and an action of it in our units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError
from data.ranges import ActionRange
from hitl.games.base import AT_REST, VehicleState


def ours_of(scaled: ActionRange, given: NDArray[Any]) -> NDArray[np.float32]:
    """Return an action (A,) of the environment as ours. Raises UsageError for one of another size."""
    if given.shape != (len(scaled),):
        raise UsageError(f"The human's action has shape {given.shape}, and the environment takes ({len(scaled)},).")
    ours: NDArray[np.float32] = scaled.back(given[None])[0]
    return ours


def place_of(info: dict[str, Any], key: str = "progress") -> tuple[VehicleState, float]:
    """Return the car and its progress (m), as far as an environment tells: zeros where it does not."""
    state, progress = info.get("state"), info.get(key)
    known = isinstance(progress, int | float | np.number)
    return state if isinstance(state, VehicleState) else AT_REST, float(progress) if known else 0.0  # type: ignore[arg-type]


def reason_of(info: dict[str, Any], terminated: bool) -> str:
    """Return why an episode has ended: what the environment says, as far as it says anything."""
    reason = info.get("reason")
    if isinstance(reason, str) and reason:
        return reason
    return ("finish" if info.get("lap_finished") else "over") if terminated else "time_limit"
