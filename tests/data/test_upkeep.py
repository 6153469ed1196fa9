import json
import re
import shlex

import numpy as np
import pytest

from data.errors import StoreError
from data.exchange.merge import merge
from data.reading.follow import Follower
from data.recording.recorder import Recorder
from data.records import HUMAN
from data.store import Store
from hitl.cli import main
from hitl.commands.store import size_text, time_text
from tests.support.recorded import drive, session_info, spoil, step_row


@pytest.fixture
def home(tmp_path):
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder, 400, (50, 90))
        drive(recorder, 300, None)
        recorder.begin_episode("lap")
        number = recorder.begin_segment("lap")
        for i in range(100):
            recorder.step(step_row(i, HUMAN))
        recorder.end_segment(number, "cleared")
        recorder.end_episode("terminated", "finish", np.zeros(4))
        recorder.begin_episode("lap")
        number = recorder.begin_segment("lap")  # one that was not finished is no lap
        recorder.end_segment(number, "failed")
        recorder.end_episode("terminated", "stalled", np.zeros(4))
        drive(recorder, 50, None)
    return tmp_path


@pytest.fixture
def filled(home):
    with Store(home / "store.sqlite") as store:
        yield store


def hitl(home, *words):
    return main([*words[:2], "--home", str(home), *words[2:]])


def test_info(home, filled, capsys):
    found = filled.info()
    assert (found.episodes, found.steps, found.takeovers, found.laps) == (5, 850, 1, 1)
    assert found.seconds == pytest.approx(42.5)
    assert found.human_seconds == pytest.approx(7.0)
    assert hitl(home, "store", "info") == 0
    said = capsys.readouterr().out
    assert "850 steps, 42.5 s of driving" in said
    assert "1 takeover, 1 lap by hand" in said
    assert hitl(home, "store", "info", "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 850


def test_pruning_takes_no_human_step_no_segment_and_no_successor(home, filled, capsys):
    before = Follower(filled.path).poll()
    late = "2999-01-01"
    assert hitl(home, "store", "prune", "--older-than", late, "--dry-run") == 0
    assert "705 agent steps of 3 drives" in capsys.readouterr().out
    assert filled.db["steps"].count == 850
    assert filled.prunable("2001-01-01") == (0, 0)
    assert hitl(home, "store", "prune", "--older-than", late) == 0
    after = Follower(filled.path).poll()
    kept = set(after.step_id.tolist())
    for human in before.step_id[before.driver == HUMAN].tolist():
        assert human in kept
    first = before.episode_id == 1
    assert (int(before.step_id[first & (before.t == 90)][0])) in kept  # what followed the takeover's last step
    assert len(after) == 145  # 40 and their successor, 100 of the lap, the newest step of all, and the first of each drive
    assert after.step_id.max() == before.step_id.max()
    assert filled.db.execute('SELECT length, "return" FROM episodes WHERE id = 2').fetchone() == (
        300,
        150 * 299 / 2 * 1.0,
    )
    assert filled.check() == []
    size, now = filled.compact()
    assert now < size / 2


def test_pruning_leaves_what_is_being_driven_alone(filled):
    with Recorder(filled.path, session_info()) as recorder:
        recorder.begin_episode()
        for i in range(20):
            recorder.step(step_row(i))
        recorder.flush()
        filled.prune("2999-01-01")
        assert filled.db.execute(
            'SELECT count(*) FROM steps p JOIN episodes e ON e.id = p.episode_id WHERE e."end" IS NULL'
        ).fetchone() == (20,)
        with pytest.raises(StoreError, match="recording"):
            filled.compact()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE steps SET observation = x'00' WHERE id = 7", "There is 1 step whose observation"),
        ("UPDATE segments SET stop = start - 1", "segments that end before"),
        ("UPDATE segments SET stop = 5000", "beyond their episode"),
        ("UPDATE segments SET verdict = 'great' WHERE id = 1", "a verdict that hitl does not know (great)"),
        ("UPDATE segments SET priority = -3 WHERE id = 1", "a priority below 0 or beyond 1,000,000,000 (-3.0)"),
        ("UPDATE segments SET trim_start = -1 WHERE id = 1", "There is 1 segment that begins before its episode"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM episodes WHERE id = 2", "not there (in steps)"),
        ("UPDATE episodes SET length = 3", "after their end"),
    ],
)
def test_check_names_what_is_wrong(home, filled, damage, said, capsys):
    assert hitl(home, "store", "check") == 0
    filled.conn.executescript(damage)
    assert hitl(home, "store", "check") == 1
    assert said in capsys.readouterr().out


