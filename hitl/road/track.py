"""Tracks: a reference line with a width and named corners, read from what people have.

- TOML: ``name``, ``width`` (m), ``segments = [{straight = 80}, {radius = 9, angle = -170, corner = "hairpin"}, …]``;
  or, in place of the segments, ``line = "reward.pkl"`` (a file of the two kinds below, found from this one), with
  ``scale = 0.5`` for a slower car and ``from_m`` and ``to_m`` (metres of what is then drawn) for a stretch of it.
  Angles are degrees, positive to the left; neighbouring segments with the same ``corner`` are one corner.
- CSV: ``x, y[, z]`` a line, in metres, with or without a heading line.
- A geometry of TrackmaniaRL (``.npz``): the middle of the road, with the width that its borders have in most places.
- A replay that was exported to JSON: the line that was driven.
- A tmrl ``reward.pkl``: an (N, 3) array in the game's axes, where y is up; the finish artefact behind its end is cut off.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import InputFileError, shown
from data.files import held
from data.files.paths import user_path
from data.files.text_files import parse_toml, read_rows, read_toml
from data.numbers import is_number
from data.records import Corner
from data.suggest import did_you_mean
from data.words import number_of
from hitl.road.corners import corner_called, corners_from_curvature
from hitl.road.kart_tracks import GAME, KART_TRACKS, kart_road
from hitl.road.line import MOST_FAR, MOST_LENGTH, ReferenceLine

DEFAULT_WIDTH = 16.0  # m, for formats that carry no width: TrackMania's usual road
LEAST_RADIUS = 0.001  # m; below it an arc is a point, and its curvature soon no number
_LAID_M = 0.25  # m between the points that segments are laid with
_MAX_POINTS = 2_000_000


@dataclass(frozen=True)
class Track:
    """A road to drive: its middle line, half its width (m) and its corners.

    Where the road is not the same everywhere, ``half_widths`` and ``heights`` (m) hold a number for each point of the line, and
    ``half_width`` is the usual one. ``game``: the only game that has this road; empty for one that is a line and nothing more.
    """

    name: str
    line: ReferenceLine
    half_width: float
    corners: tuple[Corner, ...] = field(default=())
    half_widths: NDArray[np.float64] | None = field(default=None, compare=False)
    heights: NDArray[np.float64] | None = field(default=None, compare=False)
    game: str = ""
    map_uid: str = ""
    """The game's own name for the map, where the file tells it."""

    def half_width_at(self, s: float) -> float:
        """Return half the road's width (m) at ``s`` metres along the line."""
        return self.half_width if self.half_widths is None else self._at(s, self.half_widths)

    def height_at(self, s: float) -> float:
        """Return the road's height (m) at ``s`` metres along the line; 0 where it is not known."""
        return 0.0 if self.heights is None else self._at(s, self.heights)

    def _at(self, s: float, values: NDArray[np.float64]) -> float:
        index = min(max(s / self.line.spacing, 0.0), len(values) - 1.000001)
        low = int(index)
        return float(values[low] + (index - low) * (values[low + 1] - values[low]))

    def corner(self, name: str) -> Corner:
        """Return the corner of that name. Raises UsageError."""
        return corner_called(name, self.corners, self.name)


def shipped_tracks() -> tuple[str, ...]:
    """Return the names of the tracks that come with the program and need no other game."""
    folder = resources.files("hitl") / "tracks"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def load_track(name_or_path: str | Path) -> Track:
    """Read a shipped track or one of SuperTuxKart's by name, or a file by its ending (one of ``FILES``).

    Raises:
        InputFileError: it is missing, of another kind, or not a road that can be driven.
    """
    text = str(name_or_path)
    if text in shipped_tracks():
        return _shipped(text)
    if text in KART_TRACKS:
        return _from_road(text)
    path = user_path(name_or_path)
    if not path.is_file():
        if path.is_dir():
            raise InputFileError(f"'{shown(text)}' is a folder: give the file in it that holds the line.")
        if len(path.parts) > 1 or path.suffix.lower() in FILES:
            raise InputFileError(f"There is no file '{shown(text)}': check the path.")
        raise InputFileError(
            f"There is no track '{shown(path.name)}'. Give one of the shipped names ({', '.join(shipped_tracks())}), "
            f"one of SuperTuxKart's, or a {', '.join(FILES)} file.{did_you_mean(text, (*shipped_tracks(), *KART_TRACKS))}"
        )
    reader = FILES.get(path.suffix.lower())
    if reader is None:
        raise InputFileError(f"Tracks are read from {', '.join(FILES)} files; '{shown(path.name)}' is not one of them.")
    try:
        return reader(path)
    except OSError as error:
        raise InputFileError(f"The track '{shown(path.name)}' cannot be read {held.why(error, 'check the path')}.") from error


