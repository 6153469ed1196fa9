"""What cannot be learned from is told against what the run has learned, not against what was driven last."""

import sqlite3

import pytest

from data.demos import Reason, Why
from data.reading.layouts import apart
from data.reading.segment_review import StoreReview
from data.store import Store
from hitl.cli import main
from tests.support.daemon_runs import drive, newest, train
from trainer.checkpoints.in_force import description_of, learned_layout, rule_of_run

OTHER = '["a", "b", "d"]'


@pytest.fixture
def changed(tmp_path):
    """A home whose run has learned from a, b and c, and in which a, b and d were driven since."""
    drive(tmp_path / "store.sqlite")
    train(tmp_path, 8)
    drive(tmp_path / "store.sqlite", 50, 1)
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        db.execute("UPDATE sessions SET observation_names = ? WHERE id = (SELECT max(id) FROM sessions)", (OTHER,))
    return tmp_path


def test_the_newest_checkpoint_tells_the_layout(changed):
    with Store(changed / "store.sqlite") as store:
        assert learned_layout(store) == (("a", "b", "c"), ("gas_brake", "steer"))
        (said,) = apart(store.conn, learned_layout(store)).values()
    assert said.startswith("50 driven steps of box2d have 3 numbers in each observation, as this run has, but with other")
    assert "`hitl train --fresh` begins a new run that learns from them" in said


def test_the_check_of_a_store_and_the_diagnosis_say_what_the_trainer_says(changed, capsys):
    train(changed, 8)
    with Store(changed / "store.sqlite") as store:
        (said,) = (m for (m,) in store.db.execute("SELECT message FROM events WHERE kind = 'layout'").fetchall())
    assert main(["store", "check", "--home", str(changed)]) == 1
    assert said.partition(":")[0] in capsys.readouterr().out.replace("\n", " ")
    main(["diagnose", "--home", str(changed), "--json"])
    assert said.partition(":")[0] in capsys.readouterr().out


def test_what_is_advised_is_what_happens(changed):
    daemon = train(changed, 1, fresh=True)
    assert daemon.training.intake.names[0] == ("a", "b", "d")
    with Store(changed / "store.sqlite") as store:
        (said,) = apart(store.conn, learned_layout(store)).values()
    assert said.startswith("200 driven steps")
    assert "drive with the settings of then" in said
    assert "(`hitl play --env box2d`, then `hitl train --fresh`)" in said


def test_without_a_checkpoint_that_can_be_read_what_was_driven_last_counts(changed):
    path = changed / "checkpoints" / newest(changed).name
    assert description_of(path) is not None
    for file in path.parent.glob("*.safetensors"):
        file.write_bytes(b"cut")
    with Store(changed / "store.sqlite") as store:
        assert learned_layout(store) is None
        (said,) = apart(store.conn, learned_layout(store)).values()
    assert said.startswith("200 driven steps")


def imported(path, names, origin):
    """Bring a lap in, as `hitl import` does: what came in once more in another layout has a # in its origin."""
    drive(path, 30, 1, purpose="lap", takeover=False)
    with sqlite3.connect(path) as db:
        db.execute(
            "UPDATE sessions SET kind = 'import', observation_names = ? WHERE id = (SELECT max(id) FROM sessions)", (names,)
        )
        db.execute("UPDATE episodes SET origin = ? WHERE id = (SELECT max(id) FROM episodes)", (origin,))
        db.execute(
            "INSERT INTO segments (session_id, episode_id, number, kind, start, stop, started, outcome, \"trigger\") "
            "SELECT session_id, id, 9, 'lap', 0, 30, started, 'unclear', 'imported' FROM episodes ORDER BY id DESC LIMIT 1"
        )


def test_an_import_that_came_in_again_as_the_run_sees_it_is_no_longer_told_of(tmp_path):
    path = tmp_path / "store.sqlite"
    drive(path)
    imported(path, OTHER, "run:1")
    imported(path, OTHER, "run:2")
    with Store(path) as store:
        (said,) = apart(store.conn).values()
    assert said.startswith("60 imported steps (2 laps)")
    with Store(path) as store:
        store.db.execute("UPDATE segments SET outcome = 'failed', verdict = 'good' WHERE id = (SELECT max(id) FROM segments)")
        (said,) = apart(store.conn).values()
        assert said.startswith("60 imported steps (1 lap, 1 unfinished)"), "as `hitl` and `hitl store info` say it"
        store.db.execute("UPDATE segments SET outcome = 'unclear', verdict = 'unreviewed' WHERE kind = 'lap'")
    imported(path, '["a", "b", "c"]', "run:1#4f1a")
    with Store(path) as store:
        (said,) = apart(store.conn).values()
    assert said.startswith("30 imported steps (1 lap)")
    imported(path, '["a", "b", "c"]', "run:2#4f1a")
    with Store(path) as store:
        assert apart(store.conn) == {}
        store.db.execute("DELETE FROM segments WHERE kind = 'lap'")
        store.db.execute("UPDATE segments SET kind = 'lap', outcome = 'cleared'")
        assert store.glance().laps == 2
        store.db.execute("UPDATE episodes SET origin = 'run:3#4f1a' WHERE id = (SELECT min(episode_id) FROM segments)")
        assert store.glance().laps == 1, "a drive that came in twice is one"


def test_what_the_trainer_leaves_out_is_not_called_learned_from(changed, capsys):
    with Store(changed / "store.sqlite") as store:
        store.conn.execute("UPDATE segments SET verdict = 'good'")
        mine, others = [], []
        for segment in store.segments():
            (others if segment.session_id == 2 else mine).append(segment)
        rule = rule_of_run(store)
        assert mine
        assert others
        assert {rule.judge(s).reason for s in mine} == {None}
        assert {rule.judge(s).reason for s in others} == {Reason(Why.LAYOUT)}
        assert all(store.rule().judge(s).counts for s in others), "an export brings them to a home that may learn from them"
        assert StoreReview(store, others[0].track, rule=rule).why_not(others[0]) == Reason(Why.LAYOUT)
    assert main(["segments", "--home", str(changed)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Not learned from: {len(others)} × other numbers than this run." in said
    assert f"`hitl store check --home {changed}`" in said
    assert main(["segments", "--json", "--home", str(changed)]) == 0
    assert capsys.readouterr().out.count('"why_not": "other numbers than this run"') == len(others)
