"""What a trainer in the foreground shows on a terminal: progress, rates, the learning curve, the last evaluations."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.text import Text

from data.errors import visible
from data.words import track_words
from hitl.console import facts, table
from hitl.screens.training.learning_curve import learning_curve
from hitl.screens.training.train_words import facts_of, progress, warnings_of
from trainer.checkpoints.verdicts import has_places
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import Heartbeat

EVALUATIONS = 6


def draw(beat: Heartbeat, watch: Watch, named: Path | None = None) -> Group:
    """Return the newest state as a picture for the terminal; ``named``: the home as it was typed, for what is advised."""
    rows = facts(facts_of(beat, named))
    for name, key in (("critic loss", "losses/loss_critic"), ("Q", "debug/q1"), ("last return", "return_train")):
        if key in watch.newest:
            rows.add_row(name, f"{watch.newest[key]:.3f}")
    if beat.state != "starting":
        rows.add_row("", ProgressBar(total=1.0, completed=progress(beat)[0], width=50))
    parts: list[object] = [rows]
    places = has_places(watch.evaluations)
    if curve := learning_curve(watch.evaluations):
        what = "passes alone on" if places else "alone in"
        parts += [Text(visible(f"\n{what} {track_words(watch.track)}"), style="italic"), facts(curve)]
    if watch.judged:
        heads = "episodes", *(("passed", "95 %") if places else ()), "return"
        evaluations = table("checkpoint", *heads, right=heads, title="last evaluations")
        for v in watch.judged[-EVALUATIONS:]:
            best = watch.best is not None and v.checkpoint_id == watch.best.checkpoint_id
            name = watch.names.get(v.checkpoint_id, str(v.checkpoint_id)).removesuffix(".safetensors")
            evaluations.add_row(
                f"{name}{' *' if best else ''}",
                str(v.episodes),
                *((f"{v.rate:.0%}", f"{v.low:.0%}–{v.high:.0%}") if places else ()),
                f"{v.return_mean:.1f}",
            )
        parts.append(evaluations)
    parts += [
        Text(visible(f"! {text}" if name == "finding" else text), style="bold yellow" if name == "evaluated" else "yellow")
        for name, text in warnings_of(beat, named)
    ]
    return Group(*parts)  # type: ignore[arg-type]
