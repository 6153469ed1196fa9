"""A session in its window: each tick as one view, with the states of store and trainer, and what keys and buttons do."""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import StoreError
from data.records import AGENT, CUT_OFF, DRIVING_FAULTS, HUMAN
from data.store import Store
from hitl.agents.beside import BesidePolicy
from hitl.agents.policy import ForeignPolicy
from hitl.arbiter import Decision
from hitl.coach.way_ahead import Ahead, way_ahead
from hitl.drivers.human import ScriptedHuman, has_pad, pad_map, pads_takeover, persons_pad
from hitl.games.base import VehicleState
from hitl.pads.keyboard import KEYS, KeyboardPad
from hitl.pads.mapping import PadMap
from hitl.protocols import EpisodeResult, Tick
from hitl.screens.key_hints import LAP, ignored_names, key_hint, pad_hint, paused_hint
from hitl.screens.lap_times import LapTimes, best_laps
from hitl.screens.session_window import answered, options_of
from hitl.screens.trainer_state import HeartbeatReader
from hitl.screens.without_help import Past, WithoutHelp, recorded_past
from hitl.session.offers import next_corner
from hitl.session.setup import SessionSetup
from hitl.settings_desk.pause import PauseSettings, names_of
from takeover_ui.language import Words
from takeover_ui.view import Card, Driver, LearnedView, RecorderState, Scene, TrainerState, View
from takeover_ui.window.window import Window

FULL_LOCK = 0.4  # rad of the drawn front wheels
SHOWN_LINES = 6  # of each driver
SLOWER_EVERY = 3  # laps in a row that were not finished: who drives too fast is told what would help
MOVES = 1.0  # m/s, below which a car stands


class Hints(NamedTuple):
    """What keys and buttons do: while someone drives, in a pause, and the same while a lap has not begun."""

    driving: str
    paused: str
    stands: str
    stands_paused: str


