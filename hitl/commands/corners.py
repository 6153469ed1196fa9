"""`hitl corners`: how each corner goes, new ones from where episodes end, and their names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from data.errors import UsageError
from data.files.paths import as_typed
from data.records import same_game
from data.words import listed, number_of, track_words
from hitl.arguments import Parser, whole
from hitl.dates import parse_date
from hitl.home import add_home, home_path, in_home, with_options

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from data.records import By
    from hitl.road.corner_mining import FailurePlace
    from hitl.road.corner_stats import CornerStats
    from hitl.road.time_lost import TimeLost

_NAMES: dict[By, str] = {
    "you": "you", "scripted": "the scripted driver", "imported": "imported laps",
    "stranger": "an agent whose weights are not here",
}  # fmt: skip
_WITH: dict[By, str] = {"you": "with\nyou", "scripted": "by\nscript", "imported": "from\nfiles"}
"""Who is compared with the agent."""
_COLUMNS: dict[By, str] = {"you": "With you", "scripted": "By script", "imported": "From files"}
LEAST_FIRST = ("brakes\nm before", "entry\nkm/h", "95 %", "taken\nover", *_WITH.values(), "metres")
"""Columns that a narrow terminal has no room for, the one that matters least first."""
WIDE = 90  # letters from which on the terminal has room between the columns


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl corners",
        word="--track",
        description="List a track's corners, the one that costs most time first, with attempts, passes, takeovers, entry "
        "speed and braking point.",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument("--track", help="of this track (default: the one driven last)")
    parser.add_argument("--env", metavar="GAME", help="driven in this game (default: the one in which it was driven last)")
    parser.add_argument("--since", type=parse_date, metavar="DATE", help="only episodes since then: 2026-11-20, today, 12h, 7d")
    parser.add_argument(
        "--reference", type=whole(1), metavar="EPISODE", help="also compare the times with this lap, by its number in the store"
    )
    parser.add_argument("--mine", action="store_true", help="add the places where episodes end as corners")
    parser.add_argument(
        "--add", nargs=3, metavar=("NAME", "FROM", "TO"), help="add or move a corner, in metres; takeovers are filed anew"
    )
    parser.add_argument("--rename", nargs=2, metavar=("OLD", "NEW"), help="give a corner your own name")
    parser.add_argument(
        "--remove", metavar="NAME", help="remove a corner; its takeovers are filed to the corner that they lie in, or to none"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    args = parser.parse_args(argv)

    from data.reading.attempts import stored_attempts
    from data.store import Store
    from hitl.road.corner_changes import add, line_of, remove, rename
    from hitl.road.corner_mining import ends, mine
    from hitl.road.corner_stats import corner_stats, whose
    from hitl.road.known_tracks import chosen
    from hitl.road.time_lost import stored_time_lost

    writes = bool(args.mine or args.add or args.rename or args.remove is not None)
    path = home_path(args).store_path
    with Store(path, create=False) if writes else Store.open_existing(path) as store:
        known = store.tracks()
        track = chosen(store, args.track) if args.track else known[0] if known else ""
        if track not in known:
            there = ", ".join(known) or "none yet"
            raise UsageError(f"Nothing was driven on {track or 'any track'}. Tracks in the store: {there}.")
        games = store.games(track)
        if args.env is not None and not store.episodes(track, env=args.env, closed=False, newest=1):
            raise UsageError(f"'{track}' was not driven in '{args.env}' here, but in {listed(games)}.")
        game = args.env or games[0]
        if args.rename:
            rename(store, track, *args.rename)
        if args.remove is not None:
            removed = remove(store, track, args.remove, args.home)
            if not args.json:
                print(removed)
        if args.add:
            added = add(store, track, *args.add, named=args.home)
            if added and not args.json:
                print(added)
        corners = store.corners(track)
        driven = list(store.placed(track, args.since, game))
        failures, deceleration = ends(driven)
        places = mine(failures, deceleration, corners, line_of(store, track))
        if args.mine:
            for place in places:
                store.upsert_corner(track, *place.corner, "mined")
            corners = store.corners(track)
        times = stored_time_lost(store, track, corners, args.reference, args.since, game)
        rank = {one.corner: k for k, one in enumerate(times)}
        attempts = stored_attempts(store.conn, store.episodes(track, since=args.since, env=game), corners)
        stats = sorted(corner_stats(driven, corners, attempts), key=lambda s: rank[s.corner.name])
    if args.json:
        print(json.dumps(_table(track, game, stats, times, places, added=args.mine), indent=2))
    else:
        _print(track, stats, times, places, whose(attempts), args)
        others = [f"--env {as_typed(one)}" for one in games if game not in same_game(one)]
        if others:
            print(f"These are the drives in {game}. For those in another game, add {' or '.join(others)}.")
    return 0


def _table(
    track: str, game: str, stats: list[CornerStats], times: list[TimeLost], places: list[FailurePlace], *, added: bool
) -> dict[str, Any]:
    from hitl.road.corner_stats import Rate

    lost = {one.corner: one for one in times}

    def rate(of: Any) -> dict[str, Any]:
        return {"passes": of.k, "attempts": of.n, "share": of.share, "interval": list(of.interval)}

    return {
        "track": track,
        "game": game,
        "corners": [
            {
                **s.corner._asdict(),
                "visits": s.visits,
                "time": _time_table(lost[s.corner.name]),
                "agent": rate(s.agent),
                "human": rate(Rate(sum(r.k for r in s.humans), sum(r.n for r in s.humans))),
                "by": {who: rate(of) for who, of in s.by.items()},
                "takeovers": {"count": s.takeovers.k, "visits": s.takeovers.n, "share": s.takeovers.share},
                "newest": rate(s.newest),
                "trend": s.trend,
                "entry_speed_ms": {"agent": s.agent_entry, "human": s.human_entry},
                "braking_m_before": {"agent": s.agent_braking, "human": s.human_braking},
            }
            for s in stats
        ],
        "added" if added else "candidates": [{**p.corner._asdict(), "failures": p.failures} for p in places],
    }


def _time_table(one: TimeLost) -> dict[str, Any]:
    laps = {name: {"lap_s": seconds, "lost_s": one.against(name)} for name, seconds in one.laps.items()}
    return {"lost_s": one.lost, "tries": one.tries, "failed": one.failed, "agent_s": one.agent, "against": laps}


def _print(
    track: str, stats: list[CornerStats], times: list[TimeLost], places: list[FailurePlace], human: By, args: argparse.Namespace
) -> None:
    from data.reading.attempts import RULE
    from hitl.console import console, name_width, print_fitting, table
    from hitl.road.corner_stats import RECENT

    out, seconds = console(), {one.corner: one.lost for one in times}
    agents = "agent\nalone", "95 %", f"newest\n{RECENT}"
    heads = "metres", "lost\ns", *agents, _WITH[human], "taken\nover", "entry\nkm/h", "brakes\nm before"
    between = (0, int(out.width >= WIDE), 0, 0)
    shown = table("corner", *heads, right=heads, title=f"Corners of {track_words(track)}", padding=between)
    for column in shown.columns:
        column.no_wrap = column.header in heads[:-2]  # the name and the pairs give way where the terminal is narrow
    shown.columns[0].min_width = name_width(s.corner.name for s in stats)
    for s in stats:
        low, high = s.agent.interval
        shown.add_row(
            s.corner.name,
            f"{s.corner.from_m:.0f}–{s.corner.to_m:.0f}",
            "–" if (lost := seconds[s.corner.name]) is None else f"{lost:.1f}",
            f"{s.agent.k}/{s.agent.n}",
            f"{100 * low:.0f}–{high:.0%}" if s.agent.n else "–",
            f"{s.newest.k}/{s.newest.n}" if s.newest.n else "–",
            f"{s.by[human].k}/{s.by[human].n}" if human in s.by else "–",
            "–" if s.takeovers.share is None else f"{s.takeovers.share:.0%}",
            _pair(s.agent_entry, s.human_entry, 3.6),
            _pair(s.agent_braking, s.human_braking, 1.0),
        )
    if stats:
        print_fitting(shown, out, LEAST_FIRST)
        out.print(f"Agent alone: {RULE}, of all that is recorded, and of the newest {RECENT}.", style="dim")
        if any(human in s.by for s in stats):
            told = "laps, and drives with help there; two takeovers in a drive are one, those that ended before are not counted"
            failed = "A takeover that passes the corner and leaves the road behind it counts here, and its outcome is failed."
            out.print(f"{_COLUMNS[human]}: {told}. {failed}", style="dim")
        out.print(f"Pairs are agent / {_NAMES[human]}, medians.{_others(stats, human)}", style="dim")
        _print_lost(out, times)
    else:
        out.print(f"No corners of {track_words(track)} are known.")
    if args.mine and not places:
        out.print("Nothing to add: wherever episodes end there is a corner already.")
    for place in places:
        where = f"{place.corner.from_m:.0f}–{place.corner.to_m:.0f} m"
        failures = number_of(place.failures, "episode")
        if args.mine:
            rename = with_options(f'`hitl corners --rename "{place.corner.name}" NAME` renames it.', track=args.track)
            out.print(f"Added '{place.corner.name}' ({where}): {failures} ended there. {in_home(rename, args.home)}")
        else:
            # Typed without these, it would look at the track that was driven last, and at all that was driven there.
            same = {"track": args.track, "env": args.env, "since": args.since}
            add = with_options("`hitl corners --mine` adds one there.", **same)
            out.print(f"{failures} ended at {where}, outside every known corner. {in_home(add, args.home)}")


def _others(stats: list[CornerStats], human: By) -> str:
    """Say who else drove here and is not in the column of a person; "" for no one."""
    counts = {who: max((s.by[who].n for s in stats if who in s.by), default=0) for who in _NAMES if who != human}
    said = [f"{number_of(count, 'passage')} of {_NAMES[who]}" for who, count in counts.items() if count]
    return f" Not among them: {' and '.join(said)}." if said else ""


def _print_lost(out: Console, times: list[TimeLost]) -> None:
    """Say where time is lost, and against which lap."""
    from hitl.road.corner_stats import RECENT
    from hitl.road.laps import CRASH_S

    if any(one.lost is not None for one in times):
        out.print(
            f"Lost: seconds a lap in the newest {RECENT} tries, from the approach to the next corner's, against the fastest lap "
            f"here; a failure counts as {CRASH_S:.0f} s.",
            style="dim",
        )
    names = {
        "best": "its own best lap", "human": "your lap", "scripted": "the scripted driver's lap",
        "reference": "the reference lap",
    }  # fmt: skip
    for one in times[:3]:
        lost = {lap: s for lap in one.laps if (s := one.against(lap)) is not None}
        compared = [f"{0.0 if abs(s) < 0.005 else s:+.2f} s against {names[lap]}" for lap, s in lost.items()]
        if compared:
            through = f", the {one.tries - one.failed} of {one.tries} tries that came through" if one.failed else ""
            out.print(f"{one.corner}{through}: {', '.join(compared)}.")


def _pair(agent: float | None, human: float | None, scale: float) -> str:
    if agent is None and human is None:
        return "–"
    return "/".join("–" if v is None else f"{v * scale:z.0f}" for v in (agent, human))
