"""Player runs as they arrive: files are read once they are whole, and marked as consumed as the old tool did."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data.errors import InputFileError
from data.exchange.importing import EpisodeRefusedError, write
from data.exchange.merge import Summary
from data.exchange.player_runs import PlayerRun, find_runs, mark_consumed, own_export, read_player_run
from data.exchange.portable import Portable
from data.store import Store

Rebuild = Callable[[PlayerRun], Portable]
"""Turns a foreign run into an episode of today's layout; raises EpisodeRefusedError with the reason when it cannot."""


def read_runs(files: Iterable[Path], rebuild: Rebuild) -> Iterator[tuple[str, Portable | EpisodeRefusedError]]:
    """Read (file name, episode) pairs; a file that cannot be taken gives its reason and the others go on."""
    for file in files:
        try:
            run = read_player_run(file)
            yield file.name, own_export(run) or rebuild(run)
        except EpisodeRefusedError as error:
            yield file.name, error
        except (InputFileError, ValueError) as error:
            yield file.name, EpisodeRefusedError(str(error).removeprefix(f"{file.name} "))  # which is said before it


def import_runs(
    store: Store,
    files: Iterable[Path],
    rebuild: Rebuild,
    consume: bool,
    on_done: Callable[[str, str | None], None] | None = None,
) -> Summary:
    """Write player runs into the store; ``consume``: then rename the files that are in it to ``NAME.pkl.imported``."""
    by_name = {file.name: file for file in files}

    def done(name: str, reason: str | None) -> None:
        if consume and reason is None:
            mark_consumed(by_name[name])
        if on_done:
            on_done(name, reason)

    return write(store, read_runs(by_name.values(), rebuild), "player runs", done)


def watch(
    store: Store,
    folder: Path,
    rebuild: Rebuild,
    stop: threading.Event,
    *,
    consume: bool = True,
    poll_s: float = 1.0,
    on_done: Callable[[str, str | None], None] | None = None,
) -> Summary:
    """Import runs that appear in ``folder`` until ``stop`` is set; a file is read when it has not grown for one poll.

    Refused files stay where they are and are not tried again until they change. Raises InputFileError when the folder is not
    there.
    """
    if not folder.is_dir():
        raise InputFileError(f"{folder.name} is not a folder: name the folder to watch.")
    seen: dict[Path, tuple[int, int]] = {}
    handled: dict[Path, tuple[int, int]] = {}
    total = Summary()
    while True:
        ready = []
        for file in find_runs(folder):
            try:
                state = (file.stat().st_size, file.stat().st_mtime_ns)
            except OSError:  # taken away between listing and looking
                continue
            if seen.get(file) == state and handled.get(file) != state:
                ready.append(file)
                handled[file] = state
            seen[file] = state
        if ready:
            total.add(import_runs(store, ready, rebuild, consume, on_done))
        if stop.wait(poll_s):
            return total
