"""What a message from a worker must be before it is written: whoever has the password may still send nonsense."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from data.numbers import all_numbers, is_number, which
from data.recording.operations import CLOSE, END, EPISODE, EVENT, OUTCOME, SEGMENT, STEP, STOP, Op
from data.records import OUTCOMES, PURPOSES, SESSION_KINDS, SessionInfo

_LENGTHS = {EPISODE: 6, STEP: 18, SEGMENT: 9, STOP: 5, OUTCOME: 3, END: 9, EVENT: 6, CLOSE: 3}
_NUMBERED = (EPISODE, STEP, SEGMENT, STOP, OUTCOME, END)


def _need(good: bool, what: str) -> None:
    if not good:
        raise ValueError(what)


def _count(value: Any, most: int = 2**31) -> bool:
    return type(value) is int and 0 <= value < most


def _text(value: Any, most: int = 4000) -> bool:
    return isinstance(value, str) and len(value) <= most and "\x00" not in value


def session_of(row: Any) -> SessionInfo:
    """Return the session that a message speaks of. Raises ValueError, KeyError or TypeError for one that is none."""
    names = tuple(json.loads(row["observation_names"])), tuple(json.loads(row["action_names"]))
    for listed in names:
        _need(0 < len(listed) <= 1_000_000 and all(_text(n, 200) for n in listed), "a session whose numbers have no names")
    for key in ("uuid", "kind", "env", "track", "started"):
        _need(_text(row[key], 200), f"a session whose {key} is no text")
    _need(row["kind"] in SESSION_KINDS, "a session of an unknown kind")
    _need(row["uuid"].replace("-", "").isalnum() and row["uuid"].isascii(), "a session whose uuid is none")
    digest = row.get("track_digest", "")  # an older worker knows its track by the name alone
    _need(_text(digest, 64) and not digest.strip("0123456789abcdef"), "a session whose track is known by no digest")
    hz = row["hz"]
    _need(type(hz) in (int, float) and 0 < hz <= 1000, "a session at an impossible rate")
    reward = json.loads(row["reward"] or "{}")
    frame = json.loads(row["frame_shape"]) if row["frame_shape"] else None
    _need(isinstance(reward, dict) and (frame is None or isinstance(frame, list)), "a session whose settings are no table")
    _need(row["seed"] is None or _count(row["seed"], 2**63), "a session whose seed is no count")
    _need(row["driver"] is None or _text(row["driver"], 200), "a session driven by nobody")
    return SessionInfo(
        kind=row["kind"],
        env=row["env"],
        track=row["track"],
        hz=float(hz),
        observation_names=names[0],
        action_names=names[1],
        reward=reward,
        seed=row["seed"],
        driver=row["driver"] or "",
        track_digest=digest,
        frame_shape=tuple(frame) if frame else None,
    )


def check_ops(ops: Any, info: SessionInfo) -> None:
    """See that every operation is whole and that its arrays fit the session. Raises ValueError."""
    _need(isinstance(ops, tuple | list), "a message without operations")
    for op in ops:
        _need(isinstance(op, tuple | list) and len(op) > 0 and isinstance(op[0], str), "an operation that is none")
        _need(len(op) == _LENGTHS.get(op[0], len(op)), f"half an operation ({op[0][:20]})")
        if op[0] in _NUMBERED:
            _need(_count(op[1]), f"an operation on number {str(op[1])[:20]}")
        if op[0] == STEP:
            _step(op, info)
        elif op[0] == EPISODE:
            _need(op[2] in PURPOSES and _text(op[5], 40), "an episode of no purpose")
        elif op[0] == SEGMENT:
            _need(_count(op[2]) and _count(op[4]) and op[3] in ("takeover", "lap") and _text(op[8], 40), "a segment of no kind")
            _need(type(op[7]) in (int, float) and 0 <= op[7] <= 1e6, "a segment of no priority")
        elif op[0] == STOP:
            _need(_count(op[2]) and op[3] in OUTCOMES, "a segment with no outcome")
        elif op[0] == OUTCOME:
            _need(op[2] in OUTCOMES, "a segment with no outcome")
        elif op[0] == END:
            _need(op[2] in ("terminated", "truncated", "interrupted") and _count(op[5]), "an episode with no end")
            _need(op[4] is None or _array(op[4], len(info.observation_names)), "an episode with an end that does not fit")
            _need(all(v is None or type(v) in (int, float) for v in op[6:8]), "an episode whose return is no number")
        elif op[0] == CLOSE:
            _need(op[1] in ("ended", "interrupted"), "a session with no end")


def usable(ops: Sequence[Op], info: SessionInfo) -> tuple[list[Op], int, dict[str, int]]:
    """Return the operations without what cannot be learned from, how many steps that concerned, and how many by number's name.

    ``ops`` fit the session. A step that holds such a number is left out, as if it had not been driven; an observation behind an
    episode's end becomes unknown, and so does a place, a speed or a risk. The rule is that of every door (``data.numbers``).
    """
    kept: list[Op] = []
    steps, names = 0, Counter[str]()
    for op in ops:
        if op[0] == STEP:
            if bad := _unusable(op, info):
                steps += 1
                names.update(bad)
                continue
            op = (*op[:7], *map(_known, op[7:14]), *op[14:])
        elif op[0] == END:
            seen = None if op[4] is None else np.frombuffer(op[4], "<f4")
            if seen is not None and not all_numbers(seen):
                steps += 1
                names.update(list(which(info.observation_names, seen)))
                op = (*op[:4], None, *op[5:])
            op = (*op[:6], *map(_known, op[6:8]), *op[8:])
        kept.append(op)
    return kept, steps, dict(names)


def _unusable(op: Op, info: SessionInfo) -> list[str]:
    """Return the names of the numbers of a step that cannot be learned from."""
    found = [] if is_number(op[4]) else ["the reward"]
    for raw, kind, names in ((op[15], "", info.observation_names), (op[16], "the action ", info.action_names),
                             (op[17], "the proposed ", info.action_names)):  # fmt: skip
        values = np.frombuffer(raw, "<f4")
        if not all_numbers(values):
            found += [kind + name for name in which(names, values)]
    return found


def _known(value: float | None) -> float | None:
    return value if value is None or is_number(value) else None


def _array(raw: Any, size: int) -> bool:
    return isinstance(raw, bytes) and len(raw) == 4 * size


def _step(op: tuple[Any, ...], info: SessionInfo) -> None:
    actions = len(info.action_names)
    _need(_count(op[2]) and op[3] in (0, 1) and op[5] in (0, 1) and op[6] in (0, 1), "a step with no place or no driver")
    _need(type(op[4]) in (int, float), "a step with a reward that is no number")
    _need(all(v is None or type(v) in (int, float) for v in op[7:14]), "a step whose place is no number")
    _need(_array(op[15], len(info.observation_names)), "a step whose observation does not fit its session")
    _need(_array(op[16], actions) and _array(op[17], actions), "a step whose actions do not fit its session")
