"""What a history says about the critics' targets: their discount and steps, the ends of episodes in them, their clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import DRIVING_FAULTS
from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, column_check, history_check
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.paid import UNPAID, nothing_paid
from trainer.diagnosis.recipe import Recipe
from trainer.diagnosis.stats import Array, middle, part


def target_size(history: History) -> Array:
    """Return the size of the targets, mean plus a deviation, row by row."""
    return np.asarray(np.abs(history["debug/backup"]) + history.columns.get("debug/backup_std", 0.0), np.float64)


APART = Lacking("more rows in which debug/r and debug/q_a1_targ vary, each on its own")


@dataclass(frozen=True)
class TargetFit:
    """How the targets follow from the step's reward and the next value, fitted together; each with its standard error."""

    reward: float
    """Weight of the reward: 1 for one step (or where the column holds sums), about n for n steps of a single reward."""
    reward_error: float
    discount: float
    """Weight of the next value, with what episodes' ends take from it added again: gamma to the power of the steps."""
    discount_error: float
    rows: int


def fit_targets(history: History, alpha: float | None) -> TargetFit | None:
    """Regress ``debug/backup`` on ``debug/r`` and ``debug/q_a1_targ``; None for too few rows."""
    target, r, q = (history[f"debug/{c}"] for c in ("backup", "r", "q_a1_targ"))
    columns = [r, q]
    if "debug/logp_a2" in history:
        if alpha is None:
            columns.append(history["debug/logp_a2"])
        else:
            columns[1] = q - history.columns.get("debug/alpha", alpha) * history["debug/logp_a2"]
    known = np.isfinite(np.array([target, *columns])).all(0)
    x, y = np.stack([*columns, np.ones_like(r)], 1)[known], target[known]
    for _ in range(3):  # rows of an explosion or of another day are left out
        if len(y) < 30 or (x[:, :2].std(0) < 1e-12).any():
            return None
        weights, *_ = np.linalg.lstsq(x, y, rcond=None)
        off = np.abs(y - x @ weights)
        keep = off <= 4 * 1.4826 * float(np.median(off)) + 1e-12 * float(np.abs(y).max())
        if keep.all():
            break
        x, y = x[keep], y[keep]
    spread = float(np.sum((y - x @ weights) ** 2)) / max(1, len(y) - x.shape[1])
    error = np.sqrt(np.maximum(np.diag(np.linalg.pinv(x.T @ x)) * spread, 0.0))
    ended = float(np.nanmean(history["debug/d"])) if "debug/d" in history else 0.0
    left = max(1e-6, 1 - ended)
    return TargetFit(float(weights[0]), float(error[0]), float(weights[1]) / left, float(error[1]) / left, len(y))


@column_check("discount-power", "debug/backup", "debug/r", "debug/q_a1_targ")
def discount_power(history: History, case: Case) -> Answer:
    """Read the steps and the discount off the targets, and compare them with what is set."""
    recipe = case.recipe
    clip = recipe.backup_clip if recipe is not None else None
    if clip is not None and middle(part(target_size(history), 0.6)) >= 0.97 * clip:
        return Lacking("targets that are not clipped")
    if history.ours:
        return _of_ours(history, recipe)
    fit = fit_targets(history, recipe.alpha if recipe is not None else None)
    if fit is None or fit.reward_error > 0.15 or fit.discount_error > 0.004:
        return APART
    evidence = (
        f"targets are {fit.reward:.2f} of the reward and {fit.discount:.4f} of the next value, ends of episodes taken out "
        f"(fitted together over {number_of(fit.rows, 'row')}, ±{fit.reward_error:.2f} and ±{fit.discount_error:.4f})",
    )
    if fit.discount > 1.0 + max(0.002, 3 * fit.discount_error):
        return Finding("The next value counts more than it is worth: the discount is above one.", evidence, 0.85)
    steps = max(1, round(fit.reward)) if abs(fit.reward - round(fit.reward)) < 0.35 else 1
    gamma = min(1.0, fit.discount) ** (1 / steps)
    told = f"{number_of(steps, 'step')} at a discount of {gamma:.4f}"
    if recipe is None or recipe.gamma is None or recipe.n_step is None:
        return Sound(f"the targets are of {told}; {evidence[0]}")
    return _against(recipe.gamma, recipe.n_step, fit, told, evidence)


