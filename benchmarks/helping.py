"""Where an arm's human seconds go: takeovers at the corner, whole laps, practice, or help that the agent asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arms import HELP_S, Arm

if TYPE_CHECKING:
    from data.records import Corner
    from hitl.session.lockstep import Lockstep
    from hitl.session.setup import SessionSetup

LEAVE_M = 8.0  # m behind a corner at which the wheel is given back
NO_CORNER_S = 2.0  # s that help lasts where no corner is near
PER_MINUTE = 4.0  # requests, at most


def helper(
    arm: Arm, rig: SessionSetup, lockstep: Lockstep, corner: Corner, seed: int, skill: str = "expert"
) -> tuple[Any, int]:
    """Return the wheel of an arm, and the human steps that were driven beforehand (whole laps)."""
    from hitl.drivers.human import NoHuman, ScriptedHuman, scripted_human
    from hitl.drivers.person import driver_of_skill
    from hitl.drivers.scripted import HelpRule

    hz = rig.task.settings.hz
    driver = driver_of_skill(rig.track, skill, seed + 7, hz)
    steps = 0
    if arm.laps_s:
        rig.session.human = ScriptedHuman(driver, None)
        count = 0
        while steps < arm.laps_s * hz:
            steps += rig.session.episode("lap", seed=500 + count).steps
            count += 1
    if not arm.takeovers:
        return NoHuman(), steps
    if arm.on_request:
        rule: Any = OnRequest(rig, lockstep, driver.decides_in)
        return ScriptedHuman(driver, rule, limit_s=HELP_S, hz=hz), steps
    wanted = HelpRule(corners=frozenset({corner.name}), danger=False, patient=True)
    return scripted_human(rig.track, skill, wanted, seed=seed + 7, corners=rig.corners, limit_s=HELP_S, hz=hz), steps


class OnRequest:
    """Takes the wheel when the agent asks, and keeps it until the corner ahead is behind.

    ``decides_in``: gives the seconds, in each episode, between a request and the hand on the wheel.
    """

    def __init__(self, rig: SessionSetup, lockstep: Lockstep, decides_in: Callable[[], float]) -> None:
        from hitl.session.help_requests import PolicyForesight

        self._rig, self._hz, self._decides_in = rig, rig.task.settings.hz, decides_in
        rig.session.foresight = PolicyForesight(rig.home, lockstep.policy, rig.track.name, PER_MINUTE, self._hz)
        rig.session.watch = self._watch
        self.begin()

    def begin(self) -> None:
        """An episode begins."""
        self._asked: deque[bool] = deque([False], maxlen=max(1, round(self._decides_in() * self._hz)))
        self._until, self._left = 0.0, 0
        self.holding = False

    def _watch(self, tick: Any) -> None:
        self._asked.append(tick.offer == "asked-for")

    def requests_control(self, state: Any, place: Any) -> bool:
        """Tell whether the human holds the wheel in this step."""
        if not self.holding and self._asked[0]:
            ahead = [c.to_m for c in self._rig.corners if c.from_m - 40.0 <= place.s < c.to_m]
            self._until = ahead[0] + LEAVE_M if ahead else 0.0
            self._left = round(NO_CORNER_S * self._hz)
            self.holding = True
        elif self.holding:
            self._left -= 1
            self.holding = place.s < self._until or self._left > 0
        return self.holding


def practice_starts(home: Any, rig: Any, corner: Any) -> dict[str, Any]:
    """Return how the next try at a corner begins and ends, for ``Lockstep.drive``; empty when nobody has come there yet."""
    from data.store import Store
    from hitl.session.practice import starts

    with Store(home.store_path, read_only=True) as store:
        found = starts(store, rig.track.name, corner, rig.track.line, rig.track.half_width)
    if not found:
        return {}
    return {"purpose": "practice", "start": found[0], "until_m": min(corner.to_m, rig.track.line.length - 3.0)}
