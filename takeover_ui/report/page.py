"""The report as one page of HTML, without a script, that opens anywhere."""

from __future__ import annotations

import base64
import hashlib
import os
from html import escape
from pathlib import Path

from takeover_ui.report import sections as parts
from takeover_ui.report.contents import Report
from takeover_ui.report.style import STYLE


def write_report(path: str | os.PathLike[str], report: Report) -> None:
    """Write the report to ``path``; an old one is replaced only when the new one is complete.

    Raises:
        OSError: the file cannot be written.
    """
    target = Path(path)
    half = target.with_name(target.name + ".part")
    half.write_text(render(report), encoding="utf-8")
    os.replace(half, target)


def render(report: Report) -> str:
    """Return the report as one HTML page."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    sections = "".join(
        filter(
            None,
            (
                parts.headline(report),
                parts.before_after(report),
                parts.corner_from_above(report),
                parts.speed_along(report),
                parts.returns(report),
                parts.passes(report),
                parts.heat_map(report),
                parts.corner_table(report),
                parts.judged(report),
                parts.figures(report),
            ),
        )
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(report.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{sections}</main>\n"
        f"{parts.footer(report)}</body>\n</html>\n"
    )
