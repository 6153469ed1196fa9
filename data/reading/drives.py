"""Recorded driving, read back: episodes in one line each, and their steps as columns."""

from __future__ import annotations

import functools
import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError, shown
from data.numbers import FARTHEST, MOST, RETURN
from data.reading.new_steps import Layout
from data.reading.schema_check import readable_rows
from data.records import AGENT, CUT_OFF, DRIVING_FAULTS, HUMAN, Segment, same_game
from data.schema import STEP_MEASURES
from data.suggest import did_you_mean
from data.tables import lap_times
from data.tables.checkpoints import strangers
from data.tables.driven import in_time, last_first
from data.words import number_of

VECTORS = ("observation", "executed", "proposed")
"""Columns of a step that hold several numbers."""

_TYPES: dict[str, type[np.generic]] = {
    "t": np.int64, "driver": np.uint8, "reward": np.float64, "terminated": np.bool_, "truncated": np.bool_,
    "checkpoint_id": np.int64, **dict.fromkeys(STEP_MEASURES, np.float64),
}  # fmt: skip

DRIVERS: dict[int | str, int] = {AGENT: AGENT, HUMAN: HUMAN, "agent": AGENT, "human": HUMAN}

COLUMNS = (*_TYPES, *VECTORS)
"""Every column of a :class:`Drive`."""


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """One episode without its steps."""

    id: int
    session_id: int
    track: str
    purpose: str
    """``drive``, ``lap``, ``evaluation`` or ``practice``."""
    reason: str
    """Why it ended; empty while it is open or when its session died."""
    length: int
    """Steps driven; 0 while it is open."""
    total: float
    """The return."""
    human_steps: int
    """Steps of its takeovers, or of its lap."""
    farthest: float
    """Metres along the line; 0 without one."""
    checkpoint_id: int | None
    """The checkpoint that it began with."""
    started: str
    """UTC, ISO 8601."""
    hz: float
    """Steps per second."""
    observation_names: tuple[str, ...] = ()
    action_names: tuple[str, ...] = ()
    seed: int | None = None
    """Of its start; the laps of one evaluation have consecutive ones."""
    lap_s: float | None = None
    """The time of its lap, seconds; None where it did not reach the finish."""

    @property
    def failed(self) -> bool:
        """Whether it ended because of the driving."""
        return self.reason in DRIVING_FAULTS

    @property
    def cut_off(self) -> bool:
        """Whether it was ended from outside: it says nothing of how well it was driven."""
        return self.reason in CUT_OFF

    @property
    def helped(self) -> bool:
        """Whether a human took over from the agent."""
        return self.purpose != "lap" and self.human_steps > 0


