"""The human side of a session: a pad, the keyboard, or the scripted driver who stands in for a person.

Each gives the same thing, a :class:`PadState`, so that the arbiter has one rule for all of them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from data.records import Corner
from hitl.drivers.person import Person, driver_of_skill, traits_of
from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule
from hitl.pads.base import MISSING, Pad, PadState
from hitl.pads.hands import Hand, look, together
from hitl.pads.keyboard import KeyboardPad
from hitl.pads.mapping import PadMap
from hitl.road.track import Track

PRINTED = {"return": "Enter"}
"""What stands on a key that SDL calls otherwise, and that would be read as another word."""
TOUCHED = 0.25  # deflection from which a person counts as driving


class HumanSide:
    """What the session asks of the human side; a class that inherits it overrides what it does."""

    name = ""

    def keep_time(self, hz: float) -> None:
        """The session has ``hz`` steps a second: told once, before its first episode."""

    def begin(self) -> None:
        """An episode begins."""

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Return (the newest pad state, who holds the wheel without a button: ``"scripted"`` or ``""``)."""
        return MISSING, ""

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """Let the player feel that something happened."""


class NoHuman(HumanSide):
    """No human side: the agent is alone."""


class HumanDriver(HumanSide):
    """A person with a pad or a keyboard."""

    def __init__(self, pad: Pad) -> None:
        self.pad, self.name = pad, pad.name

    def begin(self) -> None:
        """An episode begins. A pad that was plugged in since the last one has a name now."""
        self.name = self.pad.name

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Return the pad as it is now."""
        return self.pad.read(), ""

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """Shake the pad."""
        self.pad.rumble(strong, weak, seconds)


def persons_pad(human: HumanSide | None) -> Pad | None:
    """Return the pad of the person at a wheel, None where there is no person."""
    pad: Pad | None = getattr(getattr(human, "person", human), "pad", None)
    return pad


def button_names(pad: Pad | None, meaning: str) -> str:
    """Return what the buttons or keys with a meaning are called on a device: "leftshoulder or a"; else the meaning."""
    names: list[str] = []
    for part in getattr(pad, "parts", (pad,)):
        if getattr(part, "device", part) is None:
            continue  # a pad that is not plugged in has no button to press
        buttons = part.meanings if isinstance(part, KeyboardPad) else getattr(getattr(part, "map", None), "buttons", {})
        names += (PRINTED.get(name, name) for name in buttons.get(meaning, ()))
    return " or ".join(dict.fromkeys(names)) or meaning


def pad_map(human: HumanSide | None) -> PadMap | None:
    """Return the mapping of a person's pad, None where it has none, as the keyboard, or is not plugged in."""
    pad = persons_pad(human)
    there = [part for part in getattr(pad, "parts", (pad,)) if getattr(part, "device", part) is not None]
    return next((made for part in there if (made := getattr(part, "map", None)) is not None), None)


def pads_pause(human: HumanSide | None) -> tuple[str, ...]:
    """Return the buttons that pause, and go on, of a person's pad beside the keyboard; none where it is not plugged in."""
    made = pad_map(human)
    return made.buttons.get("pause", ()) if made is not None else ()


def pads_takeover(human: HumanSide | None) -> tuple[str, ...]:
    """Return the buttons with which a person's pad takes the wheel; those of an ordinary one where nothing is known of it."""
    made = pad_map(human)
    return made.buttons.get("takeover", ()) if made is not None else ("rightshoulder",)


def has_pad(human: HumanSide | None) -> bool:
    """Tell whether a person has a pad beside the keyboard, and it is plugged in."""
    pad = persons_pad(human)
    parts = [part for part in getattr(pad, "parts", (pad,)) if not isinstance(part, KeyboardPad)]
    return any(getattr(part, "device", part) is not None for part in parts)


def keys_elsewhere(human: HumanSide | None) -> bool:
    """Tell whether a person's keys go to another window, as far as was seen at the last reading."""
    pad = persons_pad(human)
    return any(isinstance(part, KeyboardPad) and part.elsewhere for part in getattr(pad, "parts", (pad,)))


def device_hub(human: HumanSide | None) -> Any:
    """Return the devices that a person's pad is read from, None where it is not one of SDL's pads."""
    pad = persons_pad(human)
    found = [getattr(part, "hub", None) for part in (pad, *getattr(pad, "parts", ()))]
    return next((hub for hub in found if hub is not None), None)


