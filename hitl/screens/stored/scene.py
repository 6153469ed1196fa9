"""The track of stored sessions as the screens need it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import HitlError, InputFileError, StoreError, shown
from data.records import ROADLESS
from data.store import Store
from hitl.road.known_tracks import chosen, stored_track
from hitl.road.track import DEFAULT_WIDTH, load_track
from takeover_ui.geometry import distances
from takeover_ui.view import Scene

SPACING_M = 2.0  # between the points of a line that is made from a drive


def stored_scene(store: Store, track: str | None = None) -> Scene:
    """Return the scene of a track that the store knows: by name, by file, or (None) the one driven last.

    A track whose file is missing is drawn along its longest drive. Raises StoreError when nothing was driven there.
    """
    driven = store.tracks()
    if not driven:
        raise StoreError("The store holds no episode yet. Drive with `hitl play` first.")
    name = chosen(store, track) if track is not None else driven[0]
    if name not in driven:
        raise InputFileError(f"Nothing was driven on the track '{name}'. In the store: {', '.join(driven)}.")
    stored, action_names = tuple(store.corners(name)), store.sessions(name)[-1].action_names
    try:
        loaded = stored_track(store, name)
    except HitlError as error:
        if track is None or not Path(track).is_file():
            points = _driven_line(store, name)
            if points is None:
                raise StoreError(_no_road(name, store.sessions(name)[-1].env)) from error
            return Scene(name, points, DEFAULT_WIDTH / 2, float(distances(points)[-1]), stored, action_names)
        loaded = load_track(track)
    line = loaded.line
    return Scene(name, line.points, loaded.half_width, line.length, stored or loaded.corners, action_names)


def _no_road(name: str, env: str) -> str:
    """Return why nothing can be drawn of a track, and what helps."""
    if env.startswith(ROADLESS):
        return (
            f"{shown(name)} tells no positions, so there is no road to draw its drives on: neither in a review, nor in a film or "
            "a report. `hitl segments` lists the takeovers, `hitl label --help` says how to judge them, and `hitl browse` shows "
            "what is stored."
        )
    return f"The store holds no positions for '{shown(name)}'. Give its file with --track."


def _driven_line(store: Store, track: str) -> NDArray[np.float64] | None:
    """Return a line (n, 2) along the longest drive on a track; None when too little of it is known."""
    episodes = [e for e in store.episodes(track, closed=False) if e.length > 10]
    if not episodes:
        return None
    drive = store.steps(max(episodes, key=lambda e: e.farthest), columns=("x", "y", "progress"))
    good = np.isfinite(drive.points).all(axis=1) & np.isfinite(drive.progress)
    ahead = np.maximum.accumulate(np.where(good, drive.progress, -np.inf))
    good &= np.concatenate([[True], ahead[1:] > ahead[:-1] + 1e-6])
    if good.sum() < 3:
        return None
    known = drive[good]
    at = np.arange(0.0, float(known.progress.max()) + SPACING_M, SPACING_M)
    return np.stack([np.interp(at, known.progress, values) for values in (known.x, known.y)], axis=1)
