"""The three files in which settings are kept, and how they are written.

``settings.toml`` is the player's: a change leaves their comments, their order and their other lines as they are. ``pads.toml``
and ``overlay.toml`` are ours. A home that a demo has made for itself has no settings of its own: those of the default home follow
the player there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from data.errors import InputFileError
from data.extras import install
from data.files import held
from data.files.text_files import parse_toml, read_text, strict_toml
from hitl.home import Home, default_home, demos_folder

Unsaved = Mapping[Path, str]
"""Texts of files that are not written yet."""


def settings_path(home: Home) -> Path:
    """Return the player's own file."""
    return _followed(home, "settings.toml")


def pads_path(home: Home) -> Path:
    """Return the file of calibrations and mappings."""
    return _followed(home, "pads.toml")


def overlay_path(home: Home) -> Path:
    """Return the file in which the window keeps how the player has arranged the gauges."""
    return _followed(home, "overlay.toml")


def _followed(home: Home, name: str) -> Path:
    own = home.root / name
    return own if home.root.parent != demos_folder() or os.path.lexists(own) else default_home() / name


def read(path: Path, unsaved: Unsaved | None = None) -> dict[str, Any]:
    """Return a file's table, empty where there is no file. Raises InputFileError."""
    if unsaved is not None and path in unsaved:
        return parse_toml(unsaved[path], path.name)
    return parse_toml(read_text(path), path.name) if os.path.lexists(path) else {}


def with_values(path: Path, section: str, values: Mapping[str, Any], defaults: Any = None) -> str:
    """Return the text of a file of settings with some of a section changed; everything else in it stays, comments included.

    A value of None means back to the default: the line goes, or says the default (an attribute of ``defaults``) where a comment
    stands behind it. Raises InputFileError for a file that cannot be read, which is never changed.
    """
    try:
        import tomlkit
        from tomlkit.exceptions import TOMLKitError
    except ImportError:
        raise InputFileError(f"The package tomlkit, which writes {path.name}, is not installed; {install()}.") from None

    text = read_text(path) if os.path.lexists(path) else ""
    parse_toml(text, path.name)  # the sentence for a player, where it is wrong
    try:
        document = tomlkit.parse(strict_toml(text))
        if section not in document:
            if all(value is None for value in values.values()):
                return text
            document[section] = tomlkit.table()
        table: Any = document[section]
        if not isinstance(table, MutableMapping):
            raise InputFileError(f"{path.name}: [{section}] must be a table of settings, each on a line of its own.")
        for name, value in values.items():
            if value is not None:
                table[name] = list(value) if isinstance(value, tuple) else value
            elif name in table and _comment_behind(table, name):
                table[name] = getattr(defaults, name)
            elif name in table:
                del table[name]
        return tomlkit.dumps(document)
    except TOMLKitError as error:
        raise InputFileError(f"{path.name} cannot be changed from here ({error}): change it with an editor.") from error


def _comment_behind(table: Any, name: str) -> bool:
    """Tell whether a comment stands behind a setting, on its line."""
    lines: Any = getattr(table, "value", None)
    return hasattr(lines, "item") and bool(lines.item(name).trivia.comment)


def write(path: Path, text: str) -> bytes:
    """Replace a file whole, with the ends of lines that it has, and return its content. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ends = b"\r\n" if path.is_file() and b"\r\n" in held.read_bytes(path) else b"\n"
    content = text.encode().replace(b"\n", ends)
    held.write_whole(path, content)
    return content


def dumps(table: Mapping[str, Any]) -> str:
    r"""Return nested tables as TOML for our reader, which takes the backslash of a ``\n`` for one of a path."""
    import tomli_w

    def spelt(found: re.Match[str]) -> str:
        return f"\\u{ord(found[0].encode().decode('unicode_escape')):04x}" if found[0][1] in "bfnrt" else found[0]

    return re.sub(r"\\.", spelt, tomli_w.dumps(table))
