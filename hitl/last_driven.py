"""Which game and track are meant where none is named: those that were driven last in this home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from data.errors import HitlError, InputFileError, StoreError, UsageError, shown
from data.extras import PYTHON
from data.records import ROADLESS, SessionRecord
from data.store import Store
from data.tables.driven import is_brought
from hitl.agents.own_code import check_env, game_lies_in
from hitl.games.registry import OWN_ROADS, drives_stored_lines, single_words
from hitl.home import Home
from hitl.road.known_tracks import chosen, drivable, is_line_file
from hitl.road.track import load_track
from hitl.settings import PlaySettings, load

if TYPE_CHECKING:
    from hitl.settings import Settings

ANOTHER_GAME = "Another game must be named: --env box2d is the embedded one."
_DRIVEN = ("play", "demo", "stall")  # the kinds of sessions: an evaluation looks elsewhere only once


def as_last_time(home: Home, settings: Settings, corner: str = "", *, asks: bool = True) -> Settings:
    """Return the settings with the game and the track of the home's newest session where they are neither typed nor set.

    Where the track is named (by its name, its file or its digest), the newest session on it says the game.
    ``corner``: a track that has it is meant, where there is one; else one with the only corner that is set.
    ``asks``: a game that is not opened unasked must be named, as must one whose package lies in the home. Raises UsageError where
    it is not: another game in its place would be driven by an agent that knows nothing of it.
    """
    if asks:
        check_env(home, settings)
    play = settings.play
    env = play.env if "play.env" in settings.origin else None
    # `stk:TRACK` sets a track, too.
    track = play.track if "play.track" in settings.origin or play.track != PlaySettings.track else None
    if env is not None and track is not None:
        return settings
    last = _last(home, env, track, corner or play.only_corner, asks)
    return replace(settings, play=replace(play, env=last.get("env", play.env), track=last.get("track", play.track)))


def told(named: Settings, meant: Settings) -> str:
    """Return a sentence that names what is driven as last time; "" where all of it is named, or nothing else was ever driven.

    ``named``: the settings as they are typed and set; ``meant``: what `as_last_time` makes of them.
    """
    before, now = named.play, meant.play
    other_env, other_track = now.env != before.env, now.track != before.track
    if not (other_env or other_track):
        return ""
    chosen_env, chosen_track = "play.env" in named.origin, "play.track" in named.origin or before.track != PlaySettings.track
    where = f"{now.track} in {now.env}" if other_track and not chosen_env else now.track if other_track else now.env
    free = [option for option, is_chosen in (("`--env`", chosen_env), ("`--track`", chosen_track)) if not is_chosen]
    return f"As last time here: {where}. {' and '.join(free)} {'choose' if len(free) > 1 else 'chooses'} another."


def goes_on_with(home: Home, store: Store) -> str:
    """Return what an import says of what is driven next; "" where the settings name that, or it must be named."""
    session = next((s for s in store.driven_sessions(sent_last=True) if s.kind in _DRIVEN), None)
    try:
        settings = load(home, "play")
    except InputFileError:  # which the next command says: what was to come in is in
        return ""
    if session is None or "play.env" in settings.origin or not is_opened_unasked(session.env):
        return ""
    play = as_last_time(home, settings, asks=False).play
    what = play.env if play.env.startswith(ROADLESS) else f"{play.track} in {play.env}"
    if not (is_brought(store.conn, session.id) or store.is_of_worker(session.id)):
        return f"What was driven in this home itself decides what comes next: `hitl play` goes on with {what}."
    return (
        "Nothing was driven in this home itself, so the newest drive that came in decides what comes next: `hitl play` goes on "
        f"with {what}. `--env` and `--track` choose another."
    )


def games_with(home: Home, observation_names: Sequence[str], action_names: Sequence[str]) -> list[str]:
    """Return the games, as ``--env`` names them, that were driven here with these observations and actions, newest first."""
    wanted = tuple(observation_names), tuple(action_names)
    try:
        with Store(home.store_path, read_only=True) as store:
            driven = store.driven_sessions(sent_last=True)
    except StoreError:  # no store, or in use
        return []
    return list(dict.fromkeys(s.env for s in driven if (tuple(s.observation_names), tuple(s.action_names)) == wanted))


def last_line(home: Home) -> str:
    """Return the track that was driven last, whatever the game, and has a line; the default one's name where there is none."""
    try:
        with Store(home.store_path, read_only=True) as store:
            driven = dict.fromkeys(s.track for s in store.driven_sessions(sent_last=True) if s.kind in _DRIVEN)
    except StoreError:  # no store yet, or in use
        return PlaySettings.track
    return next((track for track in driven if _is_there(home, track)), PlaySettings.track)


