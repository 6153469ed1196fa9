"""Two stores that review the same segments: of each field what was set last holds, undoing included, whatever came when."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from data.exchange.merge import merge
from data.recording.recorder import Recorder
from data.store import Store
from hitl.cli import main
from tests.support.recorded import drive, session_info


@pytest.fixture(autouse=True)
def moments(monkeypatch):
    """Each review is given a millisecond after the one before, and none is older than what is recorded."""
    began, count = datetime.now(UTC), itertools.count()

    def moment():
        return f"{began + timedelta(milliseconds=next(count)):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"

    monkeypatch.setattr("data.tables.judgements.now", moment)


@pytest.fixture
def pupil(tmp_path):
    (tmp_path / "pupil").mkdir()
    path = tmp_path / "pupil" / "store.sqlite"
    with Recorder(path, session_info()) as recorder:
        for _ in range(3):
            drive(recorder)
    with Store(path) as store:
        yield store


@pytest.fixture
def teacher(tmp_path, pupil):
    (tmp_path / "teacher").mkdir()
    with Store(tmp_path / "teacher" / "store.sqlite") as store:
        take(pupil, store)
        yield store


def take(source, store):
    return merge(store.conn, store.path, source.path).reviews


def said(store, segment):
    (one,) = store.segments(ids=[segment])
    return one.verdict, one.priority, one.note, one.tags, (one.trim_start, one.trim_stop), one.judged_by


def test_each_field_is_merged_by_itself_told_and_undone_in_one_step(pupil, teacher, capsys):
    home = teacher.path.parent
    teacher.label([1, 2], verdict="star", note="as I mean it", tags_add=["mine"], by="teacher")
    teacher.label([3], verdict="bad", by="teacher")
    before = [said(teacher, n) for n in (1, 2, 3)]
    pupil.label([1], tags_add=["slow"])
    pupil.label([2], priority=2.0)
    pupil.label([3], note="sorry", trim=(1, 0))
    history = teacher.db["judgements"].count
    bring = ["import", str(pupil.path), "--home", str(home)]
    assert main(bring) == 0
    told = capsys.readouterr().out
    assert "3 reviews came in, of 1, 2, 3: `hitl label --undo --home" in told
    assert said(teacher, 1) == ("star", 1.0, "as I mean it", ("mine", "slow"), (0, 0), "player")
    assert said(teacher, 2)[:3] == ("star", 2.0, "as I mean it")
    assert said(teacher, 3)[:5] == ("bad", 1.0, "sorry", (), (1, 0))
    assert main(bring) == 0
    assert "review" not in capsys.readouterr().out
    assert teacher.db["judgements"].count == history + 3
    assert main(["label", "--undo", "--home", str(home)]) == 0
    assert capsys.readouterr().out == "Undone: 3 reviews that an import brought a few seconds ago, of 1, 2, 3.\n"
    assert [said(teacher, n) for n in (1, 2, 3)] == before
    assert main(bring) == 0
    assert "review" not in capsys.readouterr().out, "what was undone does not come again"
    assert take(teacher, pupil) == [1, 2, 3]
    assert [said(pupil, n)[0] for n in (1, 2, 3)] == ["star", "star", "bad"]


def test_an_undo_holds_in_both_stores_whichever_is_imported_next(pupil, teacher):
    teacher.label([1], verdict="bad")
    assert take(teacher, pupil) == [1]
    teacher.undo([1])
    assert take(pupil, teacher) == [], "what was taken back is not brought back"
    assert take(teacher, pupil) == [1]
    assert said(pupil, 1)[0] == said(teacher, 1)[0] == "unreviewed"
    assert take(pupil, teacher) == take(teacher, pupil) == []


def test_what_came_whole_keeps_when_each_field_was_set(pupil, teacher, tmp_path):
    pupil.label([1], verdict="good")
    teacher.label([1], verdict="bad")
    pupil.label([1], note="later than both verdicts")
    with Store(tmp_path / "third.sqlite") as third:
        take(pupil, third)
        assert third.undo() == [], "what came whole is no review that was given here"
        assert take(teacher, third) == [1]
        assert said(third, 1)[:3] == ("bad", 1.0, "later than both verdicts")
        assert take(third, pupil) == take(third, teacher) == [1]
        assert said(third, 1) == said(pupil, 1) == said(teacher, 1)


def test_a_merge_by_an_earlier_version_counts_as_of_when_it_was_judged(pupil, teacher):
    """They took the whole review, and wrote the moment of the merge."""
    pupil.label([1], verdict="good")
    take(pupil, teacher)
    after = json.loads(teacher.conn.execute("SELECT after FROM judgements").fetchone()[0])
    del after["set_at"]
    teacher.conn.execute("UPDATE judgements SET after = ?, at = '2099-01-01T00:00:00.000Z'", (json.dumps(after),))
    pupil.undo()
    assert take(pupil, teacher) == [1]
    assert said(teacher, 1)[0] == "unreviewed"


def test_a_malformed_history_is_left_out(pupil, teacher):
    pupil.label([1], verdict="good")
    pupil.label([2], verdict="good")
    pupil.conn.execute("UPDATE judgements SET before = 'no JSON' WHERE segment_id = 1")
    pupil.conn.execute("UPDATE judgements SET after = '{\"tags\": 3}' WHERE segment_id = 2")
    take(pupil, teacher)
    assert teacher.check() == []


def test_to_undo_leaves_what_another_has_said_since(pupil):
    mine, theirs = [], []
    pupil.label([1], verdict="star", steps=mine)
    pupil.label([1], note="hm", by="ann", steps=theirs)
    pupil.label([2], verdict="bad", by="ann", steps=theirs)
    assert [u.segment for u in pupil.undo_step(of=mine)] == [1]
    assert said(pupil, 1)[:3] == ("unreviewed", 1.0, "hm")
    assert said(pupil, 2)[0] == "bad"
    assert pupil.undo_step(of=mine) == []
    assert [u.segment for u in pupil.undo_step(of=theirs)] == [2]
    pupil.label([2], verdict="good", steps=mine)
    pupil.label([2], verdict="star", by="ann", steps=theirs)
    pupil.undo_step(of=mine)
    assert said(pupil, 2)[0] == "star"
    pupil.undo_step(of=theirs)
    assert said(pupil, 2) == ("unreviewed", 1.0, "", (), (0, 0), None)


def test_what_is_said_while_driving_leaves_what_is_said_beside(tmp_path):
    path = tmp_path / "store.sqlite"
    with Recorder(path, session_info()) as recorder:
        token = drive(recorder)
        recorder.flush()
        with Store(path) as store:
            store.label([1], note="from the review", tags_add=["apex"], priority=3.0)
            recorder.review(token, "star")
            recorder.flush()
            assert said(store, 1)[:4] == ("star", 3.0, "from the review", ("apex",))


@pytest.mark.parametrize(
    ("given", "undone"),
    [
        (["--verdict", "bad"], "bad on 1, 2"), (["--note", "x", "--tag", "late"], "a note and tag 'late' on 1, 2"),
        (["--trim", "0.05", "0", "--priority", "2", "--by", "ann"], "priority 2 and a trim on 1, 2"),
    ],
)  # fmt: skip
def test_undo_says_what_it_undid(pupil, capsys, given, undone):
    home = ["--home", str(pupil.path.parent)]
    assert main(["label", "1", "2", *given, *home]) == 0
    capsys.readouterr()
    assert main(["label", "--undo", *home]) == 0
    by = " by ann" if "ann" in given else ""
    assert capsys.readouterr().out == f"Undone: {undone}, given a few seconds ago{by}.\n"


def test_what_was_taken_back_there_comes_again_by_no_undoing_here(pupil, teacher):
    teacher.label([1], verdict="star", note="as I mean it", by="teacher")
    pupil.label([1], verdict="bad", note="sorry")
    take(pupil, teacher)
    pupil.undo([1])
    take(pupil, teacher)
    assert said(teacher, 1)[0] == "unreviewed"
    teacher.undo([1])
    assert said(teacher, 1)[:3] == ("star", 1.0, "as I mean it")
