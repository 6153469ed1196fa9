"""`hitl doctor`: what a session needs on this machine, and what to do where it is missing."""

from __future__ import annotations

import dataclasses
import json

from hitl.arguments import Parser
from hitl.games.registry import single_words
from hitl.home import add_home, home_path

MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}


def main(argv: list[str]) -> int:
    """Print one table; 0 when a session can run, 1 when something that it needs is missing."""
    parser = Parser(prog="hitl doctor", description="Look whether this machine has what a session needs.")
    add_home(parser)
    parser.add_argument(
        "--env",
        default="box2d",
        choices=single_words(),
        help="what you mean to drive (default: box2d)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)

    from hitl.doctor import BAD, examine

    checks = examine(home_path(args), args.env)
    if args.json:
        print(json.dumps([dataclasses.asdict(c) for c in checks], indent=1))
    else:
        from rich.markup import escape
        from rich.table import Table

        from hitl.console import console, marked

        table = Table(box=None, pad_edge=False, show_header=False)
        for check in checks:
            what = escape(check.found) + (f"\n[dim]-> {escape(check.do)}[/]" if check.do else "")
            table.add_row(check.name, marked(MARKS[check.state]), marked(what))
        out = console()
        out.print(table)
        bad = [c.name for c in checks if c.state == BAD]
        out.print(f"\nMissing for --env {args.env}: {', '.join(bad)}." if bad else f"\nReady for --env {args.env}.")
    return 1 if any(c.state == BAD for c in checks) else 0
