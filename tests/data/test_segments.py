import io
import json
import re
import shlex
import sqlite3
from datetime import UTC, datetime, timedelta, timezone

import pytest

from data.errors import StoreError, UsageError
from data.recording.recorder import Recorder
from data.store import Store
from hitl.cli import main
from hitl.commands.selection import local_time
from hitl.dates import parse_date
from tests.support.recorded import drive, session_info


@pytest.fixture
def home(tmp_path):
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder, 40, (5, 25), "hairpin")
        drive(recorder, 40, (5, 9), "hairpin")
        drive(recorder, 40, (10, 20), "ess")
    return tmp_path


@pytest.fixture
def filled(home):
    with Store(home / "store.sqlite") as store:
        yield store


def hitl(home, *words):
    return main([words[0], "--home", str(home), *words[1:]])


def test_filters(filled):
    def ids(**conditions):
        return [s.id for s in filled.segments(**conditions)]

    assert ids() == [1, 2, 3]
    assert ids(corner="hairpin") == [1, 2]
    assert ids(min_seconds=0.5) == [1, 3]
    assert ids(max_seconds=0.5) == [2, 3]
    assert ids(session=2) == []
    assert ids(since="2020-01-01") == [1, 2, 3]
    assert ids(until="2020-01-01") == []
    assert ids(kind="lap") == []
    filled.label([2], verdict="bad", tags_add=["messy"])
    assert ids(verdict="bad") == ids(tag="messy") == [2]
    assert ids(verdict=["bad", "unreviewed"], corner="ess") == [3]


def test_every_judgement_can_be_undone_back_to_the_beginning(filled):
    before = filled.segments()
    filled.label([1, 2], verdict="good", priority=2.5, by="ann")
    filled.label([2], verdict="star", tags_add=["apex", "fast"], note="late but clean")
    filled.label([1, 2, 3], tags_remove=["fast"], trim=(1, 2))
    two = filled.segments(ids=[2])[0]
    assert (two.verdict, two.priority, two.tags, two.note) == ("star", 2.5, ("apex",), "late but clean")
    assert (two.trim_start, two.trim_stop) == (1, 2)
    assert two.seconds == pytest.approx(0.05)
    assert two.judged_by == "player"
    assert filled.undo() == [1, 2, 3]
    assert filled.undo([1]) == [1]
    assert filled.segments(ids=[1])[0] == before[0]
    assert filled.undo() == [2]
    assert filled.undo() == [2]
    assert filled.undo() == []
    assert filled.segments() == before
    assert filled.db["judgements"].count == 6  # the history stays


def test_a_judgement_that_changes_nothing_is_none(filled):
    assert filled.label([1], verdict="unreviewed") == 0
    assert filled.undo() == []


@pytest.mark.parametrize(
    "what",
    [
        {"verdict": "great"}, {"priority": -1.0}, {"priority": float("nan")}, {"trim": (2, 2)}, {"trim": (-1, 0)},
        {"trim_seconds": (float("inf"), 0.0)},
    ],
)  # fmt: skip
def test_a_wrong_judgement_changes_nothing(filled, what):
    before = filled.segments()
    with pytest.raises(UsageError):
        filled.label([1, 2], **{"note": "x"} | what)
    with pytest.raises(UsageError, match="no segment 99"):
        filled.label([1, 99], verdict="good")
    assert filled.segments() == before


