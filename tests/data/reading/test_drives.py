"""Recorded driving read back: columns, episodes in one line each, and which track is the one driven last."""

import subprocess
import sys
import textwrap
from itertools import takewhile

import numpy as np
import pytest

from data.errors import StoreError, UsageError
from data.reading.drives import COLUMNS, Drive
from data.recording.recorder import Recorder
from data.records import AGENT, HUMAN
from data.store import Store
from tests.support.places import ROOT
from tests.support.recorded import NAMES, session_info, step_row, summary


def record(path, track="hairpin", steps=10, kind="play", reason="off_road"):
    with Recorder(path, session_info(track=track, kind=kind)) as recorder:
        recorder.begin_episode()
        for i in range(steps):
            if i == 4:
                number = recorder.begin_segment("takeover", "stick")
            recorder.step(step_row(i, HUMAN if 4 <= i < 7 else AGENT, risk=None))
            if i == 6:
                recorder.end_segment(number)
        recorder.end_episode("terminated", reason, np.zeros(4, np.float32))


def test_who_only_looks_at_columns_does_not_load_what_makes_stores():
    """It takes longer to import than all else here together."""
    code = "import sys; from data.reading.drives import Drive; print('sqlite_utils' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_column_comes_back_with_its_shape(path):
    record(path)
    with Store(path) as store:
        (episode,) = store.episodes()
        drive = store.steps(episode)
    assert drive.columns == COLUMNS
    assert {len(getattr(drive, name)) for name in COLUMNS} == {10} == {len(drive)}
    assert drive.t.tolist() == list(range(10))
    assert drive.observation.shape == (10, 4)
    assert drive.executed[3].tolist() == [3.25, 3.25]
    assert drive.proposed[3].tolist() == [2.75, 2.75]
    assert drive.human.nonzero()[0].tolist() == [4, 5, 6]
    assert drive.points[5].tolist() == [5.0, 10.0]
    assert np.isnan(drive.risk).all()
    assert set(drive.checkpoint_id.tolist()) == {-1}
    assert drive.terminated.dtype == bool


def test_only_what_was_asked_for_is_read(path):
    record(path)
    with Store(path) as store:
        drive = store.steps(1, 2, 8, ("progress", "driver"), from_m=3.0, to_m=6.0, driver=HUMAN)
        assert repr(drive) == f"Drive({len(drive)} steps of episode 1: progress, driver)"
        assert drive.progress.tolist() == [4.0, 5.0, 6.0]
        with pytest.raises(AttributeError, match="speed"):
            drive.speed  # noqa: B018
        nothing = store.steps(1, 50)
        assert len(nothing) == 0
        assert nothing.observation.shape[0] == 0
        with pytest.raises(UsageError, match="no episode 7"):
            store.steps(7)


def test_an_episode_in_one_line(path):
    record(path)
    with Store(path) as store:
        (episode,) = store.episodes("hairpin", purpose="drive", newest=1)
        assert store.episodes("elsewhere") == store.episodes(purpose=["lap", "evaluation"]) == store.episodes(session=2) == []
        assert store.episodes(since=episode.started) == [episode] == store.episodes(ids=[1], until="2999-01-01")
    assert (episode.length, episode.human_steps, episode.total, episode.farthest) == (10, 3, 22.5, 9.0)
    assert episode.failed
    assert episode.helped
    assert (episode.hz, episode.observation_names, episode.checkpoint_id) == (20.0, NAMES, None)


def test_an_open_episode_is_only_given_when_wanted(path):
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        recorder.step(step_row(0))
        assert recorder.flush()
        with Store(path) as store:
            assert store.episodes() == []
            assert [e.reason for e in store.episodes(closed=False)] == [""]
            assert len(next(iter(store.placed("hairpin")))) == 1


def test_rows_of_a_drive():
    drive = Drive(summary(farthest=3.5), {"progress": np.array([0.0, 1.0, np.nan]), "executed": np.array([[-0.5, 0]] * 3, "f4")})
    assert (drive.gas.tolist(), drive.brake.tolist()) == ([0.0] * 3, [0.5] * 3)
    assert drive.farthest == 3.5
    assert len(drive[1:]) == 2
    assert drive[np.array([True, False, False])].progress.tolist() == [0.0]
    assert Drive(summary(action_names=("steer",)), {"executed": np.ones((2, 1), "f4")}).brake.tolist() == [0.0, 0.0]
    pedals = Drive(summary(action_names=("gas", "brake")), {"executed": np.float32([[0.5, -1.0], [-1.0, 0.25]])})
    assert (pedals.gas.tolist(), pedals.brake.tolist()) == ([0.5, 0.0], [0.0, 0.25])  # one below 0 is released


def test_damaged_rows_are_named(path):
    record(path)
    with Store(path) as store:
        store.conn.execute("UPDATE steps SET observation = X'0000' WHERE t = 3")
        with pytest.raises(StoreError, match="hitl store check"):
            store.steps(1)


def test_the_track_driven_last_comes_first_and_imports_come_last(path):
    record(path, "first", 40)
    record(path, "second", 10)
    record(path, "imported", 10, kind="import")
    with Recorder(path, session_info(track="never driven")):
        pass
    with Store(path) as store:
        assert store.tracks() == ["second", "first", "imported"]
        assert [s.track for s in store.sessions()] == ["first", "second", "imported", "never driven"]
        assert store.sessions("first")[0].reward == {"progress": 1.0}


@pytest.mark.parametrize("text", [Store.__doc__, (ROOT / "docs" / "store.md").read_text("utf-8")])
def test_the_examples_run(path, text, capsys):
    record(path)
    with Store(path) as store:
        store.conn.execute("UPDATE episodes SET purpose = 'evaluation'")
        store.conn.execute("UPDATE segments SET corner = 'corner 3'")
    lines = text[text.index("with Store(") :].splitlines()
    code = lines[0] + "\n" + textwrap.dedent("\n".join(takewhile(lambda line: line[:1] == " ", lines[1:])))
    code = code.replace("\n", "\n    ").replace("~/.hitl/store.sqlite", path.as_posix())
    exec(code, {"Store": Store})
    assert capsys.readouterr().out == "22.5 12.0\n"
    with Store(path) as store:
        assert [s.verdict for s in store.segments()] == ["star"]
