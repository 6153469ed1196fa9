"""A model of a person at the wheel: late eyes, a few corrections a second, noisy hands, keys instead of a stick.

The scripted driver says what they mean to do; this module is what happens to it between the eye and the pad. A person sees the
car as it was, extrapolates to now, and sends the hand to a new place two to four times a second; the hand gets there late and
not quite exactly. The sources say that people are like this. All numbers below are ours: of the usual size, and not fitted to
anyone:

- a delay between eye and hand: McRuer and others, 1967; Nash and Cole, 2020 (identified on drivers in a simulator);
- extrapolation by an internal model: Wolpert and Ghahramani, 2000. The road itself has no delay here: drivers look at a bend
  before they steer (Land and Lee, 1994);
- intermittent corrections, a few a second, each a movement of its own: Craik, 1947; Gawthrop and others, 2011; for steering:
  Johns and Cole, 2015;
- a lag of arm and hand: McRuer and others, 1967;
- noise that grows with the command to the muscles: Harris and Wolpert, 1998; for steering: Kolekar and others, 2018. Here it
  grows with the movement;
- time to decide, skewed to the right: an ex-Gaussian often describes reaction times (Luce, 1986). Drivers who expect to brake
  need about 0.7 s, surprised ones more (Green, 2000); this one knows the corner beforehand, and needs less;
- lapses of attention in dull tasks: Robertson and others, 1997.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hitl.drivers.scripted import ScriptedDriver, Skill
from hitl.games.base import VehicleState
from hitl.road.line import Place
from hitl.road.track import Track

STICK, KEYS, TAPS = "stick", "keys", "taps"
SHORTEST_PRESS_S = 0.08  # s that a held key is down at least
TAP_S = 0.25  # s from one tap to the next
PRESSED_FROM, STEERED_FROM = 0.15, 0.35  # share of the full range that is meant when a key is pressed
MEMORY_S = 1.0  # s of pictures and movements that matter
JUMP_M = 5.0  # m between two pictures that no car drives in a step


@dataclass(frozen=True)
class Traits:
    """What makes one person's driving. Times in s; shares of the full range of stick and pedals."""

    driving: Skill
    delay_s: float = 0.2  # from the picture to the beginning of a correction
    delay_spread_s: float = 0.03
    extrapolates: float = 1.0  # share of the delay that the person looks ahead for
    corrections_hz: float = 4.0
    hand_s: float = 0.08  # time constant of arm and stick
    noise: float = 0.05  # standard deviation of a movement, as a share of it
    tremor: float = 0.01  # standard deviation of a stick in each step, moved or not
    device: str = STICK  # ``stick``, ``keys`` (held) or ``taps`` (short presses, many of them)
    lapses_per_min: float = 0.0
    lapse_s: float = 0.5
    decision_s: float = 0.25  # to see that help is needed and take the wheel (mean of the ex-Gaussian's normal part)
    decision_tail_s: float = 0.05  # mean of its exponential part
    lets_go_early_m: float = 0.0  # m before the place where the work would be done
    bad_takeovers: float = 0.0  # share of takeovers in which the brake is forgotten


CALM = Skill(
    corner_grip=17.0, braking=12.5, top_speed=28.0, wander_m=0.4, look_m=7.5, look_s=0.33, settling=0.005, gas=0.15, brake=0.1
)  # fmt: skip
"""How a person drives who knows what their eyes and hands can do: looks farther ahead, and leaves themselves more room."""
GOOD = Traits(CALM)
CLUMSY = Traits(
    replace(CALM, corner_grip=18.0, braking=14.0, wander_m=0.8),
    delay_s=0.26, delay_spread_s=0.06, extrapolates=0.85, corrections_hz=3.0, hand_s=0.12, noise=0.15, tremor=0.03,
    lapses_per_min=6.0, decision_s=0.4, decision_tail_s=0.15,
)  # fmt: skip
PEOPLE: dict[str, Traits] = {
    "good": GOOD,
    "clumsy": CLUMSY,
    "keyboard": replace(GOOD, device=KEYS, hand_s=0.03, noise=0.0, tremor=0.0),
    "taps": replace(GOOD, device=TAPS, hand_s=0.03, noise=0.0, tremor=0.0),
    "late": replace(GOOD, decision_s=0.75, decision_tail_s=0.15),
    "wrong": replace(GOOD, bad_takeovers=0.2),
    "lazy": replace(GOOD, lets_go_early_m=25.0),
}
NO_ONE = "none"
"""In the place of a skill: no one helps."""
SKILLS = ("expert", *PEOPLE)
"""Who may stand in for a player. The ``expert`` is the scripted driver itself: it sees all at once, and its hands obey."""


