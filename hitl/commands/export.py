"""`hitl export`: carry takeovers and drives to other tools."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from data.exchange.exporters import EXPORTERS
from data.words import number_of
from hitl.arguments import Parser
from hitl.commands.selection import FILTERS, add_filters, open_store, selected
from hitl.home import add_home

APART = {"agent": "hitl.commands.export_agent", "clip": "hitl.commands.export_clip"}
"""What can be exported that is no format: each has options of its own."""


def main(argv: list[str]) -> int:
    """Run the command."""
    if argv[:1] and (module := APART.get(argv[0])) is not None:
        return int(import_module(module).main(argv[1:]))
    parser = Parser(
        prog="hitl export",
        description="Export segments, trimmed, each as an episode of its own; or whole drives with --episodes.",
        epilog="`hitl export agent OUT` writes what drives here, `hitl export clip OUT` a film of a takeover; "
        "their --help says more. Formats: "
        + "; ".join(f"{name}: {made.text}" for name, made in EXPORTERS.items())
        + ". What the agent does not learn from is left out, unless --verdict, --outcome or --all asks for it: segments that are "
        "bad or show nothing, laps that failed, and the end of a takeover that failed. Of a store, only what was judged bad. "
        "Segments with other numbers than this run, which `hitl segments` names, are exported: another run can learn from them.",
    )  # fmt: skip
    add_home(parser, or_last_demo=True)
    parser.add_argument("format", choices=EXPORTERS, help="what to make; below")
    parser.add_argument("out", type=Path, metavar="OUT", help="the file or folder to make")
    parser.add_argument(
        "--episodes", action="store_true", help="whole drives (those with a chosen segment, when there are filters)"
    )
    parser.add_argument("--all", action="store_true", help="also what the agent does not learn from, each segment to its end")
    parser.add_argument("--geometry", metavar="FILE", help="trackmaniarl: the map's geometry, which its demonstrations must name")
    add_filters(parser)
    args = parser.parse_args(argv)
    filtered = any(getattr(args, name) is not None for name in FILTERS)
    with open_store(args) as store:
        made = store.export_to(
            args.out, args.format, episodes=args.episodes, everything=bool(args.all or args.verdict or args.outcome),
            segments=selected(store, args) if filtered else None, geometry=args.geometry,
        )  # fmt: skip
        why = store.rule().reasons(made.left_out)
    verb = "is" if made.episodes == 1 else "are"
    print(f"{number_of(made.episodes, 'episode')} with {number_of(made.steps, 'step')} {verb} in {args.out.name}.")
    if made.left_out:
        print(f"Left out, because the agent does not learn from them: {why}. Use --all to include them.")
    return 0