def _against(gamma: float, n: int, fit: TargetFit, told: str, evidence: tuple[str, ...]) -> Answer:
    """Compare what was read off the file with what is set."""
    room = max(0.004, 3 * fit.discount_error)
    summed = (1 - gamma**n) / (1 - gamma) if gamma < 1 else float(n)  # weight of a single reward in n-step returns
    evidence = (*evidence, f"set are N_STEPS {n} and GAMMA {gamma:g}, whose power is {gamma**n:.4f}")
    single, whole = abs(fit.reward - 1) < 0.3, n > 1 and abs(fit.reward - summed) < 0.2 * summed
    if abs(fit.discount - gamma**n) <= room:  # then an odd weight of the reward is one that the fit could not tell
        return Sound("; ".join(evidence)) if single or whole else APART
    if n > 1 and whole and abs(fit.discount - gamma) <= room:
        sentence = f"{n}-step returns are bootstrapped with gamma instead of gamma to the power {n}, so Q is too large."
        return Finding(sentence, evidence, 0.95)
    if n > 1 and single and abs(fit.discount - gamma) <= room:
        sentence = f"N_STEPS {n} is not in force in this run: its targets are of {told}."
        change = "Do not count on it: a reward reaches back one step an update. Use a version of the trainer that reads N_STEPS."
        return Finding(sentence, evidence, 0.85, change=change, level="warning")
    sentence = f"The targets are not those of the set gamma and number of steps: they are of {told}."
    return Finding(sentence, evidence, 0.7, level="warning")


def _of_ours(history: History, recipe: Recipe | None) -> Answer:
    """Judge our own trainer's: its ``debug/r`` is the sum over the steps, so (target - reward) / Q is the mean discount."""
    if nothing_paid(history):
        return UNPAID
    q = history["debug/q_a1_targ"]
    rest = history["debug/backup"] - history["debug/r"]
    entropy: Array | float = 0.0
    if recipe is not None and recipe.alpha is not None and "debug/logp_a2" in history:
        entropy = history.columns.get("debug/alpha", recipe.alpha) * history["debug/logp_a2"]
    # Beside its deviation, too: the mean of values that lie on both sides of 0 is mostly chance.
    size = np.abs(q) + np.nan_to_num(history.columns.get("debug/q_a1_targ_std", np.zeros_like(q)))
    good = np.isfinite(rest) & np.isfinite(q) & (np.abs(q) > 0.3 * np.nanmax(size))
    if good.sum() < 5:
        return Lacking("more rows in which Q is not near 0")
    slope = middle((rest / (q - entropy))[good])
    if recipe is None or recipe.gamma is None or recipe.n_step is None:
        return Lacking(
            f"the recipe (--config): each target is reward + {slope:.4f} Q, which is right only if gamma to the power of "
            "N_STEPS is that"
        )
    gamma, n = recipe.gamma, recipe.n_step
    wanted = gamma**n
    # A terminal step bootstraps nothing, and so do the n - 1 before it: the slope is smaller by their share.
    ended = 0.0
    if "debug/d" in history:
        ended = middle(history["debug/d"])
    elif "episode_length_train" in history:
        ended = n / max(float(n), middle(history["episode_length_train"]))
    evidence = (
        f"targets are reward + {slope:.4f} Q (median of {number_of(int(good.sum()), 'row')})",
        f"gamma {gamma} to the power of {n} steps is {wanted:.4f}, gamma alone {gamma:.4f}"
        + (f"; up to {ended:.1%} of the rows end" if ended >= 0.0005 else ""),
    )
    room = 0.2 * (gamma - wanted)
    if n > 1 and slope > wanted + room and gamma * (1 - ended) - room < slope < gamma + room:
        sentence = f"{n}-step returns are bootstrapped with gamma instead of gamma to the power {n}, so Q is too large."
        sure = 0.95 if abs(slope - gamma * (1 - ended)) < room or abs(slope - gamma) < room else 0.8
        return Finding(sentence, evidence, sure)
    missed = max(wanted * (1 - ended) - slope, slope - wanted, 0.0)
    if slope > 1.0 + 1e-6 or missed > max(0.03, 3 * (gamma - wanted)):
        sentence = "The targets are not reward plus discounted Q of the set gamma and number of steps."
        return Finding(sentence, evidence, min(0.85, 0.5 + 5 * missed), level="warning")
    return Sound("; ".join(evidence))


