"""A session: the agent drives, the player takes the wheel, and everything is written down.

One tick, twenty times a second:

1. The agent says what it would do (``proposed``), and how likely it is to fail soon.
2. As late as the clock allows, the player's pad is read.
3. The arbiter decides who drives; that action is sent (``executed``).
4. The game answers: what the car sees now, the reward, and whether the episode is over.
5. The step is handed to the recorder, which writes it down on its own thread.
6. The pad rumbles if the wheel changed hands, and whoever watches is shown the newest state.

Nothing in a tick waits for the disk, the screen or the trainer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.demos import Rule
from data.numbers import is_number
from data.records import AGENT, HUMAN, StepRow
from hitl import arbiter
from hitl.drivers.human import HumanSide, NoHuman, persons_pad
from hitl.games.hang_guard import EnvironmentLost, lost
from hitl.pads.base import braking_action, neutral_action, to_action
from hitl.pads.hands import look, together
from hitl.protocols import Clock, EpisodeResult, Foresight, Policy, Recorder, Remembering, Tick
from hitl.road.corners import Corner
from hitl.session.door import Door, Unusable
from hitl.session.offers import RUMBLES, CornerOffers
from hitl.session.outcome import Course, OutcomeJudge
from hitl.timing.clocks import LockstepClock

__all__ = ["EpisodeResult", "Session", "Tick"]

APPROACH_M = 30.0  # m before a corner within which a takeover is meant for it
RETRY_S = (
    0.5,
    1.0,
    2.0,
    4.0,
    8.0,
)  # s between tries to begin again in an environment that was lost; the last one repeats
GIVE_UP_S = 300.0  # s of tries after which the session ends
SOON_S = 10.0  # s of driving below which an episode that is lost counts as a failure of its environment
MOST_FAILURES = 5  # in a row, after which the session ends
OFFERS = {"zone": "The wheel is offered for a corner.", "asked-for": "The agent asks for help."}
EVENTS = {
    "takeover": "The player takes the wheel.",
    "hand_back": "The agent drives again.",
    "paused": "Paused.",
    "resumed": "The session goes on.",
    "panic": "Panic: everything is let go and the episode ends.",
}
LIES = (
    "The {what} stands off its rest and does not move, so it counts as let go there. If no hand is on it, "
    "`hitl pads --calibrate` measures its rest anew."
)


class Session:
    """Runs episodes in one environment.

    ``env``: a Gymnasium environment whose ``info`` holds ``state``, ``place``, ``progress`` and ``reason``. ``watch`` is called
    with each :class:`Tick`; it must return at once. ``stop`` is asked between ticks. After a drive, ``leaving`` tells whether
    the player wants to go, and ``starred`` holds the segments (numbers of this session) that they starred.
    """

    def __init__(
        self,
        env: Any,
        policy: Policy,
        recorder: Recorder,
        *,
        action_names: tuple[str, ...],
        observation_names: tuple[str, ...] = (),
        corners: tuple[Corner, ...] = (),
        wheel: HumanSide | None = None,
        settings: arbiter.Settings | None = None,
        clock: Clock | None = None,
        hz: float = 20.0,
        watch: Callable[[Tick], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        freeze: Callable[[], None] = lambda: None,
        release: Callable[[], None] = lambda: None,
        offers: CornerOffers | None = None,
        foresight: Foresight | None = None,
        controls: tuple[str, ...] = (),
        tell: Callable[[str, str], None] = lambda level, text: None,
    ) -> None:
        """``freeze`` is called in every tick of a pause: it lets the game's time stand still and some real time pass.
        ``release`` lets go of the game's controls at once, for pauses and panic. ``controls``: which control of the pad moves
        each action number, where the action's names do not say it. ``tell`` takes (level, sentence) for the player.
        """
        self.env, self.policy, self.recorder = env, policy, recorder
        self.names, self.corners = action_names, corners
        self.human: HumanSide = wheel or NoHuman()
        self.settings = settings or arbiter.Settings()
        self.clock: Clock = clock or LockstepClock(hz)
        self.hz, self.rule = hz, Rule()
        self.watch, self.stop, self.freeze, self.release = watch, stop, freeze, release
        self.offers = offers or CornerOffers(corners, "off")
        self.foresight = foresight
        self.door = Door(observation_names, action_names, self._mended)
        self.soon = round(SOON_S * hz)  # steps: an environment that is lost before has failed
        self._failures = 0  # in a row
        self.rumble = True
        self.greedy_every = 0  # every second, third, … drive without noise: what is evaluated must be learned from; 0: none
        self._drives = 0
        self.leaving = False
        self.starred: list[int] = []
        self._latest: int | None = None  # the newest takeover or lap of this session, for the star
        self.controls, self.tell = controls or action_names, tell
        self._neutral, self._braking = neutral_action(self.controls), braking_action(self.controls)
        self._state = arbiter.State()
        self._told: frozenset[str] = frozenset()  # what the player was told of their pad

    def episode(
        self,
        purpose: str = "drive",
        *,
        seed: int | None = None,
        start: Any = None,
        deterministic: bool | None = None,
        until_m: float | None = None,
    ) -> EpisodeResult:
        """Drive one episode and return what it came to.

        ``purpose``: ``drive`` and ``practice`` explore (but for every ``greedy_every``-th) and let the player take over;
        ``evaluation`` is greedy and alone;
        ``lap`` is the human's from start to end. ``until_m``: the metre at which it is cut off (which truncates, for the road
        goes on); its reason is then ``through``.
        """
        self.policy.begin_episode()
        if said := getattr(self.policy, "notices", None):
            self._notice({"notices": said})
            said.clear()
        self._greedy = self._is_greedy(purpose) if deterministic is None else deterministic
        self._alone = purpose == "evaluation"
        self._until = until_m
        self._result = EpisodeResult(purpose)
        self._judge = OutcomeJudge()
        self._segment: int | None = None
        self._course = Course(0)
        self._state = arbiter.new_episode(self._state)
        self._offer = ""
        self._driver = AGENT
        self._helped: set[str] = set()
        self.human.begin()
        problem = str(getattr(persons_pad(self.human), "problem", ""))
        if problem and problem not in self._told:
            self._told |= {problem}
            self.recorder.event("pad_problem", problem, level="warning")
            self.tell("warning", problem)
        if self.foresight is not None:
            self.foresight.begin()
        opened = self._open(seed, start)
        if opened is None:
            self._result.reason = "stopped"
            return self._result.judge(self.corners)
        observation, info = opened
        self._began_m = info["progress"]
        self.recorder.begin_episode(purpose, seed, self.policy.checkpoint_id)
        if purpose == "lap":
            self._segment = self._latest = self.recorder.begin_segment("lap", trigger=self.human.name)
        end = None
        while end is None:
            try:
                observation, info, end = self._tick(observation, info)
            except EnvironmentLost as error:
                self._lost(error, observation)
                self.clock.rest()
                return self._result.judge(self.corners)
        self._failures = 0
        self._finish(end, observation)
        self.clock.rest()
        return self._result.judge(self.corners)

    def _is_greedy(self, purpose: str) -> bool:
        """Tell whether the agent drives an episode as it thinks best, without noise."""
        if purpose in ("drive", "practice") and self.greedy_every:
            self._drives += 1
            return self._drives % self.greedy_every == 0
        return purpose == "evaluation"

    def _open(self, seed: int | None, start: Any) -> tuple[NDArray[np.float32], dict[str, Any]] | None:
        """Begin an episode in the environment; one that fails is tried again and again, until the player has enough (None)."""
        options = {"start": start} if start is not None else None
        tries, spent = 0, 0.0
        if self._failures and not self._wait(RETRY_S[min(self._failures, len(RETRY_S)) - 1]):
            return None
        while True:
            try:
                observation, info = self.env.reset(seed=seed, options=options)
                self.door.begin(observation, info)
            except Exception as error:
                problem = lost(error)
                # A game may be started again meanwhile; an environment that waits for us will not get better by itself.
                alone = isinstance(self.clock, LockstepClock) or isinstance(error, Unusable)
                if spent >= GIVE_UP_S or (alone and tries + 1 >= MOST_FAILURES):
                    raise problem from error
                if tries == 0:
                    self.recorder.event("env_lost", str(problem), level="warning")
                    self.tell("warning", f"{problem} It is tried again until you leave.")
                wait = RETRY_S[min(tries, len(RETRY_S) - 1)]
                tries, spent = tries + 1, spent + wait
                if not self._wait(wait):
                    return None
                continue
            if tries:
                self.recorder.event("env_back", "The environment answers again.", data={"tries": tries})
                self.tell("good", "The environment answers again.")
            self._notice(info)
            return observation, info

    def _wait(self, seconds: float) -> bool:
        """Let time pass; tells whether the session goes on."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pad = persons_pad(self.human)  # the scripted driver has nothing to say now
            if pad is not None:
                release_at = self.settings.release_at
                hands, seen = look(self._state.hands, pad.read(), self.clock.now(), release_at, False)
                self._state = replace(self._state, hands=hands)
                self.leaving = "quit" in together(seen).pressed
            if self.leaving or self.stop():
                self.leaving = True
                return False
            time.sleep(0.05)
        return True

    def _advance(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        try:
            result: tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]] = self.env.step(action)
        except Exception as error:
            raise lost(error) from error
        observation, reward, terminated, truncated, info = result
        self._notice(info)
        observation, reward, info = self.door.step(observation, reward, info, terminated)
        return observation, reward, terminated, truncated, info

    def _mended(self, text: str, numbers: dict[str, float]) -> None:
        """The door has replaced numbers."""
        self.recorder.event(
            "numbers", text, level="warning", data={"step": self._result.steps, **{k: str(v) for k, v in numbers.items()}}
        )
        if numbers:
            self.tell("warning", text)

    def _notice(self, info: dict[str, Any]) -> None:
        """Hand on what the game has to say to the player."""
        for text in info.get("notices", ()):
            self.recorder.event("notice", text, level="warning")
            self.tell("warning", text)

    def _lost(self, error: EnvironmentLost, observation: NDArray[np.float32]) -> None:
        """The environment is gone in mid-episode: let go, close what runs, say so. The last step's successor is known."""
        self.release()
        self.clock.lost()
        result = self._result
        result.reason = "env_lost"
        if self._segment is not None:
            self.recorder.end_segment(self._segment, interrupted=True)
            self._weigh(self._segment)
            self._segment = None
        outcomes = self._judge.over(self.clock.now(), result.reason)
        for token, outcome in outcomes:
            self.recorder.set_outcome(token, outcome)
        self.recorder.end_episode("interrupted", result.reason, observation if result.steps else None)
        self.door.over()
        self.recorder.event("env_lost", str(error), level="warning", data={"steps": result.steps})
        self.tell("warning", str(error))
        self._failures = self._failures + 1 if result.steps < self.soon else 1
        if self._failures >= MOST_FAILURES:
            raise EnvironmentLost(
                f"{MOST_FAILURES} episodes in a row were lost soon after they had begun, so the session ends; what was recorded "
                f"is kept. The last time: {error}"
            ) from error

    def _tick(
        self, observation: NDArray[np.float32], info: dict[str, Any]
    ) -> tuple[NDArray[np.float32], dict[str, Any], str | None]:
        result = self._result
        proposed = self.door.action(self.policy.act(observation, self._greedy), "the agent's")
        risk, asks = None, False
        if self.foresight is not None and result.purpose != "lap":
            risk, asks = self.foresight.step(observation, proposed, self._driver == AGENT)
            risk = risk if risk is not None and is_number(risk) else None
        offer = self._offered(info, asks)
        self.clock.wait_for_send()
        decision = self._decide(proposed, info, offer)
        if decision.driver == HUMAN:
            decision = replace(decision, executed=self.door.action(decision.executed, "the player's"))
        if decision.event is not None:
            self._on_event(decision, info)
        ended = self._ended_by_player(decision)
        if ended:
            result.reason = ended
            return observation, info, "truncated"
        if decision.paused:  # nothing is sent and nothing recorded: for the game and the learner, no time passes
            if decision.event == "paused":
                self.release()
            self._show(Tick(info, decision, proposed, result.total, result.purpose, risk, "", self.clock.late))
            self.freeze()
            return observation, info, None
        self.clock.send(decision.executed)
        after, reward, terminated, truncated, next_info = self._advance(decision.executed)
        if isinstance(self.policy, Remembering):
            self.policy.stepped(decision.executed)
        if (executed := next_info.get("executed")) is not None:
            decision = replace(decision, executed=self.door.action(executed, "the game's"))
        reason = next_info.get("reason") or ""
        if self._until is not None and next_info["progress"] >= self._until and not (terminated or truncated):
            truncated, reason = True, "through"
        self._record(observation, proposed, decision, reward, terminated, truncated, info, risk)
        if self._segment is not None:
            state = info["state"]
            self._course.step(info["progress"], state.x, state.y, state.speed)
        result.total += reward
        result.steps += 1
        result.human_steps += decision.driver == HUMAN
        result.progress = max(result.progress, next_info["progress"])
        result.reason = reason
        self._driver = decision.driver
        if decision.driver == HUMAN:
            self._helped |= {c.name for c in self.corners if c.from_m - APPROACH_M <= info["progress"] < c.to_m}
        if not (terminated or truncated):
            for token, outcome in self._judge.step(self.clock.now(), next_info["progress"]):
                self.recorder.set_outcome(token, outcome)
        self._tell(decision, offer, info)
        self._show(Tick(next_info, decision, proposed, result.total, result.purpose, risk, offer, self.clock.late))
        return after, next_info, "terminated" if terminated else "truncated" if truncated else None

    def _offered(self, info: dict[str, Any], asks: bool) -> str:
        """Return why the wheel is offered in this tick, "" for not at all."""
        if self._alone or self._result.purpose == "lap" or self._driver == HUMAN:
            return ""
        if asks:
            return "asked-for"
        return "zone" if self.offers.at(info["progress"], info["state"].speed) else ""

    def _decide(self, proposed: NDArray[np.float32], info: dict[str, Any], offer: str) -> arbiter.Decision:
        if self._alone:
            return arbiter.Decision(AGENT, proposed, 0.0, None, "")
        pad, hold = self.human.read(info)
        lap = self._result.purpose == "lap"
        inputs = arbiter.Inputs(
            time=self.clock.now(),
            proposed=proposed,
            human=to_action(pad, self.controls),
            neutral=self._neutral,
            braking=self._braking,
            pad=pad,
            humans=() if hold else tuple(to_action(part, self.controls) for part in pad.parts),
            hold="lap" if lap else hold,
            offer=offer,
            allowed=lap or self.offers.allowed(info["progress"]),
        )
        self._state, decision = arbiter.step(self._state, inputs, self.settings)
        if new := decision.lying - self._told:
            self._told |= new
            text = LIES.format(what=" and the ".join(sorted(new)))
            self.recorder.event("pad_lies", text, level="warning")
            self.tell("warning", text)
        return self._of_a_lap(decision) if lap else decision

    def _of_a_lap(self, decision: arbiter.Decision) -> arbiter.Decision:
        """In a lap only the human drives: while their pad is missing, time stands still."""
        if decision.driver == HUMAN or decision.paused or decision.event == "panic":
            return replace(decision, event=None if decision.event == "takeover" else decision.event)
        return replace(decision, executed=self._neutral, event=None, safe=True, paused=True)

    def _ended_by_player(self, decision: arbiter.Decision) -> str:
        """Return why the episode is over now, "" if it is not."""
        pressed = decision.pressed
        if "star" in pressed:
            self._star()
        if decision.event == "panic":
            self.release()
            self._state = replace(
                self._state, phase="paused"
            )  # whatever the reason was, nobody drives until they say so
            return "panic"
        if "quit" in pressed:
            self.leaving = True
        if self.leaving or self.stop():
            return "stopped"
        return "restart" if "restart" in pressed else ""

    def _star(self) -> None:
        """Star the newest takeover or lap, also when its episode is over: a person presses when they see how it ended."""
        if self._latest is None:
            self.tell("info", "Nothing to star yet: take over first.")
        elif self._latest not in self.starred:
            self.starred.append(self._latest)
            self.recorder.event("star", "The player starred what was just driven.")
            self.tell("good", "Starred: what you drove last.")

    def _on_event(self, decision: arbiter.Decision, info: dict[str, Any]) -> None:
        corner = self._corner_near(info["progress"])
        event, name = str(decision.event), corner.name if corner else None
        lap = self._result.purpose == "lap"
        if event == "takeover":
            self._segment = self._latest = self.recorder.begin_segment("takeover", decision.trigger, name)
            self._judge.taken(self._segment, corner)
            self._course = Course(self._result.steps)
            self._result.takeovers += 1
        elif self._segment is not None and not lap:  # every other event ends a takeover that runs
            self.recorder.end_segment(self._segment, interrupted=event == "interrupted")
            self._judge.handed_back(self.clock.now())
            self._weigh(self._segment)
            self._segment = None
        data = {"progress": round(info["progress"], 1), "trigger": decision.trigger, "corner": name}
        if event == "interrupted":
            text = "The pad went away in the middle of a takeover; " + (
                "the agent drives." if self.settings.unplugged == "agent" else "the car brakes until you are back."
            )
            self.recorder.event("pad_lost", text, level="warning", data=data)
        else:
            self.recorder.event(event, EVENTS[event], data=data)

    def _weigh(self, takeover: int) -> None:
        """See whether a takeover that is over shows anything; one that does not has no outcome, and the player is told."""
        why = self._course.nothing_shown(self.hz, self.rule) if self._course.steps and self._result.purpose != "lap" else ""
        if why:
            self._judge.dismissed(takeover)
            text = f"That takeover shows the agent nothing, so it is not learned from: {why}."
            self.recorder.event("nothing_shown", text, data={"segment": takeover})
            self.tell("info", text)

    def _tell(self, decision: arbiter.Decision, offer: str, info: dict[str, Any]) -> None:
        """Rumble when the wheel changes hands or begins to be offered; note the offer."""
        cue: str | None = decision.event if decision.event in RUMBLES else None
        if offer and offer != self._offer and decision.driver == AGENT:
            cue = cue or offer
            self.recorder.event(f"offer {offer}", OFFERS[offer], data={"progress": round(info["progress"], 1)})
        self._offer = offer
        if cue is not None and self.rumble:
            self.human.rumble(*RUMBLES[cue])

    def _show(self, tick: Tick) -> None:
        if self.watch is not None:
            self.watch(tick)

    def _corner_near(self, progress: float) -> Corner | None:
        return next((c for c in self.corners if c.from_m - APPROACH_M <= progress < c.to_m), None)

    def _record(
        self,
        observation: NDArray[np.float32],
        proposed: NDArray[np.float32],
        decision: arbiter.Decision,
        reward: float,
        terminated: bool,
        truncated: bool,
        info: dict[str, Any],
        risk: float | None,
    ) -> None:
        state = info["state"]
        self.recorder.step(
            StepRow(
                observation=observation,
                executed=decision.executed,
                proposed=proposed,
                driver=decision.driver,
                reward=reward,
                terminated=terminated,
                truncated=truncated,
                progress=info["progress"],
                x=state.x,
                y=state.y,
                z=state.z,
                heading=state.heading,
                speed=state.speed,
                risk=risk,
                checkpoint_id=self.policy.checkpoint_id,
            )
        )

    def _finish(self, end: str, observation: NDArray[np.float32]) -> None:
        result = self._result
        if self._segment is not None:
            self._weigh(self._segment)
        outcomes = self._judge.over(self.clock.now(), result.reason, result.progress)
        if self._segment is not None:
            lap = result.purpose == "lap"
            cleared = lap and result.reason == "finish"
            self.recorder.end_segment(self._segment, outcome="cleared" if cleared else "failed" if lap else "unclear")
            self._segment = None
        for token, outcome in outcomes:
            self.recorder.set_outcome(token, outcome)
        self.recorder.end_episode(end, result.reason, observation)
        self.door.over()
        for corner in self.corners:
            if corner.name in self._helped or self._began_m > corner.from_m or result.progress < corner.from_m:
                continue
            passed = result.progress >= corner.to_m
            if passed or result.reason in ("off_road", "stalled"):
                self.offers.tried(corner.name, passed)
