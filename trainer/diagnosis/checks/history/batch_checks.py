"""What a history says about batches, memory, gradients and pace."""

from __future__ import annotations

import numpy as np

from trainer.diagnosis.case import Answer, Case, Check, column_check, history_check
from trainer.diagnosis.finding import CheckResult, Finding, Lacking, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.paid import UNPAID, nothing_paid
from trainer.diagnosis.stats import correlation, middle, part, trend

SHARE = "debug/demo_fraction_in_batch"
CATCHES_UP_S = 600.0  # in which a trainer is done with what it owes: longer, and it does not keep up
ALL = 0.98  # share of demos from which a batch is of nothing else


def _after_laps(history: History) -> slice:
    """Return the rows behind the laps with which a run of ours may begin: until the first drive, all is learned from them."""
    mixed = history[SHARE] < ALL
    return slice(int(np.argmax(mixed)) if history.ours and mixed.any() else 0, None)


@column_check("batch-composition", SHARE)
def composition(history: History, case: Case) -> Answer:
    """Columns that follow the demo share of the batch and nothing else."""
    rows = _after_laps(history)
    share = history[SHARE][rows]
    moved = float(np.nanmax(share) - np.nanmin(share))
    if moved < 0.1:
        return Sound(f"the demo share stays within {moved:.2f}")
    first, last = middle(part(share, 0, 0.1)), middle(part(share, 0.9))
    if history.ours and last > first:  # as below; and whether that is learning, the tries without help say
        return Sound(f"{SHARE} from {first:.2f} to {last:.2f}, as takeovers and own finishes add to the demos")
    columns = ("debug/r", *(f"debug/a_{i}" for i in range(4)))
    related = {c: correlation(history[c][rows], share) for c in columns if c in history}
    tied = {c: v for c, v in related.items() if abs(v) > 0.9}
    if not tied:
        text = ", ".join(f"{c} {v:+.2f}" if np.isfinite(v) else f"{c} does not change" for c, v in related.items())
        return Sound(f"correlation with the demo share: {text}")
    evidence = [f"correlation of {c} with {SHARE}: {v:+.2f}" for c, v in tied.items()]
    for c in tied:
        began, ended = middle(part(history[c][rows], 0, 0.1)), middle(part(history[c][rows], 0.9))
        evidence.append(f"{c} from {began:.3f} to {ended:.3f}, the share from {first:.2f} to {last:.2f}")
    what = " and ".join(tied)
    sentence = f"{what} change only because the share of demos in a batch does: that is composition, not learning."
    return Finding(sentence, tuple(evidence), 0.95, data={"correlation": tied})


