"""What the coach says, and when: a pure state machine. Each sentence has a cause that can be looked up.

Every method takes what has happened and returns the sentences that follow, by the names of their texts in
``takeover_ui.languages``; nothing here reads a clock, a store or a device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from data.demos import Reason
from data.records import Corner
from hitl.coach.learned import IN_A_ROW, Attempts, Learned
from takeover_ui.language import ENGLISH, Words
from takeover_ui.reasons import measured, why_text

FAILURES = 3  # of the player in a row at one corner, after which practice is offered
TAUGHT = 3  # takeovers in a row that cleared a corner, after which the agent should try it alone
UNCHANGED = 3  # takeovers at a corner, most of them good, after which the agent failed alone with newer weights: enough for today
APART_S = 8.0  # s between two calls for help at one corner

_OF_TAKEOVER = frozenset(
    ("coach_cleared", "coach_counted", "coach_failed", "coach_failed_part", "coach_not_counted", "coach_ordinary",
     "coach_ordinary_cleared")
)  # fmt: skip
_KEPT = frozenset(("press_kept", "press_kept_ordinary", "press_kept_part"))
_JUDGED = frozenset(("press_star", "press_star_ordinary", "press_discard", "press_undone"))
_BACK = frozenset(("press_back", "press_back_near"))


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence: the name of its text, what is filled in, how it looks and sounds."""

    name: str
    level: str = "info"  # as of a toast
    values: Mapping[str, Any] = field(default_factory=dict)
    sound: str = ""
    why: str = ""
    """The name of a text that is filled in as ``why``, with the same values."""
    measured: str = ""
    """What was measured ("0.22 s"); in brackets it is filled in as ``more``."""
    first: str = ""
    """The name of a text that stands before it, where what was said of another takeover is still seen."""

    @property
    def of_drive(self) -> bool:
        """Whether it is about what was driven just now."""
        return self.name.startswith(("coach_", "press_", "slow_"))

    @property
    def only(self) -> Literal["agent", "paused"] | None:
        """While whom it holds only: it asks for help, or says how the wheel is taken; or how a pause ends."""
        if self.name in ("press_star_paused", "press_panic") or self.name.startswith(("lost_pad_brake", "lost_pad_lap")):
            return "paused"  # as the screen says while the car brakes, too
        return "agent" if self.name.startswith(("coach_help", "slow_", "vain_", "lost_pad_agent")) else None

    @property
    def of_takeover(self) -> bool:
        """Whether it says what became of a takeover."""
        return self.name in _OF_TAKEOVER

    @property
    def withdraws(self) -> frozenset[str]:
        """The names of what was said before and holds no more: another verdict on what was driven last, or a drive's end."""
        if self.name in _JUDGED:
            return _JUDGED | _KEPT | _OF_TAKEOVER
        if self.name in _KEPT:
            return _JUDGED | _KEPT
        return frozenset(("press_panic",)) if self.name in _BACK else frozenset()

    def text(self, words: Words) -> str:
        """Return the sentence in a language."""
        before = f"{words[self.first]} " if self.first else ""
        if not self.why:
            return before + words.say(self.name, **self.values)
        why, more = words.say(self.why, **self.values), measured(words, self.measured)
        return before + words.say(self.name, **self.values, why=why, more=more)


Say = Callable[[Said], None]
"""What says a sentence to the player, in their language; it returns at once."""
Tell = Callable[[str, str], None]
"""What tells the player a sentence that is there in English alone. It takes its level, as of a toast (``warning``), and it."""


class StandingWords:
    """What was said in a window, so that it is taken away once something else is said after which it holds no more."""

    def __init__(self, withdraw: Callable[[str], None]) -> None:
        self._withdraw = withdraw
        self._texts: dict[str, set[str]] = {}  # as they were shown, by the names of the sentences

    def note(self, said: Said, text: str) -> None:
        """This is shown next, as ``text``."""
        for name in said.withdraws & self._texts.keys():
            for gone in self._texts.pop(name):
                self._withdraw(gone)
        if said.of_drive:
            self._texts.setdefault(said.name, set()).add(text)


def in_english(tell: Tell) -> Say:
    """Return what says sentences by way of ``tell``."""
    return lambda said: tell(said.level, said.text(ENGLISH))


def not_counted(reason: Reason, values: Mapping[str, Any] | None = None) -> Said:
    """Return what is said of a segment that does not count."""
    return Said("coach_not_counted", "warning", values or {}, "not_counted", why_text(reason.why), reason.measured)


@dataclass(frozen=True, slots=True)
class Ended:
    """A takeover whose outcome is known. Seconds, metres, metres a second."""

    number: int
    corner: str = ""
    seconds: float = 0.0
    outcome: str = "unclear"
    reason: Reason | None = None
    """Why it does not count; None where it does."""
    counted_s: float = 0.0
    until_m: float | None = None
    """Where what counts of a failed one ends; None where the place is not known."""


@dataclass
class _At:
    """What the coach remembers of one corner."""

    progress: Attempts
    called_s: float = -1e9
    failed: int = 0  # takeovers in a row that failed
    cleared: int = 0  # takeovers in a row that cleared it, since the agent last tried alone
    since: int = 0  # takeovers since the agent's last attempt alone
    lost: int = 0  # of these, the ones that failed
    fruitless: int = 0  # takeovers after which it failed alone all the same, in a row
    fruitless_lost: int = 0  # of these, the ones that failed
    weights: int | None = None  # the newest with which it has tried alone
    told: set[str] = field(default_factory=set)


