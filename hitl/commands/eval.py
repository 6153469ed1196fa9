"""`hitl eval`: deterministic episodes without help."""

from __future__ import annotations

import json
import sys
from typing import Any

from data.errors import CheckpointError, HitlError, UsageError
from data.words import number_of, track_words
from hitl.arguments import SEED_MOST, Parser, add_agent, add_env, agent_given, game_words, whole
from hitl.home import Begun, add_home, home_path, in_home


def main(argv: list[str]) -> int:
    """Evaluate a checkpoint and print the result; the exit status is 1 where it does not pass the gate."""
    parser = Parser(
        prog="hitl eval", word="--checkpoint", description="Deterministic episodes without help, written to the store."
    )
    add_home(parser, or_last_demo=True)
    add_env(parser)
    parser.add_argument("--track", help="a shipped track's name or a file (default: as set, else as last time)")
    parser.add_argument(
        "--checkpoint", help="best, latest, a number or a file name (default: latest)"
    )
    add_agent(parser)
    parser.add_argument(
        "--trials", "--episodes", dest="trials", type=whole(1), default=20, metavar="N", help="how many episodes (default: 20)"
    )
    parser.add_argument(
        "--gate", metavar="CONDITIONS", help="exit with 1 unless they hold: 'finish>=0.95,p95<=40'; also median, best, worst "
        "(s), crashes, competition"
    )
    parser.add_argument("--seed", type=whole(0, SEED_MOST), default=0, help="of the starts")
    parser.add_argument("--json", action="store_true", help="print JSON, with every trial")
    args = parser.parse_args(argv)
    if args.checkpoint and args.agent:
        parser.error("--checkpoint names one of the home's own, so it does not go with --agent")

    from hitl.agents.beside import beside_policy
    from hitl.agents.own_code import named_agent
    from hitl.agents.pad import is_pad
    from hitl.last_driven import as_last_time, told
    from hitl.road.gate import parse_gate
    from hitl.screens.lap_words import stored_trials
    from hitl.session.setup import SessionSetup
    from hitl.session_options import SessionOptions
    from hitl.settings import load

    gate = parse_gate(args.gate) if args.gate else []
    home = home_path(args)
    over = {"play": {"env": args.env, "track": args.track}, "agent": agent_given(args)}
    typed = load(home, "play", "agent", over=over)
    settings = as_last_time(home, typed)
    if is_pad(settings.agent.use) and not args.checkpoint:
        raise UsageError(
            f"Of '{settings.agent.use}' only its pad is known, and its program drives in real time, so it cannot be evaluated: "
            "`hitl play --record` times its laps and keeps them, and `hitl eval --agent none` evaluates what has learned here."
        )
    play, policy = settings.play, None if args.checkpoint else beside_policy(named_agent(home, settings), home, seed=args.seed)
    if policy is None and not home.store_path.is_file():
        none = "This home folder has no store yet, so there is nothing to evaluate. Use `hitl play` or `hitl train` first."
        raise CheckpointError(in_home(none, Begun(options=game_words(args.env, args.track))))
    with SessionSetup(home, SessionOptions(play.env, play.track, "evaluation", seed=args.seed), policy=policy) as rig:
        if gate and not rig.world.has_line:
            raise UsageError(f"--gate is about laps, and {play.env} has no track, so no lap is ever finished there.")
        if policy is None:
            try:
                rig.policy.pin(args.checkpoint or "latest")
            except CheckpointError as error:  # perhaps another game is meant
                raise CheckpointError(" ".join(filter(None, [str(error), told(typed, settings)]))) from error
        for said in rig.policy.notices if policy is not None else ():  # the session tells them to nobody here
            print(f"hitl eval: {in_home(said, args.home)}", file=sys.stderr)
        results = rig.evaluate(args.trials, 1_000_000 + 1000 * args.seed)
        if not results:
            raise HitlError("The evaluation was stopped before its first episode ended, so there is nothing to show.")
        laps, trials = stored_trials(rig, results)
        summary: dict[str, Any] = {
            "checkpoint": rig.policy.checkpoint_name if policy is None else rig.policy.full_name,
            "updates": rig.policy.updates,
            "track": rig.track.name,
            "episodes": len(results),
            "return_mean": sum(r.total for r in results) / len(results),
            "finished": laps.finish.k if rig.world.has_line else None,
            "passes": {c.name: sum(r.passed[c.name] for r in results) for c in rig.corners},
        }
    failures = [reason for condition in gate if (reason := condition.failure(laps))]
    if args.json:
        if rig.world.has_line:
            summary |= {"laps": laps.as_dict(), "gate": {"asked": args.gate, "failures": failures} if gate else None}
        summary["trials"] = trials
        print(json.dumps(summary))
        return 1 if failures else 0
    from hitl.console import console
    from hitl.screens.lap_words import print_laps

    out, count = console(), len(results)
    ours = policy is None or getattr(rig.policy, "taught", False)
    learned = number_of(summary["updates"], "update") if ours else rig.policy.agent.identity.kind
    out.print(
        f"{summary['checkpoint']} ({learned}), {number_of(count, 'episode')} "
        f"on {track_words(summary['track'])}, mean return {summary['return_mean']:.1f}"
    )
    if summary["finished"] is None:  # there is no road
        out.print(f"From {min(r.total for r in results):.1f} to {max(r.total for r in results):.1f}.")
        return 0
    print_laps(out, laps, summary["passes"], competition=play.env == "tmrl")
    distinct = len({(r.total, r.steps, r.progress, r.reason) for r in results})
    if distinct < count:
        out.print(
            f"Of the {count} episodes, only {distinct} {'is' if distinct == 1 else 'are'} different; the rest are exact copies. "
            "So the 95 % ranges are narrower than they should be."
        )
    if gate:
        out.print(f"The gate is not passed: {'; '.join(failures)}." if failures else f"The gate is passed: {args.gate}.")
    return 1 if failures else 0
