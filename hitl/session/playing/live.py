"""A session of `hitl play` with all that is around it: its window, its sounds, its trainer, and what is said before and after."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from dataclasses import replace

from data.errors import HitlError
from data.words import number_of
from hitl.coach.sounds import Sounds
from hitl.demo.shipped import SHIPPED, add_shipped, open_shipped
from hitl.drivers.human import has_pad, pads_pause, persons_pad
from hitl.drivers.wheel import open_human, ways_out
from hitl.games.tmrl.carried import task_of
from hitl.games.world import World
from hitl.home import Home, in_home
from hitl.screens.beforehand import layouts_apart, others_driving
from hitl.screens.coach_screen import Caller, speaker, tell_ending
from hitl.screens.empty_home import FirstDrive, drive_first_laps, nothing_learned, offer, start_trainer
from hitl.screens.recording import Recording
from hitl.screens.session_screen import SessionScreen
from hitl.screens.telling import line_keeper, teller
from hitl.screens.trainer_state import HeartbeatReader
from hitl.session.playing.play_loop import PlayLoop
from hitl.session.setup import MakePolicy, SessionSetup
from hitl.session_options import PlayPlan
from hitl.settings import PlaySettings
from hitl.settings_desk.pause import PauseSettings
from hitl.trainer_process import wait_for_laps
from takeover_ui.language import ENGLISH
from takeover_ui.window.window import Window
from trainer.daemon import control

OVERLAY_GONE = "The overlay is gone: its process has ended, and keys are not heard."
GOES_ON = "The session goes on without it."
PADS_PAUSE = "The session is paused: {} on your pad lets it go on without the overlay."
LAP_STANDS = "Your lap stands still, because nothing is there to drive it with."
LEAVE = "Press Ctrl+C in this terminal to leave; the next session has an overlay again."


def wanted(
    args: argparse.Namespace, home: Home, play: PlaySettings, window: Window | None, left: Callable[[], bool]
) -> FirstDrive:
    """Return what the player wants in a home in which nothing has been learned; ``drive`` where that is clear already."""
    said = args.lap or args.practice or args.episodes or args.checkpoint or args.pad in ("none", "scripted")
    if window is None or said or not nothing_learned(home):
        return "drive"
    ships, track = SHIPPED.get(play.env), play.track
    if play.env == "supertuxkart":
        from hitl.games.supertuxkart.game import kart_track

        track = kart_track(track).name  # "default" is one of them
    holds = home.store_path.exists()
    training = holds and control.running(home.store_path)
    choice = offer(window, left, agent=ships == track, training=training)
    if choice == "agent" and ships is not None:
        (add_shipped if holds else open_shipped)(home, ships)
    return choice


class Live:
    """Opens a session, follows it and drives it.

    ``window``: None without one; ``inside``: it shows the game. ``choice``: what the player wants first; ``left``: the program is
    to end. ``stack`` closes what is opened.
    """

    def __init__(
        self,
        plan: PlayPlan,
        window: Window | None,
        inside: bool,
        choice: FirstDrive,
        left: Callable[[], bool],
        stack: contextlib.ExitStack,
    ) -> None:
        self._plan, self._window, self._inside, self._choice, self._left = plan, window, inside, choice, left
        self._stack, coach = stack, plan.settings.coach
        self._said_gone = False
        self._rig: SessionSetup | None = None
        self._watch: SessionScreen | None = None
        self._beats: HeartbeatReader | None = None
        if window is not None:
            self._watch = SessionScreen(window)
            self._watch.settings = PauseSettings(plan.home, window, plan.over)
            stack.callback(self._watch.settings.close)
        self._tell = teller(window, not inside, plan.named)
        for sentence in others_driving(plan.home):  # before this one is in the store, too
            teller(window, True, plan.named)("warning", sentence)
        self._sounds = stack.enter_context(Sounds(coach.sound and coach.say != "off", coach.volume))

    def open(self, policy: MakePolicy | None, world: World | None) -> SessionSetup:
        """Open the session. ``policy`` makes what drives, None: ours; ``world``: the game, where it is open already."""
        plan, window, args = self._plan, self._window, self._plan.args
        play, elsewhere = plan.settings.play, plan.trains_elsewhere
        options = replace(
            plan.options,
            task=task_of(args.tmrl_config, plan.home, play.env) if args.tmrl_config is not None else None,
            may_be_detailed=(policy is None or plan.by_pad) and not elsewhere,  # another agent or home sees as before
        )
        rig = self._stack.enter_context(
            SessionSetup(
                plan.home,
                options,
                policy=policy,
                human=lambda track: open_human(args, play.env, plan.home, track, window, self._stack, self._tell),
                watch=self._watch,
                stop=self._over,
                tell=self._tell,
                say=speaker(window, self._sounds, not self._inside, plan.named),
                world=world,
            )
        )
        self._rig = rig
        if options.task is not None:  # under another reward than the home's own
            name = args.tmrl_config.name
            rig.recorder.event("tmrl_config", f"It is driven under {name}.", data={"name": name})
        return rig

    def follow(self, rig: SessionSetup, recording: Recording | None) -> bool:
        """Say what is to be known before it is driven, and follow it; tells whether the agent fits what is seen here."""
        plan, window, args = self._plan, self._window, self._plan.args
        words = window.options.words if window is not None else ENGLISH
        left_out, short, unfit = layouts_apart(rig, words, plan.trains_elsewhere)
        for one in rig.world.told if self._inside and persons_pad(rig.human) is not None else ():
            speaker(None, named=plan.named)(one)  # a line that is to be pasted cannot be copied from a window
        for sentence in left_out if not self._inside else ():
            teller(None, named=plan.named)("warning", sentence)
        if window is not None and short:
            window.toast(short, "warning")
        if recording is not None:
            self._stack.enter_context(recording.following(rig))
            if unfilmed := recording.unfilmed(rig):
                self._tell("warning", unfilmed)
        if self._watch is not None:
            self._beats = self._stack.enter_context(HeartbeatReader(rig.home.root, far=plan.trains_elsewhere))
            self._watch.begin(rig, self._beats, laps=args.lap or self._choice == "laps")
            if not self._inside:  # there our window lacks the keyboard, and the game may cover it
                print(self._watch.hints(ENGLISH).driving, flush=True)
        if args.track and not rig.world.has_line:
            self._tell("warning", f"'{rig.track.name}' has no road, so --track is ignored.")
        if args.checkpoint:
            rig.policy.pin(args.checkpoint, rig.track.name)
        return not unfit

    def drive(self, rig: SessionSetup, *, fits: bool) -> str:
        """Drive until the player leaves or all is driven; return the sentences about it."""
        try:
            told = self._drive(rig, fits)
        except HitlError as error:
            rig.recorder.event("error", str(error), level="error")
            raise
        for sentence in rig.recorder.recovered:
            print(in_home(sentence, self._plan.named))
        losses = rig.session.environment.losses
        for sentence, times in losses.items() if self._inside else ():  # which only the window has said
            print(sentence if times == 1 else f"{sentence} ({number_of(times, 'time')})")
        return "\n".join(text for text in (*told, rig.recorder.status.problem) if text)

    # -- inside

    def _over(self) -> bool:
        """Tell whether the session is to end; says meanwhile what there is to say of the window."""
        window = self._window
        if self._left() or window is None:
            return self._left()
        for sentence in window.said():
            print(in_home(sentence, self._plan.named), flush=True)
        if window.died and not window.closed:
            self._without_overlay()
        return window.closed

    def _without_overlay(self) -> None:
        """Say what the end of the overlay means, once; end every pause that could be ended by its keys alone."""
        means = GOES_ON
        if self._rig is not None:
            session, human = self._rig.session, self._rig.human
            if not (buttons := pads_pause(human)):
                session.go_on()
            if session.paused:
                means = PADS_PAUSE.format(" or ".join(buttons))
            elif session.purpose == "lap" and persons_pad(human) is not None and not has_pad(human):
                means = LAP_STANDS
        if not self._said_gone:
            self._said_gone = True
            print(OVERLAY_GONE, means, LEAVE, flush=True)

    def _drive(self, rig: SessionSetup, fits: bool) -> tuple[str, ...]:
        plan, window, named = self._plan, self._window, self._plan.named
        if self._choice == "agent":
            start_trainer(rig.home, speaker(window, None, True, named), rig.session.stop)
        elif self._choice == "laps" and not self._first_laps(rig):
            return ("You left before the laps were finished. `hitl play` asks again.",)
        if not (plan.args.lap or plan.trains_elsewhere or plan.by_pad):
            # The window has said already that the agent does not fit.
            say = speaker(window if fits else None, None, True, named)
            if not wait_for_laps(rig, say, lambda: self._leaves(rig), ways_out(rig.human, window)):
                return ("Nothing was driven.",)
        return self._loop(rig)

    def _first_laps(self, rig: SessionSetup) -> bool:
        """Let the player drive the laps that the agent learns from first; False where they left before."""
        if self._watch is None or self._beats is None:
            return True
        learns = drive_first_laps(rig, self._watch, self._plan.args.seed, speaker(self._window, None, True, self._plan.named))
        self._watch.begin(rig, self._beats)
        return learns

    def _loop(self, rig: SessionSetup) -> tuple[str, ...]:
        """Drive one episode after the other; return what is said of them, and of the agent."""
        plan, window, watch = self._plan, self._window, self._watch
        caller = Caller(rig, window, watch, self._sounds)
        loop = PlayLoop(rig, plan.args, watch, line_keeper(watch, also_printed=not self._inside), caller, plan.named)
        driven = loop.run()
        if watch is not None:
            watch.session_over()
        rig.recorder.close()  # the last screen may stay for minutes, and nothing drives meanwhile
        if plan.args.lap:
            return (driven,)
        shown = window if self._inside else None
        return driven, tell_ending(rig, shown, loop.looking, self._left, plan.trains_elsewhere, watch)

    def _leaves(self, rig: SessionSetup) -> bool:
        """Tell whether the player leaves while the car stands and waits for the trainer."""
        if persons_pad(rig.human) is not None:  # the window's keys are part of it
            return rig.session.stop() or rig.session.asked_to_leave()
        window = self._window
        return rig.session.stop() or (window is not None and "escape" in window.keys())  # noqa: SIM118 (a method of ours)
