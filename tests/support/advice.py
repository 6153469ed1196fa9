"""Finds what the project tells people to type, and gives it to the parsers that would get it, without running anything."""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import importlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from data.errors import UsageError
from hitl.cli import COMMANDS, parser_of
from hitl.commands.export import APART
from hitl.games.registry import single_words
from tests.support.places import PAGES, ROOT
from tests.support.source import files, nodes_of, screen_texts, tree_of
from trainer.config import TrainConfig
from trainer.daemon.wish import read_pairs
from trainer.presets import PRESETS

HOLE = "\x00"
"""Stands for what a message fills in."""


class _ReachedError(Exception):
    """The parser has done its part."""


@dataclass(frozen=True)
class Text:
    """A string of the program, or a page of the docs."""

    where: str
    text: str
    page: bool = False


@functools.cache
def texts() -> tuple[Text, ...]:
    """Return every string of the packages, docstrings among them, every text of the screens, and every page."""
    of_modules = [
        Text(f"{path.relative_to(ROOT).as_posix()}:{line}", text) for path in files() for line, text in strings(tree_of(path))
    ]
    of_pages = [Text(p.relative_to(ROOT).as_posix(), p.read_text(encoding="utf-8"), page=True) for p in PAGES]
    of_screens = [Text(where, text) for where, text in screen_texts()]
    return *of_modules, *of_screens, *of_pages, *(Text(f"hitl {name} --help", help_of(name)) for name in COMMANDS)


