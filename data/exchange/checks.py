"""What an episode from elsewhere must be before it is written: each field of the kind and size that readers rely on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from data.errors import shown
from data.exchange.portable import Portable
from data.numbers import all_numbers, no_numbers
from data.reading.episodes import FLOATS, EpisodeData, SegmentData
from data.records import OUTCOMES, PURPOSES, VERDICTS, SessionInfo

MOST_TEXT = 4000  # characters
ENDS = ("terminated", "truncated", "interrupted")
KINDS = ("takeover", "lap")


class EpisodeRefusedError(Exception):
    """One episode (or file) cannot be taken; the text says why, the others go on."""


def need(good: bool, why: str) -> None:
    """Raise EpisodeRefusedError unless it is as it must be."""
    if not good:
        raise EpisodeRefusedError(why)


def check(item: Portable) -> None:
    """Refuse what no learner could use, or no reader of the store expects. Raises EpisodeRefusedError."""
    data, info = item.data, item.info
    need(isinstance(data.reward, np.ndarray) and data.reward.ndim == 1, "its rewards are not one number a step")
    need(len(data) > 0, "it has no steps")
    _session(info)
    _arrays(data, info)
    _words(data)
    need(_text(item.origin), "its origin is no text")
    need(_whole(data.first_t) and 0 <= data.first_t < 2**31 - len(data), "its first step has no place in an episode")
    for segment in data.segments:
        _segment(segment, data)
    _checkpoints(item)


def _text(value: Any, most: int = MOST_TEXT) -> bool:
    """Whether it is a text that SQLite and a screen can take."""
    if not isinstance(value, str) or len(value) > most:
        return False
    return "\x00" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def _whole(value: Any, low: int = -(2**63), high: int = 2**63 - 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _moment(value: Any) -> bool:
    if not _text(value, 40):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _session(info: SessionInfo) -> None:
    for name in ("kind", "env", "track", "driver", "track_digest"):
        need(_text(getattr(info, name), 200), f"its session's {name} is no short text")
    for what, names in (("observations", info.observation_names), ("actions", info.action_names)):
        good = isinstance(names, tuple) and 0 < len(names) <= 100_000 and all(_text(n, 200) for n in names)
        need(good, f"its {what} have no names")
        need(len(set(names)) == len(names), f"two of its {what} have the same name")
    good = isinstance(info.hz, int | float) and not isinstance(info.hz, bool) and 0 < info.hz <= 1000
    need(good, f"its control rate of {shown(info.hz)} steps per second makes no sense")
    table = info.reward
    good = isinstance(table, dict) and all(_text(k, 200) and isinstance(v, int | float | str | None) for k, v in table.items())
    need(good and all(not isinstance(v, float) or math.isfinite(v) for v in table.values()), "its reward settings are no numbers")
    need(info.seed is None or _whole(info.seed), "its seed is no whole number")
    shape = info.frame_shape
    need(shape is None or (isinstance(shape, tuple) and all(_whole(n, 1, 10_000) for n in shape)), "its frames have no shape")


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
        need(values is None or np.asarray(values).dtype.kind in "biu", f"its column '{name}' holds no whole numbers")
    need(bool(np.isin(data.driver, (0, 1)).all()), "a step of it was driven by neither agent nor human")
    for name, values in data.columns.items():
        need(name in FLOATS and np.shape(values) == (n,), f"its column '{shown(name)}' is not one number a step")
        need(np.asarray(values).dtype.kind in "fiu", f"its column '{name}' holds no numbers")
        known = np.asarray(values)[~np.isnan(values)]  # NaN: not known
        need(all_numbers(known), f"its column '{name}' holds infinite numbers, or numbers beyond any measure")


def _numbers(values: np.ndarray, what: str, names: Sequence[str]) -> None:
    """Refuse (N, K) numbers that cannot be learned from, and say which."""
    values = np.asarray(values)
    need(values.dtype.kind in "fiu", f"its {what} are no numbers")
    if all_numbers(values):
        return
    step, k = (int(i[0]) for i in np.nonzero(no_numbers(values)))
    where = f"{shown(names[k])} is {values[step, k]:g} in step {step}"
    raise EpisodeRefusedError(f"its {what} hold numbers that are not finite, or beyond any measure ({where})")


def _words(data: EpisodeData) -> None:
    need(data.purpose in PURPOSES, f"its purpose is none that is known ('{shown(data.purpose)}')")
    need(data.end in ENDS, f"its end is none that is known ('{shown(data.end)}')")
    need(data.reason is None or _text(data.reason, 200), "the reason of its end is no short text")
    need(data.seed is None or _whole(data.seed), "its seed is no whole number")
    for name in ("started", "ended"):
        value = getattr(data, name)
        need(value is None or _moment(value), f"the time it {name} at is none")


def _segment(g: SegmentData, data: EpisodeData) -> None:
    numbers = (g.start, g.stop, g.trim_start, g.trim_stop)
    need(all(_whole(v) for v in numbers), "a segment of it is counted in something else than steps")
    inside = data.first_t <= g.start <= g.stop <= data.first_t + len(data)
    need(inside, "a segment of it reaches beyond its steps")
    trims = min(g.trim_start, g.trim_stop) >= 0 and (g.stop == g.start or g.trim_start + g.trim_stop < g.stop - g.start)
    need(trims, "a segment of it is trimmed to nothing")
    known = g.kind in KINDS and g.verdict in VERDICTS and g.outcome in OUTCOMES
    need(known, "a segment of it is of a kind, verdict or outcome that is not known")
    good = isinstance(g.priority, int | float) and not isinstance(g.priority, bool) and 0 <= g.priority <= 1e6
    need(good and isinstance(g.interrupted, bool | int), "a segment of it has a priority that is none")
    texts = (g.trigger, g.note, *g.tags, *(t for t in (g.corner, g.judged_by) if t is not None))
    need(all(_text(t) for t in texts) and len(g.tags) <= 1000, "a segment of it has notes or tags that are no texts")
    need(g.judged_at is None or _moment(g.judged_at), "a segment of it was judged at a time that is none")


def _checkpoints(item: Portable) -> None:
    for key, row in item.checkpoints.items():
        texts = all(_text(row.get(name), 200) for name in ("name", "sha256", "kind", "created"))
        counts = all(_whole(row.get(name), 0) for name in ("updates", "env_steps"))
        plain = texts and not {"/", "\\"} & set(row["name"])
        need(_whole(key) and plain and counts, "a checkpoint that it names is described by halves")
