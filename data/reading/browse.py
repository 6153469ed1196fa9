"""The store in Datasette (an extra): read-only, with the questions a player would ask ready to click."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import socket
import sqlite3
import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from data.connect import connect
from data.errors import UsageError
from data.extras import install
from data.numbers import FARTHEST

QUERIES: dict[str, dict[str, str]] = {
    "takeovers_by_corner_and_week": {
        "title": "Takeovers by corner and week",
        "sql": """
            SELECT track, coalesce(corner, '(elsewhere)') AS corner, strftime('%Y, week %W', started) AS week,
                   count(*) AS takeovers, round(sum(seconds), 1) AS seconds,
                   sum(outcome = 'cleared') AS cleared, sum(outcome = 'failed') AS failed,
                   sum(verdict IN ('good', 'star')) AS good, sum(verdict = 'bad') AS bad
            FROM takeovers GROUP BY 1, 2, 3 ORDER BY week DESC, takeovers DESC
        """,
    },
    "passes_before_and_after": {
        "title": "Corner passes without help, before the first and after the last takeover there",
        "sql": f"""
            WITH help AS (SELECT track, corner, min(started) AS first, max(started) AS last, count(*) AS takeovers,
                                 sum(seconds) AS seconds FROM takeovers WHERE corner IS NOT NULL GROUP BY 1, 2),
                 tries AS (SELECT s.track, e.started, {FARTHEST} AS max_progress FROM episodes e
                           JOIN sessions s ON s.id = e.session_id
                           WHERE e.purpose = 'evaluation' AND e."end" IN ('terminated', 'truncated'))
            SELECT c.track, c.name AS corner, coalesce(h.takeovers, 0) AS takeovers, round(coalesce(h.seconds, 0), 1) AS
            seconds_of_help, sum(t.started < coalesce(h.first, '9')) AS tries_before,
                   sum(t.started < coalesce(h.first, '9') AND t.max_progress >= c.to_m) AS passes_before,
                   sum(t.started > coalesce(h.last, '9')) AS tries_after,
                   sum(t.started > coalesce(h.last, '9') AND t.max_progress >= c.to_m) AS passes_after
            FROM corners c LEFT JOIN help h ON h.track = c.track AND h.corner = c.name LEFT JOIN tries t ON t.track = c.track
            GROUP BY c.track, c.name ORDER BY c.track, c.from_m
        """,
    },
    "seconds_of_help_by_day": {
        "title": "Seconds of help by day",
        "sql": """
            SELECT date(started) AS day, count(*) AS takeovers, round(sum(seconds), 1) AS seconds,
                   round(avg(seconds), 1) AS seconds_each, sum(outcome = 'cleared') AS cleared
            FROM takeovers GROUP BY 1 ORDER BY 1 DESC
        """,
    },
    "not_reviewed_yet": {
        "title": "Takeovers without a verdict, longest first",
        "sql": "SELECT id, started, track, corner, seconds, outcome, \"trigger\" FROM takeovers WHERE verdict = 'unreviewed' "
        "ORDER BY seconds DESC",
    },
    "where_drives_end": {
        "title": "Where drives end (ten-metre stretches)",
        "sql": """
            SELECT track, cast(farthest_m / 10 AS integer) * 10 AS from_m, reason, count(*) AS drives FROM drives
            WHERE farthest_m IS NOT NULL AND "end" = 'terminated' GROUP BY 1, 2, 3 ORDER BY drives DESC
        """,
    },
    "evaluations": {
        "title": "Drives without help, by checkpoint",
        "sql": """
            SELECT coalesce(checkpoint, '(none)') AS checkpoint, track, count(*) AS drives, round(avg("return"), 2) AS
            mean_return, round(max(farthest_m), 1) AS farthest_m, sum(reason = 'finish') AS finished, max(started) AS last
            FROM drives WHERE purpose = 'evaluation' GROUP BY 1, 2 ORDER BY last DESC
        """,
    },
    "steps_of_a_takeover": {
        "title": "The steps of one takeover, actions as numbers (say its id)",
        "sql": """
            SELECT p.t, CASE p.driver WHEN 1 THEN 'human' ELSE 'agent' END AS driver, round(p.progress, 1) AS progress_m,
                   round(p.speed * 3.6, 1) AS km_h, round(p.reward, 3) AS reward, numbers(p.executed) AS executed,
                   numbers(p.proposed) AS proposed
            FROM segments g JOIN steps p ON p.episode_id = g.episode_id AND p.t >= g.start AND p.t < g.stop
            WHERE g.id = :id ORDER BY p.t
        """,
    },
}

COLUMNS: dict[str, dict[str, str]] = {
    "takeovers": {
        "seconds": "Length after trimming", "outcome": "Whether the human cleared the corner",
        "verdict": "Judged by you: unreviewed, good, bad, star", "trigger": "What began it: stick, button, zone, asked, scripted",
    },
    "drives": {"farthest_m": "How far along the line it came, in metres", "seconds_of_takeover": "Driven by the human"},
    "steps": {
        "driver": "0 agent, 1 human", "t": "Step of the episode, from 0", "progress": "Metres along the line",
        "x": "Metres", "y": "Metres", "z": "Metres", "heading": "Radians", "speed": "Metres per second",
        "risk": "How likely a crash seemed, 0 to 1", "executed": "What the game received",
        "proposed": "What the agent would have done",
    },
    "segments": {"start": "First step", "stop": "Step after the last", "trim_start": "Steps left out at the start",
                 "trim_stop": "Steps left out at the end"},
}  # fmt: skip


def numbers(blob: bytes | None) -> str | None:
    """Return an array of the store as text."""
    if blob is None:
        return None
    return json.dumps([round(v, 3) for v in struct.unpack(f"<{len(blob) // 4}f", blob[: len(blob) // 4 * 4])])


def metadata(database: str) -> dict[str, Any]:
    """Return what Datasette shows beside the tables of that database."""
    return {
        "title": "Human-in-the-loop takeovers",
        "databases": {
            database: {
                "description": "Every step and every takeover. Start with the queries, or with the views takeovers and drives.",
                "queries": {name: {"title": q["title"], "sql": q["sql"].strip()} for name, q in QUERIES.items()},
                "tables": {name: {"columns": columns} for name, columns in COLUMNS.items()},
            }
        },
    }


LONGEST = 16 * 2**20
"""Bytes of one value: SQL that makes longer ones would take the memory of this machine."""
MOST = 128 * 2**20
"""Bytes of one answer; a thousand rows with pictures are about that."""
_TELLING = ("database_list",)  # what SQLite tells of itself that is a path; as `pragma_database_list` it is a table


def _allowed(action: int, name: str | None, *_more: str | None) -> int:
    """Tell SQLite whether a statement may do something."""
    telling = action == sqlite3.SQLITE_PRAGMA and (name or "").lower() in _TELLING
    return sqlite3.SQLITE_DENY if telling else sqlite3.SQLITE_OK


class _Bounded(sqlite3.Cursor):
    """Gives an answer that fits into memory, or none."""

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        return self._fitting(itertools.islice(self, self.arraysize if size is None else size))

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        return self._fitting(self)

    def _fitting(self, rows: Iterable[Any]) -> list[Any]:
        taken, size = [], 0
        for row in rows:
            size += sum(len(value) for value in row if isinstance(value, str | bytes))
            if size > MOST:
                raise sqlite3.OperationalError(f"the answer is larger than {MOST >> 20} MiB: ask for fewer rows or columns")
            taken.append(row)
        return taken


Route = tuple[str, Callable[..., Awaitable[Any]]]
"""A pattern that a page's path meets, and what answers: it takes Datasette's ``request`` and returns one of its responses."""


def application(path: Path, routes: Sequence[Route] = ()) -> Any:
    """Return the ASGI application that serves the store, with pages of our own at ``routes``, which come before Datasette's.

    Raises UsageError when Datasette is not installed.
    """
    try:
        from datasette import hookimpl
        from datasette.app import Datasette
        from datasette.database import Database
        from datasette.plugins import pm
    except ImportError as error:
        raise UsageError(f"Datasette is not installed: {install('browse')} brings it.") from error

    # With rich at hand, every refused statement would be told in the terminal with all local variables, for seconds.
    vars(importlib.import_module("datasette.handle_exception"))["rich"] = None

    class Plugin:
        """Gives Datasette's connections the function ``numbers``, and Datasette our pages."""

        @staticmethod
        @hookimpl
        def prepare_connection(conn: Any) -> None:
            conn.create_function("numbers", 1, numbers, deterministic=True)

        @staticmethod
        @hookimpl
        def register_routes(datasette: Any) -> Sequence[Route]:
            return getattr(datasette, "routes_of_hitl", ())  # plugins are the process's; the pages are this application's

    if not pm.has_plugin("hitl"):
        pm.register(Plugin, "hitl")

    class Ours(Database):
        """The store. Datasette would put its path into an address as it is, where ``#``, ``?`` and ``%`` mean something."""

        def connect(self, write: bool = False) -> sqlite3.Connection:
            """Open it for reading: a file that is not there is not made."""
            conn = connect(path, read_only=True)
            conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
            conn.set_authorizer(_allowed)
            vars(conn)["cursor"] = partial(sqlite3.Connection.cursor, conn, _Bounded)
            self._all_file_connections.append(conn)
            return conn

        async def execute(self, *given: Any, **more: Any) -> Any:
            """Answer a statement; why it is refused is told on the page, and not in the terminal as well."""
            return await super().execute(*given, **more | {"log_sql_errors": False})

        async def attached_databases(self) -> list[Any]:
            """Return none: the store is alone, and the list of databases, which has its path, is told nobody."""
            return []

    settings = {"sql_time_limit_ms": 10_000, "num_sql_threads": 2, "allow_download": False, "default_page_size": 50}
    served = Datasette([], metadata=metadata(path.stem), settings=settings, cors=False)
    served.add_database(Ours(served, path=str(path), is_mutable=True), name=path.stem)
    served.routes_of_hitl = routes
    return served.app()


def serve(app: Any, listening: socket.socket) -> None:
    """Serve an application at a socket that listens, until interrupted. Addresses that are asked for are not logged."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on", server_header=False)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
