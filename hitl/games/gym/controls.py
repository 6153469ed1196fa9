"""What of the pad moves which number of a Gymnasium environment's action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from data.errors import DeviceError, shown
from data.ranges import ActionRange
from data.words import number_of
from hitl.coach.rules import Said
from hitl.pads.base import MORE, Control
from hitl.pads.keyboard import MORE_KEYS

CONTROLS: dict[str, tuple[str, ...]] = {
    "CarRacing-v3": ("steer", "gas", "brake"),
    "Pendulum-v1": ("-steer",),  # its torque is positive to the left
    "MountainCarContinuous-v0": ("gas_brake",),
    "LunarLanderContinuous-v3": ("gas", "steer"),  # its engine runs above 0; to the right, it leans to the right
}
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


def further(controls: Sequence[Control]) -> str:
    """Return which action numbers are moved by what a car has not, as "action_2: right_x (F, H)", in every language."""
    keys = {name: ", ".join(MORE_KEYS[name]).upper() for name in MORE}
    return "; ".join(f"action_{k}: {one.name} ({keys[one.name]})" for k, one in enumerate(controls) if one.name in MORE)


def to_tell(name: str, controls: Sequence[Control], chosen: Mapping[str, tuple[str, ...]]) -> tuple[Said, ...]:
    """Return what a player must know of action numbers that more than a car has, or nothing, moves; none where they chose it."""
    short, which, more = name.rsplit(":", 1)[-1], still(controls), further(controls)
    if name in chosen or short in chosen or not (which or more):
        return ()
    row = _in_settings(short, controls)
    told = (Said("moved_further", values={"moved": more, "row": row}),) if more else ()
    if not which:
        return told
    text = ("unmoved", "unmoved_two", "unmoved_many")[min(len(which), 3) - 1]
    values = {"which": which[0], "other": which[-1], "count": len(which), "of": len(controls), "row": row}
    return (*told, Said(text, values=values))


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
    """Return how controls are chosen in the settings, with what holds now as the example: whole, so that it can be pasted."""
    words = ", ".join(f'"{"-" * (control.swing < 0.0)}{control.name}"' for control in controls)
    return f'"{short}" = [{words}]'


def _guess(scaled: ActionRange) -> tuple[str, ...]:
    """Numbers whose range begins or ends at 0 are pedals, gas first; of the others the first one steers."""
    pedals = ["gas", "brake"]
    others = ["steer", *MORE] if scaled.one_way.any() else ["steer", "gas_brake", *MORE]
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
    if control.name in ("steer", *MORE) and scaled.one_way[k]:
        return replace(control, rest=0.5 if scaled.high[k] > 0.0 else -0.5, swing=0.5 * control.swing)
    return control
