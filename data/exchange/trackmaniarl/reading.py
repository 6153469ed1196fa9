"""Demonstrations and recovery laps of TrackmaniaRL (``.npz``), and replays exported to JSON, read.

A demonstration is a finished lap: N + 1 frames of the plugin's 33 numbers (``hitl.games.trackmania.frames``), and N controls,
each of which acted from its frame to the next. A recovery lap is one in which an incident was forced and a human took over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import shown
from data.exchange.checks import EpisodeRefusedError, need
from data.exchange.portable import digest
from data.files import held
from data.files.packed import TooLargeError, arrays_of
from data.files.text_files import read_json
from data.records import AGENT, HUMAN
from data.words import number_of

DEMONSTRATION, RECOVERY = "trackmaniarl-trackmania-demo-v5", "trackmaniarl-human-recovery-v1"
NUMBERS = 33  # a frame
MOST_BYTES = 512 * 2**20  # of an unpacked file
MOST_JSON = 64 * 2**20  # characters
MOST_FRAMES = 1_000_000
DRIVER = "hitl_driver"
"""A key of ours beside theirs, which their loader passes over: who drove each step."""

@dataclass(frozen=True)
class Demonstration:
    """One lap, in the game's axes and order."""

    frames: NDArray[np.float64]
    """(N + 1, 33)"""
    driver: NDArray[np.uint8]
    """(N,) ``AGENT`` or ``HUMAN``, of what acted from each frame to the next."""
    map_uid: str
    finish_s: float
    """Its lap time."""
    origin: str
    replay: bool = False
    """Whether it comes from a replay, which may be of anyone."""

    @property
    def acting(self) -> NDArray[np.float64]:
        """(N, 3) gas, brake and steer as the game applied them from each frame to the next."""
        return np.clip(self.frames[:-1][:, [31, 32, 30]], [0.0, 0.0, -1.0], 1.0)


def read_archive(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a ``.npz`` file; nothing in it is run. Raises EpisodeRefusedError where it is none, or too large."""
    try:
        return arrays_of(held.read_bytes(path, MOST_BYTES), MOST_BYTES)
    except TooLargeError as error:
        raise EpisodeRefusedError(str(error)) from error
    except (OSError, ValueError) as error:
        raise EpisodeRefusedError(f"it is not a sound .npz file ({shown(error, 120)})") from error


def text_of(arrays: dict[str, NDArray[Any]], name: str) -> str:
    """Return one text of an archive, "" where it is not there."""
    value = arrays.get(name)
    return str(value.item()) if value is not None and value.ndim == 0 and value.dtype.kind in "US" else ""


def number_in(arrays: dict[str, NDArray[Any]], name: str) -> float:
    """Return one number of an archive. Raises EpisodeRefusedError where it is not there."""
    value = arrays.get(name)
    need(value is not None and value.ndim == 0 and value.dtype.kind in "iuf", f"it has no number '{name}'")
    assert value is not None
    return float(value.item())


def read_demonstration(path: Path) -> Demonstration:
    """Read a demonstration or a recovery lap. Raises EpisodeRefusedError with the reason where it cannot be used."""
    arrays = read_archive(path)
    form = text_of(arrays, "format")
    need(
        form in (DEMONSTRATION, RECOVERY),
        f"its format is '{shown(form, 60)}', and {DEMONSTRATION} and {RECOVERY} are read" if form else "it is no demonstration",
    )
    frames = arrays.get("frames")
    need(frames is not None and frames.dtype.kind == "f" and frames.ndim == 2, "it has no frames")
    assert frames is not None
    need(frames.shape[1] == NUMBERS, f"its frames have {number_of(frames.shape[1], 'number')} where {NUMBERS} were expected")
    driver = np.full(max(0, len(frames) - 1), HUMAN, np.uint8)
    if form == RECOVERY:
        taken = number_in(arrays, "takeover_step")
        need(0 < taken < len(driver), "its takeover lies outside the lap")
        driver[: int(taken)] = AGENT
    elif (own := arrays.get(DRIVER)) is not None:
        whole = own.shape == driver.shape and own.dtype.kind in "biu"
        need(whole and bool(np.isin(own, (0, 1)).all()), "its drivers are not 0 and 1")
        driver = own.astype(np.uint8)
    return _checked(frames, driver, text_of(arrays, "map_uid"), number_in(arrays, "finish_time_s"))


def read_replay(path: Path) -> Demonstration:
    """Read a replay or ghost that was exported to JSON: its samples up to the finish, which is its last checkpoint.

    Raises EpisodeRefusedError with the reason where it cannot be used, InputFileError where it is no JSON.
    """
    whole = read_json(path, MOST_JSON)
    try:
        finish = float(whole["checkpoints"][-1]["time_ms"])
        samples = [s for s in whole["samples"] if 0.0 <= float(s["time_ms"]) < finish]
        frames = np.zeros((len(samples) + 1, NUMBERS))
        for row, sample in zip(frames, samples, strict=False):
            controls = sample.get("extras") or {}
            row[3], row[4:7], row[7:10] = sample["time_ms"], sample["position"], sample["velocity"]
            row[10:13], row[13:16] = _turned(sample["rotation"])
            row[16], row[30] = sample["speed"], controls.get("steer", 0.0)
            row[31], row[32] = controls.get("gas", 0.0), controls.get("brake", 0.0)
        map_uid = str(whole.get("map_uid") or "")
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise EpisodeRefusedError(f"it is no exported replay: its samples or checkpoints are damaged ({error!r})") from error
    need(len(samples) >= 2, "it has no samples before its finish")
    frames[-1] = finish_after(frames[-2], finish)
    return replace(_checked(frames, np.full(len(samples), HUMAN, np.uint8), map_uid, finish / 1000), replay=True)


def _turned(quaternion: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the forward and the up vector that a quaternion (x, y, z, w) makes of +z and +y."""
    x, y, z, w = (float(v) for v in quaternion)
    forward = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    return forward, np.array([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)])


