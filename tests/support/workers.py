"""A worker's recorded sessions, and how they get to the trainer's store without a server."""

import sqlite3

import numpy as np

from data.recording.recorder import Recorder
from data.records import SessionInfo, StepRow
from hitl.remote.codec import decode, encode

INFO = SessionInfo("play", "box2d", "default", 20.0, ("a", "b"), ("gas_brake", "steer"), {"x": 1.0}, 3, "pad")


def row(k, driver=0):
    return StepRow(
        np.array([k, k + 0.5], np.float32), np.array([0.1, k], np.float32), np.array([0.2, -k], np.float32), driver, float(k),
        progress=float(k), x=1.0, y=2.0, speed=3.0,
    )  # fmt: skip


def record(home, episodes=2, steps=30, keep_open=False):
    recorder = Recorder(home.create().store_path, INFO)
    for _ in range(episodes):
        recorder.begin_episode(seed=7)
        for k in range(steps):
            if k == 10:
                number = recorder.begin_segment("takeover", "pad", "hairpin")
            recorder.step(row(k, int(10 <= k < 20)))
            if k == 19:
                recorder.end_segment(number)
                recorder.set_outcome(number, "cleared")
        recorder.end_episode("terminated", "finish", np.array([9.0, 9.0], np.float32))
    recorder.event("note", "something happened")
    assert recorder.flush()
    if not keep_open:
        recorder.close()
    return recorder


def everything(path):
    with sqlite3.connect(path) as db:
        return [
            db.execute(sql).fetchall()
            for sql in (
                "SELECT uuid, kind, env, track, hz, observation_names, action_names, reward, seed, driver, started, status FROM "
                "sessions ORDER BY uuid",
                "SELECT s.uuid, e.number, e.purpose, e.seed, e.\"end\", e.reason, e.length, e.\"return\", e.max_progress, "
                "e.last_observation FROM episodes e JOIN sessions s ON s.id = e.session_id ORDER BY 1, 2",
                "SELECT s.uuid, e.number, p.t, p.driver, p.reward, p.terminated, p.truncated, p.progress, p.x, p.y, p.speed, "
                "p.observation, p.executed, p.proposed FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON "
                "s.id = e.session_id ORDER BY 1, 2, 3",
                "SELECT s.uuid, g.number, g.kind, g.start, g.stop, g.\"trigger\", g.corner, g.outcome, g.interrupted FROM "
                "segments g JOIN sessions s ON s.id = g.session_id ORDER BY 1, 2",
                "SELECT s.uuid, v.kind, v.message FROM events v JOIN sessions s ON s.id = v.session_id ORDER BY 1, v.id",
            )
        ]  # fmt: skip


def state_of(inbox, outbox):
    """Return what the trainer tells a worker of which it has heard, as it travels."""
    has = {outbox.worker: inbox.has(outbox.worker)}
    return decode(encode({"kind": "state", "acks": dict(inbox.acks), "weights": "", "trainer": inbox.id, "has": has}))


def carry(outbox, inbox, messages=None):
    assert outbox.may_send(state_of(inbox, outbox))
    while (message := outbox.next()) is not None:
        if messages is not None:
            messages.append(message)
        assert inbox.take(decode(encode(message)))
        outbox.acknowledged(inbox.acks[outbox.run])
