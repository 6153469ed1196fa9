"""The reward's numbers: terms that can never be paid, that outweigh progress, or that make crawling worthwhile."""

from __future__ import annotations

import numpy as np

from data.reward import RECKLESS_M, RewardSettings, speed_bonus
from trainer.diagnosis.case import Answer, Case, Check, recipe_check
from trainer.diagnosis.finding import Finding, Lacking, Outcome, Sound
from trainer.diagnosis.recipe import Recipe
from trainer.diagnosis.stats import Array


def step_reward(speed: Array, r: RewardSettings, length_m: float, hz: float) -> Array:
    """Return what a step on the line pays at each speed (km/h)."""
    progress = r.progress * speed / 3.6 / hz / length_m
    bonus = np.array([speed_bonus(v, 0.0, r) for v in speed.tolist()])
    return np.asarray(np.tanh(r.reward_scale * (progress + bonus - r.constant_penalty)))


def _length(case: Case) -> float | None:
    return case.road.length_m + case.road.artefact_m if case.road is not None else None


@recipe_check("crawl-optimum")
def crawl(recipe: Recipe, case: Case) -> Answer:
    """A speed beyond which going faster is paid less, until much faster."""
    r, length = recipe.reward, _length(case)
    if r is None:
        return None
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
    if length is None:
        return Lacking("the reference line (--line), for what a metre is worth")
    top = case.road.top_speed if case.road is not None and case.road.top_speed else 100 / 3.6
    speed = 0.5 * top * 3.6
    progress = r.progress * speed / 3.6 / recipe.hz / length
    steps = length / (speed / 3.6) * recipe.hz
    lap = float(np.tanh(r.reward_scale * progress)) * steps
    outcomes: list[Outcome] = []
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


@recipe_check("finish-unpaid")
def finish(recipe: Recipe, case: Case) -> Answer:
    """A finish bonus on a line whose end cannot be reached (the settings' side; drives are looked at elsewhere)."""
    road = case.road
    if recipe.reward is None or not recipe.reward.end_of_track or road is None or road.artefact_m <= 0:
        return None
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


CHECKS: tuple[Check, ...] = (crawl, never_paid, dominated, finish, ignored)
