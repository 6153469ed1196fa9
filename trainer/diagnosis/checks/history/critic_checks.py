"""What a history, and the networks themselves, say about the critics: do they see the action, do they differ, are they stable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, column_check, history_check, probe_check
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.paid import UNPAID, largest_reward, nothing_paid
from trainer.diagnosis.stats import Array, correlation, middle, part, trend

if TYPE_CHECKING:
    from trainer.diagnosis.probe import Probe

FAR_APART = 0.2  # distance of two distributions of actions, in units of a uniform one's deviation, that is worth a look
SAME_Q = 0.02  # |Q(o, a) - Q(o, pi(o))| over Q's deviation
SAME_SLOPE = 0.03  # the same for actions one uniform deviation apart; sound critics have 0.1 to 0.4, blind ones 0.01
FAINT = 0.003  # from here to SAME_Q, beside a policy that is still near uniform, the gap is too small to tell
UNIFORM_STD = 1 / math.sqrt(3)
LEAST_ROWS = 20
BLIND = 0.01  # spread of Q over actions below which a critic sees none
DIM = 0.05  # the same for one that explains nothing; a sound one spreads by 0.1 within a thousand updates, and 0.25 later
EXPLAINS = 0.5  # share of the error; a trained critic explains nine tenths, one that is fed other actions a fifth at most
SOME = 0.2  # a critic that explains this much, and is not yet sound, may only need more updates
LEAST_UPDATES = 600
"""Before that a sound critic may still know nothing of actions."""


def action_distance(history: History) -> Array:
    """Return how far the batch's actions are from the policy's, row by row: the largest over the controls of the difference
    of means or of deviations, in units of a uniform action's deviation."""
    columns = (history.numbered(f"debug/{who}_", suffix) for suffix in ("", "_std") for who in ("a", "a1"))
    gaps = [np.fmax(np.abs(a - b), np.abs(sa - sb)) for a, b, sa, sb in zip(*columns, strict=False)]
    return np.asarray(np.max(gaps, axis=0) / UNIFORM_STD, np.float64)