@history_check("terminal-dropped")
def ends(history: History, case: Case) -> Answer:
    """Rows that end an episode must be among those that are learned from, as often as episodes end."""
    if "debug/d" not in history:
        return Lacking("the column debug/d (share of a batch that ends an episode)")
    if not history.ours:
        return _ends_of_a_foreign_run(history)
    recipe = case.recipe
    if recipe is None or recipe.batch_size is None or case.drives is None:
        return Lacking("the recorded episodes and the batch size, for how many rows should end one")
    learned = [e for e in case.drives.episodes if e.purpose in ("drive", "lap", "practice")]
    over = [e for e in learned if e.reason in (*DRIVING_FAULTS, "finish")]
    steps = sum(e.length for e in learned)
    if len(over) < 10 or not steps:
        return Lacking(f"ten episodes that ended by themselves (there are {len(over)})")
    column = history["debug/d"]
    known = column[np.isfinite(column)]
    rows = len(known) * recipe.batch_size
    wanted = len(over) / steps
    text = (
        f"{known.mean():.3%} of {number_of(rows, 'row')} looked at end an episode; {len(over)} of "
        f"{number_of(len(learned), 'recorded episode')} with "
        f"{number_of(steps, 'step')} ended by themselves, so about {wanted:.3%} or more should"
    )
    if wanted * rows < 12:
        return Lacking("more rows")
    if known.mean() < 0.1 * wanted:
        sentence = "The end of an episode never reaches the critic: it goes on counting what would follow."
        return Finding(sentence, (text,), 0.95)
    return Sound(text)


def _ends_of_a_foreign_run(history: History) -> Answer:
    """Compare the share of rows that end an episode with the episodes' length. A time limit does not count as an end."""
    if "episode_length_train" not in history:
        return Lacking("the column episode_length_train")
    ended, length = part(history["debug/d"], 0.3), middle(part(history["episode_length_train"], 0.3))
    share = float(np.nanmean(ended))
    demos = middle(part(history["debug/demo_fraction_in_batch"], 0.3)) if "debug/demo_fraction_in_batch" in history else 0.0
    wanted = (1 - demos) / max(length, 1.0)
    text = (
        f"{share:.3%} of the rows end an episode; episodes last {length:.0f} steps and {demos:.0%} of the rows are demos, so "
        f"{wanted:.3%} or more should"
    )
    if len(ended) < 50 or not wanted > 0:
        return Lacking("more rows")
    if share < 0.2 * wanted:
        sentence = "Most ends of episodes do not reach the critic, unless it was a time limit that cut those episodes."
        return Finding(sentence, (text,), 0.4, level="warning")
    return Sound(text)


@column_check("targets-at-clip", "debug/backup")
def at_clip(history: History, case: Case) -> Answer:
    """Targets that lie at plus or minus the clip."""
    if case.recipe is None:
        return Lacking("the recipe (--config), for BACKUP_CLIP_RANGE")
    clip = case.recipe.backup_clip
    if clip is None:
        return Sound("the targets are not clipped")
    late_mean, late_top = middle(part(np.abs(history["debug/backup"]), 0.6)), middle(part(target_size(history), 0.6))
    text = f"targets of the last 40 % of rows: {late_mean:.1f}, one deviation more {late_top:.1f}; clip {clip:g}"
    if late_top >= 0.97 * clip:
        sentence = "Many targets lie at the clip, so good and very good actions look the same."
        return Finding(sentence, (text,), 0.9 if late_mean > 0.8 * clip else 0.7)
    return Sound(text)


CHECKS: tuple[Check, ...] = (discount_power, ends, at_clip)
