"""What a message from a worker must be before it is written: anyone with the password may send nonsense."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

from data.exchange.checks import check_session
from data.fields import Name, SessionId, Time, checked
from data.numbers import all_numbers, is_number, which
from data.recording.operations import AddStep, EndEpisode, Operation, read_operation
from data.records import SessionInfo
from data.schema import STEP_MEASURES
from data.tables.received import Received

NONSENSE = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)
"""What a message that is none may raise where it is read."""
MessageNumber = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Numbered(Struct):
    """What tells a worker's messages apart; the trainer sends these numbers back to every worker, so they must be some."""

    worker: Name
    run: Name
    seq: MessageNumber
    base: MessageNumber


class _State(Struct):
    acks: dict[Any, Any]
    weights: Name | None = None
    trouble: str | None = None
    trainer: str | None = None
    has: dict[Any, Any] | None = None


def read_numbers(message: Any) -> Numbered:
    """Return which message of whom this is. Raises ValueError."""
    given: Numbered = checked({name: message.get(name) for name in Numbered.__annotations__}, Numbered, "message")
    return given


def check_trainers(message: dict[str, Any], worker: str, run: str) -> None:
    """Raise ValueError where a trainer's message is not one that this worker can act on."""
    if message.get("kind") == "weights":
        checked(message.get("name"), Name, "message: name")
    elif message.get("kind") == "state":
        state: _State = checked({name: message.get(name) for name in _State.__annotations__}, _State, "message")
        checked(state.acks.get(run, 0), MessageNumber, "message: acks")
        if (here := (state.has or {}).get(worker)) is None:
            return
        if isinstance(here, dict) and "sessions" in here:
            checked(here["sessions"], MessageNumber, "message: has")
        else:
            Received.read(here)


def read_session(row: Any) -> SessionInfo:
    """Return the session that a message speaks of. Raises ValueError or KeyError."""
    info = SessionInfo.from_json(row)
    checked(row["uuid"], SessionId, "session id")
    checked(row["started"], Time, "session: started")
    check_session(info)
    return info


def read_operations(rows: Any, info: SessionInfo) -> list[Operation]:
    """Return the operations of a message, each whole and with arrays that fit the session. Raises ValueError."""
    if not isinstance(rows, tuple | list):
        raise ValueError("a message without operations")
    operations: list[Operation] = [read_operation(row) for row in rows]
    observation, action = 4 * len(info.observation_names), 4 * len(info.action_names)
    for op in operations:
        if isinstance(op, AddStep):
            if (len(op.observation), len(op.executed), len(op.proposed)) != (observation, action, action):
                raise ValueError("a step's observation or actions have another size than its session's")
        elif isinstance(op, EndEpisode) and op.last_observation is not None and len(op.last_observation) != observation:
            raise ValueError("an episode's last observation has another size than its session's")
    return operations


def drop_unusable(operations: Sequence[Operation], info: SessionInfo) -> tuple[list[Operation], int, dict[str, int]]:
    """Return the operations without what cannot be learned from, how many steps that concerned, and how many by number's name.

    A step that holds such a number is left out, as if it had not been driven; an episode's last observation becomes unknown, and
    so does a place, a speed or a risk (those operations are changed in place). The rule is ``data.numbers``.
    """
    kept: list[Operation] = []
    steps, names = 0, Counter[str]()
    for op in operations:
        if isinstance(op, AddStep):
            if bad := _unusable(op, info):
                steps += 1
                names.update(bad)
                continue
            _forget_unusable(op, STEP_MEASURES)
        elif isinstance(op, EndEpisode):
            seen = None if op.last_observation is None else np.frombuffer(op.last_observation, "<f4")
            if seen is not None and not all_numbers(seen):
                steps += 1
                names.update(list(which(info.observation_names, seen)))
                op.last_observation = None
            _forget_unusable(op, ("total", "max_progress"))
        kept.append(op)
    return kept, steps, dict(names)


def _unusable(op: AddStep, info: SessionInfo) -> list[str]:
    """Return the names of the numbers of a step that cannot be learned from."""
    found = [] if is_number(op.reward) else ["the reward"]
    for raw, kind, names in ((op.observation, "", info.observation_names), (op.executed, "the action ", info.action_names),
                             (op.proposed, "the proposed ", info.action_names)):  # fmt: skip
        values = np.frombuffer(raw, "<f4")
        if not all_numbers(values):
            found += [kind + name for name in which(names, values)]
    return found


def _forget_unusable(op: Operation, fields: Sequence[str]) -> None:
    for name in fields:
        value = getattr(op, name)
        if value is not None and not is_number(value):
            setattr(op, name, None)
