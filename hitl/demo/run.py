"""The demo put together: without a window and faster than real time, or in a window with the player at the wheel."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from data.records import Corner
from hitl.coach.sounds import Sounds
from hitl.console import console
from hitl.demo.cards import closing_card
from hitl.demo.demo import PHASES, Demo, DemoResult, Phase, Progress
from hitl.demo.window import DemoWindow
from hitl.drivers.human import HumanDriver, HumanOrScripted, NoHuman, ScriptedHuman, scripted_human
from hitl.drivers.person import NO_ONE
from hitl.drivers.scripted import HelpRule
from hitl.drivers.wheel import player_pad
from hitl.home import Home
from hitl.screens.coach_screen import speaker
from hitl.screens.trainer_state import HeartbeatReader
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import load
from hitl.settings_desk.pause import PauseSettings
from hitl.trainer_process import TrainerProcess
from takeover_ui.window.window import Window

HELP_SECONDS = 32.0  # of scripted takeover; one that has begun is finished
SHOWN = 10  # laps of an evaluation while it learns, in a window: a player watches them, and twenty take as long as the driving


class TerminalProgress(Progress):
    """A bar for each part of the demo."""

    def __init__(self, bar: Bar, stopping: Callable[[], bool]) -> None:
        self._bar, self._stopping, self._told = bar, stopping, False
        self._task = bar.add_task("starting", total=1.0, text="")

    def phase(self, phase: Phase) -> None:
        """Show the part that begins."""
        self._heed()
        self._bar.update(self._task, description=PHASES[phase], completed=0.0, text="")

    def lap(self, number: int, of: int) -> None:
        """Count the laps of an evaluation."""
        self._heed()
        self._bar.update(self._task, completed=(number - 1) / of, text=f"lap {number} of {of}")

    def step(self, share: float, text: str) -> None:
        """Show how far it is."""
        self._bar.update(self._task, completed=min(1.0, share), text=text)

    def _heed(self) -> None:
        """Say once that the player's Ctrl+C was heard, also while laps are still measured."""
        if not self._told and self._stopping():
            self._told = True
            self._bar.console.print("Stopping: what was learned is still measured. Ctrl+C once more ends it at once.")


def run_headless(
    home: Home,
    env: str,
    track: str,
    corner: Corner,
    *,
    seed: int,
    minutes: float,
    skill: str,
    stopping: Callable[[], bool] = lambda: False,
) -> DemoResult:
    """Run the demo in lock-step; the scripted driver takes over (``skill`` ``NO_ONE``: no one does).

    ``stopping``: whether this process was asked to end; what was learned until then is still measured.
    """
    words = [TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[text]}")]
    columns = (words[0], BarColumn(), words[1], TimeElapsedColumn())
    options = SessionOptions(env, track, kind="demo", seed=seed)
    with (
        SessionSetup(home, options, human=lambda t: NoHuman() if skill == NO_ONE else _helper(t, corner, seed, skill)) as rig,
        _trainer(home, seed) as trainer,
        Bar(*columns, console=console(stderr=True)) as bar,
    ):
        return Demo(rig, rig, trainer, corner, TerminalProgress(bar, stopping), minutes=minutes, cancelled=stopping).run()


def run_in_window(
    home: Home,
    env: str,
    track: str,
    corner: Corner,
    window: Window,
    *,
    seed: int,
    minutes: float,
    stand_in: bool,
    skill: str,
    stopping: Callable[[], bool] = lambda: False,
) -> DemoResult | None:
    """Run the demo in real time in an open window, which stays open; evaluations are fast-forwarded.

    None where the player has closed the window before anything was driven.

    ``stand_in``: where the player does not take over, the scripted driver does. ``stopping``: as there, and as
    if the player had left.
    """
    if window.closed:  # while this module was loaded
        return None
    with contextlib.ExitStack() as stack:
        shown = DemoWindow(window, corner)
        shown.settings = PauseSettings(home, window, {"takeover": {"mode": shown.gating.mode}})
        stack.callback(shown.settings.close)

        def wheel(loaded: Any) -> Any:
            pad = player_pad("auto", "", home, window)
            stack.callback(pad.close)
            player = HumanDriver(pad)
            return HumanOrScripted(player, _helper(loaded, corner, seed, skill)) if stand_in else player

        def ended() -> bool:
            return window.closed or stopping()

        def leaves() -> bool:
            return ended() or live.session.asked_to_leave()

        chosen = load(home, "coach", "help")
        # The wheel is offered before the corner, and the coach says why; the agent itself does not ask as well.
        coach, offers = chosen.coach, replace(chosen.help, requests_per_minute=0.0)
        sounds = stack.enter_context(Sounds(coach.sound and coach.say != "off", coach.volume))
        driven = SessionOptions(
            env, track, kind="demo", seed=seed, real_time=True, gating=shown.gating, help=offers, coach=coach, show=True
        )
        measured = SessionOptions(env, track, kind="evaluation", seed=seed)
        say = shown.coached_by(speaker(window, sounds))
        live = stack.enter_context(
            SessionSetup(home, driven, human=wheel, watch=shown, stop=ended, say=say)
        )
        referee = stack.enter_context(SessionSetup(home, measured, watch=shown.fast_tick, stop=leaves))
        if window.closed:
            return None
        trainer = stack.enter_context(_trainer(home, seed))
        shown.begin_demo(live, trainer, stack.enter_context(HeartbeatReader(home.root)))
        demo = Demo(
            live,
            referee,
            trainer,
            corner,
            shown,
            minutes=minutes,
            paced=False,
            between=SHOWN,
            cancelled=lambda: ended() or live.session.leaving,
        )
        result = demo.run()
        shown.session_over()
        window.card(closing_card(shown.words))  # the trainer may need some seconds to end
        print("Writing down what was learned ...", flush=True)
        return result


def _helper(track: Any, corner: Corner, seed: int, skill: str) -> ScriptedHuman:
    rule = HelpRule(corners=frozenset({corner.name}), patient=True, danger=False, onward=True)
    return scripted_human(track, skill, rule, seed=seed, corners=(corner,), limit_s=HELP_SECONDS)


def _trainer(home: Home, seed: int) -> TrainerProcess:
    # A player who watches wants to see each lesson soon, and the agent has its first thousand steps behind it.
    return TrainerProcess(
        home, "--seed", str(seed), "--quiet", "--set", "checkpoint_seconds=2", "--set", "warmup_steps=0"
    )
