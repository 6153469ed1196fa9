"""The sections of a report, each a function of the record that returns HTML, or nothing when there is nothing to show."""

from __future__ import annotations

from html import escape
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from takeover_ui.geometry import ribbon
from takeover_ui.report.contents import DrivenLine, Outcome, Report
from takeover_ui.report.svg import Plan, Plot

_MARGIN_M = 22.0  # m of road shown before and behind the corner
_KINDS = (("before", "agent, before"), ("human", "human"), ("after", "agent, after"))
_JUMP_M = 6.0  # m between two steps that no car drives
_MOST_LINES = 6  # of each kind; more of them is a tangle


def headline(report: Report) -> str:
    """The title and, where it can be told, the outcome in one sentence."""
    where = f"at “{report.corner[0]}” on {report.scene.track}" if report.corner else f"on {report.scene.track}"
    text = ""
    if report.before and report.after:
        text = (
            f"{report.before.corner_passes} of {report.before.episodes} passes {where} before, "
            f"<strong>{report.after.corner_passes} of {report.after.episodes}</strong> after "
            f"<strong class='human'>{report.takeover_seconds:.0f} seconds</strong> of help."
        )
        text = text.replace(where, escape(where))
    elif report.takeovers:
        text = f"{report.takeovers} takeovers, {report.takeover_seconds:.0f} seconds of help {escape(where)}."
    return f"<header><h1>{escape(report.title)}</h1><p class='lead'>{text or escape(where)}</p></header>"


def before_after(report: Report) -> str:
    """Before and after side by side: a dot for each episode, and a table."""
    pairs = [(name, o) for name, o in (("before", report.before), ("after", report.after)) if o is not None]
    if not pairs:
        return ""
    blocks = "".join(
        f'<div class="outcome {name}"><h3>{name}</h3><p class="big">{o.corner_passes}<small> / {o.episodes}</small></p>'
        f'<div class="dots" role="img" aria-label="{o.corner_passes} of {o.episodes} passed">{_dots(o)}</div></div>'
        for name, o in pairs
    )
    rows = [
        ("corner passes", [f"{o.corner_passes} of {o.episodes}" for _, o in pairs]),
        ("return, mean", [f"{o.return_mean:.1f}" for _, o in pairs]),
    ]
    if any(o.finished is not None for _, o in pairs):
        rows.append(
            ("laps finished", ["–" if o.finished is None else f"{o.finished} of {o.episodes}" for _, o in pairs])
        )
    if any(o.checkpoint for _, o in pairs):
        rows.append(("checkpoint", [o.checkpoint or "–" for _, o in pairs]))
    head = "".join(f"<th scope='col'>{name}</th>" for name, _ in pairs)
    body = "".join(
        f"<tr><th scope='row'>{escape(k)}</th>{''.join(f'<td>{escape(v)}</td>' for v in vs)}</tr>" for k, vs in rows
    )
    note = "Deterministic episodes, driven by the agent alone. A filled dot is an episode that left the corner’s end on the road."
    table = f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    return _wide("Before and after", f'<div class="outcomes">{blocks}{table}</div><p class="note">{note}</p>')


def _dots(outcome: Outcome) -> str:
    passed = outcome.passed or tuple(i < outcome.corner_passes for i in range(outcome.episodes))
    return "".join(f'<i class="{"yes" if p else "no"}"></i>' for p in passed[:100])


def corner_from_above(report: Report) -> str:
    """The corner with the lines that the agent and the human drove through it."""
    if report.corner is None or not report.lines:
        return ""
    name, from_m, to_m = report.corner
    road = ribbon(report.scene.points, report.scene.half_width, 0.5)
    part = road.between(from_m - _MARGIN_M, to_m + _MARGIN_M)
    inner = road.between(from_m, to_m)
    shown = np.vstack([road.left[part], road.right[part]])
    plan = Plan(shown.min(axis=0) - 4, shown.max(axis=0) + 4, min_height=260, label=f"{name} from above")
    plan.path(np.vstack([road.left, road.right[::-1]]), "road", closed=True)
    plan.path(np.vstack([road.left[inner], road.right[inner][::-1]]), "road corner", closed=True)
    plan.path(road.left, "edge").path(road.right, "edge")
    for index in (inner.start, min(inner.stop, len(road.s)) - 1):
        plan.path(np.array([road.left[index], road.right[index]]), "gate")
    for kind, title in _KINDS:
        for line in _of_kind(report, kind):
            near = (line.progress > from_m - 2 * _MARGIN_M) & (line.progress < to_m + 2 * _MARGIN_M)
            for stretch in _stretches(line, near):
                plan.path(np.asarray(line.points)[stretch], f"line {kind}", title=title)
            if line.failed and near.any() and near[-1]:
                plan.cross(np.asarray(line.points)[-1], f"cross {kind}")
    return _figure(
        "The corner from above", plan.render(), _legend(report), "A cross is where an episode ended off the road."
    )