class Coach:
    """Says when to help, what counted, and when it is enough."""

    def __init__(
        self, corners: Iterable[Corner], known: Mapping[str, Sequence[bool]] | None = None, *, ordinary: bool = False
    ) -> None:
        """``known``: the agent's attempts alone before this session by corner, oldest first.

        ``ordinary``: the run learns from takeovers as from any other steps (``data.demos``).
        """
        self._ordinary = ordinary
        self._at = {c.name: _At(Attempts(c.name, (known or {}).get(c.name, ()))) for c in corners}
        self._told_all = False
        self.practice = ""
        """The corner at which practice should be offered now; whoever offers it empties this."""

    def learned(self, corner: str) -> Learned | None:
        """Return how far a corner is learned; None for one that the coach does not know."""
        return self._at[corner].progress.now() if corner in self._at else None

    def forget(self) -> None:
        """What was known before this session is another agent's."""
        self._at = {name: _At(Attempts(name)) for name in self._at}

    def enough(self, corner: str) -> bool:
        """Whether more help at a corner is no use for now: no one is called to it until the agent has passed it once.

        Where most takeovers failed, better ones would be of use.
        """
        at = self._at.get(corner)
        return at is not None and at.fruitless >= UNCHANGED and 2 * at.fruitless_lost <= at.fruitless

    @property
    def hardest(self) -> Learned | None:
        """The corner that is learned least of those that the agent has tried; None before the first attempt."""
        tried = [now for at in self._at.values() if (now := at.progress.now()).of]
        return min(tried, key=lambda now: now.share, default=None)

    def offered(self, corner: str, why: str, risk: float | None, time_s: float) -> list[Said]:
        """The wheel is offered (``zone`` before a corner, ``asked-for``: the agent expects to fail)."""
        at = self._at.get(corner)
        if self.enough(corner):
            return []
        if at is not None:
            if time_s - at.called_s < APART_S:
                return []
            at.called_s = time_s
        if why == "asked-for" and risk is not None:
            return [Said("coach_help_risk", "warning", {"risk": 100.0 * risk}, "help")]
        if at is None:
            return []
        failed, of = at.progress.failures
        if not of:
            return [Said("coach_help_new", "info", {"corner": corner}, "help")]
        return [Said("coach_help", "warning", {"corner": corner, "failed": failed, "n": of}, "help")] if failed else []

    def ended(self, takeover: Ended) -> list[Said]:
        """A takeover's outcome is known."""
        at = self._at.get(takeover.corner)
        if at is not None:
            at.failed = at.failed + 1 if takeover.outcome == "failed" else 0
            at.cleared = at.cleared + 1 if takeover.outcome == "cleared" else 0
            at.since += 1
            at.lost += takeover.outcome == "failed"
            if at.failed >= FAILURES:
                at.failed, self.practice = 0, takeover.corner
        said = self._counted(takeover)
        if at is not None and at.cleared >= TAUGHT:
            at.cleared = 0
            said.append(Said("coach_let_try", "info", {"corner": takeover.corner, "n": TAUGHT}))
        return said

    def _counted(self, takeover: Ended) -> list[Said]:
        if self._ordinary:
            values = {"corner": takeover.corner, "seconds": takeover.seconds}
            if takeover.outcome == "cleared" and takeover.corner:
                return [Said("coach_ordinary_cleared", "good", values, "counted")]
            return [Said("coach_ordinary", values=values)]
        if takeover.reason is not None:
            return [not_counted(takeover.reason)]
        if takeover.outcome == "failed":
            if takeover.until_m is None:
                return [Said("coach_failed_part", "warning", {"seconds": takeover.counted_s}, "not_counted")]
            return [
                Said(
                    "coach_failed", "warning", {"until": takeover.until_m, "seconds": takeover.counted_s}, "not_counted"
                )
            ]
        values = {"corner": takeover.corner, "seconds": takeover.seconds}
        if takeover.outcome == "cleared" and takeover.corner:
            return [Said("coach_cleared", "good", values, "counted")]
        return [Said("coach_counted", "good", values, "counted")]

    def alone(self, corner: str, passed: bool, weights: int | None, time_s: float) -> list[Said]:
        """The agent drove a corner without help, with those weights (the newer, the larger the number)."""
        at = self._at.get(corner)
        if at is None:
            return []
        had_it = at.progress.now().has_it
        at.progress.tried(passed, time_s)
        newer = weights is not None and at.weights is not None and weights > at.weights
        if weights is not None:
            at.weights = weights if at.weights is None else max(at.weights, weights)
        at.cleared = 0
        if passed:
            at.fruitless = at.fruitless_lost = at.since = at.lost = 0
            at.told.discard("enough")
            row = at.progress.row
            if row >= IN_A_ROW and not had_it:
                return [Said("coach_has_it", "good", {"corner": corner, "n": row}, "learned")]
            return []
        if at.since and newer:
            at.fruitless, at.since = at.fruitless + at.since, 0
            at.fruitless_lost, at.lost = at.fruitless_lost + at.lost, 0
            if self.enough(corner) and "enough" not in at.told:
                at.told.add("enough")
                values = {"corner": corner, "n": at.fruitless}
                return [Said("coach_enough", "warning", values, "enough")]
        return []

    def measured(self, corner: str, passes: Iterable[bool], time_s: float) -> None:
        """The agent drove a corner without help where nobody could help it: these attempts count, and nothing is said."""
        if (at := self._at.get(corner)) is not None:
            for passed in passes:
                at.progress.tried(passed, time_s)

    def drove(self, failed: bool) -> list[Said]:
        """The agent drove an episode alone; what is said when nothing needs the player any more, once."""
        if failed or not self._at or self._told_all or not all(at.progress.now().has_it for at in self._at.values()):
            return []
        self._told_all = True
        return [Said("coach_done", "good", {}, "learned")]
