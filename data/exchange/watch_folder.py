"""Player runs as they arrive: files are read once they are whole, and marked as consumed as the old tool did."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data.errors import InputFileError
from data.exchange.importing import EpisodeRefusedError, write
from data.exchange.merge import Summary
from data.exchange.player_runs import PlayerRun, find_runs, mark_consumed, own_export, read_player_run
from data.exchange.portable import Portable
from data.files import held
from data.store import Store

MARK_AGAIN_S = 5.0
"""After which a file that could not be renamed is tried again."""

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
    left: dict[Path, str] | None = None,
) -> Summary:
    """Write player runs into the store; ``consume``: then rename the files that are in it to ``NAME.pkl.imported``.

    ``left`` takes those that cannot be renamed now, with a sentence; without it, that is noted in the summary.
    """
    by_name = {file.name: file for file in files}
    unmarked: dict[Path, str] = {} if left is None else left

    def done(name: str, reason: str | None) -> None:
        if consume and reason is None:
            reason = unmarked_because(by_name[name])
            if reason is not None:
                unmarked[by_name[name]] = reason
        if on_done:
            on_done(name, reason)

    summary = write(store, read_runs(by_name.values(), rebuild), "player runs", done)
    if left is None:
        summary.notes += unmarked.values()
    return summary


def unmarked_because(file: Path) -> str | None:
    """Mark a file as consumed, and return a sentence on why that cannot be done now."""
    try:
        mark_consumed(file)
    except FileNotFoundError:  # taken away meanwhile
        return None
    except OSError as error:
        why = held.why(error, "rename it yourself")
        return f"{file.name} came in, but cannot be renamed {why}. Importing it again renames it; it does not come in twice."
    return None


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

    One that another program has open is waited for. Refused files stay where they are and are not tried again until they change.
    Raises InputFileError when the folder is not there.
    """
    if not folder.is_dir():
        raise InputFileError(f"{folder.name} is not a folder: name the folder to watch.")
    seen: dict[Path, tuple[int, int]] = {}
    handled: dict[Path, tuple[int, int]] = {}
    unmarked: dict[Path, str] = {}
    closed: dict[Path, str] = {}  # why files could not be opened, which was said
    total, again = Summary(), time.monotonic()
    while True:
        if unmarked and time.monotonic() >= again:
            for file in list(unmarked):
                if unmarked_because(file) is not None:
                    break  # the others are as well left to a later turn: each is waited for
                del unmarked[file]
            again = time.monotonic() + MARK_AGAIN_S
        ready = []
        for file in find_runs(folder):
            try:
                state = (file.stat().st_size, file.stat().st_mtime_ns)
                if seen.get(file) == state and handled.get(file) != state:
                    file.open("rb").close()
                    ready.append(file)
                    handled[file] = state
                    closed.pop(file, None)
            except PermissionError as error:
                why = held.why(error, "make it readable")
                if file not in closed and on_done:
                    on_done(file.name, f"it cannot be read yet {why}. It is tried again.")
                closed[file] = f"it cannot be read {why}"
                continue
            except OSError:  # taken away between listing and looking
                continue
            seen[file] = state
        if ready:
            total.add(import_runs(store, ready, rebuild, consume, on_done, unmarked))
        if stop.wait(poll_s):
            total.notes += unmarked.values()
            total.refused += [(file.name, why) for file, why in closed.items() if file.exists()]
            return total
