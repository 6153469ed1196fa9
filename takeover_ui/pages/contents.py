"""What the pages show, as plain records. Texts in them are untrusted: names and notes from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from data.records import Segment
from takeover_ui.report.charts import Chart
from takeover_ui.report.contents import CornerRow


@dataclass(frozen=True, slots=True)
class Trainer:
    """How the trainer is doing: ``state`` is ``working``, ``quiet`` (not at work), ``far`` (elsewhere) or ``failed``."""

    state: str
    said: str
    """A sentence."""
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    """Sentences about what is wrong."""


@dataclass(frozen=True, slots=True)
class PageHead:
    """Where a page is: the track that it is about, those that it could be about, and what its parts are up to date with."""

    track: str = ""
    tracks: Sequence[str] = ()
    mark: str = ""
    """Changes when anything changes that a page shows (``data.reading.news.page_mark``)."""
    trainer: Trainer | None = None
    has_road: bool = True
    """Whether the track can be drawn: else there are no clips, no corners and no report."""


@dataclass(frozen=True, slots=True)
class TakeoverCard:
    """One takeover with its clip; ``clip`` is None where no positions are known."""

    segment: Segment
    outcome: str
    """As the lists show it (`DemoRule.outcome`)."""
    when: str
    """Its beginning in local time."""
    clip: Markup | None
    why_not: str = ""
    """Why it is not learned from; empty where it is."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session in the list."""

    id: int
    when: str
    kind: str
    track: str
    driver: str
    status: str
    episodes: int
    takeovers: int
    human_seconds: float
    has_road: bool = True
    """Whether its track can be drawn, so that it has a report."""


@dataclass(frozen=True, slots=True)
class HomePage:
    """The first page: how it goes on one track, and what was driven last."""

    head: PageHead
    lead: str
    tiles: Sequence[tuple[str, str]] = ()
    charts: Sequence[Chart] = ()
    corners: Sequence[CornerRow] = ()
    takeovers: Sequence[TakeoverCard] = ()
    sessions: Sequence[SessionRow] = ()
    more_sessions: int = 0
    """Sessions that are older than those in the list."""


@dataclass(frozen=True, slots=True)
class TakeoversPage:
    """One page of the list of takeovers; ``chosen`` says which ones, as (name, value) of the address."""

    head: PageHead
    takeovers: Sequence[TakeoverCard]
    total: int
    number: int
    pages: int
    chosen: Sequence[tuple[str, str]] = ()
    corners: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TakeoverPage:
    """One takeover; ``before`` and ``after`` are the ids of its neighbours on the track, None at the ends."""

    head: PageHead
    card: TakeoverCard
    facts: Sequence[tuple[str, str]] = ()
    words: Sequence[str] = field(default_factory=tuple)
    """How the human drove, against the agent."""
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A page that says in a sentence why there is nothing to show."""

    title: str
    text: str
    head: PageHead = field(default_factory=PageHead)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A page for those who may not see any other: it loads nothing."""

    text: str
