"""TensorBoard's event files: the scalars in them, as rows. The tensorboard package reads them, where it is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data.errors import InputFileError
from data.extras import install


def is_event_file(path: Path) -> bool:
    """Whether a file begins as event files do: with the record that names the version of their form."""
    try:
        with path.open("rb") as file:
            return b"brain.Event:" in file.read(64)
    except OSError:
        return False


def event_files(folder: Path) -> list[Path]:
    """Return the event files in a folder, oldest first by their names, which begin with the time."""
    return sorted(p for p in folder.iterdir() if "tfevents" in p.name and p.is_file())


def event_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield one row for each step: its scalars by their tags, ``_step`` and ``_timestamp``. A file that was cut ends early.

    Raises InputFileError without the package.
    """
    try:
        from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
        from tensorboard.util import tensor_util
    except ImportError:
        raise InputFileError(
            f"'{path.name}' is an event file of TensorBoard, whose package is not installed: {install('tensorboard')} installs "
            "it. Or export the run's scalars as CSV."
        ) from None
    row: dict[str, Any] = {}
    for event in LegacyEventFileLoader(str(path)).Load():
        scalars = {}
        for value in event.summary.value:
            if value.HasField("simple_value"):  # as PyTorch writes them
                scalars[value.tag] = value.simple_value
            elif value.HasField("tensor"):  # as TensorFlow 2 writes them, and texts and pictures too
                number = tensor_util.make_ndarray(value.tensor)
                if number.size == 1 and number.dtype.kind in "fiu":
                    scalars[value.tag] = number.item()
        if scalars and row and (event.step != row["_step"] or scalars.keys() & row.keys()):
            yield row
            row = {}
        if scalars:
            row |= scalars | {"_step": event.step, "_timestamp": event.wall_time}
    if row:
        yield row
