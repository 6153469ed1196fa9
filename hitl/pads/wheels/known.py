"""What is publicly known of wheels: their axes as SDL numbers them, and their buttons.

SDL numbers the axes that a device has in the order X, Y, Z, Rx, Ry, Rz, slider. Which of them a pedal is, is the driver's choice:
on Linux the kernel's or the maker's, on Windows that of DirectInput. The sources are the axes that drivers declare and the
mappings that games ship; no author of this program owns one of these wheels. What is not known is found out by `finding`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hitl.pads.mapping import JOYSTICK, Axis, PadMap

LOGITECH, THRUSTMASTER, FANATEC, MOZA = 0x046D, 0x044F, 0x0EB7, 0x346E
MAKERS = {LOGITECH: "Logitech", THRUSTMASTER: "Thrustmaster", FANATEC: "Fanatec", MOZA: "Moza"}
_CLUTCH_FIRST = frozenset((0xC299, 0xC29B, 0xC24F, 0xC266, 0xC267, 0xC268))  # Logitech G25, G27, G29, G923 and PRO (PlayStation)
_PLAYSTATION = frozenset((0xC24F, 0xC266, 0xC267, 0xC268))
_XBOX = frozenset((0xC261, 0xC262, 0xC26D, 0xC26E, 0xC272))  # Logitech G920, G923 and PRO (Xbox)
_RIMS = frozenset(
    (0xB65D, 0xB65E, 0xB664, 0xB668, 0xB66A, 0xB66D, 0xB66E, 0xB66F, 0xB677, 0xB67F, 0xB689, 0xB692, 0xB696)
)
"""Thrustmaster T80 to T500, TX, TMX, TS: not its flight sticks and gamepads."""
_OTHERS = frozenset((0xC293, 0xC294, 0xC295, 0xC298, 0xC29A, 0xC29C, 0xCA03, 0xCA04))
"""Logitech's older wheels: Formula Force, Driving Force, MOMO, Driving Force Pro and GT, Speed Force, MOMO Racing, Vibration."""
_WORDS = ("wheel", "racing", "moza", "fanatec", "simucube", "simagic", "asetek", "cammus", "driving force")
_PARTS = ("pedal", "handbrake", "hand brake", "shifter", "button box")  # devices of their own beside a wheel
BOTH_AXES = 2  # a wheel with no more has both pedals on one


@dataclass(frozen=True, slots=True)
class Model:
    """Which model a device is: the maker's number and its own, as USB has them; 0 where SDL does not know them."""

    vendor: int
    product: int

    @classmethod
    def of(cls, guid: str) -> Model:
        """Return the model that an SDL GUID (32 hexadecimal digits) is of."""
        try:
            parts = bytes.fromhex(guid)
        except ValueError:
            parts = b""
        if len(parts) != 16 or parts[6:8] != b"\0\0" or parts[10:12] != b"\0\0":  # no USB device
            return cls(0, 0)
        return cls(int.from_bytes(parts[4:6], "little"), int.from_bytes(parts[8:10], "little"))


def is_wheel(model: Model, name: str) -> bool:
    """Tell whether a device is a racing wheel, as far as its model and its name say."""
    if model.vendor == LOGITECH and model.product in _CLUTCH_FIRST | _XBOX | _OTHERS:
        return True
    if model.vendor == THRUSTMASTER and model.product in _RIMS:
        return True
    said = name.casefold()
    return not is_part(name) and (model.vendor in (FANATEC, MOZA) or any(word in said for word in _WORDS))


def is_part(name: str) -> bool:
    """Tell whether a device is by its name one that lies beside a wheel: pedals, a handbrake, a shifter."""
    said = name.casefold()
    return "wheel" not in said and any(word in said for word in _PARTS)


def pedals_rest(model: Model) -> float | None:
    """Return what the pedals of a model read while no foot is on them, each on an axis of its own; None where it is not known."""
    return 1.0 if model.vendor == LOGITECH and model.product in _CLUTCH_FIRST | _XBOX else None


def wheel_map(model: Model, axes: int, platform: str = sys.platform) -> tuple[PadMap, bool]:
    """Return the usual mapping of a wheel with so many axes, and whether its pedals are known, or guessed.

    Where both pedals are on one axis, the gas pulls it down and the brake up, as Logitech's and Thrustmaster's drivers do.
    """
    made = replace(JOYSTICK, buttons={**JOYSTICK.buttons, **_buttons(model)})
    if axes <= BOTH_AXES:
        gas, brake = replace(JOYSTICK.gas, low=0.0, high=-1.0), replace(JOYSTICK.gas, low=0.0, high=1.0)
        return replace(made, gas=gas, brake=brake), True
    pedals = _pedals(model, axes, platform.startswith("linux"))
    if pedals is None:
        return made, False
    gas, brake = (Axis(f"axis{number}", low=-1.0) for number in pedals)
    return replace(made, gas=gas, brake=brake), True


def _pedals(model: Model, axes: int, linux: bool) -> tuple[int, int] | None:
    """Return the axes of gas and brake; None where they are not known."""
    if model.vendor == LOGITECH and model.product in _CLUTCH_FIRST:
        return (2, 3) if linux and axes > 3 else (1, 2)  # Linux: Y is the clutch, Z the gas, Rz the brake
    if model.vendor == LOGITECH and model.product in _XBOX:
        return 1, 2
    if model.vendor == THRUSTMASTER and model.product in _RIMS:
        return (3, 1) if linux and axes > 3 else (2, 1)  # Y is the brake, Rz the gas; on Linux the clutch, Z, lies between
    if model.vendor == FANATEC and not linux:
        return 1, 2
    return None


def _buttons(model: Model) -> Mapping[str, tuple[str, ...]]:
    """Return what is known of a wheel's buttons: the paddle at the right takes over, the one at the left goes back."""
    if model.vendor == LOGITECH and model.product in _PLAYSTATION:
        return {
            "takeover": ("button4", "button0"), "rewind": ("button5",), "pause": ("button9",), "panic": ("button8",),
            "star": ("button3",), "discard": ("button2",), "restart": ("button1",), "keep": ("hat0.up",),
        }  # fmt: skip
    if model.vendor == LOGITECH and model.product in _XBOX:
        return {
            "takeover": ("button4", "button0"), "rewind": ("button5",), "pause": ("button6",), "panic": ("button7",),
            "star": ("button3",), "discard": ("button1",), "restart": ("button2",), "keep": ("hat0.up",),
        }  # fmt: skip
    if model.vendor == LOGITECH and model.product in _CLUTCH_FIRST:
        return {"takeover": ("button4", "button0"), "rewind": ("button5",)}
    if model.vendor == THRUSTMASTER and model.product in _RIMS:
        return {"takeover": ("button1",), "rewind": ("button0",), "pause": ("button4",)}
    return {}
