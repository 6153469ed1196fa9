"""The review without its screen: what is listed, what is selected, what is played, and what each command does.

Pads, keys and the mouse all speak the same commands; :data:`COMMANDS` names them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from data.errors import HitlError
from data.records import VERDICTS, Segment

if TYPE_CHECKING:
    from data.reading.segment_review import Detail

SORTS = ("priority", "newest", "different")
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
VERDICT_FILTERS = (None, *VERDICTS)
TAGS = ("clean", "late", "lucky", "too slow", "mistake")
NOTES = ("good line", "brakes too late", "brakes too early", "off the line", "needed luck", "shows it best")
COMMANDS = (
    "previous", "next", "next_open", "first", "last", "good", "bad", "star", "unreviewed", "undo", "play", "slower", "faster",
    "step_back", "step_on", "start_in", "start_out", "stop_in", "stop_out", "more", "less", "tag", "note", "corner", "verdict",
    "sort", "menu", "choose", "back", "quit",
)  # fmt: skip
_MENU = ("star", "tag", "note", "more", "less", "unreviewed", "corner", "verdict", "sort", "undo", "quit")
_BUDGET_S = 0.02  # of each frame for the differences that sorting needs


class ReviewData(Protocol):
    """Where segments come from and judgements go."""

    def segments(self) -> list[Segment]: ...  # noqa: D102
    def again(self, ids: Iterable[int]) -> list[Segment]: ...  # noqa: D102
    def detail(self, segment: Segment) -> Detail: ...  # noqa: D102
    def difference(self, segment: Segment) -> float: ...  # noqa: D102
    def why_not(self, segment: Segment) -> str: ...  # noqa: D102
    def label(self, segment_id: int, changes: Mapping[str, Any]) -> None: ...  # noqa: D102
    def undo(self) -> list[int]: ...  # noqa: D102


@dataclass(slots=True)
class Menu:
    """A short list to choose from; ``text`` is what is being typed instead (notes and tags)."""

    kind: str
    options: tuple[str, ...]
    index: int = 0
    text: str = ""


class ReviewModel:
    """Everything the review is, apart from pixels."""

    def __init__(
        self, data: ReviewData, *, corner: str | None = None, verdict: str | None = None, sort: str = "priority"
    ) -> None:
        self.data = data
        self.all = {s.id: s for s in data.segments()}
        self.shown: list[Segment] = []
        self.index = 0
        self.corner, self.verdict, self.sort = corner, verdict, sort
        self.detail: Detail | None = None
        self.position = 0.0
        self.playing = True
        self.speed = 1.0
        self.trim = (0, 0)
        self.menu: Menu | None = None
        self.message = ""
        self.over = False
        self._leaving = False
        self._differences: dict[int, float] = {}
        self._arrange()

    @property
    def segment(self) -> Segment | None:
        """The selected segment."""
        return self.shown[self.index] if self.shown else None

    @property
    def corners(self) -> list[str]:
        """The corners that segments belong to."""
        return sorted({s.corner for s in self.all.values() if s.corner})

    @property
    def left(self) -> int:
        """How many of the listed segments are not judged yet."""
        return sum(s.verdict == "unreviewed" for s in self.shown)

    def do(self, command: str) -> None:
        """Carry out one of :data:`COMMANDS`; a judgement that cannot be made becomes the message."""
        self.message = ""
        action = getattr(self, f"_do_{command}", None)
        try:
            if self.menu is not None:
                self._in_menu(command)
            elif action is not None:
                action()
            elif command in VERDICTS:
                self._judge({"verdict": command}, advance=command != "unreviewed")
            elif command in ("start_in", "start_out", "stop_in", "stop_out"):
                self._trim_by(command)
        except HitlError as error:
            self.message = str(error)

    def select(self, index: int) -> None:
        """Go to a row of the list."""
        if self.shown:
            self._keep_trim()
            self._go(index)

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
        if self.sort == "different":
            end = time.perf_counter() + _BUDGET_S
            missing = [s for s in self.shown if s.id not in self._differences]
            for segment in missing:
                try:
                    self._differences[segment.id] = self.data.difference(segment)
                except HitlError as error:
                    self.message = str(error)
                    return
                if time.perf_counter() > end:
                    break
            if missing and all(s.id in self._differences for s in self.shown):
                self._arrange()

    def _last(self) -> float:
        return float(max(0, len(self.detail.drive) - 1)) if self.detail else 0.0

    def _key(self, segment: Segment) -> tuple[float, ...]:
        if self.sort == "newest":
            return (-segment.id,)
        if self.sort == "different":
            return (-self._differences.get(segment.id, 0.0), -segment.id)
        return (segment.verdict != "unreviewed", -segment.priority, -segment.id)

    def _listed(self, segment: Segment) -> bool:
        return (self.corner is None or segment.corner == self.corner) and (
            self.verdict is None or segment.verdict == self.verdict
        )

    def _arrange(self, keep: int | None = None) -> None:
        """Filter and sort; stay on the selected segment (or ``keep``) where it is still listed."""
        wanted = keep if keep is not None else self.segment.id if self.segment else None
        self.shown = sorted((s for s in self.all.values() if self._listed(s)), key=self._key)
        at = next((k for k, s in enumerate(self.shown) if s.id == wanted), min(self.index, max(0, len(self.shown) - 1)))
        self._go(at)

    def _go(self, index: int) -> None:
        if not self.shown:
            self.index, self.detail = 0, None
            return
        self.index = min(max(0, index), len(self.shown) - 1)
        segment = self.shown[self.index]
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
            self.data.label(self.segment.id, changes)
            self._refresh([self.segment.id])

    def _refresh(self, ids: Iterable[int]) -> None:
        for segment in self.data.again(ids):
            if segment.id not in self.all:
                continue  # judged on another track
            self.all[segment.id] = segment
            self.shown = [segment if s.id == segment.id else s for s in self.shown]

    def _judge(self, changes: dict[str, Any], *, advance: bool = False) -> None:
        segment = self.segment
        if segment is None:
            return
        self.data.label(segment.id, self._pending() | changes)
        self._refresh([segment.id])
        self._go(self.index)
        if advance:
            self._do_next_open()

    # -- commands

    def _do_previous(self) -> None:
        self.select(self.index - 1)

    def _do_next(self) -> None:
        self.select(self.index + 1)

    def _do_first(self) -> None:
        self.select(0)

    def _do_last(self) -> None:
        self.select(len(self.shown) - 1)

    def _do_next_open(self) -> None:
        """Go to the next segment without a verdict, from here to the end and on from the top."""
        count = len(self.shown)
        for step in range(1, count + 1):
            index = (self.index + step) % count
            if self.shown[index].verdict == "unreviewed" and index != self.index:
                self.select(index)
                return
        self.message = "" if self.segment and self.segment.verdict == "unreviewed" else "Everything listed is judged."

    def _do_undo(self) -> None:
        if self._pending() and self.segment:
            self.trim = (self.segment.trim_start, self.segment.trim_stop)
            return
        ids = self.data.undo()
        if not ids:
            self.message = "There is nothing to undo."
            return
        self._refresh(ids)
        if ids[-1] not in self.all:
            self.message = "A judgement on another track was taken back."
            return
        if not self._listed(self.all[ids[-1]]):
            self.corner = self.verdict = None
        self.detail = None
        self._arrange(ids[-1])

    def _do_play(self) -> None:
        self.playing = not self.playing

    def _do_slower(self) -> None:
        self.speed = SPEEDS[max(0, SPEEDS.index(self.speed) - 1)]

    def _do_faster(self) -> None:
        self.speed = SPEEDS[min(len(SPEEDS) - 1, SPEEDS.index(self.speed) + 1)]

    def _do_step_back(self) -> None:
        self.seek(float(int(self.position) - 1))

    def _do_step_on(self) -> None:
        self.seek(float(int(self.position) + 1))

    def _trim_by(self, command: str) -> None:
        end, way = command.split("_")
        by = 1 if way == "in" else -1
        if end == "start":
            self.set_trim(start=self.trim[0] + by)
        else:
            self.set_trim(stop=self.trim[1] + by)
        if self.segment and self.detail:
            at = self.segment.start + self.trim[0] if end == "start" else self.segment.stop - self.trim[1] - 1
            self.seek(float(at - int(self.detail.drive.t[0])) if len(self.detail.drive) else 0.0)

    def _do_more(self) -> None:
        if self.segment:
            self._judge({"priority": min(16.0, max(0.25, self.segment.priority) * 2)})

    def _do_less(self) -> None:
        if self.segment:
            self._judge({"priority": max(0.25, self.segment.priority / 2)})

    def _do_tag(self) -> None:
        known = {tag for s in self.all.values() for tag in s.tags}
        self.menu = Menu("tag", tuple(dict.fromkeys((*TAGS, *sorted(known)))))

    def _do_note(self) -> None:
        self.menu = Menu("note", ("", *NOTES), text=self.segment.note if self.segment else "")

    def _do_menu(self) -> None:
        self.menu = Menu("menu", _MENU)

    def _do_corner(self) -> None:
        names: list[str | None] = [None, *self.corners]
        if self.corner not in names:
            names.append(self.corner)
        self._keep_trim()
        self.corner = names[(names.index(self.corner) + 1) % len(names)]
        self._arrange()

    def _do_verdict(self) -> None:
        self._keep_trim()
        self.verdict = VERDICT_FILTERS[(VERDICT_FILTERS.index(self.verdict) + 1) % len(VERDICT_FILTERS)]
        self._arrange()

    def _do_sort(self) -> None:
        self._keep_trim()
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self._arrange()

    def _do_quit(self) -> None:
        if not self._leaving:
            self._leaving = True  # asked again, it ends whether the trim could be written or not
            self._keep_trim()
        self.over = True

    # -- menus

    def type(self, text: str) -> None:
        """Add typed letters to a note or a tag; a backspace takes the last one away."""
        if self.menu is None or self.menu.kind == "menu":
            return
        if text == "\b":
            self.menu.text = self.menu.text[:-1]
        else:
            self.menu.text = (self.menu.text + "".join(c for c in text if c.isprintable()))[:200]
        self.menu.index = -1

    def _in_menu(self, command: str) -> None:
        menu = self.menu
        assert menu is not None
        if command in ("previous", "next"):
            count = len(menu.options)
            start = -1 if menu.index < 0 and command == "next" else menu.index
            menu.index = (start + (1 if command == "next" else -1)) % count
        elif command == "back":
            self.menu = None
        elif command == "choose":
            chosen = menu.options[menu.index] if menu.index >= 0 else menu.text
            self.menu = None
            self._chosen(menu.kind, chosen)

    def _chosen(self, kind: str, chosen: str) -> None:
        if kind == "menu":
            self.do(chosen)
        elif self.segment is None:
            return
        elif kind == "note":
            self._judge({"note": chosen.strip()})
        elif chosen.strip():
            tag = chosen.strip()
            self._judge({"tags_remove": (tag,)} if tag in self.segment.tags else {"tags_add": (tag,)})
