"""`hitl config show`: the training settings in force, and what an existing configuration means here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hitl.arguments import Parser

if TYPE_CHECKING:
    from trainer.tmrl.config import KeyUse


def main(argv: list[str]) -> int:
    """Print settings."""
    parser = Parser(prog="hitl config", description="Show training settings.")
    parser.add_argument("what", choices=("show",))
    parser.add_argument(
        "file", nargs="?", type=Path, help="an existing tmrl config.json: what each of its keys does here"
    )
    parser.add_argument("--preset", default="hitl", help="hitl (default), rlpd or run_l")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    parser.add_argument("--json", action="store_true", help="as JSON")
    args = parser.parse_args(argv)

    import json

    from trainer.daemon.resume import Wish

    if args.file is None:
        values = Wish(preset=args.preset, settings=tuple(args.set)).config().to_dict()
        if args.json:
            print(json.dumps(values, indent=1))
            return 0
        width = max(map(len, values))
        for name, value in values.items():
            print(f"{name:<{width}}  {json.dumps(value)}")
        return 0
    from trainer.tmrl.config import read

    config, findings = read(args.file)
    config = config.with_text(*args.set)
    if args.json:
        print(
            json.dumps(
                {
                    "settings": config.to_dict(),
                    "keys": [
                        {"section": f.section, "key": f.key, "status": f.status, "note": f.note} for f in findings
                    ],
                },
                indent=1,
            )
        )
        return 0
    show(findings)
    return 0


def show(findings: list[KeyUse]) -> None:
    """Print a table of what became of each key of a configuration."""
    from rich import box
    from rich.table import Table

    from hitl.console import console

    table = Table("key", "value", "what becomes of it", "", box=box.SIMPLE_HEAD, pad_edge=False)
    styles = {"changed": "yellow", "unknown": "red", "used": "green"}
    for f in sorted(findings, key=lambda f: (f.section, f.status)):
        name = f"{f.section}.{f.key}" if f.section else f.key
        text = str(f.value)
        table.add_row(
            name, text if len(text) <= 28 else text[:27] + "…", f.status, f.note, style=styles.get(f.status, "")
        )
    console().print(table)
