"""The tracks that a store knows, for the commands: filed under their line, chosen by name, file or digest, drawn again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from data.errors import InputFileError, StoreError, UsageError
from data.files.paths import user_path
from data.records import Corner
from data.store import Store
from data.tables.corners import same_stretch
from data.tables.roads import Road
from data.tables.tracks import SeveralTracksError
from hitl.home import Home
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
    stored = {c.name: c for c in store.corners(track.name)}
    source = store.corner_sources(track.name)
    for corner in track.corners:
        here = (corner.from_m, corner.to_m)
        renamed = any(source[c.name] == "player" and same_stretch((c.from_m, c.to_m), here) for c in stored.values())
        # What the track itself names is where the track says, whatever another track of this name has left here.
        known = stored.get(corner.name)
        off_m = max(abs(known.from_m - corner.from_m), abs(known.to_m - corner.to_m)) if known else 0.0
        moved = off_m > 1.0 and source[corner.name] == "track"  # a line with other decimals moves it a little
        if moved or (known is None and not renamed):
            store.upsert_corner(track.name, corner.name, corner.from_m, corner.to_m, "track")
    return tuple(store.corners(track.name))


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
