"""What a trainer in front shows on a terminal: progress, rates, the last evaluations."""

from __future__ import annotations

from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from hitl.console import console, facts, table
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import Heartbeat

EVALUATIONS = 6


class TrainView:
    """A live view; use as a context manager and hand ``say`` and ``show`` to the daemon."""

    def __init__(self) -> None:
        self._live = Live(Text("starting …"), console=console(), refresh_per_second=4, transient=False)

    def __enter__(self) -> TrainView:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, traceback)

    def say(self, text: str) -> None:
        """Print a sentence above the view."""
        self._live.console.print(text)

    def show(self, beat: Heartbeat, watch: Watch) -> None:
        """Draw the newest state."""
        self._live.update(draw(beat, watch))


def fallen(count: int) -> str:
    """Return what so many evaluations below the best mean, without a full stop."""
    which = "The last evaluation lies" if count == 1 else f"The last {count} evaluations lie"
    return f"{which} significantly below the best"


def draw(beat: Heartbeat, watch: Watch) -> Group:
    """Return what the view shows."""
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
        parts.append(Text(f"{fallen(beat.below_best)} (*).", style="bold yellow"))
    if beat.finding:
        parts.append(Text(f"! {beat.finding}", style="yellow"))
    if beat.problem:
        parts.append(Text(beat.problem, style="yellow"))
    return Group(*parts)  # type: ignore[arg-type]
