"""Fifty real processes killed while recording: nothing older than a second is lost, the next start finds all in order."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from data.reading.follow import Follower
from data.store import Store

ROOT = Path(__file__).parents[2]
KILLS, AT_ONCE = 50, 10  # more at once would wait for each other and for the processors, not for the recorder


def check(store):
    assert store.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert store.db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert store.db.execute("SELECT count(*) FROM sessions WHERE status = 'open'").fetchone() == (0,)
    assert store.db.execute('SELECT count(*) FROM episodes WHERE "end" IS NULL').fetchone() == (0,)
    assert store.db.execute("SELECT count(*) FROM segments WHERE stop IS NULL OR stop < start").fetchone() == (0,)
    assert store.db.execute(
        "SELECT count(*) FROM episodes e WHERE length <> (SELECT count(*) FROM steps WHERE episode_id = e.id)"
    ).fetchone() == (0,)


def test_kill_at_fifty_random_moments(path, tmp_path):
    rng = random.Random()  # other moments every time
    lost, kept, cut = 0, 0, 0
    for round_ in range(KILLS // AT_ONCE):
        victims = []
        for n in range(AT_ONCE):
            notes = tmp_path / f"notes-{round_}-{n}"
            command = [sys.executable, str(ROOT / "tests/data/victim.py"), str(path), str(notes)]
            environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment)
            victims.append([process, notes, 0.0])
        for victim in victims:
            if rng.random() > 0.1:  # one in ten dies while it is still starting
                assert victim[0].stdout.readline() == b"ready\n"
            else:
                time.sleep(rng.uniform(0, 0.05))
        begin = time.monotonic()
        moments = sorted((rng.uniform(0, 2.2), i) for i in range(AT_ONCE))
        for moment, i in moments:
            time.sleep(max(0.0, begin + moment - time.monotonic()))
            victims[i][2] = time.monotonic()
            victims[i][0].send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        for process, _, _ in victims:
            process.wait()
            process.stdout.close()
        with Store(path) as store:
            said = store.recover()
            cut += len(said)
            check(store)
            for _, notes, killed in victims:
                lines = notes.read_text().splitlines() if notes.exists() else []
                if not lines:
                    continue
                found = set(
                    store.db.execute(
                        "SELECT e.number, t FROM steps p JOIN episodes e ON e.id = p.episode_id "
                        "JOIN sessions s ON s.id = e.session_id WHERE s.uuid = ?",
                        (lines[0],),
                    )
                )
                for line in lines[1:]:
                    number, t, at = line.split()
                    present = (int(number), int(t)) in found
                    kept += present
                    lost += not present
                    assert present or float(at) > killed - 1.0, (
                        f"a step {killed - float(at):.2f} s before the kill is lost"
                    )
    assert kept > 5_000
    assert cut > KILLS / 2
    with Store(path) as store:
        assert store.recover() == []
    update = Follower(path).poll(10_000_000)
    assert (update.observation[:, 0] == update.t).all()
    for episode in update.episodes.values():
        if episode.end == "interrupted":
            assert episode.last_observation is None
    inside = np.zeros(len(update), bool)
    for segment in update.segments.values():
        inside |= (update.episode_id == segment.episode_id) & (update.t >= segment.start) & (update.t < segment.stop)
    assert (inside == (update.driver == 1)).all(), "every human step lies in a takeover, and no other step does"
    print(f"{KILLS} kills, {kept} steps kept, {lost} lost, all within the last second")


def test_a_living_session_is_left_alone(path):
    from data.recording.recorder import Recorder
    from tests.data.helpers import session_info, step_row

    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        recorder.step(step_row(0))
        assert recorder.flush()
        with Store(path) as store:
            assert store.recover() == []
            assert store.db.execute('SELECT "end" FROM episodes').fetchall() == [(None,)]
            assert store.db.execute("SELECT status FROM sessions").fetchall() == [("open",)]
