"""The known faults: what each is called, how heavy it is, and how to fix it. ``docs/diagnosis.md`` explains them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the catalogue."""

    title: str
    level: str
    """``fault``: learning cannot work; ``warning``: it is held back; ``note``: good to know."""
    weight: float
    """0 to 100: what it costs the learning when it is certain."""
    fix: str
    player: bool = False
    """Whether the player's driving is the matter, and driving the remedy: such findings come first."""
    road: bool = False
    """Whether it needs a road: where there is none, it is not looked for."""
    brings: tuple[str, ...] = ()
    """What it can bring about: where both are found, this is the cause and is named first."""


UNSTABLE = "exploded", "q-return-apart", "targets-at-clip", "gradients-clipped"
"""What targets that are too large bring about."""
FAILS = (
    "demos-uncovered", "failures-in-one-corner", "ends-in-one-place", "return-plateau", "return-collapsed",
    "episodes-alike", "far-below-human", "never-sets-off",
)  # fmt: skip
"""How it shows that an agent drives badly. What it wrongly sees, is paid or learns may be the cause, and is fixed before a
person drives more: takeovers are stored as they were seen and paid, and a learner that cannot learn gains nothing."""

FAULTS: dict[str, Fault] = {
    # The player's own driving
    "takeovers-show-nothing": Fault(
        "takeovers that show nothing", "warning", 57,
        "Let go of every control before a drive begins, and hold the wheel for a second or more. `hitl store clean` marks such "
        "takeovers as bad.", player=True,
    ),
    "takeovers-fail": Fault(
        "your takeovers fail as the agent does", "warning", 59,
        "Take over earlier and slower (`hitl play --practice CORNER`).", player=True, road=True,
    ),
    "laps-unfinished": Fault(
        "your laps end before the finish", "warning", 43,
        "Drive slower: a lap counts when it is finished (`hitl play --lap`).", player=True, road=True,
    ),
    # The learner
    "critic-ignores-actions": Fault(
        "the critic ignores actions", "fault", 100,
        "Regress the critic at the recorded (executed) action, Q(o, a_buffer), never at the policy's; only then take over.",
        brings=("uniform-policy", *FAILS),
    ),
    "uniform-policy": Fault(
        "the policy is still uniform-random", "fault", 90,
        "Fix the critic first; then raise the actor's learning rate (3e-4 is usual) or lower the temperature.",
        brings=FAILS,
    ),
    "demo-units": Fault(
        "the demos' controls are in other units than the policy's", "fault", 88,
        "Bring the demos' actions to the policy's units and signs (in [-1, 1], steer positive to the right): import them again, "
        "or drive laps again that were driven here.",
        brings=("demos-stale", *FAILS),
    ),
    "lookahead-short": Fault(
        "the agent cannot see the corner in time", "fault", 86,
        "Give the look-ahead in metres beyond the braking distance at top speed: more points, or a larger distance between them.",
        road=True, brings=FAILS,
    ),
    "discount-power": Fault(
        "n-step returns are bootstrapped with the wrong power of gamma", "fault", 82,
        "Bootstrap n-step returns at step t + n with gamma to the power n, and with 0 after a terminal step.",
        brings=(*UNSTABLE, *FAILS),
    ),
    "terminal-dropped": Fault(
        "terminal steps are bootstrapped or never drawn", "fault", 78,
        "Keep the terminal step with its reward, and bootstrap nothing after it; a time limit is not a terminal step.",
        brings=(*UNSTABLE, *FAILS),
    ),
    "temperature-runaway": Fault(
        "the temperature runs away", "fault", 98,
        "Fix the temperature (0.01 was the recipe's), or lower its learning rate and check the target entropy's sign.",
        brings=("uniform-policy", "critic-ignores-actions", *UNSTABLE, *FAILS),
    ),
    "line-artefact": Fault(
        "the reference line goes on where there is no road", "fault", 74,
        "Cut the line where the road ends: `hitl` does so when it reads one; for the old tool, record or cut the file itself.",
        road=True, brings=("finish-unpaid", *FAILS),
    ),
    "gradients-zero": Fault(
        "no gradient reaches the weights", "fault", 72,
        "Look for a dead network (saturated actions, a zero learning rate, a detached loss).",
        brings=("uniform-policy", *FAILS),
    ),
    "exploded": Fault(
        "Q has exploded", "fault", 70,
        "Go back to the last good checkpoint with lower learning rates, gradient clipping and LayerNorm critics.",
        brings=("q-return-apart", "targets-at-clip", "gradients-clipped", "actions-saturated", *FAILS),
    ),
    # The start
    "nothing-paid": Fault(
        "nothing is ever paid", "fault", 96,
        "Look at what pays: the reward's numbers (`hitl config show`), the line that is driven along, and with tmrl the file "
        "TmrlData/reward/reward.pkl, which must be of this map (`hitl doctor --env tmrl`).",
        brings=("uniform-policy", "critic-ignores-actions", "observation-constant", *FAILS),
    ),
    "never-sets-off": Fault(
        "the car never sets off", "warning", 61,
        "Show it the whole way first: `hitl play --lap`. Or take over at the start of its drives (`hitl play`).",
        player=True, road=True, brings=("observation-constant", "return-plateau", "episodes-alike", "far-below-human"),
    ),
    # Demonstrations
    "demos-stale": Fault(
        "the demos were paid or seen by other rules than today's", "warning", 68,
        "Import the demos again, so that reward and observation are worked out anew (`hitl import PATH --track FILE`).",
        brings=FAILS,
    ),
    "q-return-apart": Fault(
        "Q rises while the return falls", "warning", 66,
        "The critic overestimates: drop more of the top quantiles, use LayerNorm critics, fewer updates per step.",
        brings=FAILS,
    ),
    "return-collapsed": Fault(
        "the return has fallen and stays down", "warning", 47,
        "Go back to the weights from before the fall (the best checkpoint), then lower the learning rates or fix what the other "
        "findings name.",
    ),
    "observation-clipped": Fault(
        "an observation is clipped much of the time", "warning", 64,
        "Widen its range, or give it in the car's frame (heading as sine and cosine of the angle to the road).",
        brings=FAILS,
    ),
    "twin-critics-identical": Fault(
        "the twin critics are the same", "warning", 62,
        "Seed the critics differently and give each its own optimiser state: two equal critics are one.",
        brings=("q-return-apart", *FAILS),
    ),
    "targets-at-clip": Fault(
        "the targets lie at the clip", "warning", 60,
        "Widen BACKUP_CLIP_RANGE (backup_clip) beyond the largest return, or scale the reward down.",
        brings=FAILS,
    ),
    "demos-uncovered": Fault(
        "the demos do not cover the states from which the agent fails", "warning", 58,
        "Take over there: from the agent's own speed and line, shortly before it fails, not from a perfect lap.",
        player=True, road=True, brings=("failures-in-one-corner", "ends-in-one-place", "return-plateau", "far-below-human"),
    ),
    "finish-unpaid": Fault(
        "the finish bonus is not paid", "warning", 56,
        "Pay the bonus outside the squashing, and let the line end where the road does.",
        road=True, brings=FAILS,
    ),
    "demos-evicted": Fault(
        "the replay pushes the demos out", "warning", 55,
        "Keep demos in a half of their own that nothing pushes out (demo_fraction 0.5), or enlarge the memory.",
        brings=("demo-share-drift", *FAILS),
    ),
    "actions-saturated": Fault(
        "the policy's actions are stuck at their limits", "warning", 54,
        "Lower the actor's learning rate, raise the temperature a little, clone takeovers; check the observations' scale.",
        brings=("gradients-zero", "critic-ignores-actions", *FAILS),
    ),
    "numbers-unusable": Fault(
        "recorded numbers are not finite", "warning", 53,
        "Look at what gives that number (a sensor that drops out, a ray that hits nothing) and clip or replace it there.",
        brings=FAILS,
    ),
    "horizon-short": Fault(
        "the discount looks less far than the corner needs", "warning", 52,
        "Raise gamma: 1 / (1 - gamma) steps should reach from braking to the corner's exit.",
        road=True, brings=FAILS,
    ),
    "crawl-optimum": Fault(
        "the reward has a local optimum at a crawl", "warning", 51,
        "Make the reward rise with speed everywhere: drop the speed bonus or join its two slopes.",
        road=True, brings=FAILS,
    ),
    "batch-composition": Fault(
        "what looks like learning is the batch's composition", "warning", 50,
        "Read return_test instead of debug/r and debug/a_i, or hold the demo share still.",
    ),
    "return-plateau": Fault(
        "the return does not rise any more", "warning", 29,
        "If the car finishes and is as fast as it should be, the run is done. If not, look where it fails, and take over there.",
    ),
    "observation-constant": Fault(
        "an observation never changes", "warning", 46,
        "Leave it out, or fix where it comes from (units, a sensor that is not read, a wrong index).",
    ),
    "evaluation-missing": Fault(
        "no checkpoint is ever measured", "warning", 45,
        "Measure them now and then: `hitl eval` drives without noise and help; `hitl checkpoints` shows the best.", player=True,
    ),
    "reward-dominated": Fault(
        "one reward term outweighs progress", "warning", 44,
        "Lower that term until progress is most of what a good lap earns.",
        brings=FAILS,
    ),
    "failures-in-one-corner": Fault(
        "nearly all failures lie in one corner", "warning", 42,
        "Take over there a few times, a second or two before it (`hitl play --practice CORNER`).", player=True, road=True,
        brings=("return-plateau", "episodes-alike", "far-below-human"),
    ),
    "update-ratio": Fault(
        "far fewer or more updates per step than set", "warning", 40,
        "Give the trainer a faster machine or a smaller network, or set the ratio that it can hold.",
    ),
    "gradients-clipped": Fault(
        "the gradients stay far above the clip", "warning", 36,
        "Raise the clip or scale the reward down: now only the direction counts and the learning rate is the step.",
    ),
    "demo-share-drift": Fault(
        "the share of demos in a batch drifts", "warning", 34,
        "Give the demos a fixed half of each batch.",
        brings=("batch-composition",),
    ),
    "weights-swapped": Fault(
        "weights are swapped in mid-episode", "warning", 32,
        "Take new weights between episodes only: else a return belongs to no checkpoint.",
    ),
    "settings-ignored": Fault(
        "settings that look as if they worked are ignored or contradict each other", "warning", 31,
        "Set them where they are read, or take them out.",
    ),
    "evaluation-noisy": Fault(
        "evaluation is too noisy to pick a best", "warning", 30,
        "Evaluate each checkpoint with at least 20 greedy episodes.",
    ),
    "meaning-lost": Fault(
        "a column does not mean what its name says", "warning", 28,
        "Do not judge by that column: look at what writes it.",
    ),
    "episodes-alike": Fault(
        "episodes end after the same number of steps again and again", "warning", 27,
        "Look at one of them: the car stands, or a timer ends every episode at the same place.",
    ),
    "sampling-slows": Fault(
        "drawing a batch takes longer the fuller the memory is", "warning", 26,
        "Draw by index instead of scanning the memory.",
        brings=("update-ratio",),
    ),
    # What is collected
    "ends-in-one-place": Fault(
        "episodes end at one or two places", "warning", 53,
        "Take over there, a second or two before it: that is what takeovers are for (`hitl play`).", player=True, road=True,
        brings=("return-plateau", "episodes-alike", "far-below-human"),
    ),
    "collector-silent": Fault(
        "nothing new is driven", "warning", 51,
        "Look at the worker: has it stopped, has the game hung, has the connection broken? Then let it drive on.",
        brings=("learning-starved", "return-plateau"),
    ),
    "replay-narrowed": Fault(
        "the memory has lost its oldest, most varied steps", "warning", 49,
        "Enlarge the memory, or keep a part of the oldest steps; go back to the weights from before it was full.",
        brings=FAILS,
    ),
    "learning-starved": Fault(
        "the trainer waits for new data", "warning", 41,
        "Drive more, with more workers, or allow more updates for each step.",
        brings=("return-plateau",),
    ),
    "batch-unlike-drives": Fault(
        "what is learned from is paid otherwise than what is driven", "warning", 33,
        "Look at what the memory holds: demos alone, steps under another reward, or steps of long ago.",
    ),
    # What others found by hand
    "stick-bent": Fault(
        "the game distorts the stick", "warning", 57,
        "In the game's settings of the controls, set the pad's analog sensitivity to 1 and its dead zone to 0.",
        road=True, brings=FAILS,
    ),
    "layouts-mixed": Fault(
        "recordings of several layouts lie in one home", "warning", 65,
        "Do what is said of each of them above; `hitl store check` says it, too.",
        brings=FAILS,
    ),
    "exploration-short": Fault(
        "the agent tries things out for much shorter than a human holds them", "warning", 37,
        "Clone laps or takeovers first, or explore with noise that stays for as long as a human holds a control.",
        brings=FAILS,
    ),
    "time-unpaid": Fault(
        "the reward does not see time", "note", 13,
        "Compare checkpoints by lap time, not by return; or add a small cost of each step (constant_penalty).",
    ),
    "penalty-cooldown": Fault(
        "a penalty is not paid again for a while", "warning", 17,
        "Set the cooldown to 0, or charge for each step of contact.",
    ),
    "return-held": Fault(
        "the logged return is the last episode's, held", "note", 20,
        "Average returns over episodes, and do not pick a best by single ones.",
    ),
    "far-below-human": Fault(
        "the agent earns far less than a human lap", "note", 18,
        "This is the ceiling that takeovers are for; see the other findings for what holds it.", road=True,
    ),
    "term-never-paid": Fault(
        "a reward term can never be paid", "note", 16,
        "Take the term out or set it to where it is reached.",
    ),
    "heading-in-world-axes": Fault(
        "the road's heading in world axes leaves the range of plus or minus one radian", "note", 14,
        "If the interface clips the heading (the old one did), give it in the car's frame.", road=True,
    ),
}  # fmt: skip
"""By name; the name is what ``--json`` and the events carry."""


@cache
def consequences(fault: str) -> frozenset[str]:
    """Return all that a fault can bring about, by itself or through others."""
    direct = FAULTS[fault].brings
    return frozenset(direct).union(*map(consequences, direct))
