"""`hitl import`: take over laps and takeovers from elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import InputFileError, UsageError
from data.words import number_of
from hitl.arguments import Parser, amount, whole
from hitl.home import add_home, home_path

if TYPE_CHECKING:
    from data.exchange.merge import Summary
    from data.exchange.player_runs import PlayerRun
    from data.exchange.portable import Portable
    from data.store import Store

KINDS = ("player-run", "minari", "store")


def kind_of(path: Path) -> str:
    """Return the kind of what a path holds. Raises InputFileError when it cannot be imported."""
    if not path.exists():
        raise InputFileError(f"There is no {path.name}: check the path.")
    if path.is_dir():
        from data.exchange.minari import find_dataset

        return "minari" if find_dataset(path) else "player-run"
    with path.open("rb") as file:
        if file.read(16) == b"SQLite format 3\0":
            return "store"
    if path.suffix.lower() == ".pkl":
        return "player-run"
    raise InputFileError(
        f"{path.name} is neither a player run (.pkl), a Minari dataset nor a store: say what it is with --kind."
    )


def _rebuild(args: argparse.Namespace, store: Store) -> Callable[[PlayerRun], Portable]:
    """Return a function that turns foreign runs into today's episodes, as the command line asks for it."""
    from data.exchange.importing import EpisodeRefusedError

    if args.keep_observations:
        from hitl.player_runs.rebuild import as_recorded, left_empty

        def keep(run: PlayerRun) -> Portable:
            args.left_empty |= left_empty(run)
            return as_recorded(run, args.track_name or str(run.metadata.get("map_name") or "unknown"), args.hz)

        return keep
    if args.track is None:

        def refuse(run: PlayerRun) -> Portable:
            raise EpisodeRefusedError(
                f"its observations ({number_of(run.observation.shape[1], 'number')}) are not of today's layout; give the line it "
            "was driven "
                "on with --track to rebuild them, or take them as they are with --keep-observations"
            )

        return refuse
    from hitl.player_runs.rebuild import OldRuns
    from hitl.road.known_tracks import file_under
    from hitl.road.track import load_track
    from hitl.settings import load

    track, digest, said = file_under(store, load_track(args.track))
    for sentence in said:
        print(sentence)
    task = replace(load(home_path(args), "observation", "reward").task, hz=args.hz)
    return OldRuns(track, task, keep_rewards=args.keep_rewards, digest=digest)


def _one(
    store: Store, path: Path, kind: str, args: argparse.Namespace, told: Callable[[str, str | None], None]
) -> Summary:
    from data.records import AGENT, HUMAN

    if kind == "store":
        from data.exchange.merge import merge

        return merge(store.conn, store.path, path)
    if kind == "minari":
        from data.exchange.importing import write
        from data.exchange.minari import Told, read_minari
        from data.exchange.portable import session_info
        from hitl.games.gym_env import action_names
        from hitl.games.pictures import Sight
        from hitl.settings import load

        driver = AGENT if args.driver == "agent" else HUMAN
        pictures = load(home_path(args), "pictures").pictures
        like = args.layout_of
        if like is not None and like not in {s.id for s in store.sessions()}:
            raise UsageError(f"There is no session {like} in the store.")
        layout = session_info(store.conn, like) if like is not None else None
        known = Told(layout, driver, args.hz, args.track_name or "",
                     lambda space: Sight(space, pictures), action_names)  # fmt: skip
        return write(store, read_minari(path, known), "minari", told)
    from data.exchange.player_runs import find_runs
    from data.exchange.watch_folder import import_runs

    return import_runs(store, find_runs(path), _rebuild(args, store), args.consume, told)


def _watch(store: Store, args: argparse.Namespace, told: Callable[[str, str | None], None]) -> Summary:
    import signal
    import threading

    from data.exchange.watch_folder import watch

    stop = threading.Event()
    previous = signal.signal(signal.SIGINT, lambda *_: stop.set())
    print(f"Watching {args.paths[0].name} for player runs (Ctrl-C ends it).", flush=True)
    try:
        return watch(store, args.paths[0], _rebuild(args, store), stop, consume=not args.keep_files, on_done=told)
    finally:
        signal.signal(signal.SIGINT, previous)


