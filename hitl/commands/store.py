"""`hitl store`: what is in the store, whether it is sound, making it smaller."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from data.errors import DamagedStoreError, TrainingError
from data.words import laps_said, number_of, takeovers_said
from hitl.arguments import Parser, with_verb
from hitl.commands.selection import local_time, open_store
from hitl.dates import parse_date
from hitl.home import add_home, home_path, in_home, with_options

if TYPE_CHECKING:
    from data.store import Store


def size_text(count: float) -> str:
    """Return a number of bytes for people: 310 MB."""
    units = ["bytes", "kB", "MB", "GB"]
    while abs(count) >= 1000 and len(units) > 1:
        count, units = count / 1000, units[1:]
    decimals = 0 if len(units) > 2 or count >= 100 else 1
    return f"{count:.{decimals}f} {units[0]}"


def time_text(seconds: float) -> str:
    """Return a duration for people: 10 min."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _info(store: Store, args: argparse.Namespace) -> int:
    import json

    from data.recording.log_beside import advice, without_log
    from data.recording.spill_file import SET_ASIDE, spills_of
    from data.tables.checks import not_read_back

    found = store.info()
    if args.json:
        more = {"takeovers_that_show_nothing": store.takeovers_that_show()[1], "bytes_per_step": found.bytes_per_step}
        print(json.dumps(dataclasses.asdict(found) | more, indent=1))
        return 0
    from hitl.console import print_facts

    free = (
        in_home(f" ({size_text(found.free_bytes)} of it free: `hitl store compact`)", args.home)
        if found.free_bytes > found.bytes / 10
        else ""
    )
    shown, empty = store.takeovers_that_show()
    takeovers = takeovers_said(len(shown), empty)
    laps = laps_said(found.laps, found.unfinished_laps, " by hand")
    driving = f"{number_of(found.driven, 'step')}, {time_text(found.driven_seconds)} of driving"
    rows = [
        ("store", f"{store.path.name}, version {found.version}, {size_text(found.bytes)}{free}"),
        ("drives", f"{found.episodes:,} in {number_of(found.sessions, 'session')}, {driving}"),
        ("human", f"{time_text(found.human_seconds)} at the wheel: {takeovers}, {laps}"),
    ]
    if found.steps < found.driven:
        rows.append(("kept", f"{number_of(found.steps, 'step')} of these: the others were pruned, or never came here"))
    if found.first:
        rows.append(("time", f"{local_time(found.first)} to {local_time(found.last)}"))
    if found.steps >= 5_000:  # below, an empty file's size is most of it
        hour = size_text(found.bytes_per_step * found.steps / found.seconds * 3600)
        day = size_text(found.bytes_by_day)
        rows.append(
            ("growth", f"{found.bytes_per_step:.0f} bytes a step, {hour} an hour of driving, {day} a day lately")
        )
    rows.append(("agents", f"{number_of(found.checkpoints, 'checkpoint')}"))
    if without_log(store.conn, store.path):
        rows.append(("note", in_home(f"the last session was cut off, and {advice(store.path)}", args.home)))
    if waiting := not_read_back(store.conn, store.path):
        rows.append(("note", in_home(waiting, args.home)))
    if aside := spills_of(store.conn, store.path, SET_ASIDE)[0]:
        files = number_of(len(aside), "spill file")
        rows.append(("note", in_home(f"{files} could not be read back: `hitl store recover` tries it again", args.home)))
    print_facts(rows)
    return 0


def _check(store: Store, args: argparse.Namespace) -> int:
    from data.connect import way_out
    from data.reading.layouts import apart
    from data.tables.checks import is_damaged
    from trainer.checkpoints.in_force import learned_layout

    if args.repair:
        _repair(store)
    said = store.check()
    if is_damaged(said):
        said.append(way_out(store.path))
    else:
        said += apart(store.conn, learned_layout(store)).values()
    print(in_home("\n".join(said), args.home) if said else "The store is sound.")
    return 1 if said else 0


def _repair(store: Store) -> None:
    from trainer.daemon.control import running

    if store.quick_check() != "ok":
        return  # the check says that the file is damaged
    if running(store.path):
        raise TrainingError("A trainer is at work on this home folder and reads the store: `hitl train stop` first.")
    changed = store.repair()
    if not changed:
        print("Nothing to repair: no row refers to something that is not there.")
        return
    said = ", ".join(f"{number_of(count, 'row')} in {table}" for table, count in changed.items())
    store.add_event("repaired", f"Rows that referred to something that is not there: {said}.")
    print(f"Repaired: {said} referred to something that is not there.")


def _recover(store: Store, args: argparse.Namespace) -> int:
    from data.connect import way_out
    from trainer.daemon.control import running

    if store.quick_check() != "ok":
        print(f"The file is damaged, so nothing is read back into it. {in_home(way_out(store.path), args.home)}")
        return 1
    if running(store.path):
        raise TrainingError("A trainer is at work on this home folder and would miss some steps: `hitl train stop` first.")
    print(in_home("\n".join(store.recover(set_aside=True)), args.home) or "Nothing to recover: no session left anything behind.")
    return 0


