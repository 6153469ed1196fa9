"""Bringing laps, takeovers and whole stores into a store, whatever they are: the one way for `hitl import` and for scripts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import InputFileError, UsageError, shown
from data.files.paths import as_typed
from data.tables.review_fields import UndoStep
from data.words import number_of
from hitl.home import Home, in_home

if TYPE_CHECKING:
    from data.exchange.merge import Summary
    from data.exchange.player_runs import PlayerRun
    from data.exchange.portable import Portable
    from data.store import Store
    from hitl.road.track import Track
    from hitl.task.driving_task import TaskSettings

KINDS = ("player-run", "minari", "store", "trackmaniarl")
TABLES = ".parquet"
TABLES_SAID = (
    "is Parquet, which `hitl export` writes for other tools. It cannot be imported, because it lacks what followed each episode. "
    "Where its store is, use `hitl export store all.sqlite`, and import that file."
)
TellRun = Callable[[str, "str | None"], None]


def kind_of(path: Path) -> str:
    """Return the kind of what a path holds. Raises InputFileError when it cannot be imported."""
    if not path.exists():
        raise InputFileError(f"There is no {path.name}: check the path.")
    if path.is_dir():
        from data.exchange.datasets.minari import find_dataset

        if find_dataset(path):
            return "minari"
        if Home(path).store_path.is_file():
            return "store"
        _no_homes_in(path)
        if next(path.rglob("*.npz"), None) is not None:
            return "trackmaniarl"
        _must_hold_runs(path)
        return "player-run"
    if not path.is_file():
        raise InputFileError(f"{path.name} is a device or a pipe: save what it gives as a file, and import that.")
    with path.open("rb") as file:
        if file.read(16) == b"SQLite format 3\0":
            return "store"
    if path.suffix.lower() == ".pkl":
        return "player-run"
    if path.suffix.lower() in (".npz", ".json"):
        return "trackmaniarl"
    if path.suffix.lower() == TABLES:
        raise InputFileError(f"{path.name} {TABLES_SAID}")
    raise InputFileError(
        f"{path.name} is neither a player run (.pkl), a demonstration (.npz), a replay (.json), a Minari dataset nor a store: "
        "say what it is with --kind."
    )


def _no_homes_in(folder: Path) -> None:
    """Raise InputFileError for a folder of homes, each of which can be imported: it says how, with all of them."""
    homes = [child for child in sorted(folder.iterdir()) if Home(child).store_path.is_file()]
    if homes and not any(".pkl" in map(str.lower, file.suffixes) for file in folder.iterdir()):
        named = " ".join(map(as_typed, homes))
        raise InputFileError(
            f"{shown(folder.name)} is no home itself but holds {number_of(len(homes), 'home')}: `hitl import {named}` brings "
            f"{'it' if len(homes) == 1 else 'them'} in."
        )


def _must_hold_runs(folder: Path) -> None:
    """Raise InputFileError for a folder with something in it that is no player run; one in which all were consumed is fine."""
    if any(".pkl" in map(str.lower, file.suffixes) for file in folder.iterdir()):
        return
    if next(folder.rglob(f"*{TABLES}"), None) is not None:
        raise InputFileError(f"{folder.name} {TABLES_SAID}")
    if any(folder.iterdir()):
        raise InputFileError(
            f"{folder.name} holds neither player runs (.pkl), demonstrations (.npz) nor a Minari dataset: name the folder that "
            "does, not one above it."
        )


@dataclass(frozen=True)
class ImportOptions:
    """What the files themselves do not tell; each is an option of `hitl import`."""

    hz: float = 20.0
    """Steps a second."""
    track: Path | str | None = None
    """Player runs and demonstrations: the line they were driven on, from which observations are rebuilt."""
    track_name: str = ""
    keep_rewards: bool = False
    keep_observations: bool = False
    consume: bool = False
    """Player runs: rename files that came in to ``NAME.pkl.imported``."""
    layout_of: int | None = None
    """Minari: the session whose numbers these are, by its id."""
    driver: str = "human"
    """Minari: who drove, ``human`` or ``agent``."""


class Importer:
    """Brings files into an open store. ``home``: whose settings hold; ``say`` takes sentences for the player."""

    def __init__(self, store: Store, home: Home, options: ImportOptions, say: Callable[[str], None] = print) -> None:
        self._store, self._home, self._options, self._say = store, home, options, say
        if options.layout_of is not None and options.layout_of not in {s.id for s in store.sessions()}:
            raise UsageError(f"There is no session {options.layout_of} in the store that it is imported into.")
        self.left_empty = False
        """Whether a run came in whose last actions its recorder had omitted."""
        self._step = UndoStep()  # what other stores say of segments that are here is undone together

    def bring(self, path: Path, kind: str, told: TellRun = lambda name, reason: None) -> Summary:
        """Import one file or folder. ``told`` is called with each name and why it was refused, if it was."""
        if kind == "store":
            from data.exchange.merge import merge

            file = Home(path).store_path if path.is_dir() else path
            came = merge(self._store.conn, self._store.path, file, step=self._step)
            came.notes = [in_home(note, os.path.abspath(file.parent)) for note in came.notes]
            return came
        if kind == "minari":
            return self._minari(path, told)
        if kind == "trackmaniarl":
            return self._demonstrations(path, told)
        from data.exchange.player_runs import find_runs
        from data.exchange.watch_folder import import_runs

        return import_runs(self._store, find_runs(path), self.rebuild(), self._options.consume, told)

    def rebuild(self) -> Callable[[PlayerRun], Portable]:
        """Return a function that turns foreign runs into today's episodes, as the options ask for it."""
        from data.exchange.importing import EpisodeRefusedError

        options = self._options
        if options.keep_observations:
            from hitl.player_runs.rebuild import as_recorded, left_empty

            def keep(run: PlayerRun) -> Portable:
                self.left_empty |= left_empty(run)
                return as_recorded(run, options.track_name or str(run.metadata.get("map_name") or "unknown"), options.hz)

            return keep
        if options.track is None:

            def refuse(run: PlayerRun) -> Portable:
                raise EpisodeRefusedError(
                    f"its observations ({number_of(run.observation.shape[1], 'number')}) are not of today's layout; give the "
                    "line it was driven on with --track to rebuild them, or take them as they are with --keep-observations"
                )

            return refuse
        from hitl.player_runs.rebuild import OldRuns

        track, digest = self._filed(options.track)
        return OldRuns(track, self._task(), keep_rewards=options.keep_rewards, digest=digest)

    def _filed(self, wanted: Path | str) -> tuple[Track, str]:
        """Return a track as the store files it, and its digest."""
        from hitl.road.known_tracks import drivable, file_under

        track, digest, said = file_under(self._store, drivable(self._home, wanted))
        for sentence in said:
            self._say(sentence)
        return track, digest

    def _task(self) -> TaskSettings:
        from hitl.games.observation_layout import DETAILED, chosen_layout
        from hitl.settings import load

        settings = load(self._home, "observation", "reward", "trackmania")
        layout = chosen_layout(self._home, settings.trackmania.sees, sends=DETAILED, new="detailed")
        return replace(settings.task, layout=layout, hz=self._options.hz)

    def _demonstrations(self, path: Path, told: TellRun) -> Summary:
        from data.exchange.importing import write
        from hitl.player_runs.demonstrations import Demonstrations

        line = self._options.track or (self._home.line if self._home.line.is_file() else None)
        if line is None:
            raise UsageError(
                "Demonstrations and replays need the map's line: name the geometry, a replay or another line with --track, or "
                "drive it once with `hitl line record`."
            )
        track, digest = self._filed(line)
        return write(self._store, Demonstrations(track, self._task(), digest).read(path), "trackmaniarl", told)

    def _minari(self, path: Path, told: TellRun) -> Summary:
        from data.exchange.datasets.minari import Told as FromElsewhere
        from data.exchange.datasets.minari import read_minari
        from data.exchange.importing import write
        from data.exchange.portable import session_info
        from data.records import AGENT, HUMAN
        from hitl.games.gym.controls import action_names
        from hitl.games.pictures import SpaceSight
        from hitl.settings import load

        options, store = self._options, self._store
        driver = AGENT if options.driver == "agent" else HUMAN
        pictures = load(self._home, "pictures").pictures
        like = options.layout_of
        layout = session_info(store.conn, like) if like is not None else None
        known = FromElsewhere(
            layout, driver, options.hz, options.track_name, lambda space: SpaceSight(space, pictures), action_names
        )
        return write(store, read_minari(path, known), "minari", told)
