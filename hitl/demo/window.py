"""The demo's window: a session's screen, and the words that explain what is to be seen and whose turn it is."""

from __future__ import annotations

import time
from dataclasses import replace

from data.reading.attempts import outcome
from data.records import CUT_OFF, HUMAN, Corner
from data.store import Store
from hitl import arbiter
from hitl.coach.rules import Said, Say
from hitl.demo.advice import braking_advice
from hitl.demo.cards import practice_card, turn_card
from hitl.demo.demo import EPISODES, Measurement, Phase, Progress
from hitl.drivers.human import HumanOrScripted, persons_pad
from hitl.pads.keyboard import KeyboardPad
from hitl.protocols import EpisodeResult, Tick
from hitl.screens.key_hints import driving_keys
from hitl.screens.session_screen import SessionScreen
from hitl.screens.trainer_state import HeartbeatReader
from hitl.session.practice import TRIES
from hitl.session.setup import SessionSetup
from hitl.trainer_process import TrainerProcess
from takeover_ui.view import TrainerState
from takeover_ui.window.window import Window

FAST = 15.0  # evaluations are shown at most this many times as fast as real time
FAILURES = 3  # of the player at the corner, after which practice is offered
_FRAME_S = 1 / 30

_LEAVES: dict[Phase, str] = {"before": "demo_leave", "evaluation": "demo_leave", "after": "demo_skip"}
"""What the keys do while the agent drives alone: nothing else."""
_LIVE: frozenset[Phase] = frozenset(("learning", "practice"))
_OF_THE_DEMO = frozenset(("coach_enough", "coach_done"))
"""When it is enough, the demo's own evaluations say."""
_OF_YOUR_DRIVING = frozenset(
    ("coach_cleared", "coach_counted", "coach_failed", "coach_failed_part", "coach_brake", "coach_steer", "coach_not_counted",
     "coach_ordinary", "coach_ordinary_cleared", "coach_let_try")
)  # fmt: skip
"""What is said to whoever drove: the scripted driver is not told."""