def _build(name: str, points: Any, width: float, corners: tuple[Corner, ...] | None = None) -> Track:
    if not (type(width) in (int, float) and 1.0 <= width <= 1000.0):  # a whole number may have too many digits for a float
        raise InputFileError(f"Track '{shown(name)}': width must be a number of metres from 1 to 1000.")
    try:
        line = ReferenceLine(points)
    except ValueError as error:
        raise InputFileError(f"Track '{shown(name)}' is not a road: {error}.") from error
    if not 20.0 <= line.length <= MOST_LENGTH:
        size = f"{line.length:.4g} m long, of {number_of(len(points), 'point')}"
        raise InputFileError(f"Track '{shown(name)}' is {size}; 20 m to 100 km can be driven.")
    return Track(name, line, float(width) / 2, corners_from_curvature(line) if corners is None else corners)


@functools.cache
def _shipped(name: str) -> Track:
    """Return a track that comes with the program: a session, its task and its store ask for it one after the other."""
    file = resources.files("hitl") / "tracks" / f"{name}.toml"
    return _from_table(parse_toml(file.read_text(encoding="utf-8"), file.name), name)


@functools.cache
def _from_road(name: str) -> Track:
    """Return a track of SuperTuxKart's."""
    road = kart_road(name)
    line = ReferenceLine(road[:, :2])
    arc = np.r_[0.0, np.cumsum(np.hypot(*np.diff(road[:, :2], axis=0).T))]
    at = np.arange(len(line.points)) * line.spacing
    heights, half_widths = (np.interp(at, arc, column) for column in (road[:, 2], road[:, 3] / 2))
    usual = float(np.median(half_widths))
    return Track(name, line, usual, corners_from_curvature(line), half_widths, heights, GAME)


def _from_table(table: dict[str, Any], stem: str, folder: Path | None = None) -> Track:
    name, segments = table.get("name", stem), table.get("segments")
    if folder is not None and isinstance(name, str) and isinstance(table.get("line"), str):
        return _redrawn(name, folder, table)
    if not isinstance(name, str) or not isinstance(segments, list) or not segments:
        raise InputFileError(
            f"The track '{shown(stem)}' needs a name and a list of segments, each a straight or a radius with an angle, "
            "or a line: the .csv or .pkl file beside it that holds one."
        )
    points, spans = lay_segments(name, segments)
    corners = tuple(Corner(label, a, b) for label, (a, b) in spans.items()) or None
    return _build(name, points, table.get("width", DEFAULT_WIDTH), corners)


def _redrawn(name: str, folder: Path, table: dict[str, Any]) -> Track:
    """Return the line of another file (found from ``folder``), or a stretch of it, with a width of its own and to another scale.

    Raises InputFileError, as ``load_track`` does.
    """
    source, scale = user_path(table["line"]), table.get("scale", 1.0)
    if source.suffix.lower() not in (".csv", ".txt", ".pkl"):
        raise InputFileError(f"Track '{shown(name)}': its line must be a .csv or .pkl file, not '{shown(source.name)}'.")
    if not (type(scale) in (int, float) and 0.01 <= scale <= 100.0):
        raise InputFileError(f"Track '{shown(name)}': scale must be a number from 0.01 to 100.")
    points = load_track(folder / source).line.points * scale
    first, last = table.get("from_m", 0.0), table.get("to_m", MOST_LENGTH)
    if not all(type(m) in (int, float) and 0 <= m <= MOST_LENGTH for m in (first, last)):
        raise InputFileError(f"Track '{shown(name)}': from_m and to_m must be metres along the line.")
    at = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))))
    return _build(name, points[(at >= first) & (at <= last)], table.get("width", DEFAULT_WIDTH))


