"""What is on each page of the settings window, and what stands behind the window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from takeover_ui.overlay import overlay
from takeover_ui.overlay.arrangement import LEAST, MOST, Arrangement
from takeover_ui.settings.pad_names import PadKind
from takeover_ui.view import Driver, Scene

Kind = Literal["choice", "number", "button", "key", "gauge", "local", "act"]
"""One of some words; a number; a button of the pad; a key; a gauge, off or on; a choice that is not saved; something to do."""
MEANINGS = ("takeover", "rewind", "pause", "settings", "star", "discard", "keep", "restart", "panic", "quit")
"""What a button may do, the most used first."""
DRIVING = ("left", "right", "gas", "brake", "takeover")
"""What the keys do that can be set."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a page. ``low`` and ``high`` bound what can be stepped to; ``modes``: of gating, in which a value matters."""

    name: str
    kind: Kind = "choice"
    step: float = 0.0
    low: float = 0.0
    high: float = 0.0
    unit: Literal["s", "%", "x", "n"] = "n"
    modes: tuple[str, ...] = ()
    later: bool = False
    """It takes effect when the next session starts."""


def _seconds(name: str, high: float, *modes: str, later: bool = False) -> Row:
    return Row(name, "number", 0.5 if high > 5 else 0.1 if high > 1 else 0.05, 0.0, high, "s", modes, later)


PAGES: Mapping[str, tuple[Row, ...]] = {
    "language": (Row("overlay.language"),),
    "pad": (Row("pad", later=True), Row("calibrate", "act")),
    "buttons": tuple(Row(f"button.{meaning}", "button") for meaning in MEANINGS),
    "keys": tuple(Row(f"keys.{name}", "key") for name in DRIVING),
    "takeover": (
        Row("takeover.mode"),
        Row("try", "act"),
        Row("takeover.take_at", "number", 0.05, 0.05, 1.0, "%", ("touch",)),
        Row("takeover.release_at", "number", 0.05, 0.0, 0.95, "%", ("touch",)),
        _seconds("takeover.neutral_s", 3.0, "touch"),
        _seconds("takeover.settle_s", 1.0, "hold", "toggle"),
        _seconds("takeover.minimum_s", 3.0),
        _seconds("takeover.ramp_s", 2.0),
        Row("takeover.unplugged"),
        Row("help.offer", later=True),
        _seconds("help.offer_s", 10.0, later=True),
        Row("help.requests_per_minute", "number", 1.0, 0.0, 30.0, later=True),
        Row("help.rumble"),
    ),
    "coach": (
        Row("coach.say", later=True),
        Row("coach.sound", later=True),
        Row("coach.volume", "number", 0.1, 0.0, 1.0, "%", later=True),
        Row("coach.rewind_s", "number", 0.5, 0.5, 20.0, "s", later=True),
        Row("coach.ahead", later=True),
        Row("coach.keep_s", "number", 1.0, 1.0, 60.0, "s", later=True),
    ),
    "overlay": (
        Row("game", "local"),
        Row("overlay.show"),
        Row("overlay.scale", "number", 0.05, LEAST, MOST, "x"),
        Row("overlay.corner"),
        Row("overlay.opacity", "number", 0.02, 0.1, 1.0, "%"),
        Row("overlay.keys", later=True),
        Row("overlay.game_window", later=True),
    ),
    "gauges": (*(Row(f"gauge.{name}", "gauge") for name in (*overlay.COLUMN, "summary", "map")), Row("gauges_reset", "act")),
    "track": (Row("play.track", later=True), Row("play.only_corner", later=True)),
}


@dataclass(frozen=True, slots=True)
class PadNow:
    """The pad at hand, as it is this moment. Axes as in `Pad.read`: steer -1..1, gas and brake 0..1.

    ``down``: the controls that are pressed; ``controls``: all that it has; ``buttons`` and ``axes``: which control does what.
    """

    name: str
    kind: PadKind
    connected: bool
    steer: float = 0.0
    gas: float = 0.0
    brake: float = 0.0
    down: frozenset[str] = frozenset()
    controls: tuple[str, ...] = ()
    buttons: Mapping[str, tuple[str, ...]] | None = None
    axes: Mapping[str, str] | None = None
    off_rest: tuple[str, ...] = ()
    """Axes that lie off their rest although no hand moves them: they should be calibrated."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CalibrationNow:
    """What the player is to do while the pad is measured, and for how many seconds yet."""

    phase: Literal["hands_off", "move", "hands_off_again"]
    left_s: float


class Desk(Protocol):
    """What stands behind the window. A name is that of a row; methods that change something raise HitlError."""

    problem: str
    """Why a file cannot be used, in a sentence; "" while all can."""
    in_session: bool
    """The window belongs to a session, which goes on with what is set here."""

    def refresh(self) -> bool:
        """Read the files again if they have changed; True where they have."""
        ...

    def value(self, name: str) -> Any:
        """Return what is in force."""
        ...

    def saved(self, name: str) -> Any:
        """Return what the files say: something else where the session was started with an option for it."""
        ...

    def origin(self, name: str) -> str:
        """Return where a value comes from: ``default``, ``command line``, or a file's name."""
        ...

    def choices(self, name: str) -> tuple[Any, ...]:
        """Return what a row may be."""
        ...

    def set(self, name: str, value: Any) -> None:
        """Save a value; None: back to the default."""
        ...

    def arrangement(self) -> Arrangement:
        """Return where the gauges are."""
        ...

    def arrange(self, arrangement: Arrangement) -> None:
        """Save where the gauges are."""
        ...

    def bind(self, meaning: str, control: str) -> None:
        """Give a button of the pad a meaning, and take it from the meaning that it had."""
        ...

    def begin_calibration(self) -> None:
        """Begin to measure where the pad's axes rest and how far they go."""
        ...

    def calibrate(self) -> CalibrationNow | None:
        """Look at the pad once more; None once all is measured and saved. It is to be called many times a second."""
        ...

    def undo(self) -> bool:
        """Take the last change back; False where there is none."""
        ...

    def restore(self) -> bool:
        """Make everything as it was when the window was opened; False where it is."""
        ...

    def pad(self) -> PadNow:
        """Return the pad as it is now."""
        ...

    def keyboard(self) -> PadNow:
        """Return the keyboard as it is now, whichever pad is set."""
        ...

    def pressed(self) -> frozenset[str]:
        """Return the buttons that are down on any pad that is plugged in, by the names of their controls."""
        ...

    def pad_name(self, choice: Any) -> str:
        """Return what a pad that can be chosen is called; "" for those that have a word in every language."""
        ...

    def scene(self, track: str) -> Scene | None:
        """Return a track as it is drawn; None for one that cannot be read."""
        ...

    def driver(self, keys: frozenset[str]) -> Driver:
        """Return who would drive now, by the pad and the keys that are down."""
        ...

    def begin_try(self) -> None:
        """From now on `driver` is asked: the agent drives, and what is held must be let go first."""
        ...