def _print_summary(summary: Summary) -> None:
    from hitl.commands.store import time_text

    came = f"{number_of(summary.episodes, 'episode')} with {number_of(summary.steps, 'step')} ({time_text(summary.seconds)})"
    print(f"{came} and {number_of(summary.segments, 'segment')} came in.")
    if summary.present:
        print(f"{summary.present} were there already.")
    for text in summary.notes:
        print(f"Note: {text}")
    if summary.refused:
        print(f"{len(summary.refused)} were refused:")
        for name, reason in summary.refused[:20]:
            print(f"  {name}: {reason}")
        if len(summary.refused) > 20:
            print(f"  and {len(summary.refused) - 20} more")


def main(argv: list[str]) -> int:
    """Run the command; the exit status is 1 when something was refused."""
    parser = Parser(
        prog="hitl import",
        description="Import player runs of tmrl, Minari datasets, or another store. Nothing comes in twice.",
    )
    add_home(parser)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders")
    parser.add_argument("--kind", choices=KINDS, help="what they are (default: told by their content)")
    parser.add_argument(
        "--hz", type=amount(above=0), default=20.0, help="control steps a second, where the file does not tell (default 20)"
    )
    runs = parser.add_argument_group("player runs")
    runs.add_argument(
        "--track", metavar="FILE", help="the line they were driven on (reward.pkl): observations are rebuilt from it"
    )
    runs.add_argument("--keep-rewards", action="store_true", help="keep the recorded rewards instead of today's")
    runs.add_argument("--keep-observations", action="store_true", help="take observations and rewards as recorded")
    runs.add_argument("--consume", action="store_true", help="rename files that came in to NAME.pkl.imported")
    runs.add_argument("--watch", action="store_true", help="go on importing what appears in a folder (and consume it)")
    runs.add_argument("--keep-files", action="store_true", help="with --watch: do not rename them")
    minari = parser.add_argument_group("Minari datasets of other tools")
    minari.add_argument("--layout-of", type=whole(1), metavar="SESSION", help="their numbers mean what that session's do")
    minari.add_argument("--driver", choices=["human", "agent"], default="human", help="who drove (default: human)")
    parser.add_argument("--track-name", help="name of the track, where the file does not tell")
    args = parser.parse_args(argv, argparse.Namespace(left_empty=False))
    if args.watch and len(args.paths) != 1:
        raise UsageError("--watch takes one folder.")
    if not 0 < args.hz <= 1000:
        raise UsageError("--hz is a number of steps per second from 1 to 1000.")
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    from data.exchange.merge import Summary
    from data.exchange.relayout import rebuild_said
    from data.reading.layouts import apart
    from data.store import Store
    from hitl.console import console

    kinds = [] if args.watch else [args.kind or kind_of(path) for path in args.paths]
    total = Summary()
    with Store(home_path(args).create().store_path) as store:
        said = rebuild_said(store)  # first, so that what is there already has the layout of today
        if args.watch:
            total = _watch(store, args, lambda name, reason: print(f"{name}: {reason or 'imported'}", flush=True))
        else:
            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), MofNCompleteColumn())
            with Progress(*columns, console=console(), transient=True) as progress:
                for path, kind in zip(args.paths, kinds, strict=True):
                    task = progress.add_task(path.name, total=None)
                    total.add(_one(store, path, kind, args, lambda *_, task=task: progress.advance(task)))
        said += rebuild_said(store)  # what another store has brought
        said += apart(store.conn).values()
    if args.left_empty:
        said.append(
            "The last actions, which your tmrl shows with each observation, are all 0 in these runs, because their recorder "
            "omitted them: what is learned from them fits live driving less well. With --track everything is computed again "
            "(for `hitl play --env trackmania`)."
        )
    _print_summary(total)
    for sentence in said:
        print(sentence)
    return 1 if total.refused else 0
