"""No one has to watch: the agent drives by itself, as fast as the game allows, and calls the player when it has failed.

The car then stands some seconds before the failure until the player touches a control; a countdown, and the wheel is theirs.
Where no one comes, the agent goes on: its failure is experience like any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from data.records import DRIVING_FAULTS, Corner
from hitl.coach.observer import Looking
from hitl.drivers.human import persons_pad
from hitl.pads.base import PadState
from hitl.protocols import EpisodeResult
from hitl.timing.clocks import HurriedClock

if TYPE_CHECKING:
    from hitl.session.setup import SessionSetup

NEAR_M = 10.0  # m before a corner from which a failure belongs to it
SAME_M = 25.0  # m: failures beside all corners are of one place within as many
PATIENCE = 3  # failures at one place, with the same weights, between two calls
TOUCHED = 0.3  # deflection from which a control was touched
BEHIND_M = 12.0  # m behind a corner at which a try ends that a call began

Show = Callable[[str, float], None]


@dataclass(frozen=True)
class Failure:
    """What the player is called for: where and why the agent failed, and the moment before it at which the car stands now."""

    corner: Corner | None
    at_m: float
    reason: str
    """Of `DRIVING_FAULTS`."""
    back_s: float
    back_m: float


@dataclass
class CallRule:
    """Says whether a failure is worth a call. Pure."""

    _last: dict[str, tuple[int | None, int]] = field(default_factory=dict)  # by place: weights of the last call, failures since

    def failed(self, place: str, weights: int | None) -> bool:
        """The agent has failed there with those weights (any number that changes with them); tell whether to call.

        It calls the first time, then as soon as newer weights fail there too, and else after some more failures.
        """
        if place in self._last:
            before, failures = self._last[place]
            if weights == before and failures + 1 < PATIENCE:
                self._last[place] = before, failures + 1
                return False
        self._last[place] = weights, 0
        return True


class Countdown:
    """Lets the car stand until a person has touched a control, and then counts down. ``show`` takes (what, seconds left)."""

    def __init__(self, seconds: float, wait_s: float, show: Show = lambda what, seconds: None, person: bool = True) -> None:
        """``person`` False: a program holds the wheel, which needs no time to get ready."""
        self._left, self._patience, self._show, self._person = seconds, wait_s, show, person
        self._shown: int | None = None
        self._rest: PadState | None = None
        self.came = False
        """Whether someone has come."""

    def step(self, pad: PadState, seconds: float) -> Literal["stand", "drive", "give up"]:
        """Look at the pad once more, ``seconds`` after the last time."""
        if not self._person:
            self.came = True
            return "drive"
        if not self.came:
            self._patience -= seconds
            if self._touched(pad):
                self.came = True
                return "stand"
            if self._shown is None:
                self._shown = -1
                self._show("ready", self._patience)
            return "stand" if self._patience > 0 else "give up"
        self._left -= seconds
        if self._left <= 0:
            self._show("go", 0.0)
            return "drive"
        if (now := int(-(-self._left // 1))) != self._shown:
            self._shown = now
            self._show("count", float(now))
        return "stand"

    def pause(self) -> None:
        """See `hitl.protocols.Awaits`."""
        self._shown = self._rest = None
        self._show("paused", 0.0)

    def _touched(self, pad: PadState) -> bool:
        """Tell whether something was pressed or moved since the call; what was held already is not an answer."""
        before, self._rest = self._rest, pad
        if before is None or not pad.connected:
            return False
        return bool(pad.buttons - before.buttons) or pad.deflection >= TOUCHED > before.deflection


class CallMe:
    """Drives the episodes of a session in which no one watches. ``call`` tells the player of a failure."""

    def __init__(
        self, rig: SessionSetup, call: Callable[[Failure], None], show: Show, end_call: Callable[[], None]
    ) -> None:
        """``show``: as for `Countdown`; ``end_call``: no call is on the screen any more."""
        self.rig, self._call, self._show, self._end_call = rig, call, show, end_call
        self._rule = CallRule()
        self.looking = Looking(called=True)
        self.calls = self.missed = 0

    def drive(self, seed: int) -> Iterator[EpisodeResult]:
        """Drive one episode alone, and, where it fails, one that begins before that with the player at the wheel."""
        session = self.rig.session
        with self._no_one_looks():
            result = session.episode("drive", seed=seed)
        yield result
        yield from self._taken_back(seed, result)  # by a player who has looked all the same
        if session.leaving or result.reason not in DRIVING_FAULTS:
            return
        if not self._by_weights():
            self.looking.failed_noisy += 1
            return
        self.looking.failed += 1
        corner = next((c for c in session.corners if c.from_m - NEAR_M <= result.progress < c.to_m), None)
        coaching = session.coaching
        if corner is not None and coaching is not None and coaching.coach.enough(corner.name):
            return  # it was said that more help there is no use today
        place = corner.name if corner else f"{result.progress // SAME_M:.0f}"
        if not self._rule.failed(place, self.rig.policy.checkpoint_id) or (moment := session.go_back("call")) is None:
            return
        failure = Failure(corner, result.progress, result.reason, moment.back_s, moment.info["progress"])
        yield (helped := self._help(seed, failure))
        yield from self._taken_back(seed, helped)

    def _taken_back(self, seed: int, result: EpisodeResult) -> Iterator[EpisodeResult]:
        """Drive on where the player went back to, at the clock's pace."""
        while result.reason == "rewound" and not self.rig.session.leaving:
            self._end_call()
            began = time.monotonic()
            result = self.rig.session.episode("practice", seed=seed)
            self.looking.looked_s += time.monotonic() - began
            self.looking.drove_s += result.human_steps / self.rig.task.settings.hz
            yield result

    def _by_weights(self) -> bool:
        """Tell whether the drive shows what the weights can: one with noise may fail by chance, where others are without."""
        session = self.rig.session
        return session.greedy or not session.options.greedy_every

    def _help(self, seed: int, failure: Failure) -> EpisodeResult:
        corner, failed_m = failure.corner, failure.at_m
        session, settings, began = self.rig.session, self.rig.options.coach, time.monotonic()
        self._call(failure)
        came: list[float] = []

        def show(what: str, seconds: float) -> None:
            if what not in ("ready", "paused") and not came:
                came.append(time.monotonic())
            self._show(what, seconds)

        person = persons_pad(session.human) is not None
        countdown = Countdown(settings.countdown_s, settings.wait_s, show, person)
        until = min((corner.to_m if corner else failed_m) + BEHIND_M, self.rig.track.line.length - 3.0)
        result = session.episode("practice", seed=seed, until_m=until, awaits=countdown)
        self._end_call()
        now = time.monotonic()
        self.calls, self.missed = self.calls + 1, self.missed + (not countdown.came)
        looked = now - (came[0] if came else now)
        drove = result.human_steps / self.rig.task.settings.hz
        self.looking.looked_s += looked
        self.looking.drove_s += drove
        data: dict[str, Any] = {"corner": corner.name if corner else None, "failed_m": round(failed_m, 1)}
        data |= {"waited_s": round(now - looked - began, 2), "looked_s": round(looked, 2), "takeover_s": round(drove, 2)}
        said = "The agent called, and the player came." if countdown.came else "The agent called, and no one came."
        self.rig.recorder.event("call", said, data=data)
        return result

    @contextmanager
    def _no_one_looks(self) -> Iterator[None]:
        """Drive as fast as the game allows; the wheel cannot be taken meanwhile."""
        session, clock = self.rig.session, self.rig.world.clock
        session.hands_off = True
        if isinstance(clock, HurriedClock):
            clock.fast = True
        try:
            yield
        finally:
            session.hands_off = False
            if isinstance(clock, HurriedClock):
                clock.fast = False
