"""`hitl doctor`: what a session needs on this machine, and what to do where it is missing; field kits, made and read."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from data.errors import UsageError
from data.records import ROADLESS
from data.suggest import did_you_mean
from hitl.arguments import Parser
from hitl.games.registry import env_words, single_words, spelt_out
from hitl.home import add_home, home_path, in_home

KIT = "hitl-field-kit.json"
MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}


def main(argv: list[str]) -> int:
    """Print one table; 0 when a session can run, 1 when something that it needs is missing. Or make or show a field kit."""
    parser = Parser(prog="hitl doctor",
        word="--env", description="Look whether this machine has what a session needs.")
    add_home(parser)
    parser.add_argument(
        "--env", default="box2d", type=_env, metavar="ENV", help=f"what you mean to drive: {env_words()} (default: box2d)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    kits = parser.add_mutually_exclusive_group()
    kits.add_argument(
        "--record",
        nargs="?",
        const=Path(KIT),
        type=Path,
        metavar="FILE",
        help=f"measure this machine, pads and game in some minutes, each only after asking, into one file without personal "
        f"data that you can send (default: {KIT})",
    )
    kits.add_argument("--read", type=Path, metavar="FILE", help="show what such a file holds")
    parser.add_argument("--yes", action="store_true", help="with --record: do everything without asking")
    args = parser.parse_args(argv)
    if args.yes and args.record is None:
        parser.error("--yes goes with --record")
    if args.record is not None and args.env.startswith(ROADLESS):
        parser.error("--record is for our game, TrackMania, tmrl and SuperTuxKart, so it does not go with --env gym:ID")
    if args.read is not None:
        return _read(args)
    if args.record is not None:
        return _record(args)

    from hitl.doctor import BAD, examine

    named = args.home
    checks = [
        dataclasses.replace(c, found=in_home(c.found, named), do=in_home(c.do, named)) for c in examine(home_path(args), args.env)
    ]
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


def _env(text: str) -> str:
    """Return the word of the game that is meant; ``gym:ID`` as it is."""
    env = spelt_out(text, "default")[0]
    if env in single_words() or env.removeprefix(ROADLESS) not in ("", env):
        return env
    raise argparse.ArgumentTypeError(f"'{text}' is no environment: it is {env_words()}.{did_you_mean(text, single_words())}")


def _record(args: argparse.Namespace) -> int:
    from hitl.field_kit.kit import check_target
    from hitl.field_kit.record import record

    if not args.yes and not (sys.stdin is not None and sys.stdin.isatty()):
        raise UsageError(
            "This asks before each measurement, so it needs a terminal: type `hitl doctor --record` in one, or add --yes to do "
            "all of them unasked."
        )
    check_target(args.record)
    return 0 if record(args.record, home_path(args), args.env, ask=None if args.yes else input) else 1


def _read(args: argparse.Namespace) -> int:
    import msgspec

    from hitl.console import console
    from hitl.field_kit.kit import read
    from hitl.field_kit.record import shown_kit

    kit = read(args.read)
    if args.json:
        print(json.dumps(msgspec.to_builtins(kit), indent=1))
    else:
        console().print(shown_kit(kit))
    return 0
