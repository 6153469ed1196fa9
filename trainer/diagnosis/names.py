"""What others call a run's figures: one table, from our names (those of tmrl's fork) to all that are known for the same thing.

Known are tmrl 0.7, its TQC fork of February and of March, TrackmaniaRL (on W&B and in its ``events.jsonl``), Stable-Baselines3
(CSV, TensorBoard, Monitor), CleanRL, and the exports of charts, which carry any of these. A name counts by its letters and digits
alone, whatever its case: ``debug_q1``, ``debug/q1`` and ``Debug Q1`` are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from trainer.diagnosis.stats import Array

ALIASES: dict[str, tuple[str, ...]] = {
    # the run
    "_step": ("step", "global step", "time/total timesteps", "total timesteps", "timesteps total"),
    "_timestamp": ("wall time", "timestamp"),
    "_runtime": ("relative time (process)", "relative time (wall)", "time/time elapsed"),
    "updates": ("train/n updates", "total updates", "training/updates", "learner/updates", "training/total updates"),
    # returns and lengths
    "return_test": (
        "metrics/return_test", "eval/return deterministic", "eval/mean reward", "evaluation/return", "eval/return",
        "eval/episodic return", "test/return",
    ),
    "return_train": ("metrics/return_train", "rollout/ep_rew_mean", "charts/episodic return", "episode/return", "episode/reward"),
    "episode_length_train": (
        "metrics/episode_length_train", "rollout/ep_len_mean", "charts/episodic length", "episode/steps", "episode/transitions",
        "episode/length",
    ),
    "episode_length_test": (
        "metrics/episode_length_test", "eval/mean ep length", "eval/episode length deterministic", "evaluation/steps",
    ),
    "finish_rate": (
        "eval/success_rate", "rollout/success_rate", "episode/finish rate", "episode/finished", "evaluation/finish rate",
        "worker/finish rate", "success_rate", "is_success",
    ),
    # a worker's episodes, one a row
    "worker/return": ("run/run reward", "run/reward", "run reward"),
    "worker/steps": ("run/steps",),
    "worker/seconds": ("run/run time", "run/episode time"),
    "worker/best_progress": ("run/best race progress", "best race progress"),
    "worker/progress": (
        "episode/progress pct", "episode/progress", "run/race progress", "race progress", "progress pct", "progress",
        "lap progress", "track progress", "completion percentage", "distance along track",
    ),
    # the learner
    "losses/loss_actor": (
        "loss actor", "losses/actor", "losses/actor loss", "train/actor loss", "learner/loss/actor", "loss/actor",
        "losses/policy loss", "train/policy gradient loss",
    ),
    "losses/loss_critic": (
        "loss critic", "losses/critic", "losses/qf loss", "train/critic loss", "learner/loss/critic", "learner/loss/value",
        "learner/loss/iqn", "loss/iqn loss", "loss/critic", "losses/value loss", "train/value loss", "losses/td loss",
        "train/loss",
    ),
    "debug/alpha": ("entropy coef", "ent coef", "train/ent coef", "losses/alpha", "learner/alpha", "alpha", "temperature"),
    "log_alpha": ("debug/log alpha", "train/log ent coef", "losses/log alpha"),
    "debug/q1": ("losses/qf1 values", "learner/q mean", "learner/debug/q selected mean", "losses/q values"),
    "debug/q2": ("losses/qf2 values",),
    "debug/critic_grad_norm": ("learner/gradient norm max", "learner/debug/gradient norm", "losses/critic grad norm"),
    "debug/actor_grad_norm": ("losses/actor grad norm",),
    # memory and pace
    "memory_len": ("buffer/memory_len", "replay/size", "replay size", "buffer/size", "buffer size"),
    "debug/demo_fraction_in_batch": (
        "buffer/demo fraction in batch", "demo fraction in batch", "replay/demo fraction", "learner/debug/demo fraction",
    ),
    "debug/demo_sampling_weight": ("buffer/demo sampling weight", "demo sampling weight"),
    "sampling_duration": ("timing/sampling duration", "performance/replay sample s"),
    "training_step_duration": ("timing/training step duration", "performance/update s"),
    "round_time": ("timing/round time",),
    "idle_time": ("timing/idle time",),
}  # fmt: skip
"""Whole names, the likeliest first."""
ENDS: dict[str, tuple[str, ...]] = {
    "return_test": ("return test", "test return", "eval return", "return eval", "evaluation return", "eval mean reward",
                    "test reward"),
    "return_train": (
        "return train", "train return", "worker return", "ep rew mean", "episode return", "episodic return", "ep return",
        "episode reward", "mean reward", "mean return", "run reward", "return", "reward train", "train reward", "reward", "score",
    ),
    "debug/alpha": ("alpha", "entropy coef", "ent coef", "alpha t", "temperature", "entropy coefficient"),
    "log_alpha": ("log alpha", "log ent coef", "log entropy coef", "log temperature"),
}  # fmt: skip
"""Ends of names, for trainers that are not in the table."""
MONITOR = {"r": "worker/return", "l": "worker/steps", "t": "worker/seconds"}
"""Stable-Baselines3's Monitor: one episode a row."""
_GROUPS = ("debug", "metrics", "buffer", "timing", "losses")
"""First parts of a name that trainers of this family put before ours, or instead of ours."""


