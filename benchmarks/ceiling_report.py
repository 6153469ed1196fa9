"""Tables and pictures of what ``ceiling.py`` found, with intervals.

    python benchmarks/ceiling_report.py FILE.json… [--pictures docs/images] [--markdown] [--json FILE]

Several files of one track are put together, whatever arms and seeds each holds. For every arm: the interquartile mean over the
seeds (Agarwal et al. 2021) with a 95 % bootstrap interval, stratified by track where there are several. A seed that never got
there counts with the whole budget, and is counted openly ("3/5"). Ratios are paired: each seed's stalled agent went into both
arms. Where budgets that ran out decide a number it is a bound: ≥, ≤, or ≷ for both. Needs scipy (the extra ``bench``).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ceiling_numbers import Estimate, Run, best_published, summary
from ceiling_pictures import draw
from common import print_table, write_report

TABLES = {
    "getting there": (
        ("steps to 90 %", "steps_to_90", ",.0f"),
        ("held", "held", ".0%"),
        ("human s", "human_seconds", ".0f"),
    ),
    "how many times fewer steps": (
        ("than continue", "over_continue", ".1f"),
        ("than continue_fast", "over_continue_fast", ".1f"),
        ("than rlpd", "over_rlpd", ".1f"),
        ("than laps", "over_laps", ".1f"),
        ("than no_help", "over_no_help", ".1f"),
        ("than ours_lap", "over_ours_lap", ".1f"),
        ("than ours_laps", "over_ours_laps", ".1f"),
        ("than the best published", "over_best", ".1f"),
    ),
    "at the end": (
        ("passes", "passes", ".0%"),
        ("return", "return", ".1f"),
        ("laps finished", "finished", ".0%"),
        ("lap, s", "lap_seconds", ".1f"),
        ("other corners", "others", "+.0%"),
        ("human's steps", "takeover_share", ".1%"),
    ),
}


def table(found: dict[str, dict[str, Any]], which: str) -> tuple[list[str], list[list[str]]]:
    """Return the columns' names of one of ``TABLES`` and a row of texts for each arm."""
    rows = []
    for arm, f in found.items():
        cells = [f[key].text(form) for _, key, form in TABLES[which]]
        rows.append([arm, "{}/{}".format(*f["reached"]), *cells])
    return ["arm", "seeds", *(name for name, _, _ in TABLES[which])], rows


OVERVIEWS = (("steps to 90 %", "steps_to_90", ",.0f"), ("laps finished at the end", "finished", ".0%"))


def overview(found: dict[str, dict[str, dict[str, Any]]], key: str, form: str) -> tuple[list[str], list[list[str]]]:
    """Return one figure by arm and track: the tracks' names, and a row of texts for each arm."""
    rows = []
    for arm in dict.fromkeys(name for arms in found.values() for name in arms):
        cells = [arms[arm][key].text(form) if arm in arms else "" for arms in found.values()]
        counts = [arms[arm]["reached"] if arm in arms else (0, 0) for arms in found.values()]
        marks = [f", {got} of {of}" if key == "steps_to_90" and got < of else "" for got, of in counts]
        rows.append([arm, *(cell + mark for cell, mark in zip(cells, marks, strict=True))])
    return ["arm", *found], rows


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for a document."""
    lines = [" | ".join(columns), " | ".join("---" for _ in columns), *(" | ".join((f"`{r[0]}`", *r[1:])) for r in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def plain(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the estimates as JSON values: [middle, low, high, bound]."""

    def value(v: Any) -> Any:
        if not isinstance(v, Estimate):
            return list(v)
        return [None if math.isnan(x) else round(x, 4) for x in (v.middle, v.low, v.high)] + [v.bound]

    return {arm: {key: value(v) for key, v in f.items()} for arm, f in found.items()}


def main() -> None:
    """Print the tables, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw ceiling_TRACK*.svg there")
    parser.add_argument("--markdown", action="store_true", help="print the tables for a document")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", "132")  # or a file would get tables cut to 80 columns
    tracks: dict[str, Run] = {}
    for run in map(Run.read, args.files):
        tracks[run.track] = tracks[run.track].joined(run) if run.track in tracks else run
    runs = list(tracks.values())
    groups = {run.track: [run] for run in runs}
    if len(groups) > 1:
        groups["all tracks"] = runs
    tables = {name: summary(group) for name, group in groups.items()}
    for title, key, form in OVERVIEWS if len(groups) > 1 else ():
        columns, rows = overview(tables, key, form)
        if args.markdown:
            print(f"\n{title}\n\n{markdown(columns, rows)}")
        else:
            print_table(f"{title}: interquartile mean (95 % interval)", columns, rows)
    for name, found in tables.items():
        print(f"\n{name}: the best published rule is {best_published(found) or 'not among the arms'}")
        for which in TABLES:
            columns, rows = table(found, which)
            if args.markdown:
                print(f"\n{name}, {which}\n\n{markdown(columns, rows)}")
            else:
                print_table(f"{name}, {which}: interquartile mean (95 % interval)", columns, rows)
        if args.pictures and name != "all tracks":
            for path in draw(tracks[name], found, args.pictures):
                print(f"drew {path}")
    write_report(args.json, {name: plain(found) for name, found in tables.items()}, runs[0].seeds)


if __name__ == "__main__":
    main()
