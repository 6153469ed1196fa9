"""Minari datasets, through the real package (an extra): folders that ``minari.MinariDataset(FOLDER / "data")`` opens."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import HitlError, InputFileError, UsageError, shown
from data.exchange.datasets.hdf5_check import check_hdf5
from data.exchange.datasets.spaces import SeeSpace, SpaceLayout, around_zero, in_order, is_flat, laid_out, leaves
from data.exchange.importing import EpisodeRefusedError
from data.exchange.portable import Portable, describe, digest, put_step_arrays, put_tail, restore, step_arrays, tail_of
from data.extras import install
from data.files import held
from data.files.text_files import read_json
from data.reading.episodes import EpisodeData, SegmentData, takeovers
from data.records import AGENT, HUMAN, SessionInfo
from data.words import number_of

_AROUND = 2**18  # bytes of an episode beside twice its numbers: of real ones half that at most
MOST_METADATA, MOST_NAME = 2**24, 500  # bytes, characters
MOST_UNREADABLE = 100
"""Episodes in a row that cannot be read, after which the rest is not tried."""


def _storage() -> Any:
    try:
        import h5py  # noqa: F401
        import PIL  # noqa: F401
        from minari.dataset.minari_storage import MinariStorage
    except ImportError as error:
        raise UsageError(f"Minari is not installed: {install('minari')} brings it.") from error
    return MinariStorage


def dataset_id(folder: Path) -> str:
    """Return a Minari id made from the folder's name."""
    name = re.sub(r"[^\w-]+", "-", folder.name) or "hitl"
    return name if re.search(r"-v\d+$", name) else f"{name}-v0"


def write_minari(folder: Path, items: Iterable[Portable]) -> int:
    """Write episodes of one layout as a new dataset; returns how many. Raises UsageError for mixed layouts or an existing folder.

    A last step whose successor is not known makes no transition: Minari gets the steps before it, the description keeps it.
    """
    folder = folder.absolute()  # else Minari looks for its files below it twice
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
                "These episodes have different observations: a dataset holds one layout; choose them with --track or --session."
            )
        n = len(data)
        known = n if data.last_observation is not None else n - 1
        arrays = step_arrays(data)
        if known:
            terminated, truncated = (np.broadcast_to(np.asarray(v, bool), (n,)) for v in (data.terminated, data.truncated))
            last = data.observation[-1:] if data.last_observation is None else data.last_observation[None]
            episode = EpisodeBuffer(
                id=count,
                seed=data.seed,
                observations=np.concatenate([data.observation[:known], last]).astype(np.float32),
                actions=np.asarray(data.executed[:known], np.float32),
                rewards=np.asarray(data.reward[:known], np.float64),
                terminations=terminated[:known],
                truncations=truncated[:known],
                infos={name: np.concatenate([values[:known], values[-1:]]) for name, values in arrays.items()},
            )
            _need_room(folder, 2 * (data.observation.nbytes + data.executed.nbytes + sum(v.nbytes for v in arrays.values())))
            storage.update_episodes([episode])
            described = describe(item) | {"tail": tail_of(data)}
            storage.update_episode_metadata([{"hitl": json.dumps(described)}], [count])
            count += 1
    return count


def _need_room(folder: Path, count: int) -> None:
    """Raise OSError where a disk has no room for so many bytes and what HDF5 puts around them.

    HDF5 cannot close a file for which there is none: it tries again when the process ends, and crashes it.
    """
    spare = folder / "room"
    try:
        spare.write_bytes(bytes(count + _AROUND))
    finally:
        held.unlink(spare)


def _identify(folder: Path, version: str) -> None:
    """Write what Minari asks of a dataset's metadata but its storage does not set."""
    path = folder / "metadata.json"
    metadata = json.loads(path.read_text())
    own = {"dataset_id": dataset_id(folder.parent), "minari_version": version, "algorithm_name": "human-in-the-loop"}
    path.write_text(json.dumps(metadata | own))


def find_dataset(path: Path) -> Path | None:
    """Return the data folder of the dataset at ``path``; None when there is no such folder."""
    files = "main_data.hdf5", "metadata.json"
    return next((p for p in (path, path / "data") if any((p / name).exists() for name in files)), None)


def _vet(folder: Path) -> dict[str, Any]:
    """Return the metadata. Raises ValueError or InputFileError at what would keep the packages that read it busy for ever."""
    metadata = read_json(folder / "metadata.json", MOST_METADATA)
    name = metadata.get("dataset_id", "") if isinstance(metadata, dict) else ""
    if not isinstance(name, str) or len(name) > MOST_NAME:  # Minari's regular expression for it backtracks at every letter
        raise ValueError(f"its name has more than {MOST_NAME} characters or is not text")
    if (file := folder / "main_data.hdf5").exists():  # there are datasets of other kinds of file
        check_hdf5(file)
    return metadata if isinstance(metadata, dict) else {}


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of another tool's dataset beside its numbers."""

    like: SessionInfo | None = None
    """What its numbers mean (sizes must fit); None: they are numbered."""
    driver: int = HUMAN
    """Who drove."""
    hz: float = 20.0
    track: str = ""
    """Its own name where empty."""
    see: SeeSpace | None = None
    """Lays out observations that are not plain vectors; None: such a dataset is refused."""
    action_names: Callable[[str, int], tuple[str, ...]] | None = None
    """The names of that many actions of an environment (its Gymnasium id)."""


