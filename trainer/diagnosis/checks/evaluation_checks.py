"""What a history says about judging: is anything evaluated, and can its columns be believed."""

from __future__ import annotations

import numpy as np

from trainer.diagnosis.case import Answer, Case, Check
from trainer.diagnosis.finding import Finding, Lacking, Outcome, Sound
from trainer.diagnosis.stats import middle


def missing(case: Case) -> Answer:
    """No evaluation in the history (for our own store the episodes themselves are counted)."""
    name, history = "evaluation-missing", case.history
    if history is None or case.drives is not None or "debug/q1" not in history:
        return None
    column = history.columns.get("return_test")
    if column is None:
        return Lacking(name, "the column return_test", history.name)
    known = column[np.isfinite(column)]
    different = len(np.unique(known))
    text = f"return_test has {different} different values in {len(known):,} rows"
    if different == 1:
        text = f"return_test is {known[0]:g} in all {len(known):,} rows"
    if len(known) >= 20 and np.ptp(known) < 1e-9:
        sentence = (
            "return_test never changes: nothing was driven without noise, so nothing says which weights are good."
        )
        return Finding(name, sentence, (text,), 0.95, source=history.name)
    return Sound(name, text, history.name)


def held(case: Case) -> Answer:
    """``return_train`` that repeats the last episode until the next one comes."""
    name, history = "return-held", case.history
    if history is None:
        return None
    if "return_train" not in history:
        return Lacking(name, "the column return_train", history.name)
    values = history["return_train"]
    values = values[np.isfinite(values)]
    if len(values) < 20:
        return Lacking(name, "more rows", history.name)
    repeated = float((np.diff(values) == 0).mean())
    text = f"{repeated:.0%} of the rows of return_train repeat the row before"
    if repeated > 0.1:  # two episodes never earn the same to the last digit
        sentence = (
            "return_train is the last received episode, held until the next: its mean and best are of few episodes."
        )
        return Finding(name, sentence, (text,), 0.9, source=history.name)
    return Sound(name, text, history.name)


def meaning(case: Case) -> Answer:
    """Columns that break what their names promise."""
    name, history = "meaning-lost", case.history
    if history is None:
        return None
    outcomes: list[Outcome] = []
    best = history.columns.get("worker/best_progress")
    if best is not None:
        known = best[np.isfinite(best)]
        falls = int((np.diff(known) < -1e-9).sum())
        if falls:
            sentence = "'best race progress' falls again and again, so it is no best but the progress of the last run."
            evidence = (
                f"it falls in {falls} of {len(known):,} rows: {known.max():.3f} at most, {known[-1]:.3f} at the end",
            )
            outcomes.append(Finding(name, sentence, evidence, 0.95, source=history.name))
        else:
            outcomes.append(Sound(name, "the best progress never falls", history.name))
    for column in history.columns:
        if column.endswith("_std") and (history[column] < -1e-9).any():
            sentence = f"{column} is negative, and no deviation can be."
            least = f"least {np.nanmin(history[column]):.3g}"
            outcomes.append(Finding(name, sentence, (least,), 0.9, source=history.name))
    return outcomes


def alike(case: Case) -> Answer:
    """The same number of steps again and again: the car stands, or a timer ends everything."""
    name, history = "episodes-alike", case.history
    column = None if history is None else history.columns.get("worker/steps")
    if history is None or column is None:
        return None
    steps = column[np.isfinite(column)]
    if len(steps) < 100:
        return Lacking(name, "a hundred episodes", history.name)
    values, counts = np.unique(steps, return_counts=True)
    top = np.argsort(-counts)[:2]
    share = float(counts[top].sum() / len(steps))
    most = " or ".join(f"{values[i]:.0f}" for i in sorted(top))
    text = f"{share:.0%} of {len(steps):,} episodes last exactly {most} steps (the median is {middle(steps):.0f})"
    if share > 0.3:
        sentence = "Again and again an episode ends after the very same number of steps: nothing that the agent does changes it."
        return Finding(name, sentence, (text,), 0.85, source=history.name)
    return Sound(name, text, history.name)


CHECKS: tuple[Check, ...] = (missing, held, meaning, alike)