def near_uniform(history: History) -> bool:
    """Whether the policy's actions (``debug/a1_i``) are spread about as uniform ones are."""
    means, spreads = history.numbered("debug/a1_"), history.numbered("debug/a1_", "_std")
    late = [(middle(part(m, 0.6)), middle(part(s, 0.6))) for m, s in zip(means, spreads, strict=False)]
    return bool(late) and all(abs(m) < 0.2 and abs(s - UNIFORM_STD) < 0.1 for m, s in late)


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
    if nothing_paid(history):
        return UNPAID
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
    if FAINT <= typical < SAME_Q and near_uniform(history):
        return Lacking(
            f"a policy that has left its random start: until then Q of recorded and of the policy's actions differ by so little "
            f"({typical:.1%} of Q's deviation) that it cannot be told whether the critic sees them; a checkpoint would show it"
        )
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
        far = f"{typical:.2%} of Q's deviation" if typical < 1 else "more than Q varies from state to state"
        return Sound(f"the critics differ by {far}")
    evidence = (f"debug/q1 and debug/q2 differ by {typical:.1e} of Q's deviation over {number_of(len(gap), 'row')}",)
    sentence = "Both critics are the same function, so taking the smaller of the two does not protect from overestimation."
    return Finding(sentence, evidence, 0.97)


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
    evidence = (
        f"debug/q_a1 from {begin:.1f} to {end:.1f} (rank correlation with time {up:+.2f})",
        f"{returns} from {first:.1f} to {last:.1f} ({down:+.2f})",
    )
    noise = float(r.std()) / math.sqrt(max(1.0, values / 4))
    others = (part(history[c], 0.3) for c in known if c != returns)
    if any(len(np.unique(o)) >= 10 and trend(o) > 0.3 for o in others):
        return Lacking("returns that go one way: evaluations and training drives do not, and Q may be right about one of them")
    if up > 0.6 and down < -0.3 and end > begin + 0.2 * abs(begin) and first - last > max(2 * noise, 0.15 * abs(first)):
        sentence = "The critic believes that it gets better while the returns get worse: it overestimates."
        return Finding(sentence, evidence, min(0.9, 0.5 + abs(down) / 2))
    if down < -0.1 or first - last > noise:  # whether that is a fall is the returns' own question
        return Lacking("returns that do not fall, or a Q that rises while they do")
    return Sound("; ".join(evidence))


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
        if last > max(2 * bound, entropy) > 0:  # 0 where nothing is paid: then any Q is beyond it
            evidence = (text, f"the rewards seen could pay about {bound:.3g} at most (mean plus a deviation, for ever)")
            return Finding("Q lies far above anything that can be earned.", evidence, 0.85)
        return Sound(f"{text}; the rewards seen could pay {bound:.3g}")
    holes = int(np.isnan(q[len(q) // 2 :]).sum())
    grows = trend(q) > 0.9 and correlation(np.log(q + 1), np.arange(len(q), dtype=np.float64)) > 0.9
    if last > 1e5 or (last > 1e3 and grows):
        return Finding("Q grows without end.", (text, f"{number_of(holes, 'row')} without a value"), 0.8)
    return Sound(text)


GROWN, LARGE = 1e6, 1e3
"""Times that a critic's loss has grown, and its size, from which that is no learning; it may grow as the square of the return."""


@history_check("exploded")
def loss_explodes(history: History, case: Case) -> Answer:
    """A critic's loss that grows without end, which tells of Q where Q itself is not logged."""
    if "losses/loss_critic" not in history:
        return None
    loss = np.abs(history["losses/loss_critic"])
    first, last = middle(part(loss, 0.0, 0.1)), middle(part(loss, 0.9))
    if not (last > max(LARGE, GROWN * first) and trend(loss) > 0.8):
        return None
    return Finding("The critic's loss grows without end.", (f"losses/loss_critic from {first:.3g} to {last:.3g}",), 0.8)


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


@probe_check("critic-ignores-actions")
def distinguishes(probe: Probe, case: Case) -> Answer:
    """Q of the executed action against Q of other actions in the same states."""
    text = (
        f"over random actions in one state Q varies by {probe.spread:.1%} of its deviation over states",
        f"the executed action explains {max(0.0, probe.gain):.0%} of the error that random actions leave "
        f"({number_of(probe.rows, 'row')}, {number_of(probe.updates, 'update')})",
    )
    if probe.gain > EXPLAINS and probe.spread > BLIND:
        return Sound("; ".join(text))
    if not probe.paid:
        return UNPAID
    if probe.updates < LEAST_UPDATES or probe.rows < 100:
        return Lacking(f"{LEAST_UPDATES} updates and 100 rows")
    if probe.spread < DIM and (probe.gain <= SOME or probe.spread < BLIND):
        sentence = (
            "The critic does not tell the executed action from a random one, so nothing that is driven, takeovers included, "
            "can teach the agent."
        )
        return Finding(sentence, text, 0.95 if probe.spread < BLIND else 0.85)
    return Lacking("more updates: the critic does not yet explain what it is asked for")


@probe_check("twin-critics-identical")
def twins(probe: Probe, case: Case) -> Answer:
    """Whether two critics give different values."""
    if math.isnan(probe.twins):
        return None
    far = f"{probe.twins:.2%} of Q's deviation" if probe.twins < 1 else "more than Q varies from state to state"
    text = f"the first two critics differ by {far}"
    if probe.twins < 1e-4:
        sentence = "The critics are the same function, so they cannot check each other."
        return Finding(sentence, (text,), 0.97)
    return Sound(text)


CHECKS: tuple[Check, ...] = (ignores_actions, identical_twins, apart, exploded, loss_explodes, no_numbers, distinguishes, twins)
