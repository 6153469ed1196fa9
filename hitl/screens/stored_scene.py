"""The track of stored sessions as the screens need it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.errors import HitlError, InputFileError, StoreError
from data.reading.drives import Drive
from hitl.road.known_tracks import chosen, stored_track
from hitl.road.track import DEFAULT_WIDTH, load_track
from takeover_ui.view import Scene

if TYPE_CHECKING:
    from data.store import Store


def stored_scene(store: Store, track: str | Path | None = None) -> Scene:
    """Return the scene of a track that the store knows: by name, by file, or (None) the one driven last.

    A track whose file is not at hand is drawn from its longest drive. Raises StoreError when nothing was driven there.
    """
    driven = store.tracks()
    if not driven:
        raise StoreError("The store holds no episode yet. Drive with `hitl play` first.")
    name = chosen(store, str(track)) if track is not None else driven[0]
    if name not in driven:
        raise InputFileError(f"Nothing was driven on the track '{name}'. In the store: {', '.join(driven)}.")
    stored = tuple(store.corners(name))
    try:
        loaded = stored_track(store, name)
    except HitlError as error:
        if track is not None and Path(track).is_file():
            loaded = load_track(track)
        else:
            points, half_width, corners = _driven_line(store, name), DEFAULT_WIDTH / 2, stored
            if points is None:
                raise StoreError(f"The store holds no positions for '{name}'. Give its file with --track.") from error
            from takeover_ui.geometry import distances

            return Scene(name, points, half_width, float(distances(points)[-1]), corners, _action_names(store, name))
    corners = stored or loaded.corners
    return Scene(name, loaded.line.points, loaded.half_width, loaded.line.length, corners, _action_names(store, name))


def _action_names(store: Store, track: str) -> tuple[str, ...]:
    return store.sessions(track)[-1].action_names


def _driven_line(store: Store, track: str) -> NDArray[np.float64] | None:
    """Return a line (n, 2) along the longest drive on a track; None when there is none."""
    episodes = [e for e in store.episodes(track, closed=False) if e.length > 10]
    if not episodes:
        return None
    return line_along(store.steps(max(episodes, key=lambda e: e.farthest), columns=("x", "y", "progress")))


def line_along(drive: Drive, spacing: float = 2.0) -> NDArray[np.float64] | None:
    """Return a line (n, 2) along a drive, a point every ``spacing`` metres; None where too little of it is known."""
    good = np.isfinite(drive.points).all(axis=1) & np.isfinite(drive.progress)
    ahead = np.maximum.accumulate(np.where(good, drive.progress, -np.inf))
    good &= np.concatenate([[True], np.diff(ahead) > 1e-6])
    if good.sum() < 3:
        return None
    known = drive[good]
    at = np.arange(0.0, float(known.progress.max()) + spacing, spacing)
    return np.stack([np.interp(at, known.progress, values) for values in (known.x, known.y)], axis=1)