def _last(home: Home, env: str | None, track: str | None, corner: str, asks: bool) -> dict[str, str]:
    """Return what is to be changed: ``env``, ``track``, both or nothing."""
    try:
        with Store(home.store_path, read_only=True) as store:
            driven = [s for s in _driven_on(store, track) if s.kind in _DRIVEN and s.env == (env or s.env)]
            tracks = {s.track for s in driven}
            fit = {t for t in tracks if corner in {c.name for c in store.corners(t)}} if corner else tracks
            with_it = [s for s in driven if s.track in fit]
            if not with_it and corner in _default_corners():
                return {}
            session = next(iter(with_it or driven), None)
            recorded_since = session is not None and _has_line_for(home, store, session)
    except (StoreError, UsageError, InputFileError):  # no store yet, or in use; a track that cannot be meant is refused later
        return {}
    if session is None:
        return {}
    if not is_opened_unasked(session.env):
        if env is None and asks and not session.env.startswith(ROADLESS):
            raise UsageError(
                f"{shown(session.env)} was driven here last, and there is no game of that name now: if a package adds it, "
                f"install that into {PYTHON}; if your own script drove it, go on with that. {ANOTHER_GAME}"
            )
        if env is None and asks:
            for_good = f", or set it for good: env = \"{shown(session.env)}\" below [play] in settings.toml"
            raise UsageError(
                f"{shown(session.env)} was driven here last. It runs a package's own code, so it must be named: add "
                f"--env {shown(session.env)}{'' if game_lies_in(home, session.env) else for_good}."
            )
        return {}
    found = {} if env is not None else {"env": session.env}
    if track is None and not recorded_since and drives_stored_lines(session.env) and _is_there(home, session.track):
        found["track"] = session.track
    return found


def _driven_on(store: Store, track: str | None) -> list[SessionRecord]:
    """Return the sessions that say in which game a track is driven, newest first; ``track`` None: any track.

    Nobody has driven yet what a new file holds: it is a road of the game that was driven last by a line of the player's. Another
    name is one of the tracks that come with the program, which need no game.
    """
    if track is None:
        return store.driven_sessions(sent_last=True)
    try:
        return store.driven_sessions(chosen(store, track), sent_last=True)
    except UsageError:  # the store does not know it
        sessions = store.driven_sessions(sent_last=True) if is_line_file(track) else []
        return [s for s in sessions if _takes_files(s.env)]


def _takes_files(env: str) -> bool:
    return is_opened_unasked(env) and not env.startswith(ROADLESS) and env not in OWN_ROADS


def _has_line_for(home: Home, store: Store, session: SessionRecord) -> bool:
    """Tell whether the home's own line (`hitl line record`) is what the session drove, or was recorded since."""
    if session.env != "trackmania" or not home.line.is_file():
        return False
    try:
        if chosen(store, str(home.line)) == session.track:
            return True
    except InputFileError:  # which is said when it is opened
        return True
    except UsageError:  # never driven
        pass
    return home.line.stat().st_mtime > datetime.fromisoformat(session.started).timestamp()


def _default_corners() -> set[str]:
    return {corner.name for corner in load_track(PlaySettings.track).corners}


def is_opened_unasked(env: str) -> bool:
    """Tell whether a game that a store names is opened unasked: ``gym:module:ID`` would import a module."""
    return env in single_words() or (env.startswith("gym:") and env.count(":") == 1)


def _is_there(home: Home, track: str) -> bool:
    try:
        drivable(home, track)
    except HitlError:  # its file is gone, or there are several of that name
        return False
    return True
