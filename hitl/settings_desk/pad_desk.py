"""The pads behind the settings window: which there are, what they read now, and what their buttons do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from data.errors import DeviceError, HitlError
from data.records import HUMAN
from hitl import arbiter
from hitl.pads.base import MISSING, PadState, neutral_action
from hitl.pads.calibration.measure import Calibration
from hitl.pads.calibration.rest import END, is_plain
from hitl.pads.combined import EitherPad
from hitl.pads.hands import Hand, look, together
from hitl.pads.identity import own_table
from hitl.pads.keyboard import KeyboardPad
from hitl.pads.mapping import to_table
from takeover_ui.settings.pad_names import PadKind
from takeover_ui.settings.rows import CalibrationNow, PadNow
from takeover_ui.view import Driver

if TYPE_CHECKING:
    from hitl.pads.device import Device
    from hitl.pads.devices import Devices
    from hitl.pads.sdl import SdlPad
    from hitl.settings import Settings

_VENDORS: dict[str, PadKind] = {"045e": "xbox", "054c": "playstation", "057e": "switch"}
_NAMES: dict[str, PadKind] = {
    r"xbox|x-box|xinput": "xbox",
    r"playstation|dualshock|dualsense|\bps[345]\b|sony": "playstation",
    r"nintendo|switch|joy-?con": "switch",
}
AUTO, KEYBOARD = ("auto", "", ""), ("keyboard", "", "")
SETTLE_S = 2.0  # s in which the hands let go of a pad that is to be calibrated
_DOWN = 0.5

Stored = tuple[str, dict[str, Any], str]
"""The key under which a pad's table is stored, the table, and the key of before; "" where that stays."""


def pad_kind(model: str, *, controller: bool = True) -> PadKind:
    """Return whose buttons a model (``NAME [GUID]``) has: by its name, else by the maker's number in SDL's GUID.

    The others, and all that only pretend to be one of these, have Xbox's, as in SDL.
    """
    name, _, guid = model.rpartition(" [")
    if not controller:
        return "wheel"
    named = next((kind for words, kind in _NAMES.items() if re.search(words, name, re.I)), None)
    return named or _VENDORS.get(guid[10:12] + guid[8:10], "xbox")


