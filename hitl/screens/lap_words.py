"""Tries without help, as `hitl eval` shows them: lap times with their intervals, crashes by corner, each try with its times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.reading.drives import EpisodeSummary
from data.records import Corner
from data.statistics import wilson
from data.store import Store
from hitl.road.laps import Figure, Laps, LapTry, corner_times, crash_place, laps_of, stretches

if TYPE_CHECKING:
    from rich.console import Console

    from hitl.protocols import EpisodeResult
    from hitl.session.setup import SessionSetup


def recorded_laps(episodes: Iterable[EpisodeSummary], corners: Iterable[Corner]) -> Laps:
    """Return what recorded episodes come to as tries."""
    return laps_of((LapTry(e.reason, e.lap_s, e.length / e.hz, e.farthest, e.total, e.seed) for e in episodes), corners)


def stored_trials(rig: SessionSetup, results: Sequence[EpisodeResult]) -> tuple[Laps, list[dict[str, Any]]]:
    """Return what the tries of a session come to, and each of them for JSON: its episode in the store, its time in each corner.

    Waits for the disk. A try that cannot be written now has no such times.
    """
    hz, first = rig.task.settings.hz, len(results)
    trials = [LapTry(r.reason, _lap(r, hz), r.steps / hz, r.progress, r.total) for r in results]
    laps, spans, stored = laps_of(trials, rig.corners), stretches(rig.corners), []
    if rig.written():
        with Store(rig.home.store_path, read_only=True) as store:
            stored = [
                (e.id, e.seed, corner_times(store.steps(e, columns=("t", "progress")), spans))
                for e in store.episodes(session=rig.recorder.session_id, purpose="evaluation")
            ][-first:]
    rows = []
    for k, trial in enumerate(trials):
        episode, seed, times = stored[k] if len(stored) == len(trials) else (None, None, {})
        rows.append({
            "episode": episode, "seed": seed, "reason": trial.reason, "lap_s": trial.lap_s, "driven_s": trial.driven_s,
            "farthest_m": trial.farthest, "return": trial.total,
            "crash": crash_place(trial.farthest, rig.corners) if trial.crashed else None,
            "corners_s": {name: round(seconds, 3) for name, seconds in times.items()},
        })  # fmt: skip
    return laps, rows


def _lap(result: EpisodeResult, hz: float) -> float | None:
    if result.reason != "finish":
        return None
    return round(result.steps / hz if result.lap_s is None else result.lap_s, 3)


def print_laps(out: Console, laps: Laps, passes: Mapping[str, int], *, competition: bool = False) -> None:
    """Print the tables. ``passes``: by corner; ``competition``: the measure of tmrl's as well."""
    from hitl.console import table

    count = laps.finish.n
    shown = table("", "of episodes", "95 %", right=("of episodes", "95 %"))
    for name, k in (("finished", laps.finish.k), *((f"passed {name}", n) for name, n in passes.items())):
        low, high = wilson(k, count)
        shown.add_row(name, f"{k} of {count}", f"{low:.0%}–{high:.0%}")
    for name, k in laps.crashes.items():
        low, high = wilson(k, count)
        where = name if name not in passes else f"at {name}"
        shown.add_row(f"crashed {where}", f"{k} of {count}", f"{low:.0%}–{high:.0%}")
    out.print(shown)
    times = table("lap", "seconds", "95 %", right=("seconds", "95 %"))
    rows: list[tuple[str, Figure | float | None]] = [
        ("median", laps.median), ("p95", laps.p95), ("best", laps.best), ("worst", laps.worst)
    ]  # fmt: skip
    if competition and laps.competition is not None:
        rows.append(("tmrl's competition", laps.competition))
    for name, figure in rows:
        if isinstance(figure, Figure):
            times.add_row(name, f"{figure.value:.3f}", f"{figure.low:.3f}–{figure.high:.3f}")
        elif figure is not None:
            times.add_row(name, f"{figure:.3f}", "")
    if laps.best is not None or (competition and laps.competition is not None):
        out.print(times)
    if competition:
        out.print(
            "tmrl's competition: the mean of the first ten, with ten seconds more for each crash."
            if laps.competition is not None
            else "For the measure of tmrl's competition, ten trials are needed (--trials 10)."
        )