@column_check("demo-share-drift", SHARE)
def share_drift(history: History, case: Case) -> Answer:
    """A demo share that changes over the run."""
    some = part(history[SHARE][_after_laps(history)], 0.05)
    first, last = middle(some[: max(1, len(some) // 10)]), middle(some[-max(1, len(some) // 10) :])
    text = f"{SHARE} from {first:.2f} to {last:.2f}"
    if history.ours and last > first:  # it grows to the set half as the player and the agent's own finishes add to them
        return Sound(text)
    if abs(first - last) > 0.2 and abs(trend(some)) > 0.7:
        sentence = "The share of demos in a batch follows the fill of the memory: every part of the run learns from another mix."
        return Finding(sentence, (text,), 0.9)
    return Sound(text)


@history_check("demos-evicted")
def evicted(history: History, case: Case) -> Answer:
    """A full first-in first-out memory in which the demos, which came first, give way."""
    if history.ours:  # our replay never lets go of demos
        return None
    if history.missing(SHARE, "memory_len"):
        return Lacking(f"the columns {SHARE} and memory_len")
    memory, share = history["memory_len"], history[SHARE]
    full = case.recipe.memory_size if case.recipe is not None and case.recipe.memory_size else None
    top = float(np.nanmax(memory))
    still = np.flatnonzero(memory >= 0.995 * (full or top))
    if len(still) < max(10, len(memory) // 20) or (full is None and np.ptp(part(memory, 0.9)) > 0.001 * top):
        limit = f" of {full:,.0f}" if full else ""
        return Sound(f"the memory was not full ({top:,.0f} samples{limit})")
    before = middle(share[max(0, still[0] - len(memory) // 20) : still[0] + 1])
    after = middle(share[-max(5, len(share) // 20) :])
    evidence = (
        f"memory full at {top:,.0f} samples since row {still[0]}",
        f"{SHARE} from {before:.3f} then to {after:.3f} at the end",
    )
    if after < 0.5 * before:
        sentence = "Since the memory is full, new samples push out the oldest, and the oldest are the demos."
        return Finding(sentence, evidence, 0.9)
    return Sound("; ".join(evidence))


@column_check("update-ratio", "memory_len")
def update_ratio(history: History, case: Case) -> Answer:
    """Updates per new sample against the ratio that is set."""
    recipe = case.recipe
    if recipe is None or recipe.utd is None:
        return Lacking("the recipe (--config), for MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP")
    memory = history["memory_len"]
    if "updates" in history:
        updates = history["updates"]
    elif recipe.updates_per_row:
        updates = np.arange(len(memory), dtype=np.float64) * recipe.updates_per_row
    else:
        return Lacking("TRAINING_STEPS_PER_ROUND in the recipe")
    # Before anything is driven, updates are those on laps.
    usable = (memory > 0) & np.isfinite(memory) & np.isfinite(updates)
    known = usable & (np.arange(len(memory)) >= len(memory) // 5)
    if known.sum() < 10:
        return Lacking("more rows")
    m, u = memory[known], updates[known]
    grown = m[-1] - m[0]
    if grown < 1000:
        return Lacking("a memory that grows")
    ratio, wanted = float((u[-1] - u[0]) / grown), recipe.utd
    text = f"{ratio:.2f} updates per new sample, {wanted:g} set"
    least, most = ratio, ratio
    if recipe.utd_exact:
        (owed, seconds), of_all = case.owed, float((u[-1] - updates[usable][0]) / m[-1])
        if owed and seconds <= CATCHES_UP_S:  # after a session it is merely not done yet
            least += owed / grown
            text += f", {owed:,} more are on their way"
        most = min(ratio, of_all)  # updates that were owed before these rows are not too many
    # Our own trainer owes every update; the old one's number was only an upper bound.
    if recipe.utd_exact and not (0.5 * wanted <= least and most <= 2 * wanted + 0.5):
        word = "fewer" if ratio < wanted else "more"
        sentence = f"The trainer does far {word} updates per step than the {wanted:g} that it is set to."
        return Finding(sentence, (text,), 0.85)
    if not recipe.utd_exact and ratio < 0.25 * wanted:
        sentence = f"The trainer does far fewer updates per step than the {wanted:g} that it may do: it does not keep up."
        return Finding(sentence, (text,), 0.7)
    return Sound(text)


@history_check("gradients-zero")
def gradients(history: History, case: Case) -> Answer:
    """Gradient norms that stay far above the clip, or are zero."""
    recipe = case.recipe
    answers: list[CheckResult] = []
    for who in ("critic", "actor"):
        column = f"debug/{who}_grad_norm"
        if column not in history:
            answers.append(Lacking(f"the column {column}"))
            continue
        late = part(history[column], 0.4)
        typical = middle(late)
        if len(late) >= 5 and typical < 1e-8 and nothing_paid(history):
            answers.append(UNPAID)
        elif len(late) >= 5 and typical < 1e-8:
            answers.append(Finding(f"No gradient reaches the {who}: it does not learn.", (f"{column} {typical:.1e}",), 0.9))
        else:
            answers.append(Sound(f"{column} {typical:.3g}"))
        if recipe is None:
            answers.append(Lacking("the recipe (--config), for GRAD_CLIP_CRITIC", fault="gradients-clipped"))
            continue
        clip = recipe.clip_critic if who == "critic" else recipe.clip_actor
        if clip is None:
            continue
        share = float((late > 5 * clip).mean()) if len(late) else 0.0
        text = f"{column} {typical:.2f}, clip {clip:g}; above five times the clip in {share:.0%} of the last rows"
        if share > 0.8:
            sentence = f"Nearly every gradient of the {who} is cut to a fraction of its length."
            answers.append(Finding(sentence, (text,), 0.85, fault="gradients-clipped"))
        else:
            answers.append(Sound(text, fault="gradients-clipped"))
    return answers


@column_check("sampling-slows", "sampling_duration", "memory_len")
def sampling(history: History, case: Case) -> Answer:
    """Drawing a batch that takes longer and longer."""
    seconds = history["sampling_duration"]
    first, last = middle(part(seconds, 0, 0.1)), middle(part(seconds, 0.9))
    tied = correlation(seconds, history["memory_len"])
    text = f"{first * 1000:.3g} ms a batch at first, {last * 1000:.3g} ms at the end"
    text += f" (correlation with the memory {tied:+.2f})" if np.isfinite(tied) else ""
    if last > 2 * first and last > 0.01 and tied > 0.7:
        if "training_step_duration" in history:
            text += f"; an update takes {middle(part(history['training_step_duration'], 0.9)) * 1000:.3g} ms"
        sentence = "Each batch is found by going through the whole memory, which leaves less and less time for learning."
        return Finding(sentence, (text,), 0.85)
    return Sound(text)


CHECKS: tuple[Check, ...] = (composition, share_drift, evicted, update_ratio, gradients, sampling)
