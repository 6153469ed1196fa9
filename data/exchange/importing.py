"""Writing episodes that come from elsewhere into a store: one import session for each kind of layout, nothing twice."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable

from data.connect import bulk_writing
from data.errors import shown
from data.exchange.checks import EpisodeRefusedError, check
from data.exchange.merge import Summary
from data.exchange.portable import Portable, adopt_checkpoints, digest
from data.reading.episodes import EpisodeWriter
from data.records import SessionInfo
from data.store import Store
from data.tables.tracks import plain, settle

__all__ = ["EpisodeRefusedError", "check", "write"]


def write(
    store: Store,
    items: Iterable[tuple[str, Portable | EpisodeRefusedError]],
    source: str,
    on_done: Callable[[str, str | None], None] | None = None,
) -> Summary:
    """Write (name, episode) pairs; a refused one is noted with its reason and the rest go on.

    ``source``: what the sessions' ``source`` column says (no path). ``on_done`` is called with the name and the reason of
    refusal, if any, after the episode was committed.
    """
    with bulk_writing(store.conn, checked=False):  # the checkpoints that an episode names get rows of their own before it
        return _write(store, items, source, on_done)


def _write(
    store: Store,
    items: Iterable[tuple[str, Portable | EpisodeRefusedError]],
    source: str,
    on_done: Callable[[str, str | None], None] | None,
) -> Summary:
    summary = Summary()
    sessions: dict[str, int] = {}
    before: SessionInfo | None = None
    session = 0
    writers: dict[int, EpisodeWriter] = {}
    waiting: list[str] = []
    names: set[str] = set()  # of tracks

    def commit() -> None:
        if store.conn.in_transaction:
            store.conn.execute("COMMIT")
        for name in waiting:
            if on_done:
                on_done(name, None)
        waiting.clear()

    try:
        for name, item in items:
            try:
                if isinstance(item, EpisodeRefusedError):
                    raise item
                check(item)
            except (EpisodeRefusedError, TypeError, ValueError, OverflowError, AttributeError, KeyError) as error:
                # Whatever else a foreign episode is made of: it is refused, and the others go on.
                known = isinstance(error, EpisodeRefusedError)
                reason = shown(error, 300) if known else f"it is malformed ({shown(error, 120)})"
                summary.refused.append((shown(name), reason))
                if on_done:
                    on_done(name, reason)
                continue
            if item.info is not before:  # most are of one kind, and to compare two takes a while
                session, before = _session(store, sessions, item, source), item.info
            names.add(plain(item.info.track))
            writer = writers.setdefault(session, EpisodeWriter(store.conn, session, commit_steps=2**62))
            if not store.conn.in_transaction:
                store.conn.execute("BEGIN IMMEDIATE")
            item.data.origin = _origin(store, item)
            adopt_checkpoints(store.conn, item)
            waiting.append(name)
            if writer.add(item.data) is None:
                summary.present += 1
                continue
            summary.episodes += 1
            summary.steps += len(item.data)
            summary.seconds += len(item.data) / item.info.hz
            summary.segments += len(item.data.segments)
            if summary.steps % 100_000 < len(item.data):
                commit()
        if store.conn.in_transaction:
            store.conn.execute("COMMIT")
        for name in names:
            settle(store.conn, name)
        commit()  # tells that they are in: what calls may then do away with the files
    except BaseException:
        if store.conn.in_transaction:
            store.conn.execute("ROLLBACK")
        raise
    finally:
        for session in sessions.values():
            store.end_session(session)
    return summary


def _origin(store: Store, item: Portable) -> str:
    """Return what the episode is known by. The same drive with other observations is another one: both may be wanted."""
    row = store.conn.execute(
        "SELECT s.observation_names FROM episodes e JOIN sessions s ON s.id = e.session_id WHERE e.origin = ?", (item.origin,)
    ).fetchone()
    if row is None or tuple(json.loads(row[0])) == item.info.observation_names:
        return item.origin
    return f"{item.origin}#{digest(json.dumps(item.info.observation_names).encode())[:12]}"


def _session(store: Store, sessions: dict[str, int], item: Portable, source: str) -> int:
    """Return the import session for the episode's layout, made when the first such episode comes."""
    info = dataclasses.replace(item.info, kind="import")
    key = json.dumps(dataclasses.asdict(info), sort_keys=True, default=str)
    if key not in sessions:
        if store.conn.in_transaction:
            store.conn.execute("COMMIT")
        sessions[key] = store.start_session(info, source=source)
    return sessions[key]
