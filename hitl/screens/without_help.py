"""How the agent does without help, as the session shows it: its attempts and its best return, from the store and this session."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from data.records import CUT_OFF, Corner, driver_kind
from data.store import Store
from hitl.coach.past import attempts
from hitl.protocols import EpisodeResult
from hitl.road.attempts import Following
from takeover_ui.language import ENGLISH, Words

LAST = 10  # attempts of which a share is given
KEPT = 60  # attempts, and tries, that are looked at
CEILING_FROM = 5  # tries without help that a ceiling needs


@dataclass(frozen=True, slots=True)
class Try:
    """One drive or evaluation of the agent alone: its return, and whether it reached the finish."""

    total: float
    finished: bool


@dataclass(frozen=True, slots=True)
class Past:
    """What the store knows of a track."""

    tries: Sequence[Try] = ()
    """Of the agent alone, oldest first."""
    attempts: Mapping[str, Sequence[bool]] = field(default_factory=dict)
    """By corner whether the agent alone passed it, oldest first."""
    best_lap: float | None = None
    """The best return of the player's own laps."""


class WithoutHelp:
    """Keeps the agent's attempts and tries alone, and says how many of the last went well."""

    def __init__(self, corners: Sequence[Corner], past: Past | None = None, words: Words = ENGLISH) -> None:
        past = past if past is not None else Past()
        self.words = words
        self._following, self._steps = Following(corners), 0
        self._attempts = {c.name: deque(past.attempts.get(c.name, ()), maxlen=KEPT) for c in corners}
        self._tries: deque[Try] = deque(past.tries, maxlen=KEPT)
        totals = [t.total for t in past.tries[-2 * LAST :]]
        self.ceiling = fmean(totals) if len(totals) >= CEILING_FROM else None
        """Mean return of the tries before this session; None where there are too few."""
        self.best = max((t.total for t in past.tries), default=None)
        """The best return of the agent alone on this track, ever; None before the first try."""
        self.best_lap = past.best_lap
        """The same of the player's laps."""
        self.corner = self._hardest()
        """The corner that it is judged by; "" for the finish. It stays the same: two measures are no trend."""

    def step(self, steps: int, progress: float, *, human: bool) -> None:
        """The car is there (m), after that many steps of its episode."""
        if steps <= self._steps:
            self._following.begin(progress)
        self._steps = steps
        self._following.step(progress, human=human)

    def end(self, result: EpisodeResult, *, own: bool) -> None:
        """An episode is over. ``own``: a lap in it was the player's."""
        if result.purpose == "lap":
            if own and result.reason not in CUT_OFF:
                self.best_lap = _better(self.best_lap, [result.total])
            return
        for corner, passed, alone in self._following.end(result.progress, result.reason):
            if alone:
                self._attempts[corner.name].append(passed)
        if result.purpose != "practice" and not result.human_steps and result.reason not in CUT_OFF:
            self._tries.append(Try(result.total, result.reason == "finish"))
            self.measured([result.total])

    def measured(self, totals: Iterable[float]) -> None:
        """The agent alone has had these returns."""
        self.best = _better(self.best, totals)

    def _hardest(self) -> str:
        """Return the corner at which most of the attempts that are kept failed; "" where none did."""
        return max(self._attempts, key=self._failures, default="") if any(map(self._failures, self._attempts)) else ""

    def _failures(self, corner: str) -> int:
        return sum(not passed for passed in self._attempts[corner])

    def _good(self) -> list[bool]:
        return list(self._attempts[self.corner]) if self.corner else [t.finished for t in self._tries]

    def shares(self) -> tuple[tuple[float, float], ...]:
        """Return (number of the attempt, share of the last ``LAST`` that went well), oldest first."""
        good = self._good()
        return tuple(
            (float(k), sum(good[max(0, k - LAST) : k]) / min(k, LAST)) for k in range(1, len(good) + 1)
        )

    def said(self) -> str:
        """Return the newest share in words; "" before the first one."""
        good, corner = self._good()[-LAST:], self.corner
        if not good:
            return ""
        values = {"good": sum(good), "of": len(good)}
        return self.words.say("alone_at", corner=corner, **values) if corner else self.words.say("alone_finish", **values)


def recorded_past(store: Store, track: str, corners: Sequence[Corner], env: str | None = None) -> Past:
    """Return what the store knows of a track, in one game where it is named."""
    driven = [e for e in store.episodes(track, env=env) if not e.cut_off]
    own = {s.id for s in store.sessions(track) if driver_kind(s.driver) == "you"}
    alone = [Try(e.total, e.reason == "finish") for e in driven if e.purpose in ("drive", "evaluation") and not e.human_steps]
    laps = [e.total for e in driven if e.purpose == "lap" and e.session_id in own]
    return Past(alone, attempts(store, track, corners, env), max(laps, default=None))


def _better(best: float | None, totals: Iterable[float]) -> float | None:
    return max([*([] if best is None else [best]), *totals], default=None)
