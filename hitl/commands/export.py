"""`hitl export`: carry takeovers and drives to other tools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

from data.errors import UsageError
from data.exchange.exporters import EXPORTERS, Chosen
from data.words import number_of
from hitl.arguments import Parser
from hitl.commands.selection import FILTERS, add_filters, filters_meant, open_store, reasons, selected
from hitl.home import add_home


def main(argv: list[str]) -> int:
    """Run the command."""
    if argv[:1] == ["agent"]:
        from hitl.commands import export_agent

        return export_agent.main(argv[1:])
    parser = Parser(
        prog="hitl export",
        description="Export segments, trimmed, each as an episode of its own; or whole drives with --episodes.",
        epilog="`hitl export agent OUT` writes what drives here; its --help says more. Formats: "
        + "; ".join(f"{name}: {made.text}" for name, made in EXPORTERS.items())
        + ". What the agent does not learn from (bad, failed, or showing nothing) is left out, unless --verdict, --outcome or "
        "--all asks for it; of a store, only what was judged bad.",
    )  # fmt: skip
    add_home(parser, or_last_demo=True)
    parser.add_argument("format", choices=EXPORTERS)
    parser.add_argument("out", type=Path, metavar="OUT", help="the file or folder to make")
    parser.add_argument(
        "--episodes", action="store_true", help="whole drives (those with a chosen segment, when there are filters)"
    )
    parser.add_argument("--all", action="store_true", help="also what the agent does not learn from")
    add_filters(parser)
    args = parser.parse_args(argv)
    filtered = any(getattr(args, name) is not None for name in FILTERS)
    with open_store(args) as store:
        found = [s for s in selected(store, args) if s.closed and s.stop > s.start]
        # Whole segments are exported, and those that failed end in a mistake.
        rule = replace(store.rule(), failed_takeovers=False, failed_laps=False)
        asked = args.all or args.verdict or args.outcome
        # Another home applies the rule itself, with its owner's settings: only what was judged bad stays behind.
        own = args.format == "store"
        chosen = found if asked else [s for s in found if (s.verdict != "bad" if own else rule.judge(s).counts)]
        whole = args.episodes or args.format == "parquet"
        episodes = sorted({s.episode_id for s in chosen}) if filtered else None
        if whole:
            count = store.db["episodes"].count if episodes is None else len(episodes)
        else:
            count = len(chosen)
        if not count and found and not chosen:
            raise UsageError(f"None of these is a good example ({reasons(found, rule)}). Use --all to export them anyway.")
        if not count:
            raise UsageError(
                "Nothing to export. `hitl segments` with the same filters shows what there is."
                + filters_meant(store, args)
            )
        if whole and args.format == "store" and filtered:
            raise UsageError("A store is exported by segments: omit --episodes or the filters.")
        ids = None if whole else [s.id for s in chosen]
        export = Chosen(store, ids, episodes)
        resolve_name(EXPORTERS[args.format].write)(args.out, export)
    verb = "is" if export.count == 1 else "are"
    print(f"{number_of(export.count, 'episode')} with {number_of(export.steps, 'step')} {verb} in {args.out.name}.")
    if (ids or episodes) is not None and len(chosen) < len(found):
        left = [s for s in found if s not in chosen]
        print(f"Left out, because they are no good examples: {reasons(left, rule)}. Use --all to include them.")
    return 0