def _rebuild(store: Store, args: argparse.Namespace) -> int:
    from data.exchange.relayout import rebuild_said

    print(in_home("\n".join(rebuild_said(store)), args.home) or "Nothing to rebuild: every imported lap has the present layout.")
    return 0


def _compact(store: Store, args: argparse.Namespace) -> int:
    before, after = store.compact()
    print(f"{size_text(before)} before, {size_text(after)} now.")
    return 0


def _prune(store: Store, args: argparse.Namespace) -> int:
    from rich.progress import Progress

    from hitl.console import console

    before = args.older_than
    steps, episodes = store.prunable(before)
    share = size_text(store.info().bytes_per_step * steps)
    lost = "What goes is how it drove there: its lines in the review, the clips and the report, and where it braked."
    what = f"{number_of(steps, 'agent step')} of {number_of(episodes, 'drive')} before {local_time(before)} (about {share})"
    if args.dry_run:
        print(f"Would delete {what}. Takeovers, laps and human steps stay, and how often the agent came through. {lost}")
        return 0
    if steps:
        print(lost)
    with Progress(console=console(), transient=True) as progress:
        task = progress.add_task("pruning", total=steps)
        gone = store.prune(before, lambda n: progress.update(task, advance=n))
    store.add_event("pruned", f"{number_of(gone, 'agent step')} before {before} deleted.")
    print(in_home(f"Deleted {what}. `hitl store compact` frees the space.", args.home))
    return 0


def _clean(store: Store, args: argparse.Namespace) -> int:
    from collections import Counter

    from hitl.road.known_tracks import chosen

    rule = store.rule()
    track = chosen(store, args.track) if args.track else None
    empty = [s for s in store.segments(kind="takeover", track=track) if rule.empty(s)]
    if not empty:
        print("Nothing to clean: every takeover without a verdict shows something.")
        return 0
    from hitl.console import console, table

    shown = table("id", "when", "track", "metre", "why", right=("id", "metre"))
    for s in empty:
        where = "" if s.from_m is None else f"{s.from_m:.0f}"
        shown.add_row(str(s.id), local_time(s.started), s.track, where, str(rule.nothing_shown(s)))
    console().print(shown)
    why = Counter(reason.why for s in empty if (reason := rule.nothing_shown(s)))
    said = ", ".join(f"{count} × {reason}" for reason, count in why.most_common())
    if args.dry_run:
        shows = number_of(len(empty), "takeover shows", "takeovers show")
        them = "it" if len(empty) == 1 else "them"
        clean = with_options(f"`hitl store clean` marks {them} as bad.", track=args.track)
        print(f"{shows} nothing ({said}). {in_home(clean, args.home)}")
        return 0
    changed = store.label([s.id for s in empty], verdict="bad", by="store clean")
    marked = number_of(changed, "takeover that shows", "takeovers that show")
    store.add_event("cleaned", f"{marked} nothing marked as bad: {said}.")
    print(in_home(f"Marked {marked} nothing as bad ({said}). Undo with `hitl label --undo`.", args.home))
    return 0


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(prog="hitl store", description="Look after the store.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    made = {
        "info": (_info, "show what is in it, and how it grows"),
        "check": (_check, "check that it is sound; exit status 1 when it is not"),
        "recover": (_recover, "read back what sessions that were cut off have left, and spill files that were set aside"),
        "clean": (_clean, "mark takeovers that show nothing as bad: too short, hardly moved, or a key still held"),
        "rebuild": (_rebuild, "rebuild laps imported by earlier versions in the present layout; nothing is lost"),
        "compact": (_compact, "free the space of deleted steps"),
        "prune": (
            _prune,
            "delete old steps of the agent, never a takeover, a lap, a human's step or what is told of its tries; the review "
            "then has no line of the agent's there",
        ),
    }
    for name, (_, text) in made.items():
        verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        add_home(verb, or_last_demo=True)
        if name == "info":
            verb.add_argument("--json", action="store_true", help="print JSON")
        if name == "check":
            verb.add_argument("--repair", action="store_true", help="drop what belongs to rows that another program has deleted")
        if name == "clean":
            verb.add_argument("--track", help="only on this track")
            verb.add_argument("--dry-run", action="store_true", help="only list them")
        if name == "prune":
            verb.add_argument("--older-than", type=parse_date, required=True, metavar="AGE", help="30d, 12w, or a date")
            verb.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    args = parser.parse_args(with_verb(argv, "info"))
    try:
        with open_store(args, tells=False) as store:
            return made[args.verb][0](store, args)
    except DamagedStoreError as error:
        if args.verb != "check":
            raise
        from data.connect import way_out

        said = str(error).partition(": `hitl")[0]
        print(in_home(f"{said}.\n{way_out(home_path(args).store_path)}", args.home))
        return 1
