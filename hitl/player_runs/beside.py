"""Where a car was when the road it saw runs beside the line: the middle of the road, say, beside a line that was driven.

Positions and points are complex numbers, x + iy in metres.
"""

from __future__ import annotations

import numpy as np

from data.exchange.importing import EpisodeRefusedError
from hitl.player_runs.places import (
    MAX_SPEED_MISFIT,
    Array,
    Complex,
    Fit,
    Flags,
    Places,
    along,
    find_speed,
    heading,
    on_line,
)
from hitl.road.line import ReferenceLine

MAX_BESIDE = 15.0  # m from the line to a car without edges of the road to tell
MAX_ANCHOR = 0.7  # m, of the car along the line from where its progress says that it was
RESAMPLED = 6  # pieces that each stretch between two points is cut into where roads are laid on one another
REACH = 16  # points ahead that are laid on one another


def _smooth(points: Complex) -> Complex:
    """Return (N, K) points with others between them, on a curve through all of them (Catmull and Rom's)."""
    a, b, c = points[:, 0:1], points[:, 1:2], points[:, 2:3]
    x, y, z = points[:, -3:-2], points[:, -2:-1], points[:, -1:]
    before = np.concatenate([3 * a - 3 * b + c, points[:, :-1]], axis=1)[:, :-1]
    after = np.concatenate([points[:, 1:], 3 * z - 3 * y + x], axis=1)[:, 1:]
    begin, end = points[:, :-1], points[:, 1:]
    pieces = []
    for u in np.arange(RESAMPLED) / RESAMPLED:
        pieces.append(
            0.5 * (2 * begin + (end - before) * u + (2 * before - 5 * begin + 4 * end - after) * u**2
                   + (3 * begin - before - 3 * end + after) * u**3)
        )  # fmt: skip
    whole = np.stack(pieces, axis=-1).reshape(len(points), -1)
    return np.concatenate([whole, points[:, -1:]], axis=1)


def movements(points: Complex, known: Flags, far: Array) -> tuple[Complex, Flags]:
    """Return (N - 1,) how the car moved between two samples, from the same road seen twice, and where that could be told.

    ``far``: (N - 1,) m that it moved. What of the road both samples saw is laid on one another. On a straight that leaves open
    how far along it the car moved, which ``far`` then says.
    """
    reach = min(REACH, points.shape[1])
    points, known = points[:, :reach], known[:, :reach]
    whole = known[:-1, 1:] & np.concatenate([known[:-1, 2:], np.ones((len(known) - 1, 1), bool)], axis=1)
    road, road_known = _smooth(points[:-1]), np.repeat(whole, RESAMPLED, axis=1)
    tangent = np.diff(road, axis=1)
    tangent /= np.maximum(np.abs(tangent), 1e-12)
    starts = road[:, :-1]
    first = points[:-1, 1] - points[:-1, 0]
    move = far * first / np.maximum(np.abs(first), 1e-12)
    later, later_known = points[1:], known[1:]
    last = road_known.sum(axis=1, keepdims=True) - 1
    told = np.zeros(len(move), bool)
    for _ in range(6):
        at = later + move[:, None]  # what the later sample saw, in the axes of the earlier one
        gap = np.abs(at[:, :, None] - starts[:, None, :])
        gap[~np.broadcast_to(road_known[:, None, :], gap.shape)] = np.inf
        nearest = gap.argmin(axis=2)
        t = np.take_along_axis(tangent, nearest, axis=1)
        rest = at - np.take_along_axis(starts, nearest, axis=1)
        along, across = (rest * t.conj()).real, (rest * t.conj()).imag
        step = np.abs(np.take_along_axis(np.diff(road, axis=1), nearest, axis=1))
        # Beyond both ends of what was seen there is nothing to lie on.
        use = later_known & ((nearest > 0) | (along >= 0)) & ((nearest < last) | (along <= step)) & (last >= 0)
        told = use.sum(1) >= 2
        normal = 1j * t
        weight = use.astype(float)
        direction = move / np.maximum(np.abs(move), 1e-9)
        few = 0.3 * np.maximum(weight.sum(1), 1.0)
        short = far - np.abs(move)
        nx, ny = normal.real, normal.imag
        xx = (weight * nx * nx).sum(1) + few * direction.real**2
        xy = (weight * nx * ny).sum(1) + few * direction.real * direction.imag
        yy = (weight * ny * ny).sum(1) + few * direction.imag**2
        bx = -(weight * across * nx).sum(1) + few * short * direction.real
        by = -(weight * across * ny).sum(1) + few * short * direction.imag
        det = xx * yy - xy * xy
        told &= det > 1e-9
        safe = np.where(told, det, 1.0)
        move = move + np.where(told, (yy * bx - xy * by + 1j * (xx * by - xy * bx)) / safe, 0.0)
    told &= np.abs(np.abs(move) - far) < 0.3 + 0.3 * far
    # Where nothing was seen twice it moved as far as it says, in the direction relative to the road that it had just before.
    course = np.angle(move / np.where(first == 0, 1, first))
    good = np.flatnonzero(told)
    if len(good):
        course = np.interp(np.arange(len(move)), good, course[good])
        guess = far * np.exp(1j * course) * first / np.maximum(np.abs(first), 1e-12)
        move = np.where(told, move, guess)
    return move, told


