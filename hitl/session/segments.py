"""The takeovers and laps of a session: opened, closed, judged by what follows them, and reviewed by the player at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from data.demos import DemoRule, Reason, Why, counts_as_failed
from data.reading.attempts import corner_at, corner_most
from data.recording.recorder import Recorder
from data.records import ITS_END, Corner, SegmentRecord, StepRow
from hitl.coach.earned import Earned
from hitl.coach.rules import Ended, Said, Say, Tell, in_english, not_counted
from hitl.protocols import EpisodeResult
from hitl.session.outcome import Course, OutcomeJudge

SETTLED_S = 2.0  # s of an episode below which what the player means is what was driven before it


class Segments:
    """Keeps at most one segment open. ``ended`` is told of each takeover whose outcome is known.

    What the player says of a segment is a review like any other: it is on the disk with the next commit, and can be undone.
    """

    def __init__(
        self,
        recorder: Recorder,
        rule: DemoRule,
        hz: float,
        tell: Tell,
        say: Say | None = None,
        *,
        has_line: bool = True,
        earned: Earned | None = None,
        corners: Sequence[Corner] = (),
    ) -> None:
        """``say`` takes what comes of the player's buttons; None: ``tell`` does, in English.

        ``has_line``: laps have a finish; else only the player knows whether one that has come to its end was good, and takeovers
        are judged by what they earn. ``earned``: what was earned before this session.
        """
        self._recorder, self._rule, self._hz, self._tell = recorder, rule, hz, tell
        self._has_line, self._earned, self._corners = has_line, earned or Earned(), corners
        self._say = say or in_english(tell)
        self.ended: Callable[[Ended], None] | None = None
        self.verdicts: dict[int, str] = {}
        """What the player has said of segments of this session, by number."""
        self.empty = 0
        """How many takeovers of this session showed nothing."""
        self._latest: int | None = None  # the newest takeover, lap or kept stretch of this session
        self.begin_episode()

    def begin_episode(self) -> None:
        """Nothing is open, and nothing waits to be judged."""
        self._open: int | None = None
        self._lap = self._settling = False  # settling: a lap that is too young for being meant by the player's buttons
        self._course = Course(0)
        self._courses: dict[int, tuple[Course, str]] = {}  # of this episode's takeovers, with their corners
        self._judge = OutcomeJudge()
        self._rewards: list[float] = []

    def begin_lap(self, trigger: str) -> None:
        """The episode is a lap of the player's, from start to end."""
        self._open = self._recorder.begin_segment("lap", trigger=trigger)
        self._lap, self._settling = True, self._latest is not None
        if not self._settling:
            self._latest = self._open

    def begin_takeover(self, trigger: str, corner: Corner | None, steps: int) -> None:
        """The player takes the wheel after that many steps of the episode, in or before that corner.

        Without one it belongs to the first corner that they drive into.
        """
        name = corner.name if corner else None
        self._open = self._latest = self._recorder.begin_segment("takeover", trigger, name)
        self._judge.taken(self._open, corner)
        self._course = Course(steps, trigger)
        self._courses[self._open] = self._course, name or ""

    def end_takeover(self, time: float, interrupted: bool, unused: bool = False) -> None:
        """The player drives no more: close a takeover that runs. ``unused``: they never touched the wheel handed to them."""
        if self._open is None or self._lap:
            return
        self._dismiss_if_nothing_shown(self._open, unused)
        self._recorder.end_segment(self._open, interrupted=interrupted)
        self._judge.handed_back(time)
        self._open = None

    def step(self, row: StepRow) -> None:
        """A step was driven."""
        self._rewards.append(row.reward)
        if self._open is None:
            return
        if self._settling and len(self._rewards) >= SETTLED_S * self._hz:
            self._settling, self._latest = False, self._open
        course = self._course
        course.step(row.progress, row.x, row.y, row.speed)
        if not self._lap and not self._courses[self._open][1] and (corner := corner_at(self._corners, row.progress)):
            self._courses[self._open] = course, corner.name
            self._judge.filed(self._open, corner)
            self._recorder.file_segment(self._open, corner.name)

    def judge(self, time: float, progress: float) -> None:
        """The car is on the road at that time (s) and progress (m): some outcomes are certain now."""
        if not self._has_line:
            return
        for number, outcome in self._judge.step(time, progress):
            self._decide(number, outcome)

    def end_episode(self, time: float, result: EpisodeResult, interrupted: bool = False, unused: bool = False) -> None:
        """Close what is open, and give the rest its outcome. ``interrupted``: the environment was lost; ``unused``: as above.

        In a lap that is ``unused`` the player has touched nothing.
        """
        opened, self._open = self._open, None
        if self._settling:
            self._settling, self._latest = False, opened if self._rewards else self._latest
        if opened is not None:
            self._dismiss_if_nothing_shown(opened, unused)
        by_itself = not (self._has_line or interrupted) and result.reason in ITS_END
        if by_itself and result.purpose == "drive" and not self._courses:
            self._earned.alone(self._rewards)
        outcomes = self._judge.end_episode(time, result.reason, result.progress, self._earns if by_itself else None)
        if opened is not None and interrupted:
            self._recorder.end_segment(opened, interrupted=True)
        elif opened is not None:
            self._recorder.end_segment(opened, outcome=self._of_a_lap(result.reason) if self._lap else "unclear")
        for number, outcome in outcomes:
            self._decide(number, outcome)
        if by_itself:
            for number, outcome in self._earned.again():
                self._recorder.set_outcome(number, outcome)

    def star(self, key: str = "", go: str = "") -> None:
        """Star the newest takeover, lap or kept stretch, also when its episode is over: one presses when one sees the end.

        ``go``: what ends the pause, in a pause, where Enter is pressed to go on: nothing is starred then. ``key``: what stars.
        """
        if go:
            self._say(Said("press_star_paused", values={"go": go, "key": key}))
            return
        if self._latest is not None and self.verdicts.get(self._latest) == "star":
            return
        if self._review("star"):
            self._recorder.event("star", "The player starred what was just driven.")
            self._say(Said("press_star_ordinary" if self._rule.ordinary and not self._lap else "press_star", "good"))
        else:
            self._say(Said("press_star_none"))

    def discard(self, key: str) -> None:
        """The newest takeover, lap or kept stretch does not count; pressed again, it counts as before.

        ``key``: what the button is called.
        """
        if self._latest is not None and self.verdicts.get(self._latest) == "bad":
            self._review("unreviewed")
            self._recorder.event("undiscard", "What was just driven counts again.", data={"segment": self._latest})
            self._say(Said("press_undone", "good"))
        elif self._review("bad"):
            self._recorder.event("discard", "The player said that what was just driven does not count.")
            self._say(Said("press_discard", "info", {"key": key}))
        else:
            self._say(Said("press_discard_none"))

    def keep(self, seconds: float, key: str) -> None:
        """What was driven in the last seconds, whoever drove, becomes a demo. It is the newest segment then.

        ``key``: what the button is called that makes it count where the rule does not.
        """

        def most(metres: list[float]) -> str | None:
            corner = corner_most(self._corners, metres)
            return corner.name if corner else None

        steps, settled = round(seconds * self._hz), round(SETTLED_S * self._hz)
        kept = self._recorder.keep(steps, "kept", most, settled)
        if kept is None:
            self._say(Said("press_kept_none"))
            return
        self._latest, count = kept.number, kept.stop - kept.start
        self._settling = False
        self._recorder.event("keep", "The player kept what was just driven.", data={"segment": kept.number, "steps": count})
        moved = max(kept.metres) - min(kept.metres) if self._has_line else None
        record = SegmentRecord(
            kept.number, 0, "kept", kept.start, kept.stop, 0, 0, "unreviewed", 1.0, kept.outcome, True, self._hz, moved
        )
        standing, seconds = self._rule.judge(record), count / self._hz
        if self._rule.ordinary:
            self._say(Said("press_kept_ordinary", "good", {"seconds": seconds}))
        elif standing.reason is not None:
            self._say(not_counted(standing.reason, {"key": key}))
        elif standing.cut_s:
            self._say(Said("press_kept_part", "info", {"seconds": seconds, "counted": seconds - standing.cut_s}))
        else:
            self._say(Said("press_kept", "good", {"seconds": seconds}))

    # -- inside

    def _of_a_lap(self, reason: str) -> str:
        if reason == "finish":
            return "cleared"
        return "unclear" if not self._has_line and reason in ITS_END else "failed"

    def _earns(self, takeover: int) -> str:
        return self._earned.helped(self._courses[takeover][0].start, self._rewards, takeover)

    def _review(self, verdict: str) -> bool:
        if self._latest is None or not self._recorder.review(self._latest, verdict):
            return False
        self.verdicts[self._latest] = verdict
        return True

    def _decide(self, number: int, outcome: str) -> None:
        """An outcome is certain: store it, and say what the takeover was worth."""
        self._recorder.set_outcome(number, outcome)
        course, corner = self._courses.get(number, (Course(0), ""))
        verdict = self.verdicts.get(number, "unreviewed")
        if number not in self._courses or verdict == "bad":
            return
        seconds, failed = course.steps / self._hz, counts_as_failed(outcome, verdict)
        if self.ended is None:
            if failed and not self._has_line:
                self._say(Said("press_little"))
            return
        cut_s = self._rule.cut_s(outcome, verdict, seconds)
        reason = Reason(Why.FAILED) if failed and not self._rule.failed_takeovers else None
        last = min(len(course.metres), course.steps - round(cut_s * self._hz)) - 1
        until = course.metres[last] if failed and course.moved is not None and last >= 0 else None
        self.ended(Ended(number, corner, seconds, outcome, reason, 0.0 if reason else seconds - cut_s, until))

    def _dismiss_if_nothing_shown(self, takeover: int, unused: bool) -> None:
        """See whether a takeover that is over shows anything; one that does not has no outcome, and the player is told."""
        if (self._lap and not unused) or not self._course.steps:
            return
        if unused:  # nothing in its length or its way tells that from driving
            self._recorder.review(takeover, "unreviewed", priority=0.0)
        if self._lap:
            self._recorder.event("nothing_shown", "Nothing was touched in that lap.", data={"segment": takeover})
            self._say(Said("lap_untouched"))
            return
        if reason := Reason(Why.UNTOUCHED) if unused else self._course.nothing_shown(self._hz, self._rule):
            self.empty += not unused
            self._judge.dismissed(takeover)
            text = f"That takeover shows the agent nothing, so it is not learned from: {reason}."
            self._recorder.event("nothing_shown", text, data={"segment": takeover})
            if self.ended is None:
                self._tell("info", text)
                return
            corner = self._courses[takeover][1]
            self.ended(Ended(takeover, corner, self._course.steps / self._hz, "unclear", reason))
