"""The ways to go on from a stall that ``ceiling.py`` compares: what each is, and what it is set to.

Every arm begins with the same networks, the same optimiser state, the same memory and the same two laps, and gets the same
number of driven steps and of updates for each. Settings are changes to the ``hitl`` preset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from opponents import WITHOUT_OURS

from trainer.presets import PRESETS

HELP_S = 30.0  # s of human driving that an arm may use
WHEREVER_S = 45.0  # where help goes on to the next corner
UTD = 1.0  # updates for each driven step, in the stalled run and in every arm

RUN_L: dict[str, Any] = WITHOUT_OURS | {
    "one_replay": True,
    "demo_fraction": 0.0,
    "demo_weight": 1.15,
    "takeover_priority": 1.0,
    "star_priority": 1.0,
    "utd": UTD,
    "warmup_steps": 1000,
    "init_gas_bias": 0.8,
    "drop_pool": 8,
    "lr_actor": 5e-5,
    "lr_critic": 2.5e-4,
    "betas_actor": (0.997, 0.997),
    "betas_critic": (0.997, 0.997),
    "grad_clip_actor": 1.0,
    "grad_clip_critic": 1.0,
    "backup_clip": 100.0,
}
"""The learner that stalls: the reference recipe (preset ``run_l``) with both learning rates five times as high, so that it
stands still within minutes and not within a night, and with a smaller network and batch (those of the ``hitl`` preset) for the
same reason."""

RATES: dict[str, Any] = {
    name: getattr(PRESETS["hitl"], name)
    for name in (
        *(
            "actor_average",
            "actor_average_growth",
            "recent_fraction",
            "log_std_max",
            "lr_actor",
            "lr_critic",
            "drop_pool",
        ),
        *("betas_actor", "betas_critic", "grad_clip_actor", "grad_clip_critic", "backup_clip"),
    )
}
"""Those of the ``hitl`` preset: what a faster and steadier optimiser alone would do at the stall."""


@dataclass(frozen=True)
class Arm:
    """One way to go on from the stall."""

    text: str
    takeovers: bool = False
    laps_s: float = 0.0  # s of further human laps before it begins, in whole laps
    greedy_every: int = 0  # every second, third, … episode is driven without noise; 0: none
    practice: bool = False  # every second episode begins shortly before the corner
    on_request: bool = False  # the human takes over when the agent asks, and only then
    wherever: bool = False  # the human takes over where the agent's last try alone ended, not only where it stalled
    rescues: bool = False  # the human drives on from where the agent stands in a try of its own
    proves: bool = False  # drives without noise are by weights that passed a trial
    settings: dict[str, Any] = field(default_factory=dict)
    make_learner: Callable[..., Any] | None = None
    make_replay: Callable[..., Any] | None = None


def ours(
    text: str,
    *,
    takeovers: bool = True,
    laps_s: float = 0.0,
    greedy_every: int = 2,
    practice: bool = False,
    on_request: bool = False,
    wherever: bool = False,
    rescues: bool = False,
    proves: bool = True,
    **settings: Any,
) -> Arm:
    """Return an arm of our recipe (with takeovers, unless it says otherwise) with some settings changed."""
    return Arm(text, takeovers, laps_s, greedy_every, practice, on_request, wherever, rescues, proves, settings)


ARMS: dict[str, Arm] = {
    "continue": Arm("no change: one replay, no takeovers", settings=RUN_L),
    "continue_fast": Arm("no takeovers, one replay, but our optimiser and average", settings=RUN_L | RATES),
    "rlpd": Arm("half of each batch from the laps it had", settings=WITHOUT_OURS),
    "laps": Arm(
        "half of each batch from laps: those it had and all the seconds of help", laps_s=HELP_S, settings=WITHOUT_OURS
    ),
    "no_help": ours("ours, with the two laps it had and no further help", takeovers=False),
    "ours_laps": ours("ours, but all the seconds of help are whole laps", takeovers=False, laps_s=HELP_S),
    "ours_lap": ours("ours, but the help is one more whole lap", takeovers=False, laps_s=1.0),
    "takeover": ours("ours: takeovers at the corner"),
    "wherever": ours("ours: takeovers wherever its last try alone ended", wherever=True),
    "rescues": ours("ours: takeovers at the corner, and where it stands in a try of its own", rescues=True),
    # Without each ingredient in turn, or with one more.
    "slow_average": ours("an average whose span begins at 250 updates", actor_average=0.996),
    "all_noisy": ours("no episode without noise", greedy_every=0),
    "guess_at_end": ours("returns of a few steps where the car stands, too", stalled_steps=0),
    "no_average": ours("driving with the newest weights", actor_average=None),
    "fixed_average": ours("an average of 500 updates for ever", actor_average=0.998, actor_average_growth=0.0),
    "no_own": ours("own best finishes not held on to", own_finishes=0),
    "prefixes": ours("own best drives held on to until the first finish", own_prefixes=10),
    "no_recent": ours("online rows from the whole memory alike", recent_fraction=0.0),
    "wide": ours("a policy as wide as it likes", log_std_max=2.0),
    "fast_actor": ours("an actor that learns three times as fast", lr_actor=3e-4),
    "no_cloning": ours("no cloning", bc_weight=0.0),
    "weak_cloning": ours("a cloning weight of 3", bc_weight=3.0),
    "cloning_30": ours("a cloning weight of 30", bc_weight=30.0),
    "cloning_100": ours("a cloning weight of 100", bc_weight=100.0),
    "imitator": ours("no Q: cloning of the human and of own best finishes alone", q_weight=0.0),
    "q_03": ours("a weight of Q of 0.3", q_weight=0.3),
    "delayed_labels": ours("cloning what was done 0.15 s after it was seen", hand_delay_s=0.15),
    "delayed_longer": ours("cloning what was done 0.25 s after it was seen", hand_delay_s=0.25),
    "q_filter": ours("cloning only what the critic finds better", bc_q_filter=True),
    "past_seen": ours("cloning with the past actions as they were", past_action_dropout=0.0),
    "past_hidden": ours("cloning with the past actions of other rows, always", past_action_dropout=1.0),
    "no_priority": ours("takeovers no likelier than laps", takeover_priority=1.0),
    "priority_8": ours("takeovers eight times as likely as laps", takeover_priority=8.0),
    "cost": ours("a cost of 1 at the hand-over", handover_cost=1.0),
    "skip": ours("the half second before a takeover left out", skip_before_takeover_s=0.5),
    "weight": ours("human rows count three times in the critic", human_weight=3.0),
    "iwr_weight": ours("takeover rows count four times in the cloning", iwr_weight=4.0),
    "no_stop": ours("returns run on over a change of driver", stop_at_driver_change=False),
    "practice": ours("every second episode begins before the corner", practice=True),
    "on_request": ours("help only where the agent asks for it", on_request=True),
    "demo_0": ours("no half for demos: takeovers online only", demo_fraction=0.0),
    "demo_25": ours("a quarter of demos", demo_fraction=0.25),
    "demo_75": ours("three quarters of demos", demo_fraction=0.75),
    "utd_2": ours("two updates a step", utd=2.0),
    "utd_4": ours("four updates a step", utd=4.0),
    "utd_8": ours("eight updates a step", utd=8.0),
    "unproven": ours("the newest weights drive, whatever they do in a trial", proves=False),
    "n_1": ours("1-step returns", n_step=1),
    "n_5": ours("5-step returns", n_step=5),
    "no_failed": ours("failed takeovers are no demos", failed_takeovers=False),
    "keep_failed": ours("failed takeovers are demos as well, to their end", failed_takeovers=True, failed_cut_s=0.0),
    "failed_half": ours("failed takeovers are demos but for the last half second", failed_cut_s=0.5),
    "failed_2": ours("failed takeovers are demos but for the last two seconds", failed_cut_s=2.0),
    "demo_only": ours("takeovers in the demo half alone", takeovers_online=False),
}
"""Ours, its ablations and what it is measured against. The arms with other papers' learners are in ``opponents.py``."""
