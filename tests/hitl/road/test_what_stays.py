"""What is told of the agent's tries stays the same where its steps are pruned, exported, brought to another home, or far back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.reading.episodes import EpisodeData, EpisodeWriter
from data.records import SessionInfo
from data.store import Store
from data.tables.thinned import told_by
from hitl.cli import main
from hitl.coach import past
from hitl.commands import where
from hitl.home import Home
from hitl.road.time_lost import stored_time_lost
from hitl.screens.training.lap_line import lap_line
from hitl.session.practice import approaches
from tests.support import sample_screens as samples
from tests.support import sample_stores as stores

HAIRPIN = "hairpin"
BRAKING = "braking_m_before"  # is read from all steps before a corner, so it goes with them


def from_the_middle(data: EpisodeData, metre: float) -> EpisodeData:
    """The rest of a drive from there on, as a try of practice, which begins anywhere."""
    rest = slice(int(np.flatnonzero(data.columns["progress"] >= metre)[0]), None)
    return EpisodeData(
        observation=data.observation[rest], executed=data.executed[rest], reward=data.reward[rest], proposed=data.executed[rest],
        driver=np.asarray(data.driver)[rest], terminated=np.asarray(data.terminated)[rest],
        columns={name: values[rest] for name, values in data.columns.items()}, purpose="practice", reason=data.reason,
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Laps, drives and evaluations that fail and that finish, tries of practice from the middle, and help."""
    home = Home(tmp_path / "home")
    home.root.mkdir()
    stores.fill(home.store_path)
    with Store(home.store_path) as store:
        corner = store.corners("default")[0]
        (session,) = store.sessions()
        with EpisodeWriter(store.conn, session.id) as writer:
            for seed in range(3):
                for blunder in (True, False):
                    writer.add(from_the_middle(stores.episode(seed, blunder=blunder), corner.from_m - 25.0))
        store.upsert_corner("default", "later", corner.to_m + 40.0, corner.to_m + 60.0, "player")
    return home


