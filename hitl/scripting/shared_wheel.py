"""Who drives each step of a loop that is not ours, and what is written down of it: a session's parts without its loop.

The arbiter decides, by the same rules and through the same class as in `hitl play`; what happens is recorded in the same way, so
that trainer, review and report cannot tell a script's session from one of the command's.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from data.demos import DemoRule
from data.errors import StoreError, UsageError
from data.numbers import all_numbers, is_number, said, which
from data.reading.standing import STANDS
from data.recording.recorder import Recorder
from data.records import AGENT, HUMAN
from data.store import Store
from hitl import arbiter
from hitl.coach import past
from hitl.coach.rules import Said, StandingWords
from hitl.drivers.human import NoHuman, button_names, has_pad, pads_pause, pads_takeover, persons_pad
from hitl.protocols import Clock
from hitl.screens.key_hints import ignored_names, key_hint, paused_hint
from hitl.scripting.answers import action_of, cut_sentence, reason_of, sent_for
from hitl.scripting.hands import FunctionHuman, Human, hands_of, settings_for, unheard
from hitl.scripting.overlay import Counted, Overlay
from hitl.scripting.setting import Setting, check_gating, check_switches
from hitl.scripting.store import file_to_write, make_room
from hitl.session.driver_choice import DriverChoice
from hitl.session.offers import RUMBLES, CornerOffers
from hitl.session.segments import Segments
from hitl.session.step_log import StepLog
from hitl.timing.clocks import LockstepClock, PacedClock
from takeover_ui.language import ENGLISH
from takeover_ui.view import RecorderState
from takeover_ui.window.window import Window

ENDED_BY = {"panic": "panic", "restart": "restart", "quit": "stopped"}
"""What a player's button makes of an episode."""
CLOSED = "This environment is closed: make a new one to go on."
FORKED = (
    "This process was forked from the one in which the environment was made, and nothing is recorded here: make the environment "
    "in the process that steps it."
)
GAVE_WAY = (
    "This environment was closed when a person's pad and keys went to another one, made after it in this process: make this one "
    "anew to go on. Of environments that are stepped side by side a person can drive one: give the others human=None."
)

_OPEN: weakref.WeakSet[SharedWheel] = weakref.WeakSet()
_CLOSING: weakref.WeakSet[threading.Thread] = weakref.WeakSet()  # each closes one that nothing holds any more


@atexit.register
def _close_all() -> None:
    for wheel in list(_OPEN):
        _let_go(wheel.close)


def _close_forgotten() -> None:
    """Close what a name held that was bound anew: nothing else looks for it soon, and it may have the pad that is opened next."""
    if _OPEN:
        gc.collect()
    for thread in list(_CLOSING):
        thread.join()


def _let_go(close: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):  # what pads and windows stand on may be gone already; the recorder is closed first
        close()


class ForeignTime(LockstepClock):
    """The wall's time, where an environment's own thread says when an action is due."""

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.perf_counter()

    def hold(self) -> None:
        """Let a tick of real time go by."""
        time.sleep(self._dt)


class NotCopied(UsageError, TypeError):  # noqa: N818 (it says what is not; copying and pickling raise a TypeError)
    """What shares a wheel was to be copied or pickled."""


class Uncopied:
    """What shares a wheel: a pad, a window and a recorder are there once."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Raise NotCopied."""
        raise NotCopied(
            "A takeover stands for the wheel of one environment in one process, so it cannot be copied or pickled: make it where "
            "it is driven, and give other processes a function that makes it."
        )


class NotRecorded:
    """Takes a recorder's place where no store is given."""

    status = None

    def __init__(self) -> None:
        self._tokens = 0

    def begin_segment(self, kind: str, trigger: str = "", corner: str | None = None) -> int:
        """Return the segment's number."""
        self._tokens += 1
        return self._tokens

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not hasattr(Recorder, name):
            raise AttributeError(name)
        return lambda *values, **named: None


@dataclass(frozen=True)
class Choice:
    """What one step does. Actions are the environment's own, (A,)."""

    proposed: NDArray[Any]
    executed: NDArray[Any]
    decision: arbiter.Decision
    ours: NDArray[np.float32]
    """The proposed one as the store has it, from −1 to 1."""
    ended: str = ""
    """Why the player ends the episode with this step; empty: they do not."""

    @property
    def driver(self) -> str:
        """``agent`` or ``human``."""
        return "human" if self.decision.driver == HUMAN else "agent"


