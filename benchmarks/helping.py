"""Where an arm's human seconds go: takeovers at the corner, whole laps, practice, or help that the agent asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arms import HELP_S, WHEREVER_S, Arm

from hitl.demo.stall import REACH_M
from hitl.drivers.scripted import HelpRule, TakeoverRule

if TYPE_CHECKING:
    from data.records import Corner
    from hitl.games.base import VehicleState
    from hitl.road.line import Place
    from hitl.session.lockstep import Lockstep
    from hitl.session.setup import SessionSetup

LEAVE_M = 8.0  # m behind a corner at which the wheel is given back
NO_CORNER_S = 2.0  # s that help lasts where no corner is near
NO_CORNER_M = 25.0  # m before and behind the place where the agent failed, of help that is not at a corner
FINISH_M = 3.0  # m before the end of the line at which an episode counts as finished
PER_MINUTE = 4.0  # requests, at most
STANDS, STANDS_S = 3.0, 0.5  # m/s below which a car stands, and s of it after which the player sees that


def helper(
    arm: Arm, rig: SessionSetup, lockstep: Lockstep, corner: Corner, seed: int, skill: str = "expert"
) -> tuple[Any, int]:
    """Return the wheel of an arm, and the human steps that were driven beforehand (whole laps)."""
    from hitl.drivers.human import NoHuman, ScriptedHuman, scripted_human
    from hitl.drivers.person import driver_of_skill

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
    if arm.wherever:
        return ScriptedHuman(driver, WhereItFails(rig, corner, driver.decides_in), limit_s=WHEREVER_S, hz=hz), steps
    wanted = HelpRule(corners=frozenset({corner.name}), danger=False, patient=True)
    if arm.rescues:
        rule = Rescues(rig.track, wanted, hz, rig.corners, driver.decides_in)
        return ScriptedHuman(driver, rule, limit_s=HELP_S, hz=hz), steps
    return scripted_human(rig.track, skill, wanted, seed=seed + 7, corners=rig.corners, limit_s=HELP_S, hz=hz), steps


class Rescues(TakeoverRule):
    """Helps at the corner, and lets the agent try after each help; but where it stands in that try, it is driven on from there.

    A takeover that begins before the corner never shows how to go on from a standstill in front of it.
    """

    _stands = 0
    """Steps for which it has stood, in a try alone."""

    def begin(self) -> None:
        """An episode begins."""
        super().begin()
        self._stands = 0

    def requests_control(self, state: VehicleState, place: Place) -> bool:
        """Tell whether the driver holds the wheel in this step."""
        near = any(c.from_m - REACH_M <= place.s < c.to_m for c in self._corners)
        if not self._helping and near:
            self._stands = self._stands + 1 if state.speed < STANDS else 0
            if self._stands >= STANDS_S * self._hz:
                self._helping = True
        return super().requests_control(state, place)


class WhereItFails(TakeoverRule):
    """Helps where the agent's last try alone ended: first at the corner of the stall, then at the next one that it fails.

    After each help the agent tries by itself, and it is not helped again after a try that reached the finish.
    """

    def __init__(self, rig: SessionSetup, corner: Corner, decides_in: Callable[[], float]) -> None:
        self._finish = rig.track.line.length
        self._alone = False
        rule = HelpRule(corners=frozenset({corner.name}), danger=False, patient=True)
        super().__init__(rig.track, rule, rig.task.settings.hz, rig.corners, decides_in)
        self._all = sorted(rig.corners, key=lambda c: c.from_m)

    def begin(self) -> None:
        """An episode begins: with help, unless the last one had it or reached the finish."""
        if self._helped:
            self._alone = True
        elif self._alone and 0.0 < self._reached < self._finish - FINISH_M:
            end = self._reached
            behind = [c for c in self._all if c.from_m - REACH_M <= end]  # the last one that it came near to
            self._corners = behind[-1:] if behind and end < behind[-1].to_m + LEAVE_M else [_stretch(end)]
            self._alone = False
        super().begin()
        self._helping = not self._alone


def _stretch(end: float) -> Corner:
    """Return the stretch of road around a place where no corner is."""
    from data.records import Corner

    return Corner("no corner", max(0.0, end - NO_CORNER_M), end + NO_CORNER_M)


class OnRequest:
    """Takes the wheel when the agent asks, and keeps it until the corner ahead is behind.

    ``decides_in``: gives the seconds, in each episode, between a request and the hand on the wheel.
    """

    def __init__(self, rig: SessionSetup, lockstep: Lockstep, decides_in: Callable[[], float]) -> None:
        from hitl.session.help_requests import PolicyForesight

        self._rig, self._hz, self._decides_in = rig, rig.task.settings.hz, decides_in
        layout = rig.observation_names, rig.action_names
        rig.session.foresight = PolicyForesight(rig.home, lockstep.policy, rig.track.name, layout, PER_MINUTE, self._hz)
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
