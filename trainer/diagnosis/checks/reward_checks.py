"""The reward's numbers: terms that can never be paid, that outweigh progress, or that make crawling worthwhile."""

from __future__ import annotations

import numpy as np

from data.reward import RECKLESS_M, RewardSettings, speed_bonus
from trainer.diagnosis.case import Answer, Case, Check, case_check, recipe_check
from trainer.diagnosis.finding import CheckResult, Finding, Lacking, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.recipe import Recipe
from trainer.diagnosis.stats import Array

STRETCH = 1.25
"""Times its time that a lap is driven in, for whether the reward sees it."""


def step_reward(speed: Array, r: RewardSettings, length_m: float, hz: float) -> Array:
    """Return what a step on the line pays at each speed (km/h)."""
    progress = r.progress * speed / 3.6 / hz / length_m
    bonus = np.array([speed_bonus(v, 0.0, r) for v in speed.tolist()])
    return np.asarray(np.tanh(r.reward_scale * (progress + bonus - r.constant_penalty)))


def _unknown(recipe: Recipe) -> Lacking | None:
    """Return what is missing where the reward has terms that are not known here: they may change all that a step pays."""
    if not recipe.reward_unknown:
        return None
    keys = ", ".join(recipe.reward_unknown[:6])
    return Lacking(f"a reward whose terms are all known here ({keys} {'is' if len(recipe.reward_unknown) == 1 else 'are'} not)")


def _length(case: Case) -> float | None:
    return case.road.length_m + case.road.artefact_m if case.road is not None else None


@recipe_check("crawl-optimum")
def crawl(recipe: Recipe, case: Case) -> Answer:
    """A speed beyond which going faster is paid less, until much faster."""
    r, length = recipe.reward, _length(case)
    if r is None:
        return None
    if (lacking := _unknown(recipe)) is not None:
        return lacking
    if r.speed_bonus == 0:
        return Sound("there is no speed bonus, so a step pays more the faster it is driven")
    if length is None:
        return Lacking("the reference line (--line), for what a metre is worth")
    speed = np.arange(1.0, 200.0, 0.25)
    pay = step_reward(speed, r, length, recipe.hz)
    best = np.maximum.accumulate(pay)
    dip = np.flatnonzero(pay < best - 0.02 * np.abs(best) - 1e-9)
    if not len(dip):
        return Sound("a step pays more the faster it is driven, at every speed")
    crest = int(np.argmax(pay[: dip[0] + 1]))
    again = np.flatnonzero((speed > speed[dip[0]]) & (pay > pay[crest]))
    far = f"only above {speed[again[0]]:.0f} km/h is more paid" if len(again) else "no higher speed is paid more"
    evidence = (
        f"a step at {speed[crest]:.0f} km/h pays {pay[crest]:.4f}, just above it {pay[dip[0]]:.4f}; {far}",
        f"speed bonus {r.speed_bonus:g} above {r.speed_min:g} km/h, twice as steep from {r.speed_medium:g} km/h",
    )
    sentence = f"Crawling at {speed[crest]:.0f} km/h is a local optimum: a little faster is paid less."
    return Finding(sentence, evidence, 0.85, data={"speed_kmh": float(speed[crest])})


@recipe_check("term-never-paid")
def never_paid(recipe: Recipe, case: Case) -> Answer:
    """Terms whose conditions cannot be met."""
    r, found = recipe.reward, []
    if r is None:
        return None
    if (lacking := _unknown(recipe)) is not None:
        return lacking
    if r.reckless_factor and r.max_stray <= RECKLESS_M:
        found.append(f"the reckless penalty begins {RECKLESS_M} m from the line, beyond MAX_STRAY ({r.max_stray:g} m)")
    if r.wall_hug_factor and r.safe_ratio >= 1.0:
        found.append(f"the wall penalty begins at {r.safe_ratio:g} times MAX_STRAY, where the episode is over")
    if r.speed_bonus and case.road is not None and case.road.top_speed * 3.6 <= min(r.speed_min, r.speed_medium):
        found.append(f"the speed bonus begins at {min(r.speed_min, r.speed_medium):g} km/h, which is never reached")
    if not found:
        return Sound("every reward term in force can be reached")
    return Finding("A reward term can never be paid.", tuple(found), 0.9)


@recipe_check("reward-dominated")
def dominated(recipe: Recipe, case: Case) -> Answer:
    """A term that outweighs progress at an ordinary speed, or a finish that outweighs the lap."""
    r, length = recipe.reward, _length(case)
    if r is None:
        return None
    if (lacking := _unknown(recipe)) is not None:
        return lacking
    if length is None:
        return Lacking("the reference line (--line), for what a metre is worth")
    top = case.road.top_speed if case.road is not None and case.road.top_speed else 100 / 3.6
    speed = 0.5 * top * 3.6
    progress = r.progress * speed / 3.6 / recipe.hz / length
    steps = length / (speed / 3.6) * recipe.hz
    lap = float(np.tanh(r.reward_scale * progress)) * steps
    outcomes: list[CheckResult] = []
    for what, pay in ("the constant penalty", r.constant_penalty), ("the speed bonus", speed_bonus(speed, 0.0, r)):
        if abs(pay) > progress:
            sentence = f"At an ordinary speed {what} outweighs progress."
            text = f"at {speed:.0f} km/h a step pays {progress:.4f} for progress and {pay:.4f} as {what}"
            outcomes.append(Finding(sentence, (text,), 0.75))
    if r.end_of_track > 2 * lap:
        text = f"the finish pays {r.end_of_track:g}, a whole lap at {speed:.0f} km/h {lap:.0f}"
        sentence = "The finish outweighs the whole lap, and is felt only within the discount's reach of it."
        outcomes.append(Finding(sentence, (text,), 0.6))
    return outcomes or Sound(f"progress is most of what a step at {speed:.0f} km/h earns")


