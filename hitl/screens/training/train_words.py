"""How a trainer is doing, in names and values for people: the same for `hitl train` and `hitl train status`."""

from __future__ import annotations

from pathlib import Path

from data.words import about, number_of
from hitl.home import in_home
from trainer.daemon.heartbeat import Heartbeat

STARTS = "starting: it reads the store"


def progress(beat: Heartbeat) -> tuple[float, str]:
    """Return how much of what was driven is learned (0 to 1), and the same in words, with the time left."""
    if 0.0 < beat.laps_learned < 1.0:
        share, what = beat.laps_learned, "of your laps"
    else:
        total = beat.updates + beat.owed_updates
        share = beat.updates / total if total else 0.0
        what = "of the updates that are asked for" if beat.steps_forgiven else "of what was driven"
    text = f"{int(100 * share)} % {what}"
    if behind := beat.steps_behind / beat.hz:
        text += f", {about(behind)} behind"
    if beat.owed_updates and beat.left_s is not None:
        text += f"; learned in {about(beat.left_s)}"
    return share, text


def facts_of(beat: Heartbeat, named: Path | None = None) -> list[tuple[str, str]]:
    """Return names and values of a heartbeat; ``named``: the home as it was typed, for what is advised."""
    if beat.state == "starting":  # nothing is known yet, and zeros would be taken for what there is
        return [("state", STARTS)]
    age = beat.checkpoint_age_s
    checkpoint = beat.checkpoint.removesuffix(".safetensors") or "none yet"
    rate = f"{beat.updates_per_second:.0f} a second" + (f", {beat.utd:.2f} for each step" if beat.utd else "")
    if beat.utd_wanted:
        rate += f"; the recipe wants {beat.hz * beat.utd_wanted:.0f} a second while you drive"
    driven = f"{number_of(beat.online_steps, 'step')} ({about(beat.online_steps / beat.hz)}), without laps and evaluations"
    if beat.steps_forgiven:
        driven += f"; {about(beat.steps_forgiven / beat.hz)} of these ask for no updates (max_debt_steps)"
    return [
        ("state", in_home(beat.doing, named)),
        ("learned", progress(beat)[1]),
        ("updates", f"{beat.updates:,} ({rate})"),
        ("driven", driven),
        ("demos", f"{number_of(beat.demo_rows, 'step')}, {beat.takeover_seconds:.0f} s of takeover"),
        ("checkpoint", checkpoint + (f", {about(age)} ago" if age is not None else "")),
    ]


def warnings_of(beat: Heartbeat, named: Path | None = None) -> list[tuple[str, str]]:
    """Return what the player should know: names and sentences; ``named``: as above."""
    below = ""
    if beat.below_best:
        many = beat.below_best > 1
        below = f"the last {f'{beat.below_best} evaluations lie' if many else 'evaluation lies'} significantly below the best"
        below += "; `hitl train --init best` goes back"
    rows = ("evaluated", below), ("held back", beat.held_back), ("finding", beat.finding), ("problem", beat.problem)
    return [(name, in_home(text, named)) for name, text in rows if text]
