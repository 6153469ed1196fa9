"""What the commands about segments share: opening the store, filters, and dates as people write them."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from data.errors import UsageError
from data.suggest import did_you_mean
from data.words import in_local_time
from hitl.arguments import amount, whole
from hitl.dates import parse_date
from hitl.home import home_path, in_home

if TYPE_CHECKING:
    from data.records import Segment
    from data.store import Store
    from hitl.scripting.store import TakeoverStore

FILTERS = (
    "corner", "verdict", "kind", "outcome", "tag", "track", "since", "until", "session", "min_seconds", "max_seconds",
)  # fmt: skip
"""What ``add_filters`` adds, as the parsed command line and ``Store.segments`` call it."""


def open_store(args: argparse.Namespace, *, tells: bool = True) -> TakeoverStore:
    """Open the store of the home folder, which must be there.

    Raises UsageError where it lacks the session that was given, and for filters that nothing can meet.

    ``tells``: say that something of what was driven is not in it yet, where that is so.
    """
    from data.tables.checks import not_read_back
    from hitl.scripting.store import TakeoverStore

    _refuse_contradictions(args)
    store = TakeoverStore.open_existing(home_path(args).store_path)
    if tells and (said := not_read_back(store.conn, store.path)):
        print(in_home(said, args.home), file=sys.stderr)
    asked = getattr(args, "session", None)
    if asked is not None and asked not in (known := [session.id for session in store.sessions()]):
        store.close()
        newest = f"the newest is {known[-1]}" if known else "nothing is recorded yet"
        raise UsageError(f"There is no session {asked} in this store: {newest}.")
    return store


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose segments."""
    group = parser.add_argument_group("which segments")
    group.add_argument("--corner", help="at this corner")
    group.add_argument(
        "--verdict", action="append", choices=["unreviewed", "good", "bad", "star"], help="may be given more than once"
    )
    group.add_argument("--kind", choices=["takeover", "lap", "kept"], help="only these")
    group.add_argument(
        "--outcome", choices=["cleared", "failed", "unclear", "interrupted", "nothing"],
        help="whether the human cleared it; nothing: it shows nothing and has no verdict",
    )
    group.add_argument("--tag", help="with this tag")
    group.add_argument("--track", help="on this track")
    add_dates(group)
    group.add_argument("--session", type=whole(1), metavar="N", help="of this session")
    group.add_argument("--min-seconds", type=amount(), metavar="S", help="at least so long")
    group.add_argument("--max-seconds", type=amount(), metavar="S", help="at most so long")


def add_dates(parser: argparse._ActionsContainer) -> None:
    """Add ``--since`` and ``--until``, as the store writes dates."""
    forms = "2026-11-20, 2026-11-20T18:30, today, yesterday, or an age: 90m, 12h, 7d"
    parser.add_argument("--since", type=parse_date, metavar="DATE", help=forms)
    parser.add_argument("--until", type=parse_date, metavar="DATE", help="before this moment; the same forms")


def selected(store: Store, args: argparse.Namespace) -> list[Segment]:
    """Return the segments that the filters choose.

    Raises UsageError where two tracks have a corner of the name that was given: only what was meant may be judged; and for a
    corner or a tag that the store does not know.
    """
    from hitl.road.known_tracks import chosen

    filters = {name: getattr(args, name) for name in FILTERS}
    filters["track"] = chosen(store, args.track) if args.track else None
    filters["outcome"] = None  # what is shown as one, the store keeps in several columns
    _must_know(store, args, filters["track"])
    if args.corner and not args.track:
        on = [track for track, named in store.corners_named() if named == args.corner]
        if len(on) > 1:
            listed = ", ".join(f"'{track}'" for track in on)
            raise UsageError(f"{len(on)} tracks have a corner '{args.corner}': {listed}. Choose one with --track.")
    found, rule = store.segments(**filters), store.rule()
    return [s for s in found if args.outcome in (None, rule.outcome(s))]


def _must_know(store: Store, args: argparse.Namespace, track: str | None) -> None:
    """Raise UsageError for a corner, on any track or on this one, or a tag of which nothing is known."""
    if args.corner:
        named = [corner for on, corner in store.corners_named() if track in (None, on)]
        known = [c.name for on in ([track] if track is not None else store.tracks()) for c in store.corners(on)]
        _refuse_unknown("corner", args.corner, [*known, *named])
    if args.tag:
        _refuse_unknown("tag", args.tag, store.tags())


def _refuse_unknown(what: str, name: str, known: list[str]) -> None:
    if name not in known:
        listed = ", ".join(f"'{one}'" for one in dict.fromkeys(known)) or "none"
        raise UsageError(f"There is no {what} '{name}' here. The {what}s that there are: {listed}.{did_you_mean(name, known)}")


def _refuse_contradictions(args: argparse.Namespace) -> None:
    """Raise UsageError for limits of which the lower one is above the upper one."""
    for least, most, is_above in (("since", "until", "later than"), ("min_seconds", "max_seconds", "more than")):
        low, high = getattr(args, least, None), getattr(args, most, None)
        if low is not None and high is not None and low > high:
            names = [f"--{name.replace('_', '-')}" for name in (least, most)]
            raise UsageError(f"{names[0]} is {is_above} {names[1]}, so nothing can meet both: exchange the two.")


def local_time(text: str | None, short: bool = False) -> str:
    """Return a date of the store in local time; ``short`` omits the current year."""
    if not text:
        return ""
    moment = in_local_time(text)
    return moment.strftime("%m-%d %H:%M" if short and moment.year == datetime.now().year else "%Y-%m-%d %H:%M")
