"""A model of a person at the wheel: late eyes, a few corrections a second, noisy hands, keys instead of a stick.

The scripted driver says what they mean to do; this module is what becomes of it on the way from the eye to the pad. A person
sees the car as it was, extrapolates to now, and sends the hand to a new place two to four times a second; the hand gets there
late and not quite exactly. Sources of the traits:

- delay of the eye, 0.15 to 0.3 s: McRuer and others, 1967; Nash and Cole, 2020 (identified on drivers in a simulator);
- extrapolation by an internal model: Wolpert and Ghahramani, 2000; the road itself is seen ahead, so it has no delay: Land and
  Lee, 1994;
- intermittent corrections, 2 to 4 a second, each a movement of its own: Craik, 1947; Gawthrop and others, 2011; for steering:
  Johns and Cole, 2015 ("serial-ballistic");
- lag of arm and hand, about 0.1 s: McRuer and others, 1967;
- noise that grows with the movement: Harris and Wolpert, 1998; for steering: Kolekar and others, 2018;
- time to decide that help is needed, 0.2 to 1 s, skewed to the right: Green, 2000 (braking of surprised drivers); here an
  ex-Gaussian, as reaction times are: Luce, 1986;
- lapses of attention, some a minute, half a second long: Robertson and others, 1997, for their frequency in dull tasks.
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
PRESS_S = 0.08  # s that a key is down at least
WHEEL_PER_S = 3.75  # share of full lock that the wheels turn in a second
YAW_S = 0.08  # s in which the car follows its wheels
GRIP = 40.0  # m/s² sideways at which the person expects the car to slide
DEAD = 0.15  # share of full lock below which a player with keys presses nothing


@dataclass(frozen=True)
class Traits:
    """What makes one person's driving. Times in s; shares of the full range of stick and pedals."""

    driving: Skill = Skill()
    delay_s: float = 0.2  # from the picture to the beginning of a correction
    delay_spread_s: float = 0.03
    extrapolates: float = 1.0  # share of the delay that the person looks ahead for
    corrections_hz: float = 4.0
    hand_s: float = 0.08  # time constant of arm and stick
    noise: float = 0.05  # standard deviation of a movement, as a share of it
    tremor: float = 0.01  # standard deviation of the rest
    hand_on: str = STICK
    lapses_per_min: float = 0.0
    lapse_s: float = 0.5
    decision_s: float = 0.25  # to see that help is needed and take the wheel (mean of the ex-Gaussian's normal part)
    decision_tail_s: float = 0.05  # mean of its exponential part
    lets_go_early_m: float = 0.0  # m before the place where the work would be done
    bad_takeovers: float = 0.0  # share of takeovers that go wrong: brakes too late, or turns in too late


EXPERT = Traits(
    delay_s=0.0, delay_spread_s=0.0, corrections_hz=20.0, hand_s=0.0, noise=0.0, tremor=0.0, decision_s=0.2, decision_tail_s=0.0
)  # fmt: skip
CALM = Skill(
    corner_grip=17.0, braking=12.5, top_speed=28.0, wander_m=0.4, look_m=7.5, look_s=0.33, settling=0.005, gas=0.15, brake=0.1
)  # fmt: skip
"""How somebody drives who knows what their eyes and hands can do: looks farther ahead, and leaves themselves more room."""
GOOD = Traits(CALM)
CLUMSY = Traits(
    replace(CALM, corner_grip=18.0, braking=14.0, wander_m=0.8),
    delay_s=0.26, delay_spread_s=0.06, extrapolates=0.85, corrections_hz=3.0, hand_s=0.12, noise=0.15, tremor=0.03,
    lapses_per_min=6.0, decision_s=0.4, decision_tail_s=0.15,
)  # fmt: skip
SKILLS: dict[str, Traits] = {
    "expert": EXPERT,
    "good": GOOD,
    "clumsy": CLUMSY,
    "keyboard": replace(GOOD, hand_on=KEYS, hand_s=0.03, noise=0.0, tremor=0.0),
    "taps": replace(GOOD, hand_on=TAPS, hand_s=0.03, noise=0.0, tremor=0.0),
    "late": replace(GOOD, decision_s=0.75, decision_tail_s=0.15),
    "wrong": replace(GOOD, bad_takeovers=0.2),
    "lazy": replace(GOOD, lets_go_early_m=15.0),
}