def lay_segments(name: str, segments: list[Any]) -> tuple[NDArray[np.float64], dict[str, tuple[float, float]]]:
    """Lay straights and arcs end to end from the origin, heading +x.

    Returns the (N, 2) positions and the span (from_m, to_m) of each named corner.
    """
    x = y = heading = travelled = 0.0
    points = [(0.0, 0.0)]
    spans: dict[str, tuple[float, float]] = {}
    shapes = [_segment_shape(name, number, segment) for number, segment in enumerate(segments, 1)]
    if not sum(length for length, _ in shapes) <= MOST_LENGTH:
        raise InputFileError(f"Track '{shown(name)}' is longer than {MOST_LENGTH / 1000:.0f} km.")
    for segment, (length, curvature) in zip(segments, shapes, strict=True):
        count = max(1, round(length / _LAID_M))
        step = length / count
        for _ in range(count):
            middle = heading + curvature * step / 2  # the chord of an arc points along its middle tangent
            chord = step if curvature == 0 else 2 / abs(curvature) * math.sin(abs(curvature) * step / 2)
            x, y = x + chord * math.cos(middle), y + chord * math.sin(middle)
            heading += curvature * step
            points.append((x, y))
        label = segment.get("corner")
        if isinstance(label, str) and label:
            spans[label] = (spans.get(label, (travelled, 0.0))[0], travelled + length)
        travelled += length
    return np.array(points), spans


def _segment_shape(name: str, number: int, segment: Any) -> tuple[float, float]:
    """Return (length in m, curvature in 1/m) of one TOML segment."""
    if isinstance(segment, dict):
        values: list[Any] = [segment.get(k) for k in ("straight", "radius", "angle")]
        straight, radius, angle = (v if is_number(v) else None for v in values)
        if straight is not None and straight > 0 and radius is None and angle is None:
            return float(straight), 0.0
        if radius is not None and radius >= LEAST_RADIUS and angle and abs(angle) <= 3600 and straight is None:
            return abs(math.radians(angle)) * radius, math.copysign(1.0 / radius, angle)
    raise InputFileError(
        f"Track '{shown(name)}', segment {number}: write {{straight = metres}} or {{radius = metres, angle = degrees}}."
    )


def _read_csv(path: Path) -> Track:
    rows: list[list[float]] = []
    heading, map_uid = False, ""
    for number, row in read_rows(path, blanks=True):
        cells = [c for c in row if c]
        if cells[:1] == ["# map_uid"] and len(cells) == 2:
            map_uid = cells[1]
        if not cells or cells[0].startswith("#"):
            continue
        try:
            rows.append([float(c) for c in cells])
        except ValueError:
            if not (rows or heading):
                heading = True
                continue
            cells = []
        if len(cells) not in (2, 3):
            raise InputFileError(f"Track '{shown(path.name)}', line {number}: x, y or x, y, z were expected.")
        if len(cells) != len(rows[0]):
            raise InputFileError(f"Track '{shown(path.name)}', line {number}: each line needs as many numbers as the first.")
        if len(rows) > _MAX_POINTS:
            raise InputFileError(f"Track '{shown(path.name)}' has more than {_MAX_POINTS:,} points.")
    if not rows:
        raise InputFileError(f"The track '{shown(path.name)}' holds no points.")
    return replace(_build(path.stem, rows, DEFAULT_WIDTH), map_uid=map_uid)


def _read_reward_pkl(path: Path) -> Track:
    points = reward_points(path)
    points = points[: finish_artefact(points)]
    return _build(path.stem, on_ground(points), DEFAULT_WIDTH)


def on_ground(points: NDArray[Any]) -> NDArray[np.float64]:
    """Return (N, 3) positions of the game's as x, y on the road plane and the height."""
    ground = points[:, [0, 2, 1]].astype(np.float64)  # the game's y is up
    ground[:, 1] *= -1  # its axes are left-handed: without this a left bend would turn right
    return ground


