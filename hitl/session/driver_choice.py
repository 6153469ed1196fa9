"""Who drives a tick: the player's pad is read, and the arbiter decides."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.recording.recorder import Recorder
from data.records import HUMAN
from hitl import arbiter
from hitl.coach.handed_wheel import HandedWheel, touches
from hitl.coach.rules import Said, Say, Tell, in_english
from hitl.drivers.human import HumanSide, button_names, keys_elsewhere, persons_pad
from hitl.pads.base import MISSING, Control, PadState, braking_action, neutral_action, to_action
from hitl.pads.hands import look, together
from hitl.pads.keyboard import KeyboardPad
from hitl.protocols import Clock
from takeover_ui.language import ENGLISH

OFF_REST_SAID = (
    "{what}: off the rest without moving, so the place where it stands counts as released. If no hand is on it, "
    "`hitl pads --calibrate` measures the rest again."
)
AXES_SAID = {"stick": "steering", "gas": "gas", "brake": "brake"}


class InVain:
    """Tells a player who steers without the button that takes the wheel which button that is: at once, and not too often.

    A key that stays down is a hand, also one that was down before the session began; a stick off its rest may be a worn one.
    """

    AGAIN_S, MOST, HELD_S = 10.0, 3, 1.0

    def __init__(self, settings: arbiter.GatingSettings, say: Say) -> None:
        self._settings, self._say = settings, say
        self._steers: tuple[bool, ...] = ()
        self._since: float | None = None  # s from which on a driving key has been down in vain
        self._told, self._when = 0, -self.AGAIN_S

    def notice(self, human: HumanSide, state: PadState, decision: arbiter.Decision, now: float) -> None:
        """Look at the pad of this tick. ``now``: seconds."""
        steers = tuple(part.moved >= self._settings.take_at for part in state.parts or (state,))
        begun = [k for k, (was, does) in enumerate(zip(self._steers, steers, strict=False)) if does and not was]
        self._steers = steers
        pad = persons_pad(human)
        if self._settings.mode == "touch" or decision.driver == HUMAN or decision.safe or decision.ignored or pad is None:
            self._since = None
            return
        pads = getattr(pad, "parts", (pad,))
        keys = [k for k, does in enumerate(steers) if does and k < len(pads) and isinstance(pads[k], KeyboardPad)]
        self._since = None if not keys else now if self._since is None else self._since
        if not begun and self._since is not None and now - self._since >= self.HELD_S:
            begun = keys
        if not begun or self._told >= self.MOST or now - self._when < self.AGAIN_S:
            return
        buttons = button_names(pads[begun[0]] if begun[0] < len(pads) else pad, "takeover")
        self._told, self._when = self._told + 1, now
        self._say(Said(f"vain_{self._settings.mode}", values={"keys": buttons}))


class DriverChoice:
    """Keeps the arbiter's state from tick to tick. ``controls``: which control of the pad moves each action number."""

    def __init__(
        self,
        settings: arbiter.GatingSettings,
        controls: Sequence[str | Control],
        clock: Clock,
        recorder: Recorder,
        tell: Tell,
        say: Say | None = None,
    ) -> None:
        """``say`` takes what has words in every language; None: ``tell`` does, in English."""
        self._settings, self._controls, self._clock = settings, controls, clock
        self._recorder, self._tell, self._say = recorder, tell, say or in_english(tell)
        self._more = {control if isinstance(control, str) else control.name for control in controls}  # of a pad, that count
        self._more |= {name.removeprefix("-") for name in self._more}
        self._neutral, self._braking = neutral_action(controls), braking_action(controls)
        self._state = arbiter.State()
        self._told: set[str] = set()  # what the player was told about their pad
        self._in_vain = InVain(settings, self._say)
        self._handed: HandedWheel | None = None
        self.unused = False
        """Whether the wheel was handed to the player in this episode, or it is a lap of theirs, and they have touched nothing."""
        self.pad_gone = False
        """Whether no one drives because the player's pad went away while they did."""

    def gate_by(self, settings: arbiter.GatingSettings) -> None:
        """From now on the wheel is taken in another way."""
        self._settings, self._in_vain = settings, InVain(settings, self._say)

    def lost(self, human: HumanSide, *, lap: bool) -> str:
        """What the player drove with is gone: tell them, and return what they are told, in English."""
        gone = getattr(persons_pad(human), "lost", ())
        keys = keys_elsewhere(human) and all(isinstance(pad, KeyboardPad) for pad in gone)
        means = "lap" if lap else self._settings.unplugged
        self.pad_gone = not keys and means != "agent"
        said = Said(f"lost_{'keys' if keys else 'pad'}_{means}", "warning")
        self._say(said)
        return said.text(ENGLISH)

    def begin_episode(self, human: HumanSide, handed: str = "", *, lap: bool = False) -> None:
        """The agent drives, and what is still held must be let go first. ``handed``: why it is the player's, as in a ``lap``."""
        self._state = arbiter.new_episode(self._state)
        if handed == "rewind" and self._state.phase == "away":  # who goes back is back
            self.go_on()
        self._handed = HandedWheel(handed, self._settings) if handed and persons_pad(human) is not None else None
        self.unused = self._handed is not None or (lap and persons_pad(human) is not None)
        human.begin()
        if (problem := str(getattr(persons_pad(human), "problem", ""))) not in ("", *self._told):
            self._told.add(problem)
            self._warn("pad_problem", problem)

    def decide(
        self,
        human: HumanSide,
        info: dict[str, Any],
        proposed: NDArray[np.float32],
        *,
        offer: str,
        allowed: bool,
        lap: bool,
        stands: bool = False,
        driven: NDArray[np.float32] | None = None,
    ) -> arbiter.Decision:
        """Read the pad now, and decide. ``offer``: why the wheel is offered; ``allowed``: it may be taken; ``lap``: it is.

        ``stands``: the car is seen to stand. ``driven``: the human's action where it does not come from a pad.
        """
        pad, taken_by = human.read(info)
        pad = pad.using(self._more)
        if taken_by or touches(pad, self._settings):
            self.unused = False
        if self._handed is not None and not taken_by:
            taken_by = self._still_handed(self._handed, pad)
        lost = bool(getattr(persons_pad(human), "lost", ()))  # what else lies there is in no one's hands
        inputs = arbiter.Inputs(
            time=self._clock.now(),
            proposed=proposed,
            human=to_action(pad, self._controls) if driven is None else driven,
            neutral=self._neutral,
            braking=self._braking,
            pad=pad,
            humans=() if taken_by else tuple(to_action(part, self._controls) for part in pad.parts),
            taken_by=taken_by if not lap else "" if lost else "lap",
            offer=offer,
            stands=stands,
            allowed=not lost if lap else allowed,
        )
        settings = replace(self._settings, unplugged="agent") if lap else self._settings  # in a lap time stands still instead
        self._state, decision = arbiter.step(self._state, inputs, settings)
        if new := decision.off_rest - self._told:
            self._told |= new
            self._warn("pad_lies", OFF_REST_SAID.format(what=" and ".join(AXES_SAID[name] for name in sorted(new)).capitalize()))
        if lap:
            decision = self._of_a_lap(decision)
        self.pad_gone = self.pad_gone and decision.safe and self._state.phase != "paused"
        if lap:
            return decision
        self._in_vain.notice(human, pad, decision, inputs.time)
        return decision

    def _still_handed(self, handed: HandedWheel, pad: PadState) -> str:
        """Return why the wheel is the player's without more, "" from the tick on in which they use it as their mode has it."""
        taken_by = handed.holds(pad, self._clock.now())
        if not taken_by:
            self._handed = None
            if self.unused:
                self._state = replace(self._state, toggled=False)
        elif self._settings.mode == "toggle":
            self._state = replace(self._state, toggled=True)  # so that the next press hands back
        return taken_by

    def pause(self) -> None:
        """The car stands until the player goes on."""
        self._state = replace(self._state, phase="paused")

    def go_on(self) -> None:
        """A pause is over, where there is one."""
        if self.paused:
            self._state = replace(self._state, phase="agent")

    @property
    def paused(self) -> bool:
        """Whether it stands so."""
        return self._state.phase in ("paused", "away")

    def asks_to_quit(self, human: HumanSide) -> bool:
        """Tell whether a person at the pad presses quit, between two episodes. One who presses pause finds the next paused."""
        pressed = self.glance(human)[1]
        self.heed_pause(pressed)
        return "quit" in pressed

    def heed_pause(self, pressed: frozenset[str]) -> None:
        """Pause, or go on, where nothing drives and no tick is decided."""
        if "pause" in pressed:
            (self.go_on if self.paused else self.pause)()

    def glance(self, human: HumanSide) -> tuple[PadState, frozenset[str]]:
        """Return a person's pad while nothing drives, and the buttons that have just gone down."""
        if (pad := persons_pad(human)) is None:
            return MISSING, frozenset()
        state = pad.read().using(self._more)
        hands, seen = look(self._state.hands, state, self._clock.now(), self._settings.release_at, False)
        self._state = replace(self._state, hands=hands)
        return state, together(seen).pressed

    def wait(self, seconds: float, human: HumanSide, stop: Callable[[], bool]) -> bool:
        """Let time pass between two episodes; False as soon as the player wants to leave."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.asks_to_quit(human) or stop():
                return False
            time.sleep(0.05)
        return True

    def _of_a_lap(self, decision: arbiter.Decision) -> arbiter.Decision:
        """In a lap only the human drives: while their pad is missing, time stands still."""
        if decision.driver == HUMAN or decision.paused or decision.event == "panic":
            return replace(decision, event=None if decision.event == "takeover" else decision.event)
        event = decision.event if decision.event == "interrupted" else None
        return replace(decision, executed=self._neutral, event=event, safe=True, paused=True)

    def _warn(self, kind: str, text: str) -> None:
        self._recorder.event(kind, text, level="warning")
        self._tell("warning", text)
