"""What keys and buttons do, in one line, by the names that the player's devices have for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hitl.arbiter import Decision
from hitl.drivers.human import button_names
from hitl.pads.base import BUTTONS, Pad
from hitl.pads.keyboard import KEYS
from takeover_ui.language import ENGLISH, Words
from takeover_ui.window.key_names import printed

LAP = "lap"
_DRIVING = frozenset(("pause", "panic", "star"))  # what is done while someone drives, and not in a pause
_UNDER_WAY = frozenset(("rewind", "panic", "restart"))  # what is done in a drive, and not before it has begun


def key_hint(
    mode: str,
    words: Words = ENGLISH,
    meanings: Mapping[str, tuple[str, ...]] = KEYS,
    *,
    mouse: bool = True,
    pad: bool = True,
    takes: Sequence[str] = ("rightshoulder",),
    back: bool = True,
    stands: bool = False,
) -> str:
    """Return what the keys do; ``mode``: of gating, or ``LAP``, in which the wheel is the player's all the time.

    ``meanings``: the keys that are set, by what they do; ``mouse``: it reaches the window, which an overlay lets through;
    ``pad``: one is plugged in; ``takes``: its buttons that take the wheel; ``back``: this game can go back, which it never does
    in a lap; ``stands``: the lap waits for its first touch.
    """
    either = f" {words['or']} "
    keys_take = either.join(printed(key, words) for key in meanings["takeover"])
    button = words["right_shoulder"] if tuple(takes) == ("rightshoulder",) else either.join(takes)
    pad = pad and (bool(button) or mode not in ("hold", "toggle"))
    drives = words.say(
        f"hint_{mode}{'' if pad else '_keys'}", takeover=keys_take, button=button, drive=driving_keys(meanings, words)
    )
    goes_back, keys = back and mode != LAP and not stands, "hint_stands_keys" if stands else "hint_keys"
    rest = [*(["hint_back"] if goes_back else []), keys, *(["hint_gauges"] if mouse else [])]
    return "    ".join([drives, *(words[name] for name in rest)])


def paused_hint(mode: str, words: Words = ENGLISH, *, back: bool = True, stands: bool = False) -> str:
    """Return what the keys do in a pause: no one drives then. What ends it is said beside it. ``stands``: no drive has begun."""
    if stands:
        return words["hint_stands_paused_keys"]
    return "    ".join(words[name] for name in (*(["hint_back"] if back and mode != LAP else []), "hint_paused_keys"))


def driving_keys(meanings: Mapping[str, tuple[str, ...]], words: Words = ENGLISH) -> str:
    """Return the keys with which one steers and moves the pedals: those that each of them has first."""
    first = [meanings[name][0] for name in ("gas", "left", "brake", "right")]
    if first == ["up", "left", "down", "right"]:
        return words["arrows"]
    if all(key.startswith("[") and len(key) == 3 for key in first):
        return words["key_number_pad"].format(key=" ".join(key[1] for key in first))
    names = [printed(key, words) for key in first]
    return (" " if all(len(name) == 1 for name in names) else ", ").join(names)


def pad_hint(
    buttons: Mapping[str, tuple[str, ...]],
    mode: str,
    words: Words = ENGLISH,
    *,
    back: bool = True,
    paused: bool = False,
    stands: bool = False,
) -> str:
    """Return what the buttons of a pad do, by its mapping; the rest as in :func:`key_hint`; ``paused``: in a pause."""
    either = f" {words['or']} "
    takes = either.join(buttons.get("takeover", ())) or words["no_button"]
    rest = [
        f"{either.join(buttons[name])}: {words[f'pad_{name}']}"
        for name in ("rewind", "pause", "panic", "star", "discard", "keep", "restart", "quit")
        if buttons.get(name) and (name != "rewind" or (back and mode != LAP)) and not (paused and name in _DRIVING)
        and not (stands and name in _UNDER_WAY)
    ]
    return "    ".join([*([] if paused else [words.say(f"pad_{mode}", button=takes)]), *rest])


def ignored_names(decision: Decision, pad: Pad | None) -> tuple[str, ...]:
    """Return what the player must let go of: axes and pedals by what they do, buttons and keys by their own names."""
    pads, ignored_by = getattr(pad, "parts", (pad,)), decision.ignored_by
    if len(pads) != len(ignored_by):
        return tuple(sorted(decision.ignored))
    names = set()
    for part, ignored in zip(pads, ignored_by, strict=True):
        names |= {button_names(part, name) if name in BUTTONS else name for name in ignored}
    return tuple(sorted(names))
