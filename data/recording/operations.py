"""What a recorder does to the store, as plain operations with named fields.

The same operations travel through the recorder's queue, between machines and, when the store cannot be written, through a spill
file; there each is an array that begins with its name: ``["outcome", 3, "cleared"]``. They name episodes and segments by their
number within the session, not by row, and each may be applied twice without harm (``data.recording.applier``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, get_args

from msgspec import Struct
from msgspec.structs import astuple

from data.fields import Count, Flag, Number, Priority, Time, checked, one_of
from data.records import ENDS, OUTCOMES, PURPOSES, SEGMENT_KINDS
from data.schema import STEP_COLUMNS


class _Operation(Struct, array_like=True, forbid_unknown_fields=True):
    """Nothing is checked when one is made here; :func:`read_operation` checks what comes from elsewhere."""


class BeginEpisode(_Operation, tag="episode"):
    """An episode begins."""

    number: Count
    purpose: Annotated[str, one_of(*PURPOSES)]
    seed: int | None
    checkpoint_id: int | None
    started: Time


class AddStep(_Operation, tag="step"):
    """The fields after ``episode`` are those of ``STEP_COLUMNS``."""

    episode: Count
    t: Count
    driver: Flag
    reward: Number
    terminated: Flag
    truncated: Flag
    progress: Number | None
    x: Number | None
    y: Number | None
    z: Number | None
    heading: Number | None
    speed: Number | None
    risk: Number | None
    checkpoint_id: int | None
    observation: bytes
    executed: bytes
    proposed: bytes


class BeginSegment(_Operation, tag="segment"):
    """A segment begins with step ``start``. Told again with a corner while it runs, it belongs to that one from then on."""

    number: Count
    episode: Count
    kind: Annotated[str, one_of(*SEGMENT_KINDS)]
    start: Count
    trigger: str
    corner: str | None
    priority: Priority
    started: Time


class EndSegment(_Operation, tag="stop"):
    """A segment ends before step ``stop``."""

    number: Count
    stop: Count
    outcome: Annotated[str, one_of(*OUTCOMES)]
    interrupted: bool | int


class SetOutcome(_Operation, tag="outcome"):
    """A takeover's outcome is known."""

    number: Count
    outcome: Annotated[str, one_of(*OUTCOMES)]


class EndEpisode(_Operation, tag="end"):
    """An episode ends."""

    number: Count
    end: Annotated[str, one_of(*ENDS)]
    reason: str | None
    last_observation: bytes | None
    length: Count
    total: Number | None
    """The sum of its rewards."""
    max_progress: Number | None
    ended: str | None


class AddEvent(_Operation, tag="event"):
    """Something happened, for the player's log."""

    at: str
    level: str
    kind: str
    message: str
    data: str | None


class EndSession(_Operation, tag="close"):
    """The session ends."""

    status: Annotated[str, one_of("ended", "interrupted")]
    ended: str | None


class Judge(_Operation, tag="judge"):
    """A review by the player, here or on another machine; of each field the later one stands."""

    number: Any
    state: Any
    """Verdict, priority, trims, tags, note, and when each was set: checked by ``data.tables.judgements``, where the segment is
    known."""
    at: Any


class Unknown(_Operation):
    """One of a newer version, or that cannot be read: left out when it is applied, and named."""

    name: str


Operation = (
    BeginEpisode | AddStep | BeginSegment | EndSegment | SetOutcome | EndEpisode | AddEvent | EndSession | Judge | Unknown
)
_BY_NAME: dict[Any, type[_Operation]] = {k.__struct_config__.tag: k for k in get_args(Operation) if k is not Unknown}
assert AddStep.__struct_fields__[1:] == STEP_COLUMNS[1:]


def as_row(operation: Operation) -> tuple[Any, ...]:
    """Return it as it is written: its name, then its fields."""
    fields = astuple(operation)
    return fields if isinstance(operation, Unknown) else (operation.__struct_config__.tag, *fields)


def from_row(row: Sequence[Any]) -> Any:
    """Make an operation of a row that a recorder of ours wrote. Raises TypeError when it has another number of fields."""
    kind = _BY_NAME.get(row[0])
    return kind(*row[1:]) if kind else Unknown(str(row[0]))


def read_operation(row: Any) -> Any:
    """Make an operation of a row from elsewhere. Raises ValueError when a field is missing, of another kind or out of range."""
    if not isinstance(row, tuple | list) or not row or not isinstance(row[0], str):
        raise ValueError("a message holds something that is not an operation")
    kind = _BY_NAME.get(row[0])
    if kind is None:
        return Unknown(row[0][:20])
    return checked(row, kind, f"operation '{row[0]}'")
