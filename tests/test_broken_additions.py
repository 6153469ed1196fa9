"""Additions that cannot be used: each of the tables of docs/extending.md says so in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import DeviceError, UsageError
from hitl import TQC, presets
from hitl.cli import main
from hitl.games.registry import GAMES
from hitl.home import Home
from hitl.pads import PADS
from hitl.pads.open import open_pad
from hitl.settings import load
from trainer.diagnosis.case import Case
from trainer.diagnosis.catalogue import FAULTS
from trainer.diagnosis.recipe import Recipe
from trainer.diagnosis.run import FAMILIES, diagnose
from trainer.networks.registry import NETWORKS

ADDED = "an_addition_to_hitl"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a module and return its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, ADDED, raising=False)

    def write(code: str) -> str:
        (tmp_path / f"{ADDED}.py").write_text(code, encoding="utf-8")
        return ADDED

    return write


@pytest.mark.parametrize(
    ("rest", "said"), [("", "is no function or class. Write module:function"), (":gone", "cannot be imported")]
)
def test_a_table_names_a_function(
    rest: str,
    said: str,
    module: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = module("") + rest
    for table in (NETWORKS, PADS, GAMES):
        monkeypatch.setitem(table, "mine", code)
    with pytest.raises(UsageError, match=f"The network 'mine' cannot be used: '{code}' {said}"):
        TQC(3, 1, presets["plain"].with_values(network="mine"))
    with pytest.raises(DeviceError, match=f"The pad 'mine' cannot be used: '{code}' {said}"):
        open_pad(load(Home(tmp_path)), "mine")
    assert main(["play", "--home", str(tmp_path), "--env", "mine", "--headless", "--pad", "none"]) != 0
    assert f"The game 'mine' cannot be used: '{code}'" in " ".join(capsys.readouterr().err.split())


def test_a_function_in_place_of_its_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another process could not import what a script defines."""

    def open_mine(*given: object) -> None:
        raise AssertionError

    open_mine.__qualname__ = "open_mine"
    for table in (NETWORKS, PADS, GAMES):
        monkeypatch.setitem(table, "mine", open_mine)
    said = "cannot be used: a table names its code by a text, .* and here is a function. Write for example 'my_module:open_mine'"
    with pytest.raises(UsageError, match=f"The network 'mine' {said}"):
        TQC(3, 1, presets["plain"].with_values(network="mine"))
    with pytest.raises(DeviceError, match=f"The pad 'mine' {said}"):
        open_pad(load(Home(tmp_path)), "mine")
    assert main(["play", "--home", str(tmp_path), "--env", "mine", "--headless", "--pad", "none"]) == DeviceError.exit_code
    assert "'my_module:open_mine'" in capsys.readouterr().err


CHECK = """
from trainer.diagnosis.case import recipe_check
from trainer.diagnosis.finding import Finding, Sound

{decorator}
def mine(*given):
    return {answer}

CHECKS = (mine,)
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (None, "The checks 'mine' cannot be used: 'nowhere_at_all' cannot be imported"),
        ("", f"The checks 'mine' cannot be used: '{ADDED}' needs its functions in CHECKS"),
        ("CHECKS = 3", "needs its functions in CHECKS"),
        ("CHECKS = ('mine',)", "needs its functions in CHECKS"),
        (CHECK.format(decorator="", answer="Sound('good')"), "The check `mine` answers with Sound: decorate it"),
        (CHECK.format(decorator="", answer="'bad'"), "The check `mine` answers with str: decorate it"),
        (
            CHECK.format(decorator="@recipe_check('discount-shrt')", answer="Sound('good')"),
            r"The check `mine` is about 'discount-shrt', which the catalogue does not have: add FAULTS\['discount-shrt'\]",
        ),
    ],
)
def test_checks_that_cannot_be_used_say_so(
    code: str | None, said: str, module: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "mine", "nowhere_at_all" if code is None else module(code))
    with pytest.raises(UsageError, match=said):
        diagnose([Case(recipe=Recipe())])


def test_a_check_that_returns_a_text_takes_nothing_else_with_it(
    module: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = next(iter(FAULTS))
    monkeypatch.setitem(FAMILIES, "mine", module(CHECK.format(decorator=f"@recipe_check({fault!r})", answer="'bad'")))
    report = diagnose([Case(recipe=Recipe())])
    assert any("and not with str (`mine`)" in o.needs for o in report.lacking)
