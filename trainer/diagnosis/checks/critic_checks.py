"""What a history says about the critics: do they see the action, do they differ, is their target right, are they stable."""

from __future__ import annotations

import math

import numpy as np

from data.records import DRIVING_FAULTS
from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, column_check, history_check
from trainer.diagnosis.checks.probe_checks import LEAST_UPDATES, distinguishes
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.stats import Array, correlation, middle, part, trend

FAR_APART = 0.2  # distance of two distributions of actions, in units of a uniform one's deviation, that is worth a look
SAME_Q = 0.02  # |Q(o, a) - Q(o, pi(o))| over Q's deviation
SAME_SLOPE = 0.03  # the same for actions one uniform deviation apart; sound critics have 0.1 to 0.4, blind ones 0.01
UNIFORM_STD = 1 / math.sqrt(3)
LEAST_ROWS = 20


def action_distance(history: History) -> Array:
    """Return how far the batch's actions are from the policy's, row by row: the largest over the controls of the difference
    of means or of deviations, in units of a uniform action's deviation."""
    columns = (history.numbered(f"debug/{who}_", suffix) for suffix in ("", "_std") for who in ("a", "a1"))
    gaps = [np.fmax(np.abs(a - b), np.abs(sa - sb)) for a, b, sa, sb in zip(*columns, strict=False)]
    return np.asarray(np.max(gaps, axis=0) / UNIFORM_STD, np.float64)


def largest_reward(history: History) -> float:
    """Return the largest reward seen, by size: mean plus a deviation of ``debug/r``; 0 without that column."""
    if "debug/r" not in history:
        return 0.0
    return float(np.nanmax(np.abs(history["debug/r"]) + history.columns.get("debug/r_std", 0.0)))


@column_check(
    "critic-ignores-actions",
    *("debug/q1", "debug/q2", "debug/q_a1", "debug/q1_std", "debug/a_0", "debug/a1_0", "debug/a_0_std", "debug/a1_0_std"),
)
def ignores_actions(history: History, case: Case) -> Answer:
    """Q of the recorded actions equals Q of the policy's although the actions differ: the critic does not see them."""
    if any(isinstance(outcome, Sound) for outcome in distinguishes(case)):
        return None  # asked itself, the critic tells actions apart: means of batches cannot know better
    if "updates" in history and np.nanmax(history["updates"]) < LEAST_UPDATES:
        return Lacking(f"{LEAST_UPDATES} updates: before, a sound critic may know nothing of actions")
    distance = action_distance(history)
    q1, q2, q_pi, spread = (history[f"debug/{c}"] for c in ("q1", "q2", "q_a1", "q1_std"))
    gap = np.abs((q1 + q2) / 2 - q_pi) / np.maximum(spread, 1e-9)
    late = np.arange(len(gap)) >= len(gap) // 2
    use = late & (distance > FAR_APART) & np.isfinite(gap) & (spread > 1e-3)
    if use.sum() < LEAST_ROWS:
        return Lacking(
            "rows in which the batch's actions and the policy's differ, or a store with a checkpoint, to ask the critic"
        )
    typical, apart = middle(gap[use]), middle(distance[use])
    slope = middle(gap[use] / distance[use])
    if typical >= SAME_Q or slope >= SAME_SLOPE:
        return Sound(f"Q of recorded and of the policy's actions differ by {typical:.1%} of Q's deviation")
    evidence = (
        f"Q(o, recorded action) and Q(o, policy's action) differ by {typical:.3%} of Q's deviation over the last "
        f"{number_of(int(use.sum()), 'row')} (|Q| about {middle(np.abs(q_pi[use])):.1f}, deviation {middle(spread[use]):.1f})",
        f"yet the recorded actions lie {apart:.1f} deviations of a uniform action from the policy's",
    )
    sentence = (
        "The critic gives recorded actions and the policy's the same value, so nothing that was driven, takeovers included, "
        "can teach it."
    )
    return Finding(sentence, evidence, 0.97 if apart > 0.5 and slope < SAME_SLOPE / 10 else 0.9)


@column_check("twin-critics-identical", "debug/q1", "debug/q2")
def identical_twins(history: History, case: Case) -> Answer:
    """Two critics that are always equal."""
    q1, q2 = history["debug/q1"], history["debug/q2"]
    size = history.columns.get("debug/q1_std", np.abs(q1))
    gap = part(np.abs(q1 - q2) / np.maximum(size, 1e-9), 0.2)
    if len(gap) < 5:
        return Lacking("more rows")
    typical = middle(gap)
    if typical > 1e-5:
        return Sound(f"the critics differ by {typical:.2%} of Q's deviation")
    evidence = (f"debug/q1 and debug/q2 differ by {typical:.1e} of Q's deviation over {number_of(len(gap), 'row')}",)
    sentence = "Both critics are the same function, so taking the smaller of the two does not protect from overestimation."
    return Finding(sentence, evidence, 0.97)


def target_size(history: History) -> Array:
    """Return the size of the targets, mean plus a deviation, row by row."""
    return np.asarray(np.abs(history["debug/backup"]) + history.columns.get("debug/backup_std", 0.0), np.float64)


