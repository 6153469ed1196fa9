"""What a history says about evaluation: is there any, and can the columns be believed."""

from __future__ import annotations

import numpy as np

from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, column_check, history_check
from trainer.diagnosis.finding import CheckResult, Finding, Lacking, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.stats import middle


@history_check("evaluation-missing")
def missing(history: History, case: Case) -> Answer:
    """No evaluation in the history (for our own store the episodes themselves are counted)."""
    if case.drives is not None or not ("debug/q1" in history or "return_train" in history):
        return None
    column = history.columns.get("return_test")
    if column is None:
        return Lacking("the column return_test, or the greedy evaluations that it holds: training drives alone may look well")
    known = column[np.isfinite(column)]
    different = len(np.unique(known))
    text = f"return_test has {number_of(different, 'different value')} in {number_of(len(known), 'row')}"
    if different == 1:
        text = f"return_test is {known[0]:g} in all {number_of(len(known), 'row')}"
    if len(known) >= 20 and np.ptp(known) < 1e-9:
        sentence = "return_test never changes: nothing was driven without noise, so nothing says which weights are good."
        return Finding(sentence, (text,), 0.95)
    return Sound(text)


@column_check("return-held", "return_train")
def held(history: History, case: Case) -> Answer:
    """``return_train`` that repeats the last episode until the next one comes."""
    known = np.isfinite(history["return_train"])
    values = history["return_train"][known]
    if len(values) < 20:
        return Lacking("more rows")
    if np.ptp(values) == 0:
        return Lacking(f"returns that change: return_train is {values[0]:.4g} in every row, as of a car that never sets off")
    # What earned nothing has earned the same as others that did, and an episode of another length is another one.
    same = (np.diff(values) == 0) & (values[1:] != 0)
    if "episode_length_train" in history:
        lengths = history["episode_length_train"][known]
        same &= (lengths[1:] == lengths[:-1]) | ~np.isfinite(lengths[1:] + lengths[:-1])
    repeated = float(same.mean())
    text = f"{repeated:.0%} of the rows of return_train repeat the row before"
    if repeated > 0.1:  # two episodes never earn the same to the last digit
        sentence = "return_train is the last received episode, held until the next: its mean and best are of few episodes."
        return Finding(sentence, (text,), 0.9)
    return Sound(text)


@history_check("meaning-lost")
def meaning(history: History, case: Case) -> Answer:
    """Columns that break what their names promise."""
    outcomes: list[CheckResult] = []
    best = history.columns.get("worker/best_progress")
    if best is not None:
        known = best[np.isfinite(best)]
        falls = int((np.diff(known) < -1e-9).sum())
        if falls:
            sentence = "'best race progress' falls again and again, so it is not a best: it is the progress of the last run."
            text = f"it falls in {falls} of {number_of(len(known), 'row')}: {known.max():.3f} at most, {known[-1]:.3f} at the end"
            outcomes.append(Finding(sentence, (text,), 0.95))
        else:
            outcomes.append(Sound("the best progress never falls"))
    for column in history.columns:
        if column.endswith("_std") and (history[column] < -1e-9).any():
            sentence = f"{column} is negative, which a deviation cannot be."
            least = f"least {np.nanmin(history[column]):.3g}"
            outcomes.append(Finding(sentence, (least,), 0.9))
    return outcomes


@history_check("episodes-alike")
def alike(history: History, case: Case) -> Answer:
    """The same number of steps again and again: the car stands, or a timer ends everything."""
    column = history.columns.get("worker/steps")
    if column is None:
        return None
    steps = column[np.isfinite(column)]
    if len(steps) < 100:
        return Lacking("a hundred episodes")
    values, counts = np.unique(steps, return_counts=True)
    top = np.argsort(-counts)[:2]
    share = float(counts[top].sum() / len(steps))
    most = " or ".join(f"{values[i]:.0f}" for i in sorted(top))
    last = f"last exactly {most} steps (the median is {middle(steps):.0f})"
    text = f"{share:.0%} of {number_of(len(steps), 'episode')} {last}"
    if share > 0.3:
        sentence = "Again and again an episode ends after the very same number of steps: nothing that the agent does changes it."
        return Finding(sentence, (text,), 0.85)
    return Sound(text)


CHECKS: tuple[Check, ...] = (missing, held, meaning, alike)
