"""Writes ``docs/commands.md`` from the commands themselves: ``python docs/make_commands.py``. A test holds the two together."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hitl.cli import COMMANDS, parser_of  # noqa: E402
from hitl.commands.export import APART  # noqa: E402

PAGE = ROOT / "docs" / "commands.md"
HEAD = """# Commands

Every command with all its options. This page is written by `python docs/make_commands.py`; `hitl COMMAND --help` says the same.

`hitl` alone says where you stand and what to do next. `--debug`, before or after a command, shows tracebacks.
"""


def verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the verbs of a command, by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()
    if parser.prog == "hitl export":
        yield from ((apart, parser_of(f"export {apart}")) for apart in APART)


def rows(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Yield (how it is written, what it does) of each option and argument."""
    formatter = parser._get_formatter()
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        value = "" if action.nargs == 0 else formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
        name = ", ".join(action.option_strings)
        if not name:
            name, value = formatter._format_args(action, formatter._get_default_metavar_for_positional(action)), ""
        yield f"{name} {value}".strip(), formatter._expand_help(action) if action.help else ""


def table(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the lines of a table of options; nothing where there are none."""
    found = list(rows(parser))
    if found:
        yield from ("", "| option | what it does |", "|---|---|")
    for written, meaning in found:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{written}`", meaning)) + " |"


def page() -> str:
    """Return the whole page."""
    lines = [HEAD]
    for name in COMMANDS:
        parser = parser_of(name)
        lines += [f"## hitl {name}", "", str(parser.description or COMMANDS[name][1]), *table(parser)]
        for verb, inner in verbs(parser):
            lines += ["", f"### hitl {name} {verb}", "", str(inner.description or ""), *table(inner)]
        lines += ["", str(parser.epilog), ""] if parser.epilog else [""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
