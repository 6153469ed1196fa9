"""`hitl checkpoints`: what the trainer has written down, by name, with what each could do alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.words import number_of, track_words
from hitl.arguments import Parser
from hitl.commands.selection import local_time, open_store
from hitl.home import add_home, home_path, in_home

if TYPE_CHECKING:
    from data.store import Store

WIDE = 100  # letters of a terminal in which a checkpoint's marks fit beside its name
SHORT = 12  # letters of a name beside which they fit anywhere
MOST_PLACES = 4  # that have a column each; of a longer road the one that fails most is named


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl checkpoints",
        description="List the checkpoints of a home folder, newest first: the ones that were evaluated, the best and the newest.",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument("--track", help="evaluated on this track (default: the one evaluated last)")
    parser.add_argument("--all", action="store_true", help="also those that were never evaluated")
    parser.add_argument("--json", action="store_true", help="as JSON")
    args = parser.parse_args(argv)

    from hitl.road.known_tracks import chosen

    with open_store(args) as store:
        track = chosen(store, args.track) if args.track else _evaluated_last(store)
        written = len(store.checkpoints())
        rows = _rows(store, track, home_path(args).checkpoints)
    if args.json:
        print(json.dumps({"track": track, "checkpoints": rows}, indent=2))
        return 0
    from hitl.console import console, print_fitting, table
    from hitl.drivers.policy import NO_CHECKPOINT
    from hitl.screens.training.learning_curve import FINISH
    from trainer.checkpoints.whole import FRESH, LOST

    out = console()
    if written and not any(row["whole"] for row in rows):
        out.print(in_home(f"{LOST.format(n=written)} {FRESH[0].upper()}{FRESH[1:]}", args.home))
        return 1
    if not rows:
        out.print(in_home(NO_CHECKPOINT, args.home))
        return 0
    shown = [r for r in rows if args.all or r["episodes"] or r["best"] or r["latest"] or not r["whole"]]
    places = list(next((r["passed"] for r in shown if r["episodes"]), {}))
    passes = places if len(places) <= MOST_PLACES else [FINISH, "passes\nleast often"]
    heads = "updates", *passes, "return"
    drawn = table("", "checkpoint", "made", *heads, right=("", *heads))
    drawn.columns[1].no_wrap = True  # it is typed as it stands there
    beside = " " if out.width >= WIDE or all(len(row["name"]) < SHORT for row in shown) else "\n"
    for row in shown:
        count, mean = row["episodes"], row["return_mean"]
        marks = ", ".join([name for name in ("best", "latest") if row[name]] + ["damaged"] * (not row["whole"]))
        passed = [_passed(row["passed"], place, count) for place in passes]
        name = row["name"] + (f"{beside}({marks})" if marks else "")
        drawn.add_row(
            str(row["number"]), name, local_time(row["made"], short=True), f"{row['updates']:,}", *passed,
            "–" if mean is None else f"{mean:.1f}",
        )  # fmt: skip
    print_fitting(drawn, out, ("made", "updates", "return"))
    if places:
        out.print(f"Passes are of laps alone on {track_words(track)}.", style="dim")
    if hidden := len(rows) - len(shown):
        out.print(f"{number_of(hidden, 'more was', 'more were')} never evaluated (--all).", style="dim")
    more = "`hitl play --checkpoint NUMBER` drives with one, `hitl eval --checkpoint NUMBER` measures it."
    out.print(in_home(more, args.home), style="dim")
    return 0


def _passed(passes: Mapping[str, int], place: str, episodes: int) -> str:
    """Return how often a place was passed; where it is no place, name the first of those that were passed least often."""
    from hitl.screens.training.learning_curve import FINISH

    if not episodes:
        return "–"
    if place in passes or not passes:
        return f"{passes.get(place, 0)} of {episodes}"
    corner = min((name for name in passes if name != FINISH), key=lambda name: passes[name])
    if passes[corner] == episodes:
        return "all pass"
    return f"{corner}: {passes[corner]}"


def _evaluated_last(store: Store) -> str:
    found = store.evaluations()
    return found[-1].track if found else ""


def _rows(store: Store, track: str, folder: Path) -> list[dict[str, Any]]:
    """Return one row for each checkpoint whose file is there, newest first."""
    from hitl.screens.training.learning_curve import passes_of
    from trainer.checkpoints.verdicts import has_places
    from trainer.checkpoints.whole import is_whole

    records = [r for r in store.checkpoints() if (folder / r.name).exists()]
    judged = {e.checkpoint_id: e for e in store.evaluations(track)}
    places = has_places(list(judged.values()))
    best = store.best_checkpoint(track) or store.best_checkpoint()
    rows = []
    for record in records:
        evaluation = judged.get(record.id)
        rows.append(
            {
                "number": record.id,
                "name": Path(record.name).stem,
                "made": record.created,
                "updates": record.updates,
                "best": best is not None and record.id == best.id,
                "latest": record is records[0],
                "whole": is_whole(folder / record.name),
                "episodes": evaluation.episodes if evaluation else 0,
                "passed": passes_of(evaluation) if evaluation and places else {},
                "return_mean": evaluation.return_mean if evaluation else None,
            }
        )
    return rows
