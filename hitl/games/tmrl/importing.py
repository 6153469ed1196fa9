"""Importing tmrl without letting it rearrange the program.

Its import configures the root logger, sets a WandB key in the environment, makes ``TmrlData`` in the user's folder and tries to
download what belongs there. Here it finds a prepared folder or is not imported at all, and what it changed is put back.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from data.errors import DeviceError, InputFileError
from data.extras import install_tmrl
from data.files.paths import user_path
from data.files.text_files import read_json
from hitl.games.hang_guard import brief
from hitl.games.tmrl.layout import find_module, modules, where

FOLDER = "TmrlData"


def find_data(folder: str | Path = "") -> Path:
    """Return the prepared ``TmrlData`` in ``folder`` (the user's own by default).

    Raises:
        InputFileError: there is none, or its config.json cannot be read.
    """
    data = user_path(folder or "~") / FOLDER
    config = data / "config" / "config.json"
    if not config.is_file():
        raise InputFileError(
            f"There is no {FOLDER}/config/config.json in {'the folder that was set' if folder else 'your home folder'}: set tmrl "
            "up first (its own `python -m tmrl --install`), or name the folder under [tmrl] in settings.toml."
        )
    read_json(config)  # which names what is wrong with it
    try:
        json.loads(config.read_text())  # as tmrl does: in the encoding that this machine takes for its own
    except (OSError, ValueError) as error:
        raise InputFileError(
            "tmrl reads its config.json itself, and cannot read this one: save it as UTF-8 without a byte order mark, without "
            "comments, and with every backslash doubled."
        ) from error
    return data


def usual_reward(data: Path) -> Path:
    """Return where tmrl looks for its reward file, unless a fork has moved it."""
    return data / "reward" / "reward.pkl"


AGAIN = "record the map's line again (tmrl's own `python -m tmrl --record-reward`)"


def check_reward(path: Path) -> str:
    """Look at tmrl's reward file before tmrl does, which unpickles it and so runs what is in it; return a note, "" for none.

    The note says that nothing is paid, or that there is no progress. Raises InputFileError where the file is none that tmrl
    could use, or where more than positions is in it.
    """
    from hitl.road.track import load_track, reward_points

    name = "/".join(path.parts[-3:]) if path.parts[-3:-2] == (FOLDER,) else path.name
    if not path.is_file():
        return f"There is no {name}, so tmrl pays nothing and nothing can be learned: {AGAIN}."
    try:
        reward_points(path)
    except InputFileError as error:
        why = str(error).rstrip(".")
        raise InputFileError(f"tmrl's {name} is not given to tmrl: {why}. To get a right one, {AGAIN}.") from error
    try:
        load_track(path)
    except InputFileError as error:
        why = str(error).rstrip(".")
        return f"There is no progress here, as tmrl's {name} is no line that can be driven along ({why}): {AGAIN}."
    return ""


def import_tmrl(folder: str | Path = "", name: str = "tmrl") -> ModuleType:
    """Import tmrl (or a module of it) for the ``TmrlData`` in ``folder``; one folder for the whole program.

    A module that a fork has moved is found by its last name.

    Raises:
        DeviceError: it is not installed, fails while being imported, has no such module, or was imported for another folder
            before.
        InputFileError: there is no prepared folder.
    """
    data = find_data(folder)
    loaded = next((m.TMRL_FOLDER for m in modules() if hasattr(m, "TMRL_FOLDER")), None)
    if loaded is not None and Path(loaded) != data:
        raise DeviceError("tmrl was imported for another folder before, and reads its settings only once: start again.")
    try:
        with contained(data.parent):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == "tmrl":
            raise DeviceError(f"The package tmrl is not installed: {install_tmrl()}; docs/trackmania.md says more.") from None
        if f"{name}.".startswith(f"{error.name}."):  # the module itself, or a package that it should lie in
            leaf = name.rpartition(".")[2]
            moved = find_module(leaf)
            if moved is not None and moved != name:
                return import_tmrl(folder, moved)
            raise DeviceError(
                f"The tmrl in {where()} has no module '{leaf}': it is laid out in a way that is not known here, so --env tmrl "
                "cannot drive it. If its environment has a Gymnasium id, --env gym:ID can."
            ) from error
        if str(error.name).startswith("tmrl."):
            raise DeviceError(
                f"The tmrl in {where()} asks for its own module {error.name}, which is missing: install it again."
            ) from error
        raise DeviceError(f"tmrl needs the package {error.name}, which is not installed.") from error
    except BaseException as error:
        for loaded_name in [n for n in sys.modules if n.split(".")[0] == "tmrl"]:
            del sys.modules[loaded_name]  # half of it would only hide the reason the next time
        if isinstance(error, KeyboardInterrupt):
            raise
        if isinstance(error, KeyError) and error.args:
            raise DeviceError(
                f"tmrl cannot be imported: it asks its config.json for {error.args[0]}, which is not in there. That file was "
                f"made for another tmrl, such as a fork: take the config.json that this tmrl came with, or install the tmrl that "
                "yours belongs to."
            ) from error
        raise DeviceError(f"tmrl cannot be imported ({brief(error)}); look at its config.json.") from error


@contextlib.contextmanager
def contained(home: Path) -> Iterator[None]:
    """Let what is imported inside believe that ``home`` is the user's folder; undo what it does to logger and environment."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    key = os.environ.get("WANDB_API_KEY")
    real = Path.__dict__.get("home")  # None: of a base class, as in Python 3.13
    Path.home = classmethod(lambda cls: cls(home))  # type: ignore[method-assign,assignment]
    guard = logging.NullHandler()
    root.addHandler(guard)  # with a handler there, logging.basicConfig does nothing
    try:
        yield
    finally:
        if real is None:
            del Path.home
        else:
            Path.home = real  # type: ignore[method-assign]
        root.removeHandler(guard)
        for handler in [h for h in root.handlers if h not in handlers]:
            root.removeHandler(handler)
        root.setLevel(level)
        if key is None:
            os.environ.pop("WANDB_API_KEY", None)
        else:
            os.environ["WANDB_API_KEY"] = key