@case_check("time-unpaid")
def timeless(case: Case) -> Answer:
    """The same lap, driven more slowly, earns as much: the return says nothing of lap times."""
    history = case.history
    if history is not None and not history.ours and "finish_rate" in history and "return_train" in history:
        return _timeless_laps(history)
    recipe, length = case.recipe, _length(case)
    if recipe is None or recipe.reward is None:
        return None
    if (lacking := _unknown(recipe)) is not None:
        return lacking
    if length is None:
        return Lacking("the reference line (--line), for what a metre is worth", source=recipe.name)
    speed = case.road.top_speed * 0.6 * 3.6 if case.road is not None and case.road.top_speed else 60.0
    fast, slow = (_lap(np.array([v]), recipe.reward, length, recipe.hz) for v in (speed, speed / STRETCH))
    text = f"a lap at {speed:.0f} km/h earns {fast:.1f}, the same lap stretched to {STRETCH:g} times its time {slow:.1f}"
    if slow < fast - 0.01 * abs(fast):
        return Sound(text, source=recipe.name)
    seconds = length / (speed / 3.6)
    left = (recipe.gamma or 1.0) ** (seconds * recipe.hz)
    sentence = "The reward does not see time: a slow lap earns as much as a fast one."
    evidence = (text, f"only the discount prefers the faster one ({left:.0%} of a reward counts a lap ahead)")
    level = "warning" if left > 0.5 else "note"
    return Finding(sentence, evidence, 0.8, level=level, source=recipe.name)


def _lap(speed: Array, r: RewardSettings, length: float, hz: float) -> float:
    return float(step_reward(speed, r, length, hz)[0]) * length / (float(speed[0]) / 3.6) * hz


def _timeless_laps(history: History) -> Answer:
    """Compare finished laps of different lengths in a foreign history."""
    column = next((c for c in ("episode_length_train", "worker/steps") if c in history), None)
    if column is None:
        return Lacking("the column episode_length_train")
    finished = (history["finish_rate"] >= 0.999) & np.isfinite(history[column]) & np.isfinite(history["return_train"])
    finished[: len(finished) // 2] = False  # of one driver: what it did as a beginner is over
    steps, paid = history[column][finished], history["return_train"][finished]
    if len(steps) < 10:
        return Lacking("ten finished laps with their returns and lengths")
    short, long_ = steps <= np.quantile(steps, 0.25), steps >= np.quantile(steps, 0.75)
    (quick, slow), (ours, theirs) = (
        [float(np.median(v[w])) for w in (short, long_)] for v in (steps, paid)
    )
    text = f"the quicker laps take {quick:.0f} steps and earn {ours:.4g}, the slower ones {slow:.0f} and {theirs:.4g}"
    if slow > 1.08 * quick and theirs > ours - 0.01 * abs(ours):
        return Finding("The reward does not see time: slow laps earn as much as quick ones.", (text,), 0.9, level="warning",
                       source=history.name)  # fmt: skip
    return Sound(text, source=history.name)


@recipe_check("penalty-cooldown")
def cooldown(recipe: Recipe, case: Case) -> Answer:
    """A penalty that is paid once, and then not again for a while."""
    if not recipe.crash_penalty:
        return None
    if recipe.crash_cooldown <= 1:
        return Sound(f"every crash costs {recipe.crash_penalty:g}")
    seconds = recipe.crash_cooldown / recipe.hz
    text = f"CRASH_PENALTY {recipe.crash_penalty:g}, CRASH_COOLDOWN {recipe.crash_cooldown} steps ({seconds:.1f} s)"
    sentence = f"After one crash, further ones cost nothing for {seconds:.1f} s: scraping along a wall is paid for once."
    return Finding(sentence, (text,), 0.8)


@recipe_check("finish-unpaid")
def finish(recipe: Recipe, case: Case) -> Answer:
    """A finish bonus on a line whose end cannot be reached (the settings' side; drives are looked at elsewhere)."""
    road = case.road
    if recipe.reward is None or not recipe.reward.end_of_track or road is None or road.artefact_m <= 0:
        return None
    if (lacking := _unknown(recipe)) is not None:
        return lacking
    text = f"bonus {recipe.reward.end_of_track:g}; the line ends {road.artefact_m:,.0f} m behind the road's end"
    sentence = "A finish that is recognised by the line's end is never reached on this line."
    return Finding(sentence, (text,), 0.6)


@recipe_check("settings-ignored")
def ignored(recipe: Recipe, case: Case) -> Answer:
    """Settings that nothing reads, or that contradict each other."""
    if not recipe.foreign:
        return None
    unknown = (f"not known: {', '.join(recipe.unknown[:12])}",) if recipe.unknown else ()
    if not recipe.ignored and not unknown:
        return Sound("no setting contradicts another")
    level = "" if recipe.ignored else "note"
    return Finding("Some settings do not do what they say.", recipe.ignored + unknown, 0.7, level=level)


CHECKS: tuple[Check, ...] = (crawl, never_paid, dominated, timeless, cooldown, finish, ignored)
