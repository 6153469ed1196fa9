"""The tracks that a store knows, for the commands: filed under their line, chosen by name, file or digest, drawn again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from data.errors import HitlError, InputFileError, StoreError, UsageError
from data.files.paths import user_path
from data.records import Corner
from data.store import Store
from data.tables.corners import same_stretch
from data.tables.roads import Road
from data.tables.tracks import SeveralTracksError
from hitl.home import Home
from hitl.road.corners import corners_from_curvature
from hitl.road.kart_tracks import KART_TRACKS
from hitl.road.line import ReferenceLine
from hitl.road.track import FILES, Track, load_track, shipped_tracks


def road_of(track: Track) -> Road:
    """Return what a track is known by."""
    return Road(track.line.points, track.half_width)


def file_under(store: Store, track: Track) -> tuple[Track, str, list[str]]:
    """Return the track with the name that the store files it under, its digest there, and what the player must be told."""
    road = road_of(track)
    shipped = track.name in shipped_tracks()
    built_in = (shipped or track.name in KART_TRACKS) and road.same(road_of(load_track(track.name)))
    label, said = store.enter_track(track.name, road, built_in=built_in, reserved=shipped and not built_in)
    (row,) = store.known_tracks(label)
    return replace(track, name=label), row.digest, said


def known_corners(store: Store, track: Track) -> tuple[Corner, ...]:
    """Return the track's corners and those that the player has named, and make sure that the store knows them."""
    stored, source = store.corners(track.name), store.corner_sources(track.name)
    for corner in _to_write(track.corners, stored, source):
        store.upsert_corner(track.name, *corner, "track")
    return tuple(store.corners(track.name))


def corners_here(home: Home, track: Track) -> tuple[Corner, ...]:
    """Return a track's corners as the next drive in this home will know them; nothing is written.

    What is wrong with the store is said when a session opens it: then they are the track's own.
    """
    if not home.store_path.is_file():
        return track.corners
    try:
        with Store(home.store_path, read_only=True) as store:
            label = store.resolve_track(track.name, road_of(track))
            stored, source = store.corners(label), store.corner_sources(label)
    except HitlError:  # or nothing was driven there
        return track.corners
    here = {c.name: c for c in stored} | {c.name: c for c in _to_write(track.corners, stored, source)}
    return tuple(sorted(here.values(), key=lambda c: c.from_m))


def _to_write(own: Iterable[Corner], stored: Iterable[Corner], source: Mapping[str, str]) -> list[Corner]:
    """Return the track's own corners that the store lacks, or has elsewhere."""
    known = {c.name: c for c in stored}
    lacking = {c.name for c in lacked(own, known.values(), source)}
    # What the track itself names is where the track says, whatever another track of this name has left here; a line with other
    # decimals moves it a little.
    return [
        c for c in own
        if c.name in lacking or (c.name in known and source[c.name] == "track" and _off(c, known[c.name]) > 1.0)
    ]  # fmt: skip


def _off(one: Corner, other: Corner) -> float:
    return max(abs(one.from_m - other.from_m), abs(one.to_m - other.to_m))


def lacked(own: Iterable[Corner], stored: Iterable[Corner], source: Mapping[str, str]) -> list[Corner]:
    """Return the track's own corners that are not among those stored, neither by their names nor by the player's for them."""
    known = {c.name: c for c in stored}
    players = [(c.from_m, c.to_m) for c in known.values() if source[c.name] == "player"]
    return [c for c in own if c.name not in known and not any(same_stretch(p, (c.from_m, c.to_m)) for p in players)]


def own_corners(store: Store, label: str) -> tuple[Corner, ...]:
    """Return the corners that a stored track has by itself, whatever the player has made of them, as the store can tell."""
    source = store.corner_sources(label)
    stored = [c for c in store.corners(label) if source[c.name] == "track"]
    try:
        track = stored_track(store, label)
    except HitlError:
        return tuple(stored)
    row = next(iter(store.known_tracks(label)), None)
    own = track.corners
    if row is not None and row.road is not None and row.name not in (*shipped_tracks(), *KART_TRACKS):
        own = corners_from_curvature(track.line)
        if not {c.name for c in stored} <= {c.name for c in own}:  # its file names its corners, and the store has no more of it
            own = ()
    return (*own, *(c for c in stored if c.name not in {o.name for o in own}))


def is_line_file(wanted: str) -> bool:
    """Tell whether a track is named by a file that is there."""
    path = user_path(wanted)
    return path.suffix.lower() in FILES and path.is_file()


def chosen(store: Store, wanted: str) -> str:
    """Return the stored track that a name, a file or the beginning of a digest means. Raises UsageError, InputFileError."""
    if is_line_file(wanted):
        track = load_track(wanted)
        try:
            return store.resolve_track(track.name, road_of(track))
        except UsageError:
            if not any(row.digest == "" for row in store.known_tracks(name=track.name)):
                raise
            return store.resolve_track(track.name)  # from before tracks were known by their lines
    return store.resolve_track(wanted)


def drivable(home: Home, wanted: str | Path) -> Track:
    """Return the track to drive: a built-in one, a file, or one whose line the home's store has. Raises InputFileError."""
    name = str(wanted)
    if name in KART_TRACKS:  # a player may have a track of that name, of another game
        return _stored_line(home, name) or load_track(name)
    try:
        return load_track(wanted)
    except InputFileError:
        found = None if Path(wanted).suffix.lower() in FILES else _stored_line(home, name)
        if found is None:
            raise
        return found


def _stored_line(home: Home, name: str) -> Track | None:
    """Return the track of that name whose line the home's store has; None without one. Raises SeveralTracksError."""
    if not home.store_path.is_file():
        return None
    try:
        with Store(home.store_path, read_only=True) as store:
            (row,) = store.known_tracks(store.resolve_track(name))
            return None if row.road is None else replace(stored_track(store, row.track), name=row.name)
    except SeveralTracksError:
        raise
    except (StoreError, UsageError):  # what is wrong with the store is said when the session opens it
        return None


def stored_track(store: Store, label: str) -> Track:
    """Return a track of the store with its line: a built-in one, or one whose line is kept. Raises InputFileError."""
    row = next(iter(store.known_tracks(label)), None)
    if row is not None and row.road is None and label in KART_TRACKS:  # older than these tracks, so another game's
        raise InputFileError(f"The line of track '{label}' is not in the store.")
    if row is None or row.road is None:
        return load_track(label)
    if row.name in (*shipped_tracks(), *KART_TRACKS):
        built_in = load_track(row.name)
        if row.road.same(road_of(built_in)):
            return replace(built_in, name=label)
    try:
        line = ReferenceLine(row.road.points)
    except ValueError as error:
        raise InputFileError(f"The line of track '{label}' in the store cannot be used: {error}.") from error
    return Track(label, line, row.road.half_width, tuple(store.corners(label)))
