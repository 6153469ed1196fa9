"""Fifty real processes killed while recording: nothing older than a second is lost, the next start finds all in order."""

import multiprocessing
import random
import time

import numpy as np
import pytest

from data.reading.follow import Follower
from data.store import Store
from tests.support.killed_recorder import STEP_S, record

pytestmark = pytest.mark.realtime

KILLS, AT_ONCE = 50, 5  # more at once would wait for each other and for the processors, not for the recorder


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
    # Processes of their own that need not import everything again: forked, where the system can, from one that has.
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    processes = multiprocessing.get_context("forkserver" if forks else "spawn")
    processes.set_forkserver_preload(["tests.support.killed_recorder"])
    lost, kept, cut = 0, 0, 0
    for round_ in range(KILLS // AT_ONCE):
        victims, living = [], []
        for n in range(AT_ONCE):
            notes = tmp_path / f"notes-{round_}-{n}"
            ready, says = processes.Pipe(duplex=False)
            process = processes.Process(target=record, args=(str(path), str(notes), says), daemon=True)
            process.start()
            says.close()
            victims.append((process, notes, ready))
        for process, notes, ready in victims:
            if rng.random() > 0.1:
                assert ready.recv() == "ready"
                living.append((process, notes, rng.uniform(0, 1.5) / STEP_S))
            else:  # one in ten may die while it is still starting
                time.sleep(rng.uniform(0, 0.05))
                process.kill()
        while living:  # each dies after so many steps of its own, however busy the machine is
            for victim in living[:]:
                process, notes, most = victim
                assert process.is_alive()
                if notes.read_bytes().count(b"\n") > most:
                    process.kill()
                    living.remove(victim)
            time.sleep(0.002)
        for process, _, ready in victims:
            process.join()
            ready.close()
        with Store(path) as store:
            said = store.recover()
            cut += len(said)
            check(store)
            for _, notes, _ in victims:
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
                noted = [line.split() for line in lines[1:]]
                # By the process's own time, which is its steps: one that the machine does not let run cannot write either.
                for later, (number, t) in enumerate(reversed(noted)):
                    present = (int(number), int(t)) in found
                    kept += present
                    lost += not present
                    assert present or later * STEP_S < 1.0, f"a step {later * STEP_S:.2f} s before the kill is lost"
    assert kept > 2_000
    assert cut > KILLS / 2
    with Store(path) as store:
        assert store.recover() == []
    new = Follower(path).poll(10_000_000)
    assert (new.observation[:, 0] == new.t).all()
    for episode in new.episodes.values():
        if episode.end == "interrupted":
            assert episode.last_observation is None
    inside = np.zeros(len(new), bool)
    for segment in new.segments.values():
        inside |= (new.episode_id == segment.episode_id) & (new.t >= segment.start) & (new.t < segment.stop)
    assert (inside == (new.driver == 1)).all(), "every human step lies in a takeover, and no other step does"
    print(f"{KILLS} kills, {kept} steps kept, {lost} lost, all within the last second")


def test_a_living_session_is_left_alone(path):
    from data.recording.recorder import Recorder
    from tests.support.recorded import session_info, step_row

    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        recorder.step(step_row(0))
        assert recorder.flush()
        with Store(path) as store:
            assert store.recover() == []
            assert store.db.execute('SELECT "end" FROM episodes').fetchall() == [(None,)]
            assert store.db.execute("SELECT status FROM sessions").fetchall() == [("open",)]
