"""Commands that are told work as they are typed in PowerShell 5.1, cmd and bash, and install nothing of other people's."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest

from data import extras
from tests.support.advice import HOLE, Text, texts
from tests.support.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PROGRAM = r"(?:python3?|py|pip|hitl)(?:\.exe)? +[\w\"./-]"


def commands(text: Text) -> list[str]:
    """Return the command lines of a page or a message: lines of code, and what stands between backticks."""
    found = re.findall(r"(?<!`)`{1,2}([^`]+)`{1,2}(?!`)", text.text)
    if text.page:
        fenced = re.findall(r"^ *```(?:\w*)\n(.*?)^ *```", text.text, re.M | re.S)
        found += [line for block in fenced for line in block.splitlines()]
        found += re.findall(r"^ {4,}(\S.*)$", text.text, re.M)
    found = [re.split(r"\s{2,}|\s#", line.strip())[0] if "\n" not in line else line for line in found]  # without explanations
    return [" ".join(line.split()) for line in found if re.match(PROGRAM, line.strip())]


def trouble(line: str) -> str:
    """Return why a command line does not do in every shell what it says, or nothing."""
    if "&&" in line or "||" in line:
        return "PowerShell 5.1 knows no && and no ||"
    if ";" in line:
        return "cmd knows no ;"
    if "'" in line:
        return "cmd knows double quotes only"
    wanted = re.search(r"\bpip install (.*)", line)
    for word in (w for w in (wanted[1].split() if wanted else ()) if not w.startswith("-")):
        bare = word.strip('"')
        name, _, extra = bare.rstrip("]").partition("[")
        if "[" in bare and not word.startswith('"'):
            return "brackets belong between double quotes"
        if name == "hitl":
            return "on the package index, hitl is another program"
        if name in (".", extras.DISTRIBUTION) and not set(filter(None, extra.split(","))) <= {*EXTRAS, "EXTRA", HOLE}:
            return f"there is no extra called {extra}"
    return ""


def test_every_command_can_be_typed_in_every_shell() -> None:
    told = [(text.where, line) for text in texts() for line in commands(text)]
    assert len(told) > 200
    wrong = {f"{where}: {line!r}: {why}" for where, line in told if (why := trouble(line))}
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.parametrize(
    "line",
    [
        "python -m pip install -e . && python -m hitl demo",
        "hitl store info; hitl play",
        "hitl label 3 --note 'late'",
        'pip install "hitl[trackmania]"',
        "pip install hitl",
        "python -m pip install -e .[test]",
        'pip install "hitl-takeover[tackmania]"',
    ],
)
def test_what_fails_in_some_shell_is_found(line: str) -> None:
    assert commands(Text("here", f"type `{line}` there")) == [line]
    assert commands(Text("here", f"Type\n\n```\n{line}\n```\n", page=True)) == [line]
    assert trouble(line)


def test_the_two_commands_of_the_readme_are_one_line_each() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    section = page.partition("## Two commands")[2].partition("\n## ")[0]
    assert re.findall(r"```\n(.*?)\n```", section, re.S) == ["python run.py demo", "python run.py test"]


def test_pip_is_advised_in_one_place() -> None:
    said = {text.where.partition(":")[0] for text in texts() if not text.page and "pip install" in text.text}
    assert said == {"data/extras.py"}


@pytest.mark.parametrize("installed", [True, False])
def test_the_advice_knows_how_this_copy_was_installed(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    def version(name: str) -> str:
        assert name == PROJECT["name"]
        if not installed:
            raise metadata.PackageNotFoundError(name)
        return "0.1.0"

    monkeypatch.setattr(metadata, "version", version)
    told = extras.install("remote")
    assert told == ('`python -m pip install "hitl-takeover[remote]"`' if installed else
                    '`python -m pip install -e ".[remote]"` in the folder of hitl')  # fmt: skip
    assert [trouble(line) for line in commands(Text("here", told))] == [""]
    monkeypatch.setattr(extras.sys, "platform", "linux")
    assert "bash .ci/install-tmrl" in extras.install_tmrl()
    monkeypatch.setattr(extras.sys, "platform", "win32")
    assert extras.install_tmrl() == extras.install("tmrl")


def test_every_extra_that_the_program_names_exists() -> None:
    named = set()
    for package in ("data", "hitl", "trainer", "takeover_ui"):
        for path in (ROOT / package).rglob("*.py"):
            named |= set(re.findall(r"(?<!def )\binstall\([\"'](\w+)[\"']\)", path.read_text(encoding="utf-8")))
    assert {"browse", "minari", "parquet", "remote", "tmrl", "trackmania"} <= named <= set(EXTRAS)
    assert {"tensorboard", "wandb"} <= set(EXTRAS)  # the names of the packages, in trainer/daemon/metric_logs.py
    everything = set(re.findall(r"\[(.*)\]", EXTRAS["all"][0])[0].split(","))
    assert everything == set(EXTRAS) - {"all", "bench", "test"}