def test_the_table_json_csv_and_ids(home, capsys):
    assert hitl(home, "segments") == 0
    table = capsys.readouterr().out
    assert "3 segments, 1.7 s in all: 3 unreviewed." in table
    assert hitl(home, "segments", "--corner", "hairpin", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(r["id"], r["seconds"], r["outcome"]) for r in rows] == [(1, 1.0, "cleared"), (2, 0.2, "nothing")]
    assert hitl(home, "segments", "--csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("id,started,")
    assert len(lines) == 4
    assert hitl(home, "segments", "--ids", "--since", "7d") == 0
    assert capsys.readouterr().out.split() == ["1", "2", "3"]
    assert hitl(home, "segments", "--corner", "hairpin", "--kind", "lap") == 0
    assert "No segments found" in capsys.readouterr().out
    assert hitl(home, "segments", "--corner", "hairpin", "--kind", "lap", "--ids") == 0
    assert capsys.readouterr().out == ""


def test_a_corner_or_a_tag_that_the_store_does_not_know_is_refused_by_name(home, capsys):
    assert hitl(home, "segments", "--corner", "nowhere") == 2
    assert "There is no corner 'nowhere' here. The corners that there are: 'ess', 'hairpin'." in capsys.readouterr().err
    assert hitl(home, "segments", "--tag", "nosuch", "--json") == 2
    assert "There is no tag 'nosuch' here. The tags that there are: none." in capsys.readouterr().err
    assert hitl(home, "label", "1", "--tag", "late") == 0
    assert hitl(home, "segments", "--tag", "lat") == 2
    assert "Did you mean 'late'?" in capsys.readouterr().err


def test_what_the_table_calls_an_outcome_can_be_chosen(home, filled, capsys):
    filled.conn.execute("UPDATE segments SET interrupted = 1 WHERE id = 1")
    filled.conn.execute("UPDATE segments SET outcome = 'unclear' WHERE id IN (1, 2)")
    total = 0
    for outcome in ("nothing", "interrupted", "cleared", "failed", "unclear"):
        assert hitl(home, "segments", "--outcome", outcome, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert all(one["outcome"] == outcome for one in told)
        total += len(told)
        hitl(home, "segments", "--outcome", outcome)
        shown = [line.split() for line in capsys.readouterr().out.splitlines() if line[:3].strip().isdecimal()]
        assert len(shown) == len(told)
        assert all(outcome in row for row in shown), shown
    assert total == len(filled.segments())


def test_where_a_pipe_brings_no_number_nothing_is_labelled_and_nothing_undone(home, filled, monkeypatch, capsys):
    assert hitl(home, "label", "1", "--verdict", "good") == 0
    for words, said in ((["--verdict", "bad"], "nothing to label"), (["--undo"], "nothing to undo")):
        monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
        assert hitl(home, "label", "-", *words) == 0
        assert said in capsys.readouterr().out
    assert filled.segments()[0].verdict == "good"


def test_a_verdict_that_came_with_the_segment_is_said_so_where_it_is_to_be_undone(home, filled, capsys):
    filled.conn.execute("UPDATE segments SET verdict = 'good' WHERE id = 2")
    assert hitl(home, "label", "2", "--undo") == 0
    said = capsys.readouterr().out
    assert "There is nothing to undo: segment 2 came here with its verdict." in said
    (typed,) = re.findall("`hitl (.+?)`", said)
    assert main(shlex.split(typed)) == 0
    assert filled.segments()[1].verdict == "unreviewed"


def test_columns_without_room_are_named(home, filled, monkeypatch, capsys):
    filled.label([1], note="a note that is longer than what there is room for", tags_add=["late"])
    monkeypatch.setenv("COLUMNS", "40")
    assert hitl(home, "segments") == 0
    said = " ".join(capsys.readouterr().out.split())
    head, _, missing = said.partition("Not shown, for want of room: ")
    assert "demo" in missing
    assert "--json and --csv" in missing
    for name in ("trigger", "tags and note", "when", "kind"):
        assert (name in missing.partition(" (")[0]) != (name in head.partition("takeover")[0]), name
    monkeypatch.setenv("COLUMNS", "200")
    assert hitl(home, "segments") == 0
    assert "Not shown" not in capsys.readouterr().out


def test_the_table_tells_the_sessions_apart_where_there_are_several(home, tmp_path, capsys):
    def rows():
        assert hitl(home, "segments") == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        head = next(line for line in lines if line[:1] == ["id"])
        return head, [line for line in lines if line and line[0].isdigit() and line[1:2] != ["segments,"]]

    head, listed = rows()
    assert "session" not in head
    other = tmp_path / "other" / "store.sqlite"
    other.parent.mkdir()
    with Recorder(other, session_info(driver="keyboard")) as recorder:
        drive(recorder, 40, (5, 25), "hairpin")
    assert hitl(other.parent, "label", "1", "--tag", "anna") == 0
    assert hitl(home, "import", str(other)) == 0
    capsys.readouterr()
    head, listed = rows()
    assert head[:2] == ["id", "session"]
    assert [line[:2] for line in listed] == [["1", "1"], ["2", "1"], ["3", "1"], ["4", "2"]]
    for chosen in (("--session", "2"), ("--tag", "anna")):
        assert hitl(home, "segments", "--ids", *chosen) == 0
        assert capsys.readouterr().out.split() == ["4"]


@pytest.mark.parametrize("priority", ["1", "2"])
def test_tags_have_room_beside_the_sessions_in_a_narrow_terminal(home, capsys, monkeypatch, priority):
    monkeypatch.setenv("COLUMNS", "80")
    with Recorder(home / "store.sqlite", session_info()) as recorder:
        drive(recorder, 40, (5, 25), "hairpin")
    assert hitl(home, "label", "1", "--tag", "anna", "--priority", priority) == 0
    assert hitl(home, "segments") == 0
    out = capsys.readouterr().out
    assert "#anna" in out
    assert (" prio" in out) == (priority == "2")


def test_label_from_the_command_line(home, filled, capsys, monkeypatch):
    assert hitl(home, "label", "1", "2-3", "--verdict", "good", "--tag", "clean", "--trim", "0.05", "0.1") == 0
    assert "3 of 3" in capsys.readouterr().out
    assert [(s.verdict, s.trim_start, s.trim_stop) for s in filled.segments()] == [("good", 1, 2)] * 3
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("1\n3\n"))
    assert hitl(home, "label", "-", "--verdict", "bad") == 0
    assert [s.verdict for s in filled.segments()] == ["bad", "good", "bad"]
    assert hitl(home, "label", "--undo") == 0
    assert [s.verdict for s in filled.segments()] == ["good", "good", "good"]


def test_a_note_may_have_the_line_ends_of_windows(home, filled):
    assert hitl(home, "label", "1", "--note", "one\r\ntwo\r\n", "--tag", "anna \U0001f468\u200d\U0001f467") == 0
    assert filled.segments()[0].note.split() == ["one", "two"]


def test_a_tag_is_on_one_line(home, filled, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert hitl(home, "label", "1", "--tag", " late\n \texit ") == 0
    assert filled.segments()[0].tags == ("late exit",)
    with filled.conn:
        filled.conn.execute("INSERT INTO tags VALUES (1, 'x' || char(10) || 'y')")  # of an earlier version
    capsys.readouterr()
    assert hitl(home, "segments") == 0
    assert "#late exit #x y" in capsys.readouterr().out
    assert hitl(home, "label", "1", "--untag", "x\ny", "--by", "an\nna") == 0
    assert filled.segments()[0].tags == ("late exit",)
    capsys.readouterr()
    assert hitl(home, "label", "--undo") == 0
    assert "Undone: without tag 'x y' on 1, given " in (said := capsys.readouterr().out)
    assert said.endswith("ago by an na.\n")


@pytest.mark.parametrize(
    "words",
    [
        "label", "label 1", "label --verdict good", "label x --verdict good", "label 9 --note n", "label 5-1 --note n",
        "label 1 --undo --note x", "segments --since tomorrowish", "segments --since 2026-11-30 --until 2026-11-29",
        "segments --min-seconds 5 --max-seconds 4", "export minari out --min-seconds 5 --max-seconds 4",
    ],
)  # fmt: skip
def test_wrong_command_lines_are_one_sentence(home, words, capsys):
    assert hitl(home, *words.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("hitl: ")
    assert said.count("\n") == 1


def test_no_store_is_one_sentence_and_none_is_made(tmp_path, capsys):
    assert hitl(tmp_path / "none", "segments") == 4
    assert "There is no store" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_numbers_from_a_pipe_come_as_powershell_writes_them(home, monkeypatch, encoding):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("1\r\n3\r\n".encode(encoding))))
    assert hitl(home, "label", "-", "--verdict", "good") == 0
    with Store(home / "store.sqlite") as store:
        assert [s.verdict for s in store.segments()] == ["good", "unreviewed", "good"]


def test_what_is_no_text_in_a_pipe_is_one_sentence(home, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe1\0\n")))
    assert hitl(home, "label", "-", "--verdict", "good") == 3
    assert "standard input is not text that can be read" in capsys.readouterr().err


def test_dates():
    assert parse_date("2026-11-20T18:30:00+02:00") == "2026-11-20T16:30:00.000Z"
    assert parse_date("today") > parse_date("yesterday") > parse_date("2w")


def test_dates_of_which_windows_does_not_know_the_local_time(monkeypatch):
    class There(datetime):
        def astimezone(self, tz=None):
            if tz is None or self.tzinfo is None:
                utc = self if self.tzinfo is not None else self.replace(tzinfo=UTC)
                if not datetime(1970, 1, 2, tzinfo=UTC) <= utc < datetime(3001, 1, 1, tzinfo=UTC):
                    raise OSError(22, "Invalid argument")
            return super().astimezone(tz)

    far = [parse_date(text) for text in ("1969-07-20T12:00", "3001-02-03T12:00")]
    monkeypatch.setattr("hitl.dates.datetime", There)
    monkeypatch.setattr("data.words.datetime", There)
    there = [parse_date(text) for text in ("1969-07-20T12:00", "3001-02-03T12:00")]
    assert [text[:7] for text in there] == [text[:7] for text in far] == ["1969-07", "3001-02"]
    with pytest.raises(UsageError, match="out of range"):
        parse_date("0001-01-01", timezone(timedelta(hours=2)))
    assert local_time("1969-07-20T12:00:00.000Z") == "1969-07-20 12:00"
    assert local_time("0001-01-01T00:00:00.000Z").endswith("01-01 00:00")


def test_a_locked_store_is_one_sentence_and_nothing_changes(home):
    path = home / "store.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="cannot be used now"), Store(path, busy_timeout_s=0.05) as store:
        store.label([1, 2], verdict="good")
    other.close()
    with Store(path) as store:
        assert {s.verdict for s in store.segments()} == {"unreviewed"}


def test_arguments_that_do_not_fit_are_not_the_stores_fault(tmp_path):
    with Store(tmp_path / "store.sqlite") as store, pytest.raises(TypeError, match="unexpected keyword argument 'verdcit'"):
        store.segments(verdcit="star")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2", "good"], "`hitl label 2 --verdict good --home"),
        (["2", "--trim", "-1", "0"], "cuts off 0 seconds or more at an end, not -1."),
        (["2", "--trim", "2", "0.5"], "Segment 2 has 0.20 s: a trim of 2 s and 0.5 s leaves nothing"),
        (["2", "--priority", "1e9"], "A priority is a number from 0 to 1,000,000, not 1000000000.0."),
    ],
)
def test_what_a_label_cannot_be_is_said_as_it_was_given(home, filled, words, said, capsys):
    assert main(["label", *words, "--home", str(home)]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert said in error
    assert "Did you mean" not in error
    assert filled.segments()[1].priority == 1.0
    assert main(["label", "2", "--priority", "1e6", "--home", str(home)]) == 0
