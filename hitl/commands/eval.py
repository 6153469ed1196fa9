"""`hitl eval`: deterministic episodes without help."""

from __future__ import annotations

import json
from typing import Any

from hitl.arguments import Parser, add_env
from hitl.home import add_home, home_path


def main(argv: list[str]) -> int:
    """Evaluate a checkpoint and print what came of it."""
    parser = Parser(
        prog="hitl eval", description="Deterministic episodes without help, written to the store."
    )
    add_home(parser)
    add_env(parser)
    parser.add_argument("--track", default="default", help="a shipped track's name or a file")
    parser.add_argument(
        "--checkpoint", default="latest", help="best, latest, a number or a file name (default: latest)"
    )
    parser.add_argument("--episodes", type=int, default=20, metavar="N", help="how many (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the starts")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    if args.episodes < 1:
        parser.error("--episodes must be at least 1")

    from data.errors import CheckpointError
    from hitl.session.setup import SessionSetup
    from hitl.session_options import SessionOptions
    from trainer.daemon.verdicts import independent, wilson

    home = home_path(args)
    if not home.store_path.is_file():
        raise CheckpointError(
            "This home folder has no store yet, so there is nothing to evaluate: play or train first."
        )
    with SessionSetup(home, SessionOptions(args.env, args.track, "evaluation", seed=args.seed)) as rig:
        rig.policy.hold(args.checkpoint)
        results = rig.evaluate(args.episodes, 1_000_000 + 1000 * args.seed)
        summary: dict[str, Any] = {
            "checkpoint": rig.policy.checkpoint_name,
            "updates": rig.policy.updates,
            "track": rig.track.name,
            "episodes": len(results),
            "return_mean": sum(r.total for r in results) / len(results),
            "finished": sum(r.reason == "finish" for r in results),
            "passes": {c.name: sum(r.passed[c.name] for r in results) for c in rig.corners},
        }
    if args.json:
        print(json.dumps(summary))
        return 0
    print(f"{summary['checkpoint']} ({summary['updates']:,} updates), {summary['episodes']} episodes on {summary['track']}")
    print(f"  return    {summary['return_mean']:.1f}")
    print(f"  finished  {summary['finished']} of {summary['episodes']}")
    worth = independent(len(results), len({(r.total, r.steps, r.progress, r.reason) for r in results}))
    for name, passes in summary["passes"].items():
        low, high = wilson(worth * passes / len(results), worth)
        print(f"  {name:<9} passed {passes} of {summary['episodes']} (95 % interval {low:.0%} to {high:.0%})")
    return 0
