"""What tmrl's own RolloutWorkers send, as episodes of the agent's in the trainer's store.

A buffer holds samples ``(act, obs, reward, terminated, truncated, info)``, ``obs`` seen after ``act``. Nothing in it tells which
worker it came from or whether it was sent before, so an episode is known by its content and stored once. It may end in the middle
of a drive (tmrl sends whole ones by default); the drive then goes on as another episode.
"""

from __future__ import annotations

import dataclasses
import itertools
import sqlite3
from collections.abc import Callable
from typing import Any

import numpy as np

from data.exchange.importing import EpisodeRefusedError, check
from data.exchange.player_runs import ACTIONS, PlayerRun, as_steps, run_of
from data.exchange.portable import Portable
from data.reading.episodes import EpisodeData, EpisodeWriter
from data.records import AGENT, SessionInfo
from data.store import Store
from data.words import number_of
from hitl.home import Home

RAYS, HISTORY, PENDING = 19, 4, 2  # of tmrl's LIDAR: rays, pictures remembered, actions remembered (its defaults)
HZ = 20.0


def drives(samples: Any) -> list[EpisodeData]:
    """Return the episodes in a buffer's samples. Raises EpisodeRefusedError with the reason when they cannot be used."""
    if not isinstance(samples, list):
        raise EpisodeRefusedError("it holds no samples")
    if not samples:
        return []
    run = run_of(_with_actions(samples))
    over = run.terminated | run.truncated
    cuts = [0, *(np.flatnonzero(over) + 1).tolist(), len(run)]
    return [_drive(_part(run, a, b), samples[a:b]) for a, b in itertools.pairwise(cuts) if b - a > 1]


def _drive(run: PlayerRun, samples: list[Any]) -> EpisodeData:
    data = as_steps(run, observation=unfolded(run.action, samples))
    origin = f"tmrl:{run_of(samples).run_id}"
    return dataclasses.replace(data, driver=AGENT, purpose="drive", segments=[], origin=origin)


def _part(run: PlayerRun, begin: int, end: int) -> PlayerRun:
    columns = ("action", "observation", "reward", "terminated", "truncated")
    return dataclasses.replace(run, **{name: getattr(run, name)[begin:end] for name in columns})


def _with_actions(samples: list[Any]) -> list[Any]:
    """Return the samples, each with an action: outside of real time tmrl sends none with the first one of an episode."""
    known = next((s[0] for s in samples if isinstance(s, tuple | list) and s and s[0] is not None), None)
    if known is None:
        raise EpisodeRefusedError("its samples hold no actions")
    try:
        rest = np.zeros_like(np.asarray(known, np.float32))
    except (ValueError, TypeError, OverflowError):
        raise EpisodeRefusedError("its samples hold actions that are not numbers") from None
    for k, sample in enumerate(samples):
        if isinstance(sample, tuple | list) and sample and sample[0] is None:
            samples[k] = (rest, *sample[1:])
    return samples


def unfolded(action: np.ndarray, samples: list[Any]) -> np.ndarray | None:
    """Return (N, O) what was seen, from LIDAR samples as tmrl's compressor cuts them; None for any other kind.

    It sends the newest of the four LIDAR pictures and no actions, which are known from the samples before: the first picture
    of an episode stands for those before it, and the action of its first sample, which is rest, for those before that.
    """
    parts = [sample[1] for sample in samples]
    if not all(isinstance(p, tuple | list) and len(p) in (2, 3) and np.size(p[-1]) == RAYS for p in parts):
        return None
    if not all(np.size(one) == 1 for p in parts for one in p[:-1]):
        return None
    numbers = np.array([[float(np.ravel(v)[0]) for v in p[:-1]] for p in parts], np.float32)
    rays = np.stack([np.asarray(p[-1], np.float32).ravel() for p in parts])
    at = np.arange(len(parts))
    back = [rays[np.maximum(at - k, 0)] for k in range(HISTORY - 1, -1, -1)]
    done = [action[np.maximum(at - k, 0)] for k in range(PENDING - 1, -1, -1)]
    return np.concatenate([numbers, *back, *done], axis=1)


class TmrlSamples:
    """Writes buffers into the store at ``home``; one session for each kind of observation."""

    def __init__(self, home: Home) -> None:
        self._path = home.store_path
        self._store: Store | None = None
        self._sessions: dict[tuple[int, int], int] = {}
        self.steps = self.again = 0

    def take(self, buffer: dict[str, Any], say: Callable[[str], None]) -> None:
        """Store what a buffer holds; what cannot be used is left out and named."""
        try:
            for data in drives(buffer.get("memory")):
                self._write(data, say)
        except EpisodeRefusedError as error:
            say(f"Samples of a tmrl worker were left out: {error}.")
        except sqlite3.Error as error:
            say(f"The store could not take the samples of a tmrl worker ({error}); they are lost.")

    def _write(self, data: EpisodeData, say: Callable[[str], None]) -> None:
        sizes = (data.observation.shape[1], data.executed.shape[1])
        info = SessionInfo(
            kind="play", env="tmrl", track="tmrl", hz=HZ,
            observation_names=tuple(f"observation_{k}" for k in range(sizes[0])),
            action_names=ACTIONS if sizes[1] == len(ACTIONS) else tuple(f"action_{k}" for k in range(sizes[1])),
        )  # fmt: skip
        check(Portable(info, data, data.origin or ""))
        if self._store is None:
            self._store = Store(self._path)
        if sizes not in self._sessions:
            size = number_of(sizes[0], "number")
            say(f"A RolloutWorker of tmrl sends samples of {size}; they are stored as driven by the agent.")
            self._sessions[sizes] = self._store.start_session(info, source="tmrl worker")
        with EpisodeWriter(self._store.conn, self._sessions[sizes]) as writer:
            stored = writer.add(data)
        if stored is None:
            self.again += 1
        else:
            self.steps += len(data)

    def close(self) -> None:
        """End the sessions."""
        if self._store is not None:
            for session in self._sessions.values():
                self._store.end_session(session)
            self._store.close()
            self._store = None
