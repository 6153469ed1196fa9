"""Who takes over in a session, by the command line: a person with a pad and the window's keys, the scripted driver, no one."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from data.errors import UsageError
from data.records import ROADLESS
from data.store import Store
from hitl.coach.rules import Tell
from hitl.drivers.human import HumanDriver, HumanSide, NoHuman, pad_map, scripted_human
from hitl.drivers.scripted import HelpRule
from hitl.home import Home
from hitl.pads.base import Pad
from hitl.pads.combined import EitherPad
from hitl.pads.keyboard import KeyboardPad
from hitl.pads.open import open_pad
from hitl.road.corners import corner_called
from hitl.road.track import Track
from hitl.settings import load

if TYPE_CHECKING:
    from takeover_ui.window.window import Window


def open_human(
    args: argparse.Namespace,
    env: str,
    home: Home,
    track: Track,
    window: Window | None,
    stack: contextlib.ExitStack,
    tell: Tell,
) -> HumanSide:
    """Return who takes over, by ``--pad`` and the options beside it; ``stack`` closes their device.

    Raises UsageError for the scripted driver where there is no road, and for laps that no one can drive; DeviceError for a pad
    that cannot be read. That no one can take over is told.
    """
    if args.pad == "none":
        return NoHuman()
    if args.pad == "scripted":
        if env.startswith("gym:"):
            raise UsageError("The scripted driver knows roads only: use --pad none here, or drive yourself.")

        with Store(home.store_path, read_only=True) as store:  # with the names that the player gave
            known = tuple(store.corners(track.name))
        named = [corner_called(name, known, track.name) for name in args.corners.split(",") if name]
        rule = None if args.lap else HelpRule(corners=frozenset(c.name for c in named or known))
        return scripted_human(track, args.skill, rule, seed=args.seed, corners=known, limit_s=args.help_seconds)
    if window is None:
        pad = open_pad(load(home, "pad", "keys"), args.pad, args.pad_name)
    else:
        pad = player_pad(args.pad, args.pad_name, home, window)
    stack.callback(pad.close)
    if window is None:
        _tell_of_no_one(pad, args, env, tell)
    return HumanDriver(pad)


def _tell_of_no_one(pad: Pad, args: argparse.Namespace, env: str, tell: Tell) -> None:
    """Say that no one can drive in a session without a window, where that is so; UsageError where it is for nothing then."""
    able, now = ("can be used", "can") if getattr(pad, "problem", "") else ("is plugged in", "is")
    if getattr(pad, "device", pad) is None:  # it is waited for, and meanwhile a lap stands still
        tell("warning", f"No pad {able}. Until one {now}, {'the lap stands still' if args.lap else 'no one can take over'}.")
    elif isinstance(pad, KeyboardPad) and not pad.has_window:
        why = "--headless opens no window that hears keys" + ("" if args.pad == "keyboard" else f", and no pad {able}")
        way = "Plug a pad in, or leave --headless out"
        if args.lap:
            drives = "" if env.startswith(ROADLESS) else "; --pad scripted drives them by itself"
            raise UsageError(f"{why}, so no one can drive these laps. {way}{drives}.")
        tell("warning", f"{why}, so no one can take over. {way}; --pad none says that it is meant so.")


def player_pad(use: str, name: str, home: Home, window: Window) -> EitherPad:
    """Return the pad that the player asked for together with the window's keys, its last part; for ``keyboard`` these alone."""
    settings = load(home, "pad", "keys")
    keys = KeyboardPad(keys=window.heard, meanings=settings.keys.meanings)
    if use == "keyboard":
        return EitherPad(keys)  # which can rest while the settings are open
    return EitherPad(open_pad(settings, "sdl" if use == "auto" else use, name), keys)


def ways_out(human: HumanSide | None, window: Window | None) -> str:
    """Return what leaves a session that waits, as part of a sentence."""
    made = pad_map(human)
    heard = window is not None and window.hears_keys
    ways = [*(["Escape"] if heard else []), *(made.buttons.get("quit", ()) if made is not None else ()), "Ctrl+C"]
    return " or ".join(part for part in (", ".join(ways[:-1]), ways[-1]) if part)