class DemoWindow(SessionScreen, Progress):
    """Shows the live session and, fast-forwarded, the evaluations."""

    gating = arbiter.GatingSettings(mode="touch")
    _last_frame = 0.0
    _fast_since = 0.0
    _fast_ticks = 0
    _person_drove = _stand_in_told = _stand_in_drove = False
    _failed = 0
    _phase: Phase = "before"

    def __init__(self, window: Window, corner: Corner) -> None:
        super().__init__(window)
        self._corner = corner

    def begin_demo(self, rig: SessionSetup, trainer: TrainerProcess, heartbeats: HeartbeatReader) -> None:
        """The session is ready."""
        self.begin(rig, heartbeats)
        self._process = trainer
        self._window.card(None)

    def __call__(self, tick: Tick) -> None:
        """Show one tick, and notice who drives."""
        by_scripted = tick.decision.trigger == "scripted"
        if tick.decision.driver == HUMAN and by_scripted and not self._stand_in_told:
            self._stand_in_told = True
            self._window.toast(self.words["demo_shows"])
        self._person_drove |= tick.decision.driver == HUMAN and not by_scripted
        if tick.decision.driver == HUMAN:
            self._stand_in_drove = by_scripted
        super().__call__(tick)

    def coached_by(self, say: Say) -> Say:
        """Return what says the coach's sentences, but those that are not for a player of the demo."""

        def to_the_player(said: Said) -> None:
            if said.name not in _OF_THE_DEMO and not (self._stand_in_drove and said.name in _OF_YOUR_DRIVING):
                say(said)

        return to_the_player

    def fast_tick(self, tick: Tick) -> None:
        """Show an evaluation, fast-forwarded: a frame now and then, slowly enough that it can be followed."""
        time.sleep(1 / (20.0 * FAST))
        self._fast_ticks += 1
        now = time.monotonic()
        if now - self._last_frame >= _FRAME_S or tick.info.get("reason"):  # the end of each lap, for its time and its points
            self._last_frame = now
            self(tick)

    def phase(self, phase: Phase) -> None:
        """A new part begins."""
        self._phase = phase
        if (picture := self._rig.world.picture) is not None:  # the game draws what is driven in real time, no evaluation
            self._window.show_picture(picture if phase in _LIVE else None)
        self.message = "" if phase == "learning" else self.words.say(f"demo_{phase}", corner=self._corner.name)
        self._say_keys()
        self.fast = ""
        self._fast_since, self._fast_ticks = time.monotonic(), 0
        if phase == "after" and self._rig.session.leaving:
            self.message = self.words.say("demo_leaving", n=EPISODES)

    def _say_keys(self) -> None:
        keys_alone = isinstance(persons_pad(self._rig.session.human), KeyboardPad)  # as it was set: no pad would be read
        name = _LEAVES.get(self._phase, "demo_hint_keys" if keys_alone else "demo_hint")
        self.hint = self.words.say(name, drive=driving_keys(self.meanings, self.words))
        self.paused_hint = self.words["demo_leave"]

    def lap(self, number: int, of: int) -> None:
        """Say how fast the laps of an evaluation go by, and how many are left."""
        seconds = time.monotonic() - self._fast_since
        times = self._fast_ticks / self._rig.task.settings.hz / seconds if seconds > 0.5 else FAST
        self.fast = self.words.say("demo_fast", number=number, of=of, times=max(1.0, times))

    def lap_over(self, result: EpisodeResult) -> None:
        """The coach counts this attempt, too, at once: what is shown beside it is as new, and it asks for no help in vain."""
        passed, coaching = outcome(self._corner, 0.0, result.progress, result.reason), self._rig.session.coaching
        if coaching is not None and passed is not None:
            coaching.measured(self._corner.name, [passed])

    def measured(self, before: Measurement) -> None:
        """Its return is the ceiling to break, the trend begins with it; and the player is told what to do."""
        self._ceiling = before.return_mean
        if self._alone is not None:
            self._alone.measured([r.total for r in before.results])
        self._evaluations = ((0.0, before.passes / len(before.results)),)
        wheel = self._rig.session.human
        stand_in = isinstance(wheel, HumanOrScripted)
        card = turn_card(self._corner.name, before, driving_keys(self.meanings, self.words), stand_in=stand_in, words=self.words)
        if self.asked(card) and isinstance(wheel, HumanOrScripted):
            wheel.claim()

    def evaluated(self, agent_steps: int, measured: Measurement) -> None:
        """Add a point to the trend."""
        passes, laps = measured.passes, len(measured.results)
        self._evaluations += ((float(agent_steps), passes / laps),)
        text = self.words.say("demo_passes", passes=passes, n=laps)
        self._window.toast(text, "good" if passes >= 0.9 * laps else "info")

    def episode_over(self, result: EpisodeResult) -> None:
        """Count where the player tried to help and the corner was not passed."""
        super().episode_over(result)
        if self._person_drove and result.passed and result.reason not in CUT_OFF:
            passed = result.passed.get(self._corner.name, False)
            reached = result.progress >= self._corner.from_m
            self._failed = 0 if passed else self._failed + reached
        self._person_drove = False

    def session_over(self) -> None:
        """Show behind the last cards that nothing drives, learns or is recorded any more."""
        self.message = ""
        super().session_over()
        if self._shown is not None:
            self._show(replace(self._shown, trainer=TrainerState()))

    def offers_practice(self) -> bool:
        """Ask a player who fails whether they want to practise."""
        if self._failed < FAILURES:
            return False
        failed, self._failed = self._failed, 0
        self._rig.written()
        with Store(self._rig.home.store_path, read_only=True) as store:
            session = self._rig.recorder.session_id
            track, env = self._rig.track.name, self._rig.options.env
            advice = "" if session is None else braking_advice(store, track, self._corner, session, self.words, env)
        return self.asked(practice_card(self._corner.name, failed, advice, TRIES, self.words))

    def _trainer_state(self) -> TrainerState:
        state, alive = self._trainer.newest, self._process.alive
        if state is not None and state.alive and alive:
            return state
        return TrainerState(alive=True, doing="starts") if alive else TrainerState()