class SessionScreen:
    """Turns a session's ticks into views for its window, which takes the newest and drops the rest.

    It is made before the session's setup, which needs it, and learns of the setup by ``begin``. It keeps what outlives a tick:
    lines driven, attempts, failures. ``message``, ``hint``, ``fast`` are one line each; ``paused_hint``: while no one can drive;
    ``stands_hints``: (else, in a pause) while a lap has not begun.
    """

    def __init__(self, window: Window) -> None:
        self._window, self.words = window, window.options.words
        self.message = self.hint = self.paused_hint = self.fast = ""
        self.stands_hints = "", ""
        self.settings: PauseSettings | None = None
        """What a paused session opens its settings with; None: it has none."""
        self._ceiling: float | None = None
        self._ahead: Ahead | None = None
        self._shown: View | None = None
        self._times: LapTimes | None = None
        self._alone: WithoutHelp | None = None
        self._evaluations: tuple[tuple[float, float], ...] = ()  # (agent steps, share of corner passes)
        self._takeovers = self._human_steps = self._late = 0
        self._failures: deque[float] = deque(maxlen=200)
        self._lost_laps = 0  # since the last one that was finished
        self._driving = AGENT
        self._pads: tuple[PadMap | None, bool] = None, False  # when the hint was made
        self._line: list[tuple[float, float]] = []
        self._lines: dict[int, deque[NDArray[np.float32]]] = {who: deque(maxlen=SHOWN_LINES) for who in (AGENT, HUMAN)}

    def begin(self, rig: SessionSetup, trainer: HeartbeatReader, *, laps: bool = False) -> None:
        """The setup is ready: its track and names are known. ``laps``: the player drives whole laps."""
        self._rig, self._trainer = rig, trainer
        self._mode = LAP if laps else rig.options.gating.mode
        self._look_back(rig)
        track = rig.track
        line = track.line
        self._ahead = way_ahead(rig)
        self._scene = Scene(track.name, line.points, track.half_width, line.length, rig.corners, rig.action_names)
        self._say_keys()
        if rig.world.picture is not None:
            self._window.show_picture(rig.world.picture)

    @property
    def meanings(self) -> Mapping[str, tuple[str, ...]]:
        """The keys of the player, by what they do."""
        pad = persons_pad(self._rig.session.human)
        keys = next((part for part in getattr(pad, "parts", (pad,)) if isinstance(part, KeyboardPad)), None)
        return KEYS if keys is None else keys.meanings

    @property
    def _agent_name(self) -> str:
        """The name of the agent from elsewhere that drives now; "" where ours does."""
        policy = self._rig.policy
        return policy.name if isinstance(policy, ForeignPolicy | BesidePolicy) else ""

    @property
    def _corrected(self) -> bool:
        """Whether ours drives beside the agent from elsewhere now, as it was shown."""
        policy = self._rig.policy
        return isinstance(policy, BesidePolicy) and policy.takes_over and not policy.taught

    def _look_back(self, rig: SessionSetup) -> None:
        """Read what was driven here before: best laps, and how the agent did without help."""
        if not rig.world.has_line:
            return
        corners, hz, here = rig.corners, rig.task.settings.hz, (rig.track.name, rig.corners, rig.options.env)
        best, past = {}, Past()
        with contextlib.suppress(StoreError), Store(rig.home.store_path, read_only=True) as store:  # else the recorder says so
            best, past = best_laps(store, *here), recorded_past(store, *here)
        self._times = LapTimes(corners, hz, best)
        self._alone = WithoutHelp(corners, past, self.words)
        self._ceiling = self._alone.ceiling

    def hints(self, words: Words) -> Hints:
        """Return what keys and buttons do, in a language.

        Over another game the keyboard is that game's, unless it is heard there: the pad's own buttons are named instead of keys.
        """
        human, mouse, mode, back = self._rig.session.human, self._window.options.game_view, self._mode, self._goes_back
        if not mouse and (made := pad_map(human)) is not None:
            return Hints(*(
                pad_hint(made.buttons, mode, words, back=back, paused=paused, stands=stands)
                for stands in (False, True) for paused in (False, True)
            ))  # fmt: skip
        pad = persons_pad(human)
        if not mouse and pad is not None and not self._window.hears_keys:
            return Hints(*[words["hint_unheard"]] * 4)
        there, takes = has_pad(human) or pad is None, pads_takeover(human)
        driving, stands = (
            key_hint(mode, words, self.meanings, mouse=mouse, pad=there, takes=takes, back=back, stands=stands)
            for stands in (False, True)
        )
        return Hints(driving, paused_hint(mode, words, back=back), stands, paused_hint(mode, words, stands=True))

    @property
    def _goes_back(self) -> bool:
        """Whether this game can go back some seconds."""
        return self._rig.session.rewind.possible

    def __call__(self, tick: Tick) -> None:
        """Show one tick."""
        state: VehicleState = tick.info["state"]
        decision, progress, status = tick.decision, tick.info["progress"], self._rig.recorder.status
        by_human, lap = decision.driver == HUMAN, tick.purpose == "lap"
        part = tick.purpose == "practice"  # it began somewhere on the way: what whole laps earned is no measure of it
        human = self._rig.session.human
        if (pads := (pad_map(human), has_pad(human))) != self._pads:  # plugged in now, or gone
            self._pads = pads
            self._say_keys()
        self._takeovers += decision.event == "takeover"
        self._late = max(self._late, tick.late)
        if tick.purpose != "evaluation":
            self._human_steps += by_human
        self._follow_line(state, decision.driver)
        paused = decision.paused and not tick.waits
        message = self._settings_asked(decision, paused=paused) or self.message
        if gone := paused and self._rig.session.pad_gone:
            message = self.words["paused_pad"]
        way_on = self._way_on() if paused else ""
        if way_on and not self._window.options.game_view:  # there is no headline over another game
            message, way_on = f"{way_on}    {message}", ""
        if self._times is not None and not decision.paused and not part:
            scripted = decision.trigger == "scripted" or isinstance(human, ScriptedHuman)
            who = "agent" if not by_human else "scripted" if scripted else "human"
            self._times.step(tick.steps, progress, who, str(tick.info.get("reason") or ""), tick.info.get("lap_s"))
        way = self._ahead.tick(tick) if self._ahead is not None and not self.fast and tick.purpose != "lap" else None
        if self._alone is not None and not decision.paused:
            self._alone.step(tick.steps, progress, human=by_human)
            if tick.purpose == "evaluation" and (reason := tick.info.get("reason")) and reason not in CUT_OFF:
                self._alone.measured([tick.episode_return])  # the demo's evaluations are another session's
        no_one: Driver | None = "waits" if tick.waits else "paused" if decision.paused or decision.safe else None
        name, seconds = next_corner(self._scene.corners, progress, state.speed)
        self._show(
            View(
                scene=self._scene,
                driver=no_one or ("human" if by_human else "agent"),
                agent=self._agent_name,
                corrected=self._corrected,
                stand_in=decision.trigger == "scripted" or (lap and isinstance(human, ScriptedHuman)),
                lap=lap,
                proposed=None if lap else tuple(float(v) for v in tick.proposed),
                executed=tuple(float(v) for v in decision.executed),
                speed=state.speed,
                progress=progress,
                x=state.x,
                y=state.y,
                heading=state.heading,
                velocity=(state.vx, state.vy),
                yaw_rate=state.yaw_rate,
                wheel_angle=-state.steer * FULL_LOCK,
                on_road=abs(tick.info["place"].offset) <= self._rig.track.half_width_at(progress),
                next_corner=name,
                countdown=seconds,
                help_wanted=tick.offer == "asked-for",
                held=ignored_names(decision, persons_pad(human)),
                risk=tick.risk,
                episode_return=tick.episode_return,
                best_return=None if self._alone is None or part else self._alone.best_lap if lap else self._alone.best,
                ceiling=None if lap or part else self._ceiling,
                takeovers=self._takeovers,
                human_seconds=self._human_steps / self._rig.task.settings.hz,
                trainer=self._trainer_state(),
                store=RecorderState(status.queue, status.problem),
                **self._counted(),
                times=self._times.view() if self._times is not None and not part else None,
                late_ticks=self._late,
                message=message,
                way_on=way_on,
                hint=self._hint(tick, paused=(paused and not gone) or self._rig.session.hands_off),
                fast=self.fast,
                agent_trails=tuple(self._lines[AGENT]),
                human_trails=tuple(self._lines[HUMAN]),
                ahead=way.points if way is not None else None,
                ahead_off=way.off if way is not None else 0,
            )
        )

    def _hint(self, tick: Tick, *, paused: bool) -> str:
        """Return what the keys do now."""
        if tick.stands:
            return self.stands_hints[paused]
        return self.paused_hint if paused else self.hint

    def _counted(self) -> dict[str, Any]:
        """Return what changes when an episode is over, after its last tick."""
        return {
            "evaluations": self._shares(),
            "without_help": "" if self._evaluations or self._alone is None else self._alone.said(),
            "learned": self._learned(),
            "failures": tuple(self._failures),
        }

    def _show(self, view: View) -> None:
        self._shown = view
        self._window.send(view)

    def stand(self) -> None:
        """Show that the car stands, although nothing is paused: there is no next tick for now."""
        if self._shown is not None:
            still = replace(self._shown, driver="agent", message="", speed=0.0, velocity=(0.0, 0.0), yaw_rate=0.0)
            still = replace(still, countdown=None, ahead=None, help_wanted=False, at=time.perf_counter())
            self._show(replace(still, **self._counted()))

    def session_over(self) -> None:
        """Show what the last episode has changed, behind the last card: no tick comes any more that would."""
        if self._shown is not None:
            over = replace(self._shown, driver="over", message=self.message, fast="", way_on="", held=(), store=None)
            self._show(replace(over, countdown=None, ahead=None, help_wanted=False, **self._counted()))

    def trainer_goes_on(self) -> None:
        """Show how the trainer does now, behind the last card."""
        if self._shown is not None and (now := self._trainer_state()) != self._shown.trainer:
            self._show(replace(self._shown, trainer=now))

    def _settings_asked(self, decision: Decision, paused: bool) -> str:
        """Let a paused session be set up; returns what a pause says of that."""
        if self.settings is None:
            return ""
        human = self._rig.session.human
        changed = self.settings.tick(human, paused=paused, asked="settings" in decision.pressed)
        if changed is not None:
            self._window.restyle(options_of(changed.overlay))
            self._rig.session.change(changed.takeover, rumble=changed.help.rumble)
            self.words, self._mode = self._window.options.words, self._mode if self._mode == LAP else changed.takeover.mode
            if self._alone is not None:
                self._alone.words = self.words
            self._say_keys()
        if not paused:
            return ""
        if self.settings.is_open:
            return self.words["paused_open"]
        keys = self.settings.keys(human)
        if self._window.options.game_view:
            return self.words.say("paused_settings", keys=keys)
        return self.words.say("paused_settings_keys", keys=keys) if keys else ""  # clicks go through an overlay

    def _way_on(self) -> str:
        """Return what ends the pause, where the player has made it: without a pad, too, time stands still in a lap."""
        if not self._rig.session.paused:
            return ""
        names = names_of(self._rig.session.human, "pause", keys=self._window.hears_keys)
        return self.words.say("paused_on", keys=names) if names else ""

    def _say_keys(self) -> None:
        """Say what the keys and buttons do, after something was set, or a pad was plugged in or is gone."""
        self.hint, self.paused_hint, *stands = self.hints(self.words)
        self.stands_hints = stands[0], stands[1]

    def episode_over(self, result: EpisodeResult) -> None:
        """Keep what the next episodes show of this one."""
        self._window.episode_over()
        if result.reason in DRIVING_FAULTS:
            self._failures.append(result.progress)
        if self._alone is not None:
            self._alone.end(result, own=not isinstance(self._rig.session.human, ScriptedHuman))
        if result.purpose == "lap" and result.reason == "finish":
            self._lost_laps = 0
        if result.purpose == "lap" and result.reason in DRIVING_FAULTS:
            said = self.words.say(f"lap_{self._how_it_ended(result)}", metres=result.progress)
            self._lost_laps += 1
            slower = f" {self.words['lap_slower']}" if self._lost_laps % SLOWER_EVERY == 0 else ""
            self._window.toast(said + slower, "warning")
        self._end_line()

    def _how_it_ended(self, result: EpisodeResult) -> str:
        """Return the reason of a lap that was given up; one without progress may have ended standing or moving."""
        seen = self._shown
        if result.reason != "stalled" or seen is None or seen.speed < MOVES:
            return result.reason
        heading = self._rig.track.line.at(result.progress)[2]
        along = seen.velocity[0] * math.cos(heading) + seen.velocity[1] * math.sin(heading)
        return "backwards" if along < 0 else "no_further"

    def asked(self, card: Card) -> bool:
        """Show a card until the player answers; True for yes (`hitl.screens.session_window.answered`)."""
        return answered(self._window, self._rig.session, card)

    def practises(self, corner: str) -> None:
        """The whole session is at this corner: it is what the agent is judged by."""
        if self._alone is not None:
            self._alone.corner = corner

    def _shares(self) -> tuple[tuple[float, float], ...]:
        """Return the evaluations that someone made, else the shares of the agent's tries alone."""
        return self._evaluations or (self._alone.shares() if self._alone is not None else ())

    def _learned(self) -> LearnedView | None:
        """Return how far the corner is that is learned least."""
        coaching = self._rig.session.coaching
        known = coaching.coach.hardest if coaching is not None else None
        if known is None:
            return None
        return LearnedView(known.corner, known.passes, known.of, known.low, known.high, known.share, known.left_s)

    def _trainer_state(self) -> TrainerState | None:
        newest = self._trainer.newest
        if newest is not None and newest.alive and not newest.finding_title and getattr(self._rig.policy, "refused", False):
            return replace(newest, finding_title=self.words["weights_unfit"])
        return newest

    def _follow_line(self, state: VehicleState, driver: int) -> None:
        jumped = bool(self._line) and math.dist(self._line[-1], (state.x, state.y)) > 10.0
        if driver != self._driving or jumped:
            self._end_line()
            self._driving = driver
        self._line.append((state.x, state.y))

    def _end_line(self) -> None:
        if len(self._line) > 1:
            self._lines[self._driving].append(np.array(self._line, np.float32))
        self._line = []
