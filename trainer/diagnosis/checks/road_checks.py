"""Line and settings: does the agent see far enough, does the line end where the road does, does the discount reach."""

from __future__ import annotations

import math

from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, RoadFacts, case_check, recipe_check, road_check
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.diagnosis.recipe import Recipe

GUESSED = 0.9
"""Share of the way to brake that is enough to see where speeds are guessed: a guess is no closer than that."""
REACTION_S = 0.2  # s between seeing and the first effect: two or three control steps
MOST_POINTS = 200  # of a look-ahead that is given as a share of the track
LEFT = 0.1  # weight that the corner's exit must still have at its braking point


@road_check("line-artefact")
def artefact(road: RoadFacts, case: Case) -> Answer:
    """A recorded line that runs on to the world's origin behind the finish."""
    if road.artefact_m <= 0:
        return Sound(f"the line is road to its end ({road.length_m:,.0f} m)")
    whole = road.length_m + road.artefact_m
    evidence = (
        f"the last {road.artefact_m:,.0f} of {whole:,.0f} m ({number_of(road.artefact_points, 'point')}) run straight to the "
        "world's origin",
        f"the road ends at {road.length_m:,.0f} m, so progress ends at {road.length_m / whole:.0%} and each metre is paid "
        f"{road.length_m / whole:.0%} of its worth",
    )
    sentence = "The recorded line continues past the finish in a straight that was never driven, so its end is never reached."
    data = {"from_m": round(road.length_m, 1), "length_m": round(road.artefact_m, 1)}
    return Finding(sentence, evidence, 0.95, data=data)


def by_share(recipe: Recipe) -> bool:
    """Whether the look-ahead is given as a share of the track, which then counts before its number of points."""
    return bool(recipe.lookahead_pct and recipe.lookahead_spacing_m)


@case_check("lookahead-short")
def lookahead(case: Case) -> Answer:
    """A look-ahead that is shorter than the way the car needs to brake."""
    recipe, road = case.recipe, case.road
    if recipe is None and road is None:
        return None
    if recipe is None or (recipe.lookahead_m is None and not recipe.lookahead_points and not by_share(recipe)):
        needs = "the recipe (--config) with NUMBER_OF_POINTS and POINTS_DISTANCE (or TRACK_LOOK_AHEAD_PCT)"
        return Lacking(needs, source=road.name if road else "")
    if road is None:
        return Lacking("the reference line (--line)", source=recipe.name)
    if recipe.lookahead_m is not None:
        reach, how = recipe.lookahead_m, f"the look-ahead reaches {recipe.lookahead_m:.0f} m"
    elif by_share(recipe):
        assert recipe.lookahead_pct is not None
        assert recipe.lookahead_spacing_m is not None
        length = road.length_m + road.artefact_m
        points = min(MOST_POINTS, math.ceil(recipe.lookahead_pct / 100 * length / recipe.lookahead_spacing_m))
        reach = points * recipe.lookahead_spacing_m
        how = f"{recipe.lookahead_pct:g} % of {length:,.0f} m with a point every {recipe.lookahead_spacing_m:g} m: {reach:.1f} m"
    else:
        assert recipe.lookahead_points is not None
        stride = recipe.lookahead_stride or 1
        reach = recipe.lookahead_points * stride * road.spacing_m
        how = f"{number_of(recipe.lookahead_points, 'point')}, {stride} of the line's {road.spacing_m:.2f} m apart: {reach:.1f} m"
    needed = road.braking_m + REACTION_S * road.braking_from
    steps = reach / max(1e-6, road.braking_from / recipe.hz)
    evidence = (
        how,
        f"at {road.braking_from * 3.6:.0f} km/h that is {steps:.1f} control steps",
        f"braking for the road at {road.braking_to_s:,.0f} m takes {needed:.0f} m ({road.assumed})",
    )
    if reach >= (needed if road.driven else GUESSED * needed):
        return Sound("; ".join(evidence), source=road.name)
    sentence = f"The agent sees {reach:.1f} m of road and needs {needed:.0f} m to brake: once it sees a corner it is too late."
    sure = 0.97 if reach < 0.5 * needed else 0.7
    level = "" if reach < 0.8 * needed else "warning"
    data = {"lookahead_m": round(reach, 2), "needed_m": round(needed, 1)}
    return Finding(sentence, evidence, sure, level=level, data=data, source=recipe.name)


@road_check("heading-in-world-axes")
def heading(road: RoadFacts, case: Case) -> Answer:
    """A road whose direction leaves the range that the old interface clips the heading to."""
    if road.heading_outside is None or case.recipe is None or not case.recipe.foreign:
        return None
    text = f"{road.heading_outside:.0%} of the road points beyond plus or minus 1 rad"
    if road.heading_outside < 0.1:
        return Sound(text)
    sentence = "A heading in world axes, clipped to one radian as in the old interface, says nothing on most of this road."
    evidence = (text, "player runs (--player-runs) would show whether it is clipped")
    return Finding(sentence, evidence, 0.5)


@recipe_check("horizon-short")
def horizon(recipe: Recipe, case: Case) -> Answer:
    """A discount that forgets the exit of a corner at its entry."""
    road = case.road
    if recipe.gamma is None:
        return None
    if road is None or not road.corner_seconds:
        return Lacking("a reference line (--line) or a store with a driven corner")
    corner, seconds = max(road.corner_seconds.items(), key=lambda item: item[1])
    steps = seconds * recipe.hz
    left = recipe.gamma**steps
    reach = 1 / max(1e-9, 1 - recipe.gamma) / recipe.hz
    evidence = (
        f"gamma {recipe.gamma:g} at {recipe.hz:g} Hz looks {reach:.1f} s ahead",
        f"{corner} takes {seconds:.1f} s from braking to exit: what follows it counts {left:.1%} at the braking point",
    )
    if left >= LEFT:
        return Sound("; ".join(evidence), source=road.name)
    sentence = f"What is gained behind {corner} hardly counts where its braking begins, so braking does not pay."
    return Finding(sentence, evidence, 0.8 if left < LEFT / 2 else 0.6, source=road.name)


CHECKS: tuple[Check, ...] = (artefact, lookahead, heading, horizon)
