"""What an environment's answers tell, and the actions that a script gives: read, and made such as the environment is sent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError, shown
from data.ranges import ActionRange
from hitl.games.base import AT_REST, VehicleState

BEYOND = 1e-3
"""By how much of its range a number may be changed, through rounding, before it is said."""


def action_of(value: Any, shape: tuple[int, ...], whose: str = "action", or_else: str = "") -> NDArray[Any]:
    """Return an action that a script gives, as an array of its own. Raises UsageError for what is no action.

    ``whose``: what the sentence calls it; ``or_else``: what may be given instead, as the sentence's end.
    """
    try:
        given = np.array(value)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of different lengths, or a tensor with a gradient
        raise UsageError(f"The {whose} cannot be read as numbers: {shown(error, 200)}") from None
    if given.dtype.kind in "biuf" and given.shape != shape:
        raise UsageError(f"The {whose} has shape {given.shape}, and the environment takes {shape}.")
    if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
        raise UsageError(f"The {whose} is {shown(value)}, which is no action: give finite numbers of shape {shape}{or_else}.")
    return given


def sent_for(scaled: ActionRange, given: NDArray[Any]) -> NDArray[Any]:
    """Return what the environment is sent for an action (A,) of its own: that one, unless it lies beyond the range.

    Then it is cut there, and rounded where the environment takes whole numbers, so that the store can hold what was executed.
    """
    within = np.clip(given.astype(np.float64), scaled.low, scaled.high)
    if scaled.whole:
        within = np.rint(within)
    return given if np.array_equal(within, given) else scaled.typed(within)


def cut_sentence(scaled: ActionRange, given: NDArray[Any], sent: NDArray[Any], whose: str) -> str:
    """Return a sentence about an action that was sent as another one; "" where they differ by no more than rounding."""
    apart = np.abs(sent.astype(np.float64) - given.astype(np.float64)) / np.maximum(scaled.high - scaled.low, 1e-9)
    k = int(apart.argmax())
    if apart[k] <= BEYOND:
        return ""
    if scaled.low[k] <= given[k] <= scaled.high[k]:
        why = "the environment takes whole numbers"
    else:
        why = f"its range {'is' if scaled.stated[k] else 'is taken to be'} {scaled.low[k]:g} to {scaled.high[k]:g}"
    return (
        f"Number {k} of the {whose} was {given[k]:g}, and {why}: the environment is sent {sent[k]:g}, and that is what is stored "
        "and what info['executed'] says. Further ones are changed in the same way, and nothing more is said of them."
    )


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
