"""Minari datasets, through the real package (an extra): folders that ``minari.MinariDataset(FOLDER / "data")`` opens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data.episodes import EpisodeData, SegmentData, takeovers
from data.errors import InputFileError, UsageError, shown
from data.foreign import read_bytes
from data.hdf5_heaps import check_heaps
from data.importing import EpisodeRefusedError
from data.portable import Portable, describe, digest, put_step_arrays, put_tail, restore, step_arrays, tail_of
from data.records import AGENT, HUMAN, SessionInfo

MOST_METADATA, MOST_NAME = 2**24, 500  # bytes, characters
MOST_UNREADABLE = 100
"""Episodes in a row that cannot be read, after which the rest is not looked for."""
_MISSING = "Minari is not installed: `pip install 'hitl[minari]'` brings it."


def _storage() -> Any:
    try:
        import h5py  # noqa: F401
        import PIL  # noqa: F401
        from minari.dataset.minari_storage import MinariStorage
    except ImportError as error:
        raise UsageError(_MISSING) from error
    return MinariStorage


def dataset_id(folder: Path) -> str:
    """Return a Minari id made from the folder's name."""
    name = re.sub(r"[^\w-]+", "-", folder.name) or "hitl"
    return name if re.search(r"-v\d+$", name) else f"{name}-v0"


def write_minari(folder: Path, items: Iterable[Portable]) -> int:
    """Write episodes of one layout as a new dataset; returns how many. Raises UsageError for mixed layouts or an existing folder.

    A last step whose successor is not known makes no transition: Minari gets the steps before it, the description keeps it.
    """
    storage_class = _storage()
    import gymnasium
    from minari import __version__
    from minari.data_collector.episode_buffer import EpisodeBuffer

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"The folder {folder.name} is not empty: name a new one.")
    storage: Any = None
    layout = None
    count = 0
    for item in items:
        data, info = item.data, item.info
        if storage is None:
            layout = (info.observation_names, info.action_names)
            box = gymnasium.spaces.Box
            folder.mkdir(parents=True, exist_ok=True)
            storage = storage_class.new(
                folder / "data",
                observation_space=box(-np.inf, np.inf, (len(layout[0]),), np.float32),
                action_space=box(-1.0, 1.0, (len(layout[1]),), np.float32),
                data_format="hdf5",
            )
            _identify(folder / "data", __version__)
        if layout != (info.observation_names, info.action_names):
            raise UsageError(
                "These episodes have different observations: a dataset holds one layout; choose them by --session."
            )
        n = len(data)
        known = n if data.last_observation is not None else n - 1
        arrays = step_arrays(data)
        if known:
            terminated, truncated = (
                np.broadcast_to(np.asarray(v, bool), (n,)) for v in (data.terminated, data.truncated)
            )
            last = data.observation[-1:] if data.last_observation is None else data.last_observation[None]
            storage.update_episodes(
                [
                    EpisodeBuffer(
                        id=count,
                        seed=data.seed,
                        observations=np.concatenate([data.observation[:known], last]).astype(np.float32),
                        actions=np.asarray(data.executed[:known], np.float32),
                        rewards=np.asarray(data.reward[:known], np.float64),
                        terminations=terminated[:known],
                        truncations=truncated[:known],
                        infos={name: np.concatenate([values[:known], values[-1:]]) for name, values in arrays.items()},
                    )
                ]
            )
            described = describe(item) | {"tail": tail_of(data)}
            storage.update_episode_metadata([{"hitl": json.dumps(described)}], [count])
            count += 1
    return count


def _identify(folder: Path, version: str) -> None:
    """Write what Minari asks of a dataset's metadata but its storage does not set."""
    path = folder / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata |= {
        "dataset_id": dataset_id(folder.parent),
        "minari_version": version,
        "algorithm_name": "human-in-the-loop",
    }
    path.write_text(json.dumps(metadata))


def find_dataset(path: Path) -> Path | None:
    """Return the data folder of the dataset at ``path``; None when there is none."""
    return next(
        (p for p in (path, path / "data") if (p / "main_data.hdf5").exists() or (p / "metadata.json").exists()), None
    )


def _vet(folder: Path) -> None:
    """Raise ValueError or InputFileError at what the packages that read a dataset would take for ever over."""
    metadata = json.loads(read_bytes(folder / "metadata.json", MOST_METADATA))
    name = metadata.get("dataset_id", "") if isinstance(metadata, dict) else ""
    if not isinstance(name, str) or len(name) > MOST_NAME:  # it is taken apart by an expression that goes back at every letter
        raise ValueError(f"its name has more than {MOST_NAME} characters or is no text")
    if (file := folder / "main_data.hdf5").exists():  # there are datasets of other kinds of file
        check_heaps(file)