def finish_after(frame: NDArray[np.float64], finish_ms: float) -> NDArray[np.float64]:
    """Return the frame at the finish, where a car goes on as it did in the last one before."""
    last = frame.copy()
    last[4:7] += last[7:10] * (finish_ms - frame[3]) / 1000
    last[2], last[3] = 1.0, finish_ms
    return last


def _checked(frames: NDArray[Any], driver: NDArray[np.uint8], map_uid: str, finish_s: float) -> Demonstration:
    frames = np.asarray(frames, np.float64)
    need(3 <= len(frames) <= MOST_FRAMES, f"it holds {number_of(len(frames), 'frame')}")
    need(bool(np.isfinite(frames).all()) and bool((np.abs(frames[:, 3:10]) < 1e7).all()), "its frames hold impossible numbers")
    need(bool((np.diff(frames[:, 3]) > 0.0).all()), "its race time does not rise from frame to frame, so it was begun anew in it")
    need(bool(frames[-1, 2] == 1.0) and not frames[:-1, 2].any(), "it does not end at the finish")
    need(0.0 < finish_s < 1e5 and abs(frames[-1, 3] / 1000 - finish_s) < 0.1, "its lap time is not that of its last frame")
    return Demonstration(frames, driver, map_uid[:200], finish_s, f"trackmaniarl:{digest(frames.tobytes(), driver.tobytes())}")


def find_files(path: Path) -> Iterator[Path]:
    """Yield the files of a path: itself, or all ``.npz`` and ``.json`` in a folder and below, by name.

    Hidden ones are left out: their recorder writes into such a file first, and leaves it behind where it dies.
    """
    if path.is_dir():
        found = (file for file in path.rglob("*") if file.suffix.lower() in (".npz", ".json") and file.is_file())
        yield from sorted(file for file in found if not file.name.startswith("."))
    else:
        yield path


def geometry_facts(path: Path) -> tuple[str, str]:
    """Return (map uid, SHA-256) of a geometry file, by which its demonstrations must name it. Raises EpisodeRefusedError."""
    return text_of(read_archive(path), "map_uid"), hashlib.sha256(held.read_bytes(path, MOST_BYTES)).hexdigest()
