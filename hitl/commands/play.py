"""`hitl play`: a live session. The agent drives; the player takes over and hands back."""

from __future__ import annotations

import argparse
import contextlib
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hitl.home import add_home, home_path

if TYPE_CHECKING:
    from hitl.home import Home
    from hitl.rig import Rig
    from hitl.session import Tick
    from hitl.track import Track
    from hitl.wheel import Wheel
    from takeover_ui.window import Window

DRIVERS = ("auto", "sdl", "inputs", "keyboard", "scripted", "none")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hitl play", description="A live session: the agent drives, you take over.")
    add_home(parser)
    parser.add_argument("--env", default="box2d", help="the game (default: box2d)")
    parser.add_argument("--track", default="default", help="a shipped track's name or a file")
    parser.add_argument("--pad", choices=DRIVERS, default="auto", help="who takes over, and with what (default: auto)")
    parser.add_argument("--pad-name", default="", metavar="TEXT", help="part of the pad's name, when there are several")
    parser.add_argument("--gating", choices=("touch", "hold", "toggle"), default="touch", help="how the wheel is taken")
    parser.add_argument("--episodes", type=int, default=None, metavar="N", help="stop after N episodes")
    parser.add_argument("--lap", action="store_true", help="drive whole laps yourself: demonstrations")
    parser.add_argument("--checkpoint", default="", metavar="WHICH", help="hold one fast: best, a number, a file name")
    parser.add_argument(
        "--corners", default="", metavar="NAMES", help="scripted: corners to take over at (default: all)"
    )
    parser.add_argument(
        "--help-seconds", type=float, default=None, metavar="S", help="scripted: take over for S seconds at most"
    )
    parser.add_argument(
        "--headless", action="store_true", help="no window; with --pad scripted or none as fast as it goes"
    )
    parser.add_argument("--overlay", choices=("full", "compact", "bar", "off"), default="full")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(argv: list[str]) -> int:
    """Run a session until the player leaves or the episodes are driven."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.lap and args.pad == "none":
        parser.error("--lap needs somebody to drive it")

    from data.errors import DeviceError, HitlError
    from hitl import arbiter
    from hitl.rig import Rig, RigOptions
    from takeover_ui.window import Window, WindowOptions, display_available

    fast = args.headless and args.pad in ("scripted", "none")
    if not args.headless and not display_available():
        raise DeviceError(
            "There is no display here for the window. Use --headless, with --pad scripted where nobody can drive."
        )
    stopping = _stop_on_signal()
    with contextlib.ExitStack() as stack:
        window = None
        if not args.headless:
            window = stack.enter_context(Window(WindowOptions(overlay=args.overlay)))
        options = RigOptions(
            env=args.env,
            track=args.track,
            real_time=not fast,
            seed=args.seed,
            gating=arbiter.Settings(mode=args.gating),
        )
        watch = _Watch(window) if window is not None else None
        rig = stack.enter_context(
            Rig(
                home_path(args),
                options,
                wheel=lambda track: _wheel(args, track, window, stack),
                watch=watch,
                stop=lambda: stopping() or (window is not None and window.closed),
            )
        )
        if watch is not None:
            watch.begin(rig)
        if args.checkpoint:
            rig.policy.hold(args.checkpoint)
        try:
            driven = _drive(rig, args, watch)
        except HitlError as error:
            rig.recorder.event("error", str(error), level="error")
            raise
        for sentence in rig.recorder.recovered:
            print(sentence)
        problem = rig.recorder.status.problem
    print(driven if not problem else f"{driven}\n{problem}")
    return 0


def _drive(rig: Rig, args: argparse.Namespace, watch: _Watch | None) -> str:
    count = takeovers = human = steps = finished = 0
    while args.episodes is None or count < args.episodes:
        if rig.session.stop():
            break
        result = rig.session.episode("lap" if args.lap else "drive", seed=1000 * args.seed + count)
        count += 1
        takeovers += result.takeovers
        human += result.human_steps
        steps += result.steps
        finished += result.reason == "finish"
        if watch is not None:
            watch.episode_over(result)
    hz = rig.task.settings.hz
    return f"{count} episodes, {steps:,} steps, {finished} finished; {takeovers} takeovers, {human / hz:.1f} s of human driving."


def _wheel(args: argparse.Namespace, track: Track, window: Window | None, stack: contextlib.ExitStack) -> Wheel:
    from hitl.pads.choose import open_pad
    from hitl.settings import load
    from hitl.wheel import Nobody, PadWheel, ScriptedWheel

    if args.pad == "none":
        return Nobody()
    if args.pad == "scripted":
        from hitl.scripted import Rule, ScriptedDriver, TakeoverRule

        names = frozenset(filter(None, args.corners.split(","))) or frozenset(c.name for c in track.corners)
        for name in names:
            track.corner(name)
        rule = None if args.lap else TakeoverRule(track, Rule(corners=names))
        return ScriptedWheel(ScriptedDriver(track, seed=args.seed), rule, limit_s=args.help_seconds)
    if window is None:
        pad = open_pad(load(home_path(args)), args.pad, args.pad_name)
    else:
        pad = player_pad(args.pad, args.pad_name, home_path(args), window)
    stack.callback(pad.close)
    return PadWheel(pad)


def player_pad(use: str, name: str, home: Home, window: Window) -> Any:
    """Return the pad that the player asked for, and the window's keys beside it (alone for ``keyboard``)."""
    from hitl.pads.choose import open_pad
    from hitl.pads.either import EitherPad
    from hitl.pads.keyboard import KeyboardPad
    from hitl.pads.window_keys import window_keys
    from hitl.settings import load

    keys = KeyboardPad(keys=window_keys(window.keys))
    if use == "keyboard":
        return keys
    return EitherPad(open_pad(load(home), "sdl" if use == "auto" else use, name), keys)


def _stop_on_signal() -> Callable[[], bool]:
    """Turn the first Ctrl+C into a request to stop after the tick; the second is the usual one."""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with contextlib.suppress(ValueError):  # not in the main thread: somebody else handles signals
        signal.signal(signal.SIGINT, ask)
        signal.signal(signal.SIGTERM, ask)
    return lambda: bool(asked)


class _Watch:
    """Shows ticks in the window; made before the rig, because the rig's session needs it."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._watcher: Any = None

    def begin(self, rig: Rig) -> None:
        """The rig is there: its track and names are known."""
        from hitl.watch import Watcher

        self._watcher = Watcher(self._window, rig.track, rig.corners, rig.action_names, hz=rig.task.settings.hz)
        self._watcher.hint = "arrows or pad: drive    space: hold the wheel    p: pause    esc: leave"
        self._rig = rig

    def __call__(self, tick: Tick) -> None:
        """Show one tick."""
        from takeover_ui.view import StorePulse

        status = self._rig.recorder.status
        self._watcher.store = StorePulse(status.committed_steps, status.queue, status.last_commit_age_s, status.problem)
        self._watcher(tick)

    def episode_over(self, result: Any) -> None:
        """Keep what the next episodes show of it."""
        self._watcher.episode_over(result)
