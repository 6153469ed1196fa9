"""What a trainer in the foreground shows on a terminal: progress, rates, the last evaluations."""

from __future__ import annotations

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.text import Text

from hitl.console import facts, table
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import Heartbeat

EVALUATIONS = 6


def draw(beat: Heartbeat, watch: Watch) -> Group:
    """Return the newest state as a picture for the terminal."""
    age = beat.checkpoint_age_s
    rows = facts(
        [
            ("state", beat.doing),
            ("updates", f"{beat.updates:,}   {beat.updates_per_second:.0f}/s   {beat.utd:.2f} a step"),
            ("steps", f"{beat.online_steps:,}   {beat.steps_behind:,} behind"),
            ("demos", f"{beat.demo_rows:,} steps   {beat.takeover_seconds:.0f} s of takeover"),
            ("checkpoint", beat.checkpoint + (f"   {age:.0f} s ago" if age is not None else "")),
        ]
    )
    for name, key in (("critic loss", "losses/loss_critic"), ("Q", "debug/q1"), ("last return", "return_train")):
        if key in watch.newest:
            rows.add_row(name, f"{watch.newest[key]:.3f}")
    total = beat.updates + beat.owed_updates
    rows.add_row("done", ProgressBar(total=max(1, total), completed=beat.updates, width=50))
    parts: list[object] = [rows]
    if watch.judged:
        heads = "checkpoint", "episodes", "passed", "95 %", "return"
        evaluations = table(*heads, right=heads, title="last evaluations")
        for v in watch.judged[-EVALUATIONS:]:
            best = watch.best is not None and v.checkpoint_id == watch.best.checkpoint_id
            evaluations.add_row(
                f"{v.checkpoint_id}{' *' if best else ''}",
                str(v.episodes),
                f"{v.rate:.0%}",
                f"{v.low:.0%}–{v.high:.0%}",
                f"{v.return_mean:.1f}",
            )
        parts.append(evaluations)
    if beat.below_best:
        many = beat.below_best > 1
        which = f"The last {beat.below_best} evaluations lie" if many else "The last evaluation lies"
        parts.append(Text(f"{which} significantly below the best (*).", style="bold yellow"))
    said = (beat.held_back, f"! {beat.finding}" if beat.finding else "", beat.problem)
    parts += [Text(text, style="yellow") for text in said if text]
    return Group(*parts)  # type: ignore[arg-type]
