"""`hitl export`: carry takeovers and drives to other tools."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UsageError
from hitl.arguments import Parser
from hitl.commands.selection import add_filters, filters_meant, open_store, reasons, selected
from hitl.home import add_home

if TYPE_CHECKING:
    from data.exchange.portable import Portable
    from data.store import Store

FORMATS = {
    "minari": "a Minari dataset (a new folder)",
    "player-run": "player runs that tmrl's old tool reads (a folder)",
    "store": "one SQLite file with the chosen segments",
    "parquet": "Parquet tables of the drives they lie in (a new folder)",
    "lerobot": "a LeRobotDataset, layout v3.0 (a new folder)",
}


def _count(items: Iterator[Portable], told: list[int]) -> Iterator[Portable]:
    """Pass episodes on and count episodes and steps in ``told``."""
    for item in items:
        told[0] += 1
        told[1] += len(item.data)
        yield item


def _write(
    store: Store, args: argparse.Namespace, ids: list[int] | None, episodes: list[int] | None
) -> tuple[int, int]:
    from data.exchange.portable import segment_episodes, whole_episodes

    told = [0, 0]
    if args.format == "store":
        from data.exchange.merge import merge
        from data.store import Store

        if args.out.exists():
            raise UsageError(f"{args.out.name} already exists. Name a new file, or merge with `hitl import`.")
        with Store(args.out) as target:
            summary = merge(target.conn, args.out, store.path, segments=ids)
            target.as_one_file()
        return summary.episodes, summary.steps
    if args.format == "parquet":
        from data.exchange.parquet import write_parquet

        written = write_parquet(store.conn, args.out, episodes)
        return written["episodes.parquet"], sum(n for name, n in written.items() if name.startswith("steps"))
    items = _count(whole_episodes(store.conn, episodes) if ids is None else segment_episodes(store.conn, ids), told)
    if args.format == "minari":
        from data.exchange.minari import write_minari

        write_minari(args.out, items)
    elif args.format == "lerobot":
        from data.exchange.lerobot import write_lerobot

        write_lerobot(args.out, items)
    else:
        from data.exchange.player_runs import write_player_run

        for item in items:
            write_player_run(args.out, item)
    return told[0], told[1]


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl export",
        description="Export segments, trimmed, each as an episode of its own; or whole drives with --episodes.",
        epilog="formats: " + "; ".join(f"{name}: {text}" for name, text in FORMATS.items())
        + ". What the agent does not learn from (bad, failed, or showing nothing) is left out, unless --verdict, --outcome or "
        "--all asks for it; of a store, only what was judged bad.",
    )  # fmt: skip
    add_home(parser)
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("out", type=Path, metavar="OUT", help="the file or folder to make")
    parser.add_argument(
        "--episodes", action="store_true", help="whole drives (those with a chosen segment, when there are filters)"
    )
    parser.add_argument("--all", action="store_true", help="also what the agent does not learn from")
    add_filters(parser)
    args = parser.parse_args(argv)
    filtered = any(
        getattr(args, name) is not None
        for name in (
            "corner",
            "verdict",
            "kind",
            "outcome",
            "tag",
            "track",
            "since",
            "until",
            "session",
            "min_seconds",
            "max_seconds",
        )
    )
    with open_store(args) as store:
        found, rule = [s for s in selected(store, args) if s.closed and s.stop > s.start], store.rule()
        asked = args.all or args.verdict or args.outcome
        # Another home has the rule itself, and its owner's own settings of it: only what was judged bad stays behind.
        own = args.format == "store"
        chosen = found if asked else [s for s in found if (s.verdict != "bad" if own else rule.judge(s).counts)]
        whole = args.episodes or args.format == "parquet"
        episodes = sorted({s.episode_id for s in chosen}) if filtered else None
        if whole and episodes is None:
            count = store.db["episodes"].count
        else:
            count = len(episodes or []) if whole else len(chosen)
        if not count and found and not chosen:
            raise UsageError(f"The agent learns from none of these ({reasons(found, rule)}). Use --all to export them anyway.")
        if not count:
            raise UsageError(
                "Nothing to export. `hitl segments` with the same filters shows what there is."
                + filters_meant(store, args)
            )
        ids: list[int] | None = [s.id for s in chosen]
        if whole:
            ids = None
            if args.format == "store" and episodes is not None:
                raise UsageError("A store is exported by segments. Omit --episodes or the filters.")
        done = _write(store, args, ids, episodes)
    print(f"{done[0]} episodes with {done[1]} steps are in {args.out.name}.")
    if (ids or episodes) is not None and len(chosen) < len(found):
        left = [s for s in found if s not in chosen]
        print(f"Left out, because the agent does not learn from them: {reasons(left, rule)}. Use --all to include them.")
    return 0
