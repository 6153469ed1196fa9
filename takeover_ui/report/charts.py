"""The charts of a report, each a function of the record; None when there is nothing to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from takeover_ui.geometry import Ribbon, ribbon
from takeover_ui.report.contents import DrivenLine, Report
from takeover_ui.report.svg import Ground, Plot

_MARGIN_M = 22.0  # m of road shown before and after the corner
_KINDS = {"before": "agent, before", "human": "human", "after": "agent, after"}
_MOST = {"before": 2, "human": 6, "after": 6}  # lines; dashes of drives that are all but the same would fill up
_JUMP_M = 6.0  # m between two steps that no car drives
_TREND_FROM = 8  # episodes that a running mean needs


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture; ``legend`` holds (class of the key, text)."""

    title: str
    svg: Markup
    legend: list[tuple[str, str]]
    note: str = ""
    wide: bool = False


def drawn(report: Report) -> list[Chart]:
    """Return the charts that the report has anything for, in their order on the page."""
    charts = (corner_from_above, speed_along, returns, passes, failures)
    return [chart for draw in charts if (chart := draw(report)) is not None]


def corner_from_above(report: Report) -> Chart | None:
    """The corner with the lines that the agent and the human drove through it."""
    if report.corner is None or not report.lines:
        return None
    name, from_m, to_m = report.corner
    road = ribbon(report.scene.points, report.scene.half_width, 0.5)
    part = road.between(from_m - _MARGIN_M, to_m + _MARGIN_M)
    inner = road.between(from_m, to_m)
    shown = np.vstack([road.left[part], road.right[part]])
    ground = Ground(shown.min(axis=0) - 4, shown.max(axis=0) + 4, min_height=260, label=f"{name} from above")
    ground.path(_area(road), "road", closed=True)
    ground.path(_area(road, inner), "road corner", closed=True)
    ground.path(road.left, "edge")
    ground.path(road.right, "edge")
    for index in (inner.start, min(inner.stop, len(road.s)) - 1):
        ground.path(np.array([road.left[index], road.right[index]]), "gate")
    for line in _shown(report):
        near = (line.progress > from_m - 2 * _MARGIN_M) & (line.progress < to_m + 2 * _MARGIN_M)
        for stretch in _stretches(line, near):
            ground.path(line.points[stretch], f"line {line.kind}", title=_KINDS[line.kind])
        if line.failed and near.any() and near[-1]:
            ground.cross(line.points[-1], f"cross {line.kind}")
    note = "A cross marks where an episode ended off the road."
    return Chart("The corner from above", ground.render(), _line_legend(report), note)


def speed_along(report: Report) -> Chart | None:
    """Speed over progress through the corner, for the same lines."""
    if report.corner is None or not report.lines:
        return None
    name, from_m, to_m = report.corner
    low, high = max(0.0, from_m - 1.5 * _MARGIN_M), min(report.scene.length, to_m + _MARGIN_M)
    near = [(line, (line.progress >= low) & (line.progress <= high)) for line in report.lines]
    top = max([1.0, *(float(np.nanmax(line.speed[mask])) * 3.6 for line, mask in near if mask.any())])
    plot = Plot((low, high), (0.0, top * 1.08), "km/h", height=420, label=f"speed along {name}")
    plot.band(from_m, to_m, name)
    plot.axes("progress, m")
    for line in _shown(report):
        for stretch in _stretches(line, (line.progress >= low) & (line.progress <= high)):
            plot.line(line.progress[stretch], line.speed[stretch] * 3.6, f"line {line.kind}")
    return Chart("Speed through the corner", plot.render(), _line_legend(report))


