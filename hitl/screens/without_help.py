"""How the agent does without help, as the session shows it: shares of its last tries, from the store and from this session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from data.records import Corner
from data.store import Store
from takeover_ui.language import ENGLISH, Words

LAST = 10  # tries of which a share is given
KEPT = 60  # tries that are looked at
NEAR_M = 10.0  # m before a corner from which an end belongs to it
CEILING_FROM = 5  # tries without help that a ceiling needs


@dataclass(frozen=True, slots=True)
class Try:
    """One episode that the agent drove alone: the farthest metre, its return, whether it reached the finish."""

    farthest: float
    total: float
    finished: bool


class WithoutHelp:
    """Keeps the agent's newest tries alone, drives and evaluations alike, and says how many of the last went well."""

    def __init__(self, corners: Sequence[Corner], tries: Sequence[Try] = (), words: Words = ENGLISH) -> None:
        self._corners, self.words = tuple(corners), words
        self._tries = list(tries)[-KEPT:]
        totals = [t.total for t in self._tries[-2 * LAST :]]
        self.ceiling = fmean(totals) if len(totals) >= CEILING_FROM else None
        """Mean return of the tries before this session; None where there are too few."""

    def add(self, one: Try) -> None:
        """The agent has driven an episode alone."""
        self._tries = [*self._tries, one][-KEPT:]

    @property
    def corner(self) -> Corner | None:
        """The corner in which most tries ended; None where none ended in a corner."""
        ended = [t.farthest for t in self._tries if not t.finished]
        counts = Counter(c for c in self._corners for end in ended if c.from_m - NEAR_M <= end < c.to_m)
        return counts.most_common(1)[0][0] if counts else None

    def _good(self) -> list[bool]:
        corner = self.corner
        return [t.finished or (corner is not None and t.farthest >= corner.to_m) for t in self._tries]

    def shares(self) -> tuple[tuple[float, float], ...]:
        """Return (number of the try, share of the last ``LAST`` that went well), oldest first."""
        good = self._good()
        return tuple(
            (float(k), sum(good[max(0, k - LAST) : k]) / min(k, LAST)) for k in range(1, len(good) + 1)
        )

    def said(self) -> str:
        """Return the newest share in words; "" before the first try."""
        good, corner = self._good()[-LAST:], self.corner
        if not good:
            return ""
        if corner is None:
            return self.words.say("alone_finish", good=sum(good), of=len(good))
        return self.words.say("alone_at", corner=corner.name, good=sum(good), of=len(good))


def recorded_tries(store: Store, track: str) -> list[Try]:
    """Return what the agent drove alone on a track, oldest first."""
    alone = store.episodes(track, purpose=("drive", "evaluation"))
    return [Try(e.farthest, e.total, e.reason == "finish") for e in alone if not e.human_steps and not e.cut_off][-KEPT:]
