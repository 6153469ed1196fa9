"""Training settings of earlier versions: what is done today instead, and what is said where one of them meant something else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from data.errors import shown
from trainer.config import NAMES, beyond_bounds

_FADES = "cloning keeps its weight"
_RETURN = "`hitl train --init best` goes back to the best"

RETIRED: dict[str, tuple[Any, str]] = {
    "adam_eps": (1e-8, "Adam's epsilon is 1e-8"),
    "l2_actor": (0.0, "there is no L2 penalty; weight_decay_actor is AdamW's"),
    "l2_critic": (0.0, "there is no L2 penalty"),
    "weight_decay_critic": (0.0, "critics have no weight decay"),
    "optimizer_actor": ("adam", "the optimiser is Adam"),
    "optimizer_critic": ("adam", "the optimiser is Adam"),
    "clip_weights": (None, "weights are not clipped; grad_clip_actor and grad_clip_critic clip gradients"),
    "schedule": ("", "learning rates stay as they are set"),
    "schedule_period": (100_000, "learning rates stay as they are set"),
    "schedule_growth": (2, "learning rates stay as they are set"),
    "schedule_min": (1e-6, "learning rates stay as they are set"),
    "max_updates": (None, "training ends when it is stopped; utd bounds the updates by what was driven"),
    "demo_weight_decay": (200_000, "demo_weight falls to 1 over 200,000 samples"),
    "demo_min_fraction": (0.0, "with one_replay, demo_weight alone says how much is drawn of demos"),
    "demo_max_fraction": (1.0, "with one_replay, demo_weight alone says how much is drawn of demos"),
    "demo_repeat": (1, "with one_replay, demo_weight alone says how much is drawn of demos"),
    "learn_from_evaluation": (False, "evaluations are never learned from"),
    "own_priority": (1.0, "the agent's own finishes weigh as much as laps by default; own_finishes=0 leaves them out"),
    "bc_loss": ("mse", "cloning is by the squared error of the greedy action"),
    "bc_scale_q": (False, "cloning has the weight bc_weight, whatever Q is"),
    "bc_decay_steps": (0, _FADES),
    "bc_weight_end": (0.0, _FADES),
    "bc_follow_passes": (False, _FADES),
    "bc_floor": (0.1, _FADES),
    "critics_trusted_after": (30_000, "after laps the weight of Q grows to q_after_laps over q_warmup_updates"),
    "on_collapse": ("warn", _RETURN),
    "collapse_evaluations": (2, _RETURN),
    "collapse_pause": (20_000, _RETURN),
}
"""By name: the value with which nothing is changed, and what is done today."""


def without_retired(values: Mapping[str, Any], source: str) -> tuple[dict[str, Any], list[str]]:
    """Return values that were asked for without those of earlier versions, and a sentence about each of these."""
    said = [
        f"{source}: {name} is not a setting of this version and is ignored: {RETIRED[name][1]}."
        for name in values
        if name in RETIRED
    ]
    return {name: value for name, value in values.items() if name not in RETIRED}, said


def unknown_settings(checkpoint: str, values: Mapping[str, Any]) -> str:
    """Return a sentence about the settings in a checkpoint that have no effect here; empty where all have.

    A setting of an earlier version is named only where it was set to something else than what is done today.
    """
    usual = {name for name, value in values.items() if name in RETIRED and value == RETIRED[name][0]}
    differ = {n: v for n, v in values.items() if (beyond_bounds(n, v) if n in NAMES else n not in usual)}
    if not differ:
        return ""
    unknown = [f"{shown(name, 40)} = {shown(json.dumps(differ[name]), 40)}" for name in sorted(differ)]
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    return (
        f"The checkpoint '{checkpoint}' was trained with settings that this version does not know or allow "
        f"({', '.join(unknown[:5])}{more}): they have no effect here. Install the version that wrote it to go on as it was."
    )
