"""A takeover as a small moving picture: the line driven through the corner, the car on it, and the controls.

It is an SVG that moves by itself (SMIL), so that it needs no script; the pages' script only stops and starts it. Who drives is
told by shape and pattern as well as by colour: the human's line is thick, the agent's thin, and dashed where it drove alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from takeover_ui.geometry import Ribbon
from takeover_ui.language import Words
from takeover_ui.pages.texts import ENGLISH
from takeover_ui.report.svg import Ground, element
from takeover_ui.view import Scene

if TYPE_CHECKING:
    from data.reading.drives import Drive
    from data.reading.segment_review import Detail

WIDTH, HEIGHT = 360, 240  # units of the picture of the road
FRAMES = 120  # at most: between two frames the browser draws the way itself
_ROW = 24  # units of height for each control
_LEFT, _RIGHT = 100, WIDTH - 14  # of a control's bar
_BAR = 12
_SCALE = 84  # units beside the bar of the speed, for what its end stands for
_AT_ITS_END_M = 5.0  # a drive that comes this near to its episode's farthest place ended there
_Values = NDArray[np.float64]


def clip(detail: Detail, scene: Scene, road: Ribbon, words: Words = ENGLISH) -> Markup | None:
    """Return the moving picture of a segment; None where fewer than two positions are known."""
    drive = detail.drive
    known = np.isfinite(drive.x) & np.isfinite(drive.y)
    if known.sum() < 2:
        return None
    drive = drive[known]
    moving = _Moving(drive)
    ground = _ground(drive, detail.agent, scene, words.say("clip_label", number=detail.segment.id))
    corner = scene.corner(detail.segment.corner)
    ground.path(np.vstack([road.left, road.right[::-1]]), "road", closed=True)
    if corner is not None:
        bend = road.between(corner.from_m, corner.to_m)
        ground.path(np.vstack([road.left[bend], road.right[bend][::-1]]), "road corner", closed=True)
    ground.path(road.left, "edge")
    ground.path(road.right, "edge")
    if (alone := detail.agent) is not None:
        ground.path(alone.points, "way alone")
        ended = alone.progress[-1] > alone.episode.farthest - _AT_ITS_END_M
        if alone.episode.failed and ended and np.isfinite(alone.points[-1]).all():
            ground.cross(alone.points[-1], "cross alone")
    _line(ground, drive, moving, words)
    _car(ground, drive, moving, words, scripted=detail.segment.trigger == "scripted")
    ground.height += 14 + _ROW * (1 + drive.executed.shape[1])
    ground.add("rect", "panel", y=HEIGHT, width=WIDTH, height=ground.height - HEIGHT)  # the road ends where they begin
    named = [(name, words.get(name, name)) for name in detail.drive.episode.action_names]
    _controls(ground, drive, moving, words, named)
    return ground.render().replace(Markup("<svg "), Markup('<svg class="clip" data-seconds="%.2f" ') % moving.seconds, 1)


class _Moving:
    """Turns a number for each step into an animation over the whole clip."""

    def __init__(self, drive: Drive) -> None:
        t = (drive.t - drive.t[0]) / drive.episode.hz
        self.seconds = max(float(t[-1]), 0.05)
        count = min(FRAMES, len(t))
        self.times = np.linspace(0.0, self.seconds, count)
        self._t = t

    def sampled(self, values: NDArray[np.floating]) -> _Values:
        """Return the values (n,) of the steps at the moments of the frames; what is not known is as the one before."""
        good = np.isfinite(values)
        if not good.any():
            return np.zeros(len(self.times))
        return np.interp(self.times, self._t[good], values[good])

    def animate(self, attribute: str, values: _Values) -> Markup:
        """Return the element that lets an attribute go through these values (frames,) in equal times."""
        return self._element("animate", ";".join(f"{v:.4g}" for v in values), attributeName=attribute)

    def move(self, kind: str, values: _Values) -> Markup:
        """Return the element that moves or turns its parent: ``translate`` by (frames, 2), ``rotate`` by (frames,) degrees."""
        texts = (f"{x:.1f},{y:.1f}" for x, y in values) if values.ndim == 2 else (f"{v:.1f}" for v in values)
        return self._element("animateTransform", ";".join(texts), attributeName="transform", type=kind)

    def shown(self, when: NDArray[np.bool_]) -> Markup:
        """Return the element that shows its parent while a condition of the steps (n,) holds."""
        at = np.clip(np.searchsorted(self._t, self.times, side="right") - 1, 0, len(when) - 1)
        values = ";".join("1" if yes else "0" for yes in when[at])
        return self._element("animate", values, attributeName="opacity", calcMode="discrete")

    def _element(self, name: str, values: str, **attributes: object) -> Markup:
        return element(name, "", "", **attributes, values=values, dur=f"{self.seconds:.2f}s", repeatCount="indefinite")


def _ground(drive: Drive, alone: Drive | None, scene: Scene, label: str) -> Ground:
    """Return a picture of the same size for every clip, with all that was driven in it."""
    points = drive.points if alone is None else np.vstack([drive.points, alone.points])
    points = points[np.isfinite(points).all(axis=1)]
    margin = scene.half_width + 3.0
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    return Ground(low, high, label=label, width=WIDTH, max_height=HEIGHT, min_height=HEIGHT)


def _line(ground: Ground, drive: Drive, moving: _Moving, words: Words) -> None:
    """Draw what was driven, faint as a whole, and clear as far as the car has come; a ring where the human took over."""
    edges = [0, *(int(k) + 1 for k in np.flatnonzero(np.diff(drive.human.astype(np.int8)))), len(drive) - 1]
    for a, b in pairwise(edges):
        if b <= a:
            continue
        who = "human" if drive.human[a] else "agent"
        stretch = drive.points[a : b + 1]
        pixels = ground.plan.at(stretch)
        d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in pixels)
        ground.add("path", f"way {who} faint", d=d)
        way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stretch, axis=0).T))])
        share = np.zeros(len(drive))
        share[a : b + 1] = way / max(float(way[-1]), 1e-9)
        share[b + 1 :] = 1.0
        hidden = moving.animate("stroke-dashoffset", 1.0 - moving.sampled(share))
        ground.add("path", f"way {who}", hidden, d=d, pathLength=1, stroke_dasharray="1 2")
        if who == "human":
            x, y = pixels[0].tolist()
            ground.add("circle", "taken", element("title", inner=words["clip_taken"]), cx=x, cy=y, r=5)


def _car(ground: Ground, drive: Drive, moving: _Moving, words: Words, *, scripted: bool) -> None:
    """Draw the car as an arrow, filled while the human drives, hollow while the agent does."""
    pixels = ground.plan.at(np.stack([moving.sampled(drive.x), moving.sampled(drive.y)], axis=1))
    known = np.isfinite(drive.heading)
    heading = np.where(known, np.unwrap(np.where(known, drive.heading, 0.0)), np.nan)
    arrows = [
        element("path", f"car {who}", moving.shown(drive.human == human), d="M11 0L-7 7L-3.5 0L-7 -7Z")
        for who, human in (("human", True), ("agent", False))
    ]
    turned = element("g", "", moving.move("rotate", -np.degrees(moving.sampled(heading))) + Markup("").join(arrows))
    ground.add("g", "", moving.move("translate", pixels) + turned)
    for who, human in (("human", True), ("agent", False)):
        text = words["clip_agent" if not human else "clip_scripted" if scripted else "clip_you"]
        said = moving.shown(drive.human == human) + element("tspan", "", text)
        ground.add("text", f"who {who}", said, x=WIDTH - 10, y=HEIGHT - 10, text_anchor="end")


def _controls(ground: Ground, drive: Drive, moving: _Moving, words: Words, names: Sequence[tuple[str, str]]) -> None:
    """Draw the speed and each action below the road: the bar is what was done, the mark what the agent would have done."""
    y = HEIGHT + 10
    top = max(10.0, float(np.nanmax(drive.speed)) if np.isfinite(drive.speed).any() else 10.0)
    shown = moving.sampled(drive.speed) / top
    _bar(ground, moving, y, words["row_speed"], shown, None, both_ways=False, right=_RIGHT - _SCALE)
    ground.add("text", "control scale", words.say("clip_scale", kmh=top * 3.6), x=_RIGHT, y=y + 10.5, text_anchor="end")
    for k, (name, said) in enumerate(names[: drive.executed.shape[1]]):
        y += _ROW
        done = moving.sampled(drive.executed[:, k])
        would = moving.sampled(drive.proposed[:, k])
        _bar(ground, moving, y, said, done, would, both_ways=name not in ("gas", "brake"))


def _bar(
    ground: Ground, moving: _Moving, y: float, name: str, done: _Values, would: _Values | None, *, both_ways: bool,
    right: float = _RIGHT,
) -> None:
    low = -1.0 if both_ways else 0.0
    zero, unit = _LEFT + (right - _LEFT) * (0.0 - low) / (1.0 - low), (right - _LEFT) / (1.0 - low)
    ground.add("text", "control", name if len(name) <= 13 else name[:12] + "…", x=_LEFT - 8, y=y + 10.5, text_anchor="end")
    ground.add("rect", "rail", x=_LEFT, y=y, width=right - _LEFT, height=_BAR, rx=3)
    reach = np.clip(done, low, 1.0) * unit
    width = moving.animate("width", np.abs(reach))
    inner = width + moving.animate("x", zero + np.minimum(reach, 0.0)) if both_ways else width
    ground.add("rect", "done", inner, x=zero, y=y, width=0, height=_BAR)
    if both_ways:
        ground.add("line", "zero", x1=zero, x2=zero, y1=y - 2, y2=y + _BAR + 2)
    if would is not None and math.isfinite(float(would.sum())):
        places = moving.animate("x", zero + np.clip(would, low, 1.0) * unit - 2.0)
        ground.add("rect", "would", places, x=zero - 2.0, y=y - 3.0, width=4, height=_BAR + 6, rx=1.5)
