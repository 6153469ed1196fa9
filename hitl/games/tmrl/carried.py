"""What a session in our own environments carries over from a player's ``config.json`` of tmrl."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hitl.home import Home
from hitl.settings import load, settings_path
from hitl.task.driving_task import TaskSettings
from trainer.tmrl.config import NOT_CARRIED, SESSION, settings_of
from trainer.tmrl.reader import TmrlConfig
from trainer.tmrl.session import session_of

OURS = ("box2d", "trackmania")
"""Environments whose reward and rate are settings of ours."""


def task_of(path: Path, home: Home, env: str) -> TaskSettings | None:
    """Return the task of a session under such a file, and print what is carried over and what is not.

    None where the environment has a reward of its own. What settings.toml sets of the reward goes before the file. Raises
    InputFileError.
    """
    config = TmrlConfig.read(path)
    _, uses = settings_of(config)
    if env not in OURS:
        print(f"{config.name}: its reward and rate are not carried over to --env {env}, which has its own.", flush=True)
        return None
    found = session_of(config)
    own = load(home, "reward").reward
    settings = load(home, "observation", "reward", over={"reward": {**found.reward, **own}})
    taken, left = (
        ", ".join(sorted({u.key for u in uses if u.status == status})) for status in (SESSION, NOT_CARRIED)
    )
    print(f"Taken over from {config.name}: {taken or 'nothing'}.", flush=True)
    if left:
        print(f"Not carried over: {left} (`hitl config show FILE` says why).", flush=True)
    if own:
        print(f"{settings_path(home).name} goes before it: {', '.join(own)}.", flush=True)
    return replace(settings.task, hz=found.hz or settings.task.hz)
