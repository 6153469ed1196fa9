"""A lap's time, from the line to the store and to every command that tells it."""

from __future__ import annotations

import contextlib
import io
import json
import statistics

import pytest

from data.store import Store
from hitl.cli import main
from hitl.home import Home
from hitl.screens.stored.report import stored_report

STRAIGHT = "tests.support.straight:drive"


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """A home with an evaluation of two laps on a straight, and what `hitl eval` printed."""
    folder = tmp_path_factory.mktemp("laps")
    line = folder / "straight.csv"
    line.write_text("x,y\n" + "\n".join(f"{x},0" for x in range(0, 161, 10)))
    command = ["eval", "--home", str(folder / "home"), "--track", str(line), "--agent", STRAIGHT]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main([*command, "--trials", "2", "--json", "--gate", "finish>=1,worst<60"]) == 0
    return Home(folder / "home"), command, json.loads(printed.getvalue().splitlines()[-1])


def test_every_trial_is_kept_with_its_time_and_the_gate_decides(driven, capsys):
    home, command, said = driven
    trials, laps = said["trials"], said["laps"]
    with Store(home.store_path, read_only=True) as store:
        stored = store.episodes()[:2]
    assert [t["episode"] for t in trials] == [e.id for e in stored]
    assert [t["lap_s"] for t in trials] == [e.lap_s for e in stored]
    for trial in trials:
        assert 0.0 < trial["driven_s"] - trial["lap_s"] < 0.1, "between two steps, at the line"
    assert trials[0]["lap_s"] != trials[1]["lap_s"], "two starts, two times, to the millisecond"
    assert (laps["best_s"], laps["worst_s"]) == (min(t["lap_s"] for t in trials), max(t["lap_s"] for t in trials))
    assert said["gate"]["failures"] == []
    assert main([*command, "--trials", "1", "--gate", "median<1"]) == 1
    assert "The gate is not passed: median is" in capsys.readouterr().out


def test_where_one_stands_says_them_too(driven, capsys, monkeypatch):
    home, *_ = driven
    monkeypatch.setenv("HITL_HOME", str(home.root))
    assert main([]) == 0
    assert " finished; median" in capsys.readouterr().out


def test_the_status_of_training_says_best_median_and_last(driven, tmp_path, capsys):
    home, *_ = driven
    with Store(home.store_path, read_only=True) as store:
        times = [e.lap_s for e in store.episodes() if e.lap_s]
    assert main(["train", "status", "--home", str(home.root)]) == 1, "no trainer is at work"
    middle = f"median of the last {len(times)} laps {statistics.median(times):.3f} s"
    expected = f"best {min(times):.3f} s, {middle}, last {times[-1]:.3f} s"
    assert expected in " ".join(capsys.readouterr().out.split())
    assert main(["train", "status", "--home", str(tmp_path)]) == 1
    assert "laps alone" not in capsys.readouterr().out


def test_a_lap_of_an_older_version_has_the_time_of_its_steps(driven):
    home, *_ = driven
    with Store(home.store_path) as store:
        store.conn.execute("DELETE FROM events WHERE kind = 'lap_time'")
        assert [e.lap_s for e in store.episodes()] == [e.length / e.hz for e in store.episodes()]
        store.conn.execute(
            "INSERT INTO events (session_id, at, level, kind, message, data) SELECT session_id, '', 'info', 'lap_time', '', "
            "'{\"episode\": 0, \"seconds\": -3}' FROM episodes LIMIT 1"
        )
        assert store.episodes()[0].lap_s > 0.0, "what cannot be a time is none"
        assert stored_report(store).figures
