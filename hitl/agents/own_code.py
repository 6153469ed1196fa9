"""Code that lies in a home: it may come from another person, as the home may, and is run only where the command line names it.

What a home's settings name and lies elsewhere (installed, or in a folder of the user's) is the user's own, and is run.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import InputFileError, UsageError, shown, visible
from data.files.paths import as_typed, user_path
from hitl.home import Home
from hitl.settings_desk.files import settings_path

if TYPE_CHECKING:
    from hitl.settings import AgentSettings, Settings

PYTHON = re.compile(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*(\.\w+)*")
PROGRAMS = (".pt", ".ts")  # TorchScript
_WHY = "lies in this home folder, which may come from another person: it is run only where you name it."


def named_agent(home: Home, settings: Settings) -> AgentSettings:
    """Return the agent that is set or typed. Raises InputFileError where settings.toml alone names code that lies in the home."""
    agent = settings.agent
    if settings.origin.get("agent.use") == settings_path(home).name and _is_code_of(home, agent.use):
        raise InputFileError(
            f"The agent that settings.toml names, '{shown(agent.use)}', {_WHY} Add --agent {as_typed(visible(agent.use))} to "
            "your command for that, or --agent none for the home's own agent."
        )
    return agent


def check_env(home: Home, settings: Settings) -> None:
    """Raise UsageError where settings.toml alone names a game whose package lies in the home."""
    env = settings.play.env
    if settings.origin.get("play.env") == settings_path(home).name and game_lies_in(home, env):
        raise UsageError(
            f"The package of the game that settings.toml names, {shown(env)}, {_WHY} Add --env {as_typed(visible(env))} to your "
            "command for that, or --env with another game."
        )


def game_lies_in(home: Home, env: str) -> bool:
    """Tell whether opening a game runs a package that lies in the home."""
    package = env.removeprefix("gym:").rpartition(":")[0]
    return env.startswith("gym:") and bool(package) and _module_lies_in(home, package)


def import_last_here(module: str) -> Any:
    """Import a module; one in the current folder is found, too, but last, and only where there is none elsewhere.

    That folder may be a home: what a module elsewhere imports if it is there is not looked for in it. Where the module itself is
    found there, so are those beside it that it imports later, as it drives.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
    sys.path.append("")
    try:
        found = importlib.import_module(module)
    finally:
        sys.path.remove("")
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)
    return found


def lies_in(path: str | Path, folder: Path) -> bool:
    """Tell whether a file lies in a folder, by its path or by where its links lead."""
    for whole in (Path(os.path.abspath(path)), Path(os.path.realpath(path))):
        for above in (whole, *whole.parents):
            with contextlib.suppress(OSError):
                if os.path.samefile(above, folder):
                    return True
    return False


def _is_code_of(home: Home, use: str) -> bool:
    path = user_path(use)
    if path.is_file():
        return path.suffix.lower() in PROGRAMS and lies_in(path, home.root)
    return bool(PYTHON.fullmatch(use)) and _module_lies_in(home, use.partition(":")[0])


def _module_lies_in(home: Home, module: str) -> bool:
    """Tell whether importing a module would run a file of the home. Nothing is imported for that."""
    prefix = Path(sys.prefix)
    for file in _files_of(module):
        # A home may be a project's folder, with the environment in it that this very program runs from.
        runs_from_it = lies_in(file, prefix) and not lies_in(home.root, prefix)
        if not runs_from_it and lies_in(file, home.root):
            return True
    return False


def _files_of(module: str) -> Iterator[str]:
    """Yield the files that importing a module runs: its own, and those of the packages that it is in."""
    name, path = "", None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        loaded = sys.modules.get(name)
        if loaded is not None:
            file, path = getattr(loaded, "__file__", None), getattr(loaded, "__path__", None)
        else:
            spec = _spec_of(name, path)
            if spec is None:
                return
            file, path = spec.origin if spec.has_location else None, spec.submodule_search_locations
        if file:
            yield file
        if path is None:
            return


def _spec_of(name: str, path: Any) -> Any:
    """Return where a module would be found in a package's ``path``; None: of the first level, the current folder last."""
    sys.path.append("")
    try:
        found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        return next((spec for spec in found if spec is not None), None)
    finally:
        sys.path.remove("")
