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

from data.demos import DemoRule
from data.numbers import is_number
from data.reading.standing import STANDS
from data.recording.recorder import Recorder
from data.records import AGENT, CUT_OFF, HUMAN
from hitl import arbiter
from hitl.coach.earned import Earned
from hitl.coach.observer import Coaching
from hitl.coach.rewind import Moment, Rewind
from hitl.coach.rules import Said, Say, Tell, in_english
from hitl.drivers.agent_side import AgentSide
from hitl.drivers.held_weights import lap_share
from hitl.drivers.human import HumanSide, NoHuman, button_names, persons_pad
from hitl.games.hang_guard import EnvironmentLost
from hitl.games.world import World
from hitl.protocols import Awaits, EpisodeResult, Policy, Tick
from hitl.session.driver_choice import DriverChoice
from hitl.session.environment import Environment
from hitl.session.help_requests import PolicyForesight
from hitl.session.offers import RUMBLES, CornerOffers, next_corner
from hitl.session.segments import Segments
from hitl.session.step_log import StepLog
from hitl.session_options import SessionOptions

__all__ = ["EpisodeResult", "Session", "Tick"]

OFFERS = {"zone": "The wheel is offered for a corner.", "asked-for": "The agent asks for help."}
SLOW = {"zone": "slow_corner", "asked-for": "slow_asks"}  # the texts where it is known what the corner costs