def read_minari(path: Path, told: Told | None = None) -> Iterator[tuple[str, Portable | EpisodeRefusedError]]:
    """Read (name, episode) pairs of a dataset folder.

    Raises InputFileError when it is not a dataset, UsageError when Minari is not installed, and what ``told.see`` raises.
    """
    told = told or Told()
    storage_class = _storage()
    import minari

    folder = find_dataset(path)
    if folder is None:
        raise InputFileError(f"{path.name} is not a Minari dataset: give the folder that holds its data folder.")
    try:
        metadata = _vet(folder)
        dataset = minari.MinariDataset(storage_class.read(folder))
        total, name = int(dataset.total_episodes), shown(dataset.spec.dataset_id)
    except Exception as error:  # whatever a foreign folder makes the package raise
        reason = shown(str(error).replace(str(folder), folder.name), 120)
        raise InputFileError(f"The Minari dataset {shown(path.name)} cannot be read ({reason}).") from error
    source = _Source(dataset, metadata, told, name)
    unreadable = 0
    for index in range(total):
        label = f"{name} episode {index}"
        try:
            episode = next(iter(dataset.iterate_episodes([index])))
            metadata = next(iter(dataset.storage.get_episode_metadata([index])))
            yield label, _episode(episode, metadata, source)
            unreadable = 0
        except EpisodeRefusedError as error:
            yield label, error
        except Exception as error:  # whatever a foreign file makes the packages raise
            reason = shown(str(error).replace(str(folder), folder.name) or type(error).__name__, 200)
            yield label, EpisodeRefusedError(f"it cannot be read ({reason})")
            unreadable += 1
            if unreadable >= MOST_UNREADABLE:  # the dataset's own count of episodes may be wrong
                return


class _Source:
    """A dataset's spaces, and how they become the vectors and names that a session stores."""

    def __init__(self, dataset: Any, metadata: dict[str, Any], told: Told, name: str) -> None:
        described = metadata.get("observation_space")
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            described = json.loads(described) if isinstance(described, str) else described
        space = in_order(dataset.observation_space, described)
        self.told, self.track, self.action_space = told, told.track or name, dataset.action_space
        self.layout: SpaceLayout | None = None
        if not is_flat(space):
            if told.see is None:
                raise InputFileError(f"The Minari dataset {name} holds observations that are not plain vectors of numbers.")
            try:
                self.layout = told.see(space)
            except HitlError as error:
                raise InputFileError(f"The Minari dataset {name} cannot be learned from. {error}") from error
        self.env_id = str(getattr(dataset.spec.env_spec, "id", "") or "")

    def observations(self, given: Any) -> np.ndarray:
        """Return (m, O) float32. Raises EpisodeRefusedError."""
        if self.layout is not None:
            return laid_out(given, self.layout)
        rows = np.asarray(given)
        if rows.ndim != 2:
            raise EpisodeRefusedError(f"its observations are not rows of numbers (shape {rows.shape})")
        return rows.astype(np.float32)

    def info(self, size: int, actions: int) -> SessionInfo:
        """Return what a session of it is. Raises EpisodeRefusedError when the layout that was asked for does not fit."""
        like, told = self.told.like, self.told
        if like is not None:
            sizes = len(like.observation_names), len(like.action_names)
            if sizes != (size, actions):
                raise EpisodeRefusedError(
                    f"it has {number_of(size, 'observation')} and {number_of(actions, 'action')}, the layout asked for "
                    f"{sizes[0]} and {sizes[1]}"
                )
            return SessionInfo(
                kind="import", env=like.env, track=like.track, hz=like.hz, observation_names=like.observation_names,
                action_names=like.action_names, driver="imported", frame_shape=like.frame_shape, track_digest=like.track_digest,
            )  # fmt: skip
        seen = tuple(f"observation_{i}" for i in range(size))
        image: tuple[int, ...] = ()
        if self.layout is not None:
            seen, image = self.layout.names, self.layout.image[1:]
        done = told.action_names(self.env_id, actions) if told.action_names else tuple(f"action_{i}" for i in range(actions))
        return SessionInfo(
            kind="import", env="minari", track=self.track, hz=told.hz, observation_names=seen, action_names=done,
            driver="imported", frame_shape=tuple(image) or None,
        )  # fmt: skip


def _episode(episode: Any, metadata: dict[str, Any], source: _Source) -> Portable:
    driver = source.told.driver
    if "hitl" not in metadata and not is_flat(source.action_space):
        raise EpisodeRefusedError(
            f"its actions are {shown(source.action_space)}; only a plain vector of continuous actions (a Box) can be learned from"
        )
    observations, actions = source.observations(episode.observations), np.asarray(episode.actions)
    n = len(episode.rewards)
    if actions.ndim != 2 or len(actions) != n or len(observations) not in (n, n + 1):
        raise EpisodeRefusedError(
            f"its {number_of(n, 'reward')} go with actions of shape {actions.shape} and "
            f"{number_of(len(observations), 'observation')}; one action, and one "
            "observation or one more, were expected for each"
        )
    arrays = EpisodeData(
        observation=observations[:n],
        executed=actions.astype(np.float32) if "hitl" in metadata else around_zero(source.action_space, actions),
        reward=np.asarray(episode.rewards, np.float64),
        terminated=np.asarray(episode.terminations, bool),
        truncated=np.asarray(episode.truncations, bool),
        last_observation=observations[n] if len(observations) > n else None,  # some record what was acted on alone
        driver=driver,
    )
    if "hitl" in metadata:  # an export of our own
        described = json.loads(metadata["hitl"])
        put_tail(arrays, described.get("tail"))
        put_step_arrays(arrays, episode.infos or {})
        return restore(described, arrays)
    info = source.info(observations.shape[1], actions.shape[1])
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
    seen = [np.asarray(part).tobytes() for part in leaves(episode.observations)]  # as they are, however they are laid out
    return Portable(info, arrays, "minari:" + digest(*seen, actions.tobytes(), arrays.reward.tobytes()))
