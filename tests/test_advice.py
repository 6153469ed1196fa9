"""What the program and its docs tell people to type exists: commands, options, choices, settings, files."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import re

import pytest

from hitl.cli import COMMANDS
from hitl.home import Home
from hitl.settings import SECTIONS, TABLES, load
from tests.support.advice import HOLE, ROOT, Text, advice, options_of, parsed, refused, strings, texts
from trainer.config import TrainConfig
from trainer.daemon.wish import read_pairs

OF_OTHERS = {"--record-reward", "--install", "--expert", "--worker", "--force-reinstall", "--index-url"}
"""Options of tmrl's own programs, and of pip."""
OPTION = re.compile(r"(?<![\w/-])--[a-z][\w-]*")
BENCHMARKS = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "benchmarks").glob("*.py"))


def test_every_command_that_is_told_can_be_typed() -> None:
    told = [a for text in texts() for a in advice(text)]
    assert len(told) > 200
    wrong = {f"{a.where}: {a.line!r}: {reason}" for a in told if (reason := refused(a)) is not None}
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.parametrize(
    "text",
    [
        "Take over there: `hitl play --practice CORNER --at-failure`.",
        f"`hitl play --practice {HOLE}`",
        f"`hitl play --practice '{HOLE}'`",
        "see ``hitl trian``",
        "`hitl store prune`",
        "`hitl store prune --before 3d`",
        "`hitl play --gating sometimes`",
        "`hitl play --headl`",
        "run hitl doctor --everything, then go on",
        "`hitl train --set no_such=1`",
        "`hitl train --preset upstream`",
        "`hitl eval --env trackmanai`",
        "`hitl pads --set steer.deadzone=0.1`",
        "`hitl label 12 --trim 0.4`",
        "`hitl import`, or `hitl import --track`",
        "`hitl export parquett OUT`",
    ],
)
def test_what_cannot_be_typed_is_found(text: str) -> None:
    found = list(advice(Text("here", text)))
    assert any(refused(a) for a in found), found


@pytest.mark.parametrize(
    "text",
    [
        "`hitl play`, `hitl import` and `hitl store` are commands.",
        f'`hitl play --practice "{HOLE}"` or `hitl segments --session {HOLE}`',
        "`hitl export FORMAT OUT`",
        "`hitl train --init best` goes back; `hitl --help` lists them, `hitl train --help` too",
        "`hitl segments --ids | hitl label - --verdict good`",
        "hitl is for people; hitl records who drove",
    ],
)
def test_what_can_be_typed_is_left_alone(text: str) -> None:
    assert [refused(a) for a in advice(Text("here", text))] == [None] * len(list(advice(Text("here", text))))


def test_a_page_is_read_line_by_line_and_a_string_as_a_whole() -> None:
    page = "Some words\n\n```\nhitl segments --json | --csvv   for programs\nhitl import\n```\n\n    hitl plai --lap\n"
    assert list(dict.fromkeys(a.line for a in advice(Text("here", page, page=True)) if refused(a))) == [
        "hitl segments --csvv", "hitl import", "hitl plai --lap"
    ]  # fmt: skip
    (line, text), *_ = strings(ast.parse('x = f"type `hitl play --{name}`"'))
    assert (line, text) == (1, f"type `hitl play --{HOLE}`")
    assert isinstance(parsed(["play", "--lap"]), argparse.Namespace)


def test_every_option_that_is_named_exists() -> None:
    options = {name: options_of(name) for name in COMMANDS}
    every = set().union(*options.values(), {"--debug", "--version", "--help"})
    wrong = []
    for text in texts():
        own = re.match(r"hitl/commands/(\w+)\.py", text.where)
        command = own and {"import_runs": "import"}.get(own[1], own[1])
        if text.where.startswith("takeover_ui/report"):  # what begins so there are variables of its style
            continue
        for option in OPTION.findall(re.sub(r"`(?:python -m )?hitl [^`]*`|hitl [a-z]+ [^`.;]*", "", text.text)):
            given = text.text.strip() == option  # a word of a command line that the program itself puts together
            known = (every if given else options.get(command or "", every)) | {"--help"} | OF_OTHERS
            if option not in known and not (text.page and f'"{option}"' in BENCHMARKS):
                wrong.append(f"{text.where}: {option}")
    assert not wrong, "\n".join(wrong)


def test_every_file_that_is_named_exists() -> None:
    rooms = "docs|benchmarks|tests|hitl|trainer|data|takeover_ui"
    path = re.compile(rf"(?<![\w/])(?:(?:{rooms})/[\w/-]+\.(?:md|py|toml|css|html)|test_\w+\.py)\b|\.ci/[\w-]+")
    named = {(t.where, name) for t in texts() for name in path.findall(t.text)}
    assert len(named) > 100
    assert not {(where, name) for where, name in named if not (ROOT / name).exists()}


SETTINGS = {name: {f.name for f in dataclasses.fields(kind)} for name, kind in TABLES.items()}


def test_every_section_of_the_settings_that_is_named_exists() -> None:
    found = set()
    for text in texts():
        for sentence in re.split(r"(?<=[.;]) ", re.sub(r"\[\w+\]\([^)]*\)", "", text.text)):
            if "settings.toml" in sentence or "pads.toml" in sentence:
                found |= {(text.where, name) for name in re.findall(r"(?<![\w\]])\[([a-z_]+)\](?!\()", sentence)}
    assert len(found) > 5
    assert not {(where, name) for where, name in found if name not in (*SECTIONS, "use", "devices")}


def blocks() -> list[tuple[str, str]]:
    """Return every piece of a settings.toml or a pads.toml that is shown."""
    found = []
    for text in texts():
        pieces = re.findall(r"```(?:toml)?\n(.*?)```", text.text, re.DOTALL) if text.page else []
        pieces += ["\n".join(m) for m in re.findall(r"((?:^ {4}\S.*\n)+)", text.text, re.MULTILINE) for m in [m.splitlines()]]
        ours = [piece for piece in pieces if "[project." not in piece]  # those are of pyproject.toml
        found += [(text.where, piece) for piece in ours if re.search(r'^\s*\[["a-z_]+[].]', piece, re.MULTILINE)]
    return found


def test_every_piece_of_the_settings_that_is_shown_can_be_loaded(tmp_path) -> None:
    shown = blocks()
    assert len(shown) >= 7
    for number, (where, piece) in enumerate(shown):
        folder = tmp_path / str(number)
        folder.mkdir()
        name = "pads.toml" if "devices" in piece else "settings.toml"
        (folder / name).write_text("\n".join(line.strip() for line in piece.splitlines()), encoding="utf-8")
        try:
            load(Home(folder))
        except Exception as error:
            pytest.fail(f"{where}: {error}\n{piece}")


def test_every_setting_that_is_given_a_value_exists() -> None:
    known = set().union(*SETTINGS.values())
    wrong = []
    for text in texts():
        if text.where != "docs/training.md":  # where settings of the trainer are spoken of
            continue
        for name, value in re.findall(r"`([a-z_]+) ?= ?([^`=]+)`", text.text):
            if name not in known and name != "key":
                wrong.append(f"{text.where}: {name}={value}")
            elif name in TrainConfig().to_dict() and re.fullmatch(r"\S+", value):
                TrainConfig().with_values(**read_pairs([f"{name}={value}"]))
    assert not wrong, "\n".join(wrong)
    bare = re.findall(r"\bset ([a-z_]+=\w+)", " ".join(t.text for t in texts() if not t.page))
    assert bare
    for wish in bare:
        assert wish.partition("=")[0] in known, wish
