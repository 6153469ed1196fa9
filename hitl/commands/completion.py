"""`hitl completion`: the Tab key for the shell, by argcomplete."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from typing import Any

from data.errors import UsageError
from data.extras import install
from hitl.arguments import Parser

SHELLS = ("bash", "zsh", "fish", "powershell")
HOW = {
    "bash": 'add this line to ~/.bashrc: eval "$(hitl completion bash)"',
    "zsh": 'add this line to ~/.zshrc: eval "$(hitl completion zsh)"',
    "fish": "once: hitl completion fish > ~/.config/fish/completions/hitl.fish",
    "powershell": "add this line to $PROFILE: hitl completion powershell | Out-String | Invoke-Expression",
}


def main(argv: list[str]) -> int:
    """Print what a shell is to run."""
    parser = Parser(
        prog="hitl completion",
        description="Print what makes the Tab key complete commands, options and their values.",
        epilog="; ".join(f"{shell}: {how}" for shell, how in HOW.items()),
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell that you type in")
    args = parser.parse_args(argv)
    print(_argcomplete().shellcode(["hitl"], shell=args.shell))
    return 0


def complete(commands: Iterable[str], parser_of: Callable[[str], argparse.ArgumentParser]) -> None:
    """Answer the shell, which has called us in the middle of a line, and leave. Only the command on that line is imported."""
    try:
        argcomplete = _argcomplete()
    except UsageError:
        raise SystemExit(1) from None
    line, point = os.environ.get("COMP_LINE", ""), int(os.environ.get("COMP_POINT", "0"))
    words = argcomplete.split_line(line, point)[3]
    first = int(os.environ["_ARGCOMPLETE"]) - 1
    name = words[first + 1] if len(words) > first + 1 else ""
    if name in commands:
        os.environ["_ARGCOMPLETE"] = str(first + 2)  # the line begins with the command for its parser
        argcomplete.autocomplete(parser_of(name))
    top = Parser(prog="hitl")
    for option in ("--version", "--debug"):
        top.add_argument(option, action="store_true")
    top.add_argument("command", choices=list(commands))
    argcomplete.autocomplete(top)


def _argcomplete() -> Any:
    try:
        import argcomplete
    except ImportError:
        raise UsageError(f"The package argcomplete is missing, which answers the Tab key: {install()} brings it.") from None
    return argcomplete