def returns(report: Report) -> Chart | None:
    """Return of each live episode, with the ones that were helped and the ceiling."""
    points = report.episodes
    if not points:
        return None
    xs, ys = [p.agent_steps for p in points], [p.total for p in points]
    low, high = min(0.0, min(ys)), max([*ys, report.ceiling or 0.0])
    plot = Plot((min(xs), max(xs)), (low, high * 1.08 + 1e-6), "return", label="return over time")
    plot.axes("agent steps")
    legend = [("disc agent", "agent alone"), ("disc human", "with a takeover")]
    if len(points) >= _TREND_FROM:
        width = max(3, len(points) // 12)
        smooth = [float(np.mean(ys[max(0, i - width) : i + width + 1])) for i in range(len(ys))]
        plot.line(xs, smooth, "trend")
        legend.append(("trend", "running mean"))
    if report.ceiling is not None:
        plot.level(report.ceiling, "ceiling")
        legend.append(("ceiling", f"ceiling, {report.ceiling:.1f}"))
    for css, radius, helped in (("dot agent", 2.6, False), ("dot human", 3.6, True)):
        some = [p for p in points if (p.human_seconds > 0) == helped]
        said = [f"return {p.total:.1f}" + (f", {p.human_seconds:.1f} s of help" if helped else "") for p in some]
        plot.dots([p.agent_steps for p in some], [p.total for p in some], css, radius, said, diamonds=helped)
    return Chart("Return over time", plot.render(), legend)


def passes(report: Report) -> Chart | None:
    """Share of corner passes in each evaluation."""
    points = [e for e in report.evaluations if e.episodes > 0]
    if not points:
        return None
    xs, ys = [e.agent_steps for e in points], [e.passes / e.episodes for e in points]
    plot = Plot((min(xs), max(xs)), (0.0, 1.0), label="corner passes in evaluations")
    plot.axes("agent steps", percent=True)
    plot.line(xs, ys, "line after")
    plot.dots(xs, ys, "dot agent", 4, [f"{e.passes} of {e.episodes}, return {e.return_mean:.1f}" for e in points])
    return Chart("Corner passes in evaluations", plot.render(), [])


def failures(report: Report) -> Chart | None:
    """The whole track, with the places where the agent failed."""
    if not report.failures:
        return None
    road = ribbon(report.scene.points, report.scene.half_width, max(1.5, report.scene.length / 2000))
    shown = np.vstack([road.left, road.right])
    margin = 0.06 * float(np.ptp(shown, axis=0).max()) + 4
    low, high = shown.min(axis=0) - margin, shown.max(axis=0) + margin
    ground = Ground(low, high, width=980, max_height=360, label="where the agent failed")
    ground.path(_area(road), "road", closed=True)
    for name, from_m, to_m in report.scene.corners:
        ground.path(_area(road, road.between(from_m, to_m)), "road corner", closed=True, title=name)
    for progress in report.failures[-500:]:
        ground.cross(road.at(progress), "failure", f"{progress:.0f} m")
    for name, from_m, to_m in report.scene.corners[:12]:
        ground.text(road.beside_apex(from_m, to_m, report.scene.half_width + 34 / ground.plan.scale), name)
    note = f"{len(report.failures):,} episodes ended off the road or at a standstill."
    return Chart("Where the agent failed", ground.render(), [], note, wide=True)


def _area(road: Ribbon, part: slice = slice(None)) -> NDArray[np.float64]:
    return np.vstack([road.left[part], road.right[part][::-1]])


def _shown(report: Report) -> Iterator[DrivenLine]:
    """Go through the lines kind by kind; more than a few of each are a tangle."""
    for kind, most in _MOST.items():
        yield from [line for line in report.lines if line.kind == kind][-most:]


def _stretches(line: DrivenLine, mask: NDArray[np.bool_]) -> list[slice]:
    """Return the stretches in which ``mask`` holds and the line does not jump (because the other driver drove in between)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    steps = np.hypot(*np.diff(line.points, axis=0).T)
    jumps = np.flatnonzero(steps > _JUMP_M) + 1
    found = []
    for a, b in list(pairwise(edges))[::2]:
        cuts = [int(a), *(int(j) for j in jumps if a < j < b), int(b)]
        found += [slice(c, d) for c, d in pairwise(cuts)]
    return found


def _line_legend(report: Report) -> list[tuple[str, str]]:
    present = {line.kind for line in report.lines}
    return [(kind, text) for kind, text in _KINDS.items() if kind in present]