class Session:
    """Runs episodes in one world.

    ``offers`` knows the track's corners. ``watch`` is called with each :class:`Tick` and must return at once. ``stop`` is asked
    between ticks. ``tell`` takes (level, sentence) for the player. After an episode, ``leaving`` says whether the player wants to
    leave. While ``hands_off``, the wheel cannot be taken. Where they go back, the next ``drive`` or ``practice`` begins at that
    moment, as practice; ``rewind`` keeps the way. ``say`` takes what comes of the player's buttons; None: ``tell`` does.
    """

    def __init__(
        self,
        world: World,
        policy: Policy,
        recorder: Recorder,
        options: SessionOptions,
        *,
        offers: CornerOffers | None = None,
        human: HumanSide | None = None,
        foresight: PolicyForesight | None = None,
        rule: DemoRule | None = None,
        earned: Earned | None = None,
        coaching: Coaching | None = None,
        watch: Callable[[Tick], None] = lambda tick: None,
        stop: Callable[[], bool] = lambda: False,
        tell: Tell = lambda level, text: None,
        say: Say | None = None,
    ) -> None:
        self.recorder, self.options = recorder, options
        self.clock, self._release = world.clock, world.release
        self._stepped = world.stepped
        self._has_line, self._lap_m = world.has_line, world.track.line.length if world.has_line else None
        self.human: HumanSide = human or NoHuman()
        self.offers = offers or CornerOffers((), "off")
        self.corners = self.offers.corners
        self.foresight, self.watch, self.stop = foresight, watch, stop
        self.environment = Environment(world, recorder, tell, say)
        self._agent = AgentSide(policy, self.environment.warn)
        self.segments = Segments(
            recorder, rule or DemoRule(), world.task.settings.hz, tell, say, has_line=world.has_line, earned=earned,
            corners=self.corners,
        )
        self.rewind = Rewind(world.env, world.task.settings.hz, options.coach.rewind_s)
        self.coaching, self._say = coaching, say or in_english(tell)
        if coaching is not None:
            self.segments.ended = coaching.ended
        self._choice = DriverChoice(options.gating, world.controls or world.action_names, world.clock, recorder, tell, say)
        self._log = StepLog(recorder, self.segments, self._choice, world.clock, self.offers, options.coach.keep_s)
        self.leaving = self.hands_off = self._greedy = False
        self._drives = 0  # of those that the agent learns from
        self._result = self._log.result
        self._until: float | None = None  # m at which the episode is cut off
        self._offer = ""  # why the wheel is offered
        self._risk: float | None = None  # in the newest tick

    def episode(
        self,
        purpose: str = "drive",
        *,
        seed: int | None = None,
        start: Any = None,
        deterministic: bool | None = None,
        until_m: float | None = None,
        awaits: Awaits | None = None,
    ) -> EpisodeResult:
        """Drive one episode and return how it went.

        ``purpose``: ``drive`` and ``practice`` explore (except every ``greedy_every``-th) and let the player take over;
        ``evaluation`` is greedy and without help; in a ``lap`` the human drives from start to end. ``until_m``: the metre at
        which the episode is cut off. That truncates, because the road goes on; the reason is then ``through``. ``awaits``: how
        long the car stands before it drives on, in an episode that begins where the player went back to, or in a lap.
        """
        moment = self.rewind.take() if purpose in ("drive", "practice") else None
        if moment is not None:
            purpose = "practice"
        elif purpose == "practice":
            self.rewind.forget()
        self._agent.begin_episode()
        if deterministic is not None:
            self._greedy = deterministic
        elif moment is None:  # where the player went back, the same drive goes on
            self._greedy = self._is_greedy(purpose)
        self._until, self._offer, self._risk = until_m, "", None
        self._result = result = self._log.begin(purpose)
        self._choice.begin_episode(self.human, moment.trigger if moment is not None else "", lap=purpose == "lap")
        if self.foresight is not None:
            self.foresight.begin()
        if purpose != "lap" and not self._agent.there(self._wait):
            begun = None
        elif moment is None:
            begun = self.environment.begin(result, seed, start, self._wait)
        else:
            begun = self.environment.resume(result, moment, self._wait)
        if begun is None:
            result.reason = "stopped"
            return result.judge(self.corners)
        observation, info = begun
        end = None
        self.offers.begin_episode(info["progress"])
        if purpose == "drive":
            self._agent.drive_begins(self._greedy)
        if awaits is not None and (moment is not None or purpose == "lap") and not self._stand(info, awaits):
            result.reason = "stopped"
            return result.judge(self.corners)
        if self.coaching is not None:
            self.coaching.begin_episode(info["progress"], self._agent.checkpoint_id)
        self._log.record(seed, self._agent.checkpoint_id)
        if purpose == "lap":
            self.segments.begin_lap(self.human.name)
        try:
            while end is None:
                observation, info, end = self._tick(observation, info)
        except EnvironmentLost as error:
            self._lost(error, observation)
        else:
            self._finish(end, observation)
        self.clock.rest()
        return result.judge(self.corners)

    def change(self, gating: arbiter.GatingSettings, *, rumble: bool) -> None:
        """Go on with another way to take the wheel."""
        self.options = replace(self.options, gating=gating, help=replace(self.options.help, rumble=rumble))
        self._choice.gate_by(gating)

    @property
    def policy(self) -> Policy:
        """The agent's policy."""
        return self._agent.policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._agent = AgentSide(policy, self.environment.warn)

    @property
    def purpose(self) -> str:
        """What the open, or the newest, episode is driven for."""
        return self._result.purpose

    @property
    def greedy(self) -> bool:
        """Whether the agent drives, or drove the newest episode, without noise."""
        return self._greedy

    def asked_to_leave(self) -> bool:
        """Tell whether the player presses quit, while no episode of this session reads their pad. A press is told once."""
        asked = self._choice.asks_to_quit(self.human)
        self.leaving = self.leaving or asked
        return asked

    def go_on(self) -> None:
        """A pause is over, where there is one: nothing is there any more that could end it."""
        self._choice.go_on()

    @property
    def paused(self) -> bool:
        """Whether the player has paused it, in an episode or between two."""
        return self._choice.paused

    @property
    def pad_gone(self) -> bool:
        """Whether no one drives because the player's pad went away while they did."""
        return self._choice.pad_gone

    def _is_greedy(self, purpose: str) -> bool:
        """Tell whether the agent drives without noise: as evaluations are, so must some drives be that it learns from."""
        if purpose in ("drive", "practice") and self.options.greedy_every:
            self._drives += 1
            return self._drives % self.options.greedy_every == 0
        return purpose == "evaluation"

    def _wait(self, seconds: float) -> bool:
        self.leaving = not self._choice.wait(seconds, self.human, lambda: self.leaving or self.stop())
        return not self.leaving

    def _stand(self, info: dict[str, Any], awaits: Awaits) -> bool:
        """Let the car stand until the player has the wheel; False where nothing comes of it. It is not recorded."""
        rest, lap = np.zeros(len(self.recorder.info.action_names), np.float32), self._result.purpose == "lap"
        if lap and not (self._stepped or self.rewind.exact):
            return True  # a game that runs on by itself counts its own seconds
        stands = arbiter.Decision(HUMAN if lap else AGENT, rest, float(lap), None, "", safe=not lap, paused=not lap)
        then, was_paused = time.monotonic(), False
        while True:
            pad, pressed = self._choice.glance(self.human)
            self.leaving = self.leaving or "quit" in pressed
            if self.leaving or self.stop():
                return False
            now = time.monotonic()
            self._choice.heed_pause(pressed)
            if lap or self._choice.paused:  # while someone is called, any button is their answer
                self._log.judged(pressed, self.human, paused=self._choice.paused)
            if self._choice.paused:
                then = now
                if not was_paused:
                    awaits.pause()
                was_paused = True
                paused = arbiter.Decision(AGENT, rest, 0.0, None, "", safe=True, paused=True, pressed=pressed)
                self.watch(Tick(info, paused, rest, 0.0, self._result.purpose, stands=True))
                self.clock.hold()
                continue
            was_paused = False
            if (does := awaits.step(pad, now - then)) != "stand":
                return does == "drive"
            then = now
            self.watch(Tick(info, stands, rest, 0.0, self._result.purpose, waits=not lap, stands=True))
            self.clock.hold()

    def _tick(
        self, observation: NDArray[np.float32], info: dict[str, Any]
    ) -> tuple[NDArray[np.float32], dict[str, Any], str | None]:
        """Drive one tick; return what is seen after it, and how the episode ends with it (None: it goes on)."""
        result, door, state, progress = self._result, self.environment.door, info["state"], info["progress"]
        # What the agent would do.
        proposed = door.action(self._agent.act(observation, self._greedy, progress), "the agent's")
        risk, asks = self._foresee(observation, proposed, info)
        offer = self._offered(info, asks)
        self.clock.wait_for_send()
        if (newest := self._agent.read_late()) is not None:
            proposed = door.action(newest, "the agent's")
        # Who drives.
        decision = self._decide(proposed, info, offer)
        self._log.decided(decision, self.human, state, progress)
        if ended := self._ended_by_player(decision):
            result.reason = ended
            return observation, info, "truncated"
        if decision.paused:  # nothing is sent and nothing recorded: for the game and the learner, no time passes
            if decision.event is not None:  # the pause begins
                self._release()
            late = self.clock.late
            self.watch(Tick(info, decision, proposed, result.total, result.purpose, risk, late=late, steps=result.steps))
            self.clock.hold()
            return observation, info, None
        # What the game makes of it.
        self.rewind.note(observation, info)
        self.clock.sending()
        after, reward, terminated, truncated, next_info = self.environment.step(decision.executed)
        self._agent.stepped(decision.executed)
        if (executed := next_info.get("executed")) is not None:
            decision = replace(decision, executed=door.action(executed, "the game's"))
        result.reason, result.lap_s = next_info.get("reason") or "", next_info.get("lap_s")
        if self._until is not None and next_info["progress"] >= self._until and not (terminated or truncated):
            truncated, result.reason = True, "through"
        # What is written down, felt and shown of it.
        if decision.driver == HUMAN:
            self.offers.helped(progress)
        self._log.step(
            observation, proposed, decision, (state, progress), (reward, terminated, truncated), next_info["progress"],
            off_road=bool(next_info.get("off_road")), risk=risk, checkpoint_id=self._agent.checkpoint_id,
        )  # fmt: skip
        lost = self._rumble(decision, offer, info)
        tick = Tick(
            next_info, decision, proposed, result.total, result.purpose, risk, offer, late=self.clock.late, steps=result.steps
        )
        corner = next_corner(self.corners, progress, state.speed)[0]
        said = self.coaching is not None and self.coaching.tick(tick, corner)
        if lost and not said:
            self._say(Said(SLOW[offer], values={"corner": lost[0], "seconds": lost[1]}))
        self.watch(tick)
        return after, next_info, "terminated" if terminated else "truncated" if truncated else None

    def _foresee(
        self, observation: NDArray[np.float32], proposed: NDArray[np.float32], info: dict[str, Any]
    ) -> tuple[float | None, bool]:
        """Return (how likely the agent is to fail soon, whether it asks for help).

        The predictor knows nothing of the last second before a failure, in which it would be too late to ask. In it stands a car
        that is about to be cut off for that, so the time that it has left for moving on is reckoned with as well.
        """
        if self.foresight is None or self._result.purpose == "lap":
            return None, False
        if self._choice.paused:  # no time passes: what it has seen lately, and what it said of that, stay as they are
            return self._risk, False
        risk, asks = self.foresight.step(observation, proposed, self._log.driver == AGENT)
        self._risk = max(risk, info.get("stands", 0.0)) if risk is not None and is_number(risk) else None
        return self._risk, asks

    def _offered(self, info: dict[str, Any], asks: bool) -> str:
        """Return why the wheel is offered in this tick, "" if it is not."""
        if self._result.purpose in ("evaluation", "lap") or self._log.driver == HUMAN or self.hands_off:
            return ""
        if asks:
            return "asked-for"
        return "zone" if self.offers.at(info["progress"], info["state"].speed) else ""

    def _decide(self, proposed: NDArray[np.float32], info: dict[str, Any], offer: str) -> arbiter.Decision:
        if self._result.purpose == "evaluation":
            return arbiter.Decision(AGENT, proposed, 0.0, None, "")
        allowed, lap = not self.hands_off and self.offers.allowed(info["progress"]), self._result.purpose == "lap"
        stands = self._has_line and info["state"].speed < STANDS
        decision = self._choice.decide(self.human, info, proposed, offer=offer, allowed=allowed, lap=lap, stands=stands)
        if decision.driver == HUMAN:
            decision = replace(decision, executed=self.environment.door.action(decision.executed, "the player's"))
        return decision

    def _ended_by_player(self, decision: arbiter.Decision) -> str:
        """Return why the episode is over now, "" if it is not."""
        if decision.event == "panic":
            self._release()
            self._choice.pause()
            self._say(Said("press_panic", values={"key": button_names(persons_pad(self.human), "pause")}))
            return "panic"
        if "quit" in decision.pressed:
            self.leaving = True
        if self.leaving or self.stop():
            return "stopped"
        if "rewind" in decision.pressed and self.go_back() is not None:
            return "rewound"
        # An agent that begins again by itself waits until the player has let go.
        again = decision.driver == AGENT and self._agent.asks_restart()
        return "restart" if again or "restart" in decision.pressed else ""

    def go_back(self, trigger: str = "rewind") -> Moment | None:
        """Let the next episode begin some seconds ago, with the player at the wheel; None where it cannot: they are told why."""
        if self._result.purpose in ("lap", "evaluation"):
            self._say(Said("press_back_lap"))
            return None
        if not self.rewind.possible:
            self._say(Said("press_back_never"))
            return None
        moment = self.rewind.back(trigger)
        if moment is None:
            self._say(Said("press_back_none"))
            return None
        to_m = round(moment.info["progress"], 1)
        exact = moment.saved is not None
        if trigger == "rewind":
            self._say(Said("press_back", "good", {"seconds": moment.back_s}) if exact else Said("press_back_near"))
        self.recorder.event(
            "rewind", "The car is taken back.", data={"seconds": moment.back_s, "to_m": to_m, "exact": exact, "by": trigger}
        )
        return moment

    def _rumble(self, decision: arbiter.Decision, offer: str, info: dict[str, Any]) -> tuple[str, float] | None:
        """Rumble when the wheel changes hands or begins to be offered; note the offer, and return what is lost without it."""
        cue: str | None = decision.event if decision.event in RUMBLES else None
        lost = None
        if offer and offer != self._offer and decision.driver == AGENT:
            cue = cue or offer
            lost = self.offers.lost_at(info["progress"], info["state"].speed)
            words = f"{lost[1]:.1f} s lost at {lost[0]}" if lost else ""
            self.recorder.event(f"offer {offer}", OFFERS[offer], data={"progress": round(info["progress"], 1), "lost": words})
        self._offer = offer
        if cue is not None and self.options.help.rumble:
            self.human.rumble(*RUMBLES[cue])
        return lost

    def _finish(self, end: str | None, observation: NDArray[np.float32]) -> None:
        result = self._result
        self._log.end(str(end), observation)
        if self.coaching is not None:
            self.coaching.end_episode(result)
        self.environment.end_episode()
        self.offers.end_episode(result.progress, result.reason)
        alone = not result.human_steps and result.reason not in CUT_OFF
        if result.purpose == "drive" and self._lap_m and alone:
            self._agent.drive_ended(lap_share(result.progress, self._lap_m, result.reason == "finish"))

    def _lost(self, error: EnvironmentLost, observation: NDArray[np.float32]) -> None:
        """The environment is gone in mid-episode: release the controls, close what is open, tell the player."""
        self._release()
        self.clock.lost()
        self._result.reason = "env_lost"
        # The last step's successor has been seen.
        self._log.end("interrupted", observation if self._result.steps else None, lost=True)
        self.environment.note_lost(error)
