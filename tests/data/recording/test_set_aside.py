"""Spill files that an earlier start could not read: set aside, kept, and read back by a command."""

import pytest

from data.errors import TrainingError
from data.recording import spill_file
from data.recording.recorder import Recorder
from data.store import Store
from hitl.commands import store as command
from tests.support.recorded import session_info
from tests.support.trouble import QUICK, check_whole, record, wait_for, write_lock
from trainer.daemon.control import trainer_lock

pytestmark = pytest.mark.realtime


def left_without_header(path):
    """What versions on Windows left that began each spill file without a header: the rest of a session, and its end."""
    with Recorder(path, session_info(), **QUICK) as recorder:
        recorder.begin_episode()
        number = recorder.begin_segment("takeover", "stick")
        record(recorder, 20)
        assert recorder.flush()
        other = write_lock(path)
        record(recorder, 100, 20)
        wait_for(lambda: recorder.status.spilled)
        recorder.end_segment(number, "cleared")
    other.execute("ROLLBACK")
    other.close()
    (left,) = spill_file.find_spills(path)
    header, rest = left.read_bytes().split(b"\n", 1)
    assert header.startswith(b"{")
    kept = left.with_suffix(spill_file.SET_ASIDE)
    kept.write_bytes(rest)
    left.unlink()
    with Store(path) as store:
        store.recover()  # the session counts as cut off
        assert store.conn.execute('SELECT length, "end" FROM episodes').fetchall() == [(20, "interrupted")]
        assert store.conn.execute("SELECT stop, interrupted FROM segments").fetchall() == [(20, 1)]
    return kept


def test_a_file_without_a_header_is_read_back_by_the_command(path, elsewhere, capsys):
    kept = left_without_header(path)
    assert command.main(["info", "--home", str(path.parent)]) == 0
    assert "hitl store recover" in " ".join(capsys.readouterr().out.split())
    assert command.main(["recover", "--home", str(path.parent)]) == 0
    assert "were read back" in capsys.readouterr().out
    assert not kept.exists()
    check_whole(path, 120)
    with Store(path) as store:
        assert store.conn.execute("SELECT length FROM episodes").fetchall() == [(120,)]
        assert store.conn.execute("SELECT start, stop, outcome, interrupted FROM segments").fetchall() == [(0, 120, "cleared", 0)]
        assert store.conn.execute("SELECT status FROM sessions").fetchall() == [("ended",)]
    assert command.main(["recover", "--home", str(path.parent)]) == 0
    assert "Nothing to recover" in capsys.readouterr().out


def test_not_beside_a_trainer_which_would_miss_the_steps(path, elsewhere):
    Store(path).close()
    with trainer_lock(path), pytest.raises(TrainingError, match="hitl train stop"):
        command.main(["recover", "--home", str(path.parent)])


def test_a_session_that_was_killed_as_well_is_closed_where_the_file_ends(path, elsewhere):
    kept = left_without_header(path)
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(line for line in lines if line.startswith(b'["step"')))
    with Store(path) as store:
        read, closed = store.recover(set_aside=True)
        assert "were read back" in read
        assert "is closed as interrupted" in closed
        assert "log" not in closed, "it was there, long ago"
        assert store.conn.execute('SELECT length, "end", reason FROM episodes').fetchall() == [(120, "interrupted", "killed")]
        assert store.conn.execute("SELECT stop, interrupted FROM segments").fetchall() == [(120, 1)]
        assert store.conn.execute("SELECT status FROM sessions").fetchall() == [("interrupted",)]


def test_a_file_without_a_header_is_no_longer_set_aside(path, elsewhere):
    kept = left_without_header(path)
    kept.rename(kept.with_suffix(spill_file.SPILLED))
    with Store(path) as store:
        (said,) = store.recover()
    assert "were read back" in said
    check_whole(path, 120)


def test_what_can_never_be_read_is_kept(path, elsewhere):
    Store(path).close()
    kept = path.with_name(f"{spill_file._stem(path)}-{'0' * 16}{spill_file.SET_ASIDE}")
    kept.write_bytes(b"\x00\x01")
    with Store(path) as store:
        (said,) = store.recover(set_aside=True)
        assert "it is kept" in said
        assert store.recover() == []
    assert kept.read_bytes() == b"\x00\x01"


def test_an_empty_file_that_a_living_session_has_just_begun_is_left_alone(path, elsewhere):
    Store(path).close()
    with Recorder(path, session_info(), **QUICK) as recorder:
        assert recorder.flush()
        begun = path.with_name(f"{spill_file._stem(path)}-{recorder.uuid[:16]}{spill_file.SPILLED}")
        begun.touch()  # and not locked yet
        with Store(path) as store:
            assert store.recover() == []
        assert begun.exists()


def test_an_empty_file_is_deleted_without_a_word(path, elsewhere):
    """All of it was read back, but another program held it then, so that it could not be deleted."""
    Store(path).close()
    left = path.with_name(f"{spill_file._stem(path)}-{'0' * 16}{spill_file.SPILLED}")
    left.touch()
    with Store(path) as store:
        assert store.recover() == []
    assert not left.exists()
