"""What to do about a fault in another program's run, for its user, and the line of mathematics, for its programmer.

``FAULTS`` says what to change in ours. The user of another trainer cannot: here it says which of *its* settings helps (keys of
tmrl's ``config.json``, arguments of Stable-Baselines3), or that none does because the fault is in its code.
"""

from __future__ import annotations

BRING = (
    "Or bring your laps and settings here: `hitl import PATH --track FILE`, `hitl train --tmrl-config FILE --background`, "
    "`hitl play --env trackmania --track FILE`."
)
"""The way from another trainer to ours, in three commands."""
IN_ITS_CODE = "No setting of that trainer changes this: it is in its code."
_ELSEWHERE: dict[str, tuple[str, bool]] = {
    # fault: (what its user can do, whether the way here is worth telling)
    "critic-ignores-actions": (f"{IN_ITS_CODE} tmrl's own SAC (0.6 and later) asks its critic about the recorded action.", True),
    "uniform-policy": ("Raise LR_ACTOR (3e-4 is usual) or lower ALPHA; if the critic ignores actions, neither helps.", True),
    "discount-power": (f"{IN_ITS_CODE} With N_STEPS 1 both powers are the same, and the fault is without effect.", True),
    "terminal-dropped": (f"{IN_ITS_CODE} If a time limit cut those episodes, raise ep_max_length.", True),
    "temperature-runaway": (
        "Set LEARN_ENTROPY_COEF to false and ALPHA to 0.01 (Stable-Baselines3: ent_coef=0.01), or TARGET_ENTROPY to minus "
        "the number of controls, and go back to weights from before.", False,
    ),
    "gradients-zero": ("Look at LR_ACTOR and LR_CRITIC; if they are above 0, begin anew: dead units do not come back.", True),
    "exploded": ("Go back to weights from before, lower LR_CRITIC and LR_ACTOR to a third, set GRAD_CLIP_CRITIC to 1.", False),
    "q-return-apart": (
        "Raise TOP_QUANTILES_TO_DROP (TQC), lower MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP, set MLP_LAYERNORM.", False,
    ),
    "return-collapsed": (
        "Go back to the weights from before the fall (SAVE_MODEL_EVERY keeps them), then lower LR_ACTOR and LR_CRITIC or "
        "change what the other findings name.", False,
    ),
    "return-plateau": (
        "See where the car's episodes end. If it finishes and is fast enough, the run is done. If not, more of the same does not "
        "help: show it the way there.", True,
    ),
    "twin-critics-identical": (f"{IN_ITS_CODE} Both critics need seeds of their own.", True),
    "targets-at-clip": ("Raise BACKUP_CLIP_RANGE above the largest return, or lower REWARD_SCALE.", False),
    "gradients-clipped": ("Raise GRAD_CLIP_CRITIC and GRAD_CLIP_ACTOR, or lower REWARD_SCALE.", False),
    "actions-saturated": ("Lower LR_ACTOR, raise ALPHA a little, and begin from weights of before.", False),
    "batch-composition": ("Judge by evaluations, not by debug/r and debug/a_i; no setting is wrong.", False),
    "demo-share-drift": ("Later versions of the fork hold it with DEMO_MIN_BATCH_FRACTION and DEMO_MAX_BATCH_FRACTION.", True),
    "demos-evicted": ("Raise MEMORY_SIZE beyond all that you will drive, or put the laps in again later.", True),
    "update-ratio": ("Lower BATCH_SIZE or the network's size, set CUDA_TRAINING to true, or lower the ratio that is set.", False),
    "sampling-slows": (f"{IN_ITS_CODE} A smaller MEMORY_SIZE makes it faster.", True),
    "evaluation-missing": (
        "Let its worker drive without noise now and then (tmrl's worker in test mode; Stable-Baselines3: EvalCallback), "
        "and choose the best weights by that.", False,
    ),
    "return-held": ("Average over the worker's own episodes; its history has one row for each.", False),
    "lookahead-short": (
        "Raise NUMBER_OF_POINTS or POINTS_DISTANCE (later: TRACK_LOOK_AHEAD_PCT) until it is longer than braking takes; the "
        "agent must then learn anew.", True,
    ),
    "heading-in-world-axes": (f"{IN_ITS_CODE} Later versions of the fork have TRACK_LOCAL_FRAME.", True),
    "observation-clipped": (f"{IN_ITS_CODE} The interface scales and clips that number.", True),
    "horizon-short": ("Raise GAMMA.", False),
    "crawl-optimum": ("Set SPEED_BONUS to 0, or both thresholds so that the two slopes meet.", False),
    "reward-dominated": ("Lower the term that is named in REWARD_CONFIG or ENV.", False),
    "finish-unpaid": ("Cut the line's file where the road ends; END_OF_TRACK_REWARD is then paid.", False),
    "demos-stale": ("Record the laps again: what is in such files is frozen.", True),
    "ends-in-one-place": ("More of the same does not help: the corner is too hard to be found by chance. Show it the way.", True),
    "replay-narrowed": ("Raise MEMORY_SIZE, and go back to weights from before it was full.", False),
    "learning-starved": ("Drive more, with several workers, or raise MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP.", False),
    "collector-silent": ("Look at the worker and the game; start the worker again.", False),
    "batch-unlike-drives": ("Lower DEMO_SAMPLING_WEIGHT, or DEMO_MAX_BATCH_FRACTION where there is one.", False),
    "time-unpaid": ("Choose weights by lap time. TIME_BONUS_SCALE or CONSTANT_PENALTY makes it count.", False),
    "penalty-cooldown": ("Set CRASH_COOLDOWN to 0.", False),
}  # fmt: skip
MATHEMATICS: dict[str, str] = {
    "critic-ignores-actions": "L = (Q(o, a_buffer) - y)², not (Q(o, π(o)) - y)²; only the former learns of actions.",
    "discount-power": "y = Σ_{k<n} γ^k r_{t+k} + γ^n (1 - d) Q'(o_{t+n}, π(o_{t+n})).",
    "terminal-dropped": "y = r + γ (1 - d) Q'(o', π(o')) with d = 1 where the episode ends by itself, 0 at a time limit.",
    "temperature-runaway": "dα ∝ -(log π(a|o) + H̄) with H̄ = -dim(a): with the wrong sign α grows as exp(t).",
    "twin-critics-identical": "min(Q₁, Q₂) = Q₁ if both are one function: no bias is removed.",
    "q-return-apart": "E[max Q̂] ≥ max E[Q̂]: drop the top quantiles, or take the minimum of several critics.",
    "targets-at-clip": "y is clipped to [-c, c]; choose c > max|r| / (1 - γ).",
    "gradients-clipped": "‖g‖ ≫ c, so each step is c·g/‖g‖: the learning rate alone is the step.",
    "exploded": "|Q| ≤ max|r| / (1 - γ^n) must hold.",
    "actions-saturated": "∂tanh(u)/∂u = 1 - tanh²(u) → 0.",
    "uniform-policy": "log π = -n ln 2 for n controls, each uniform on [-1, 1].",
    "gradients-zero": "∂L/∂θ = 0.",
    "batch-composition": "E_batch[r] = f E_demo[r] + (1 - f) E_agent[r]: it moves with f alone.",
    "batch-unlike-drives": "E_batch[r] = f E_demo[r] + (1 - f) E_agent[r], and E_agent[r] = return / length.",
    "horizon-short": "γ^T ≥ 0.1 for the T steps from braking to the corner's exit.",
    "crawl-optimum": "r(v) must rise for every v; two slopes with a jump down between them do not.",
    "time-unpaid": "Σ r dt over the lap is the same for every speed; only Σ γ^t r is not.",
    "replay-narrowed": "P(o) in the memory is that of the newest steps: Q is no longer fitted where greedy drives go.",
}
"""One line of mathematics for each fault that has one, for whoever programs a trainer."""


def elsewhere(fault: str) -> str:
    """Return what helps a user of another trainer; empty where the catalogue's advice holds there, too."""
    text, bring = _ELSEWHERE.get(fault, ("", False))
    return f"{text} {BRING}" if bring else text
