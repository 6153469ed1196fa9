"""`hitl import`: take over laps and takeovers from elsewhere."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UsageError
from data.words import number_of, numbers_text
from hitl.arguments import Parser, amount, whole
from hitl.home import add_home, home_path, in_home
from hitl.player_runs.importing import KINDS, Importer, ImportOptions, kind_of

if TYPE_CHECKING:
    from data.exchange.merge import Summary
    from data.store import Store

def _watch(store: Store, args: argparse.Namespace, importer: Importer, told: Callable[[str, str | None], None]) -> Summary:
    import signal
    import threading

    from data.exchange.watch_folder import watch

    stop = threading.Event()
    previous = signal.getsignal(signal.SIGINT)
    with contextlib.suppress(ValueError):  # not in the main thread: signals are handled elsewhere
        signal.signal(signal.SIGINT, lambda *_: stop.set())
    print(f"Watching {args.paths[0].name} for player runs (Ctrl-C ends it).", flush=True)
    try:
        return watch(store, args.paths[0], importer.rebuild(), stop, consume=not args.keep_files, on_done=told)
    finally:
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, previous)


def _print_summary(summary: Summary, named: Path | None) -> None:
    from hitl.commands.store import time_text

    came = f"{number_of(summary.episodes, 'episode')} with {number_of(summary.steps, 'step')} ({time_text(summary.seconds)})"
    print(f"{came} and {number_of(summary.segments, 'segment')} came in.")
    if summary.present:
        print(f"{summary.present} {'was' if summary.present == 1 else 'were'} there already.")
    if summary.reviews:
        came = number_of(len(summary.reviews), "review")
        print(in_home(f"{came} came in, of {numbers_text(summary.reviews)}: `hitl label --undo` takes that back.", named))
    for text in summary.notes:
        print(f"Note: {text}")
    if summary.refused:
        print(f"{len(summary.refused)} {'was' if len(summary.refused) == 1 else 'were'} refused:")
        for name, reason in summary.refused[:20]:
            print(f"  {name}: {reason}")
        if len(summary.refused) > 20:
            print(f"  and {len(summary.refused) - 20} more")


def main(argv: list[str]) -> int:
    """Run the command; the exit status is 1 when something was refused."""
    parser = Parser(
        prog="hitl import",
        description="Import player runs of tmrl, demonstrations and replays of TrackmaniaRL, Minari datasets, or another store. "
        "What is in the store already does not come in again, unless it comes in another form.",
    )
    add_home(parser)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders")
    parser.add_argument("--kind", choices=KINDS, help="what they are (default: told by their content)")
    parser.add_argument(
        "--hz", type=amount(above=0.001, most=10_000), default=20.0,
        help="control steps a second, where the file does not tell (default 20)"
    )
    runs = parser.add_argument_group("player runs and demonstrations")
    runs.add_argument(
        "--track", metavar="FILE", help="the line they were driven on (reward.pkl, a geometry .npz): observations are rebuilt"
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
    args = parser.parse_args(argv)
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
    from hitl.last_driven import goes_on_with
    from trainer.checkpoints.in_force import learned_layout

    kinds = [] if args.watch else [args.kind or kind_of(path) for path in args.paths]
    total = Summary()
    home = home_path(args)
    with Store(home.create().store_path) as store:
        options = ImportOptions(
            args.hz, args.track, args.track_name or "", args.keep_rewards, args.keep_observations, args.consume,
            args.layout_of, args.driver,
        )  # fmt: skip
        importer = Importer(store, home, options)
        said = rebuild_said(store)  # first, so that what is there already has the layout of today
        if args.watch:
            total = _watch(store, args, importer, lambda name, reason: print(f"{name}: {reason or 'imported'}", flush=True))
        else:
            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), MofNCompleteColumn())
            with Progress(*columns, console=console(), transient=True) as progress:
                for path, kind in zip(args.paths, kinds, strict=True):
                    task = progress.add_task(path.name, total=None)
                    total.add(importer.bring(path, kind, lambda *_, task=task: progress.advance(task)))
        said += rebuild_said(store)  # what another store has brought
        if "store" in kinds and total.episodes and (following := goes_on_with(home, store)):
            said.append(following)
        said += apart(store.conn, learned_layout(store)).values()
    if importer.left_empty:
        said.append(
            "The last actions, which your tmrl shows with each observation, are all 0 in these runs, because their recorder "
            "omitted them: what is learned from them fits live driving less well. With --track everything is computed again "
            "(for `hitl play --env trackmania`)."
        )
    _print_summary(total, args.home)
    for sentence in said:
        print(in_home(sentence, args.home))
    return 1 if total.refused else 0