class ScriptedHuman(HumanSide):
    """The scripted driver. ``rule`` None: it drives all the time (a lap). ``limit_s`` bounds the sum of its takeovers.

    A takeover that has begun is finished, so the sum can be more than the limit by the length of one.
    """

    name = "scripted"

    def __init__(
        self, driver: ScriptedDriver | Person, rule: TakeoverRule | None, *, limit_s: float | None = None, hz: float = 20.0
    ) -> None:
        self.driver, self.rule, self._limit_s = driver, rule, limit_s
        self._steps_left = None if limit_s is None else round(limit_s * hz)

    def keep_time(self, hz: float) -> None:
        """Reaction times, pauses and the limit are in seconds: count them in this session's steps."""
        self.driver.keep_time(hz)
        if self.rule is not None:
            self.rule.keep_time(hz)
        self._steps_left = None if self._limit_s is None else round(self._limit_s * hz)

    def begin(self) -> None:
        """An episode begins: choose a new line."""
        self.driver.begin()
        if self.rule is not None:
            self.rule.begin()

    @property
    def spent(self) -> bool:
        """Tell whether the limit is used up."""
        return self._steps_left is not None and self._steps_left <= 0

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Look at the car, decide, and press accordingly."""
        state, place = info["state"], info["place"]
        self.driver.see(state, place)
        if self.rule is not None:
            held = self.rule.holding
            if (self.spent and not held) or not self.rule.requests_control(state, place):
                return PadState(), ""
            if not held:
                self.driver.begin()
        if self._steps_left is not None:
            self._steps_left -= 1
        pedal, steer = self.driver.act(state, place).tolist()
        return PadState(steer=steer, gas=max(pedal, 0.0), brake=max(-pedal, 0.0)), "scripted"


def scripted_human(
    track: Track,
    skill: str,
    rule: HelpRule | None,
    *,
    seed: int = 0,
    corners: tuple[Corner, ...] | None = None,
    limit_s: float | None = None,
    hz: float = 20.0,
) -> ScriptedHuman:
    """Return a driver of that skill (see ``hitl.drivers.person``) who helps by a rule, or drives whole laps (``rule`` None)."""
    driver = driver_of_skill(track, skill, seed, hz)
    takes_over = None
    if rule is not None:
        early = traits_of(skill).lets_go_early_m if skill != "expert" else 0.0
        rule = replace(rule, leave_m=rule.leave_m - early)
        takes_over = TakeoverRule(track, rule, hz=hz, corners=corners, decides_in=driver.decides_in)
    return ScriptedHuman(driver, takes_over, limit_s=limit_s, hz=hz)


class HumanOrScripted(HumanSide):
    """A person, and the scripted driver in their place while they only watch.

    The scripted driver helps from the second episode on if the person has touched nothing. Once they have driven, or have said
    that they will, it comes back only after ``AWAY`` whole episodes in which they touched nothing.
    """

    AWAY = 3

    def __init__(self, person: HumanSide, stand_in: ScriptedHuman) -> None:
        self.person, self.stand_in = person, stand_in
        self.name = f"{person.name} or scripted"
        self._untouched, self._patience = 0, 1  # episodes begun since the last touch, and after how many it helps
        self._hands: tuple[Hand, ...] = ()

    def keep_time(self, hz: float) -> None:
        """Both have as many steps a second."""
        self.person.keep_time(hz)
        self.stand_in.keep_time(hz)

    def begin(self) -> None:
        """An episode begins."""
        self._untouched += 1
        self.person.begin()
        self.stand_in.begin()

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Return the person's pad, or the scripted driver's where they only watch."""
        pad, taken_by = self.person.read(info)
        pad = pad.using(())
        self._hands, looks = look(self._hands, pad, time.monotonic(), TOUCHED / 2, False)
        seen = together(looks)  # a stick that is off its rest, or a key that was down already, is not a person driving
        if seen.deflection > TOUCHED or "takeover" in seen.buttons:
            self.claim()
        if self._untouched <= self._patience:
            return pad, taken_by
        driven, stands_in_by = self.stand_in.read(info)
        if not stands_in_by:
            return pad, taken_by
        parts = pad.parts or (pad,)  # what the person touches is still theirs
        return PadState(steer=driven.steer, gas=driven.gas, brake=driven.brake, buttons=pad.buttons, parts=parts), stands_in_by

    def claim(self) -> None:
        """The person drives, or says that they will."""
        self._untouched, self._patience = 0, self.AWAY

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """Let the person feel it."""
        self.person.rumble(strong, weak, seconds)
