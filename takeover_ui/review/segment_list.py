"""The list of the review: filtered, sorted, with one segment selected."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from data.demos import Reason, wrecked_start
from data.records import VERDICTS, Segment

if TYPE_CHECKING:
    from takeover_ui.review.quality import Quality

SORTS = ("priority", "newest", "different", "doubtful")
VERDICT_FILTERS = (None, *VERDICTS)


class SegmentList:
    """Segments by number in ``all``, oldest first as they are given; those listed in ``shown``, of which ``index`` is selected.

    ``difference`` says how far the human drove from what the agent would have done; it is asked only where the order needs it.
    ``quality`` has hints of how well they drove: the more of them, the more doubtful.
    ``why_not`` says why a segment is not learned from, None where it is.
    """

    def __init__(
        self,
        segments: Iterable[Segment],
        difference: Callable[[Segment], float],
        why_not: Callable[[Segment], Reason | None] = lambda segment: None,
        quality: Quality | None = None,
        *,
        corner: str | None = None,
        verdict: str | None = None,
        sort: str = "priority",
    ) -> None:
        self.all = {s.id: s for s in segments}
        self.corner, self.verdict, self.sort = corner, verdict, sort
        self.shown: list[Segment] = []
        self.index = 0
        self._difference, self._why_not, self._quality = difference, why_not, quality
        self._differences: dict[int, float] = {}
        self._doubts: dict[int, int] = {}
        self.arrange()

    @property
    def selected(self) -> Segment | None:
        """The selected segment."""
        return self.shown[self.index] if self.shown else None

    @property
    def corners(self) -> list[str]:
        """The corners that segments belong to."""
        return sorted({s.corner for s in self.all.values() if s.corner})

    @property
    def open(self) -> int:
        """How many of the listed segments are not judged yet. Wrecked starts need no verdict."""
        return sum(_is_open(s) for s in self.shown)

    @property
    def wrecked(self) -> list[Segment]:
        """The listed wrecked starts without a verdict."""
        return [s for s in self.shown if s.verdict == "unreviewed" and wrecked_start(s)]

    @property
    def next_open(self) -> int | None:
        """Where the next other segment without a verdict is, from here to the end and on from the top."""
        count = len(self.shown)
        ahead = ((self.index + step) % count for step in range(1, count))
        return next((k for k in ahead if _is_open(self.shown[k])), None)

    def select(self, index: int) -> None:
        """Select a row, or the nearest one that the list has."""
        self.index = min(max(0, index), max(0, len(self.shown) - 1))

    def arrange(self, keep: int | None = None) -> None:
        """Filter and sort; stay on the selected segment (or segment ``keep``) where it is still listed."""
        wanted = keep if keep is not None else self.selected.id if self.selected else None
        newest = reversed([s for s in self.all.values() if self.lists(s)])
        self.shown = sorted(newest, key=self._key)  # of equals the newest first
        self.select(next((k for k, s in enumerate(self.shown) if s.id == wanted), self.index))

    def lists(self, segment: Segment) -> bool:
        """Tell whether the filters let a segment through."""
        return self.corner in (None, segment.corner) and self.verdict in (None, segment.verdict)

    def update(self, segments: Iterable[Segment]) -> None:
        """Take in segments as they are now; they keep their rows until the list is arranged again. New ones come last."""
        given, count = list(segments), len(self.all)
        changed = {s.id: s for s in given if self.all.get(s.id) != s}
        for segment in changed.values():
            if segment.id not in self.all and self.lists(segment):
                self.shown.append(segment)
            self.all[segment.id] = segment
            if self._quality is not None and self._quality.knows(segment):
                self._quality.measure(segment, anew=True)
        self.shown = [changed.get(s.id, s) for s in self.shown]
        if len(self.all) > count:  # what an import brings may be older than what is here
            self.all = {s.id: s for s in given} | self.all

    def cycle(self, what: str) -> None:
        """Go on to the next ``corner``, ``verdict`` or ``sort``."""
        corners = list(dict.fromkeys((None, *self.corners, self.corner)))
        values = {"corner": corners, "verdict": VERDICT_FILTERS, "sort": SORTS}[what]
        setattr(self, what, values[(values.index(getattr(self, what)) + 1) % len(values)])
        self._doubts.clear()  # a verdict may have changed what is usual; until now, rows stayed where they were
        self.arrange()

    def compare(self, seconds: float) -> bool:
        """Work out differences that the order needs, and hints, for so many seconds; tell whether the list was arranged again."""
        end = time.perf_counter() + seconds
        worked = False
        while missing := self._missing():
            worked = True
            for segment in missing:
                self._work_out(segment)
                if time.perf_counter() > end:
                    break
            if time.perf_counter() > end:
                break
        done = worked and self.sort in ("different", "doubtful") and not self._missing()
        if done:
            self.arrange()
        return done

    def hints(self, segment: Segment) -> tuple[str, ...]:
        """Return what stands out in how a segment was driven, as far as it is known yet."""
        return self._quality.hints(segment) if self._quality is not None else ()

    def _missing(self) -> list[Segment]:
        """Return the listed segments of which something is to be worked out next: hints compare, so all are measured first."""
        if self.sort == "different":
            return [s for s in self.shown if s.id not in self._differences]
        if self._quality is None:
            return []
        missing = [s for s in self.shown if not self._quality.knows(s)]
        if not missing and self.sort == "doubtful":
            missing = [s for s in self.shown if s.id not in self._doubts]
        return missing

    def _work_out(self, segment: Segment) -> None:
        if self.sort == "different":
            self._differences[segment.id] = self._difference(segment)
        elif self._quality is not None and not self._quality.knows(segment):
            self._quality.measure(segment)
        else:
            self._doubts[segment.id] = len(self.hints(segment))

    def _key(self, segment: Segment) -> tuple[float, ...]:
        if self.sort == "newest":
            return ()
        if self.sort == "different":
            return (-self._differences.get(segment.id, 0.0),)
        if self.sort == "doubtful":
            return (segment.verdict != "unreviewed", -self._doubts.get(segment.id, 0))
        return (segment.verdict != "unreviewed", wrecked_start(segment), -segment.priority, self._rank(segment))

    def _rank(self, segment: Segment) -> int:
        """Return how soon a segment should be looked at: where the agent may learn a mistake first, what it ignores last."""
        if self._why_not(segment):
            return 4
        if segment.kind == "lap":
            return 3
        return 0 if segment.outcome == "failed" else 1 if segment.interrupted or segment.outcome != "cleared" else 2


def _is_open(segment: Segment) -> bool:
    return segment.verdict == "unreviewed" and not wrecked_start(segment)
