"""Each measurement is asked for, and whatever it does becomes a line of the file."""

import io
import json

import pytest

from data.errors import DeviceError, UsageError
from hitl import cli
from hitl.field_kit import record as module
from hitl.field_kit.kit import read
from hitl.field_kit.measurements import MEASUREMENTS, KitMeasurement
from hitl.field_kit.record import record
from hitl.home import Home


def broken(site):
    raise DeviceError("There is none in /home/planted/pads.")


def faulty(site):
    return json.loads("planted")


def interrupted(site):
    raise KeyboardInterrupt


@pytest.fixture
def three(monkeypatch):
    """Three measurements instead of the real ones: one works, one lacks something, one has a fault of ours."""
    ways = {"good": lambda site: {"late_ms": 1.0}, "broken": broken, "faulty": faulty, "interrupted": interrupted}
    monkeypatch.setattr(KitMeasurement, "make", lambda self, site: ways[self.where](site))
    made = [KitMeasurement(where, f"I try {where}.", f"all of {where}", where) for where in ("good", "broken", "faulty")]
    made.append(KitMeasurement("later", "I go on.", "more", "good", needs=("good", "broken")))
    monkeypatch.setattr(module, "MEASUREMENTS", made)
    return made


def run(tmp_path, *answers):
    """Record with these answers; return (the states by measurement, all that was said, whether it was written)."""
    said, left = [], list(answers)

    def ask(question):
        if not left:
            raise EOFError
        return left.pop(0)

    path = tmp_path / "kit.json"
    written = record(path, Home(tmp_path / "home"), "box2d", ask=ask if answers else None, say_text=said.append)
    kit = read(path) if written else None
    return {m.name: m for m in kit.measurements} if kit else {}, "\n".join(said), written


def test_without_questions_all_is_done_and_a_failure_is_a_line(tmp_path, three):
    made, said, written = run(tmp_path)
    assert written
    assert {name: m.state for name, m in made.items()} == {
        "good": "done", "broken": "missing", "faulty": "failed", "later": "missing"
    }  # fmt: skip
    assert made["good"].figures == {"late_ms": 1.0}
    assert made["broken"].problem.startswith("There is none in …")
    assert "planted" not in (tmp_path / "kit.json").read_text()
    assert made["faulty"].problem.startswith("JSONDecodeError in hitl.field_kit.")
    assert made["later"].problem == "it needs broken"
    assert "I go on." not in said  # what cannot be done is not asked for
    assert not (tmp_path / "home").exists()


def test_the_player_skips_and_ends(tmp_path, three):
    made, said, _ = run(tmp_path, "s", "what?", "", "q", "")
    assert {name: m.state for name, m in made.items()} == {"good": "skipped", "broken": "missing"}
    assert "I try faulty." in said
    assert said.index("The file will hold") < said.index("Written")
    assert "  good: skipped. the player skipped it." in said


def test_nothing_is_written_where_the_player_says_so_or_has_gone(tmp_path, three):
    for answers in (("q", "q"), ("",)):
        _, said, written = run(tmp_path, *answers)
        assert not written
        assert "Nothing was written." in said
    assert not (tmp_path / "kit.json").exists()


def test_every_figure_can_be_seen_before_anything_is_written(tmp_path, three, capsys):
    *_, written = run(tmp_path, "", "q", "s", "q")
    assert not written
    assert "late_ms" in capsys.readouterr().out
    assert not (tmp_path / "kit.json").exists()


def test_ctrl_c_breaks_one_off_and_packs_the_rest(tmp_path, three, monkeypatch):
    stop = KitMeasurement("stop", "I wait.", "nothing", "interrupted")
    monkeypatch.setattr(module, "MEASUREMENTS", [three[0], stop, *three[1:]])
    made, _, written = run(tmp_path, "", "", "")
    assert written
    assert {name: m.state for name, m in made.items()} == {"good": "done", "stop": "skipped"}


def test_without_a_terminal_it_says_how_to_run_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert cli.main(["doctor", "--record"]) == UsageError.exit_code
    assert "--yes" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_looked_at_before_anything_is_measured(tmp_path, three, capsys):
    (tmp_path / "mine.json").write_text("{}")
    assert cli.main(["doctor", "--record", str(tmp_path / "mine.json"), "--yes"]) == UsageError.exit_code
    assert "I try" not in capsys.readouterr().out
    assert (tmp_path / "mine.json").read_text() == "{}"
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--yes"])


def test_what_is_needed_comes_before(tmp_path):
    names = [m.name for m in MEASUREMENTS]
    assert len(set(names)) == len(names)
    assert all(names.index(need) < names.index(m.name) for m in MEASUREMENTS for need in m.needs)
