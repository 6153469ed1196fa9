"""Which layouts of observations and actions a store holds, which of them can be in one batch, and what to do where they cannot.

A learner has one input for each number of an observation, so only steps whose numbers have the same names can be learned from
together. That is said in one place, here: by the check of a store, the diagnosis, the trainer and a live session.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from data.files.paths import as_option
from data.reading.drives import names_of
from data.reading.new_steps import Layout
from data.reading.schema_check import readable_rows
from data.records import ACTION_PENDING, ROADLESS
from data.tables.driven import last_first
from data.tables.upkeep import FINISHED_LAP, OTHER_LAP
from data.words import laps_said, number_of

_LAPS = ", ".join(
    f"sum((SELECT count(*) FROM segments WHERE episode_id = e.id AND {which}))" for which in (FINISHED_LAP, OTHER_LAP)
)


@dataclass(frozen=True)
class Held:
    """Steps of one layout in a store."""

    layout: Layout
    envs: tuple[str, ...]
    imported: bool
    """All of them came from elsewhere."""
    steps: int
    laps: int
    """Finished ones."""
    unfinished: int
    """Laps that were not finished."""
    human: bool
    """A human drove some of them."""


def held(conn: sqlite3.Connection) -> list[Held]:
    """Return what a store holds, the layout that is driven first (see :func:`driven_layout`), then the newest."""
    rows = conn.execute(
        "SELECT s.observation_names, s.action_names, group_concat(DISTINCT s.env), min(s.kind = 'import'), sum(e.length), "
        f"{_LAPS}, "
        "max(e.purpose = 'lap' OR EXISTS (SELECT 1 FROM segments g WHERE g.episode_id = e.id)) "
        "FROM sessions s JOIN episodes e ON e.session_id = s.id WHERE EXISTS (SELECT 1 FROM steps WHERE episode_id = e.id) "
        f"GROUP BY 1, 2 ORDER BY max({last_first(conn)}) DESC, max(s.id) DESC"
    ).fetchall()
    return [
        Held(
            (names_of(seen), names_of(done)), tuple(sorted(str(envs).split(","))), bool(imported), int(steps),
            int(laps), int(unfinished), bool(human),
        )
        for seen, done, envs, imported, steps, laps, unfinished, human in rows
    ]  # fmt: skip


def driven_layout(conn: sqlite3.Connection, *, live: bool = False) -> Layout | None:
    """Return the layout that is driven here: that of the session with steps that was driven last in this home itself.

    Without one it is that of the newest session of another store, else the newest import's, or None with ``live``. What is
    imported must fit what is driven, and never the other way round.
    """
    only = "AND s.kind != 'import'" if live else ""
    row = conn.execute(
        "SELECT s.observation_names, s.action_names FROM sessions s WHERE EXISTS (SELECT 1 FROM episodes e JOIN steps p ON "
        f"p.episode_id = e.id WHERE e.session_id = s.id) {only} ORDER BY {last_first(conn)} DESC, s.id DESC LIMIT 1"
    ).fetchone()
    return None if row is None else (names_of(row[0]), names_of(row[1]))


def has_road(conn: sqlite3.Connection) -> bool:
    """Whether what was driven last has a road: a game with a line and a finish, and not any Gymnasium environment."""
    newest = f"SELECT env FROM sessions s WHERE kind != 'import' ORDER BY {last_first(conn)} DESC, id DESC LIMIT 1"
    row = conn.execute(newest).fetchone()
    return row is None or not str(row[0]).startswith(ROADLESS)


@readable_rows()
def apart(conn: sqlite3.Connection, learned: Layout | None = None, whose: str = "this run") -> dict[Layout, str]:
    """Return a sentence for each layout in the store that cannot be learned from together with ``learned``, with what to do.

    ``learned``: the layout of the run, whose checkpoint knows no other; left out: what is driven (:func:`driven_layout`). An
    import that came in again in that layout is not missing from training, and so not told of. ``whose``: what has that layout,
    where that is no run yet.
    """
    all_held = held(conn)
    if not all_held:
        return {}
    learned = learned or all_held[0].layout
    env = next((", ".join(h.envs) for h in all_held if h.layout == learned), "")
    again = _imported_again(conn, learned)
    found = {}
    for one in all_held:
        if one.layout != learned:
            steps, laps, unfinished = again.get(one.layout, (0, 0, 0))
            other = replace(one, steps=one.steps - steps, laps=one.laps - laps, unfinished=one.unfinished - unfinished)
            if other.steps <= 0:
                continue
            told = f" ({laps_said(other.laps, other.unfinished)})" if other.laps or other.unfinished else ""
            how = "imported" if other.imported else "driven"
            what = f"{number_of(other.steps, f'{how} step')}{told} of {' and '.join(other.envs)}"
            advice = _advice(other, learned, env, newest=other.layout == all_held[0].layout)
            found[other.layout] = f"{what} {_why(other.layout, learned, whose)}, so they are left out of training: {advice}."
    return found


def games_of(conn: sqlite3.Connection, layouts: Collection[Layout]) -> list[str]:
    """Return the games whose steps have one of these layouts."""
    return list(dict.fromkeys(env for one in held(conn) if one.layout in layouts for env in one.envs))


def unlike(driven: Layout, learned: Layout, *, elsewhere: bool = False) -> str:
    """Return a sentence about a session whose steps cannot be learned from by the run of this home.

    ``elsewhere``: that run is on another machine.
    """
    if elsewhere:
        return (
            f"What is driven now will {_why(driven, learned)}, so the trainer on the other machine cannot learn from it: go back "
            "to the settings that its run is driven with, or send it from another home folder to a trainer of its own."
        )
    return (
        f"What is driven now will {_why(driven, learned)}, so it cannot be learned from by that run: go back to the settings "
        "that it was driven with, drive in a home folder of its own (`hitl play --home DIR`), or begin a new run here afterwards "
        "(`hitl train --fresh`)."
    )


def _imported_again(conn: sqlite3.Connection, learned: Layout) -> dict[Layout, tuple[int, int, int]]:
    """Return how many (steps, laps, laps not finished) of each other layout are imports that have come in once more as the run
    sees them.

    A drive has one origin; that of a second import in another layout has a # and more behind it.
    """
    rows = conn.execute(
        f"SELECT s.observation_names, s.action_names, e.origin, sum(e.length), {_LAPS} FROM episodes e "
        "JOIN sessions s ON s.id = e.session_id WHERE s.kind = 'import' AND e.origin IS NOT NULL GROUP BY e.id"
    ).fetchall()
    known = {_drive(origin) for seen, done, origin, *_ in rows if (names_of(seen), names_of(done)) == learned}
    found: dict[Layout, tuple[int, int, int]] = {}
    for seen, done, origin, length, lap, unfinished in rows:
        layout = names_of(seen), names_of(done)
        if layout != learned and _drive(origin) in known:
            steps, laps, others = found.get(layout, (0, 0, 0))
            found[layout] = steps + int(length), laps + int(lap), others + int(unfinished)
    return found


def _drive(origin: str) -> str:
    """Return an origin without what tells one layout of the drive from another."""
    return origin.partition("#")[0]


def _why(other: Layout, learned: Layout, whose: str = "this run") -> str:
    """Return in which way two layouts differ; ``whose``: what has the second one."""
    for what, theirs, ours in (("observation", other[0], learned[0]), ("action", other[1], learned[1])):
        if theirs == ours:
            continue
        if len(theirs) != len(ours):
            text = f"have {number_of(len(theirs), 'number')} in each {what} where {whose} has {len(ours)}"
            lacking = [name for name in ours if name not in set(theirs)]
            return text + (f" (without {', '.join(lacking)})" if len(lacking) == len(ours) - len(theirs) <= 4 else "")
        if set(theirs) == set(ours):
            return f"have the {len(ours)} numbers of each {what} in another order than {whose}"
        return f"have {number_of(len(theirs), 'number')} in each {what}, as {whose} has, but with other meanings"
    return f"have the layout of {whose}"


def _advice(other: Held, learned: Layout, env: str, *, newest: bool) -> str:
    """Return what a player can do about steps that cannot be learned from with ``learned`` (driven in ``env``).

    ``newest``: these are what was driven last, in whose layout a new run would begin.
    """
    if other.imported and is_outdated(other.layout, other.envs):
        return "`hitl store rebuild` gives them the layout of today"
    if other.imported and other.human:
        if is_road(learned[0]) and not is_road(other.layout[0]):
            return "import the files again with `hitl import PATH --track FILE`, which sees them as this run does"
        if env == "tmrl" and is_road(other.layout[0]):
            return "import the files again with `hitl import PATH --keep-observations`, if they show what your tmrl shows today"
        if env == "tmrl":
            return (
                "they were recorded with other settings than those of your tmrl today; import the files with "
                "`hitl import PATH --track FILE` and drive with `hitl play --env trackmania`"
            )
    if other.imported:
        return "import those files into a home folder of their own (`hitl import PATH --home DIR`), and train there"
    play = f"hitl play {as_option('--env', other.envs[0])}"  # without, it goes on with the game that was driven last
    if newest:
        return (
            "`hitl train --fresh` begins a new run that learns from them. To keep this run, go back to the settings it was "
            f"driven with, and drive with the new ones in a home folder of their own (`{play} --home DIR`)"
        )
    return (
        "they stay in the store, and a new run learns from them once you drive with the settings of then again "
        f"(`{play}`, then `hitl train --fresh`)"
    )


def is_road(names: Sequence[str]) -> bool:
    """Whether an observation is that of our own driving task."""
    return len(names) > 2 and names[0] == "forward_speed" and any(name.startswith("ahead_") for name in names)


def is_outdated(layout: Layout, envs: Sequence[str]) -> bool:
    """Whether the layout is one in which earlier versions imported laps, and in which nothing is driven."""
    names, actions = layout
    lacks_pending = is_road(names) and not any(name.startswith(ACTION_PENDING) for name in names)
    named = tuple(envs) == ("tmrl",) and names[:2] == ("left_0_dx", "left_0_dz") and len(actions) == 3
    return lacks_pending or named


def outdated_sessions(conn: sqlite3.Connection) -> Iterator[tuple[int, str, Layout]]:
    """Yield (id, env, layout) of the imports that earlier versions wrote in a layout in which nothing is driven."""
    rows = conn.execute(
        "SELECT id, env, observation_names, action_names FROM sessions WHERE kind = 'import' AND status != 'open' ORDER BY id"
    ).fetchall()
    for id_, env, seen, done in rows:
        layout = names_of(seen), names_of(done)
        if is_outdated(layout, (env,)):
            yield int(id_), str(env), layout
