"""Changes to the player's files, one after the other: each is checked before it is written, and each can be taken back."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import InputFileError
from data.files import held
from hitl.home import Home
from hitl.settings import TABLES, load
from hitl.settings_desk.files import dumps, overlay_path, pads_path, read, settings_path, with_values, write

ARRANGED = ("scale", "hidden", "places")
"""Settings of ``[overlay]`` that the mouse over the gauges writes, into a file of their own."""
_ONE_MOVE_S = 1.0
"""Steps of one number that follow each other this fast are one change: what is stepped through is taken back at once."""


@dataclass
class _Change:
    """``what``: the number that was stepped, if any. ``before`` and ``after``: content by file, None where there was none."""

    what: str
    at: float
    before: dict[Path, bytes | None]
    after: dict[Path, bytes | None]


class Changes:
    """Writes settings, and remembers what the files held before.

    Every method raises InputFileError, and changes nothing, where a file could not be read afterwards or cannot be written.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._done: list[_Change] = []
        self._first = self.content()

    def paths(self) -> tuple[Path, Path, Path]:
        """Return the files."""
        return settings_path(self.home), pads_path(self.home), overlay_path(self.home)

    def set(self, section: str, name: str, value: Any, also: Mapping[str, Any] | None = None) -> None:
        """Change one setting where it is said now; ``value`` None: back to the default, wherever it is said.

        ``also``: others of the section, of the player's own file, that change with it.
        """
        mine, _, arranged = self.paths()
        texts: dict[Path, str] = {}
        with_mine = name in self.mine(section)
        if section == "overlay" and name in ARRANGED and (value is None or not with_mine):
            table = {k: v for k, v in read(arranged).items() if k != name} | ({} if value is None else {name: _plain(value)})
            texts[arranged] = dumps(table)
        if with_mine or not texts:
            texts[mine] = with_values(mine, section, {name: value, **(also or {})}, TABLES[section]())
        stepped = isinstance(value, int | float) and not isinstance(value, bool)
        self._write(f"{section}.{name}" if stepped else "", section, texts)

    def arrange(self, table: Mapping[str, Any]) -> None:
        """Change how the gauges are arranged; what the player's own file says of it is changed there.

        So what the mouse did last is what the next session shows, whichever file says it.
        """
        mine, _, arranged = self.paths()
        said = {k: table[k] for k in self.mine("overlay") if k in table}
        texts = {arranged: dumps({**read(arranged), **{k: v for k, v in table.items() if k not in said}})}
        if said:
            texts[mine] = with_values(mine, "overlay", said)
        self._write("", "overlay", texts)

    def choose_pad(self, use: str, name: str = "", identity: str = "") -> None:
        """Change which pad is used; what the player's own file says of it is changed there."""
        mine, pads, _ = self.paths()
        chosen = {"use": use, "name": name, **({"id": identity} if identity else {})}
        texts = {pads: dumps({**read(pads), "use": chosen})}
        if said := {key: chosen.get(key, "") for key in self.mine("pad") if key in ("use", "name", "id")}:
            texts[mine] = with_values(mine, "pad", said)
        self._write("", "pad", texts)

    def save_pad(self, device: str, table: Mapping[str, Any], forget: str = "") -> None:
        """Store what one pad's axes and buttons do; ``forget``: the key under which that was stored before."""
        path = pads_path(self.home)
        pads = read(path)
        devices = {key: one for key, one in pads.get("devices", {}).items() if key != forget}
        self._write("", "pad", {path: dumps({**pads, "devices": {**devices, device: dict(table)}})})

    def undo(self) -> bool:
        """Take the last change back; False where there is none, or where the files have been changed elsewhere since."""
        if not self._done:
            return False
        change, now = self._done[-1], self.content()
        if any(now.get(path) != content for path, content in change.after.items()):
            self._done.clear()
            return False
        self._put(change.before)
        self._done.pop()
        return True

    def restore(self) -> bool:
        """Make the files what they were at the beginning; that can be taken back, too. False where they are."""
        now = self.content()
        changed = {path: content for path, content in self._first.items() if now.get(path) != content}
        if changed:
            self._put(changed)
            self._done.append(_Change("restore", 0.0, {path: now.get(path) for path in changed}, changed))
        return bool(changed)

    def mine(self, section: str) -> Mapping[str, Any]:
        """Return what the player's own file says of a section, with its mistakes."""
        said = read(settings_path(self.home)).get(section)
        return said if isinstance(said, Mapping) else {}

    def _write(self, what: str, section: str, texts: Mapping[Path, str]) -> None:
        load(self.home, section, unsaved=texts)  # raises
        before = {path: content for path, content in self.content().items() if path in texts}
        after: dict[Path, bytes | None] = {}
        try:
            for path, text in texts.items():
                after[path] = write(path, text)
        except OSError as error:
            with contextlib.suppress(InputFileError):
                self._put({path: before[path] for path in after})
            raise _not_saved(error) from error
        change = _Change(what, time.monotonic(), before, after)
        last = self._done[-1] if self._done else None
        if what and last and last.what == what and change.at - last.at < _ONE_MOVE_S and last.after == before:
            change.before = last.before
            self._done.pop()
        self._done.append(change)

    def content(self) -> dict[Path, bytes | None]:
        """Return what the files hold; None for one that is not there."""
        found: dict[Path, bytes | None] = {}
        for path in self.paths():
            try:
                found[path] = held.read_bytes(path) if path.is_file() else None
            except OSError as error:
                raise InputFileError(f"{path.name} cannot be read {held.why(error, 'check the home folder')}.") from error
        return found

    @staticmethod
    def _put(content: Mapping[Path, bytes | None]) -> None:
        for path, was in content.items():
            try:
                if was is None:
                    held.unlink(path)
                else:
                    held.write_whole(path, was)
            except OSError as error:
                raise _not_saved(error) from error


def stamp(paths: tuple[Path, ...]) -> tuple[tuple[int, int], ...]:
    """Return what changes when one of the files does."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            status = os.stat(path)
            found.append((status.st_mtime_ns, status.st_size))
            continue
        found.append((0, 0))
    return tuple(found)


def _plain(value: Any) -> Any:
    """Return a value as a file holds it."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _not_saved(error: OSError) -> InputFileError:
    return InputFileError(f"The settings cannot be saved {held.why(error, 'check the home folder')}.")
