"""What a script gives as an episode in arrays, checked before it is learned from."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError, shown
from data.numbers import all_numbers, no_numbers
from data.records import AGENT, HUMAN, SEGMENT_KINDS
from data.suggest import did_you_mean

BEYOND = 1e-4
"""How far beyond -1 or 1 an action may lie: what float32 makes of numbers that were rounded on their way."""


class EpisodeArraysError(UsageError, ValueError):
    """Arrays that are no episode. A ValueError, too, because that is what other shapes have always raised."""


class GivenEpisode(NamedTuple):
    """An episode of n steps, as the replay takes it in."""

    observation: NDArray[np.float32]
    """(n + 1, O)"""
    executed: NDArray[np.float32]
    """(n, A)"""
    reward: NDArray[np.float32]
    """(n,)"""
    terminated: bool
    driver: NDArray[np.uint8] | None
    """(n,)"""
    proposed: NDArray[np.float32] | None
    """(n, A)"""
    segments: list[tuple[str, int, int]] | None


def checked_episode(
    observations: int,
    actions: int,
    observation: Any,
    executed: Any,
    reward: Any,
    *,
    terminated: Any,
    driver: Any = None,
    proposed: Any = None,
    segments: Any = None,
) -> GivenEpisode:
    """Return what was given, as arrays of the replay's types; the arguments as for ``SymmetricReplay.add_episode``.

    ``observations`` and ``actions``: O and A. Raises EpisodeArraysError for the first thing that is not as it must be.
    """
    paid = _numbers("reward", reward)
    if paid.ndim != 1:
        raise EpisodeArraysError(f"`reward` has shape {paid.shape}, and must be one number for each step: (n,).")
    n = len(paid)
    if not n:
        raise EpisodeArraysError("The episode has no step: leave it out.")
    seen = _shaped("observation", _numbers("observation", observation), (n + 1, observations), n)
    done = _action("executed", executed, (n, actions))
    meant = None if proposed is None else _action("proposed", proposed, (n, actions))
    return GivenEpisode(
        seen, done, paid, _flag(terminated), None if driver is None else _driver(driver, n), meant,
        None if segments is None else _segments(segments, n),
    )  # fmt: skip


def _numbers(name: str, given: Any) -> NDArray[np.float32]:
    """Return what was given as float32, all of it numbers that can be learned from."""
    try:
        with np.errstate(over="ignore"):
            values: NDArray[np.float32] = np.asarray(given, np.float32)
    except (TypeError, ValueError):
        raise EpisodeArraysError(f"`{name}` is not an array of numbers.") from None
    if not all_numbers(values):
        where = tuple(int(k[0]) for k in np.nonzero(np.atleast_1d(no_numbers(values))))
        raise EpisodeArraysError(
            f"`{name}` holds {np.atleast_1d(values)[where]:g} in step {where[0]}, from which nothing can be learned: numbers "
            "must be finite, and of a size that can be measured."
        )
    return values


def _shaped(name: str, values: NDArray[Any], wanted: tuple[int, ...], n: int) -> NDArray[Any]:
    if values.shape != wanted:
        more = " (the one after the last step belongs to them)" if name == "observation" else ""
        raise EpisodeArraysError(f"`{name}` has shape {values.shape}, and must have {wanted} for {n} rewards{more}.")
    return values


def _action(name: str, given: Any, wanted: tuple[int, int]) -> NDArray[np.float32]:
    values = _shaped(name, _numbers(name, given), wanted, wanted[0])
    beyond = np.abs(values) > 1 + BEYOND
    if beyond.any():
        step, k = (int(i[0]) for i in np.nonzero(beyond))
        raise EpisodeArraysError(
            f"`{name}` holds {values[step, k]:g} in step {step}: actions are numbers from -1 to 1. Those of an environment with "
            "another range must be scaled to that first."
        )
    return values


def _flag(given: Any) -> bool:
    """Return whether the episode terminated."""
    value = np.asarray(given)
    if value.shape == () and value.dtype.kind in "biuf" and value in (0, 1):
        return bool(value)
    more = ": of an array with a number for each step, that is the last one" if value.ndim else f", not {shown(given)}"
    raise EpisodeArraysError(f"`terminated` is True or False for the whole episode{more}.")


def _driver(given: Any, n: int) -> NDArray[np.uint8]:
    values = _shaped("driver", np.asarray(given), (n,), n)
    wrong = values[~np.isin(values, (AGENT, HUMAN))]
    if len(wrong):
        raise EpisodeArraysError(f"`driver` is 0 where the agent drove and 1 where the human did, not {shown(wrong[0])}.")
    return values.astype(np.uint8)


def _segments(given: Sequence[Any], n: int) -> list[tuple[str, int, int]]:
    found = []
    for one in given:
        try:
            kind, start, stop = one
            start, stop = operator.index(start), operator.index(stop)
        except (TypeError, ValueError):
            raise EpisodeArraysError(
                f"A segment is (kind, first step, step after the last), for example ('takeover', 0, {n}), not {shown(one)}."
            ) from None
        if kind not in SEGMENT_KINDS:
            raise EpisodeArraysError(
                f"There is no kind of segment '{shown(kind)}': use one of {', '.join(SEGMENT_KINDS)}."
                f"{did_you_mean(str(kind), SEGMENT_KINDS)}"
            )
        if not 0 <= start <= stop <= n:
            raise EpisodeArraysError(
                f"A segment from step {start} to before {stop} does not lie in an episode of {n} steps, which are 0 to {n - 1}."
            )
        found.append((kind, start, stop))
    return found
