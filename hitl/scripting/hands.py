"""Whose hands take the wheel in a script: a pad, keys, a function, a scripted driver, or no one's."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from data.errors import UsageError
from data.suggest import did_you_mean
from hitl.drivers.human import HumanDriver, HumanSide, NoHuman, persons_pad
from hitl.home import Home, default_home
from hitl.pads import PADS
from hitl.pads.base import Pad, PadState
from hitl.pads.keyboard import KeyboardPad
from hitl.scripting.answers import action_of

if TYPE_CHECKING:
    from hitl.settings import Settings
    from takeover_ui.window.window import Window

HumanFunction = Callable[[Any, dict[str, Any]], Any]
"""Takes (observation, info) of the environment and returns an action of the environment, or None to leave the wheel."""
Human = str | Pad | HumanFunction | HumanSide | None

class Owner(Protocol):
    """Whose environment a person drives."""

    def give_way(self) -> None:
        """Another environment of this process takes the person's pad and keys: let go of them."""
        ...


_driving: weakref.WeakSet[Owner] = weakref.WeakSet()  # those in which a person's own pad or keys take the wheel


class FunctionHuman(HumanSide):
    """A function in the human's place. While it asks for the wheel, and until that is handed back, its last action holds."""

    name = "function"

    def __init__(self, function: HumanFunction) -> None:
        self._function, self._asks = function, False
        self.given: NDArray[Any] | None = None
        """The last action, as the function gave it."""

    def begin(self) -> None:
        """An episode begins."""
        self._asks, self.given = False, None

    def ask(self, observation: Any, info: dict[str, Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
        """Ask the function once; return the action in force, None before the first one of an episode. ``shape``: the action's."""
        action = self._function(observation, info)
        self._asks = action is not None
        if action is not None:
            self.given = action_of(action, shape, "human's action", ", or None")
        return self.given

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Return hands at rest, and whether the function asks for the wheel."""
        return PadState(), "function" if self._asks else ""


def hands_of(human: Human, window: Window | None, owner: Owner) -> tuple[HumanSide, Callable[[], None]]:
    """Return the human side that an argument means, and what closes it. A pad of the caller's own stays the caller's to close.

    ``window``: whose keys count; without one, keys count in the environment's own window. Where a person drives another
    environment of this process already, that one gives way: in a notebook it is the one of a cell that is run again, which may
    not be within reach any more. Raises UsageError for an unknown word, DeviceError where the pad cannot be used.
    """
    if human is None:
        return NoHuman(), lambda: None
    if isinstance(human, HumanSide):
        return human, lambda: None
    if isinstance(human, Pad):
        return HumanDriver(human), lambda: None
    if callable(human):
        return FunctionHuman(human), lambda: None
    words = ("auto", "keys", *(word for word in PADS if word != "auto"))
    if human not in words:
        raise UsageError(
            f"human='{human}' is unknown: give {', '.join(words)}, a pad, a function of (observation, info), or None."
            f"{did_you_mean(str(human), words)}"
        )
    for other in list(_driving):
        other.give_way()
    pad = _pad(human, window)
    _driving.add(owner)

    def close() -> None:
        _driving.discard(owner)
        pad.close()

    return HumanDriver(pad), close


def _pad(word: str, window: Window | None) -> Pad:
    from hitl.settings import load

    settings = load(Home(default_home()), "pad", "keys")
    keys = KeyboardPad(keys=None if window is None else window.heard, meanings=settings.keys.meanings)
    if word in ("keys", "keyboard"):
        return keys
    from hitl.pads.combined import EitherPad
    from hitl.pads.open import open_pad

    return EitherPad(open_pad(settings, "sdl" if word == "auto" else word), keys)


def unheard(human: HumanSide) -> str:
    """Return a sentence where a person can take the wheel with nothing as it is now; "" where they can, or none is meant to."""
    pad = persons_pad(human)
    parts: tuple[Pad, ...] = () if pad is None else getattr(pad, "parts", (pad,))
    keys = [part for part in parts if isinstance(part, KeyboardPad)]
    if not parts or any(key.has_window for key in keys):
        return ""
    if any(getattr(part, "device", part) is not None for part in parts if part not in keys):
        return ""
    if not keys:
        return "No pad is plugged in. Until one is, no one can take the wheel."
    why, do = ("No", "Give") if len(keys) == len(parts) else ("No pad is plugged in, and no", "Plug a pad in, or give")
    return (
        f'{why} window hears your keys, so no one can take the wheel. {do} overlay=True; with render_mode="rgb_array" it shows '
        "the environment, too. Keys count in an environment's own window only where pygame opens it: in MuJoCo's they do not."
    )


def settings_for(human: Human) -> Settings:
    """Return what a script does not say of taking the wheel: as a person has set it for theirs, else as usual."""
    from hitl.settings import Settings, load

    return load(Home(default_home()), "takeover", "help", "coach") if isinstance(human, str) else Settings()
