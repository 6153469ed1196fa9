"""The known faults: what each is called, how heavy it is, and how to fix it. ``docs/diagnosis.md`` explains them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the catalogue."""

    title: str
    level: str
    """``fault``: learning cannot work; ``warning``: it is held back; ``note``: good to know."""
    weight: float
    """0 to 100: what it costs the learning when it is certain."""
    fix: str


def _fault(title: str, weight: float, fix: str) -> Fault:
    return Fault(title, "fault", weight, fix)


def _warning(title: str, weight: float, fix: str) -> Fault:
    return Fault(title, "warning", weight, fix)


def _note(title: str, weight: float, fix: str) -> Fault:
    return Fault(title, "note", weight, fix)


FAULTS: dict[str, Fault] = {
    # The learner
    "critic-ignores-actions": _fault(
        "the critic ignores actions", 100,
        "Regress the critic at the recorded (executed) action, Q(o, a_buffer), never at the policy's; only then take over.",
    ),
    "uniform-policy": _fault(
        "the policy is still uniform-random", 90,
        "Fix the critic first; then raise the actor's learning rate (3e-4 is usual) or lower the temperature.",
    ),
    "demo-units": _fault(
        "the demos' controls are in other units than the policy's", 88,
        "Bring the demos' actions to the policy's units and signs (in [-1, 1], steer positive to the right); import them again.",
    ),
    "lookahead-short": _fault(
        "the agent cannot see the corner in time", 86,
        "Give the look-ahead in metres beyond the braking distance at top speed: more points, or a larger distance between them.",
    ),
    "discount-power": _fault(
        "n-step returns are bootstrapped with the wrong power of gamma", 82,
        "Bootstrap n-step returns at step t + n with gamma to the power n, and with 0 after a terminal step.",
    ),
    "terminal-dropped": _fault(
        "terminal steps are bootstrapped or never drawn", 78,
        "Keep the terminal step with its reward, and bootstrap nothing after it; a time limit is no terminal step.",
    ),
    "temperature-runaway": _fault(
        "the temperature runs away", 98,
        "Fix the temperature (0.01 was the recipe's), or lower its learning rate and check the target entropy's sign.",
    ),
    "line-artefact": _fault(
        "the reference line goes on where there is no road", 74,
        "Cut the line where the road ends: `hitl` does so when it reads one; for the old tool, record or cut the file itself.",
    ),
    "gradients-zero": _fault(
        "no gradient reaches the weights", 72,
        "Look for a dead network (saturated actions, a zero learning rate, a detached loss).",
    ),
    "exploded": _fault(
        "Q has exploded", 70,
        "Go back to the last good checkpoint with lower learning rates, gradient clipping and LayerNorm critics.",
    ),
    # Demonstrations
    "demos-stale": _warning(
        "the demos were paid or seen by other rules than today's", 68,
        "Import the demos again, so that reward and observation are worked out anew (`hitl import PATH --track FILE`).",
    ),
    "q-return-apart": _warning(
        "Q rises while the return falls", 66,
        "The critic overestimates: drop more of the top quantiles, use LayerNorm critics, fewer updates per step.",
    ),
    "return-collapsed": _warning(
        "the return has fallen and stays down", 47,
        "Go back to the weights from before the fall (the best checkpoint), then lower the learning rates or fix what is named "
        "beside this.",
    ),
    "observation-clipped": _warning(
        "an observation is clipped on much of the track", 64,
        "Widen its range, or give it in the car's frame (heading as sine and cosine of the angle to the road).",
    ),
    "twin-critics-identical": _warning(
        "the twin critics are the same", 62,
        "Seed the critics differently and give each its own optimiser state: two equal critics are one.",
    ),
    "targets-at-clip": _warning(
        "the targets lie at the clip", 60,
        "Widen BACKUP_CLIP_RANGE (backup_clip) beyond the largest return, or scale the reward down.",
    ),
    "demos-uncovered": _warning(
        "the demos do not cover the states from which the agent fails", 58,
        "Take over there: from the agent's own speed and line, shortly before it fails, not from a perfect lap.",
    ),
    "finish-unpaid": _warning(
        "the finish bonus is not paid", 56,
        "Pay the bonus outside the squashing, and let the line end where the road does.",
    ),
    "demos-evicted": _warning(
        "the replay pushes the demos out", 55,
        "Keep demos in a half of their own that nothing pushes out (demo_fraction 0.5), or enlarge the memory.",
    ),
    "actions-saturated": _warning(
        "the policy's actions are stuck at their limits", 54,
        "Lower the actor's learning rate, raise the temperature a little, clone takeovers; check the observations' scale.",
    ),
    "numbers-unusable": _warning(
        "recorded numbers are not finite", 53,
        "Look at what gives that number (a sensor that drops out, a ray that hits nothing) and clip or replace it there.",
    ),
    "horizon-short": _warning(
        "the discount looks less far than the corner needs", 52,
        "Raise gamma: 1 / (1 - gamma) steps should reach from braking to the corner's exit.",
    ),
    "crawl-optimum": _warning(
        "the reward has a local optimum at a crawl", 51,
        "Make the reward rise with speed everywhere: drop the speed bonus or join its two slopes.",
    ),
    "batch-composition": _warning(
        "what looks like learning is the batch's composition", 50,
        "Read return_test instead of debug/r and debug/a_i, or hold the demo share still.",
    ),
    "return-plateau": _warning(
        "the return does not rise any more", 29,
        "If the car finishes and is as fast as it should be, the run is done. If not, look where it fails, and take over there.",
    ),
    "observation-constant": _warning(
        "an observation never changes", 46,
        "Leave it out, or fix where it comes from (units, a sensor that is not read, a wrong index).",
    ),
    "evaluation-missing": _warning(
        "nothing is ever evaluated", 45,
        "Drive greedy episodes without help now and then (`hitl eval`, or play's own) and pick the best by them.",
    ),
    "reward-dominated": _warning(
        "one reward term outweighs progress", 44,
        "Lower that term until progress is most of what a good lap earns.",
    ),
    "failures-in-one-corner": _warning(
        "nearly all failures lie in one corner", 42,
        "Take over there a few times, a second or two before it (`hitl play --practice CORNER`).",
    ),
    "update-ratio": _warning(
        "far fewer or more updates per step than set", 40,
        "Give the trainer a faster machine or a smaller network, or set the ratio that it can hold.",
    ),
    "gradients-clipped": _warning(
        "the gradients lie far above the clip for good", 36,
        "Raise the clip or scale the reward down: now only the direction counts and the learning rate is the step.",
    ),
    "demo-share-drift": _warning(
        "the share of demos in a batch drifts", 34,
        "Give the demos a fixed half of each batch.",
    ),
    "weights-swapped": _warning(
        "weights are swapped in mid-episode", 32,
        "Take new weights between episodes only: else a return belongs to no checkpoint.",
    ),
    "settings-ignored": _warning(
        "settings that look as if they worked are ignored or contradict each other", 31,
        "Set them where they are read, or take them out.",
    ),
    "evaluation-noisy": _warning(
        "evaluation is too noisy to pick a best", 30,
        "Evaluate each checkpoint with at least 20 greedy episodes.",
    ),
    "meaning-lost": _warning(
        "a column does not mean what its name says", 28,
        "Do not judge by that column: look at what writes it.",
    ),
    "episodes-alike": _warning(
        "episodes end after the same number of steps again and again", 27,
        "Look at one of them: the car stands, or a timer ends every episode at the same place.",
    ),
    "sampling-slows": _warning(
        "drawing a batch takes longer the fuller the memory is", 26,
        "Draw by index instead of scanning the memory.",
    ),
    "return-held": _note(
        "the logged return is the last episode's, held", 20,
        "Average returns over episodes, and do not pick a best by single ones.",
    ),
    "far-below-human": _note(
        "the agent earns far less than a human lap", 18,
        "This is the ceiling that takeovers are for; see the other findings for what holds it.",
    ),
    "term-never-paid": _note(
        "a reward term can never be paid", 16,
        "Take the term out or set it to where it is reached.",
    ),
    "heading-in-world-axes": _note(
        "the road's heading in world axes leaves the range of plus or minus one radian", 14,
        "If the interface clips the heading (the old one did), give it in the car's frame.",
    ),
}  # fmt: skip
"""By name; the name is what ``--json`` and the events carry."""


def title(fault: str) -> str:
    """Return what a fault is called, in a few words."""
    return FAULTS[fault].title
