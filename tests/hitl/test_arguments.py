"""Numbers on the command line: what makes no sense is refused in a sentence, before anything is opened."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.errors import HitlError
from hitl.cli import COMMANDS, main, parser_of
from hitl.home import Home
from hitl.settings import load
from tests.support import sample_stores


@pytest.mark.parametrize(
    "command",
    [
        "demo --headless --minutes -5",
        "demo --headless --minutes nan",
        "demo --headless --seed -1",
        "play --episodes -1",
        "play --episodes 0",
        "play --help-seconds inf",
        "play --greedy-every -2",
        "eval --episodes 0",
        "stall --steps 0",
        "stall --in-a-row 0",
        "server --port 70000",
        "browse --port -1",
        "segments --min-seconds nan",
        "report --session 0",
        "line record --timeout 0",
        "pads --seconds -1",
        "train --seed 1.5",
    ],
)
def test_a_number_that_makes_no_sense_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(command.split())
    assert stopped.value.code == 2
    assert "must be a" in capsys.readouterr().err


ODD = ("nan", "inf", "-inf", "1e308", "-1e308", "1e30", str(10**30), "0", "-1", "", "1e-300")


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from parsers(one)


@pytest.mark.parametrize("command", [*COMMANDS, "export agent", "export clip"])
def test_no_number_of_an_option_is_beyond_what_can_be_counted_with(command: str) -> None:
    """Whatever its parser lets through is finite, and with the steps of a second it is a whole number that SQLite can hold."""
    for parser in parsers(parser_of(command)):
        for action in parser._actions:
            if action.type is None or isinstance(action.type, type):  # of plain numbers the command asks more
                continue
            for text in ODD:
                try:
                    read = parser._get_value(action, text)
                except (argparse.ArgumentError, HitlError):
                    continue
                if isinstance(read, int | float):
                    assert -(2**63) <= read * (1 if isinstance(read, int) else 1e6) < 2**63, (command, action.dest, text)


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("home")
    sample_stores.fill(root / "store.sqlite")
    return root


@pytest.mark.parametrize("number", ODD)
@pytest.mark.parametrize(
    "words",
    [
        "label 1 --trim 0 N", "label 1 --trim N 0", "label 1 --priority N", "label N --verdict good", "label 1-N --verdict good",
        "segments --min-seconds N --json", "segments --max-seconds N", "segments --since N", "segments --since Nd",
        "segments --session N", "corners --add x 10 N",
                "export clip C --seconds N", "export clip C --segment N", "export clip C --width N",
        "corners --add x N 5", "corners --reference N", "store prune --dry-run --older-than N", "report --session N",
        "report --since 999999d", "play --headless --pad none --lead N",
        "eval --track none --seed N", "import C --hz N", "config show --set N",
    ],
)  # fmt: skip
def test_no_number_gives_a_traceback(
    words: str, number: str, driven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.replace("N", number) for word in words.split()]
    given = [str(tmp_path / "clip.gif") if word == "C" else word for word in given]
    with contextlib.suppress(SystemExit):
        main([*given, "--home", str(driven)])
    said = capsys.readouterr()
    assert max(map(len, (said.out + said.err).splitlines()), default=0) < 1200


def test_many_segments_that_are_not_there_are_not_all_named(driven: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for ids, said in (
        ("500-99999", "519 and 99,480 more"), ("1-200000", "a range of more than 100,000 segments"),
        ("8-5", "the smaller number comes first"),
    ):  # fmt: skip
        assert main(["label", ids, "--verdict", "good", "--home", str(driven)]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("setting", ["takeover.neutral_s", "help.offer_s", "train.n_step_s", "train.lr_actor"])
def test_a_setting_too_large_to_count_with_is_refused(setting: str, tmp_path: Path) -> None:
    table, name = setting.split(".")
    with pytest.raises(HitlError, match=r"at most 1,000,000,000,000,000, for example .*, not 1e\+308"):
        load(Home(tmp_path), table, over={table: {name: 1e308}})
