"""Pictures of the ceiling: passes over steps, and the steps that each arm needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from ceiling_numbers import PUBLISHED, Run, Values, best_published, intervals
from markupsafe import Markup

from takeover_ui.report.svg import Plot

STEP = 250  # steps between two points of a curve
MAIN = ("continue", "rlpd", "laps", "no_help", "ours_laps", "takeover")
BANDS = ("continue", "laps", "takeover")  # more of them hide each other
COLOURS = {  # Okabe and Ito's, and a purple of Tol's: told apart by everyone
    "takeover": "#0072b2",
    "laps": "#d55e00",
    "continue": "#555555",
    "continue_fast": "#8c6d00",
    "rlpd": "#56b4e9",
    "no_help": "#009e73",
    "ours_laps": "#e69f00",
    "": "#aa4499",  # the best of the published rules
}
STYLE = (
    "svg{background:#fff;font-family:'DejaVu Sans',Verdana,sans-serif}"
    ".grid{stroke:#e6e6e6}.axis{stroke:#888}.tick{font-size:11px;fill:#555}.name{font-size:12px;fill:#333}"
    ".title{font-size:14px;fill:#111;font-weight:bold}.note{font-size:11px;fill:#666}.label{font-size:12px;font-weight:bold}"
    ".goal{stroke:#888;stroke-dasharray:4 4}polyline{fill:none;stroke-linejoin:round}"
)


def curve(run: Run, arm: str, grid: Values, episodes: int) -> tuple[Values, Values, Values]:
    """Return the interquartile mean of the share passed and its interval at the steps ``grid``.

    A run that ended early, its corner held, keeps its last value.
    """
    seeds = []
    for points in run.arms[arm]["curves"]:
        steps, passes = [p["steps"] for p in points], [p["passes"] / episodes for p in points]
        if steps and steps[0] > 0:  # the stalled agent passed never
            steps, passes = [0, *steps], [0.0, *passes]
        if steps:
            seeds.append(np.interp(grid, steps, passes))
    return intervals([np.array(seeds).T])


def _colour(arm: str) -> str:
    return COLOURS.get(arm, COLOURS[""])


def _add(plot: Plot, drawn: str) -> None:
    """Add a part that is SVG already."""
    plot.parts.append(Markup(drawn))


def _band(plot: Plot, grid: Values, low: Values, high: Values, colour: str, opacity: float = 0.11) -> None:
    if np.isfinite(low).all():
        there = [f"{plot.px(x):.1f},{plot.py(y):.1f}" for x, y in zip(grid, high, strict=True)]
        back = [f"{plot.px(x):.1f},{plot.py(y):.1f}" for x, y in zip(grid[::-1], low[::-1], strict=True)]
        points = " ".join((*there, *back))
        _add(plot, f'<polygon points="{points}" fill="{colour}" fill-opacity="{opacity}"/>')


def _line(plot: Plot, grid: Values, ys: Values, colour: str, width: float = 2.2) -> None:
    points = " ".join(f"{plot.px(x):.1f},{plot.py(y):.1f}" for x, y in zip(grid, ys, strict=True))
    _add(plot, f'<polyline points="{points}" stroke="{colour}" stroke-width="{width:g}"/>')


def _text(x: float, y: float, text: str, css: str, **attributes: str) -> str:
    more = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in attributes.items())
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}"{more}>{escape(text)}</text>'


def _apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels as little as is needed so that none lies on another."""
    order = np.argsort(wanted)
    placed = [float(wanted[i]) for i in order]
    for _ in range(200):
        for k in range(1, len(placed)):
            short = gap - (placed[k] - placed[k - 1])
            if short > 0:
                placed[k - 1] -= short / 2
                placed[k] += short / 2
        placed = [min(max(y, low + k * gap), high - (len(placed) - 1 - k) * gap) for k, y in enumerate(placed)]
    result = [0.0] * len(placed)
    for k, i in enumerate(order):
        result[i] = placed[k]
    return result


def _write(path: Path, width: float, height: float, parts: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n',
        encoding="utf-8",
    )
    return path


def curves(run: Run, found: dict[str, dict[str, Any]], path: Path, episodes: int = 20) -> Path:
    """Draw passes over steps of the arms that matter most."""
    arms = [a for a in (*MAIN, best_published(found)) if a in run.arms]
    grid = np.arange(0, run.budget + 1, STEP, dtype=np.float64)
    plot = Plot((0, run.budget), (0, 1), label=run.track, width=760, height=400)
    plot.top, plot.right = 64, 760 - 132
    plot.axes("steps driven after the stall", percent=True)
    plot.level(0.9, "goal")
    lines = {arm: curve(run, arm, grid, episodes) for arm in arms}
    for arm in (a for a in BANDS if a in lines):
        _band(plot, grid, *lines[arm][1:], _colour(arm))
    for arm, (middle, _, _) in lines.items():
        _line(plot, grid, middle, _colour(arm), 3 if arm == "takeover" else 2)
    ends = [plot.py(float(middle[-1])) for middle, _, _ in lines.values()]
    for arm, end, y in zip(lines, ends, _apart(ends, 16, plot.top, plot.bottom), strict=True):
        from_x, to_x = plot.right + 2, plot.right + 18
        _add(plot, f'<line x1="{from_x}" y1="{end:.1f}" x2="{to_x}" y2="{y:.1f}" stroke="{_colour(arm)}"/>')
        _add(plot, _text(to_x + 4, y + 4, arm, "label", fill=_colour(arm)))
    counts = {a: len(run.seeds_of(a)) for a in arms}
    fewer = ", ".join(f"{a}: {n}" for a, n in counts.items() if n < max(counts.values()))
    seeds = f"{max(counts.values())} seeds" + (f" ({fewer})" if fewer else "")
    _add(plot, _text(plot.left, 24, f"Episodes that pass the corner: {run.track}", "title"))
    banded = ", ".join(a for a in BANDS if a in lines)
    note = f"Deterministic evaluations; interquartile mean of {seeds}; 95 % bootstrap bands of {banded}"
    _add(plot, _text(plot.left, 44, note, "note"))
    return _write(path, plot.width, plot.height, plot.parts)


