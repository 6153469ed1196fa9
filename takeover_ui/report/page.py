"""The report as one HTML page that needs no network, runs no script and opens anywhere.

The texts are filled into ``report.html`` by jinja2, which escapes them. A Content-Security-Policy allows the page its own style
sheet (by hash) and nothing else. The charts are SVG of our own: one file, no script, light and dark by the style sheet.
"""

from __future__ import annotations

import base64
import hashlib
import os
from functools import partial
from importlib import resources
from pathlib import Path

from markupsafe import Markup

from data.files import held
from takeover_ui.overlay.texts import duration
from takeover_ui.report import charts
from takeover_ui.report.contents import Report
from takeover_ui.report.texts import share, track_named
from takeover_ui.templates import templates


def write_report(path: str | os.PathLike[str], report: Report) -> None:
    """Write the report to ``path``; an old one is replaced only when the new one is complete.

    Raises:
        OSError: the file cannot be written.
    """
    held.write_whole(Path(path), render(report))


def is_report(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a report, of this version or an earlier one."""
    return head.lstrip().startswith(b"<!doctype html>") and _POLICY in head


_POLICY = b"""Content-Security-Policy" content="default-src 'none'; style-src 'sha256-"""


def render(report: Report, home: str = "") -> str:
    """Return the report as one HTML page. ``home``: the address of a page that it leads back to; "" for none."""
    style = resources.files("takeover_ui.report").joinpath("report.css").read_text(encoding="utf-8")
    return templates("report").get_template("report.html").render(
        report=report,
        words=report.words,
        say=report.words.say,
        share=partial(share, report.words),
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
    words = report.words
    place = track_named(words, report.scene.track)
    if report.corner is not None:
        place = words.say("place_at", corner=report.corner[0], track=place)
    helped = words.say("seconds", n=round(report.told_seconds))
    if report.before and report.after:
        after = words["after_elsewhere" if report.helped_elsewhere else "after_nothing"]
        if report.told_takeovers:
            after = words.say("after_help", n=report.told_takeovers, seconds=helped)
        laps = len(report.before.passed)
        shares = {"before": sum(report.before.passed), "after": report.after.said(words)}
        return words.say("lead_before_after", place=place, n=laps, helped=after, **shares)
    if report.told_takeovers:
        return words.say("lead_help", n=report.told_takeovers, place=place, seconds=helped)
    if report.takeovers:
        track, helped = track_named(words, report.scene.track), words.say("seconds", n=round(report.takeover_seconds))
        return words.say("lead_help", n=report.takeovers, place=track, seconds=helped)
    return words.say("lead_agent", place=place)


def _unjudged(report: Report) -> str:
    """Return what is said in place of verdicts where none was given."""
    count, words = sum(report.verdicts.values()), report.words
    return f"{words.say('unjudged', n=count)}: {words['unjudged_review']}." if count else f"{words['unjudged_none']}."


def _figures(report: Report) -> list[tuple[str, str]]:
    """Return names and values, empty where there is nothing to tell."""
    since, words = "_since" if report.takeovers else "", report.words
    empty = words.say("and_empty", n=report.empty_takeovers) if report.empty_takeovers else ""
    named = [
        ("figure_takeovers", f"{report.takeovers:,}{empty}" if report.takeovers or empty else ""),
        ("help", duration(report.takeover_seconds) if report.takeovers else ""),
        (f"figure_steps{since}", f"{report.agent_steps:,}" if report.agent_steps else ""),
        (f"figure_updates{since}", f"{report.updates:,}" if report.updates else ""),
    ]
    return [
        *((words[name], words.written(value)) for name, value in named),
        (words["figure_track"], report.scene.track),
        (words["figure_length"], f"{report.scene.length:.0f} m"),
        *((words.get(name, name), value) for name, value in report.figures),
    ]
