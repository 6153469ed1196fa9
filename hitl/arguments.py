"""The parser of every command: options cannot be abbreviated, and a mistyped one gets a suggestion."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from data.errors import CONTROL, visible
from data.files.paths import as_option
from data.suggest import did_you_mean
from hitl.games.registry import env_words


class ParserReached(Exception):  # noqa: N818 (it is no error)
    """A command has come as far as to its parser, which was all that was asked of it."""


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` without abbreviations, whose errors suggest the nearest known option or choice."""

    caught: ClassVar[list[Parser] | None] = None
    """Where it is a list, a parser is put into it instead of parsing anything, and ParserReached is raised."""
    also: tuple[str, ...] = ()
    """Options that another parser has already taken from the command line."""

    def __init__(self, *args: Any, word: str = "", **kwargs: Any) -> None:
        """``word``: the option that a word alone is taken for, as in `hitl eval best`."""
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)
        self._word = word
        self._negative_number_matcher = _NEGATIVE

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and take one word that is left over for the option that it can only mean; or be caught."""
        if Parser.caught is not None:
            Parser.caught.append(self)
            raise ParserReached
        given, left = super().parse_known_args(args, namespace)
        alone = self._word and len(left) == 1 and not left[0].startswith("-")
        if alone and not any(word.partition("=")[0] == self._word for word in args):
            given, left = super().parse_known_args([*args, self._word, left[0]], namespace)[0], []
        return given, left

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print; that standard output cannot be written is for the command line to tell, and argparse would hide it."""
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Refuse an empty value, as of a script's variable that is not set: it would mean "not given", and choose everything.

        And control characters, which would be obeyed by each terminal that a name is shown in later.
        """
        is_note = action.dest == "note"  # an empty one removes it
        of_lines = action.dest in ("note", "tag", "untag", "by")  # may have several lines, or is put on one
        lines = [text.replace("\r\n", "\n") for text in arg_strings]  # as of a file from Windows
        odd = [text for text in lines if (visible(text) != text if of_lines else CONTROL.search(text))]
        if isinstance(action, argparse._SubParsersAction):
            pass  # its words are those of the verb
        elif "" in arg_strings and not is_note:
            raise argparse.ArgumentError(action, "the value is empty, as of a variable that is not set: give one or leave it out")
        elif odd and action.type is not Path:
            raise argparse.ArgumentError(action, f"there is a control character in {odd[0]!r}: write it without")
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with status 2."""
        message = re.sub(r"invalid (?:int|float) value: ('.*')", r"\1 must be a number", message)
        meant = self._meant(message)
        super().error(f"{message}.{meant}" if meant else message)

    def _meant(self, message: str) -> str:
        if unknown := re.match(r"unrecognized arguments: .*?(--?[\w-]+)", message):
            return did_you_mean(unknown[1], self.options())
        if wrong := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            return did_you_mean(wrong[1], re.findall(r"[\w:.-]+", wrong[2]))
        return ""

    def options(self) -> Iterator[str]:
        """Yield every option, those of the verbs included."""
        yield from self.also
        for action in self._actions:
            yield from action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    yield from parser.options()


def with_verb(argv: list[str], verb: str, *, or_file: bool = False) -> list[str]:
    """Return the words of a command whose first one is a verb; where that is missing, with the one that changes nothing.

    ``or_file``: the name of a file is no verb either.
    """
    missing = not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help"))
    return [verb, *argv] if missing or (or_file and Path(argv[0]).is_file()) else argv


def add_env(parser: argparse.ArgumentParser, otherwise: str = "as set, else as last time") -> None:
    """Add ``--env``, with all environments in its help; where it is not given, settings.toml says, else `hitl.last_driven`."""
    parser.add_argument("--env", metavar="ENV", help=f"{env_words()} (default: {otherwise})")


def add_agent(parser: argparse.ArgumentParser, what: str = "drive with the agent that you have") -> None:
    """Add ``--agent`` and what belongs to it (docs/agents.md); where they are not given, settings.toml says."""
    parser.add_argument(
        "--agent", metavar="SPEC", help=f"{what}: a .zip of Stable-Baselines3, .tmod, .pt, .ts, .onnx "
        "or .safetensors file, a checkpoint, module:callable, or pad:NAME, another program by its pad (pad: lists them). none: "
        "not the one that is set"
    )
    parser.add_argument(
        "--actions", metavar="FILE", help="if --agent chooses one of several actions: the table of them, CSV or JSON"
    )
    parser.add_argument(
        "--agent-normalize", metavar="FILE", help="what --agent was normalised with: VecNormalize's .pkl, or mean and var"
    )
    parser.add_argument("--agent-stack", type=whole(1, 64), metavar="N", help="how many observations --agent sees at once")
    parser.add_argument(
        "--agent-range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="of the actions of --agent, if not -1 to 1"
    )
    parser.add_argument(
        "--agent-alone", action="store_true", default=None, help="drive with --agent alone, whatever was learned beside it"
    )


def agent_given(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says of ``[agent]``."""
    names = {"use": "agent", "actions": "actions", "normalize": "agent_normalize", "stack": "agent_stack", "range": "agent_range"}
    names["alone"] = "agent_alone"
    return {name: getattr(args, option) for name, option in names.items()}


def agent_words(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is typed for an agent, the other way round: as one text; nothing where none is named."""
    if given.get("use") in (None, "", "none"):
        return ()
    words = [as_option("--agent", given["use"])]
    for name, option in (("actions", "--actions"), ("normalize", "--agent-normalize")):
        words += [as_option(option, file)] if (file := given.get(name)) else []
    if given.get("stack") not in (None, 1):
        words.append(f"--agent-stack {given['stack']}")
    if given.get("range"):
        words.append("--agent-range {:g} {:g}".format(*given["range"]))
    if given.get("alone"):
        words.append("--agent-alone")
    return (" ".join(words),)


def game_words(env: str | None, track: str | None) -> tuple[str, ...]:
    """Return what is typed for a game and its track, where they are named."""
    named = ("--env", env), ("--track", track if track != "default" else None)
    return tuple(as_option(option, value) for option, value in named if value)


_NEGATIVE = re.compile(r"-(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|nan)$", re.IGNORECASE)
"""A value and no option, to argparse, too, which does not know -1e-3."""
SEED_MOST = 2**31 - 1
"""Of a whole run; each episode's is a multiple of it, and must still be a number that the store can hold."""


def whole(least: int = 0, most: int = 2**63 - 1) -> Callable[[str], int]:
    """Return the ``type`` of an option that takes a whole number from ``least`` to ``most``."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            limit = f"from {least} to {most}" if most < 2**31 else f"of at least {least}"
            raise argparse.ArgumentTypeError(f"'{text}' must be a whole number {limit}")
        return number

    return read


def amount(*, above: float | None = None, most: float = 1e9) -> Callable[[str], float]:
    """Return the ``type`` of an option that takes a number: more than ``above``, or 0 or more, and at most ``most``."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not number <= most or (number <= above if above is not None else number < 0):
            limit = "0 or more" if above is None else f"more than {above:g}"
            limit += f", and at most {most:,.0f}" if number > most else ""
            raise argparse.ArgumentTypeError(f"'{text}' must be a number, {limit}")
        return number

    return read
