"""The report as one HTML page that needs no network, runs no script and opens anywhere.

The texts are filled into ``report.html`` by jinja2, which escapes them. A Content-Security-Policy allows the page its own style
sheet (by hash) and nothing else. The charts are SVG of our own: one file, no script, light and dark by the style sheet.
"""

from __future__ import annotations

import base64
import hashlib
import os
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from data.files import held
from data.reading.attempts import RULE
from data.words import number_of, track_words
from takeover_ui.overlay.texts import duration
from takeover_ui.report import charts
from takeover_ui.report.contents import Report


def write_report(path: str | os.PathLike[str], report: Report) -> None:
    """Write the report to ``path``; an old one is replaced only when the new one is complete.

    Raises:
        OSError: the file cannot be written.
    """
    held.write_whole(Path(path), render(report))


def render(report: Report, home: str = "") -> str:
    """Return the report as one HTML page. ``home``: the address of a page that it leads back to; "" for none."""
    templates = Environment(
        loader=PackageLoader("takeover_ui", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = resources.files("takeover_ui.report").joinpath("report.css").read_text(encoding="utf-8")
    return templates.get_template("report.html").render(
        report=report,
        rule=RULE,
        home=home,
        charts=charts.drawn(report),
        lead=_lead(report),
        unjudged=_unjudged(report),
        figures=_figures(report),
        duration=duration,
        style=Markup(style),
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def _lead(report: Report) -> str:
    """Return the sentence below the title: what came of it, and what it took."""
    place = track_words(report.scene.track)
    if report.corner is not None:
        place = f"“{report.corner[0]}” on {place}"
    helped = number_of(round(report.takeover_seconds), "second") + " of help"
    taken = number_of(report.takeovers, "takeover")
    if report.before and report.after:
        after = f"after {taken}, {helped} in all" if report.takeovers else "without any help"
        laps = number_of(len(report.before.passed), "lap")
        return (
            f"Alone, the agent came through {place} in {sum(report.before.passed)} of {laps} before, and in "
            f"{report.after.passed_text} {after}."
        )
    return f"{taken} at {place}: {helped}." if report.takeovers else f"The agent at {place}."


def _unjudged(report: Report) -> str:
    """Return what is said in place of verdicts where none was given."""
    count = sum(report.verdicts.values())
    if not count:
        return "There is nothing to judge yet: no one has taken over or driven a lap"
    return f"{number_of(count, 'takeover or lap', 'takeovers and laps')} without a verdict so far"


def _figures(report: Report) -> list[tuple[str, str]]:
    """Return names and values, empty where there is nothing to tell."""
    since = " since the first takeover" if report.takeovers else ""
    return [
        ("takeovers", f"{report.takeovers:,}" if report.takeovers else ""),
        ("help", duration(report.takeover_seconds) if report.takeovers else ""),
        (f"agent steps{since}", f"{report.agent_steps:,}" if report.agent_steps else ""),
        (f"updates{since}", f"{report.updates:,}" if report.updates else ""),
        ("track", report.scene.track),
        ("its length", f"{report.scene.length:.0f} m"),
        *report.figures,
    ]
