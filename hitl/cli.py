"""The command line: a table of commands, each imported only when it is called.

``hitl --help`` must answer at once, so nothing heavy (torch, pygame, numpy) is imported here.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from data.errors import HitlError, InputFileError, is_reader_gone, shown, visible
from hitl import __version__
from hitl.processes import as_guest, collect_seldom, prepare_children, take_any_letter

if TYPE_CHECKING:
    import argparse

COMMANDS: dict[str, tuple[str, str]] = {
    # name: (module, what it does)
    "demo": ("hitl.commands.demo", "watch a stalled agent learn its corner from your takeover"),
    "play": ("hitl.commands.play", "a live session: the agent drives, you take over"),
    "train": ("hitl.commands.train", "the background trainer"),
    "checkpoints": ("hitl.commands.checkpoints", "what the trainer has written down, and what each could do alone"),
    "config": ("hitl.commands.config", "training settings, and what an existing config.json means here"),
    "eval": ("hitl.commands.eval", "deterministic episodes without help"),
    "segments": ("hitl.commands.segments", "list and filter the recorded takeovers and laps"),
    "label": ("hitl.commands.label", "judge recorded takeovers and laps, or take a verdict back"),
    "import": ("hitl.commands.import_runs", "take over laps and takeovers from elsewhere"),
    "export": ("hitl.commands.export", "carry takeovers and drives to other tools"),
    "browse": ("hitl.commands.browse", "look through the store in a browser"),
    "store": ("hitl.commands.store", "what is in the store, whether it is sound, how to make it smaller"),
    "tracks": ("hitl.commands.tracks", "the tracks that come with hitl and those that were driven, with lap times"),
    "corners": ("hitl.commands.corners", "how each corner goes, and new ones from where episodes end"),
    "settings": ("hitl.commands.settings", "pad, buttons, taking over, overlay, language and track, in a window"),
    "pads": ("hitl.commands.pads", "your pads: live values, choice, calibration, mapping"),
    "review": ("hitl.commands.review", "look at the takeovers against the agent, and judge them"),
    "report": ("hitl.commands.report", "one HTML page about a session, a day or the whole store"),
    "diagnose": ("hitl.commands.diagnose", "why does it not get better? known faults of a run, with figures"),
    "line": ("hitl.commands.line", "record a map's reference line by driving it once"),
    "keys": ("hitl.commands.keys", "what several machines need to know each other by"),
    "server": ("hitl.commands.server", "where workers and a trainer on several machines meet"),
    "worker": ("hitl.commands.worker", "a live session for a trainer on another machine"),
    "doctor": ("hitl.commands.doctor", "what a session needs on this machine, and what is missing"),
    "completion": ("hitl.commands.completion", "the Tab key for your shell: commands, options and their values"),
    "supertuxkart": ("hitl.commands.supertuxkart", "where SuperTuxKart's tracks and karts are, and how to get them"),
    "stall": ("hitl.commands.stall", "train an agent from nothing until it stalls at a corner"),
}

def parser_of(command: str) -> argparse.ArgumentParser:
    """Return the parser of a command without running it; ``export clip`` is one of two words."""
    from hitl.arguments import Parser, ParserReached

    Parser.caught = []
    name, *more = command.split()
    try:
        importlib.import_module(COMMANDS[name][0]).main(more)
    except ParserReached:
        return Parser.caught[0]
    finally:
        Parser.caught = None
    raise AssertionError(f"hitl {command} went on without a parser")


_HEAD = """usage: hitl [--version] [--debug] [COMMAND ...]

Human-in-the-loop takeovers for driving agents. Without a command: where you stand, and what to do next.

commands:"""

_FOOT = """
`hitl COMMAND --help` explains one. --debug shows tracebacks.
Exit status: 0 done; 1 a check failed or something was found; 2 the command line was wrong; 3 to 7 a file, the store, a
checkpoint, a game or device, the training (docs/architecture.md); 130 stopped with Ctrl+C."""
_VERBS = (*(f"train {verb}" for verb in ("status", "pause", "resume", "stop")), "store info", "store check", "line record")
"""What is typed without the command that it belongs to."""


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join([_HEAD, *rows, _FOOT])


def _own_folder(word: str) -> str:
    """Return a word with a leading ``~`` (of its value) replaced by the user's folder: cmd.exe and PowerShell do not do that."""
    head, sign, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return head + sign + os.path.expanduser(value) if value == "~" or value.startswith(("~/", "~\\")) else word


