"""`hitl label`: review recorded takeovers and laps, one or many at a time, and undo that."""

from __future__ import annotations

import sys

from data.errors import UsageError
from data.records import VERDICTS
from data.suggest import did_you_mean
from data.words import number_of
from hitl.arguments import Parser
from hitl.commands.selection import open_store
from hitl.home import add_home


def parse_ids(words: list[str]) -> list[int]:
    """Return the segment numbers in ``3 5-8 -``, where ``-`` means the numbers on standard input.

    Raises UsageError for anything else.
    """
    ids: list[int] = []
    for word in words:
        if word == "-":
            ids += parse_ids(sys.stdin.read().split())
            continue
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(word) > 20:
            meant = did_you_mean(word, VERDICTS)
            raise UsageError(f"'{word}' is not a segment number. Write 3, 5-8, or - to read numbers from a pipe.{meant}")
        begin, end = int(first), int(last or first)
        if not 0 <= end - begin <= 100_000:
            raise UsageError(f"'{word}' is not a range of segments.")
        ids += range(begin, end + 1)
    return ids


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl label",
        description="Judge segments. The trainer follows within two seconds. --undo takes them back.",
        epilog="Many at once: hitl segments --corner hairpin --ids | hitl label - --verdict good",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument("ids", nargs="*", metavar="ID", help="segment numbers: 3, 5-8, or - for standard input")
    parser.add_argument("--verdict", choices=VERDICTS, help="what you think of it")
    parser.add_argument("--priority", type=float, metavar="P", help="how often the agent learns from it; 1 is normal")
    parser.add_argument("--tag", action="append", default=[], help="add a tag; may be given more than once")
    parser.add_argument("--untag", action="append", default=[], metavar="TAG", help="remove a tag")
    parser.add_argument("--note", help="a note in your words; an empty one removes it")
    parser.add_argument(
        "--trim",
        nargs=2,
        type=float,
        metavar=("START", "END"),
        help="cut off this many seconds at each end; 0 0 undoes it",
    )
    parser.add_argument("--by", default="player", help="who judges")
    parser.add_argument("--undo", action="store_true", help="take back the last verdict (of the segments named, if any)")
    args = parser.parse_args(argv)
    if args.verdict is None and args.ids and args.ids[0] in VERDICTS:  # hitl label good 3
        args.verdict, *args.ids = args.ids
    ids = parse_ids(args.ids)
    judged = any(v is not None for v in (args.verdict, args.priority, args.note, args.trim)) or args.tag or args.untag
    if args.undo and judged:
        raise UsageError("Give either a verdict or --undo, not both.")
    with open_store(args) as store:
        if args.undo:
            undone = store.undo(ids or None)
            names = ", ".join(map(str, undone))
            print(f"Undone: the last verdict on segment {names}." if undone else "There is no verdict to undo.")
            return 0
        if not judged:
            raise UsageError(
                "Nothing to set. Give --verdict, --priority, --tag, --untag, --note or --trim (or --undo)."
            )
        if not ids:
            raise UsageError("Which segments? Give numbers, ranges, or - to read them from `hitl segments --ids`.")
        changed = store.label(
            ids, verdict=args.verdict, priority=args.priority, tags_add=args.tag, tags_remove=args.untag,
            note=args.note, trim_seconds=tuple(args.trim) if args.trim else None, by=args.by,
        )  # fmt: skip
    print(f"{changed:,} of {number_of(len(set(ids)), 'segment')} changed.")
    return 0