def beside_line(
    line: ReferenceLine, points: Complex, known: Flags, sides: tuple[Complex, ...], progress: Array, numbers: Array, hz: float,
    rough: Fit,
) -> Places:  # fmt: skip
    """Return the places of a car that saw a road which is not the line but runs beside it.

    The parts of the road that were seen twice tell how the car moved. The bends tell where all of it is: along the line, the car
    must always be where its progress says. Raises EpisodeRefusedError with the reason when it is not.
    """
    seen, scale = known.sum(1) >= 3, rough.scale
    speed, misfit = find_speed(numbers, on_line(line, points, known, rough), hz)
    if misfit > MAX_SPEED_MISFIT:
        raise EpisodeRefusedError(f"the positions found do not move at the recorded speed ({misfit:.1f} m/s off)")
    far = (speed[1:] + speed[:-1]) / 2 / hz
    move, told = movements(points, known, far)
    track = np.concatenate([[0.0], np.cumsum(move)])
    rows = np.flatnonzero(seen)
    rows = rows[(progress[rows] > 0) & (np.abs(np.gradient(track))[rows] * hz > 1.0)]
    reason = (
        "the road that it saw is not the line in this --track but runs beside it, and its own edges do not tell where: give the "
        "line of that road, or take the run as recorded with --keep-observations"
    )
    if len(rows) < 20 or told[rows[:-1]].mean() < 0.7:
        raise EpisodeRefusedError(reason)
    ahead, shift = 0.0, along(line, scale * progress[rows[:1]])[0] - track[rows[0]]
    error = np.zeros(len(rows))
    for _ in range(12):
        s = scale * progress[rows] + ahead
        tangent = np.exp(1j * heading(line, s))
        error = ((track[rows] + shift - along(line, s)) * tangent.conj()).real
        system = np.stack([tangent.real, tangent.imag, -progress[rows], -np.ones(len(rows))], axis=1)
        change, *_, singular = np.linalg.lstsq(system, -error, rcond=None)
        if singular[-1] < 0.02 * singular[0]:
            raise EpisodeRefusedError(reason)  # hardly a bend: a road beside a straight line looks the same wherever it is
        shift, scale, ahead = shift + complex(change[0], change[1]), scale + float(change[2]), ahead + float(change[3])
    position = track + shift
    s = scale * progress + ahead
    if float(np.sqrt(np.mean(error**2))) > MAX_ANCHOR or not _between(line, position[rows], [e[rows] for e in sides], s[rows]):
        raise EpisodeRefusedError(reason)
    return Places(position, None, seen)


def _between(line: ReferenceLine, position: Complex, sides: list[Complex], s: Array) -> bool:
    """Whether the line lies where it must, between the edges of the road; without edges, near the car."""
    if len(sides) != 2:
        return float(np.quantile(np.abs(position - along(line, s)), 0.9)) < MAX_BESIDE
    left, right = (position + side[:, 0] for side in sides)
    middle = (left + right) / 2
    found = [line.locate(z.real, z.imag, at, behind=25.0, ahead=25.0).s for z, at in zip(middle, s, strict=True)]
    across = right - left
    share = ((along(line, np.array(found)) - left) * across.conj()).real / np.maximum(np.abs(across) ** 2, 1e-9)
    return float(((share > -0.1) & (share < 1.1)).mean()) > 0.9
