"""The track of stored sessions as the screens need it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import HitlError, InputFileError, StoreError
from data.reading import review
from hitl.road.known_tracks import chosen, stored_track
from hitl.road.track import DEFAULT_WIDTH, load_track
from takeover_ui.view import Scene

if TYPE_CHECKING:
    from data.store import Store


def stored_scene(store: Store, track: str | Path | None = None) -> Scene:
    """Return the scene of a track that the store knows: by name, by file, or (None) the one driven most.

    A track whose file is not at hand is drawn from its longest drive. Raises StoreError when nothing was driven there.
    """
    driven = review.tracks(store.conn)
    if not driven:
        raise StoreError("The store holds no episode yet: drive with `hitl play` first.")
    name = chosen(store.conn, str(track)) if track is not None else driven[0]
    if name not in driven:
        raise InputFileError(f"Nothing was driven on the track '{name}'. In the store: {', '.join(driven)}.")
    stored = tuple(store.corners(name))
    try:
        loaded = stored_track(store.conn, name)
    except HitlError as error:
        if track is not None and Path(track).is_file():
            loaded = load_track(track)
        else:
            points, half_width, corners = review.driven_line(store.conn, name), DEFAULT_WIDTH / 2, stored
            if points is None:
                raise StoreError(f"The store holds no positions for '{name}': give its file with --track.") from error
            from takeover_ui.geometry import distances

            return Scene(name, points, half_width, float(distances(points)[-1]), corners, _action_names(store, name))
    corners = stored or loaded.corners
    return Scene(name, loaded.line.points, loaded.half_width, loaded.line.length, corners, _action_names(store, name))


def _action_names(store: Store, track: str) -> tuple[str, ...]:
    import json

    row = store.conn.execute(
        "SELECT action_names FROM sessions WHERE track = ? ORDER BY id DESC LIMIT 1", (track,)
    ).fetchone()
    return tuple(json.loads(row[0])) if row else ()
