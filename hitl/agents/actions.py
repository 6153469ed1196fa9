"""What an agent's outputs stand for: an action within its own bounds, or one of a table's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from data.errors import InputFileError
from data.ranges import ActionRange
from data.words import number_of

Floats = NDArray[np.float32]
BEYOND = 1e-3
"""By how much an output may exceed its bounds before it is said."""


class Actions(Protocol):
    """Turns a network's outputs into the session's actions."""

    size: int

    def __call__(self, outputs: NDArray[Any]) -> Floats:
        """Return actions (B, A) in [-1, 1]."""

    def misfit(self, outputs: NDArray[Any]) -> str | None:
        """Return why these outputs cannot be actions here, as the end of a sentence; None where they can."""


class Continuous:
    """Outputs (B, A) are actions in ``low`` to ``high`` (A,), the bounds that the agent was trained with.

    ``squashed``: the network's outputs are in [-1, 1] and stand for the whole range (SAC, TQC, TD3, DDPG). ``clips``: the agent's
    own program clips what lies beyond (PPO), so nothing is said of it. ``assumed``: nobody has stated these bounds. Raises
    InputFileError for bounds without room.
    """

    def __init__(
        self,
        names: Sequence[str],
        low: Floats,
        high: Floats,
        *,
        squashed: bool = False,
        clips: bool = False,
        assumed: bool = False,
    ) -> None:
        self.size, self._names, self.squashed, self._clips = len(names), tuple(names), squashed, clips
        self._assumed = assumed
        low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
        if (wrong := np.flatnonzero(~(low < high))).size:  # NaN is neither
            k = wrong[0]
            raise InputFileError(f"The agent's action number {k} is from {low[k]:g} to {high[k]:g}, so nothing lies in it.")
        self._range = ActionRange(spaces.Box(low, high))
        self.low, self.high, self.around = self._range.low, self._range.high, self._range.around
        self.farthest: tuple[str, float] | None = None
        """The name and the value of the output that went farthest beyond its bounds."""
        self._most = BEYOND

    def given(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return actions (B, A) in the agent's own units."""
        x = np.asarray(outputs, np.float64)
        return self.low + 0.5 * (x + 1.0) * (self.high - self.low) if self.squashed else x

    def __call__(self, outputs: NDArray[Any]) -> Floats:
        """See `Actions`."""
        given = self.given(outputs)
        if not self.squashed and not self._clips:
            self._note(given)
        ours = self._range.back(given)
        return ours if np.isfinite(given).all() else np.where(np.isfinite(given), ours, given).astype(np.float32)

    def wanted(self, ours: Floats) -> Floats:
        """Return what the network's outputs (B, A) would have to be for the session's actions (B, A)."""
        given = np.stack([np.asarray(self._range(a), np.float64) for a in ours])
        return (2.0 * (given - self.low) / (self.high - self.low) - 1.0 if self.squashed else given).astype(np.float32)

    def misfit(self, outputs: NDArray[Any]) -> str | None:
        """See `Actions`."""
        if (reason := _not_numbers(outputs)) is not None:
            return reason
        if outputs.ndim != 2 or outputs.shape[1] != self.size:
            given = outputs.shape[1] if outputs.ndim == 2 else outputs.size
            return (
                f"it answers with {given} numbers, and this session has {self.size} action numbers ({', '.join(self._names)}). "
                "If it chooses one of several actions, say which ones with --actions FILE."
            )
        return None

    def unlike(self, game: ActionRange) -> str:
        """Return a sentence about an action whose bounds are not in proportion to those of ``game``; "" where all are.

        Around 0 each side is stretched by itself. Whoever put `RescaleAction` around a game has spread the range evenly.
        """
        if self._assumed or len(game) != self.size or game.whole:
            return ""
        share = np.linspace(0.0, 1.0, 5)[:, None]
        own = self.low + share * (self.high - self.low)
        even = game.low + share * (game.high - game.low)
        taken = np.stack([np.asarray(game(ours), np.float64) for ours in self._range.back(own)])
        apart = np.abs(taken - even) * (self._range.stated & game.stated)
        if (apart <= BEYOND * (game.high - game.low)).all():
            return ""
        at, k = divmod(int(apart.argmax()), self.size)
        return (
            f"The agent gives its {self._names[k]} from {self.low[k]:g} to {self.high[k]:g}, and the game takes it from "
            f"{game.low[k]:g} to {game.high[k]:g}. Taken around 0, which is rest here, {own[at, k]:g} becomes {taken[at, k]:g}. "
            f"If it was trained to mean {even[at, k]:g} (RescaleAction), it drives wrongly: give a function that converts its "
            "actions to numbers from -1 to 1, as --agent module:callable (docs/agents.md has an example)."
        )

    def _note(self, given: NDArray[np.float64]) -> None:
        over = np.maximum(given - self.high, self.low - given)
        over[~np.isfinite(over)] = 0.0
        k = int(over.max(0).argmax())
        if over[:, k].max() > self._most:
            self._most = float(over[:, k].max())
            self.farthest = (self._names[k], float(given[over[:, k].argmax(), k]))

    @property
    def bounds_said(self) -> str:
        """The bounds of the agent, as a sentence can hold them."""
        pairs = dict.fromkeys(f"{low:g} to {high:g}" for low, high in zip(self.low, self.high, strict=True))
        return " or ".join(pairs)


class Table:
    """Outputs are scores (B, N) for the rows of a table (N, A), or their numbers (B,): the best row is driven."""

    def __init__(self, rows: Floats, names: Sequence[str]) -> None:
        self.rows, self.size = rows, len(names)

    def __call__(self, outputs: NDArray[Any]) -> Floats:
        """See `Actions`."""
        index = outputs.argmax(1) if outputs.ndim == 2 and outputs.shape[1] > 1 else outputs.reshape(-1).astype(np.int64)
        beyond = (index < 0) | (index >= len(self.rows))
        chosen = self.rows[np.where(beyond, 0, index)].copy()
        chosen[beyond] = np.nan  # the session's door tells the player
        return chosen

    def misfit(self, outputs: NDArray[Any]) -> str | None:
        """See `Actions`."""
        if (reason := _not_numbers(outputs)) is not None:
            return reason
        choices, count = outputs.shape[-1] if outputs.ndim == 2 else 1, len(self.rows)
        if choices == 1:
            index = float(outputs.reshape(-1)[0])
            fits = index == int(index) and 0 <= index < count
            return None if fits else f"it chooses action {index:g}, and the table of --actions has the rows 0 to {count - 1}."
        if choices != count:
            rows = number_of(count, "row")
            return f"it chooses one of {choices} actions, and the table of --actions has {rows}: give one for each."
        return None


def _not_numbers(outputs: NDArray[Any]) -> str | None:
    if outputs.dtype.kind not in "fiu" or not outputs.size:
        return "its answer is not numbers."
    bad = int(np.sum(~np.isfinite(outputs)))
    return f"{bad} of the {outputs.size} numbers of its answer are not finite: its weights are damaged." if bad else None
