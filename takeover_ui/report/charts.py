"""The charts of a report, each a function of the record; None when there is nothing to show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from data.statistics import stretches
from takeover_ui.geometry import Ribbon, ribbon
from takeover_ui.report.contents import DrivenLine, Report
from takeover_ui.report.svg import Ground, Plot

_MARGIN_M = 22.0  # m of road shown before and after the corner
_KINDS = ("before", "human", "after")
_MOST = {"before": 2, "human": 6, "after": 6}  # lines; dashes of drives that are all but the same would fill up
_MOST_NAMES = 20  # of corners on a picture of the whole track
_JUMP_M = 6.0  # m between two steps that no car drives
_TREND_FROM = 8  # episodes that a running mean needs


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture; ``legend`` holds (class of the key, text)."""

    title: str
    svg: Markup
    legend: list[tuple[str, str]]
    note: str = ""


def drawn(report: Report) -> list[Chart]:
    """Return the charts that the report has anything for, in their order on the page."""
    charts = (corner_from_above, speed_along, returns, passes)
    return [*(chart for draw in charts if (chart := draw(report)) is not None), *failures(report)]


def corner_from_above(report: Report) -> Chart | None:
    """The corner with the lines that the agent and the human drove through it."""
    if report.corner is None or not report.lines:
        return None
    (name, from_m, to_m), words = report.corner, report.words
    road = ribbon(report.scene.points, report.scene.half_width, 0.5)
    part = road.between(from_m - _MARGIN_M, to_m + _MARGIN_M)
    inner = road.between(from_m, to_m)
    shown = np.vstack([road.left[part], road.right[part]])
    ground = Ground(shown.min(axis=0) - 4, shown.max(axis=0) + 4, min_height=260, label=words.say("from_above", corner=name))
    ground.path(_area(road), "road", closed=True)
    ground.path(_area(road, inner), "road corner", closed=True)
    ground.path(road.left, "edge")
    ground.path(road.right, "edge")
    for index in (inner.start, min(inner.stop, len(road.s)) - 1):
        ground.path(np.array([road.left[index], road.right[index]]), "gate")
    for line in _shown(report):
        near = (line.progress > from_m - 2 * _MARGIN_M) & (line.progress < to_m + 2 * _MARGIN_M)
        for stretch in _stretches(line, near):
            ground.path(line.points[stretch], f"line {line.kind}", title=words[f"line_{line.kind}"])
        if line.failed and near.any() and near[-1]:
            ground.cross(line.points[-1], f"cross {line.kind}")
    crossed = any(line.failed for line in report.lines)
    note = words["chart_above_note"] if crossed else ""
    return Chart(words["chart_above"], ground.render(), _line_legend(report), note)


def speed_along(report: Report) -> Chart | None:
    """Speed over progress through the corner, for the same lines."""
    if report.corner is None or not report.lines:
        return None
    (name, from_m, to_m), words = report.corner, report.words
    low, high = max(0.0, from_m - 1.5 * _MARGIN_M), min(report.scene.length, to_m + _MARGIN_M)
    near = [(line, (line.progress >= low) & (line.progress <= high)) for line in report.lines]
    top = max([1.0, *(float(np.nanmax(line.speed[mask])) * 3.6 for line, mask in near if mask.any())])
    plot = Plot((low, high), (0.0, top * 1.08), "km/h", height=420, label=words.say("speed_along", corner=name))
    plot.band(from_m, to_m, name)
    plot.axes(words["axis_metres"])
    for line in _shown(report):
        for stretch in _stretches(line, (line.progress >= low) & (line.progress <= high)):
            plot.line(line.progress[stretch], line.speed[stretch] * 3.6, f"line {line.kind}")
    return Chart(words["chart_speed"], plot.render(), _line_legend(report))


