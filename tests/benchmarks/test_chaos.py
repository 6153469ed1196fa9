"""The chaos run in its short form, and its judge, which must see what is lost."""

import json
import os
import subprocess
import sys
import time

import pytest

from data.recording.recorder import Recorder
from data.store import Store
from tests.support.places import BENCHMARKS, ROOT
from tests.support.recorded import session_info, step_row

pytestmark = [pytest.mark.realtime, pytest.mark.skipif(sys.platform != "linux", reason="/proc, SIGSTOP and tmpfs")]


@pytest.fixture(scope="module")
def verdict():
    sys.path.insert(0, str(BENCHMARKS))
    import chaos_child
    import chaos_verdict

    yield chaos_child, chaos_verdict
    sys.path.remove(str(BENCHMARKS))


def test_some_seconds_in_which_everything_goes_wrong(tmp_path):
    command = [sys.executable, "benchmarks/chaos.py", "--minutes", "0.09", "--kill-every", "1.5", "--json", str(tmp_path / "f")]
    command += ["--seed", "3"]  # of three kills in these seconds; by chance there may be none
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert (tmp_path / "f").exists(), done.stdout + done.stderr
    figures = json.loads((tmp_path / "f").read_text())["figures"]
    assert figures["kills"] >= 1
    assert figures["steps_acknowledged"] > 0
    assert figures["lost_steps"] == figures["labels_lost"] == figures["hangs"] == figures["tracebacks"] == 0
    assert figures["unsound"] == []


def record(path, journal_path, verdict, steps=20):
    child, judge = verdict
    journal = child.Journal(journal_path)
    with Recorder(path, session_info()) as recorder:
        child.witness(recorder, journal)
        recorder.begin_episode()
        for i in range(steps):
            recorder.step(step_row(i))
        assert recorder.flush()
    journal.write("A", steps, time.monotonic())
    return judge.read_journal(journal_path)


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        ("SELECT 1", 0),
        ("DELETE FROM steps WHERE t = 19", 1),
        ("DELETE FROM steps WHERE t = 7", 25),
        ("UPDATE steps SET executed = zeroblob(8) WHERE t = 19", 2),
        ("UPDATE steps SET id = id + 1000 WHERE t = 3", 34),
    ],
)
def test_the_judge_sees_what_is_lost_altered_or_out_of_order(tmp_path, verdict, damage, lost):
    path = tmp_path / "store.sqlite"
    witness = record(path, tmp_path / "journal", verdict)
    with Store(path) as store:
        store.conn.execute(damage)
    found = verdict[1].judge(path, [(witness, time.monotonic())], [])
    assert (found.recorded, found.acknowledged) == (20, 20)
    assert (found.lost > 0) == (lost > 0)


def test_what_was_not_acknowledged_may_go_with_a_kill_but_not_otherwise(tmp_path, verdict):
    path = tmp_path / "store.sqlite"
    witness = record(path, tmp_path / "journal", verdict)
    with Store(path) as store:
        store.conn.execute("DELETE FROM steps WHERE t >= 15")
    witness.acknowledged = [(15, 0.0)]
    driven = witness.at[-1] - witness.at[15]
    for stood_s, counted_s in ((0.02, 0.02), (6.0, 0.05)):  # it may have stood still before it was killed
        killed = verdict[1].judge(path, [(witness, witness.at[-1] + stood_s)], [])
        assert (killed.lost, killed.cut_off) == (0, 5)
        assert killed.cut_off_s == pytest.approx(driven + counted_s)
    assert verdict[1].judge(path, [(witness, None)], []).lost == 5


def test_growth_is_of_the_last_half(verdict):
    growth = verdict[1].growth
    level = [(float(k), 100 if k < 30 else 200) for k in range(200)]
    assert growth(level) == pytest.approx(0.0)
    assert growth([(float(k), 100 + k) for k in range(200)]) > 0.2
    assert growth(level[:50]) is None
