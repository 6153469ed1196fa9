"""Which game and track are meant where none is named: those that were driven last in this home."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from data.errors import HitlError, StoreError, UsageError, shown
from data.store import Store
from hitl.games.registry import SHOWN_FROM_ABOVE, single_words
from hitl.home import Home
from hitl.road.known_tracks import drivable
from hitl.road.track import load_track
from hitl.settings import PlaySettings

if TYPE_CHECKING:
    from hitl.settings import Settings

_DRIVEN = ("play", "demo", "stall")  # the kinds of sessions: an evaluation looks elsewhere only once


def as_last_time(home: Home, settings: Settings, corner: str = "", *, asks: bool = True) -> Settings:
    """Return the settings with the game and the track of the home's newest session where they are neither typed nor set.

    ``corner``: a track that has it is meant, where there is one; else one with the only corner that is set.
    ``asks``: a game that is not opened unasked must be named. Raises UsageError where it is not: another game in its place would
    be driven by an agent that knows nothing of it.
    """
    play = settings.play
    env = play.env if "play.env" in settings.origin else None
    # `stk:TRACK` sets a track, too.
    track = play.track if "play.track" in settings.origin or play.track != PlaySettings.track else None
    if env is not None and track is not None:
        return settings
    last = _last(home, env, track, corner or play.only_corner, asks)
    return replace(settings, play=replace(play, env=last.get("env", play.env), track=last.get("track", play.track)))


def told(settings: Settings) -> str:
    """Return a sentence that names what is driven as last time; "" where it is named, or nothing else was ever driven."""
    play = settings.play
    here = {"play.env", "play.track"} & settings.origin.keys()
    if here or (play.env, play.track) == (PlaySettings.env, PlaySettings.track):
        return ""
    where = f"{play.track} in {play.env}" if play.track != PlaySettings.track else play.env
    return f"As last time here: {where}. `--env` and `--track` choose another."


def _last(home: Home, env: str | None, track: str | None, corner: str, asks: bool) -> dict[str, str]:
    """Return what is to be changed: ``env``, ``track``, both or nothing."""
    try:
        with Store(home.store_path, read_only=True) as store:
            driven = [s for s in store.driven_sessions(track) if s.kind in _DRIVEN and s.env == (env or s.env)]
            tracks = {s.track for s in driven}
            fit = {t for t in tracks if corner in {c.name for c in store.corners(t)}} if corner else tracks
            with_it = [s for s in driven if s.track in fit]
            if not with_it and corner in _default_corners():
                return {}
            session = next(iter(with_it or driven), None)
    except StoreError:  # none yet, or in use
        return {}
    if session is None:
        return {}
    if not _harmless(session.env):
        if env is None and asks:
            raise UsageError(
                f"{shown(session.env)} was driven here last. It runs a package's own code, so it must be named: add "
                f"--env {shown(session.env)}, or set it for good: env = \"{shown(session.env)}\" below [play] in settings.toml."
            )
        return {}
    found = {} if env is not None else {"env": session.env}
    if track is None and session.env in SHOWN_FROM_ABOVE and _is_there(home, session.track):
        found["track"] = session.track
    return found


def _default_corners() -> set[str]:
    return {corner.name for corner in load_track(PlaySettings.track).corners}


def _harmless(env: str) -> bool:
    """Tell whether a game that a store names is opened unasked: ``gym:module:ID`` would import a module."""
    return env in single_words() or (env.startswith("gym:") and env.count(":") == 1)


def _is_there(home: Home, track: str) -> bool:
    try:
        drivable(home, track)
    except HitlError:  # its file is gone, or there are several of that name
        return False
    return True
