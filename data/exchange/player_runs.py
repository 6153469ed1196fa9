"""Player runs of tmrl (``tmrl_player_run_v1``, or the bare list of samples): reading, and writing them for the old tool.

A sample is ``(act, obs, reward, terminated, truncated, info)`` where ``obs`` is what was seen *after* ``act``, so a step here
pairs the observation of one sample with the action and reward of the next, and N samples make N - 1 steps.
"""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import InputFileError, shown
from data.exchange.importing import EpisodeRefusedError
from data.exchange.portable import Portable, describe, digest, put_step_arrays, put_tail, restore, step_arrays, tail_of
from data.exchange.unpickle import load_restricted
from data.files import held
from data.reading.episodes import EpisodeData, SegmentData
from data.records import HUMAN
from data.words import in_utc, number_of

FORMAT = "tmrl_player_run_v1"
ACTIONS = ("gas", "brake", "steer")
MAX_SAMPLES = 10_000_000


@dataclass(slots=True)
class PlayerRun:
    """The samples of one file, as arrays of N rows."""

    action: np.ndarray
    """(N, 3) float32: gas, brake, steer"""
    observation: np.ndarray
    """(N, O) float32, the tuple laid out flat"""
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    run_id: str
    metadata: dict[str, Any]
    recorded_at: str | None
    shapes: tuple[tuple[int, ...], ...] = ()
    """Shapes of the parts that an observation consists of, in their order"""

    def __len__(self) -> int:
        return len(self.reward)


def _parts(observation: Any) -> tuple[np.ndarray, ...]:
    parts = observation if isinstance(observation, tuple | list) else (observation,)
    if len(parts) > 1000:
        raise ValueError("an observation of too many parts")
    return tuple(np.asarray(part, np.float32) for part in parts)


def read_player_run(path: Path) -> PlayerRun:
    """Read one file without running anything in it.

    Raises EpisodeRefusedError with the reason when it holds no usable run, InputFileError when it is not such a file at all.
    """
    value = load_restricted(path)
    head: dict[str, Any] = {}
    if isinstance(value, dict):
        if value.get("format") != FORMAT:
            raise EpisodeRefusedError(f"its format is '{shown(value.get('format'), 40)}', not '{FORMAT}'")
        head, value = value, value.get("samples")
    if (other := _something_else(value)) is not None:
        raise EpisodeRefusedError(other)
    run = run_of(value)
    if run.action.shape[1] != len(ACTIONS):
        raise EpisodeRefusedError(
            f"its actions have {number_of(run.action.shape[1], 'number')} where gas, brake and steer were expected"
        )
    if isinstance(head.get("run_id"), str) and head["run_id"]:
        run.run_id = head["run_id"]
    if isinstance(head.get("metadata"), dict):
        run.metadata = head["metadata"]
    run.recorded_at = _date(head.get("recorded_at"))
    return run


def _something_else(value: Any) -> str | None:
    """Return what a pickle of tmrl is that is no run, and what can be done with it; None for anything else."""
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] == 3 and value.dtype.kind in "fiu":
        return "it is a map's line, as in tmrl's reward.pkl, and no run: name it with --track, beside the runs driven on it"
    if not (isinstance(value, list) and len(value) >= 5 and all(isinstance(part, list) for part in value)):
        return None
    first = value[0]
    if len(first) > 6 and len({len(part) for part in value}) == 1 and all(type(number) is int for number in first):
        return (
            "it is the replay memory of tmrl's trainer: what its agent drove, step by step and in no laps. It stays tmrl's; here "
            "`hitl play --env tmrl --agent FILE.tmod` records the agent, and `hitl import` takes player runs"
        )
    return None


def run_of(value: Any) -> PlayerRun:
    """Return a list of samples as arrays, named by its content. Raises EpisodeRefusedError with the reason."""
    if not isinstance(value, list) or not value:
        raise EpisodeRefusedError("it holds no samples")
    if len(value) > MAX_SAMPLES:
        raise EpisodeRefusedError(f"it holds {len(value)} samples, more than {MAX_SAMPLES}")
    if any(not isinstance(sample, tuple | list) or len(sample) != 6 for sample in value):
        raise EpisodeRefusedError("a sample is not (act, obs, reward, terminated, truncated, info)")
    try:
        actions = np.stack([np.asarray(sample[0], np.float32).reshape(-1) for sample in value])
        shapes = tuple(part.shape for part in _parts(value[0][1]))
        empty = np.zeros(0, np.float32)
        observations = [np.concatenate([empty, *(part.reshape(-1) for part in _parts(s[1]))]) for s in value]
        if len({len(o) for o in observations}) != 1:
            raise EpisodeRefusedError("its observations are not all of one size")
        observation = np.stack(observations)
        reward = np.array([float(sample[2]) for sample in value])
        terminated, truncated = (np.array([bool(sample[i]) for sample in value]) for i in (3, 4))
    except (ValueError, TypeError, OverflowError) as error:
        raise EpisodeRefusedError(f"its samples are not numbers of one shape ({shown(error, 120)})") from error
    return PlayerRun(
        actions, observation, reward, terminated, truncated,
        run_id=digest(actions.tobytes(), observation.tobytes()), metadata={}, recorded_at=None,
        shapes=shapes,
    )  # fmt: skip


def _date(text: Any) -> str | None:
    try:
        return in_utc(datetime.fromisoformat(str(text)))
    except (ValueError, OverflowError):
        return None


