"""What a player changes about a track's corners: added, moved, renamed, removed. What was driven there follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from data.errors import HitlError, UsageError
from data.records import Corner
from data.tables.corners import Filed, same_stretch
from data.words import listed, number_of
from hitl.home import in_home
from hitl.road.corners import corner_called
from hitl.road.known_tracks import lacked, own_corners, stored_track

if TYPE_CHECKING:
    from pathlib import Path

    from data.store import Store
    from hitl.road.line import ReferenceLine

MOST_M = 1_000_000
"""Metres at which a corner can end where no line says how long the road is."""


def rename(store: Store, track: str, old: str, new: str) -> None:
    """Rename a corner everywhere on its track. Raises UsageError where there is no such corner or the new name is taken."""
    corners = store.corners(track)
    corner_called(old, corners, track)
    if not new.strip() or new in {c.name for c in corners}:
        raise UsageError(f"A corner of {track} cannot be called '{new}': the name is empty or already taken.")
    store.rename_corner(track, old, new)


def remove(store: Store, track: str, name: str, named: Path | None) -> str:
    """Remove a corner; returns what became of what was driven there.

    Raises UsageError where there is no such corner, or it would come back.
    """
    corners, source = store.corners(track), store.corner_sources(track)
    gone, own = corner_called(name, corners, track), own_corners(store, track)
    before, after = (lacked(own, there, source) for there in (corners, [c for c in corners if c.name != name]))
    if back := next((c for c in after if c not in before), None):
        raise UsageError(_comes_back(gone, back, track, named))
    where = _filed(store.remove_corner(track, name))
    return f"'{name}' was removed." + (f" What was driven there is filed anew: {where}." if where else "")


def _comes_back(gone: Corner, own: Corner, track: str, named: Path | None) -> str:
    """Say why a corner is not removed: the track's own one would be back with the next drive."""
    rename, at = f'`hitl corners --rename "{gone.name}" NAME --track "{track}"` renames it', ""
    if own.name != gone.name:
        said = f"'{gone.name}' is your name for '{own.name}', which is a corner of the track itself"
        do = f'`hitl corners --rename "{gone.name}" "{own.name}" --track "{track}"` gives it that name again'
    elif max(abs(gone.from_m - own.from_m), abs(gone.to_m - own.to_m)) <= 1.0:
        said, do = f"'{gone.name}' is a corner of the track itself", rename
    else:
        begin, end = (f"{round(metre, 1):g}" for metre in (own.from_m, own.to_m))
        said, at = f"You have moved '{gone.name}', but it is a corner of the track itself", f", from {begin} to {end} m"
        do = f'`hitl corners --add "{own.name}" "{begin}" "{end}" --track "{track}"` moves it back there, and {rename}'
    return f"{said} and would be back with the next drive{at}: {in_home(do, named)}."


def _filed(filed: Filed) -> str:
    """Say how many segments went to which corner; "" for none."""
    where = [
        f"{number_of(count, 'segment')} to " + ("no corner" if corner is None else f"'{corner}'")
        for corner, count in sorted(filed.items(), key=lambda one: one[0] or "")
    ]
    return listed(where) if where else ""


def add(store: Store, track: str, name: str, start: str, stop: str, *, named: Path | None) -> str:
    """Add or move a corner; returns what the player must be told, "" for nothing."""
    try:
        given = float(start), float(stop)
    except ValueError:
        raise UsageError(f"--add needs a name and two numbers of metres, not '{start}' and '{stop}'.") from None
    from_m, to_m = sorted(given)
    if not name.strip() or not 0.0 <= from_m < to_m <= MOST_M:
        raise UsageError(f"--add needs a name and two different places in metres along the line, from 0 to {MOST_M:,}.")
    line = line_of(store, track)
    if line is not None and to_m > line.length + 1.0:
        raise UsageError(f"The line of '{track}' ends at metre {line.length:.0f}, so no corner can end at {to_m:.0f}.")
    _refuse_second(store, track, (name, from_m, to_m), named)
    where, said = _filed(store.upsert_corner(track, name, from_m, to_m, "player")), []
    if given != (from_m, to_m):
        said = [f"'{name}' was added from metre {from_m:g} to metre {to_m:g}: a corner begins where the car enters it."]
    if where:
        said.append(f"What was driven there is filed anew: {where}.")
    return " ".join(said)


def _refuse_second(store: Store, track: str, wanted: tuple[str, float, float], named: Path | None) -> None:
    """Raise UsageError where another corner lies on the same stretch: the two would be the same place, counted twice."""
    name, *stretch = wanted
    corners = store.corners(track)
    there = next((c for c in corners if c.name != name and same_stretch((stretch[0], stretch[1]), (c.from_m, c.to_m))), None)
    if there is None:
        return
    at, begin, end = f"{there.from_m:.0f} to {there.to_m:.0f} m", f"{stretch[0]:g}", f"{stretch[1]:g}"
    do = f'`hitl corners --add "{there.name}" "{begin}" "{end}" --track "{track}"` moves that one'
    if name not in {c.name for c in corners}:
        do += f', and `hitl corners --rename "{there.name}" "{name}" --track "{track}"` gives it your name'
    raise UsageError(
        f"'{name}' would lie on the same stretch as '{there.name}' ({at}), and a corner is known by where it is: "
        f"{in_home(do, named)}."
    )


def line_of(store: Store, track: str) -> ReferenceLine | None:
    """Return the line of a track; None where the store does not know it, and zones end by distance alone."""
    try:
        return stored_track(store, track).line
    except HitlError:
        return None
