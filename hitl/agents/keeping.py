"""Agents that have driven in a home: their files are kept there, so that the trainer and an export can open them again.

``agents/KEY/`` holds copies of the agent's files and ``agent.json``, which says how it was opened. KEY follows from what it is
known by, so one agent is kept once. What the store holds of it is its identity alone, in the session's event ``agent``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from data.errors import InputFileError, StoreError, shown
from data.files import held
from data.files.paths import user_path
from data.files.text_files import read_json
from data.files.validation import SettingPlace, filled
from data.store import Store
from data.tables.sessions import ONLY_A_PAD
from hitl.agents.agent import Agent, AgentIdentity, Floats
from hitl.agents.opening import PAD, NumberNames, file_of, open_agent
from hitl.agents.own_code import PROGRAMS
from hitl.home import Home
from hitl.settings import AgentSettings

FOLDER, SETTINGS = "agents", "agent.json"


def folder_of(home: Home, identity: Mapping[str, Any]) -> Path:
    """Return the folder in which the agent of that identity is kept, or would be."""
    known = [identity.get("kind"), identity.get("sha256") or identity.get("name"), identity.get("settings") or {}]
    return home.root / FOLDER / hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


def keep(home: Home, identity: AgentIdentity, wanted: AgentSettings) -> None:
    """Copy an agent's files into the home, unless they are there. Raises StoreError when they cannot be written."""
    folder = folder_of(home, identity.as_dict())
    if (folder / SETTINGS).is_file():
        return
    path = file_of(wanted, home)
    files = {"use": path, "actions": _path(wanted.actions), "normalize": _path(wanted.normalize)}
    kept = asdict(wanted) | {name: file.name for name, file in files.items() if file is not None}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in filter(None, files.values()):
            shutil.copyfile(file, folder / file.name)
        held.write_whole(folder / SETTINGS, json.dumps({"identity": identity.as_dict(), "opened": kept}, indent=1))
    except OSError as error:
        raise StoreError(
            f"The agent cannot be kept in the home folder ({shown(error.strerror or error)}): make room there, or choose another "
            "with --home."
        ) from error


def _path(text: str) -> Path | None:
    return user_path(text) if text else None


def kept_settings(home: Home, identity: Mapping[str, Any]) -> AgentSettings:
    """Return how the agent of that identity is opened, from its copies. Raises InputFileError when it is not kept here."""
    folder = folder_of(home, identity)
    if not (folder / SETTINGS).is_file():
        raise InputFileError(
            f"The agent '{shown(identity.get('name'))}' drove here and is not kept in this home folder (perhaps it drove on "
            "another machine): name its file with --agent."
        )
    said = read_json(folder / SETTINGS)
    opened = said.get("opened") if isinstance(said, dict) else None
    if not isinstance(opened, dict) or not opened.get("use"):
        raise InputFileError(f"What is kept of the agent '{shown(identity.get('name'))}' is damaged: name its file with --agent.")
    wanted = filled(AgentSettings(), {k: v for k, v in opened.items() if v is not None}, SettingPlace(SETTINGS, "opened"))
    files = {name: folder / Path(text).name for name in ("use", "actions", "normalize") if (text := getattr(wanted, name))}
    # A home may come from elsewhere: a program that it names, or holds, was not typed here.
    if not files["use"].is_file() or files["use"].suffix.lower() in PROGRAMS:
        raise InputFileError(
            f"The agent '{shown(identity.get('name'))}' is a program, and is run only where it is named with --agent."
        )
    named: dict[str, Any] = {name: str(file) for name, file in files.items()}
    return replace(wanted, **named)


@dataclass(frozen=True)
class AskedAgent:
    """An agent that is asked what it would have done along an episode: observations (T, O) and what was done (T, A) to (T, A)."""

    agent: Agent

    @property
    def name(self) -> str:
        """What it is known by, for the player."""
        return self.agent.identity.name

    def __call__(self, observations: Floats, executed: Floats) -> Floats:
        """See above."""
        return self.agent.follow(observations, executed)


def known_agents(store: Store) -> list[dict[str, Any]]:
    """Return the agents from elsewhere that a store knows, the one that drove last at the end.

    Those of evaluations come first: what ours was exported into, say, was only measured here.
    """
    evaluated = {session.id for session in store.sessions() if session.kind == "evaluation"}
    return [agent for _, agent in sorted(store.agents().items(), key=lambda found: found[0] not in evaluated)]


def teacher(
    home: Home, wanted: AgentSettings, observation_names: NumberNames, action_names: NumberNames
) -> AskedAgent:
    """Return the agent that is ``wanted``, to be asked, or else the one that drove here last, whatever has driven since.

    Once ours is taught, it drives without that. One that was only evaluated here (what ours was exported into, say) teaches where
    no other drove. Raises InputFileError when there is none, or it cannot be opened.
    """
    if wanted.use not in ("", "none") and not wanted.use.startswith(PAD):  # of a pad nothing can be asked
        return AskedAgent(open_agent(wanted, home, observation_names, action_names))
    with Store.open_existing(home.store_path) as store:
        known = [agent for agent in known_agents(store) if agent.get("kind") != ONLY_A_PAD]
    if not known:
        raise InputFileError(
            "No agent from elsewhere drives here, so none can teach (frozen_teaches): let it drive, `hitl play --agent FILE`."
        )
    return AskedAgent(open_agent(kept_settings(home, known[-1]), home, observation_names, action_names))


def driving_agent(store: Store, home: Home) -> Agent | None:
    """Return the agent that drove the newest session here, opened again; None where that was one of the home's own checkpoints.

    Raises InputFileError when it is not kept here or cannot be opened any more.
    """
    session, identity = store.newest_session(), store.newest_agent()
    if session is None or identity is None:
        return None
    return open_agent(kept_settings(home, identity), home, session.observation_names, session.action_names)
