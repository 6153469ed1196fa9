"""`hitl diagnose`: why does it not get better?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from data.errors import HitlError, UsageError
from data.words import listed, number_of
from hitl.arguments import Parser
from hitl.home import add_home, home_path, in_home

if TYPE_CHECKING:
    from rich.console import Console

    from trainer.diagnosis.finding import Diagnosis, Finding

STATUS = {"sound": 0, "found": 1, "could not tell": 2}
"""Exit status of each answer."""
COULD_NOT_TELL = STATUS["could not tell"]
MOST_NEEDS = 6
COLOURS = {"fault": "red", "warning": "yellow", "note": "cyan"}


def main(argv: list[str]) -> int:
    """Diagnose, print, and return 0 (sound), 1 (something was found) or 2 (could not tell)."""
    parser = Parser(
        prog="hitl diagnose",
        word="--wandb",
        description="Look for the known ways in which a run cannot learn or is held back. Give any mix; without anything the "
        "home folder is looked at. Exit status: 0 sound, 1 something was found, 2 it could not tell (it says what it needs).",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument(
        "--wandb", type=Path, action="append", default=[], metavar="FILE",
        help="a history: WandB's or a chart's export (CSV, JSON), progress.csv, events.jsonl, TensorBoard's event file or folder",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="an existing config.json")
    parser.add_argument(
        "--line", metavar="FILE", help="a reference line: reward.pkl, .csv, .toml, or a shipped track's name"
    )
    parser.add_argument("--player-runs", type=Path, metavar="DIR", help="a folder of player runs (.pkl), or one of them")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--all", action="store_true", help="also the figures behind each finding, notes, and every check")
    args = parser.parse_args(argv)

    from hitl.diagnosis.cases import cases
    from trainer.diagnosis.run import diagnose

    foreign = bool(args.wandb or args.config or args.line or args.player_runs)
    root = home_path(args).root if args.home is not None or not foreign else None
    try:
        report = diagnose(cases(root, args.wandb, args.config, args.line, args.player_runs))
        if not report.findings and not report.sound and not report.lacking:
            raise UsageError("Nothing could be looked at: there is no run yet. Give it more to look at.")
    except HitlError as error:
        if args.json:
            print(json.dumps({"error": str(error)}))
        print(f"hitl: {in_home(str(error), args.home)}", file=sys.stderr)
        return COULD_NOT_TELL
    if args.json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        show(report, everything=args.all, named=args.home)
    return STATUS[report.answer]


def show(report: Diagnosis, everything: bool, named: Path | None = None) -> None:
    """Print a report for people: what is wrong and what to do, the player's own driving first.

    ``everything``: also the figures behind it, notes about the run, what is sound and what could not be looked at.
    ``named``: the home folder that was typed.
    """
    from hitl.console import console, indented, marked
    from trainer.diagnosis.advice import BRING

    out = console()
    for text in report.looked_at:
        out.print(marked(f"[dim]looked at[/] {escape(text)}"))
    out.print()
    shown = report.findings if everything else [f for f in report.findings if f.players or f.rank != "note"]
    several = len({f.source for f in report.findings}) > 1
    numbers = {finding.fault: number for number, finding in enumerate(shown, 1)}
    for finding in shown:
        causes = [numbers[cause.fault] for cause in report.causes(finding)]
        advice = in_home(finding.advice.replace(BRING, "").strip(), named)  # BRING is told once, below all findings
        _show_finding(out, numbers[finding.fault], finding, advice, causes, everything, several)
    if any(BRING in finding.advice for finding in shown):
        out.print(indented(escape(BRING), 0))
        out.print()
    if report.answer == "sound":
        out.print(marked("[green]Sound: the return rises, or the car finishes.[/]"))
        out.print(marked("[green]Nothing was found that keeps this run from learning.[/]"))
    elif report.answer == "could not tell":
        out.print(marked("[yellow]Could not tell: nothing wrong was found, but what decides is missing.[/]"))
    if everything:
        _show_sound(out, report)
    if everything or report.answer == "could not tell":
        _show_needs(out, report, everything)
    if everything:
        return
    parts = [
        number_of(len(report.findings) - len(shown), "note") if len(report.findings) > len(shown) else "",
        number_of(len({sound.fault for sound in report.sound}), "check") + " without a finding" if report.sound else "",
        number_of(len(report.lacking), "check") + " that need more, and what they need" if report.lacking else "",
        "the figures" if shown else "",
    ]
    if more := [part for part in parts if part]:
        out.print(f"--all also lists {listed(more)}.", style="dim")


def _show_finding(
    out: Console, number: int, finding: Finding, advice: str, causes: list[int], everything: bool, several: bool
) -> None:
    from hitl.console import indented, marked
    from trainer.diagnosis.catalogue import FAULTS

    colour, title = COLOURS[finding.rank], FAULTS[finding.fault].title
    name = finding.fault if everything else ""
    out.print(marked(f"{number}. [bold {colour}]{finding.rank}[/] [bold]{escape(title)}[/]  [dim]{escape(name)}[/]"))
    out.print(indented(escape(finding.sentence), 3))
    if everything:
        for text in finding.evidence:
            out.print(indented(f"[dim]·[/] {escape(text)}", 3))
        for text in finding.picture.splitlines():
            out.print(marked(f"   [dim]{escape(text)}[/]"), no_wrap=True, overflow="crop")
    where = f"seen in {escape(finding.source)}" if finding.source and (everything or several) else ""
    sure = f"{finding.sure:.0%} sure" if everything else ""
    if where or sure:
        out.print(indented(f"[dim]{', '.join(t for t in (sure, where) if t)}.[/]", 3))
    if causes:
        out.print(indented(f"This can come from {listed(map(str, causes))}. Fix that first.", 3))
    out.print(indented(f"[dim]To change:[/] {escape(advice)}", 3))
    if everything and finding.mathematics:
        out.print(indented(f"[dim]In mathematics:[/] {escape(finding.mathematics)}", 3))
    out.print()


def _show_sound(out: Console, report: Diagnosis) -> None:
    """Print what was looked at and is sound."""
    from hitl.console import indented, marked

    if report.sound:
        out.print(marked("[bold]No fault found[/]"))
    texts: dict[str, list[str]] = {}
    for sound in report.sound:
        if not any(sound.text in known for known in texts.values()):
            texts.setdefault(sound.fault, []).append(sound.text)
    for fault, told in texts.items():
        out.print(indented(f"[green]✓[/] [dim]{fault}:[/] {escape('; '.join(told))}", 1))


def _show_needs(out: Console, report: Diagnosis, everything: bool) -> None:
    """Print what would tell more, each with what could then be looked for; without ``everything`` the first few."""
    from hitl.console import indented, marked
    from trainer.diagnosis.catalogue import FAULTS

    needs = report.needs
    if needs:
        out.print(marked("[bold]Give me this and I can tell more[/]"))
    for text, faults in needs if everything else needs[:MOST_NEEDS]:
        titles = ", ".join(faults) if everything else "whether " + ", ".join(FAULTS[fault].title for fault in faults)
        out.print(indented(f"[cyan]?[/] {escape(text)} [dim]({escape(titles)})[/]", 1))
    if len(needs) > MOST_NEEDS and not everything:
        out.print(indented(f"[dim]and {len(needs) - MOST_NEEDS} more (--all)[/]", 1))
