"""`hitl stall`: train an agent from nothing until it stalls at a corner."""

from __future__ import annotations

import json
from pathlib import Path

from data.words import number_of
from hitl.arguments import SEED_MOST, Parser, add_env, whole
from hitl.home import add_home, home_path


def main(argv: list[str]) -> int:
    """Train, print each evaluation, and say where the agent has stalled."""
    parser = Parser(
        prog="hitl stall",
        description="Train an agent from nothing, with two scripted laps in its memory or none, until it stalls at a corner. "
        "The agent that ships with the program was made by: "
        "hitl stall --home DIR --laps 0 --seed 1 --in-a-row 5 --ship hitl/stalled",
    )
    add_home(parser)
    add_env(parser, "box2d")
    parser.add_argument("--track", default="default", help="a shipped track's name or a file")
    parser.add_argument("--seed", type=whole(0, SEED_MOST), default=0, help="of all that is random (default: 0)")
    parser.add_argument("--steps", type=whole(1), default=20_000, metavar="N", help="give up after N agent steps")
    parser.add_argument(
        "--in-a-row", type=whole(1), default=3, metavar="N", help="evaluations without a pass that make a stall"
    )
    parser.add_argument(
        "--laps", type=whole(0), metavar="N", help="of the scripted driver, in its memory from the beginning (default: 2)"
    )
    parser.add_argument(
        "--ship", type=Path, metavar="DIR", help="also write the last checkpoint and the laps, small, to this folder"
    )
    parser.add_argument("--json", action="store_true", help="print JSON at the end")
    args = parser.parse_args(argv)

    from hitl.demo import stall
    from hitl.demo.shipped import check_ship, ship

    home = home_path(args)
    home.require_empty()
    if args.ship is not None:
        check_ship(home, args.ship)  # before all that takes time

    def report(e: stall.Evaluated) -> None:
        if not args.json:
            passes = ", ".join(f"{name} {n} of {e.episodes}" for name, n in e.passes.items())
            print(
                f"{e.agent_steps:>6,} steps  {e.updates:>6,} updates  return {e.return_mean:6.1f}  passes: {passes}",
                flush=True,
            )

    result = stall.train_until_stalled(
        home,
        args.track,
        env=args.env or "box2d",
        seed=args.seed,
        max_steps=args.steps,
        in_a_row=args.in_a_row,
        laps=stall.LAPS if args.laps is None else args.laps,
        report=report,
    )
    if args.ship is not None and result.corner is not None:
        ship(home, args.ship)
    if args.json:
        shown = {
            "stalled_at": result.corner and result.corner._asdict(),
            "agent_steps": result.agent_steps,
            "updates": result.updates,
            "evaluations": [
                {"agent_steps": e.agent_steps, "return_mean": e.return_mean, "passes": e.passes} for e in result.evaluations
            ],
        }
        print(json.dumps(shown))
    elif result.corner is None:
        print(f"The agent did not stall within {number_of(result.agent_steps, 'step')}.")
    else:
        print(
            f"The agent has stalled at '{result.corner.name}' ({result.corner.from_m:.0f}–{result.corner.to_m:.0f} m): "
            f"no pass in its last {number_of(args.in_a_row, 'evaluation')} of {result.evaluations[-1].episodes} episodes."
        )
    return 0