def as_steps(run: PlayerRun, observation: np.ndarray | None = None, reward: np.ndarray | None = None) -> EpisodeData:
    """Return the run as a lap: N - 1 steps, each from what was seen to what was done.

    ``observation`` (N, O) and ``reward`` (N,) replace the recorded ones. Raises EpisodeRefusedError when there is no step.
    """
    n = len(run) - 1
    if n < 1:
        raise EpisodeRefusedError("it holds a single sample, which makes no step")
    if not np.isfinite(run.action).all():
        raise EpisodeRefusedError("its actions are not all numbers: there is NaN or infinity among them")
    if np.abs(run.action).max() > 1.001:
        raise EpisodeRefusedError("its actions leave the range -1 to 1")
    seen = run.observation if observation is None else observation
    paid = run.reward if reward is None else reward
    # Whatever follows an end inside the file is another episode; old files were cut there.
    ends = np.flatnonzero(run.terminated[1:] | run.truncated[1:])
    count = int(ends[0]) + 1 if len(ends) else n
    terminated, truncated = run.terminated[1 : count + 1], run.truncated[1 : count + 1]
    reason = None if terminated[-1] or truncated[-1] else "recording_ended"
    return EpisodeData(
        observation=np.asarray(seen[:count], np.float32),
        executed=np.clip(run.action[1 : count + 1], -1.0, 1.0),
        reward=np.asarray(paid[1 : count + 1], np.float64),
        driver=HUMAN, terminated=terminated, truncated=truncated,
        last_observation=np.asarray(seen[count], np.float32),
        purpose="lap", end="terminated" if terminated[-1] else "truncated", reason=reason,
        started=run.recorded_at, ended=run.recorded_at,
        segments=[SegmentData("lap", 0, count, trigger="imported")],
    )  # fmt: skip


def own_export(run: PlayerRun) -> Portable | None:
    """Return the episode exactly as it was when the file was written by :func:`write_player_run`; None for another tool's.

    Raises ValueError when its description is not whole.
    """
    described = run.metadata.get("hitl")
    if described is None:
        return None
    try:
        session, n = described["description"]["session"], len(run) - 1
        actions = _own_actions(run.action, session["action_names"])
        arrays = EpisodeData(
            observation=run.observation[:n], executed=actions[1:], reward=run.reward[1:], terminated=run.terminated[1:],
            truncated=run.truncated[1:], last_observation=run.observation[n],
        )  # fmt: skip
        put_tail(arrays, described["tail"])
        put_step_arrays(arrays, described["arrays"])
        return restore(described["description"], arrays)
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"its description is not whole ({shown(error, 120)})") from error


def _old_actions(actions: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return (n, 3) gas, brake, steer."""
    if names == ACTIONS:
        return actions
    if names == ("gas_brake", "steer"):
        pedal = actions[:, 0]
        return np.stack([np.maximum(pedal, 0), np.maximum(-pedal, 0), actions[:, 1]], axis=1)
    raise InputFileError(
        f"Player runs know gas, brake and steer; this session's actions are {', '.join(names)}: export it as minari."
    )


def _own_actions(actions: np.ndarray, names: Any) -> np.ndarray:
    if tuple(names) == ACTIONS:
        return actions
    return np.stack([actions[:, 0] - actions[:, 1], actions[:, 2]], axis=1)


def write_player_run(folder: Path, item: Portable) -> Path:
    """Write one episode as a player run that the old tool reads; what the format has no place for goes into its metadata.

    Raises InputFileError when the session's actions cannot be said as gas, brake and steer.
    """
    data, info = item.data, item.info
    n = len(data)
    actions = _old_actions(np.asarray(data.executed, np.float32), info.action_names)
    terminated, truncated = (np.broadcast_to(np.asarray(v, bool), (n,)) for v in (data.terminated, data.truncated))
    known = n if data.last_observation is not None else n - 1  # without a successor the last step makes no sample
    seen = [*data.observation, *([data.last_observation] if data.last_observation is not None else [])]
    total = 0.0
    samples: list[tuple[Any, ...]] = [
        (np.zeros(3, np.float32), (np.array(seen[0], np.float32),), 0.0, False, False, {"reward_sum": 0.0})
    ]
    for i in range(known):
        total += float(data.reward[i])
        acted, after = np.array(actions[i], np.float32), (np.array(seen[i + 1], np.float32),)
        ends = bool(terminated[i]), bool(truncated[i])
        samples.append((acted, after, float(data.reward[i]), *ends, {"reward_sum": total}))
    extra = {"description": describe(item), "arrays": step_arrays(data), "tail": tail_of(data)}
    moment = datetime.fromisoformat(data.started) if data.started else datetime.now(UTC)
    run_id = secrets.token_hex(16)
    whole = {
        "format": FORMAT,
        "run_id": run_id,
        "recorded_at": moment.isoformat(),
        "metadata": {
            "episode_index": 0, "episode_return": total, "episode_steps": known, "map_name": info.track, "run_name": "hitl",
            "memory_class": "", "hitl": extra,
        },
        "samples": samples,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{moment:%Y%m%d_%H%M%S}_{run_id[:8]}.pkl"
    held.write_whole(path, pickle.dumps(whole, protocol=4))
    return path


def find_runs(path: Path) -> Iterator[Path]:
    """List player-run files: the file itself, or those in a folder, oldest first by name; consumed ones are left out."""
    if path.is_dir():
        yield from sorted(p for p in path.iterdir() if p.suffix.lower() == ".pkl" and p.is_file())
    else:
        yield path


def mark_consumed(path: Path) -> Path:
    """Rename a file to ``NAME.pkl.imported`` as the old tool did; never over another."""
    target = path.with_name(path.name + ".imported")
    number = 1
    while target.exists():
        target = path.with_name(f"{path.name}.imported.{number}")
        number += 1
    return held.replace(path, target)