def _home_of(words: list[str]) -> str | None:
    """Return the home that a command line names; None where it names none."""
    for word, after in zip(words, [*words[1:], None], strict=True):
        name, sign, value = word.partition("=")
        if name == "--home":
            return value if sign else after
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process exit status.

    A script that gives ``argv`` goes on in the same process: how that reacts to signals, for example, is put back.
    """
    take_any_letter()
    if argv is None and "_ARGCOMPLETE" in os.environ:
        importlib.import_module("hitl.commands.completion").complete(COMMANDS, parser_of)
    if argv is None:
        prepare_children()
        collect_seldom()
    status: int | None = None
    try:
        try:
            with contextlib.nullcontext() if argv is None else as_guest():
                status = _run([_own_folder(word) for word in (sys.argv[1:] if argv is None else argv)])
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if is_reader_gone(error):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # `hitl segments | head`
            status = 0
        elif _is_of_output(error):
            status = _tell_unprinted(error, status)
        else:
            raise
    if (watchdog := sys.modules.get("hitl.games.hang_guard")) is not None:
        watchdog.leave_with(status)
    return status


def _is_of_output(error: OSError) -> bool:
    """Tell whether an error comes from what was printed: where that goes into a file on a full disk, no more can be printed."""
    if error.filename is not None or sys.stdout is None:
        return False
    try:
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), b"\n")
    except OSError as again:
        return again.errno is not None and again.errno == error.errno
    return False


def _tell_unprinted(error: OSError, status: int | None) -> int:
    """Say that what was printed is lost, and return the exit status. ``status``: that of the command where it came to its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python fails once more when it ends
    then = "and it stopped there: let it print to another place" if status is None else "but what the command does is done"
    print(f"hitl: What was printed could not be written ({error.strerror or error}), {then}.", file=sys.stderr)
    return status or 1


def _run(args: list[str]) -> int:
    debug = "--debug" in args
    args = [a for a in args if a != "--debug"]
    if args[:1] == ["help"] and len(args) > 1:
        args = [*args[1:], "--help"]
    if args and args[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if args and args[0] in ("--version", "-V", "version"):
        print(f"hitl {__version__}")
        return 0
    homes = 2 if args[:1] == ["--home"] else int(args[0].startswith("--home=")) if args else 0
    if homes and len(args) > homes:  # `hitl --home DIR train …`
        args = [args[homes], *args[:homes], *args[homes + 1 :]]
    alone = not args or args[0].partition("=")[0] == "--home"  # where one stands, in this home
    if not alone and args[0] not in COMMANDS:
        from data.suggest import did_you_mean

        meant = did_you_mean(args[0], [*COMMANDS, "help", *_VERBS, "--home", "--debug", "--version"])
        print(f"hitl: there is no command '{args[0]}': `hitl --help` lists them.{meant}", file=sys.stderr)
        return 2
    try:
        module = "hitl.commands.where" if alone else COMMANDS[args[0]][0]
        return int(importlib.import_module(module).main(args if alone else args[1:]) or 0)
    except HitlError as error:
        if debug:
            raise
        from hitl.home import in_home

        print(f"hitl: {visible(in_home(str(error), _home_of(args)))}", file=sys.stderr)
        return error.exit_code
    except PermissionError as error:  # of a file that another program has open, where no one has thought of it
        from data.files import held

        if debug or not held.in_use(error) or error.filename is None:
            raise
        said = f"{shown(os.path.basename(os.fsdecode(error.filename)))} cannot be used {held.why(error, 'check the path')}."
        print(f"hitl: {said}", file=sys.stderr)
        return InputFileError.exit_code
    except KeyboardInterrupt:
        if debug:
            raise
        print("hitl: stopped.", file=sys.stderr)
        return 130