def plain(name: str) -> str:
    """Return a name's letters and digits, its parts joined by one "_"."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


_WHOLE = {plain(alias): (ours, rank) for ours, aliases in ALIASES.items() for rank, alias in enumerate((ours, *aliases))}
_ACTIONS = re.compile(r"a[12]?_\d+(_std)?")
_DEBUG = {
    f"{who}{part}"
    for who in ("q1", "q2", "q_a1", "q_a1_targ", "backup", "r", "d", "log_pi", "logp_a2", "alpha")
    for part in ("", "_std")
} | {"critic_grad_norm", "actor_grad_norm", "demo_fraction_in_batch", "demo_sampling_weight"}


def ours_for(name: str) -> tuple[str, int] | None:
    """Return our name for a column, and how far down its list of aliases it stands; None for one that is not in the table."""
    known = plain(name)
    if known in _WHOLE:
        return _WHOLE[known]
    group, _, rest = known.partition("_")
    if group in _GROUPS:
        if rest in _DEBUG or _ACTIONS.fullmatch(rest):
            return f"debug/{rest}", 50
        if rest in _WHOLE:
            return _WHOLE[rest][0], 60
    return None


def renamed(columns: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the columns under our names, in their order, and what those that had another name were called.

    Of several for the same thing, one that varies goes before one that does not (a trainer that never evaluates logs zeros), and
    then the one that stands first in the table.
    """
    if {"r", "l", "t"} <= columns.keys() and len(columns) <= 6:
        return {MONITOR.get(k, k): v for k, v in columns.items()}, {ours: k for k, ours in MONITOR.items()}
    best: dict[str, tuple[bool, int, str]] = {}
    for name, values in columns.items():
        if (found := ours_for(name)) is not None:
            place = (not _varies(values), found[1], name)
            best[found[0]] = min(best.get(found[0], place), place)
    for ours in ENDS:
        if ours not in best and (named := _by_end(columns, ours, {b[2] for b in best.values()})) is not None:
            best[ours] = (False, 99, named)
    called = {name: ours for ours, (_, _, name) in best.items()}
    found_columns = {called.get(name, name if name not in best else f"{name} (as named)"): v for name, v in columns.items()}
    return found_columns, {ours: name for name, ours in called.items() if ours != name}


def _varies(values: Array) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 0 and float(known.min()) != float(known.max())


def _by_end(columns: Iterable[str], ours: str, taken: set[str]) -> str | None:
    free = {plain(c): c for c in columns if c not in taken and ours_for(c) is None}
    if ours in ("debug/alpha", "log_alpha"):
        free = {k: c for k, c in free.items() if "loss" not in k and not k.endswith("std")}
    for end in map(plain, ENDS[ours]):
        for known, column in free.items():
            if known == end or known.endswith("_" + end):
                if ours == "debug/alpha" and "log" in known.split("_"):
                    continue
                return column
    return None