def steps(run: Run, found: dict[str, dict[str, Any]], path: Path) -> Path:
    """Draw the steps to 90 % of every arm: the mean of the middle half with its interval, and each seed as a small dot."""
    arms = sorted(found, key=lambda a: (found[a]["steps_to_90"].middle, -found[a]["passes"].middle))
    row, top = 24, 64
    farthest = max(run.budget, *(v for arm in arms for v in run.steps(arm).values()))
    plot = Plot((0, 1.02 * farthest), (0, 1), label=run.track, width=760, height=top + row * len(arms) + 44)
    plot.left, plot.right, plot.top = 118, 760 - 112, top
    plot.axes("steps until 90 % of episodes pass (the whole budget where they never did)", y_count=0)
    plot.parts = [p for p in plot.parts if 'class="grid"' not in p]  # the rows have no height to read off
    plot.parts = [p for p in plot.parts if f'x="{plot.left - 6}"' not in p]
    for i, arm in enumerate(arms):
        y = top + row * (i + 0.5)
        found_steps, colour = found[arm]["steps_to_90"], _colour(arm) if arm in COLOURS else "#777"
        if arm in PUBLISHED:
            colour = COLOURS[""]
        _add(plot, f'<line class="grid" x1="{plot.left}" x2="{plot.right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        _add(plot, _text(plot.left - 8, y + 4, arm, "label", fill=colour, text_anchor="end"))
        if not math.isnan(found_steps.low):
            a, b = plot.px(found_steps.low), plot.px(found_steps.high)
            _add(
                plot,
                f'<line x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="6" '
                'stroke-opacity="0.3" stroke-linecap="round"/>'
            )
        for seed, value in run.steps(arm).items():
            x, never = plot.px(value), seed in run.censored(arm)
            fill = "#fff" if never else colour
            _add(plot, f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{fill}" stroke="{colour}"/>')
        x = plot.px(found_steps.middle)
        _add(
            plot,
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 8:.1f}" y2="{y + 8:.1f}" stroke="{colour}" stroke-width="3"/>'
        )
        reached, seeds = found[arm]["reached"]
        text = f"{found_steps.bound} {found_steps.middle:,.0f}".strip()
        _add(plot, _text(plot.right + 60, y + 4, text, "note", text_anchor="end"))
        _add(plot, _text(plot.right + 104, y + 4, f"{reached}/{seeds}", "note", text_anchor="end"))
    _add(plot, _text(plot.left, 24, f"Steps to 90 % passes: {run.track}", "title"))
    note = "Bar: interquartile mean; broad line: 95 % interval; dots: seeds (hollow: never); right: seeds that got there"
    _add(plot, _text(plot.left, 44, note, "note"))
    return _write(path, plot.width, plot.height, plot.parts)


def small(run: Run, arms: Sequence[str], path: Path, title: str, episodes: int = 20, columns: int = 4) -> Path:
    """Draw one small chart for each arm, with ours behind it."""
    width, height, top = 232, 168, 58
    grid = np.arange(0, run.budget + 1, STEP, dtype=np.float64)
    ours = curve(run, "takeover", grid, episodes) if "takeover" in run.arms else None
    parts = [_text(12, 24, title, "title")]
    parts.append(_text(12, 44, "Share of episodes that pass over steps driven; in blue: takeover", "note"))
    for i, arm in enumerate(arms):
        plot = Plot((0, run.budget), (0, 1), label=arm, width=width, height=height)
        plot.left, plot.top, plot.bottom = 44, 26, height - 26
        plot.axes("", x_count=3, y_count=2, percent=True)
        if ours is not None:
            _line(plot, grid, ours[0], COLOURS["takeover"], 1.6)
        middle, low, high = curve(run, arm, grid, episodes)
        _band(plot, grid, low, high, COLOURS["laps"], 0.2)
        _line(plot, grid, middle, COLOURS["laps"], 2.2)
        _add(plot, _text(plot.left, 18, arm, "label", fill=COLOURS["laps"]))
        x, y = (i % columns) * width, top + (i // columns) * height
        parts.append(f'<g transform="translate({x} {y})">{"".join(plot.parts)}</g>')
    rows = math.ceil(len(arms) / columns)
    return _write(path, min(columns, max(2, len(arms))) * width + 8, top + rows * height + 8, parts)


def draw(run: Run, found: dict[str, dict[str, Any]], folder: Path) -> list[Path]:
    """Draw every picture of a track that its arms allow; return the files."""
    name = folder / f"ceiling_{run.track}"
    paths = [curves(run, found, name.with_suffix(".svg")), steps(run, found, Path(f"{name}_steps.svg"))]
    rivals = [a for a in PUBLISHED if a in run.arms]
    if rivals:
        title = f"The published rules: {run.track}"
        paths.append(small(run, rivals, Path(f"{name}_others.svg"), title, columns=5))
    own = [a for a in run.arms if a not in PUBLISHED and a != "takeover"]
    if own:
        paths.append(small(run, own, Path(f"{name}_arms.svg"), f"Arms beside ours: {run.track}"))
    return paths