class PadDesk:
    """Follows the pad that is set. ``hub`` None: there are no pads here, only keys. ``clock`` is for tests."""

    def __init__(self, hub: Devices | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.hub, self._clock = hub, clock
        self._pad: SdlPad | None = None
        self._keys: frozenset[str] = frozenset()
        self._keyboard = KeyboardPad(keys=lambda: self._keys)
        self._either: EitherPad | KeyboardPad = self._keyboard
        self._gating, self._state = arbiter.GatingSettings(), arbiter.State()
        self._hands: tuple[Hand, ...] = ()

    def open(self, settings: Settings) -> None:
        """Follow the pad that these settings name."""
        from hitl.pads.sdl import SdlPad

        self._gating = settings.takeover
        self._keyboard.meanings = settings.keys.meanings
        self._pad, self._either = None, self._keyboard
        if self.hub is not None and settings.pad.use != "keyboard":
            self._pad = SdlPad(settings.pad.name, chosen=settings.pad.id, tables=settings.devices, hub=self.hub)
            self._either = EitherPad(self._pad, self._keyboard)
        self._state, self._hands = arbiter.State(), ()

    def present(self) -> tuple[tuple[str, str, str], ...]:
        """Return the pads that are plugged in as they can be chosen: kind, name, identity."""
        if self.hub is None:
            return ()
        known = self.hub.identities()
        return tuple(("sdl", d.name, str(known[d.instance])) for d in self.hub.present.values() if d.instance in known)

    def now(self) -> PadNow:
        """Return the pad as it is now; the keyboard where there is none."""
        pad = self._pad
        state = pad.read() if pad is not None else MISSING
        if pad is None or pad.device is None:
            problem = "" if pad is None else pad.problem
            name = pad.name if pad is not None and problem else self._awaited()
            return replace(self.keyboard(), name=name, connected=pad is None, problem=problem)
        device = pad.device
        hand = self._hands
        self._hands, seen = look(hand, state, self._clock(), self._gating.release_at, False)
        axes = {name: getattr(pad.map, name).source for name in ("steer", "gas", "brake")}
        down = device.pressed() | {s for s in device.sources() if s.startswith("trigger") and device.reader(s)() > _DOWN}
        kind = pad_kind(device.key, controller=device.controller is not None)
        off = tuple(sorted(together(seen).off_rest))
        return PadNow(device.name, kind, state.connected, state.steer, state.gas, state.brake, down, tuple(device.sources()),
                      pad.map.buttons, axes, off, pad.problem)  # fmt: skip

    def keyboard(self) -> PadNow:
        """Return the keyboard as it is now."""
        now = self._keyboard.read()
        meanings = self._keyboard.meanings
        axes = {name: " ".join(meanings[name]) for name in ("left", "right", "gas", "brake")}
        return PadNow("", "keyboard", True, now.steer, now.gas, now.brake, self._keys, (), meanings, axes)

    def pressed(self) -> frozenset[str]:
        """Return the buttons that are down on any pad."""
        if self.hub is None:
            return frozenset()
        self.hub.poll()
        there = [d for d in self.hub.present.values() if not self.hub.blocks(d.instance)]
        return frozenset().union(*(d.pressed() for d in there))

    def driver(self, keys: frozenset[str]) -> Driver:
        """Return who would drive now."""
        self._keys = keys
        state: PadState = self._either.read()
        if isinstance(self._either, EitherPad) and not state.connected:
            state = self._keyboard.read()  # without a pad the keys count
        still = neutral_action(("steer",))
        now = arbiter.Inputs(self._clock(), still, still, still, still, state)
        self._state, decision = arbiter.step(self._state, now, self._gating)
        return "paused" if decision.paused else "human" if decision.driver == HUMAN else "agent"

    def begin_try(self) -> None:
        """The agent drives, and what is still held must be let go first."""
        self._keys = frozenset()
        self._state = arbiter.new_episode(arbiter.State())

    def begin_calibration(self) -> None:
        """Begin to measure the pad at hand. Raises DeviceError without one."""
        self._calibration = Calibration(self._at_hand()[0], settle_s=SETTLE_S)

    def calibrate(self) -> CalibrationNow | None:
        """Look at it once more; None once all is measured. Raises DeviceError when the pad is unplugged."""
        left_s = self._calibration.look(self._clock())
        phase = self._calibration.phase
        return None if phase == "done" else CalibrationNow(phase, left_s)

    def calibrated(self, settings: Settings) -> Stored:
        """Return what is to be stored of it. Raises InputFileError for an axis that hardly moved."""
        return self._to_store(settings, to_table(self._calibration.result()))

    def bound(self, settings: Settings, meaning: str, control: str) -> Stored:
        """Return what is to be stored for the pad at hand, whose ``control`` now has that meaning.

        Raises DeviceError without a pad, HitlError for a control that it lacks.
        """
        pad, device = self._at_hand()
        device.reader(control)  # raises
        buttons = {m: tuple(s for s in sources if s != control) for m, sources in pad.map.buttons.items()} | {meaning: (control,)}
        rests = dict(pad.map.rests)
        if is_plain(control) and control.startswith("axis") and abs(at := device.reader(control)()) > END:
            rests[control] = round(at, 4)
        table = {"buttons": to_table(replace(pad.map, buttons=buttons))["buttons"]} | ({"rests": rests} if rests else {})
        return self._to_store(settings, table)

    def _awaited(self) -> str:
        """Return what the pad is called that is not there, and that no other one replaces; "" where none is waited for."""
        pad = self._pad
        return pad.name if pad is not None and pad.device is None and (pad.identity or pad.chosen) else ""

    def _at_hand(self) -> tuple[SdlPad, Device]:
        pad = self._pad
        if pad is None or pad.device is None or pad.identity is None:
            why = pad.problem if pad is not None else ""
            if awaited := self._awaited():
                why = why or f"{awaited} is not plugged in. Plug it in, or choose another pad on the page Pad."
            if pad is None and self.present():
                why = "Your pad is the keyboard, which needs none of this. Choose another one on the page Pad first."
            raise DeviceError(why or "No pad is plugged in; plug it in and start again.")
        return pad, pad.device

    def _to_store(self, settings: Settings, table: Mapping[str, Any]) -> Stored:
        """Return a table for the pad at hand, over what is stored of it."""
        pad, _ = self._at_hand()
        assert pad.identity is not None
        was = own_table(settings.devices, pad.identity, list(pad.hub.identities().values()))
        stored = dict(settings.devices.get(was, {}))
        return str(pad.identity), stored | dict(table), was if was != pad.identity.model else ""


def open_hub() -> Devices | None:
    """Return the devices of this process; None where SDL cannot read any."""
    from hitl.pads.devices import devices

    try:
        return devices()
    except HitlError:
        return None
