"""`hitl label`: review recorded takeovers and laps, one or many at a time, and undo that."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from data.errors import UsageError, shown
from data.files.text_files import text_of
from data.records import VERDICTS
from data.suggest import did_you_mean
from data.tables.review_fields import MERGED, Undone
from data.words import about, listed, number_of, numbers_text
from hitl.arguments import Parser
from hitl.commands.selection import local_time, open_store
from hitl.home import add_home, in_home

if TYPE_CHECKING:
    from data.records import Segment

_MOST = 100_000  # segments in a range


def parse_ids(words: list[str]) -> list[int]:
    """Return the segment numbers in ``3 5-8 -``, where ``-`` means the numbers on standard input.

    Raises UsageError for anything else.
    """
    ids: list[int] = []
    for word in words:
        if word == "-":
            ids += parse_ids(_piped().split())
            continue
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(word) > 20:
            if word in VERDICTS:
                numbers = " ".join(w for w in words if w not in VERDICTS) or "3"
                told = "`hitl label 3 --verdict good`".replace("good", word).replace("3", numbers)
                raise UsageError(f"'{word}' is a verdict, no segment number: {told} gives it.")
            meant = did_you_mean(word, VERDICTS)
            raise UsageError(f"'{word}' is not a segment number. Write 3, 5-8, or - to read numbers from a pipe.{meant}")
        begin, end = int(first), int(last or first)
        if end < begin:
            raise UsageError(f"'{word}' is not a range of segments: the smaller number comes first, as in 5-8.")
        if end - begin >= _MOST:
            raise UsageError(f"'{word}' is a range of more than {_MOST:,} segments: name fewer at a time.")
        ids += range(begin, end + 1)
    return ids


def _piped() -> str:
    """Return what comes on standard input: PowerShell and editors give it a mark at its beginning, or two bytes to a letter."""
    raw = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read() if raw is None else text_of(raw.read(), "standard input")


def undone_text(undone: Sequence[Undone]) -> str:
    """Return what was undone, of which segments, who had given it, and when."""
    last = max(undone, key=lambda review: review.at)
    given = datetime.fromisoformat(last.at)
    age_s = (datetime.now(UTC) - given).total_seconds()
    when = f"{about(max(0.0, age_s))} ago" if age_s < 2 * 86_400 else f"on {local_time(last.at)}"
    if {review.by for review in undone} == {MERGED}:
        brought = number_of(len(undone), "review")
        return f"Undone: {brought} that an import brought {when}, of {numbers_text(sorted(r.segment for r in undone))}."
    alike: dict[str, list[int]] = {}
    for review in undone:
        alike.setdefault(listed(map(_said, review.fields.items())), []).append(review.segment)
    whose = "" if last.by == "player" else f" by {shown(last.by)}"
    said = "; ".join(f"{what} on {numbers_text(sorted(numbers))}" for what, numbers in alike.items())
    return f"Undone: {said}, given {when}{whose}."


def _said(field: tuple[str, Any]) -> str:
    name, value = field
    if name == "verdict":
        return "no verdict" if value == "unreviewed" else str(value)
    if name == "priority":
        return f"priority {value:g}"
    if name == "note":
        return "a note" if value else "no note"
    if name == "trim":
        return "a trim" if any(value) else "no trim"
    return f"{'tag' if value else 'without tag'} '{shown(name.partition(':')[2])}'"


def _nothing_to_undo(segments: Sequence[Segment]) -> str:
    """Return why nothing was undone of these segments, or of all; they may have come here judged."""
    judged = [s.id for s in segments if s.verdict != "unreviewed"]
    if not judged:
        return "There is no verdict to undo."
    one = len(judged) == 1
    came = f"segment {judged[0]} came here with its verdict" if one else f"segments {numbers_text(judged)} came with theirs"
    remove = f"hitl label {' '.join(map(str, judged))} --verdict unreviewed"
    return f"There is nothing to undo: {came}. `{remove}` takes {'it' if one else 'them'} away."


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
    parser.add_argument("--priority", type=float, metavar="P", help="how often the agent learns from it, to 1000000; 1 is normal")
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
        if args.ids and not ids and (args.undo or judged):  # never the last verdict of all, where a pipe brought no number
            print(f"No segment numbers came through the pipe, so there is nothing to {'undo' if args.undo else 'label'}.")
            return 0
        if args.undo:
            undone = store.undo_step(ids or None)
            nothing = in_home(_nothing_to_undo(store.segments(ids=ids) if ids else []), args.home)
            print(undone_text(undone) if undone else nothing)
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
