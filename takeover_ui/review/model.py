"""The review without its screen: what is listed, what is selected, what is played, and what each command does.

Pads, keys and the mouse all speak the same commands, by name: ``next``, ``good``, ``start_in`` and so on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from data.errors import HitlError
from data.records import Segment
from takeover_ui.language import Words
from takeover_ui.review.menu import ACTIONS, NOTES, TAGS, Menu
from takeover_ui.review.segment_list import SegmentList
from takeover_ui.review.texts import ENGLISH

if TYPE_CHECKING:
    from data.reading.drives import Drive
    from data.reading.segment_review import Detail, StoreReview
    from takeover_ui.review.quality import Quality

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
MOST_OTHERS = 60  # takeovers that are shown over each other
LOOK_S = 2.0  # between looks at what others have written
_BUDGET_S = 0.02  # of each frame for the differences that sorting needs
_WRITING = frozenset((
    "good", "bad", "star", "unreviewed", "wrecked_bad", "listed_bad", "undo", "start_in", "start_out", "stop_in", "stop_out",
    "more", "less", "tag", "note",
))  # fmt: skip
_LEAST, _MOST = 0.25, 16.0  # priority that the keys give


class ReviewModel:
    """Everything the review is, apart from pixels."""

    def __init__(
        self,
        data: StoreReview,
        *,
        corner: str | None = None,
        verdict: str | None = None,
        sort: str = "priority",
        words: Words = ENGLISH,
        film: Callable[[Segment], Iterator[str]] | None = None,
        quality: Quality | None = None,
    ) -> None:
        """``film``: writes a segment's clip while it is iterated over, and says how far it is; ``quality``: has hints."""
        self.data, self.words = data, words
        self._film = film
        self._filming: Iterator[str] = iter(())
        self.list = SegmentList(
            data.segments(), data.difference, data.why_not, quality, corner=corner, verdict=verdict, sort=sort
        )
        self.together = False
        """Whether all takeovers of the corner are shown over each other."""
        self._others: tuple[object, list[Drive]] = None, []
        self.detail: Detail | None = None
        self.position = 0.0
        self.playing = True
        self.speed = 1.0
        self.trim = (0, 0)
        self.menu: Menu | None = None
        self.message = ""
        self.over = False
        if data.read_only:
            self.message = words["said_read_only"]
        self._leaving = False
        self._since_look = 0.0
        self._load()

    @property
    def segment(self) -> Segment | None:
        """The selected segment."""
        return self.list.selected

    def do(self, command: str) -> None:
        """Carry out a command; a review that is not possible becomes the message."""
        self.message = ""
        try:
            if self.menu is not None:
                self._in_menu(self.menu, command)
            else:
                self._carry_out(command)
        except HitlError as error:
            self.message = str(error)

    def select(self, index: int) -> None:
        """Go to a row of the list."""
        if self.list.shown:
            self._keep_trim()
            self.list.select(index)
            self._load()

    def pick(self, index: int) -> None:
        """Go to a row that was clicked on; what cannot be done becomes the message."""
        self.message = ""
        try:
            self.select(index)
        except HitlError as error:
            self.message = str(error)

    def set_trim(self, start: int | None = None, stop: int | None = None) -> None:
        """Trim to steps counted from the segment's two ends; at least two steps stay."""
        segment = self.segment
        if segment is None:
            return
        if self.data.read_only:  # a trim that cannot be kept would hold the selection where it is
            self.message = self.words["said_read_only"]
            return
        length = segment.stop - segment.start
        first, last = self.trim[0] if start is None else start, self.trim[1] if stop is None else stop
        if start is not None:
            first = min(max(0, first), length - 2 - last)
        if stop is not None:
            last = min(max(0, last), length - 2 - first)
        self.trim = (max(0, first), max(0, last))

    def seek(self, position: float) -> None:
        """Go to a step of what is shown, and stop there."""
        self.playing = False
        self.position = min(max(0.0, position), self._last())

    def tick(self, dt: float) -> None:
        """Let ``dt`` seconds pass: playback, and what sorting still needs to know."""
        if self.playing and self.segment is not None:
            self.position += dt * self.speed * self.segment.hz
            if self.position > self._last():
                self.position = 0.0
        self._since_look += dt
        try:
            if self._since_look >= LOOK_S:
                self.look()
            end = time.perf_counter() + _BUDGET_S
            for said in self._filming:
                self.message = said
                if time.perf_counter() > end:
                    break
            if self.list.compare(_BUDGET_S):
                self._load()
        except HitlError as error:
            self.message = str(error)

    def look(self) -> None:
        """Take in what others have recorded and judged meanwhile; the rows, the selected one and its trim stay where they are."""
        self._since_look = 0.0
        news = self.data.news()
        if news is None:
            return
        keeps = bool(self._pending())
        self.list.update(news)
        segment = self.segment
        if segment is not None and not keeps:
            if self.detail is None:
                self._load()
            self.trim = (segment.trim_start, segment.trim_stop)

    def type(self, text: str) -> None:
        """Add typed letters to a note or a tag; a backspace takes the last one away."""
        if self.menu is not None:
            self.menu.type(text)

    @property
    def others(self) -> list[Drive]:
        """What was driven in the newest other takeovers at the selected one's corner, while they are shown."""
        segment = self.segment
        if not self.together or segment is None or not segment.corner:
            return []
        beside = [s for s in self.list.all.values() if s.corner == segment.corner and s.kind == "takeover" and s.id != segment.id]
        key = [s.id for s in beside[-MOST_OTHERS:]]
        try:
            if self._others[0] != key:
                self._others = key, [self.data.driven(s) for s in beside[-MOST_OTHERS:]]
        except HitlError as error:
            self.message = str(error)
            return []
        return self._others[1]

    def _show_together(self) -> None:
        """Show the others of the selected one's corner, or no longer; say so where there are none."""
        if not self.together and (self.segment is None or not self.segment.corner):
            self.message = self.words["said_no_corner"]
            return
        self.together = not self.together
        if self.together and not self.others and not self.message:
            self.message = self.words["said_no_together"]

    def _last(self) -> float:
        return float(max(0, len(self.detail.drive) - 1)) if self.detail else 0.0

    def _load(self) -> None:
        """Read what was driven in the selected segment, unless it is read already, and take over its trim."""
        segment = self.segment
        if segment is None:
            self.detail = None
            return
        if self.detail is None or self.detail.segment.id != segment.id:
            self.detail = self.data.detail(segment)
            self.position = 0.0
        self.trim = (segment.trim_start, segment.trim_stop)

    def _pending(self) -> dict[str, Any]:
        segment = self.segment
        if segment is None or self.trim == (segment.trim_start, segment.trim_stop):
            return {}
        return {"trim": self.trim}

    def _keep_trim(self) -> None:
        """Write a trim that was made but not yet judged with."""
        changes = self._pending()
        if changes and self.segment:
            self.data.label([self.segment.id], changes)
            self.list.update(self.data.again([self.segment.id]))

    def _judge(self, changes: dict[str, Any], *, advance: bool = False) -> None:
        segment = self.segment
        if segment is None:
            return
        self.data.label([segment.id], self._pending() | changes)
        self.list.update(self.data.again([segment.id]))
        self._load()
        if advance:
            self._next_open()

    # -- commands

    def _carry_out(self, command: str) -> None:
        listed = self.list
        if command in _WRITING and self.data.read_only:
            self.message = self.words["said_read_only"]
            return
        match command:
            case "previous":
                self.select(listed.index - 1)
            case "next":
                self.select(listed.index + 1)
            case "first":
                self.select(0)
            case "last":
                self.select(len(listed.shown) - 1)
            case "next_open":
                self._next_open()
            case "good" | "bad" | "star" | "unreviewed":
                self._judge({"verdict": command}, advance=command != "unreviewed")
            case "wrecked_bad":
                self._all_bad(listed.wrecked, "wrecked")
            case "listed_bad":
                self._all_bad([s for s in listed.shown if s.verdict == "unreviewed"], "listed")
            case "undo":
                self._undo()
            case "play":
                self.playing = not self.playing
            case "slower":
                self.speed = SPEEDS[max(0, SPEEDS.index(self.speed) - 1)]
            case "faster":
                self.speed = SPEEDS[min(len(SPEEDS) - 1, SPEEDS.index(self.speed) + 1)]
            case "step_back":
                self.seek(int(self.position) - 1)
            case "step_on":
                self.seek(int(self.position) + 1)
            case "start_in" | "start_out" | "stop_in" | "stop_out":
                self._trim_by(command)
            case "clip" if self.segment and self._film:
                self._filming = self._film(self.segment)
            case "together":
                self._show_together()
            case "more" if self.segment:
                self._judge({"priority": min(_MOST, max(_LEAST, self.segment.priority) * 2)})
            case "less" if self.segment:
                self._judge({"priority": max(_LEAST, self.segment.priority / 2)})
            case "tag":
                known = {tag for s in listed.all.values() for tag in s.tags}
                self.menu = Menu("tag", tuple(dict.fromkeys((*TAGS, *sorted(known)))))
            case "note":
                offered = ("", *(self.words[f"note_{name}"] for name in NOTES))
                self.menu = Menu("note", offered, text=self.segment.note if self.segment else "")
            case "menu":
                self.menu = Menu("menu", ACTIONS)
            case "corner" | "verdict" | "sort":
                self._keep_trim()
                self.look()
                listed.cycle(command)
                self._load()
            case "quit":
                if not self._leaving:
                    self._leaving = True  # asked again, it ends whether the trim could be written or not
                    self._keep_trim()
                self.over = True

    def _all_bad(self, segments: list[Segment], name: str) -> None:
        if not segments:
            self.message = self.words[f"said_no_{name}"]
            return
        self._keep_trim()
        ids = [s.id for s in segments]
        self.data.label(ids, {"verdict": "bad"})
        self.list.update(self.data.again(ids))
        self._load()
        self.message = self.words.say(f"said_{name}", n=len(ids))

    def _next_open(self) -> None:
        index = self.list.next_open
        if index is not None:
            self.select(index)
        elif self.segment is None or self.segment.verdict != "unreviewed":
            self.message = self.words["said_all_judged"]

    def _undo(self) -> None:
        if self._pending() and self.segment:
            self.trim = (self.segment.trim_start, self.segment.trim_stop)
            return
        ids = self.data.undo()
        if not ids:
            self.message = self.words["said_no_undo"]
            return
        self.list.update(self.data.again(ids))
        # Of many, all that were judged bad at once, the player looks at one, or else is shown the first.
        listed = [s.id for s in self.list.shown if s.id in ids] or ids
        selected = self.segment
        undone = self.list.all[selected.id if selected is not None and selected.id in ids else listed[0]]
        if not self.list.lists(undone):
            self.list.corner = self.list.verdict = None
        self.list.arrange(undone.id)
        self.detail = None
        self._load()

    def _trim_by(self, command: str) -> None:
        end, way = command.split("_")
        by = 1 if way == "in" else -1
        if end == "start":
            self.set_trim(start=self.trim[0] + by)
        else:
            self.set_trim(stop=self.trim[1] + by)
        if self.segment and self.detail:
            at = self.segment.start + self.trim[0] if end == "start" else self.segment.stop - self.trim[1] - 1
            self.seek(at - int(self.detail.drive.t[0]) if len(self.detail.drive) else 0)

    def _in_menu(self, menu: Menu, command: str) -> None:
        if command in ("previous", "next"):
            menu.move(1 if command == "next" else -1)
        elif command in ("back", "choose"):
            self.menu = None
        if command == "choose":
            self._chosen(menu.kind, menu.chosen.strip())

    def _chosen(self, kind: str, chosen: str) -> None:
        if kind == "menu":
            self.do(chosen)
        elif self.segment is None:
            return
        elif kind == "note":
            self._judge({"note": chosen})
        elif chosen:
            self._judge({"tags_remove" if chosen in self.segment.tags else "tags_add": (chosen,)})
