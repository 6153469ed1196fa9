"""What became of it: the witnesses' journals against the store, and the memory of each process."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from chaos_child import checksum

from data.store import Store

MEMORY_LIFE_S = 120.0
"""Processes that lived shorter than this say nothing about growth."""


@dataclass
class Witness:
    """What one session's journal says."""

    uuid: str = ""
    steps: list[tuple[int, int, int]] = field(default_factory=list)
    """(episode, t, checksum) in the order in which they were driven."""
    at: list[float] = field(default_factory=list)
    """When each was, s."""
    human: list[bool] = field(default_factory=list)
    acknowledged: list[tuple[int, float]] = field(default_factory=list)
    """(so many, when)."""
    labels: list[int] = field(default_factory=list)
    beats: list[float] = field(default_factory=list)

    @property
    def safe(self) -> int:
        """How many of the steps the recorder called committed."""
        return self.acknowledged[-1][0] if self.acknowledged else 0


def read_journal(path: Path) -> Witness:
    """Read a journal; a line that a kill cut off is left out."""
    found = Witness()
    if not path.exists():
        return found
    for line in path.read_bytes().split(b"\n")[:-1]:
        kind, *words = line.decode().split()
        if kind == "session":
            found.uuid = words[0]
        elif kind == "R":
            found.steps.append((int(words[0]), int(words[1]), int(words[4])))
            found.human.append(words[2] == "1")
            found.at.append(float(words[3]))
        elif kind == "A":
            found.acknowledged.append((int(words[0]), float(words[1])))
        elif kind == "L":
            found.labels.append(int(words[0]))
        elif kind == "B":
            found.beats.append(float(words[0]))
    return found


TICK_S = 0.05  # s that a step lasts


@dataclass
class Verdict:
    """The account of all sessions."""

    recorded: int = 0
    acknowledged: int = 0
    lost: int = 0
    """Acknowledged and not there, or not as they were driven, or out of order, or twice."""
    cut_off: int = 0
    """Driven, not acknowledged, and gone with a kill."""
    cut_off_s: float = 0.0
    """The most driving that one kill cost, s."""
    labels: int = 0
    labels_lost: int = 0
    unsound: list[str] = field(default_factory=list)
    recovered: int = 0


def judge(store_path: Path, sessions: list[tuple[Witness, float | None]], reviews: list[Witness]) -> Verdict:
    """Compare what was driven with what is stored. With each session: when it was killed (s), None if it was not."""
    found = Verdict()
    with Store(store_path) as store:
        found.recovered = len(store.recover())
        found.unsound = store.check()
        for witness, killed in sessions:
            _session(store.conn, witness, killed, found)
        judged = dict(store.conn.execute("SELECT segment_id, count(*) FROM judgements GROUP BY 1").fetchall())
    labels = [segment for witness in reviews for segment in witness.labels]
    found.labels = len(labels)
    found.labels_lost = sum(max(0, labels.count(segment) - judged.get(segment, 0)) for segment in set(labels))
    return found


def _session(conn: sqlite3.Connection, witness: Witness, killed: float | None, found: Verdict) -> None:
    rows = conn.execute(
        "SELECT e.number, p.t, p.observation, p.executed FROM steps p JOIN episodes e ON e.id = p.episode_id "
        "JOIN sessions s ON s.id = e.session_id WHERE s.uuid = ? ORDER BY p.id",
        (witness.uuid,),
    ).fetchall()
    stored = [(number, t, checksum(observation, executed)) for number, t, observation, executed in rows]
    found.recorded += len(witness.steps)
    found.acknowledged += witness.safe
    # A kill between the recorder taking a step and the witness noting it leaves one more in the store.
    same = next((k for k, (a, b) in enumerate(zip(stored, witness.steps, strict=False)) if a != b), None)
    kept = same if same is not None else min(len(stored), len(witness.steps))
    found.lost += max(0, witness.safe - kept) + max(0, len(stored) - len(witness.steps) - 1)
    found.lost += 0 if same is None else len(stored) - same
    if kept < len(witness.steps):
        found.cut_off += len(witness.steps) - kept
        if killed is None:
            found.lost += len(witness.steps) - kept  # it ended by itself: all of it must be there
        else:
            # Time in which nobody drove (the game hung, the machine was suspended) is no driving lost.
            last = witness.at[-1]
            found.cut_off_s = max(found.cut_off_s, last - witness.at[kept] + min(killed - last, TICK_S))


def growth(samples: list[tuple[float, int]], life_s: float = MEMORY_LIFE_S) -> float | None:
    """Return by how much a process's memory grew over the last half of its life; None when that was too short.

    ``samples``: (s, bytes resident). The medians of the first and the last fifth of that half are compared.
    """
    if len(samples) < 20 or samples[-1][0] - samples[0][0] < life_s:
        return None
    half = [size for _, size in samples[len(samples) // 2 :]]
    fifth = max(1, len(half) // 5)
    return median(half[-fifth:]) / median(half[:fifth]) - 1.0