def strings(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of each string of a module; what an f-string fills in is a hole."""

    def folded(node: ast.AST) -> str | None:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return "".join(folded(part) or HOLE for part in node.values)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            sides = folded(node.left), folded(node.right)
            return None if sides == (None, None) else "".join(HOLE if side is None else side for side in sides)
        return None

    parts: set[int] = set()  # the nodes of a text that was found: none of its own
    for node in nodes_of(module):
        if not isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp) or id(node) in parts:
            continue
        text = folded(node)
        if text is None:
            continue
        yield node.lineno, text
        if isinstance(node, ast.JoinedStr):  # what it fills in may hold others
            parts |= {id(part) for part in node.values}
        elif isinstance(node, ast.BinOp):
            parts |= {id(part) for part in ast.walk(node)}


# -- what is told to be typed


@dataclass(frozen=True)
class Advice:
    """One command line that begins with ``hitl``. ``whole``: it stands alone, so that nothing may be missing from it."""

    where: str
    line: str
    whole: bool


def advice(text: Text) -> Iterator[Advice]:
    """Yield the command lines that a text tells people to type."""
    for line in code_lines(text):
        for part in re.split(r"&&|;|\$ ", line):
            if re.match(r"\s*(python3? -m )?hitl ", part):
                yield from (Advice(text.where, piece, True) for piece in alternatives(part.strip()))
    for quoted in re.findall(r"(?<!`)`{1,2}([^`]+)`{1,2}", text.text):
        for part in re.split(r"&&|;", quoted):
            if re.match(r"\s*(python3? -m )?hitl\s", part):
                yield from (Advice(text.where, piece, False) for piece in alternatives(" ".join(part.split())))
    bare = re.sub(r"`[^`]*`", "", text.text)
    for found in re.finditer(r"\bhitl [a-z]+(?: [^\s`]+)*? --[a-z](?:[^.;:,)`\n|]|[.:,](?=\S))*", bare):
        yield Advice(text.where, re.split(r"\s{2,}", found[0].strip())[0], False)


def code_lines(text: Text) -> Iterator[str]:
    """Yield lines that stand apart as code: fenced or indented on a page, at the beginning of their line in a string."""
    fenced = False
    for line in text.text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif re.match(r"(python3? -m )?hitl [a-z]", line.strip()) and (
            fenced or line.startswith("    ") if text.page else "\n" in text.text and re.search(r" --?\w", line)
        ):
            yield re.split(r"\s{2,}(?!hitl)", line.strip())[0]
        elif fenced and text.page and "python -m hitl" in line:
            yield line[line.index("python -m hitl") :]


def alternatives(line: str) -> Iterator[str]:
    """Yield the commands of a pipe, and one command for each of its options where the page says "--json | --csv"."""
    first, *rest = (part.strip() for part in line.split(" | "))
    yield first
    for part in rest:
        if part.startswith("hitl"):
            yield part
        elif part.startswith("--"):
            yield " ".join([*first.split()[:-1], part])


# -- the parsers


@contextlib.contextmanager
def caught() -> Iterator[list[tuple[argparse.ArgumentParser, argparse.Namespace | None]]]:
    """Let commands run as far as to their parsers, which are kept with what they made of the words."""
    seen: list[tuple[argparse.ArgumentParser, argparse.Namespace | None]] = []
    parse = argparse.ArgumentParser.parse_args

    def stop(parser, args=None, namespace=None):  # type: ignore[no-untyped-def]
        seen.append((parser, parse(parser, args, namespace)))
        raise _ReachedError

    argparse.ArgumentParser.parse_args = stop  # type: ignore[method-assign,assignment]
    try:
        yield seen
    finally:
        argparse.ArgumentParser.parse_args = parse  # type: ignore[method-assign]


def parsed(words: list[str]) -> argparse.Namespace | str:
    """Return what the real parser makes of a command line without its ``hitl``, or the reason why it refuses it."""
    words = [w for w in words if w != "--debug"]
    if not words or words[0] in ("--help", "--version"):
        return argparse.Namespace()
    if words[0] not in COMMANDS:
        return f"there is no command '{words[0]}'"
    said = io.StringIO()
    with caught() as seen, contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            importlib.import_module(COMMANDS[words[0]][0]).main(words[1:])
        except _ReachedError:
            found = seen[-1][1]
            assert found is not None
            return meant(words[0], found)
        except UsageError as error:  # a date that cannot be read
            return str(error)
        except SystemExit as stopped:
            return argparse.Namespace() if stopped.code == 0 else said.getvalue().strip().splitlines()[-1]
    raise AssertionError(f"hitl {words[0]} went on without a parser")


def meant(command: str, found: argparse.Namespace) -> argparse.Namespace | str:
    """Return the reason why a command would refuse a value that its parser takes as a text, or the namespace."""
    values = vars(found)
    known = {"preset": tuple(PRESETS), "env": single_words()}
    for name, choices in known.items():
        value = values.get(name)
        if not value or HOLE in value or value.isupper() or value in choices or value.startswith(("gym:", "stk:")):
            continue
        return f"--{name} {value} is none of {', '.join(choices)}"
    for wish in values.get("set") or ():
        try:
            check_setting(command, wish)
        except Exception as error:
            return f"--set {wish}: {error}"
    return found


def check_setting(command: str, wish: str) -> None:
    """Raise what the command would raise for ``--set wish``."""
    if command != "pads":
        if not wish.endswith("=" + wish.partition("=")[2].upper()) or not wish.partition("=")[2].isalpha():
            TrainConfig().with_values(**read_pairs([wish]))
        elif not hasattr(TrainConfig(), wish.partition("=")[0]):  # network=NAME
            raise ValueError("no such setting")
        return
    from hitl.pads.mapping import CONTROLLER, from_table, table_of

    from_table(table_of([wish]), CONTROLLER)


def parsers(name: str) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers of a command and of its verbs."""
    top = parser_of(name)
    yield top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()
    if name == "export":
        yield from (parser_of(f"export {apart}") for apart in APART)


def help_of(name: str) -> str:
    """Return what ``--help`` says of a command and its verbs, without the line of usage."""
    with wide():
        return "\n".join(p.format_help().partition("\n\n")[2] for p in parsers(name))


@contextlib.contextmanager
def wide() -> Iterator[None]:
    """Let argparse break no line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "10000")
        yield


def options_of(name: str) -> set[str]:
    """Return every option of a command and its verbs."""
    return {o for p in parsers(name) for action in p._actions for o in action.option_strings}


# -- plausible values


def refused(told: Advice) -> str | None:
    """Return why a line cannot be typed as it is told, with any plausible value in its holes; None where it can."""
    line = re.sub(r"^python3? -m ", "", told.line).removeprefix("hitl").strip()
    line = re.sub(r"\s*(…|\.\.\.).*$", "", line)
    line = re.sub(r"\[(--[^\]]+)\]", r"\1", line)  # what may be left out, in the notation of a synopsis
    line = line.replace("COMMAND", "play").rstrip(".,:")
    if "'" in line:
        return "the command prompt of Windows knows double quotes only"
    reasons = []
    for value in ("corner1", "3", "best"):
        filled = line.replace(HOLE, value)
        try:
            words = shlex.split(filled, comments=True)
        except ValueError as error:
            return str(error)
        if len(words) == 1 and not told.whole and words[0] in COMMANDS:
            return None  # the command is named, not told to be typed
        for number in (None, "3", "3d"):
            tried = [number if number and re.fullmatch(r"[A-Z]+", w) else w for w in words]
            answer = parsed(tried)
            if not isinstance(answer, str):
                if HOLE in line and value == "corner1":  # names have blanks
                    blank = parsed(shlex.split(line.replace(HOLE, "corner 1"), comments=True))
                    return f"a name with a blank in it: {blank}" if isinstance(blank, str) else None
                return None
            reasons.append(answer)
            if choice := re.search(r"invalid choice: '([A-Z]+)' \(choose from '?([\w-]+)", answer):  # FORMAT
                answer = parsed([choice[2] if w == choice[1] else w for w in tried])
                if not isinstance(answer, str):
                    return None
    return reasons[0]