@column_check("discount-power", "debug/backup", "debug/r", "debug/q_a1_targ")
def discount_power(history: History, case: Case) -> Answer:
    """The slope of (target - reward) on the target critic's Q is the mean discount: gamma to the power n."""
    recipe, q = case.recipe, history["debug/q_a1_targ"]
    rest = history["debug/backup"] - history["debug/r"]
    entropy: Array | float = 0.0
    if recipe is not None and recipe.alpha is not None and "debug/logp_a2" in history:
        entropy = history.columns.get("debug/alpha", recipe.alpha) * history["debug/logp_a2"]
    clip = recipe.backup_clip if recipe is not None else None
    if clip is not None and middle(part(target_size(history), 0.6)) >= 0.97 * clip:
        return Lacking("targets that are not clipped")
    good = np.isfinite(rest) & np.isfinite(q) & (np.abs(q) > 0.3 * np.nanmax(np.abs(q)))
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


@history_check("q-return-apart")
def apart(history: History, case: Case) -> Answer:
    """Q rises while the return falls."""
    # Evaluations tell better than noisy drives, as soon as there are enough of them.
    known = [c for c in ("return_test", "return_train") if c in history and np.nanstd(history[c]) > 0]
    returns = max(known, key=lambda c: min(10, len(np.unique(part(history[c], 0.3)))), default=None)
    if "debug/q_a1" not in history or returns is None:
        return Lacking("the columns debug/q_a1 and return_train or return_test")
    q, r = part(history["debug/q_a1"], 0.3), part(history[returns], 0.3)
    values = len(np.unique(r))
    if min(len(q), len(r)) < 12 or values < 10:
        return Lacking(f"ten different values of {returns} (there are {values})")
    up, down = trend(q), trend(r)
    begin, end = middle(q[: len(q) // 4]), middle(q[-len(q) // 4 :])
    first, last = float(r[: len(r) // 4].mean()), float(r[-len(r) // 4 :].mean())
    evidence: tuple[str, ...] = (
        f"debug/q_a1 from {begin:.1f} to {end:.1f} (rank correlation with time {up:+.2f})",
        f"{returns} from {first:.1f} to {last:.1f} ({down:+.2f})",
    )
    noise = float(r.std()) / math.sqrt(max(1.0, values / 4))
    if up > 0.6 and down < -0.3 and end > begin + 0.2 * abs(begin) and first - last > max(2 * noise, 0.15 * abs(first)):
        sentence = "The critic believes that it gets better while the returns get worse: it overestimates."
        return Finding(sentence, evidence, min(0.9, 0.5 + abs(down) / 2))
    if up > 0.6 and down < -0.3:
        evidence = (*evidence, "the fall is too small against the noise to mean anything")
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


@history_check("exploded")
def exploded(history: History, case: Case) -> Answer:
    """Q that grows beyond anything the rewards can pay."""
    if "debug/q1" not in history:
        return None
    q = np.abs(history["debug/q1"])
    last = middle(part(q, 0.9))
    if not np.isfinite(last):
        return Lacking("numbers at the end of debug/q1")
    text, recipe = f"|Q| {last:.3g} at the end", case.recipe
    if "debug/r" in history and recipe is not None and recipe.gamma is not None:
        # In units of what is paid: a healthy run's Q is as large as its rewards make it, be they thousands or thousandths.
        bound = 2 * largest_reward(history) / max(1e-4, 1 - recipe.gamma ** (recipe.n_step or 1))
        # What it pays for ever, and more. Our trainer's setting is in the unit that it learns in, its column in that of rewards.
        alpha = middle(part(history["debug/alpha"], 0.9)) if "debug/alpha" in history else recipe.alpha
        entropy = 1000.0 * (alpha or 0.0)
        if last > max(2 * bound, entropy):
            evidence = (text, f"the rewards seen could pay about {bound:.3g} at most (mean plus a deviation, for ever)")
            return Finding("Q lies far above anything that can be earned.", evidence, 0.85)
        return Sound(f"{text}; the rewards seen could pay {bound:.3g}")
    holes = int(np.isnan(q[len(q) // 2 :]).sum())
    grows = trend(q) > 0.9 and correlation(np.log(q + 1), np.arange(len(q), dtype=np.float64)) > 0.9
    if last > 1e5 or (last > 1e3 and grows):
        return Finding("Q grows without end.", (text, f"{number_of(holes, 'row')} without a value"), 0.8)
    return Sound(text)


LEARNED = ("loss", "debug/q", "alpha", "entropy", "ent_coef", "grad", "temperature")
"""Parts of the names of columns that the learner itself works out."""


@history_check("exploded")
def no_numbers(history: History, case: Case) -> Answer:
    """Losses, values or temperatures that turn into NaN or infinity: nothing is learned from there on."""
    lost: list[str] = []
    for column, values in history.columns.items():
        finite = np.flatnonzero(np.isfinite(values))
        if not len(finite) or not any(word in column.lower() for word in LEARNED):
            continue
        last = int(finite[-1])
        dense = len(finite) > 0.9 * (last + 1)  # a column that is written now and then has rows without a value anyway
        if np.isinf(values).any() or (dense and len(values) - 1 - last > max(5, 0.02 * len(values))):
            lost.append(f"{column}: the last number is in row {last + 1} of {len(values)}")
    if not lost:
        return None
    return Finding("What is learned has become NaN or infinite.", tuple(lost[:5]), 0.95)


CHECKS: tuple[Check, ...] = (ignores_actions, identical_twins, discount_power, apart, ends, at_clip, exploded, no_numbers)