def read_minari(
    path: Path, like: SessionInfo | None = None, driver: int = HUMAN, hz: float = 20.0, track: str = ""
) -> Iterator[tuple[str, Portable | EpisodeRefusedError]]:
    """Read (name, episode) pairs of a dataset folder.

    For another tool's dataset: ``like`` says what its numbers mean (sizes must fit), else they are numbered; ``driver`` is who
    drove. Raises InputFileError when it is no dataset, UsageError when Minari is not installed.
    """
    storage_class = _storage()
    import minari

    folder = find_dataset(path)
    if folder is None:
        raise InputFileError(f"{path.name} is no Minari dataset: give the folder that holds its data folder.")
    try:
        _vet(folder)
        dataset = minari.MinariDataset(storage_class.read(folder))
        total, name = int(dataset.total_episodes), shown(dataset.spec.dataset_id)
    except Exception as error:  # whatever a foreign folder makes the package raise
        reason = shown(str(error).replace(str(folder), folder.name), 120)
        raise InputFileError(f"The Minari dataset {shown(path.name)} cannot be read ({reason}).") from error
    unreadable = 0
    for index in range(total):
        label = f"{name} episode {index}"
        try:
            episode = next(iter(dataset.iterate_episodes([index])))
            metadata = next(iter(dataset.storage.get_episode_metadata([index])))
            yield label, _episode(episode, metadata, like, driver, hz, track or name)
            unreadable = 0
        except EpisodeRefusedError as error:
            yield label, error
        except Exception as error:  # whatever a foreign file makes the packages raise
            reason = shown(str(error).replace(str(folder), folder.name) or type(error).__name__, 200)
            yield label, EpisodeRefusedError(f"it cannot be read ({reason})")
            unreadable += 1
            if unreadable >= MOST_UNREADABLE:  # its own count of episodes is not believed for ever
                return


def _episode(
    episode: Any, metadata: dict[str, Any], like: SessionInfo | None, driver: int, hz: float, track: str
) -> Portable:
    observations, actions = np.asarray(episode.observations), np.asarray(episode.actions)
    if observations.ndim != 2 or actions.ndim != 2 or len(observations) != len(actions) + 1:
        raise EpisodeRefusedError(
            f"its observations and actions are not rows of numbers (shapes {observations.shape} and {actions.shape})"
        )
    n = len(actions)
    if "hitl" not in metadata and n and not np.abs(actions).max() <= 1.001:
        raise EpisodeRefusedError("its actions leave the range -1 to 1 that policies here act in")
    arrays = EpisodeData(
        observation=observations[:-1].astype(np.float32),
        executed=actions.astype(np.float32),
        reward=np.asarray(episode.rewards, np.float64),
        terminated=np.asarray(episode.terminations, bool),
        truncated=np.asarray(episode.truncations, bool),
        last_observation=observations[-1].astype(np.float32),
        driver=driver,
    )
    if "hitl" in metadata:
        return _restored(json.loads(metadata["hitl"]), arrays, episode.infos or {})
    if like is not None and (len(like.observation_names), len(like.action_names)) != (
        observations.shape[1],
        actions.shape[1],
    ):
        raise EpisodeRefusedError(
            f"it has {observations.shape[1]} observations and {actions.shape[1]} actions, the layout asked for "
            f"{len(like.observation_names)} and {len(like.action_names)}"
        )
    names = tuple(f"observation_{i}" for i in range(observations.shape[1]))
    info = SessionInfo(
        kind="import", env=like.env if like else "minari", track=like.track if like else track, hz=like.hz if like else hz,
        observation_names=like.observation_names if like else names,
        action_names=like.action_names if like else tuple(f"action_{i}" for i in range(actions.shape[1])),
        driver="imported", track_digest=like.track_digest if like else "",
    )  # fmt: skip
    ended = any(episode.terminations[-1:]), any(episode.truncations[-1:])
    arrays.end = "terminated" if ended[0] else "truncated" if ended[1] else "interrupted"
    arrays.purpose = "lap" if driver == HUMAN else "drive"
    seed = metadata.get("seed")
    arrays.seed = int(seed) if seed is not None and int(seed) >= 0 else None
    given = (episode.infos or {}).get("driver")
    if given is not None and len(given) in (n, n + 1):
        human = (np.asarray(given)[:n] == HUMAN).astype(np.uint8)
        arrays.driver = human
        arrays.segments = [SegmentData("takeover", a, b, trigger="imported") for a, b in takeovers(human)]
    elif driver != AGENT:
        arrays.segments = [SegmentData("lap", 0, n, trigger="imported")]
    return Portable(
        info, arrays, "minari:" + digest(observations.tobytes(), actions.tobytes(), arrays.reward.tobytes())
    )


def _restored(described: dict[str, Any], arrays: EpisodeData, infos: dict[str, Any]) -> Portable:
    """Put an episode of our own export back as it was."""
    put_tail(arrays, described.get("tail"))
    put_step_arrays(arrays, infos)
    return restore(described, arrays)
