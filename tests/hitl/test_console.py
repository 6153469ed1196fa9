"""Names with square brackets and colons are shown as they are, by every command that draws with rich."""

from __future__ import annotations

import ast
import io
import json
import re

import pytest

from data.errors import CONTROL
from data.recording.recorder import Recorder
from data.store import Store
from hitl.cli import main
from hitl.console import console, indented, marked, print_facts, table
from hitl.screens.training.train_terminal import draw
from tests.support.places import ROOT
from tests.support.recorded import drive, session_info
from tests.support.source import files, nodes_of, text_of, tree_of
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import Heartbeat

NAMES = ["[apex]", "[/]", "[bold]x", ":car:", "[link=x]y[/link]", r"\[a]", "a\\", "[red]Żółć[/red]"]


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")


@pytest.mark.parametrize("name", NAMES)
def test_corners_and_segments(tmp_path, capsys, name):
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder, 40, (5, 25), name)
    home = ["--home", str(tmp_path)]
    assert main(["label", *home, "1", "--note", f"late {name}", "--tag", "t"]) == 0
    capsys.readouterr()
    assert main(["segments", *home]) == 0
    out = capsys.readouterr().out
    assert out.count(name) == 2
    with Store(tmp_path / "store.sqlite") as store:
        store.conn.execute("UPDATE sessions SET track = ?", (f"track {name}",))
    assert main(["corners", *home]) == 0
    assert f"track {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_values_of_a_config_and_the_diagnosis(tmp_path, capsys, name):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"__VERSION__": "0.6.0", "RUN_NAME": name, "ALG": {"GAMMA": 0.99, f"X{name}": 1}}))
    assert main(["config", "show", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count(name) == 1
    assert main(["diagnose", "--all", "--config", str(path)]) in (0, 1, 2)
    assert name in capsys.readouterr().out
    history = tmp_path / f"run {name.replace('/', '')}.csv"
    history.write_text("return_train\n1\n2\n")
    assert main(["diagnose", "--wandb", str(history), "--config", str(path)]) in (0, 1, 2)
    assert history.name in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_files_that_come_in(tmp_path, capsys, name):
    path = tmp_path / f"{name.replace('/', '-')}.pkl"
    path.write_bytes(b"no pickle")
    assert main(["import", "--home", str(tmp_path / "home"), str(path)]) == 1
    assert path.name in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_what_a_trainer_says(name):
    said = io.StringIO()
    out = console(file=said, width=200)
    out.print(f"says {name}")
    beat = Heartbeat(state="idle", checkpoint=f"c {name}", problem=f"p {name}", finding=f"f {name}", detail=f"d {name}")
    out.print(draw(beat, Watch()))
    for word in ("says", "c", "p", "f", "d"):
        assert f"{word} {name}" in said.getvalue()


HOSTILE = "\x1b]0;title\x07\x1b[31mred\u202e\x9b2J"


def obeyed(text):
    return [c for c in CONTROL.findall(text) if c != "\n"]


def test_a_terminal_obeys_no_name(tmp_path, capsys):
    out = console()
    out.print(marked(f"[dim]looked at[/] {HOSTILE}"))
    out.print(indented(HOSTILE, 3))
    out.print(draw(Heartbeat(state="idle", problem=HOSTILE, finding=HOSTILE), Watch()))
    print_facts([(HOSTILE, HOSTILE)])
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder, 40, (5, 25), HOSTILE)
    with Store(tmp_path / "store.sqlite") as store:
        store.conn.execute("UPDATE sessions SET track = ?1, env = ?1", (HOSTILE,))
    for words in ("", "diagnose", "diagnose --all", "train status", "segments", "segments --json", "corners", "tracks"):
        main([*words.split(), "--home", str(tmp_path)])
    said = capsys.readouterr()
    assert "red" in said.out
    assert not obeyed(said.out + said.err), obeyed(said.out + said.err)


def calls(path):
    for node in nodes_of(tree_of(path)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield name, node


def escaped(value):
    """Whether what an f-string fills in is a number, or has gone through ``escape``."""
    if value.format_spec is not None:
        return True
    return isinstance(value.value, ast.Call) and getattr(value.value.func, "id", "") in ("escape", "len")


OURS = {"number", "colour", "finding.rank", "finding.fault", "fault", "lacking.fault", "where", "title"}
"""Words of the program's own that are filled into markup (``where`` is built of an escaped name)."""


def test_nothing_is_drawn_but_through_our_console():
    wrong = []
    for path in files():
        if path.name == "console.py" or "rich" not in text_of(path):
            continue
        for name, node in calls(path):
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            given = {k.arg for k in node.keywords}
            drawn = name in ("Live", "Progress") and "console" not in given
            if name in ("Console", "from_markup") or drawn or (name == "TextColumn" and "markup" not in given):
                wrong.append(where)
            elif name == "marked":
                filled = [v for v in ast.walk(node) if isinstance(v, ast.FormattedValue)]
                words = [ast.unparse(v.value) for v in filled if not escaped(v)]
                wrong += [f"{where}: {word}" for word in words if word not in OURS]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_tables_and_facts(capsys, name):
    shown = table(name, "metres", right=("metres",), title=f"of {name}")
    shown.add_row(f"corner {name}", "1")
    console().print(shown)
    assert capsys.readouterr().out.count(name) == 3
    print_facts([(f"key {name}", "word " * 200 + name)])
    assert re.fullmatch(rf"key {re.escape(name)}  (word ){{200}}{re.escape(name)}\n", capsys.readouterr().out)  # one line
