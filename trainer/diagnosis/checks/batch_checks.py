"""What a history says about batches, memory, gradients and pace."""

from __future__ import annotations

import numpy as np

from trainer.diagnosis.case import Answer, Case, Check
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.diagnosis.stats import correlation, middle, part, trend

SHARE = "debug/demo_fraction_in_batch"


def composition(case: Case) -> Answer:
    """Columns that follow the demo share of the batch and nothing else."""
    name, history = "batch-composition", case.history
    if history is None:
        return None
    if SHARE not in history:
        return Lacking(name, f"the column {SHARE}", history.name)
    share = history[SHARE]
    moved = float(np.nanmax(share) - np.nanmin(share))
    if moved < 0.1:
        return Sound(name, f"the demo share stays within {moved:.2f}", history.name)
    columns = {"debug/r": "debug/r", **{f"debug/a_{i}": f"debug/a_{i}" for i in range(4)}}
    related = {c: correlation(history[c], share) for c in columns if c in history}
    tied = {c: v for c, v in related.items() if abs(v) > 0.9}
    text = ", ".join(f"{c} {v:+.2f}" for c, v in related.items())
    if not tied:
        return Sound(name, f"correlation with the demo share: {text}", history.name)
    evidence = [f"correlation of {c} with {SHARE}: {v:+.2f}" for c, v in tied.items()]
    for c in tied:
        first, last = middle(part(history[c], 0, 0.1)), middle(part(history[c], 0.9))
        began, ended = middle(part(share, 0, 0.1)), middle(part(share, 0.9))
        evidence.append(f"{c} from {first:.3f} to {last:.3f}, the share from {began:.2f} to {ended:.2f}")
    what = " and ".join(tied)
    sentence = f"{what} change only because the share of demos in a batch does: that is composition, not learning."
    return Finding(name, sentence, tuple(evidence), 0.95, source=history.name, data={"correlation": tied})