def returns(report: Report) -> Chart | None:
    """Return of each live episode, with the ones that were helped and the ceiling."""
    points, words = report.episodes, report.words
    if not points:
        return None
    xs, ys = [p.agent_steps for p in points], [p.total for p in points]
    low, high = min(0.0, min(ys)), max([*ys, report.ceiling or 0.0])
    plot = Plot((min(xs), max(xs)), (low, high * 1.08 + 1e-6), words["axis_return"], label=words["chart_return"])
    plot.axes(words["axis_steps"])
    legend = [("disc agent", words["agent_alone"])]
    if any(p.human_seconds > 0 for p in points):
        legend.append(("disc human", words["with_takeover"]))
    if len(points) >= _TREND_FROM:
        width = max(3, len(points) // 12)
        smooth = [float(np.mean(ys[max(0, i - width) : i + width + 1])) for i in range(len(ys))]
        plot.line(xs, smooth, "trend")
        legend.append(("trend", words["running_mean"]))
    if report.ceiling is not None:
        plot.level(report.ceiling, "ceiling")
        legend.append(("ceiling", words.say("before_help", value=report.ceiling)))
    for css, radius, helped in (("dot agent", 2.6, False), ("dot human", 3.6, True)):
        some = [p for p in points if (p.human_seconds > 0) == helped]
        said = [words.say("dot_help" if helped else "dot_return", value=p.total, seconds=p.human_seconds) for p in some]
        plot.dots([p.agent_steps for p in some], [p.total for p in some], css, radius, said, diamonds=helped)
    note = words.say("chart_return_note", seconds=1000 / report.hz)
    return Chart(words["chart_return"], plot.render(), legend, note)


def passes(report: Report) -> Chart | None:
    """Share of corner passes in each evaluation."""
    points, words = [e for e in report.evaluations if e.episodes > 0], report.words
    if not points:
        return None
    xs, ys = [e.agent_steps for e in points], [e.passes / e.episodes for e in points]
    plot = Plot((min(xs), max(xs)), (0.0, 1.0), label=words["chart_passes"])
    plot.axes(words["axis_steps"], percent=True)
    plot.line(xs, ys, "line after")
    said = [words.say("dot_passes", passes=e.passes, of=e.episodes, value=e.return_mean) for e in points]
    plot.dots(xs, ys, "dot agent", 4, said)
    fewest, most = min(e.episodes for e in points), max(e.episodes for e in points)
    same = fewest == most
    note = words.say("passes_note", n=most) if same else words.say("passes_note_range", fewest=fewest, most=most)
    return Chart(words["chart_passes"], plot.render(), [], note)


def failures(report: Report) -> list[Chart]:
    """The whole track, with the places where the agent failed: before and after the first takeover apart."""
    if not report.failures:
        return []
    cut, (before, after) = report.failures_before, report.alone
    if cut is None:
        return [_failed(report, report.words["chart_failed"], report.failures, before + after)]
    parts = ("before", report.failures[:cut], before), ("after", report.failures[cut:], after)
    return [
        _failed(report, report.words[f"chart_failed_{which}"], places, drives)
        for which, places, drives in parts
        if drives
    ]


def _failed(report: Report, title: str, places: Sequence[float], drives: int) -> Chart:
    road = ribbon(report.scene.points, report.scene.half_width, max(1.5, report.scene.length / 2000))
    shown = np.vstack([road.left, road.right])
    margin = 0.06 * float(np.ptp(shown, axis=0).max()) + 8
    low, high = shown.min(axis=0) - margin, shown.max(axis=0) + margin
    ground = Ground(low, high, max_height=360, label=title)
    ground.path(_area(road), "road", closed=True)
    for name, from_m, to_m in report.scene.corners:
        ground.path(_area(road, road.between(from_m, to_m)), "road corner", closed=True, title=name)
    for progress in places[-500:]:
        ground.cross(road.at(progress), "failure", f"{progress:.0f} m")
    # Where there is no room for all names, the report's own corner is the one to find.
    for name, from_m, to_m in sorted(report.scene.corners, key=lambda corner: corner != report.corner)[:_MOST_NAMES]:
        near, beyond = (report.scene.half_width + gap / ground.plan.scale for gap in (0.0, 12.0))
        ground.text(road.beside_apex(from_m, to_m, beyond), road.beside_apex(from_m, to_m, near), name)
    words = report.words
    failed = words.written(f"{len(places):,}") if places else words["failed_none"]
    note = words.say("failed_note", failed=failed, n=max(drives, len(places)))
    return Chart(title, ground.render(), [], note)


def _area(road: Ribbon, part: slice = slice(None)) -> NDArray[np.float64]:
    return np.vstack([road.left[part], road.right[part][::-1]])


def _shown(report: Report) -> Iterator[DrivenLine]:
    """Go through the lines kind by kind; more than a few of each are a tangle."""
    for kind, most in _MOST.items():
        yield from [line for line in report.lines if line.kind == kind][-most:]


def _stretches(line: DrivenLine, mask: NDArray[np.bool_]) -> list[slice]:
    """Return the stretches in which ``mask`` holds and the line does not jump (because the other driver drove in between)."""
    steps = np.hypot(*np.diff(line.points, axis=0).T)
    jumps = np.flatnonzero(steps > _JUMP_M) + 1
    found = []
    for a, b in stretches(mask):
        cuts = [a, *(int(j) for j in jumps if a < j < b), b]
        found += [slice(c, d) for c, d in pairwise(cuts)]
    return found


def _line_legend(report: Report) -> list[tuple[str, str]]:
    present = {line.kind for line in report.lines}
    return [(kind, report.words[f"line_{kind}"]) for kind in _KINDS if kind in present]
