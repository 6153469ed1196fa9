"""`hitl segments`: list and filter the recorded takeovers and laps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from data.demos import Why
from data.errors import CONTROL, visible
from data.errors import shown as one_line
from data.words import number_of
from hitl.arguments import Parser
from hitl.commands.selection import add_filters, local_time, open_store, selected
from hitl.home import add_home, in_home, with_options

if TYPE_CHECKING:
    import argparse

    from data.demos import DemoRule
    from data.records import Segment

LEAST_FIRST = (
    "trigger", "demo", "prio", "session", "tags and note", "when", "track", "kind", "outcome", "corner", "s", "verdict",
)  # fmt: skip
"""Columns that a narrow terminal has no room for, the one that matters least first; the number is always there."""
_VERDICT_STYLE = {"star": "yellow", "good": "green", "bad": "red", "unreviewed": "dim"}


def _row(segment: Segment, rule: DemoRule) -> dict[str, object]:
    """Return what the machine-readable forms hold for a segment."""
    standing = rule.judge(segment)
    return {
        "id": segment.id, "started": segment.started, "session": segment.session_id, "episode": segment.episode_id,
        "kind": segment.kind, "track": segment.track, "corner": segment.corner, "seconds": round(segment.seconds, 3),
        "from_m": segment.from_m, "to_m": segment.to_m, "driver": segment.driver, "trigger": segment.trigger,
        "outcome": rule.outcome(segment), "interrupted": segment.interrupted, "verdict": segment.verdict,
        "priority": segment.priority, "tags": list(segment.tags), "note": segment.note, "start": segment.start,
        "stop": segment.stop, "trim_start": segment.trim_start, "trim_stop": segment.trim_stop,
        "judged_by": segment.judged_by, "judged_at": segment.judged_at, "demo": standing.counts,
        "why_not": str(standing.reason or ""), "cut_s": standing.cut_s,
    }  # fmt: skip


def _print_table(segments: list[Segment], rule: DemoRule, args: argparse.Namespace, numbered: bool) -> None:
    """``numbered``: each with its session, which `--session N` chooses."""
    from rich.text import Text

    from hitl.console import console, fitting, name_width, table, tell_left_out

    out = console()
    wide = out.width >= 100
    several = len({segment.track for segment in segments}) > 1
    # Tags need some room: in a narrow terminal the session takes that of priorities which are all 1, or of the time of day.
    narrow = numbered and not wide
    ranked = not narrow or any(segment.priority != 1.0 for segment in segments)
    # A column that would be empty leaves its room to the others, in games without corners, say.
    placed = any(segment.corner for segment in segments)
    noted = any(segment.tags or segment.note.strip() for segment in segments)
    names = ["id", *(["session"] if numbered else []), "when", "kind", *(["track"] if several else [])]
    names += [*(["corner"] if placed else []), "s", "outcome", "verdict", *(["prio"] if ranked else [])]
    names += [*(["demo", "trigger"] if wide else []), *(["tags and note"] if noted else [])]
    rows: list[list[str | Text]] = []
    for segment in segments:
        said = one_line(" ".join([*(f"#{tag}" for tag in segment.tags), segment.note]), most=4000)
        standing = rule.judge(segment)
        demo = "no" if not standing.counts else "in part" if standing.cut_s else "yes"
        trimmed = "*" if segment.trim_start or segment.trim_stop else ""
        style = _VERDICT_STYLE.get(segment.verdict, "dim")
        when = local_time(segment.started, short=True)
        row: list[str | Text] = [
            str(segment.id), *([str(segment.session_id)] if numbered else []),
            when.partition(" ")[0] if narrow and ranked else when, segment.kind, *([segment.track] if several else []),
            *([segment.corner or ""] if placed else []), f"{segment.seconds:.1f}{trimmed}", rule.outcome(segment),
            Text(segment.verdict, style),
            *([f"{segment.priority:g}"] if ranked else []),
        ]  # fmt: skip
        rows.append([*row, *([demo, segment.trigger] if wide else []), *([said] if noted else [])])
    folded = {"corner": [s.corner or "" for s in segments], "track": [s.track for s in segments]}
    least = {head: max(len(head), name_width(held)) for head, held in folded.items()}
    if noted:  # its head folds at words, too
        least["tags and note"] = max(len("tags"), name_width(word for row in rows for word in str(row[-1]).split()))
    widths = {n: least.get(n, max(len(n), *(len(row[k]) for row in rows))) for k, n in enumerate(names)}
    kept = fitting(out.width, widths, LEAST_FIRST)
    shown = table(*kept, right=("id", "session", "s", "prio"), padding=(0, 1, 0, 0))
    for name, column in zip(kept, shown.columns, strict=True):
        column.no_wrap = name not in least
        column.min_width = least[name] if name in folded else None
    for row in rows:
        shown.add_row(*(cell for name, cell in zip(names, row, strict=True) if name in kept))
    out.print(shown)
    missing = [] if wide else ["demo", "trigger"]
    tell_left_out(out, [*(name for name in names if name not in kept), *missing], "--json and --csv")
    seconds = sum(s.seconds for s in segments)
    given = dict.fromkeys((*_VERDICT_STYLE, *(s.verdict for s in segments)))  # another program may have written one of its own
    verdicts = [f"{n} {name}" for name in given if (n := sum(s.verdict == name for s in segments))]
    out.print(f"{number_of(len(segments), 'segment')}, {seconds:.1f} s in all: {', '.join(verdicts)}.")
    if any(s.trim_start or s.trim_stop for s in segments):
        out.print("* trimmed")
    if any(rule.judge(s).cut_s for s in segments):
        out.print(f"Takeovers that failed are learned from but for their last {rule.failed_cut_s:g} s (half of a shorter one).")
    if why := rule.reasons(segments):
        out.print(f"Not learned from: {why}.")
    if any(reason.why is Why.LAYOUT for s in segments if (reason := rule.judge(s).reason)):
        out.print(in_home("`hitl store check` says which have other numbers than this run, and what to do.", args.home))
    if any(rule.empty(s) for s in segments):
        clean = with_options("`hitl store clean` marks takeovers that show nothing as bad.", track=args.track)
        out.print(in_home(clean, args.home))


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl segments",
        word="--corner", description="List the recorded takeovers and laps, oldest first."
    )
    add_home(parser, or_last_demo=True)
    add_filters(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as one JSON list")
    form.add_argument("--csv", action="store_true", help="as comma-separated values")
    form.add_argument("--ids", action="store_true", help="only the numbers, for `hitl label -`")
    args = parser.parse_args(argv)
    from trainer.checkpoints.in_force import rule_of_run

    with open_store(args) as store:
        segments, rule, several = selected(store, args), rule_of_run(store), len(store.sessions()) > 1
    if args.json:
        import json

        told = json.dumps([_row(s, rule) for s in segments], indent=1, ensure_ascii=False)
        # The same value, written so that a terminal does not obey what is in a note or a corner's name.
        print(CONTROL.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", told))
    elif args.csv:
        import csv

        writer = csv.DictWriter(
            sys.stdout, fieldnames=list(_row(segments[0], rule)) if segments else ["id"], lineterminator="\n"
        )
        writer.writeheader()
        for s in segments:
            row = _row(s, rule) | {"tags": " ".join(s.tags)}
            writer.writerow({name: visible(value) if isinstance(value, str) else value for name, value in row.items()})
    elif args.ids:
        for s in segments:
            print(s.id)
    elif segments:
        _print_table(segments, rule, args, several)
    else:
        print(in_home("No segments found. Take over in `hitl play`, or loosen the filters.", args.home))
    return 0
