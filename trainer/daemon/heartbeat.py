"""The trainer's heartbeat: a small file in the home folder that anyone may read. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from data.files import held
from data.files.paths import is_no_room

NAME = "trainer.json"
TOKEN = "HITL_TRAINER_TOKEN"
SILENT_S = 15.0  # a trainer that writes a checkpoint to a slow disk may be silent for a while, but not longer
"""The environment variable in which whoever starts a trainer gives it a token, to know its heartbeat by."""


@dataclass(slots=True)
class Heartbeat:
    """How training is going."""

    pid: int = 0
    token: str = ""
    """What the trainer was given at its start (``TOKEN``)."""
    at: float = 0.0
    """Unix time of the beat."""
    ticks: float = 0.0
    """The same on the system's monotonic clock, which no setting of the wall's moves: ages are told by it."""
    state: str = "starting"
    """``starting``, ``waiting`` (no steps yet, or too few), ``training``, ``idle`` (all updates done), ``paused``,
    ``stopped`` or ``failed``."""
    detail: str = ""
    """What it is ``waiting`` for, why it is ``idle``, or what it is ``training`` on or trying, in words that follow the state."""
    laps_learned: float = 0.0
    """How much of what laps show before the first drive is learned (0 to 1); 0 where there are no such laps."""
    updates: int = 0
    online_steps: int = 0
    """Online steps of the store that have been read."""
    env_steps: int = 0
    """Online steps of the whole run, earlier stores included."""
    owed_updates: int = 0
    """Updates still to be made, for driven steps and for laps."""
    steps_missing: int = 0
    """Driven steps after which learning begins, while it is ``waiting`` for them; 0: none, or not known."""
    steps_behind: int = 0
    """So many driven steps ask for as many updates as are owed; 0 while laps are learned from before the first drive."""
    steps_forgiven: int = 0
    """Online steps for which no updates are owed any more: they were too many when they were read (``max_debt_steps``)."""
    hz: float = 20.0
    """Steps in a second of the newest drive."""
    utd: float = 0.0
    """Updates for each online step since the trainer's start, without those on laps before the first drive."""
    utd_wanted: float = 0.0
    """Updates for each online step that the recipe asks for."""
    updates_per_second: float = 0.0
    checkpoint: str = ""
    checkpoint_at: float = 0.0
    checkpoint_ticks: float = 0.0
    unsaved: int = 0
    """Updates that no checkpoint holds yet."""
    demo_rows: int = 0
    takeover_seconds: float = 0.0
    """Seconds of takeover in the demo half."""
    bc_weight: float = 0.0
    below_best: int = 0
    """How many of the newest evaluations in a row lie significantly below the best."""
    held_back: str = ""
    """A sentence while drives without noise are not by the newest weights."""
    finding: str = ""
    """A sentence while the trainer finds in itself a reason why it cannot learn well."""
    finding_title: str = ""
    """The same in a few words."""
    problem: str = ""
    """A sentence when something is wrong."""

    @property
    def doing(self) -> str:
        """The state with its detail."""
        return f"{self.state} {self.detail}".rstrip()

    @property
    def left_s(self) -> float | None:
        """Seconds until all is learned that is owed; None while it is not learning, or its pace is not known."""
        known = self.state == "training" and self.updates_per_second > 0.0
        return self.owed_updates / self.updates_per_second if known else None

    @property
    def age_s(self) -> float:
        """Seconds since the beat."""
        return _age(self.ticks, self.at)

    @property
    def checkpoint_age_s(self) -> float | None:
        """Seconds since the last checkpoint; None before the first of this trainer, also where it goes on from one."""
        return _age(self.checkpoint_ticks, self.checkpoint_at) if self.checkpoint_at else None


def _age(ticks: float, at: float) -> float:
    """Return the seconds since a moment; the wall's clock is asked only when the machine was started since."""
    age = time.monotonic() - ticks
    return age if ticks and age >= 0.0 else max(0.0, time.time() - at)


def write_heartbeat(root: Path, beat: Heartbeat, name: str = NAME) -> None:
    """Write the beat so that a reader sees the old one or the new one, never half of one.

    On a full disk it is written over the one before, which takes no room: who waits for the trainer must hear of it.
    """
    content = json.dumps(asdict(beat)).encode()
    with contextlib.suppress(OSError):  # a reader on Windows that stays: the next beat will do
        try:
            held.write_whole(root / name, content)
        except OSError as error:
            if not is_no_room(error):
                raise
            with (root / name).open("r+b", buffering=0) as file:
                file.write(content.ljust(os.fstat(file.fileno()).st_size))  # blanks behind JSON do not matter


def read_heartbeat(root: Path, name: str = NAME) -> Heartbeat | None:
    """Return the newest beat; None when there is none or it cannot be read."""
    try:
        values = json.loads(held.read_bytes(root / name))
        known = {f.name for f in fields(Heartbeat)}
        return Heartbeat(**{k: v for k, v in values.items() if k in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def unreadable(root: Path) -> str:
    """Return why the newest beat cannot be read, with what to do, for a sentence; "" where it can, or where there is none."""
    try:
        held.open_to_read(root / NAME).close()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return held.why(error, "make it readable")
    return ""