def speed_along(report: Report) -> str:
    """Speed over progress through the corner, for the same lines."""
    if report.corner is None or not report.lines:
        return ""
    name, from_m, to_m = report.corner
    low, high = max(0.0, from_m - 1.5 * _MARGIN_M), min(report.scene.length, to_m + _MARGIN_M)
    top = 1.0
    for line in report.lines:
        near = (line.progress >= low) & (line.progress <= high)
        if near.any():
            top = max(top, float(np.nanmax(np.asarray(line.speed)[near])) * 3.6)
    plot = (
        Plot((low, high), (0.0, top * 1.08), height=420, label=f"speed along {name}")
        .room_for_name()
        .band(from_m, to_m, "band", name)
    )
    plot.axes("progress, m", "km/h")
    for kind, _ in _KINDS:
        for line in _of_kind(report, kind):
            near = (line.progress >= low) & (line.progress <= high)
            for stretch in _stretches(line, near):
                plot.line(np.asarray(line.progress)[stretch], np.asarray(line.speed)[stretch] * 3.6, f"line {kind}")
    return _figure("Speed along the corner", plot.render(), _legend(report))


def returns(report: Report) -> str:
    """Return of each live episode, with the ones that were helped and the ceiling."""
    points = report.episodes
    if not points:
        return ""
    xs, ys = [p.agent_steps for p in points], [p.total for p in points]
    low, high = min(0.0, min(ys)), max([*ys, report.ceiling or 0.0])
    plot = (
        Plot((min(xs), max(xs)), (low, high * 1.08 + 1e-6), label="return over time")
        .room_for_name()
        .axes("agent steps", "return")
    )
    if report.ceiling is not None:
        plot.level(report.ceiling, "ceiling")
    alone = [p for p in points if p.human_seconds <= 0]
    helped = [p for p in points if p.human_seconds > 0]
    if len(points) >= 8:
        width = max(3, len(points) // 12)
        smooth = [float(np.mean(ys[max(0, i - width) : i + width + 1])) for i in range(len(ys))]
        plot.line(xs, smooth, "trend")
    plot.dots(
        [p.agent_steps for p in alone],
        [p.total for p in alone],
        "dot agent",
        2.6,
        [f"return {p.total:.1f}" for p in alone],
    )
    plot.dots(
        [p.agent_steps for p in helped],
        [p.total for p in helped],
        "dot human",
        3.6,
        [f"return {p.total:.1f}, {p.human_seconds:.1f} s of help" for p in helped],
    )
    legend = [("agent", "agent alone", "disc"), ("human", "with a takeover", "disc")]
    legend += [("trend", "running mean", "")] if len(points) >= 8 else []
    legend += [("ceiling", f"ceiling, {report.ceiling:.1f}", "")] if report.ceiling is not None else []
    return _figure("Return over time", plot.render(), _keys(legend))


def passes(report: Report) -> str:
    """Share of corner passes in each evaluation."""
    points = [e for e in report.evaluations if e.episodes > 0]
    if not points:
        return ""
    xs, ys = [e.agent_steps for e in points], [e.passes / e.episodes for e in points]
    plot = Plot((min(xs), max(xs)), (0.0, 1.0), label="corner passes in evaluations")
    plot.axes("agent steps", "", percent=True).line(xs, ys, "line after")
    plot.dots(xs, ys, "dot agent", 4, [f"{e.passes} of {e.episodes}, return {e.return_mean:.1f}" for e in points])
    return _figure("Corner passes in evaluations", plot.render())


def heat_map(report: Report) -> str:
    """The whole track, with the places where the agent failed."""
    if not report.failures:
        return ""
    road = ribbon(report.scene.points, report.scene.half_width, max(1.5, report.scene.length / 2000))
    shown = np.vstack([road.left, road.right])
    margin = 0.06 * float(np.ptp(shown, axis=0).max()) + 4
    plan = Plan(
        shown.min(axis=0) - margin,
        shown.max(axis=0) + margin,
        width=980,
        max_height=360,
        label="where the agent failed",
    )
    plan.path(np.vstack([road.left, road.right[::-1]]), "road", closed=True)
    for name, from_m, to_m in report.scene.corners:
        part = road.between(from_m, to_m)
        plan.path(np.vstack([road.left[part], road.right[part][::-1]]), "road corner", closed=True, title=name)
    for progress in list(report.failures)[-500:]:
        plan.disc(np.array(road.at(float(progress))), "failure", 6, f"{progress:.0f} m")
    for name, from_m, to_m in report.scene.corners[:12]:
        part = road.between(from_m, to_m)
        index = part.start + int(np.argmax(np.abs(road.curvature[part])))
        outwards = (
            road.right[index] - road.left[index] if road.curvature[index] > 0 else road.left[index] - road.right[index]
        )
        outwards /= max(float(np.hypot(*outwards)), 1e-9)
        plan.text(road.middle[index] + outwards * (report.scene.half_width + 34 / plan.scale), name, "far")
    note = f"{len(report.failures):,} episodes ended before the finish."
    return _figure("Where the agent failed", plan.render(), note=note, wide=True)


def corner_table(report: Report) -> str:
    """Each corner: how often it was reached and passed, and how much help it took."""
    if not report.corners:
        return ""
    head = "".join(
        f"<th scope='col'>{h}</th>" for h in ("from – to", "reached", "passed", "takeovers", "cleared", "help")
    )
    rows = "".join(
        f"<tr><th scope='row'>{escape(c.name)}</th><td>{c.from_m:.0f} – {c.to_m:.0f} m</td><td>{c.reached:,}</td>"
        f"<td>{_share(c.passed, c.reached)}</td><td>{c.takeovers:,}</td><td>{c.cleared:,}</td>"
        f"<td>{c.human_seconds:.1f} s</td></tr>"
        for c in report.corners
    )
    table = f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return _wide("Corners", f'<div class="scroll">{table}</div>')


def judged(report: Report) -> str:
    """How many segments have which verdict."""
    if not report.judged:
        return ""
    total = max(1, sum(report.judged.values()))
    rows = "".join(
        f'<div class="verdict"><span>{escape(name)}</span><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="100" height="8"/><rect class="fill {escape(name)}" '
        f'width="{100 * count / total:.1f}" height="8"/></svg><b>{count:,}</b></div>'
        for name, count in report.judged.items()
    )
    return _wide("Judged", rows)


def figures(report: Report) -> str:
    """The plain figures."""
    rows: list[tuple[str, str]] = [
        ("takeovers", f"{report.takeovers:,}" if report.takeovers else ""),
        ("takeover seconds", f"{report.takeover_seconds:.1f} s"),
        ("agent steps", f"{report.agent_steps:,}" if report.agent_steps else ""),
        ("updates", f"{report.updates:,}" if report.updates else ""),
        ("wall time", _duration(report.wall_seconds) if report.wall_seconds else ""),
        ("track", f"{report.scene.track}, {report.scene.length:.0f} m"),
        ("seed", "" if report.seed is None else str(report.seed)),
        *report.figures,
    ]
    cells = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in rows if v)
    return _wide("Figures", f"<dl>{cells}</dl>")


