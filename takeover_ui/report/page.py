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
        home=home,
        charts=charts.drawn(report),
        figures=_figures(report),
        style=Markup(style),
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def _figures(report: Report) -> list[tuple[str, str]]:
    """Return names and values, empty where there is nothing to tell."""
    since = " since the first takeover" if report.takeovers else ""
    return [
        ("takeovers", f"{report.takeovers:,}" if report.takeovers else ""),
        ("help", f"{report.takeover_seconds:.1f} s"),
        (f"agent steps{since}", f"{report.agent_steps:,}" if report.agent_steps else ""),
        (f"updates{since}", f"{report.updates:,}" if report.updates else ""),
        ("track", f"{report.scene.track}, {report.scene.length:.0f} m"),
        *report.figures,
    ]
