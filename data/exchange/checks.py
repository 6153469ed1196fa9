"""What an episode from elsewhere must be before it is written: each field of the kind and size that readers rely on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from data.errors import shown
from data.exchange.portable import Portable
from data.fields import Count, Digest, Name, Names, Text, Time, Whole, check_fields, checked, is_text, is_time, one_of
from data.numbers import all_numbers, no_numbers
from data.reading.episodes import EpisodeData, SegmentData
from data.records import ENDS, PURPOSES, SESSION_KINDS, SessionInfo
from data.schema import STEP_MEASURES


class EpisodeRefusedError(Exception):
    """One episode (or file) cannot be taken; the text says why, the others go on."""


class _Session(Struct):
    """What a session of another person's may be."""

    kind: Annotated[str, one_of(*SESSION_KINDS)]
    env: Name
    track: Name
    hz: Annotated[float, Meta(gt=0, le=1000)]
    observation_names: Names
    action_names: Names
    seed: Whole | None
    driver: Name
    frame_shape: tuple[Annotated[int, Meta(ge=1, le=10_000)], ...] | None
    track_digest: Digest


class _Episode(Struct):
    """What an :class:`EpisodeData` says beside its arrays."""

    purpose: Annotated[str, one_of(*PURPOSES)]
    end: Annotated[str, one_of(*ENDS)]
    reason: Name | None
    seed: Whole | None
    started: Time | None
    ended: Time | None
    first_t: Count
    lap_s: Annotated[float, Meta(gt=0, le=1e6)] | None


class _Checkpoint(Struct):
    """A checkpoint that an episode names."""

    name: Annotated[str, Meta(max_length=200, pattern=r"\A[^/\\\0]*\Z")]
    sha256: Name
    updates: Annotated[int, Meta(ge=0, lt=2**62)]
    env_steps: Annotated[int, Meta(ge=0, lt=2**62)]
    kind: Name
    created: Name


def need(good: bool, why: str) -> None:
    """Raise EpisodeRefusedError unless it is as it must be."""
    if not good:
        raise EpisodeRefusedError(why)


def check(item: Portable) -> None:
    """Refuse what no learner could use, or no reader of the store expects. Raises EpisodeRefusedError."""
    data, info = item.data, item.info
    need(isinstance(data.reward, np.ndarray) and data.reward.ndim == 1, "its rewards are not one number a step")
    need(len(data) > 0, "it has no steps")
    try:
        check_session(info)
        for segment in data.segments:
            check_fields(segment, SegmentData, "segment")
        check_fields(data, _Episode, "episode")
        checked(item.origin, Text, "origin")
        for row in item.checkpoints.values():
            checked(row, _Checkpoint, f"checkpoint '{shown(row.get('name'), 40)}'")
    except ValueError as error:
        raise EpisodeRefusedError(str(error)) from error
    _session(info)
    _arrays(data, info)
    for moment in (data.started, data.ended, *(segment.judged_at for segment in data.segments)):
        need(moment is None or is_time(moment), f"'{shown(moment, 40)}' is not a time")
    for segment in data.segments:
        _segment(segment, data)


def check_session(info: SessionInfo) -> None:
    """Check the fields of a session that comes from elsewhere. Raises ValueError when one is not what it may be."""
    check_fields(info, _Session, "session")


def _session(info: SessionInfo) -> None:
    for what, names in (("observations", info.observation_names), ("actions", info.action_names)):
        need(len(set(names)) == len(names), f"two of its {what} have the same name")
    table = info.reward
    good = isinstance(table, dict) and all(is_text(k) and isinstance(v, int | float | str | None) for k, v in table.items())
    need(good and all(not isinstance(v, float) or math.isfinite(v) for v in table.values()), "invalid reward settings")


def _segment(g: SegmentData, data: EpisodeData) -> None:
    need(data.first_t <= g.start <= g.stop <= data.first_t + len(data), "a segment reaches beyond its episode's steps")
    need(g.stop == g.start or g.trim_start + g.trim_stop < g.stop - g.start, "a segment is trimmed to nothing")


def _arrays(data: EpisodeData, info: SessionInfo) -> None:
    n = len(data)
    for name, array, width in (
        ("observations", data.observation, len(info.observation_names)),
        ("actions", data.executed, len(info.action_names)),
        ("proposed actions", data.proposed, len(info.action_names)),
    ):
        if array is None:
            need(name == "proposed actions", f"it has no {name}")
            continue
        need(np.shape(array) == (n, width), f"its {name} have shape {np.shape(array)} where {(n, width)} was expected")
        _numbers(array, name, info.action_names if "actions" in name else info.observation_names)
    _numbers(data.reward[:, None], "rewards", ("reward",))
    if data.last_observation is not None:
        same = np.shape(data.last_observation) == (len(info.observation_names),)
        need(same, "the observation after its last step has another shape than the others")
        _numbers(data.last_observation[None], "last observation", info.observation_names)
    for name, values in (("driver", data.driver), ("terminated", data.terminated), ("truncated", data.truncated),
                         ("checkpoint", data.checkpoint_id)):  # fmt: skip
        need(values is None or np.shape(values) in ((), (n,)), f"its column '{name}' is not one value a step")
        need(values is None or np.asarray(values).dtype.kind in "biu", f"its column '{name}' does not hold whole numbers")
    need(bool(np.isin(data.driver, (0, 1)).all()), "one of its steps was driven by neither agent nor human")
    for name, values in data.columns.items():
        need(name in STEP_MEASURES and np.shape(values) == (n,), f"its column '{shown(name)}' is not one number a step")
        need(np.asarray(values).dtype.kind in "fiu", f"its column '{name}' holds no numbers")
        known = np.asarray(values)[~np.isnan(values)]  # NaN: not known
        need(all_numbers(known), f"its column '{name}' holds infinite numbers, or numbers beyond any measure")


def _numbers(values: np.ndarray, what: str, names: Sequence[str]) -> None:
    """Refuse (N, K) numbers that cannot be learned from, and say which."""
    values = np.asarray(values)
    need(values.dtype.kind in "fiu", f"its {what} are not numbers")
    if all_numbers(values):
        return
    step, k = (int(i[0]) for i in np.nonzero(no_numbers(values)))
    where = f"{shown(names[k])} is {values[step, k]:g} in step {step}"
    raise EpisodeRefusedError(f"its {what} hold numbers that are not finite, or beyond any measure ({where})")