class SharedWheel:
    """Shares the wheel of one environment between the agent of a script and a human."""

    def __init__(
        self,
        setting: Setting,
        *,
        human: Human,
        store: str | Path | Store | None,
        gating: arbiter.GatingSettings | None,
        overlay: bool,
        real_time: bool | None,
        clock: Clock | None = None,
        release: Callable[[], None] = lambda: None,
        render: Callable[[], Any] | None = None,
    ) -> None:
        """``real_time`` None: where a person drives with a pad or keys. ``clock``: keeps the time instead of our own.

        ``release`` lets go of the controls, when the player pauses. ``render``: see `Overlay`.
        """
        settings = settings_for(human)
        self.setting, self.gating, self._rumbles = setting, settings.takeover if gating is None else gating, settings.help.rumble
        check_gating(self.gating)
        check_switches(overlay=overlay, real_time=real_time)
        self.closed, self.why_closed = True, CLOSED  # until all is there
        self.end: Callable[[], None] = self.close
        """Closes this from outside of the loop, on the thread that pad and window belong to."""
        _close_forgotten()
        self.purpose, self._release = "drive", release
        self.leaving = False
        self._forked_said = False
        self._said, self._cut_said, self._torn = set[str](), set[str](), set[str]()
        self.counted = Counted()
        with contextlib.ExitStack() as stack:
            filed, rule, earned, path = {}, DemoRule(), None, None
            if store is not None:
                path = file_to_write(store)
                make_room(path)
                filed = setting.file(path)
            setting.info = replace(setting.info, **filed)
            self._shown: StandingWords | None = None
            self._overlay = Overlay(setting, keys_anywhere=isinstance(human, str), render=render) if overlay else None
            if self._overlay is not None:
                stack.callback(self._overlay.close)
            if self.window is not None:
                self._shown = StandingWords(self.window.withdraw)
            self.human, let_go = hands_of(human, self.window, self)
            stack.callback(let_go)
            person = persons_pad(self.human) is not None
            paced = person if real_time is None else real_time
            hz = setting.info.hz
            self._clock: Clock = clock or (PacedClock(hz) if paced else LockstepClock(hz))
            self.human.keep_time(hz)
            self.recorder: Any = NotRecorded()
            if path is not None:
                self.recorder = Recorder(path, replace(setting.info, driver=self.human.name))
                stack.callback(self.recorder.close)
                with contextlib.suppress(StoreError), Store(path, read_only=True) as known:
                    rule = known.rule()
                    earned = None if setting.has_line else past.earned(known, setting.info.track)
            segments = Segments(
                self.recorder, rule, hz, self._tell, self._say, has_line=setting.has_line, earned=earned, corners=setting.corners
            )
            self._choice = DriverChoice(self.gating, setting.controls, self._clock, self.recorder, self._tell)
            offers = CornerOffers(setting.corners, "off")  # a script offers the wheel nowhere
            self._log = StepLog(self.recorder, segments, self._choice, self._clock, offers, settings.coach.keep_s)
            self._stack = stack.pop_all()
        if person and setting.to_tell:
            self._tell("info", setting.to_tell)
        if setting.unbounded:
            self._tell("warning", setting.unbounded)
        self.is_open = self.closed = False
        self._under_way = False  # a step was chosen, and it is not known yet what came of it
        self._lost = False  # nor will it be: what the next step begins from has not been seen
        self._pid = os.getpid()
        _OPEN.add(self)

    @property
    def shares(self) -> bool:
        """Whether someone may take the wheel, a window is open, or something is recorded."""
        alone = isinstance(self.human, NoHuman) and isinstance(self.recorder, NotRecorded)
        return not alone or self._overlay is not None

    @property
    def window(self) -> Window | None:
        """The overlay's window, if there is one."""
        return self._overlay.window if self._overlay is not None else None

    # -- the loop's three moments

    def begin(self, observation: Any, info: dict[str, Any], seed: int | None) -> None:
        """An episode begins with this observation. One that was still open ends here.

        Raises UsageError once this is closed, and where what is recorded would be lost: in a process forked from its own.
        """
        if os.getpid() != self._pid and not isinstance(self.recorder, NotRecorded):
            raise UsageError(FORKED)
        self.cut_off()
        self._begin_from(observation, info, seed)
        self._pass_on(info)
        self._draw()

    def _begin_from(self, observation: Any, info: dict[str, Any], seed: int | None) -> None:
        self.setting.see.begin()
        self._log.begin(self.purpose)
        self._info, self._place, self._seed = info, self.setting.place(info), seed
        self._raw, self._seen = observation, self.setting.see(observation)
        self._say_torn(self._seen)
        self.counted.total = 0.0
        self._choice.begin_episode(self.human)
        self._under_way = self._lost = False
        self.is_open = True

    def choose(self, action: Any) -> Choice:
        """Wait until the step is due, see whose hands are on the wheel, and return what is to be done."""
        self._check_open()
        if not self.is_open:
            raise UsageError("The episode is over: call reset first.")
        if not self._forked_said and os.getpid() != self._pid and not isinstance(self.recorder, NotRecorded):
            self._forked_said = True
            logging.getLogger("hitl").warning(FORKED)
        if self._under_way:  # the environment raised an error, or was interrupted: it may have moved
            self._cut("env_lost")
            self._log.begin(self.purpose)
            self._choice.begin_episode(self.human)
            self.is_open = self._lost = True
        scaled, proposed = self.setting.scaled, action_of(action, (len(self.setting.scaled),))
        agents, ours = self._sent_for(proposed, "agent's action")
        if self.counted.steps == 1 and self.purpose != "evaluation":  # a window of the environment's own is open by now
            self._tell_unheard()
        if not self._log.is_open and not self._lost:  # from its first step on
            self._log.record(self._seed)
        while True:
            self._clock.wait_for_send()
            decision, given = self._decide(ours)
            self._log.decided(decision, self.human, *self._place)
            self.counted.takeovers += self._log.is_open and decision.event == "takeover"
            if self._rumbles and decision.event in RUMBLES:
                self.human.rumble(*RUMBLES[decision.event])
            if "rewind" in decision.pressed:
                self._tell("info", ENGLISH["press_back_never"])
            ended = self._ended(decision)
            if not decision.paused or ended:
                break
            if decision.event is not None:  # the pause begins
                self._release()
            self._show(decision, ours)
            self._clock.hold()
            if self.why_closed is GAVE_WAY:  # while this waited
                raise UsageError(GAVE_WAY)
            if self.window is not None and self.window.closed:  # no one can go on from there
                break
            if self.window is not None and self.window.died and not pads_pause(self.human):  # nor from there, but without it
                self._choice.go_on()
        self._clock.sending()
        if decision.safe or 0.0 < decision.weight < 1.0:
            executed = scaled(decision.executed)
        elif decision.driver == HUMAN:
            executed = scaled(decision.executed) if given is None else scaled.typed(given)
        else:
            executed = agents
        self._under_way = True
        return Choice(proposed, executed, decision, ours, ended)

    def step(
        self, choice: Choice, observation: Any, reward: float, terminated: bool, truncated: bool, info: dict[str, Any]
    ) -> None:
        """The step was made: write it down. ``observation`` and ``info`` are of after it."""
        self._check_open()
        seen, decision, log = self.setting.see(observation), choice.decision, self._log
        self._say_torn(seen, reward)
        self._pass_on(info)
        self._draw()
        if self._lost:  # it began no one knows where
            self._begin_from(observation, info, None)
            self.is_open = not (terminated or truncated)
            return
        if (pressed := self.executed(choice, info)) is not choice.executed:
            decision = replace(decision, executed=np.asarray(pressed, np.float32))
        if self.setting.progress and not self.setting.has_line and self.setting.progress not in info:
            self._tell("warning", f"Its info has no {self.setting.progress!r}, which `progress` names: metres are not known.")
        after, answer = self.setting.place(info), (float(reward), terminated, truncated)
        off_road = self.setting.has_line and bool(info.get("off_road"))
        log.step(self._seen, choice.ours, decision, self._place, answer, after[1], off_road=off_road)
        self.counted.steps += 1
        self.counted.human_steps += decision.driver == HUMAN
        self.counted.total = log.result.total
        self._raw, self._seen, self._info, self._place, self._under_way = observation, seen, info, after, False
        if terminated or truncated:
            self._finish("terminated" if terminated else "truncated", choice.ended or reason_of(info, terminated))
        self._show(decision, choice.ours)

    def executed(self, choice: Choice, info: dict[str, Any]) -> NDArray[Any]:
        """Return what was executed: another action where one of our own games could not do all that was asked of it."""
        pressed: NDArray[Any] = info.get("executed", choice.executed) if self.setting.has_line else choice.executed
        return pressed

    def unsent(self, action: NDArray[Any]) -> Choice:
        """Return the choice of a step whose action is not sent any more, because the episode is over: ``action`` still holds."""
        ours = self.setting.scaled.back(action[None])[0]
        return Choice(action, action, arbiter.Decision(self._log.driver, ours, 0.0, None, ""), ours)

    def cut_off(self) -> None:
        """End an episode that is open, whatever it was doing: what follows its last step has been seen.

        Raises UsageError once this is closed.
        """
        self._check_open()
        if self.is_open:
            self._cut("env_lost" if self._under_way else "stopped")

    def flush(self) -> bool:
        """Wait until all that was driven so far is in the store; tells whether it is. What is in the way goes to the log."""
        well = bool(self.recorder.flush())
        if not well:
            self._say_problem()
        return well

    def close(self) -> None:
        """Write down what is left, and let go of pad and window.

        A program that ends without does this at its end, and one that forgets this wheel, when it is collected.
        """
        _OPEN.discard(self)
        if self.closed or os.getpid() != self._pid:
            return  # of a forked process: pad, window and recorder are the other's
        if self.is_open:
            self._cut("stopped")
        self.closed = True
        self._stack.close()
        self._say_problem()

    def give_way(self) -> None:
        """Close, since another environment of this process takes the person's pad and keys; whoever steps this one is told."""
        if os.getpid() == self._pid:  # of a forked process, it is the other's, and so is the thread that would close it
            self.why_closed = GAVE_WAY
            _let_go(self.end)

    def __del__(self) -> None:
        # On a thread of its own: the collector may be at work anywhere, and there nothing may be waited for.
        if not getattr(self, "closed", True) and self.shares and os.getpid() == self._pid:
            with contextlib.suppress(RuntimeError):  # the program has ended, and all was closed then
                thread = threading.Thread(target=_let_go, args=(self.close,), name="hitl-close")
                thread.start()
                _CLOSING.add(thread)

    # -- inside

    def _check_open(self) -> None:
        if self.closed:
            raise UsageError(self.why_closed)

    def _say_torn(self, seen: NDArray[np.float32], reward: float = 0.0) -> None:
        """Say once by name which numbers of the environment cannot be learned from. It is the loop's: nothing is replaced."""
        found = {} if all_numbers(seen) else which(self.setting.info.observation_names, seen)
        if not is_number(reward):
            found["the reward"] = reward
        if new := {name: value for name, value in found.items() if name not in self._torn}:
            self._torn |= new.keys()
            self._tell(
                "warning",
                f"The environment gives numbers that cannot be learned from: {said(new)}. Steps with such an observation are "
                "recorded, and left out of what is learned; such a reward is recorded as 0. Clip or replace them in a wrapper "
                "inside of the Takeover.",
            )

    def _say_problem(self) -> None:
        """Say why not all of what was driven is in the store, where that is so."""
        status = self.recorder.status
        if status is not None and status.problem:
            logging.getLogger("hitl").warning(status.problem)

    def _decide(self, ours: NDArray[np.float32]) -> tuple[arbiter.Decision, NDArray[Any] | None]:
        if self.purpose == "evaluation" or isinstance(self.human, NoHuman):
            return arbiter.Decision(AGENT, ours, 0.0, None, ""), None
        given = driven = None
        if isinstance(self.human, FunctionHuman):
            given, driven = self.human.ask(self._raw, self._info, ours.shape), np.zeros_like(ours)
            if given is not None:
                given, driven = self._sent_for(given, "human's action")
        stands = self.setting.has_line and self._place[0].speed < STANDS
        decision = self._choice.decide(
            self.human, self._info, ours, offer="", allowed=True, lap=self.purpose == "lap", stands=stands, driven=driven
        )
        return decision, given

    def _sent_for(self, given: NDArray[Any], whose: str) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Return what the environment is sent for an action (A,) of its own, and the same as the store has it."""
        scaled = self.setting.scaled
        sent = sent_for(scaled, given)
        if sent is not given and whose not in self._cut_said and (said := cut_sentence(scaled, given, sent, whose)):
            self._cut_said.add(whose)
            self._tell("warning", said)
        return sent, scaled.back(sent[None])[0]

    def _ended(self, decision: arbiter.Decision) -> str:
        if decision.event == "panic":
            self._choice.pause()
            self._tell("info", ENGLISH.say("press_panic", key=button_names(persons_pad(self.human), "pause")))
            return ENDED_BY["panic"]
        gone = self.window is not None and self.window.closed
        if "quit" in decision.pressed or (gone and not self.leaving):
            self.leaving = True
            return ENDED_BY["quit"]
        return ENDED_BY["restart"] if "restart" in decision.pressed else ""

    def _cut(self, reason: str) -> None:
        """End the open episode before its time; what followed its last step has been seen, or its next step was under way."""
        lost, steps = reason == "env_lost" and self._log.is_open, self._log.result.steps
        self._finish("interrupted" if lost or not steps else "truncated", reason)
        if lost:
            said = "The environment failed in the middle of a step."
            self.recorder.event("env_lost", said, level="warning", data={"steps": steps})

    def _finish(self, end: str, reason: str) -> None:
        self.is_open = self._under_way = False
        if not self._log.is_open:  # no step of it was driven
            return
        lap_s = self._info.get("lap_s")
        self._log.result.reason, self._log.result.lap_s = reason, lap_s if isinstance(lap_s, float) else None
        self._log.end(end, self._seen, lost=reason == "env_lost")
        self._clock.rest()

    def _show(self, decision: arbiter.Decision, ours: NDArray[np.float32]) -> None:
        if self._overlay is None:
            return
        status = self.recorder.status
        recorded = None if status is None else RecorderState(status.queue, status.problem)
        pad, mouse = persons_pad(self.human), self._overlay.window.options.game_view
        hint = way_on = ""
        if pad is not None and decision.paused:
            hint, way_on = paused_hint(self.gating.mode, back=False), ENGLISH.say("paused_on", keys=button_names(pad, "pause"))
        elif pad is not None:
            takes = pads_takeover(self.human)
            hint = key_hint(self.gating.mode, mouse=mouse, pad=has_pad(self.human), takes=takes, back=False)
        held = ignored_names(decision, pad)
        self._overlay.show(decision, ours, self._place, self.counted, recorded, hint, held, way_on)

    def _draw(self) -> None:
        for text in self._overlay.draw() if self._overlay is not None else ():
            self._tell("warning", text)

    def _pass_on(self, info: dict[str, Any]) -> None:
        """Say what one of our own games has to say to the player."""
        for text in info.get("notices", ()) if self.setting.has_line else ():
            self.recorder.event("notice", text, level="warning")
            self._tell("warning", text)

    def _tell_unheard(self) -> None:
        if (said := unheard(self.human)) not in ("", *self._said):
            self._said.add(said)
            logging.getLogger("hitl").warning(said)

    def _say(self, said: Said) -> None:
        text = said.text(ENGLISH)
        if self._shown is not None:
            self._shown.note(said, text)
        self._tell(said.level, text)

    def _tell(self, level: str, text: str) -> None:
        """Say a sentence to the player: as a toast, else as a printed line; where no person drives, once to the log."""
        if self.window is not None:
            self.window.toast(text, "warning" if level == "warning" else "info")
        elif persons_pad(self.human) is not None:
            print(text, flush=True)
        elif (kind := text.partition(" (")[0]) not in self._said:  # of a program's takeovers there may be thousands
            self._said.add(kind)
            logging.getLogger("hitl").warning(text)