def test_what_another_program_left_behind_can_be_repaired(home, filled, tmp_path, capsys):
    filled.label([1], verdict="good", tags_add=["late"])
    checkpoint = filled.add_checkpoint("gone", "gone", 1, 1, "train", {})
    filled.conn.execute("UPDATE episodes SET checkpoint_id = ? WHERE id = 5", (checkpoint,))
    filled.conn.executescript(
        f"PRAGMA foreign_keys = OFF; DELETE FROM segments WHERE id = 1; DELETE FROM episodes WHERE id = 3; "
        f"DELETE FROM checkpoints WHERE id = {checkpoint}; PRAGMA foreign_keys = ON"
    )
    steps = filled.count_steps()
    assert hitl(home, "store", "check") == 1
    said = capsys.readouterr().out
    assert "to something that is not there" in said
    assert "`hitl store check --repair --home" in said
    with pytest.raises(StoreError, match="The store check of the home that it comes from"), Store(tmp_path / "n.sqlite") as new:
        merge(new.conn, new.path, filled.path)
    assert hitl(home, "store", "check", "--repair") == 0
    assert capsys.readouterr().out.endswith("referred to something that is not there.\nThe store is sound.\n")
    assert filled.count_steps() == steps - 100, "the lap's; those of the episode whose checkpoint is gone stay"
    assert filled.conn.execute("SELECT checkpoint_id FROM episodes WHERE id = 5").fetchone() == (None,)
    assert filled.conn.execute("SELECT (SELECT count(*) FROM tags), (SELECT count(*) FROM judgements)").fetchone() == (0, 0)
    assert hitl(home, "store", "check", "--repair") == 0
    assert "Nothing to repair" in capsys.readouterr().out
    with Store(tmp_path / "n.sqlite") as new:
        assert merge(new.conn, new.path, filled.path).episodes == 4


@pytest.mark.parametrize("damage", ["verdict = 'super'", "priority = -3"])
def test_what_only_another_program_can_have_written_is_fixed_as_the_check_says(home, filled, damage, capsys):
    filled.conn.execute(f"UPDATE segments SET {damage}")
    assert main(["segments", "--home", str(home)]) == 0
    assert ("super" in capsys.readouterr().out) == ("super" in damage)
    assert hitl(home, "store", "check") == 1
    (command,) = re.findall("`hitl (.*?)`", capsys.readouterr().out)
    assert main(shlex.split(command)) == 0
    assert hitl(home, "store", "check") == 0


def test_check_of_a_torn_file(home, capsys):
    path = home / "store.sqlite"
    data = bytearray(path.read_bytes())
    data[8192:40960] = b"\xaa" * 32768
    path.write_bytes(data)
    assert hitl(home, "store", "check") in (1, 4)


def test_sizes_as_people_say_them():
    assert [size_text(n) for n in (12, 4_000, 2_500_000, 310_000_000, 7.25e9)] == [
        "12 bytes",
        "4 kB",
        "2.5 MB",
        "310 MB",
        "7.2 GB",
    ]
    assert [time_text(s) for s in (4.25, 600, 9000)] == ["4.2 s", "10 min", "2.5 h"]


def test_numbers_that_cannot_be_learned_from_are_counted_and_named(home, capsys):
    path = home / "store.sqlite"
    spoil(path, 7, 1, "left", np.nan)
    spoil(path, 8, 1, "left", np.inf)
    spoil(path, 9, 2, "steer", 1e30, "executed")
    spoil(path, 10, 2, value=1e12, column="reward")
    spoil(path, 0, 4, "yaw", np.nan, "last_observation")
    spoil(path, 11, 2, value=np.inf, column="x")
    assert hitl(home, "store", "check") == 1
    said = capsys.readouterr().out
    assert "5 steps hold numbers that cannot be learned from (left in 2, " in said
    for name in ("the action steer in 1", "and 1 more"):
        assert name in said
    assert "x in 1" in said
    assert main(["diagnose", "--home", str(home), "--json"]) == 1
    found = {f["fault"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert found["numbers-unusable"]["data"]["steps"] == 5
    assert found["numbers-unusable"]["data"]["numbers"] == {
        "left": 2, "the action steer": 1, "the reward": 1, "yaw": 1,
    }  # fmt: skip


def test_what_was_pruned_away_is_no_successor(home, filled):
    """The observation behind an episode's end does not follow the last step that is left of it."""
    assert Follower(filled.path).poll().episodes[1].last_observation is not None
    filled.prune("2999-01-01")
    assert Follower(filled.path).poll().episodes[1].last_observation is None
    assert Follower(filled.path).poll().episodes[3].last_observation is not None  # a lap is not pruned