def footer(report: Report) -> str:
    """The versions."""
    text = " · ".join(f"{k} {v}" for k, v in report.versions.items())
    return f"<footer>{escape(text)}</footer>\n" if text else ""


def _of_kind(report: Report, kind: str) -> list[DrivenLine]:
    most = (
        2 if kind == "before" else _MOST_LINES
    )  # greedy drives of one checkpoint are all but the same: dashes fill up
    return [line for line in report.lines if line.kind == kind][-most:]


def _stretches(line: DrivenLine, mask: NDArray[np.bool_]) -> list[slice]:
    """Return the stretches in which ``mask`` holds and the line does not jump (somebody else drove in between)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    runs = [(int(a), int(b)) for a, b in list(pairwise(edges))[::2]]
    steps = np.hypot(*np.diff(np.asarray(line.points, np.float64), axis=0).T)
    jumps = np.flatnonzero(steps > _JUMP_M) + 1
    found = []
    for a, b in runs:
        cuts = [a, *(int(j) for j in jumps if a < j < b), b]
        found += [slice(c, d) for c, d in pairwise(cuts)]
    return found


def _legend(report: Report) -> str:
    present = {line.kind for line in report.lines}
    return _keys([(kind, text, "") for kind, text in _KINDS if kind in present])


def _keys(entries: list[tuple[str, str, str]]) -> str:
    return (
        '<ul class="legend">'
        + "".join(f'<li><i class="key {css} {shape}"></i>{escape(text)}</li>' for css, text, shape in entries)
        + "</ul>"
    )


def _figure(title: str, svg: str, legend: str = "", note: str = "", *, wide: bool = False) -> str:
    after = f'<p class="note">{escape(note)}</p>' if note else ""
    css = ' class="wide"' if wide else ""
    return f"<section{css}><h2>{escape(title)}</h2>{svg}{legend}{after}</section>"


def _wide(title: str, content: str) -> str:
    return f'<section class="wide"><h2>{escape(title)}</h2>{content}</section>'


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.0f} %)" if whole else "–"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
