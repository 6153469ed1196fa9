"""What a session knows when it begins: how the agent did alone at each corner, how fast one gets through, what help earned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.reading.attempts import stored_attempts
from data.records import ITS_END, Corner, SessionRecord
from data.store import Store
from hitl.coach.earned import NEWEST, Earned
from hitl.coach.rules import Coach, Ended
from hitl.coach.speeds import APPROACH_M, Speeds

LOOKED_AT = 80  # newest episodes, and as many without help, of which each corner's newest attempts are
PASSAGES = 6  # of each corner whose speeds are read


def attempts(store: Store, track: str, corners: Sequence[Corner], env: str | None = None) -> dict[str, list[bool]]:
    """Return by corner whether the agent passed it in its attempts alone lately, oldest first."""
    drives = store.lately(track, LOOKED_AT, ("drive", "practice", "evaluation"), env=env)
    found = stored_attempts(store.conn, drives, corners)
    return {corner: [a.passed for a in tries if a.by == "agent"] for corner, tries in found.items()}


def is_enough(store: Store, session: SessionRecord, corners: Sequence[Corner], corner: str) -> bool:
    """Whether the coach said at the end of a session that more help at that corner was no use (``Coach.enough``)."""
    lately = store.lately(session.track, LOOKED_AT, ("drive", "practice"), env=session.env)
    drives = [e for e in lately if e.session_id == session.id]
    alone = {a.episode_id: a.passed for a in stored_attempts(store.conn, drives, corners)[corner] if a.by == "agent"}
    takeovers = store.segments(corner, kind="takeover", session=session.id)
    coach = Coach(corners)
    for drive in drives:
        for takeover in takeovers:
            if takeover.episode_id == drive.id:
                coach.ended(Ended(takeover.id, corner, outcome=takeover.outcome))
        if drive.id in alone:
            coach.alone(corner, alone[drive.id], drive.checkpoint_id, 0.0)
    return coach.enough(corner)


def speeds(store: Store, track: str, corners: Sequence[Corner], env: str | None = None) -> Speeds:
    """Return how fast the newest passages went, whoever drove."""
    known = Speeds()
    drives = store.episodes(track, newest=LOOKED_AT, env=env)
    for corner in corners:
        through = [e for e in drives if e.farthest >= corner.to_m][-PASSAGES:]
        for episode in through:
            drive = store.steps(episode, columns=("progress", "speed"))
            near = (drive.progress >= corner.from_m - APPROACH_M) & (drive.progress < corner.to_m)
            known.add(zip(drive.progress[near].tolist(), drive.speed[near].tolist(), strict=True))
    return known


def earned(store: Store, track: str) -> Earned:
    """Return what was earned lately, with help and without, where there is no road."""
    known = Earned()
    for episode in store.lately(track, NEWEST, ("drive",), imported=False):
        if episode.reason not in ITS_END:
            continue
        drive = store.steps(episode, columns=("t", "driver", "reward"))
        rewards, human = drive.reward.tolist(), drive.human
        if len(rewards) != episode.length:  # of a pruned one only a part is here
            continue
        if not human.any():
            known.alone(rewards)
        elif human[-1]:
            known.helped(int(np.flatnonzero(~human)[-1]) + 1 if not human.all() else 0, rewards)
    return known