class Person:
    """Drives one track with a person's traits. ``see`` is called at each step, ``act`` in those in which they hold the wheel."""

    def __init__(self, track: Track, traits: Traits = GOOD, seed: int = 0, hz: float = 20.0) -> None:
        self.track, self.traits, self._dt = track, traits, 1.0 / hz
        self._intent = ScriptedDriver(track, traits.driving, seed, hz)
        self._rng = np.random.default_rng([seed, 1])
        self._seen: deque[tuple[VehicleState, Place]] = deque(maxlen=1 + math.ceil(1.0 * hz))
        self.begin()

    def begin(self) -> None:
        """A stint begins: a line of its own, hands at rest, and perhaps a takeover that will go wrong."""
        self._intent.begin()
        self._target = np.zeros(2)
        self._hand = np.zeros(2)
        self._next_s = 0.0  # until the next correction
        self._pressed = np.zeros(2)
        self._held_s = np.full(2, PRESS_S)
        self._clock = 0.0
        self._did: deque[tuple[float, float]] = deque(maxlen=40)
        self._back = 0
        self.blunders = bool(self._rng.random() < self.traits.bad_takeovers)

    def see(self, state: VehicleState, place: Place) -> None:
        """The picture of this step reaches the eye. A jump to another place is a new beginning."""
        if self._seen and math.hypot(state.x - self._seen[-1][0].x, state.y - self._seen[-1][0].y) > 5.0:
            self._seen.clear()
        self._seen.append((state, place))

    def act(self) -> NDArray[np.float32]:
        """Return the action (gas_brake, steer) that their hands make of it in the coming time-step."""
        traits = self.traits
        self._next_s -= self._dt
        if self._next_s <= 0:
            self._correct()
        if traits.hand_s > 0:
            self._hand += (self._target - self._hand) * (1 - math.exp(-self._dt / traits.hand_s))
        else:
            self._hand = self._target.copy()
        self._clock += self._dt
        action = self._hand + traits.tremor * self._rng.standard_normal(2)
        if traits.hand_on != STICK:
            action = self._keys(self._hand)
        self._did.append((float(action[0]), float(action[1])))
        return np.clip(action, -1, 1).astype(np.float32)

    def _correct(self) -> None:
        """Look, think, and send the hand somewhere else."""
        traits, rng = self.traits, self._rng
        delay = max(0.0, rng.normal(traits.delay_s, traits.delay_spread_s))
        back = min(round(delay / self._dt), len(self._seen) - 1)
        state, place = self._seen[-1 - back]
        self._back = back
        ahead = back * self._dt + traits.hand_s + 0.25 / traits.corrections_hz
        state, place = self._extrapolated(state, place, traits.extrapolates * ahead)
        meant = self._intent.act(state, place).astype(np.float64)
        if self.blunders:
            meant[0] = max(meant[0], -0.1)  # as if the brake was forgotten
        moved = meant - self._target
        self._target = np.clip(meant + traits.noise * moved * rng.standard_normal(2), -1, 1)
        period = 1.0 / traits.corrections_hz
        self._next_s += period if traits.corrections_hz >= 1 / self._dt else max(self._dt, rng.normal(period, 0.2 * period))
        if traits.lapses_per_min and rng.random() < traits.lapses_per_min / 60 * period:
            self._next_s += traits.lapse_s

    def _extrapolated(self, state: VehicleState, place: Place, seconds: float) -> tuple[VehicleState, Place]:
        """Return where the car will be, by the person's own idea of how it answers to what their hands did since."""
        steps = round(seconds / self._dt)
        if steps <= 0:
            return state, place
        skill = self.traits.driving
        x, y, heading, yaw = state.x, state.y, state.heading, state.yaw_rate
        vx, vy = state.vx, state.vy
        hands = list(self._did)[-self._back :] if self._back else []
        hands = (hands + [(float(self._target[0]), float(self._target[1]))] * steps)[:steps]
        wheel = state.steer
        for pedal, steer in hands:
            wheel += float(np.clip(steer - wheel, -WHEEL_PER_S * self._dt, WHEEL_PER_S * self._dt))
            speed = math.hypot(vx, vy)
            turning = speed * math.tan(-wheel * skill.full_lock) / skill.wheelbase
            turning = float(np.clip(turning, -GRIP / max(speed, 1.0), GRIP / max(speed, 1.0)))
            yaw += (turning - yaw) * min(1.0, self._dt / YAW_S)
            faster = max(0.0, 1 + pedal * (8.0 if pedal > 0 else 40.0) * self._dt / max(speed, 1.0))
            c, s = math.cos(yaw * self._dt), math.sin(yaw * self._dt)
            vx, vy = faster * (c * vx - s * vy), faster * (s * vx + c * vy)
            x, y, heading = x + vx * self._dt, y + vy * self._dt, heading + yaw * self._dt
        moved = replace(state, x=x, y=y, vx=vx, vy=vy, heading=heading, yaw_rate=yaw)
        return moved, self.track.line.locate(x, y, place.s)

    def _keys(self, meant: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what keys make of it: all or nothing, with presses of some length; taps where it is meant to be less."""
        wanted = np.where(np.abs(meant) > DEAD, np.sign(meant), 0.0)
        if self.traits.hand_on == TAPS:  # the share of time that a key is down says how much is meant
            share = (self._clock % 0.2) / 0.2
            wanted = np.where(np.abs(meant) > max(DEAD, share), np.sign(meant), 0.0)
        else:
            wanted[1] = np.sign(meant[1]) if abs(meant[1]) > 0.35 else 0.0
        change = (wanted != self._pressed) & (self._held_s >= PRESS_S)
        self._pressed = np.where(change, wanted, self._pressed)
        self._held_s = np.where(change, 0.0, self._held_s + self._dt)
        return self._pressed
