"""What of the pad moves which number of a Gymnasium environment's action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from data.errors import DeviceError, shown
from data.ranges import ActionRange
from data.words import number_of
from hitl.coach.rules import Said
from hitl.pads.base import Control

CONTROLS: dict[str, tuple[str, ...]] = {
    "CarRacing-v3": ("steer", "gas", "brake"),
    "Pendulum-v1": ("-steer",),  # its torque is positive to the left
    "MountainCarContinuous-v0": ("gas_brake",),
    "LunarLanderContinuous-v3": ("gas", "steer"),  # its engine runs above 0; to the right, it leans to the right
}
_WRITTEN = 6  # words of an example
NAMES: dict[str, tuple[str, ...]] = {"CarRacing-v3": ("steer", "gas", "brake")}


def action_names(name: str, size: int) -> tuple[str, ...]:
    """Return the names under which an environment's actions are stored."""
    known = NAMES.get(name.rsplit(":", 1)[-1])
    return known if known and len(known) == size else tuple(f"action_{k}" for k in range(size))


def controls_for(name: str, scaled: ActionRange, chosen: Mapping[str, tuple[str, ...]]) -> tuple[Control, ...]:
    """Return what of the pad moves each action number: as chosen, as known, or a guess by its range. Raises DeviceError."""
    short = name.rsplit(":", 1)[-1]
    size = len(scaled)
    if (given := chosen.get(name) or chosen.get(short)) is not None:
        if len(given) != size:
            raise DeviceError(
                f"settings.toml gives {number_of(len(given), 'control')} to '{short}', which takes "
                f"{number_of(size, 'action number')}: write one for each."
            )
    else:
        known = CONTROLS.get(short)
        given = known if known and len(known) == size else _guess(scaled)
    return tuple(_within(Control.named(control), scaled, k) for k, control in enumerate(given))


def still(controls: Sequence[Control]) -> list[str]:
    """Return the names of the action numbers that nothing of the pad moves."""
    return [f"action_{k}" for k, control in enumerate(controls) if control.name == "none"]


def unmoved(name: str, controls: Sequence[Control], chosen: Mapping[str, tuple[str, ...]]) -> tuple[Said, ...]:
    """Return a sentence where nothing of the pad moves some action numbers, and nobody chose that in the settings; else none."""
    short, which = name.rsplit(":", 1)[-1], still(controls)
    if not which or name in chosen or short in chosen:
        return ()
    text = ("unmoved", "unmoved_two", "unmoved_many")[min(len(which), 3) - 1]
    values = {"which": which[0], "other": which[-1], "count": len(which), "of": len(controls)}
    return (Said(text, values={**values, "row": _in_settings(short, controls)}),)


def unbounded(name: str, scaled: ActionRange, how: str) -> str:
    """Return a sentence where some action numbers have no bounds, and what is taken for them; else "".

    ``how``: how bounds are stated, as the end of the sentence.
    """
    free = [k for k, stated in enumerate(scaled.stated) if not stated]
    if not free:
        return ""
    which = " and ".join(f"action_{k}" for k in free) if len(free) < 3 else f"{len(free)} of its {len(scaled)} action numbers"
    taken = " or ".join(dict.fromkeys(f"{scaled.low[k]:g} to {scaled.high[k]:g}" for k in free))
    return (
        f"'{shown(name)}' states no bounds for {which}, so {taken} is taken: what lies beyond is cut off before the environment "
        f"gets it. If that is too little, state the bounds: {how}"
    )


def stating_bounds(scaled: ActionRange) -> str:
    """Return the wrapper that states bounds, as code: ten times what is taken without it, to be changed."""
    low, high = ([round(10.0 * float(x), 6) for x in ends] for ends in (scaled.low, scaled.high))
    same = len(set(low)) == len(set(high)) == 1
    box = f"{low[0]}, {high[0]}, ({len(low)},)" if same else "LOW, HIGH"
    return f"gymnasium.wrappers.TransformAction(env, lambda action: action, gymnasium.spaces.Box({box}))"


def _in_settings(short: str, controls: Sequence[Control]) -> str:
    """Return how controls are chosen in the settings, with what holds now as the example."""
    words = [f'"{"-" * (control.swing < 0.0)}{control.name}"' for control in controls[:_WRITTEN]]
    return f'"{short}" = [{", ".join(words)}{", …" if len(controls) > _WRITTEN else ""}]'


def _guess(scaled: ActionRange) -> tuple[str, ...]:
    """Numbers whose range begins or ends at 0 are pedals, gas first; of the others the first one steers."""
    pedals = ["gas", "brake"]
    others = ["steer"] if scaled.one_way.any() else ["steer", "gas_brake"]
    guessed = []
    for low, one_way in zip(scaled.low, scaled.one_way, strict=True):
        left = pedals if one_way else others
        guessed.append(("-" if one_way and low < 0.0 else "") + left.pop(0) if left else "none")
    return tuple(guessed)


def _within(control: Control, scaled: ActionRange, k: int) -> Control:
    """Return the control as it moves action number ``k``, whose range may not have its rest where our 0 is.

    A pedal in a range without 0 (1000 to 2000) rests at its lower end, or at the upper one if reversed. Steering in a range that
    begins or ends at 0 (0 to 255) rests in its middle.
    """
    if control.name in ("gas", "brake") and not scaled.around[k]:
        return replace(control, rest=-control.swing, swing=2.0 * control.swing)
    if control.name == "steer" and scaled.one_way[k]:
        return replace(control, rest=0.5 if scaled.high[k] > 0.0 else -0.5, swing=0.5 * control.swing)
    return control