def table(home: Home, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main(["corners", "--json", "--home", str(home.root)]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["corners"]
    return [{name: value for name, value in row.items() if name != BRAKING} for row in rows]


def failing(home: Home) -> list[str]:
    return [text for name, text in where.look(home)[0] if name == "corners that fail"]


def test_pruning_changes_nothing_of_what_is_told(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    before, fails = table(home, capsys), failing(home)
    assert before[0]["agent"]["attempts"] > 10
    assert before[0]["time"]["lost_s"] is not None
    assert before[0]["entry_speed_ms"]["agent"] is not None
    assert main(["store", "prune", "--older-than", "2999-01-01", "--dry-run", "--home", str(home.root)]) == 0
    assert "What goes is how it drove there: its lines in the review" in " ".join(capsys.readouterr().out.split())
    assert main(["store", "prune", "--older-than", "2999-01-01", "--home", str(home.root)]) == 0
    said = capsys.readouterr().out
    assert said.index("lines in the review") < said.index("Deleted")
    assert table(home, capsys) == before
    assert failing(home) == fails
    with Store(home.store_path) as store:
        assert store.prunable("2999-01-01") == (0, 0), "a second time there is nothing more to take"
        assert store.prune("2999-01-01") == 0


def test_a_corner_that_is_moved_later_has_no_times_made_up_from_what_is_left(home: Home) -> None:
    with Store(home.store_path) as store:
        store.prune("2999-01-01")
        corner = store.corners("default")[0]
        store.upsert_corner("default", "later", corner.to_m + 95.0, corner.to_m + 120.0, "player")
        found = {one.corner: one for one in stored_time_lost(store, "default", store.corners("default"))}
    assert found["later"].agent is None


def test_an_exported_store_tells_the_same(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there, fails = table(home, capsys), failing(home)
    assert main(["export", "store", str(tmp_path / "all.sqlite"), "--home", str(home.root)]) == 0
    new = Home(tmp_path / "new")
    assert main(["import", str(tmp_path / "all.sqlite"), "--home", str(new.root)]) == 0
    (new.root / "checkpoints").mkdir(exist_ok=True)
    capsys.readouterr()
    with Store(new.store_path) as store:
        assert store.latest_checkpoint() is None
        assert store.count_steps() < 0.7 * Store(home.store_path).count_steps()
    assert table(new, capsys) == there, "of the agent that came with the import, where there is no other"
    assert failing(new) == fails
    with Store(new.store_path) as store:
        own = store.add_checkpoint("own", "own", 1, 1, "train", {})
        (new.root / "checkpoints" / "own").touch()
        assert store.latest_checkpoint().id == own  # type: ignore[union-attr]
    told = table(new, capsys)[0]
    assert told["by"]["stranger"]["attempts"] > 0, "now it is another one's"
    assert main(["corners", "--home", str(new.root)]) == 0
    assert "of an agent whose weights are not here" in " ".join(capsys.readouterr().out.split())


def test_what_it_does_alone_is_known_after_many_helped_drives(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(home.store_path) as store:
        road, (session,) = store.corners("default"), store.sessions()
        before = {name: len(tries) for name, tries in past.attempts(store, "default", road).items()}
        line = lap_line(store)
        came = len(list(approaches(store, "default", road[0])))
        with EpisodeWriter(store.conn, session.id) as writer:
            for _ in range(12):
                writer.add(stores.episode(40, blunder=False, takeover=True))
        for module in (past, where):
            monkeypatch.setattr(module, "LOOKED_AT" if module is past else "NEWEST", 10)
        monkeypatch.setattr("hitl.road.time_lost.NEWEST", 10)
        monkeypatch.setattr("hitl.screens.training.lap_line.NEWEST", 10)
        monkeypatch.setattr("hitl.session.practice.NEWEST", 10)
        assert before[HAIRPIN] > 10
        assert len(past.attempts(store, "default", road)[HAIRPIN]) == 10
        assert lap_line(store) == line != ""
        lost = {one.corner: one for one in stored_time_lost(store, "default", road)}
        assert lost[HAIRPIN].tries >= 4
        assert len(list(approaches(store, "default", road[0]))) == min(10, came) > 5
    assert any(name == "laps alone" for name, _ in where.look(home)[0])


def test_the_steps_on_both_sides_of_a_place_stay() -> None:
    t, progress = np.arange(8), np.array([0.0, 1.0, 2.0, 4.0, 3.5, np.nan, 9.0, 10.0])
    assert np.flatnonzero(told_by(t, progress, np.array([3.0, 9.5]))).tolist() == [0, 2, 3, 6, 7]
    assert np.flatnonzero(told_by(np.array([0, 1, 2, 9, 10, 11, 12, 13]), progress, np.array([3.0]))).tolist() == [0]


def test_a_drive_from_which_steps_are_missing_makes_no_line(home: Home) -> None:
    corner = samples.scene().corners[0]
    with Store(home.store_path) as store:
        (failed, *_) = store.episodes("default", purpose="evaluation")
        assert list(store.lines([failed], corner[1] - 35.0, corner[2] + 35.0, 0, 5))
        store.prune("2999-01-01")
        assert list(store.lines([failed], corner[1] - 35.0, corner[2] + 35.0, 0, 5)) == []
        assert not store.has_all(store.steps(failed))


def test_an_agent_that_came_along_is_told_by_none_of_the_places_or_by_all(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    merged = Home(tmp_path / "merged")
    merged.checkpoints.mkdir(parents=True)
    with Store(merged.store_path) as store:
        own = store.add_checkpoint("own", "own", 1, 1, "train", {})
        (merged.checkpoints / "own").touch()
        session = store.start_session(
            SessionInfo("play", "box2d", "default", 20.0, ("a", "b", "c"), samples.scene().action_names, driver="pad")
        )
        with EpisodeWriter(store.conn, session) as writer:
            writer.add(stores.episode(50, blunder=True, checkpoint=own))
        store.conn.execute("UPDATE episodes SET checkpoint_id = ?", (own,))
        store.end_session(session)
    assert main(["import", str(home.store_path), "--home", str(merged.root)]) == 0
    with Store(merged.store_path) as store:
        theirs = max(store.imported_checkpoints())
        store.conn.execute("UPDATE episodes SET checkpoint_id = ? WHERE checkpoint_id IS NULL AND purpose <> 'lap'", (theirs,))
        alone = [e for e in store.episodes("default", imported=False) if e.purpose != "lap" and not e.human_steps]
    capsys.readouterr()
    row = next(row for row in table(merged, capsys) if row["name"] == HAIRPIN)
    assert row["agent"]["attempts"] == row["time"]["tries"] == len(alone) == 1, "one count, whoever came along"
    assert failing(merged)