def share_drift(case: Case) -> Answer:
    """A demo share that is not held."""
    name, history = "demo-share-drift", case.history
    if history is None:
        return None
    if SHARE not in history:
        return Lacking(name, f"the column {SHARE}", history.name)
    share = history[SHARE]
    some = part(share, 0.05)
    first, last = middle(some[: max(1, len(some) // 10)]), middle(some[-max(1, len(some) // 10) :])
    text = f"{SHARE} from {first:.2f} to {last:.2f}"
    if abs(first - last) > 0.2 and abs(trend(some)) > 0.7:
        sentence = "The share of demos in a batch follows the fill of the memory: every part of the run learns from another mix."
        return Finding(name, sentence, (text,), 0.9, source=history.name)
    return Sound(name, text, history.name)


def evicted(case: Case) -> Answer:
    """A full first-in first-out memory in which the demos, which came first, give way."""
    name, history, recipe = "demos-evicted", case.history, case.recipe
    if history is None or history.ours:  # our replay never lets go of demos
        return None
    if SHARE not in history or "memory_len" not in history:
        return Lacking(name, f"the columns {SHARE} and memory_len", history.name)
    memory, share = history["memory_len"], history[SHARE]
    full = recipe.memory_size if recipe is not None and recipe.memory_size else None
    top = float(np.nanmax(memory))
    at_top = memory >= 0.995 * (full or top)
    still = np.nonzero(at_top)[0]
    if len(still) < max(10, len(memory) // 20) or (full is None and np.ptp(part(memory, 0.9)) > 0.001 * top):
        limit = f" of {full:,.0f}" if full else ""
        return Sound(name, f"the memory was not full ({top:,.0f} samples{limit})", history.name)
    before = middle(share[max(0, still[0] - len(memory) // 20) : still[0] + 1])
    after = middle(share[-max(5, len(share) // 20) :])
    evidence = (
        f"memory full at {top:,.0f} samples since row {still[0]}",
        f"{SHARE} from {before:.3f} then to {after:.3f} at the end",
    )
    if after < 0.5 * before:
        sentence = "Since the memory is full, new samples push out the oldest, and the oldest are the demos."
        return Finding(name, sentence, evidence, 0.9, source=history.name)
    return Sound(name, "; ".join(evidence), history.name)


def update_ratio(case: Case) -> Answer:
    """Updates per new sample against the ratio that is set."""
    name, history, recipe = "update-ratio", case.history, case.recipe
    if history is None:
        return None
    if "memory_len" not in history:
        return Lacking(name, "the column memory_len", history.name)
    if recipe is None or recipe.utd is None:
        return Lacking(name, "the recipe (--config), for MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP", history.name)
    memory = history["memory_len"]
    if "updates" in history:
        updates = history["updates"]
    elif recipe.updates_per_row:
        updates = np.arange(len(memory), dtype=np.float64) * recipe.updates_per_row
    else:
        return Lacking(name, "TRAINING_STEPS_PER_ROUND in the recipe", history.name)
    known = np.isfinite(memory) & np.isfinite(updates)
    half = known & (np.arange(len(memory)) >= len(memory) // 5)
    if half.sum() < 10:
        return Lacking(name, "more rows", history.name)
    m, u = memory[half], updates[half]
    grown = m[-1] - m[0]
    if grown < 1000:
        return Lacking(name, "a memory that grows", history.name)
    ratio, wanted = float((u[-1] - u[0]) / grown), recipe.utd
    text = f"{ratio:.2f} updates per new sample, {wanted:g} set"
    # Our own trainer owes every update; the old one's number was only an upper bound.
    if ratio < (0.5 if recipe.utd_exact else 0.25) * wanted or (recipe.utd_exact and ratio > 2 * wanted + 0.5):
        word = "fewer" if ratio < wanted else "more"
        sentence = f"The trainer does far {word} updates per step than the {wanted:g} that it is set to."
        if not recipe.utd_exact:
            sentence = f"The trainer does far fewer updates per step than the {wanted:g} that it may do: it does not keep up."
        return Finding(name, sentence, (text,), 0.85 if recipe.utd_exact else 0.7, source=history.name)
    return Sound(name, text, history.name)


def gradients(case: Case) -> Answer:
    """Gradient norms far above the clip for good, or zero."""
    history, recipe = case.history, case.recipe
    if history is None:
        return None
    answers: list[Finding | Sound | Lacking] = []
    for who in ("critic", "actor"):
        column = f"debug/{who}_grad_norm"
        if column not in history:
            answers.append(Lacking("gradients-zero", f"the column {column}", history.name))
            continue
        late = part(history[column], 0.4)
        typical = middle(late)
        if len(late) >= 5 and typical < 1e-8:
            sentence = f"No gradient reaches the {who}: it does not learn."
            answers.append(Finding("gradients-zero", sentence, (f"{column} {typical:.1e}",), 0.9, source=history.name))
        else:
            answers.append(Sound("gradients-zero", f"{column} {typical:.3g}", history.name))
        clip = None if recipe is None else recipe.clip_critic if who == "critic" else recipe.clip_actor
        if recipe is None:
            answers.append(Lacking("gradients-clipped", "the recipe (--config), for GRAD_CLIP_CRITIC", history.name))
        elif clip is not None:
            share = float((late > 5 * clip).mean()) if len(late) else 0.0
            text = f"{column} {typical:.2f}, clip {clip:g}; above five times the clip in {share:.0%} of the last rows"
            if share > 0.8:
                sentence = f"Nearly every gradient of the {who} is cut to a fraction of its length."
                answers.append(Finding("gradients-clipped", sentence, (text,), 0.85, source=history.name))
            else:
                answers.append(Sound("gradients-clipped", text, history.name))
    return answers


def sampling(case: Case) -> Answer:
    """Drawing a batch that takes longer and longer."""
    name, history = "sampling-slows", case.history
    if history is None:
        return None
    lost = history.missing("sampling_duration", "memory_len")
    if lost:
        return Lacking(name, f"the columns {', '.join(lost)}", history.name)
    seconds, memory = history["sampling_duration"], history["memory_len"]
    first, last = middle(part(seconds, 0, 0.1)), middle(part(seconds, 0.9))
    tied = correlation(seconds, memory)
    text = f"{first * 1000:.3g} ms a batch at first, {last * 1000:.3g} ms at the end (correlation with the memory {tied:+.2f})"
    if last > 2 * first and last > 0.01 and tied > 0.7:
        share = ""
        if "training_step_duration" in history:
            share = f"; an update takes {middle(part(history['training_step_duration'], 0.9)) * 1000:.3g} ms"
        sentence = "Each batch is found by going through the whole memory, which leaves less and less time for learning."
        return Finding(name, sentence, (text + share,), 0.85, source=history.name)
    return Sound(name, text, history.name)


CHECKS: tuple[Check, ...] = (composition, share_drift, evicted, update_ratio, gradients, sampling)
