"""`hitl report`: one HTML page about a session, a span of time, or the whole store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import InputFileError
from data.files import held
from data.files.replacing import check_target
from hitl.arguments import Parser, whole
from hitl.commands.selection import add_dates, open_store
from hitl.home import add_home, home_path

if TYPE_CHECKING:
    from takeover_ui.report.contents import Report


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl report",
        word="--corner",
        description="Write one HTML page, which needs no network, about what was driven and learned.",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument("--track", help="a shipped track's name or a file (default: the one driven last)")
    parser.add_argument(
        "--corner", help="the corner to show (default: the one with most takeovers, else most failures)"
    )
    parser.add_argument("--session", type=whole(1), metavar="N", help="only this session")
    add_dates(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: report.html in the home folder")
    args = parser.parse_args(argv)

    path = args.output if args.output is not None else home_path(args).root / "report.html"
    from hitl.screens.stored.report import stored_report
    from hitl.settings import language_of
    from takeover_ui.report.texts import LANGUAGES

    with open_store(args) as store:
        check_report(path)  # before all that takes time
        report = stored_report(
            store,
            track=args.track,
            corner=args.corner,
            session=args.session,
            since=args.since,
            until=args.until,
            words=LANGUAGES[language_of(home_path(args))],
        )
    print(save(path, report))
    return 0


def check_report(path: Path, option: str = "--output", home: Path | None = None) -> bool:
    """Return whether an earlier report lies there. Raises HitlError where something else does, or nothing can be written.

    ``home``: a folder that is to become a home.
    """
    from takeover_ui.report.page import is_report

    return check_target(path, is_report, "report", f"name another file with {option}", home=home)


def save(path: Path, report: Report, option: str = "--output") -> str:
    """Write a report; return a sentence that says where, and whether an earlier file was replaced.

    Raises:
        UsageError: something else is there.
        InputFileError: the file cannot be written.
    """
    from takeover_ui.report.page import write_report

    replaced = "; it replaces the earlier one" if check_report(path, option) else ""
    try:
        write_report(path, report)
    except OSError as error:
        why = held.why(error, "check the folder")
        raise InputFileError(f"The report '{path.name}' cannot be written {why}.") from error
    return f"Report: {path.name} in {path.absolute().parent}{replaced}."