def _read_geometry(path: Path) -> Track:
    from data.exchange.checks import EpisodeRefusedError
    from data.exchange.trackmaniarl.reading import number_in, read_archive, text_of

    try:
        arrays = read_archive(path)
        left, middle, right = (np.asarray(arrays[name], np.float64) for name in ("left", "center", "right"))
        recorded = int(number_in(arrays, "recorded_count")) if "recorded_count" in arrays else len(middle)
    except EpisodeRefusedError as error:
        raise InputFileError(f"The track '{shown(path.name)}' cannot be read: {error}.") from error
    except (KeyError, ValueError, TypeError) as error:
        raise InputFileError(f"'{shown(path.name)}' is no geometry: the borders left, center and right are missing.") from error
    fits = left.shape == middle.shape == right.shape and middle.ndim == 2 and middle.shape[1] == 3
    if not fits or not 2 <= recorded <= len(middle) <= _MAX_POINTS or not np.isfinite([left, middle, right]).all():
        raise InputFileError(f"'{shown(path.name)}' is no geometry: its borders are not positions, or not as many on each side.")
    width = float(np.median(np.linalg.norm((left - right)[:recorded], axis=1)))
    # What lies behind the recorded points is an imagined road behind the finish.
    track = _build(path.stem, on_ground(middle[:recorded]), width)
    return replace(track, map_uid=text_of(arrays, "map_uid"))


def _read_replay(path: Path) -> Track:
    from data.exchange.checks import EpisodeRefusedError
    from data.exchange.trackmaniarl.reading import read_replay

    try:
        lap = read_replay(path)
    except EpisodeRefusedError as error:
        raise InputFileError(f"The track '{shown(path.name)}' cannot be read: {error}.") from error
    return replace(_build(path.stem, on_ground(lap.frames[:, 4:7]), DEFAULT_WIDTH), map_uid=lap.map_uid)


FILES: dict[str, Callable[[Path], Track]] = {
    ".toml": lambda path: _from_table(read_toml(path), path.stem, path.parent),
    ".csv": _read_csv,
    ".txt": _read_csv,
    ".pkl": _read_reward_pkl,
    ".npz": _read_geometry,
    ".json": _read_replay,
}
"""What reads a track from a file, by the ending of its name."""


def reward_points(path: Path) -> NDArray[Any]:
    """Return the (N, 3) positions of a tmrl reward file as they were recorded, artefact included. Raises InputFileError."""
    from data.exchange.unpickle import load_restricted

    try:
        points = np.asarray(load_restricted(path))
    except ValueError:  # lists of lists of different lengths
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "fiu" or len(points) > _MAX_POINTS:
        raise InputFileError(
            f"'{shown(path.name)}' is not a tmrl reward file: an (N, 3) table of positions was expected."
        )
    if points.size and float(np.abs(points.astype(np.float64)).max()) > MOST_FAR:
        raise InputFileError(f"'{shown(path.name)}' is not a tmrl reward file: its positions lie outside any map.")
    return points


def finish_artefact(points: NDArray[Any]) -> int:
    """Return how many points of a recorded line are road.

    When a run finishes, the game reports the position (0, 0, 0) for a moment, and a recorder that spaces its points
    evenly fills the gap with a straight to the world's origin: hundreds of metres that were never driven. It is recognised
    by its end (near the origin), its straightness and its direction, and nothing is cut when any of the three is missing.
    """
    count = len(points)
    if count < 10 or not np.isfinite(points).all():
        return count
    steps = np.diff(points.astype(np.float64), axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    usual = float(np.median(lengths))
    if usual <= 0 or float(np.linalg.norm(points[-1])) > 4 * usual:
        return count
    if float(np.linalg.norm(points[0])) <= 4 * usual:  # a circuit that begins there comes home to it
        return count
    to_origin = -points[:-1].astype(np.float64)
    distance = np.linalg.norm(to_origin, axis=1)
    cosine = (steps * to_origin).sum(axis=1) / np.maximum(lengths * distance, 1e-12)
    straight = cosine[distance > 4 * usual] > 0.9999
    bent = np.flatnonzero(~straight)
    end = int(bent[-1]) + 1 if len(bent) else 0
    if (count - end) * usual <= 20.0 or end <= 10:
        return count
    # The recorder smooths its points, which bends the last metres of road towards the artefact: they go as well.
    unit = steps / np.maximum(lengths, 1e-12)[:, None]
    back = round(10.0 / usual)
    road = unit[max(0, end - back)]
    while end > 1 and back > 0 and float(unit[end - 1] @ road) < math.cos(0.1):
        end, back = end - 1, back - 1
    return end + 1
