"""What a session offers in a home in which no agent has learned anything yet."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Literal

from data.errors import StoreError
from data.store import Store
from hitl.coach.first_touch import FirstTouch
from hitl.coach.rules import Said, Say
from hitl.home import Home
from hitl.trainer_process import TrainerProcess
from takeover_ui.view import Card
from trainer.daemon import control

if TYPE_CHECKING:
    from collections.abc import Callable

    from hitl.screens.session_screen import SessionScreen
    from hitl.session.setup import SessionSetup
    from takeover_ui.window.window import Window

FirstDrive = Literal["laps", "agent", "drive", "leave"]
LAPS = 2  # finished ones from which the agent learns the way


def nothing_learned(home: Home) -> bool:
    """Tell whether a home has neither a checkpoint nor a finished lap."""
    if not home.store_path.exists():
        return True
    with contextlib.suppress(StoreError), Store(home.store_path, read_only=True) as store:
        return store.latest_checkpoint() is None and not store.glance().laps
    return False


def offer(window: Window, left: Callable[[], bool], *, agent: bool, training: bool = False) -> FirstDrive:
    """Ask what to do, and wait for the answer; each key has one meaning, whatever is offered.

    ``left``: they are gone; ``agent``: there is a demo's agent for this road; ``training``: a trainer is at work, which would not
    learn on from that one.
    """
    words = window.options.words
    lines = [words.say("empty_laps", n=LAPS), words["empty_random"]]
    if agent:
        lines.insert(1, words["empty_agent_later" if training else "empty_agent"])
    answers: dict[str, FirstDrive] = {"1": "laps", "2": "agent", "3": "drive", "escape": "leave"}
    if not agent or training:
        del answers["2"]
    keys = words["empty_keys" if "2" in answers else "empty_keys_two"]
    window.card(Card(words["empty_title"], tuple(lines), keys=keys))
    while not (window.closed or left()):
        for key in sorted(window.keys()):
            answer = key.strip("[]")  # the number pad's digits, too
            if answer in answers:
                window.card(None)
                return answers[answer]
        time.sleep(0.02)
    return "leave"


def drive_first_laps(rig: SessionSetup, watch: SessionScreen, seed: int, say: Say) -> bool:
    """Let the player drive laps until ``LAPS`` are finished, then start the trainer; False when they leave before."""
    finished = driven = 0
    while finished < LAPS:
        line, waiting = watch.words.say("drive_lap", number=finished + 1, of=LAPS), watch.words["lap_waits"]
        watch.message = line

        def show(waits: bool, line: str = line, waiting: str = waiting) -> None:
            watch.message = f"{line}. {waiting}" if waits else line

        result = rig.session.episode("lap", seed=1000 * seed + driven, awaits=FirstTouch(show))
        watch.episode_over(result)
        driven += 1
        finished += result.reason == "finish"
        if rig.session.leaving or rig.session.stop():
            return False
    watch.message = ""
    rig.written()
    start_trainer(rig.home, say, rig.session.stop)
    return True


def start_trainer(home: Home, say: Say, left: Callable[[], bool]) -> None:
    """Start a trainer that outlives the session, unless one is at work. Raises TrainingError. ``left``: they are gone."""
    if not control.running(home.store_path):
        TrainerProcess(home, "--quiet", detached=True).wait_for_heartbeat(left=left)
        say(Said("trainer_started", "good"))
