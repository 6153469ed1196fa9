"""docs/python.md names all that `from hitl import …` offers, and its code runs; docs/commands.md has every option."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hitl
from docs.make_commands import page, rows, verbs
from hitl.cli import COMMANDS, parser_of
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
CODE = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`", PAGE)) + " ".join(BLOCKS)))
"""Every word that stands in code there."""
OF_OTHERS = {"args", "kwargs", "others", "observation_space", "action_space", "buffer_size", "n_envs"}
"""Arguments that other people's own pages explain."""


def public(thing: Any) -> set[str]:
    """Return the methods and properties that a class of ours adds to those that it inherits, and its arguments."""
    own = {name: value for name, value in vars(thing).items() if name[0] != "_"} if inspect.isclass(thing) else {}
    above = set().union(*(vars(base) for base in thing.__mro__[1:])) if inspect.isclass(thing) else set()
    added = {name for name, value in own.items() if name not in above and (callable(value) or isinstance(value, property))}
    return (added | set(inspect.signature(thing).parameters)) - OF_OTHERS


@pytest.mark.parametrize("name", sorted(hitl._NAMES))
def test_every_public_name_is_documented(name: str) -> None:
    if name == "SymmetricReplayBuffer":
        pytest.importorskip("stable_baselines3")
    assert name in CODE
    thing = getattr(hitl, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert (thing.__doc__ or "").strip()
        wanted = public(thing) if name != "HitlError" else set()
        assert wanted - CODE == set()


def test_the_code_on_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("stable_baselines3")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    assert len(BLOCKS) > 8
    for number, code in enumerate(BLOCKS):
        exec(compile(code, f"docs/python.md, block {number}", "exec"), names)


@pytest.mark.realtime
def test_the_code_on_the_page_in_one_file_has_no_type_errors(tmp_path: Path) -> None:
    for package in ("mypy", "stable_baselines3"):
        pytest.importorskip(package)
    (tmp_path / "page.py").write_text("\n".join(BLOCKS), encoding="utf-8")
    line = [sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent", "--cache-dir=cache", "page.py"]
    found = os.environ | {"MYPYPATH": str(ROOT)}
    told = subprocess.run(line, cwd=tmp_path, env=found, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_option_of_every_command_is_documented() -> None:
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == page(), "run `python docs/make_commands.py`"
    for name in COMMANDS:
        for where, parser in ((name, parser_of(name)), *verbs(parser_of(name))):
            assert [written for written, meaning in rows(parser) if not meaning] == [], where
