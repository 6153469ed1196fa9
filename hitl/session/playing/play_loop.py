"""Which episode of `hitl play` comes next, until the player leaves or enough are driven, and what is said of them all."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from data.records import CUT_OFF
from data.words import number_of, takeovers_said
from hitl.coach.call_me import CallMe
from hitl.coach.first_touch import FirstTouch
from hitl.coach.observer import Looking
from hitl.home import Named, in_home
from hitl.protocols import EpisodeResult
from hitl.session.practice import TRIES, Practice
from hitl.trainer_process import TakingTurns
from takeover_ui.language import ENGLISH

if TYPE_CHECKING:
    from hitl.screens.coach_screen import Caller
    from hitl.screens.session_screen import SessionScreen
    from hitl.screens.telling import KeepLine
    from hitl.session.setup import SessionSetup

MANY_LOST = 3  # laps without a finished one, after which it is said what would help


class PlayLoop:
    """Drives a session by the command line's ``args``.

    ``keep_line`` keeps a line in sight; ``caller`` gets a player's attention; ``named``: for the commands that are told
    (`in_home`).
    """

    def __init__(
        self,
        rig: SessionSetup,
        args: argparse.Namespace,
        watch: SessionScreen | None,
        keep_line: KeepLine,
        caller: Caller,
        named: Named = None,
    ) -> None:
        self.rig, self.args, self._watch, self._keep_line, self._caller, self._named = rig, args, watch, keep_line, caller, named
        self.results: list[EpisodeResult] = []
        self.looking = Looking()
        self._count = self._passed = self._tried = self._tries = 0
        self._totals = list[float]()  # the returns of those that count
        self._calls = CallMe(rig, caller.call, caller.show, caller.end_call) if args.call_me else None
        self._practice = Practice(rig, args.practice, args.seed, args.lead) if args.practice else None
        self._offered: Practice | None = None
        self._began = time.monotonic()

    def run(self) -> str:
        """Drive until the player leaves or the episodes are driven; return a sentence about all of it."""
        from hitl.screens.coach_screen import wants_practice

        rig, args = self.rig, self.args
        turns = TakingTurns(rig, lambda text: print(in_home(text, self._named), flush=True))
        if self._practice is not None:
            if self._watch is not None:
                self._watch.practises(args.practice)
            self._keep_line("practice_at", corner=args.practice)
        if self._calls is not None:
            self._caller.begins(rig.options.greedy_every)
        while self._goes_on():
            for result in self._next(1000 * args.seed + len(self.results)):
                self._take(result)
            if self._goes_on() and self._practice is None and (corner := wants_practice(rig, self._watch, self._named)):
                self._offered, self._tries = Practice(rig, corner, args.seed), TRIES
            fast = not rig.options.real_time or self._calls is not None
            if fast and not args.lap and self._goes_on():
                turns.wait(self._interrupted, self._caller.learns)
                self._caller.end_call()
        self._note_looking()
        return self._told()

    def _interrupted(self) -> bool:
        """Tell whether the player leaves or pauses while the agent learns; a pause is shown by the next episode."""
        session = self.rig.session
        return session.stop() or session.asked_to_leave() or session.paused

    def _goes_on(self) -> bool:
        enough = self.args.episodes is not None and self._count >= self.args.episodes
        return not enough and not self.rig.session.leaving and not self.rig.session.stop()

    def _next(self, seed: int) -> Iterator[EpisodeResult]:
        """Drive what comes next: one episode, or two where the agent calls."""
        if self._practice is not None:
            result = self._practice.attempt(seed)
            if result.reason not in CUT_OFF:  # which says nothing of how it went
                self._tried += 1
                self._passed += result.passed[self.args.practice]
            yield result
            self._keep_line("practice_so_far", corner=self.args.practice, passed=self._passed, of=self._tried)
        elif self._tries and self._offered is not None:
            number, name = TRIES - self._tries + 1, self._offered.corner.name
            self._keep_line("practice_try", corner=name, number=number, of=TRIES)
            result = self._offered.attempt(seed)
            yield result
            self._tries -= result.reason != "rewound"
            if not self._tries:
                self._keep_line("")
        elif self._calls is not None:
            self._caller.alone(self._pace())
            yield from self._calls.drive(seed)
        else:
            yield self._lap(seed) if self.args.lap else self.rig.session.episode("drive", seed=seed)

    def _lap(self, seed: int) -> EpisodeResult:
        """Drive a lap, which begins when the player does."""

        def show(waits: bool) -> None:
            self._keep_line("lap_waits" if waits else "")
            if self._watch is None and waits:
                print(ENGLISH["lap_waits"], flush=True)

        return self.rig.session.episode("lap", seed=seed, awaits=FirstTouch(show))

    def _take(self, result: EpisodeResult) -> None:
        self.results.append(result)
        # An episode that is lost at once does not count; when that happens again and again, the session ends.
        lost = result.reason == "env_lost" and result.steps < self.rig.session.environment.soon
        never_began = result.reason == "stopped" and not result.steps
        if not (lost or never_began) and result.reason != "rewound":  # which goes on from an earlier moment
            self._count += 1
            self._totals += [result.total] if result.steps else []
        if self._watch is not None:
            self._watch.episode_over(result)

    def _pace(self) -> float:
        """Return how many times as fast as the clock the agent has driven alone."""
        seconds = time.monotonic() - self._began - (self._calls.looking.looked_s if self._calls is not None else 0.0)
        alone = sum(r.steps for r in self.results if not r.human_steps)
        return alone / self.rig.task.settings.hz / seconds if seconds > 0 else 1.0

    def _note_looking(self) -> None:
        """Store how long a person had to look, beside how long they drove."""
        rig, calls = self.rig, self._calls
        hz = rig.task.settings.hz
        data: dict[str, float] = {}
        if calls is not None:
            self.looking = calls.looking
            data = {"calls": calls.calls, "missed": calls.missed}
        elif rig.options.real_time and self.args.pad not in ("none", "scripted"):
            driven, drove = sum(r.steps for r in self.results), sum(r.human_steps for r in self.results)
            self.looking = Looking(driven / hz, drove / hz)
        if self._practice is not None:
            self.looking.practised = self.args.practice, self._passed, self._tried
        data |= {"looked_s": round(self.looking.looked_s, 1), "takeover_s": round(self.looking.drove_s, 1)}
        rig.recorder.event("attention", "How long a person had to look, and how much of it they drove.", data=data)

    def _told(self) -> str:
        rig, results, count, practice = self.rig, self.results, self._count, self._practice
        hz, steps = rig.task.settings.hz, sum(r.steps for r in results)
        empty = rig.session.segments.empty
        takeovers = takeovers_said(sum(r.takeovers for r in results) - empty, empty)
        human = f"{takeovers}, {sum(r.human_steps for r in results) / hz:.1f} s of human driving."
        driven = f"{number_of(count, 'episode')}, {number_of(steps, 'step')}"
        if practice is not None:
            minutes = (time.monotonic() - self._began if rig.options.real_time else steps / hz) / 60
            tried = self._tried
            pace = f", {tried / minutes:.0f} a minute" if minutes > 0 else ""
            lap_steps = practice.lap_steps()
            if pace and lap_steps:
                pace += f" ({tried / minutes * lap_steps / hz / 60:.1f} times as many as whole laps)"
            tries = f"{number_of(tried, 'try', 'tries')} at '{self.args.practice}'{pace}, {self._passed} through"
            return f"{tries}; {human}"
        if not rig.world.has_line:
            mean = f", return {sum(self._totals) / len(self._totals):,.1f} on average" if self._totals else ""
            return f"{driven}{mean}; {human}"
        finished = sum(r.reason == "finish" for r in results)
        if self.args.lap and finished < count:
            left = count - finished
            which = "None of them was finished" if not finished else f"{left} {'was' if left == 1 else 'were'} not finished"
            human += f" {which}: only finished laps are learned from."
            if not finished and count >= MANY_LOST:
                human += " Brake earlier before the corners: a slow lap counts, too."
        return f"{driven}, {finished} finished; {human}"
