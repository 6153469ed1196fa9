"""The demo in SuperTuxKart: the agent that comes with hitl, and the real engine where it is installed."""

import json

import pytest

from data.store import Store
from hitl import cli
from hitl.demo import demo
from hitl.demo import run as run_demo
from hitl.demo.shipped import open_shipped, stalled_at
from hitl.games.supertuxkart import game as kart
from hitl.games.supertuxkart.data_folder import engine_version, find
from hitl.home import Home
from hitl.screens import before_after
from hitl.screens.stored.report import stored_report
from hitl.trainer_process import TrainerProcess


def test_the_agent_that_comes_with_it_has_stalled_at_the_lava(tmp_path):
    home = Home(tmp_path / "home")
    open_shipped(home, "fortmagma")
    corner = stalled_at(home, "fortmagma")
    assert corner is not None
    assert corner.from_m > 900
    with Store(home.store_path) as store:
        evaluations = store.evaluations()
        laps = [s for s in store.segments() if s.kind == "lap" and s.outcome == "cleared"]
    assert [e.passes[corner.name] for e in evaluations[-3:]] == [0] * 3
    assert [e.episodes for e in evaluations[-3:]] == [20] * 3
    assert len(laps) == 2
    assert sum(file.stat().st_size for file in home.root.rglob("*") if file.is_file()) < 3 * 2**20


@pytest.mark.realtime
@pytest.mark.skipif(engine_version() is None, reason="SuperTuxKart's engine is not installed: .ci/install-supertuxkart")
@pytest.mark.skipif(find(Home(kart.ENGINE.parent)) is None, reason="SuperTuxKart's data are not here: `hitl supertuxkart`")
def test_the_headless_demo_from_end_to_end_in_a_short_form(tmp_path, monkeypatch):
    """One lap before and after, and in between tries that begin shortly before the corner."""
    pairs = ("batch_size=32", "checkpoint_seconds=0.2", "lap_utd=0")  # laps alone would owe eight hundred updates
    small = [word for pair in pairs for word in ("--set", pair)]
    monkeypatch.setattr(run_demo, "TrainerProcess", lambda *words: TrainerProcess(*words, *small))
    monkeypatch.setattr(demo, "MOST_STEPS", 500)
    monkeypatch.setattr(demo, "MOST_OWED", 100)  # else the trainer of a busy machine may have learned nothing yet
    monkeypatch.setattr(demo, "STEPS_BETWEEN", 5_000)
    for module in (demo, before_after):
        monkeypatch.setattr(module, "EPISODES", 1)
    open_shipped(Home(tmp_path / "shipped"), "fortmagma")
    asked = stalled_at(Home(tmp_path / "shipped"), "fortmagma")
    home, out = tmp_path / "home", tmp_path / "demo.json"
    assert cli.main(["demo", "--env", "supertuxkart", "--headless", "--home", str(home), "--json", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["track"] == "fortmagma"
    assert (result["before"]["episodes"], result["before"]["corner_passes"]) == (1, 0)
    assert result["after"]["episodes"] == 1
    assert result["takeovers"] >= 1
    assert result["updates"] > 100
    assert "<svg" in (home / "demo-report.html").read_text()
    with Store(home / "store.sqlite", read_only=True) as store:
        driven = store.episodes("fortmagma", purpose=("drive", "practice"))
        report = stored_report(store)
    session = driven[-1].session_id
    own = [e for e in driven if e.session_id == session]
    assert len(own) >= 2
    assert {e.purpose for e in own} == {"practice"}
    assert all(e.length < 600 for e in own), "from the start, it takes 1,100 steps to the corner"
    assert report.takeovers == result["takeovers"]
    # Where the agent ends now is another matter: one lap after a short training may end anywhere.
    assert report.corner.name == asked.name