def traits_of(skill: str) -> Traits:
    """Return the traits of a person of that skill. ``good@50``: a good driver half of whose takeovers go wrong."""
    name, _, wrong = skill.partition("@")
    return replace(PEOPLE[name], bad_takeovers=float(wrong) / 100) if wrong else PEOPLE[name]


def driver_of_skill(track: Track, skill: str, seed: int = 0, hz: float = 20.0) -> Person | ScriptedDriver:
    """Return a driver of that skill (one of ``SKILLS``, or as ``traits_of`` reads it)."""
    return ScriptedDriver(track, seed=seed, hz=hz) if skill == "expert" else Person(track, traits_of(skill), seed, hz)


class Person:
    """Drives one track as a person does. ``see`` is called in each step, ``act`` in those in which they hold the wheel."""

    def __init__(self, track: Track, traits: Traits = GOOD, seed: int = 0, hz: float = 20.0) -> None:
        self.track, self.traits = track, traits
        self._intent = ScriptedDriver(track, traits.driving, seed, hz)
        self._rng = np.random.default_rng([seed, 1])
        self.keep_time(hz)
        self.begin()

    def keep_time(self, hz: float) -> None:
        """A second has ``hz`` steps. What was seen and done before is forgotten."""
        self._dt = 1.0 / hz
        self._intent.keep_time(hz)
        self._seen: deque[tuple[VehicleState, Place]] = deque(maxlen=1 + math.ceil(MEMORY_S * hz))
        self._done: deque[tuple[float, float]] = deque(maxlen=math.ceil(MEMORY_S * hz))

    def begin(self) -> None:
        """A stint begins: a line of its own, hands at rest, and perhaps a takeover that will go wrong."""
        self._intent.begin()
        self._aim = np.zeros(2)  # where the hand is going
        self._hand = np.zeros(2)  # where it is
        self._rest_s = 0.0  # until the next correction
        self._keys_down = np.zeros(2)
        self._keys_held_s = np.full(2, SHORTEST_PRESS_S)
        self._clock_s = 0.0
        self._done.clear()
        self.forgets_brake = bool(self._rng.random() < self.traits.bad_takeovers)

    def see(self, state: VehicleState, place: Place) -> None:
        """The picture of this step reaches the eye. A car that jumped is another drive."""
        if self._seen and math.hypot(state.x - self._seen[-1][0].x, state.y - self._seen[-1][0].y) > JUMP_M:
            self._seen.clear()
        self._seen.append((state, place))

    def act(self, state: VehicleState, place: Place) -> NDArray[np.float32]:
        """Return the action (gas_brake, steer) that the hands make in the coming time-step."""
        traits = self.traits
        self._rest_s -= self._dt
        if self._rest_s <= 0:
            self._correct()
        share = 1 - math.exp(-self._dt / traits.hand_s) if traits.hand_s > 0 else 1.0
        self._hand += (self._aim - self._hand) * share
        self._clock_s += self._dt
        if traits.device == STICK:
            action = np.clip(self._hand + traits.tremor * self._rng.standard_normal(2), -1, 1)
        else:
            action = self._keys(self._hand)
        self._done.append((float(action[0]), float(action[1])))
        return action.astype(np.float32)

    def _correct(self) -> None:
        """Look at what was seen a moment ago, think of where the car is by now, and send the hand to a new place."""
        traits, rng = self.traits, self._rng
        delay = max(0.0, rng.normal(traits.delay_s, traits.delay_spread_s))
        back = min(round(delay / self._dt), len(self._seen) - 1)
        # The hand arrives later still, and stays until the next correction: it is sent to where it will be needed.
        ahead = back * self._dt + traits.hand_s + 0.25 / traits.corrections_hz
        state, place = self._expected(*self._seen[-1 - back], back, traits.extrapolates * ahead)
        meant = self._intent.act(state, place).astype(np.float64)
        if self.forgets_brake:
            meant[0] = max(meant[0], 0.0)
        noise = traits.noise * (meant - self._aim) * rng.standard_normal(2)
        self._aim = np.clip(meant + noise, -1, 1)
        period = 1.0 / traits.corrections_hz
        self._rest_s += max(self._dt, rng.normal(period, 0.2 * period))
        if rng.random() < traits.lapses_per_min / 60 * period:
            self._rest_s += traits.lapse_s

    def _expected(self, state: VehicleState, place: Place, back: int, seconds: float) -> tuple[VehicleState, Place]:
        """Return where the car will be, by the person's idea of how it answers to what the hands did since and do now."""
        steps = round(seconds / self._dt)
        if steps <= 0:
            return state, place
        skill, dt = self._intent.skill, self._dt
        car = skill.answers
        hands = [*list(self._done)[max(0, len(self._done) - back) :], *[(float(self._aim[0]), float(self._aim[1]))] * steps]
        x, y, heading, vx, vy = state.x, state.y, state.heading, state.vx, state.vy
        yaw_rate, wheels = state.yaw_rate, state.steer
        for pedal, steer in hands[:steps]:
            speed = math.hypot(vx, vy)
            wheels += min(max(steer - wheels, -car.wheels_per_s * dt), car.wheels_per_s * dt)
            most = car.grip / max(speed, 1.0)
            turning = min(max(skill.turning(-wheels, speed), -most), most)
            yaw_rate += (turning - yaw_rate) * min(1.0, dt / car.yaw_s)
            if pedal < 0 and car.brakes_from:
                pedal = -float(pedal <= -car.brakes_from)
            change = pedal * (car.pull if pedal > 0 else car.brakes) * dt
            faster = max(0.0, 1 + change / max(speed, 1.0))
            c, s = math.cos(yaw_rate * dt), math.sin(yaw_rate * dt)
            vx, vy = faster * (c * vx - s * vy), faster * (s * vx + c * vy)
            x, y, heading = x + vx * dt, y + vy * dt, heading + yaw_rate * dt
        moved = replace(state, x=x, y=y, vx=vx, vy=vy, heading=heading, yaw_rate=yaw_rate)
        return moved, self.track.line.locate(x, y, place.s)

    def _keys(self, meant: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what keys make of it: all or nothing, each press of some length."""
        if self.traits.device == TAPS:  # the share of time that a key is down says how much is meant
            least, shortest = np.full(2, max(PRESSED_FROM, (self._clock_s % TAP_S) / TAP_S)), 0.0
        else:
            least, shortest = np.array([PRESSED_FROM, STEERED_FROM]), SHORTEST_PRESS_S
        wanted = np.where(np.abs(meant) > least, np.sign(meant), 0.0)
        change = (wanted != self._keys_down) & (self._keys_held_s >= shortest)
        self._keys_down = np.where(change, wanted, self._keys_down)
        self._keys_held_s = np.where(change, 0.0, self._keys_held_s + self._dt)
        return self._keys_down

    def decides_in(self) -> float:
        """Return the seconds (drawn at each call) from the need of help to the hand on the wheel: an ex-Gaussian."""
        traits, rng = self.traits, self._rng
        return max(0.0, rng.normal(traits.decision_s, 0.2 * traits.decision_s)) + rng.exponential(traits.decision_tail_s)
