"""The form of what goes through the server: tmrl's own envelopes around our plain values, read without running anything.

tlspyo, which tmrl's Server, Trainer and RolloutWorker speak, writes pickles. So that ours and tmrl's programs can meet at one
server, the envelopes here are pickles too: of plain values, and read by the store's own reader of such pickles, which can call
nothing. Inside lies one of three things: our own message in the form of :mod:`hitl.remote.codec`; the buffer of samples that a
tmrl RolloutWorker sends, for which a :class:`data.exchange.unpickle.Holder` stands; or bytes, which tmrl's workers take for
weights.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

from data.exchange.unpickle import Holder, loads_restricted
from hitl.remote.codec import decode, encode

BUFFER = "tmrl.networking Buffer"
_PICKLE = b"\x80"


@dataclass(frozen=True)
class Unreadable:
    """Stands for a message that holds what is not read here."""

    why: str


@dataclass(frozen=True)
class WorkerGreeting:
    """A worker's first message, sent before it knows who listens: for tmrl's own Trainer it is an empty buffer of samples."""

    worker: str
    name: str


def pack(value: Any) -> bytes:
    """Return a message, an envelope or bytes in the form in which it travels."""
    if isinstance(value, dict):
        return encode(value)
    if isinstance(value, WorkerGreeting):
        return _empty_buffer({"worker": value.worker, "name": value.name})
    return pickle.dumps(value, protocol=4)


def unpack(raw: Any) -> Any:
    """Return what :func:`pack`, or a tmrl program, has written. Never raises: what cannot be read is :class:`Unreadable`."""
    if not isinstance(raw, bytes):  # in an envelope, there may be anything
        return Unreadable("a message that is not in the form of one")
    try:
        if raw[:1] != _PICKLE:
            return decode(raw)
        value = loads_restricted(raw, (BUFFER,))
    except ValueError as error:
        return Unreadable(str(error))
    if isinstance(value, Holder) and isinstance(said := value.state.get("hitl"), dict):
        return WorkerGreeting(str(said.get("worker")), str(said.get("name")))
    return value


def _empty_buffer(said: dict[str, str]) -> bytes:
    """Return the pickle of an empty ``tmrl.networking.Buffer`` that carries a greeting to us; tmrl need not be installed."""
    state = {
        "memory": [], "stat_train_return": 0.0, "stat_test_return": 0.0, "stat_train_steps": 0, "stat_test_steps": 0,
        "maxlen": 1, "hitl": said,
    }  # fmt: skip
    inside = pickle.dumps(state, protocol=2)[2:-1]  # without its beginning and end: protocol 2 has no frames
    return b"\x80\x04c" + BUFFER.replace(" ", "\n").encode() + b"\n)\x81" + inside + b"b."