class Drive:
    """Steps of one episode in their order, as columns of n rows; the rows that were asked for, and no others.

    A column that was not asked for is not there. ``drive[rows]`` takes a slice or a mask (n,) of all of them. A column goes by
    its name, ``drive["speed"]``, and one number of a vector by both names, ``drive["executed", "steer"]``.
    """

    t: NDArray[np.int64]
    """(n,) number of the step in its episode, from 0."""
    driver: NDArray[np.uint8]
    """(n,) ``AGENT`` or ``HUMAN``."""
    reward: NDArray[np.float64]
    """(n,)"""
    terminated: NDArray[np.bool_]
    """(n,)"""
    truncated: NDArray[np.bool_]
    """(n,)"""
    progress: NDArray[np.float64]
    """(n,) metres along the line before the step. This and the next five are 0 where the environment does not tell them, as one
    without a road, and NaN in what was imported without them."""
    x: NDArray[np.float64]
    """(n,) metres."""
    y: NDArray[np.float64]
    """(n,) metres."""
    z: NDArray[np.float64]
    """(n,) metres."""
    heading: NDArray[np.float64]
    """(n,) radians."""
    speed: NDArray[np.float64]
    """(n,) m/s."""
    risk: NDArray[np.float64]
    """(n,) how likely a failure seemed, 0 to 1; NaN where no one estimated it."""
    checkpoint_id: NDArray[np.int64]
    """(n,) the checkpoint that proposed the action, -1 for none."""
    observation: NDArray[np.float32]
    """(n, O) what the action was decided from."""
    executed: NDArray[np.float32]
    """(n, A) what the game received."""
    proposed: NDArray[np.float32]
    """(n, A) what the agent would have done."""

    def __init__(self, episode: EpisodeSummary, columns: Mapping[str, NDArray[Any]]) -> None:
        """``columns``: any of ``COLUMNS``, at least one, all of the same length."""
        self.episode, self.columns = episode, tuple(columns)
        vars(self).update(columns)

    def __len__(self) -> int:
        return len(vars(self)[self.columns[0]])

    def __repr__(self) -> str:
        return f"Drive({number_of(len(self), 'step')} of episode {self.episode.id}: {', '.join(self.columns)})"

    @overload
    def __getitem__(self, rows: slice | NDArray[np.bool_]) -> Drive: ...
    @overload
    def __getitem__(self, rows: str | tuple[str, str]) -> NDArray[Any]: ...
    def __getitem__(self, rows: slice | NDArray[np.bool_] | str | tuple[str, str]) -> Drive | NDArray[Any]:
        if isinstance(rows, str):
            return self._column(rows)
        if isinstance(rows, tuple):
            column, number = rows
            names = self.episode.observation_names if column == "observation" else self.episode.action_names
            return self._column(column)[:, self._known(number, names, f"{column} has no number")]
        return Drive(self.episode, {name: vars(self)[name][rows] for name in self.columns})

    def _column(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = vars(self)[self.columns[self._known(name, self.columns, "These steps have no column")]]
        return column

    def _known(self, name: str, names: Sequence[str], refusal: str) -> int:
        if name not in names:
            listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
            raise UsageError(f"{refusal} '{name}'; there are {listed}.{did_you_mean(name, names)}")
        return names.index(name)

    @property
    def human(self) -> NDArray[np.bool_]:
        """(n,) whether the human drove."""
        return self.driver != AGENT

    @property
    def points(self) -> NDArray[np.float64]:
        """(n, 2) positions, metres."""
        return np.stack([self.x, self.y], axis=1)

    @functools.cached_property
    def gas(self) -> NDArray[np.float64]:
        """(n,) the executed gas, 0 to 1; 0 where no action is one."""
        return self._pedal("gas", 1.0)

    @functools.cached_property
    def brake(self) -> NDArray[np.float64]:
        """(n,) the executed brake, 0 to 1; 0 where no action brakes."""
        return self._pedal("brake", -1.0)

    def _pedal(self, name: str, sign: float) -> NDArray[np.float64]:
        names = self.episode.action_names[: self.executed.shape[1]]
        if name in names:
            pressed = self.executed[:, names.index(name)]
        elif "gas_brake" in names:
            pressed = sign * self.executed[:, names.index("gas_brake")]
        else:
            return np.zeros(len(self))
        return np.clip(pressed, 0.0, 1.0).astype(np.float64)

    @functools.cached_property
    def farthest(self) -> float:
        """The farthest place, the one after the last step included, metres."""
        known = self.progress[np.isfinite(self.progress)]
        return float(max(self.episode.farthest, known.max())) if len(known) else self.episode.farthest


@functools.lru_cache(maxsize=32)
def names_of(text: str) -> tuple[str, ...]:
    """Return the names in a JSON list; every session of a picture has the same thousands, which are read and kept once."""
    return tuple(json.loads(text))


def sessions_of(conn: sqlite3.Connection, layout: Layout) -> set[int]:
    """Return the sessions that see and do what ``layout`` names."""
    rows = conn.execute("SELECT id, observation_names, action_names FROM sessions").fetchall()
    return {id_ for id_, seen, done in rows if (names_of(seen), names_of(done)) == layout}


@readable_rows()
def read_columns(
    conn: sqlite3.Connection, where: str, values: Sequence[Any], names: Sequence[str] = COLUMNS
) -> dict[str, NDArray[Any]]:
    """Return columns of the steps that meet a condition, in the order of ``t``. Raises UsageError for an unknown one."""
    for name in names:
        if name not in COLUMNS:
            raise UsageError(f"Steps have no column '{name}'; there are {', '.join(COLUMNS)}.{did_you_mean(str(name), COLUMNS)}")
    if not names:
        raise UsageError(f"Name at least one column of {', '.join(COLUMNS)}.")
    select = ", ".join("coalesce(checkpoint_id, -1)" if name == "checkpoint_id" else name for name in names)
    rows = conn.execute(f"SELECT {select} FROM steps WHERE {where} ORDER BY t", values).fetchall()
    columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(names)
    return {
        name: np.frombuffer(b"".join(column), "<f4").reshape(len(rows), -1 if rows else 0)
        if name in VECTORS
        else np.array(column, _TYPES[name])
        for name, column in zip(names, columns, strict=True)
    }


class DriveTables:
    """What an open store says of the driving that it holds."""

    conn: sqlite3.Connection

    def tracks(self) -> list[str]:
        """Return the tracks that were driven on: the one driven here last first, those of imported laps alone at the end."""
        rows = self.conn.execute(
            "SELECT track FROM sessions s WHERE EXISTS (SELECT 1 FROM episodes WHERE session_id = s.id) GROUP BY track "
            f"ORDER BY max({last_first(self.conn)}) DESC, max(id) DESC"
        )
        return [str(track) for (track,) in rows]

    def games(self, track: str) -> list[str]:
        """Return the games in which a track was driven: the one driven here last first, those of imported laps at the end."""
        rows = self.conn.execute(
            "SELECT env FROM sessions s WHERE track = ? AND EXISTS (SELECT 1 FROM episodes WHERE session_id = s.id) GROUP BY env "
            f"ORDER BY max({last_first(self.conn)}) DESC, max(id) DESC",
            (track,),
        )
        newest: dict[tuple[str, ...], str] = {}
        for (env,) in rows:
            newest.setdefault(same_game(env), str(env))
        return list(newest.values())

    @readable_rows()
    def episodes(
        self,
        track: str | None = None,
        *,
        ids: Iterable[int] | None = None,
        session: int | None = None,
        purpose: str | Sequence[str] | None = None,
        since: str | None = None,
        until: str | None = None,
        closed: bool | None = True,
        newest: int | None = None,
        imported: bool | None = True,
        helped: bool | None = True,
        layout: Layout | None = None,
        env: str | None = None,
    ) -> list[EpisodeSummary]:
        """Return the episodes that meet every condition given, oldest first.

        ``since`` and ``until``: ISO dates (UTC); ``closed`` False or None: those still open, too; ``newest``: how many at most;
        ``imported`` False: without those of another agent, which came with an import (``data.tables.checkpoints.strangers``);
        ``helped`` False: without those in which a human drove; ``layout``: of sessions that see and do what it names; ``env``: of
        this game, as several may have driven one track.
        """
        purposes = [purpose] if isinstance(purpose, str) else purpose
        conditions: dict[str, Any] = {
            "s.track = ?": track, "e.session_id = ?": session, "e.started >= ?": since, "e.started < ?": until,
            "e.id IN (SELECT value FROM json_each(?))": None if ids is None else json.dumps(list(ids)),
            "s.env IN (SELECT value FROM json_each(?))": None if env is None else json.dumps(same_game(env)),
            "e.purpose IN (SELECT value FROM json_each(?))": None if purposes is None else json.dumps(list(purposes)),
            '(e."end" IS NOT NULL OR NOT ?)': closed,
            "e.session_id IN (SELECT value FROM json_each(?))":
                None if layout is None else json.dumps(sorted(sessions_of(self.conn, layout))),
            "coalesce(e.checkpoint_id, 0) NOT IN (SELECT value FROM json_each(?))":
                None if imported is not False else json.dumps(sorted(strangers(self.conn))),
            "(? OR NOT EXISTS (SELECT 1 FROM segments h WHERE h.episode_id = e.id AND h.kind <> 'kept' AND "
            "coalesce(h.stop, h.start + 1) > h.start))": None if helped is not False else False,
        }  # fmt: skip
        wanted = {condition: value for condition, value in conditions.items() if value is not None}
        order = in_time("e", newest=True)
        rows = self.conn.execute(
            f"SELECT e.id, e.session_id, s.track, e.purpose, coalesce(e.reason, ''), e.length, coalesce({RETURN}, 0), "
            "coalesce((SELECT sum(g.stop - g.start) FROM segments g WHERE g.episode_id = e.id AND g.kind <> 'kept'), 0), "
            f"coalesce({FARTHEST}, 0), e.checkpoint_id, e.started, s.hz, e.number, e.seed, s.observation_names, s.action_names "
            f"FROM episodes e JOIN sessions s ON s.id = e.session_id WHERE e.id IN ("
            # First the newest alone: what a row costs is paid for these.
            f"SELECT e.id FROM episodes e JOIN sessions s ON s.id = e.session_id WHERE {' AND '.join(wanted) or 'TRUE'} "
            f"ORDER BY {order} LIMIT ?) ORDER BY {order}",
            (*wanted.values(), -1 if newest is None else newest),
        ).fetchall()
        found = [
            (number, EpisodeSummary(*(*head, names_of(seen), names_of(done), seed)))
            for *head, number, seed, seen, done in reversed(rows)
        ]
        laps = lap_times.known(self.conn, (e.session_id for _, e in found if e.reason == "finish"))
        # Before lap times were noted, a lap has the time of its steps, exact to one of them.
        return [
            replace(e, lap_s=laps.get((e.session_id, number), e.length / e.hz)) if e.reason == "finish" else e
            for number, e in found
        ]

    def lately(
        self, track: str, newest: int, purpose: Sequence[str], *, since: str | None = None, imported: bool = True,
        env: str | None = None,
    ) -> list[EpisodeSummary]:
        """Return the newest episodes of these purposes, and as many of the newest without help, oldest first.

        After a day of help at one corner, what the agent does there alone is in none of the newest.
        """
        found = {
            e.id
            for helped in (True, False)
            for e in self.episodes(
                track, purpose=purpose, since=since, newest=newest, imported=imported, helped=helped, env=env
            )
        }
        return self.episodes(ids=found)

    def steps(
        self,
        episode: int | EpisodeSummary | Segment,
        first: int = 0,
        stop: int | None = None,
        columns: str | Sequence[str] = COLUMNS,
        *,
        from_m: float | None = None,
        to_m: float | None = None,
        driver: int | str | None = None,
    ) -> Drive:
        """Return the steps ``[first, stop)`` of an episode, counted in ``t``, or those of a segment, trimmed.

        ``from_m`` and ``to_m``: only those between two places along the line (both), ``driver``: only those of ``"agent"`` (0) or
        ``"human"`` (1). Raises UsageError for an unknown episode, column or driver.
        """
        if isinstance(episode, Segment):
            start, end = episode.start + episode.trim_start, episode.stop - episode.trim_stop
            if not episode.closed and not episode.trim_stop:
                end = 1 << 40  # it is still being recorded
            first, stop = start + first, end if stop is None else min(end, start + stop)
            episode = episode.episode_id
        if not isinstance(episode, EpisodeSummary):
            found = self.episodes(ids=[episode], closed=False)
            if not found:
                raise UsageError(f"There is no episode {episode} in the store.")
            (episode,) = found
        where = "episode_id = ? AND t >= ? AND t < ?"
        values: list[float] = [episode.id, first, 1 << 40 if stop is None else stop]
        if from_m is not None and to_m is not None:
            where, values = f"{where} AND progress BETWEEN ? AND ?", [*values, from_m, to_m]
        if driver is not None:
            if (number := DRIVERS.get(driver) if isinstance(driver, int | str | np.integer) else None) is None:
                raise UsageError(f"driver must be 'agent' (or 0) or 'human' (or 1), not {shown(repr(driver))}.")
            where, values = f"{where} AND driver = ?", [*values, number]
        return Drive(episode, read_columns(self.conn, where, values, [columns] if isinstance(columns, str) else columns))

    def placed(self, track: str, since: str | None = None, env: str | None = None) -> Iterator[Drive]:
        """Yield the drives of a track, oldest first, as far as place and speed are known: for statistics about places."""
        for episode in self.episodes(track, since=since, closed=False, env=env):
            drive = self.steps(episode, columns=("t", "driver", "progress", "speed", "executed"))
            drive = drive[(np.abs(drive.progress) <= MOST) & (np.abs(drive.speed) <= MOST)]
            if len(drive):
                yield drive

    def lines(
        self, episodes: Iterable[EpisodeSummary], from_m: float, to_m: float, driver: int, most: int
    ) -> Iterator[Drive]:
        """Yield what a driver drove between two places of the line, of the first ``most`` episodes with three such steps.

        An episode of which steps in between are no longer stored makes no line.
        """
        columns = ("t", "x", "y", "progress", "speed")
        drives = (self.steps(e, columns=columns, from_m=from_m, to_m=to_m, driver=driver) for e in episodes)
        yield from itertools.islice((drive for drive in drives if len(drive) >= 3 and self.has_all(drive)), most)

    def has_all(self, drive: Drive) -> bool:
        """Tell whether all steps of its episode, from the first of a drive to its last, are stored. Needs the column ``t``."""
        if not len(drive):
            return True
        first, last = int(drive.t[0]), int(drive.t[-1])
        sql = "SELECT count(*) FROM steps WHERE episode_id = ? AND t BETWEEN ? AND ?"
        return self.conn.execute(sql, (drive.episode.id, first, last)).fetchone() == (last - first + 1,)

    def count_steps(self) -> int:
        """Return how many steps the store holds."""
        return int(self.conn.execute("SELECT count(*) FROM steps").fetchone()[0])

    def steps_between(
        self, after: int, until: int, observation_names: Sequence[str], action_names: Sequence[str]
    ) -> dict[str, int]:
        """Return how many steps of this layout came after a step and up to another, by the purpose of their episode."""
        return dict(
            self.conn.execute(
                "SELECT e.purpose, count(*) FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON "
                "s.id = e.session_id WHERE p.id > ? AND p.id <= ? AND s.observation_names = ? AND s.action_names = ? GROUP BY 1",
                (after, until, json.dumps(list(observation_names)), json.dumps(list(action_names))),
            ).fetchall()
        )
