"""What a history says about the policy: has it left its random start, is it stuck, does its temperature run away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from trainer.diagnosis.case import Answer, Case, Check, history_check, probe_check
from trainer.diagnosis.checks.history.critic_checks import UNIFORM_STD
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.paid import largest_reward
from trainer.diagnosis.stats import middle, part, trend

if TYPE_CHECKING:
    from trainer.diagnosis.probe import Probe

AS_SHOWN = 0.15
"""How much more often than the agent that teaches it a policy may be at its limits and still be like it."""
STILL = 0.03
"""Change of a mean or a deviation of the policy's actions, beyond the noise of batches, that is none."""


@history_check("uniform-policy")
def uniform_policy(history: History, case: Case) -> Answer:
    """Actions as a uniform distribution would give them, from the start to the end of the run."""
    means, spreads = history.numbered("debug/a1_"), history.numbered("debug/a1_", "_std")
    if not means or len(means) != len(spreads):
        return Lacking("the columns debug/a1_0, debug/a1_0_std, …")
    mean = [middle(part(m, 0.6)) for m in means]
    spread = [middle(part(s, 0.6)) for s in spreads]
    if len(part(means[0], 0.6)) < 8 or any(math.isnan(v) for v in (*mean, *spread)):
        return Lacking("more rows")
    flat = -len(means) * math.log(2)
    uniform = all(abs(m) < 0.12 for m in mean) and all(abs(s - UNIFORM_STD) < 0.05 for s in spread)
    moved = max(abs(middle(part(c, 0.0, 0.15)) - middle(part(c, 0.6))) for c in (*means, *spreads))
    evidence = [
        f"the policy's actions have means {', '.join(f'{m:+.3f}' for m in mean)} and deviations "
        f"{', '.join(f'{s:.3f}' for s in spread)} (uniform: 0 and {UNIFORM_STD:.3f}); none moved by more than {moved:.3f}"
    ]
    sure, stays = 0.6, False
    if "debug/log_pi" in history:
        column = history["debug/log_pi"]
        density, first = middle(part(column, 0.6)), middle(part(column, 0.0, 0.15))
        evidence.append(f"log density {density:.2f} (uniform: {flat:.2f}; at the start {first:.2f})")
        uniform = uniform and abs(density - flat) < 0.12 * len(means)
        # Random weights give no uniform policy but one as wide, and it stays what it is.
        stays = moved < 0.08 and abs(density - first) < 0.15 and abs(density - flat) < 0.5 * len(means)
        sure = 0.97 if uniform else 0.85
    began = history.begins_at
    if history.ours and not began and not uniform and not stays and _still(history):
        sentence = "The policy is what it was in the first rows: it has learned nothing from all updates so far."
        return Finding(sentence, tuple(evidence), 0.8)
    if stays and not uniform and began:  # it may have learned before, and stand since
        return Lacking(f"the rows before step {began:,.0f}, for what the policy was at the start of the run")
    if uniform or stays:
        sentence = "The policy still draws its actions at random: it has learned nothing from all updates so far."
        if began:
            sentence = f"The policy draws its actions at random in all of this file, which begins at step {began:,.0f}."
        return Finding(sentence, tuple(evidence), sure)
    return Sound("; ".join(evidence))


def _still(history: History) -> bool:
    """Whether nothing of the policy has moved since the first rows by more than batches make it, whatever its random weights are.

    Only our own trainer writes its first row so early that nothing can have been learned before. A column that lacks its first
    numbers says nothing.
    """
    known = 0
    columns = [*history.numbered("debug/a1_"), *history.numbered("debug/a1_", "_std")]
    columns += [history["debug/log_pi"]] if "debug/log_pi" in history else []
    for column in columns:
        first, late = part(column, 0.0, 0.05), part(column, 0.6)
        if not len(first) or not len(late):
            continue
        if abs(middle(first) - middle(late)) > STILL + 2.5 * float(late.std()) / len(first) ** 0.5:
            return False
        known += 1
    return known > 0


