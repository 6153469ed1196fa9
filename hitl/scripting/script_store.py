"""The store as scripts open it: what they ask for is looked at first, so that a typing mistake is not an empty list."""

from __future__ import annotations

import functools
import inspect
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, ParamSpec, TypeVar

import numpy as np

from data.errors import UsageError
from data.files.validation import OneOf, SettingPlace, known, one
from data.reading.drives import EpisodeSummary
from data.records import OUTCOMES, PURPOSES, SEGMENT_KINDS, VERDICTS, Segment
from data.suggest import did_you_mean
from data.words import numbers_text
from hitl.dates import date_in_utc
from hitl.scripting.store import TakeoverStore

P = ParamSpec("P")
R = TypeVar("R")

ARGUMENT = SettingPlace(error=UsageError, noun="argument", in_python=True)
ONE: dict[str, Any] = {
    "outcome": Annotated[str, OneOf(OUTCOMES)], "kind": Annotated[str, OneOf(SEGMENT_KINDS)], "corner": str, "track": str,
    "tag": str, "session": int, "episode": int, "first": int, "stop": int, "newest": int, "min_seconds": float,
    "max_seconds": float, "from_m": float, "to_m": float, "closed": bool, "imported": bool, "helped": bool,
}  # fmt: skip
"""What an argument is, by its name."""
SEVERAL: dict[str, Any] = {
    "verdict": Annotated[str, OneOf(VERDICTS)], "purpose": Annotated[str, OneOf(PURPOSES)], "ids": int, "numbers": int,
}  # fmt: skip
"""What an argument is made of that may be several."""
DATES = ("since", "until")


def checked(reader: Callable[P, R]) -> Callable[P, R]:
    """Return a reader of the store that raises UsageError for arguments, values, names and ids that do not exist."""
    signature = inspect.signature(reader)
    names = [name for name in signature.parameters if name != "self"]

    @functools.wraps(reader)
    def read(*values: P.args, **named: P.kwargs) -> R:
        for name in named:
            known(name, names, ARGUMENT)
        try:
            bound = signature.bind(*values, **named)
        except TypeError as error:
            raise UsageError(f"`{reader.__name__}` cannot be called like this: {error}.") from None
        asked = {name: value for name, value in bound.arguments.items() if name != "self" and value is not None}
        bound.arguments.update({name: meant(name, value) for name, value in asked.items()})
        found = reader(*bound.args, **bound.kwargs)
        if isinstance(found, list):
            _see_that_it_exists(bound.arguments, reader.__name__, found)
        return found

    return in_sentences(read)


def in_sentences(verb: Callable[P, R]) -> Callable[P, R]:
    """Return a verb of the store that raises StoreError where SQLite refuses."""

    @functools.wraps(verb)
    def said(*values: P.args, **named: P.kwargs) -> R:
        try:
            return verb(*values, **named)
        except sqlite3.DatabaseError as error:
            store: Any = values[0]
            if (sentence := store._in_words(error)) is not None:
                raise sentence from error
            raise

    return said


def meant(name: str, value: Any) -> Any:
    """Return an argument's value as the store takes it. Raises UsageError for one that it cannot have."""
    if name in DATES:
        return date_in_utc(value)
    if name in SEVERAL:
        if isinstance(value, str) and SEVERAL[name] is not int:
            value = [value]
        if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
            raise UsageError(f"{name} must be a list, for example {name}=[{value!r}], not {value!r}.")
        return [_plain(name, SEVERAL[name], part) for part in value]
    if name in ONE and not isinstance(value, EpisodeSummary | Segment):
        return _plain(name, ONE[name], value)
    return value


def _plain(name: str, hint: Any, value: Any) -> Any:
    """Return a value in Python's own type, also where it comes out of an array or is a number in a text."""
    value = value.item() if isinstance(value, np.generic) else value
    return one(hint, name, int(value) if hint is int and isinstance(value, str) and value.isdecimal() else value, ARGUMENT)


def _see_that_it_exists(asked: Mapping[str, Any], reader: str, found: Sequence[Any]) -> None:
    """Raise UsageError where less was found than asked for, and the store does not know a name or an id at all.

    Before anything was driven it knows no name, and that is no mistake; nor is a tag that no segment has.
    """
    store: TakeoverStore = super(ScriptStore, asked["self"])  # type: ignore[assignment]
    if (ids := asked.get("ids")) is not None and len(found) < len(set(ids)):
        there = store.episodes(ids=ids, closed=False) if reader == "episodes" else store.segments(ids=ids)
        _all_of(ids, (each.id for each in there), reader.removesuffix("s"))
    if found:
        return
    sessions = store.sessions()
    if (session := asked.get("session")) is not None:
        _all_of([session], (each.id for each in sessions), "session")
    if (episode := asked.get("episode")) is not None:
        _all_of([episode], (each.id for each in store.episodes(ids=[episode], closed=False)), "episode")
    tracks = {each.track for each in sessions} | {row.track for row in store.known_tracks()}
    if tracks and (track := asked.get("track")) is not None:
        _one_of(track, tracks, "track")
    if tracks and (corner := asked.get("corner")) is not None:
        corners = {name for _, name in store.corners_named()} | {c.name for each in tracks for c in store.corners(each)}
        _one_of(corner, corners, "corner")


def _all_of(ids: Iterable[int], there: Iterable[int], word: str) -> None:
    if missing := sorted(set(ids) - set(there)):
        raise UsageError(f"There is no {word} {numbers_text(missing)} in the store.")


def _one_of(name: str, names: set[str], word: str) -> None:
    if name not in names:
        listed = ", ".join(sorted(names)[:20]) + (", …" if len(names) > 20 else "") or "none"
        raise UsageError(f"There is no {word} '{name}' in the store, which knows {listed}.{did_you_mean(name, names)}")


class ScriptStore(TakeoverStore):
    """All that was driven, in one SQLite file. Use it as a context manager, beside a running session and trainer if you like.

    ``path`` is a home folder or the file itself; what is not there is made, unless ``create`` is False. One thread at a time;
    another thread opens its own. Raises StoreError when it is damaged, newer than this program, or cannot be written; readers
    raise UsageError for arguments, values, names and ids that do not exist.

    ::

        with Store("~/.hitl") as store:
            for takeover in store.takeovers(corner="hairpin", outcome="cleared"):
                drive = store.steps(takeover)
                print(takeover.seconds, drive["speed"].min(), drive["executed", "steer"])
            store.label([takeover.id], verdict="star")
    """

    sessions = checked(TakeoverStore.sessions)
    episodes = checked(TakeoverStore.episodes)
    segments = checked(TakeoverStore.segments)
    steps = checked(TakeoverStore.steps)
    corners = checked(TakeoverStore.corners)
    evaluations = checked(TakeoverStore.evaluations)
    label = in_sentences(TakeoverStore.label)
    undo = in_sentences(TakeoverStore.undo)
    import_from = in_sentences(TakeoverStore.import_from)
    export_to = in_sentences(TakeoverStore.export_to)