def _theirs(case: Case) -> float:
    """Return how often an agent from elsewhere has asked for every control at a limit in the drives that are looked at."""
    return case.drives.theirs_at_limit if case.drives is not None else 0.0


@history_check("actions-saturated")
def saturated(history: History, case: Case) -> Answer:
    """Every control stuck at one limit, whatever is seen."""
    means, spreads = history.numbered("debug/a1_"), history.numbered("debug/a1_", "_std")
    if not means or len(means) != len(spreads):
        return Lacking("the columns debug/a1_0, debug/a1_0_std, …, or a store")
    mean = np.array([middle(part(m, 0.7)) for m in means])
    spread = np.array([middle(part(s, 0.7)) for s in spreads])
    # E[a^2] = 1 when every action lies at a limit, on whichever side.
    size = np.sqrt(mean**2 + spread**2)
    text = "root mean square of the policy's actions " + ", ".join(f"{s:.3f}" for s in size)
    if (size > 0.985).all():
        if _theirs(case) > 0.85:
            return Sound(f"{text}; the agent that teaches it does the same")
        sentence = "Every action of the policy lies at a limit, where its gradient is zero: it cannot leave."
        return Finding(sentence, (text, "1 is the limit"), 0.85)
    return Sound(text)


@history_check("temperature-runaway")
def temperature(history: History, case: Case) -> Answer:
    """A learned temperature that grows or falls without end."""
    column = next((c for c in ("log_alpha", "debug/alpha") if c in history), None)
    logarithm = column == "log_alpha"
    if column is None:
        if case.recipe is not None and case.recipe.learn_alpha is False:
            return Sound(f"the temperature is fixed at {case.recipe.alpha}")
        return Lacking("the column debug/alpha, or the recipe (--config) if it is fixed")
    values = np.exp(np.clip(history[column], -80.0, 80.0)) if logarithm else history[column]
    first, last, top = middle(part(values, 0.0, 0.1)), middle(part(values, 0.9)), float(np.nanmax(values))
    if not np.isfinite(last):
        return Lacking(f"numbers at the end of {column}")
    growth = trend(part(values, 0.3))
    text = f"{'exp ' if logarithm else ''}{column} from {first:.3g} to {last:.3g} (largest {top:.3g}"
    text += f"; rank correlation with time {growth:+.2f})" if np.isfinite(growth) else ")"
    # The larger the reward, the larger a sound temperature; it settles where the entropy is what it should be.
    paid = largest_reward(history)
    if last > max(1.0, 10 * first) and (growth > 0.7 or 0.0 < 3 * paid < last):
        sentence = "The temperature grows without end: being random is worth more than driving well."
        if not growth > 0.7:
            sentence = "The temperature has grown far beyond what driving well is paid: being random is worth more."
        return Finding(sentence, (text,), 0.95 if growth > 0.7 else 0.8)
    if 0 < last < min(1e-7, 1e-3 * first):
        sentence = "The temperature has fallen to nothing: the policy no longer explores."
        return Finding(sentence, (text,), 0.6, level="warning")
    return Sound(text)


@probe_check("actions-saturated")
def stuck(probe: Probe, case: Case) -> Answer:
    """Greedy actions that are all at their limits."""
    text = f"in {probe.saturated:.0%} of {probe.rows} states every control of the greedy action lies at a limit"
    if probe.saturated > 0.85:
        theirs = max(probe.shown, _theirs(case))
        if theirs > probe.saturated - AS_SHOWN:
            return Sound(f"{text}; so does the agent that teaches it, in {theirs:.0%}")
        sentence = "Whatever it sees, the policy asks for full lock and full pedal."
        return Finding(sentence, (text,), 0.9)
    return Sound(text)


CHECKS: tuple[Check, ...] = (uniform_policy, saturated, temperature, stuck)
