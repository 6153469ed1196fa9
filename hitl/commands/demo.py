"""`hitl demo`: a stalled agent gets through its corner after seconds of takeover."""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitl.arguments import Parser
from hitl.home import Home, add_home, default_home, home_path

if TYPE_CHECKING:
    from hitl.demo.demo import DemoResult
    from hitl.road.corners import Corner
    from takeover_ui.window.window import Window

HELP_SECONDS = 30.0  # of scripted takeover; one that has begun is finished


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="hitl demo",
        description="A stalled agent drives; you take over at the corner with a pad or the arrow keys (or watch the scripted "
        "driver do it), and the trainer learns from it beside you. At the end: before and after, as a table and an HTML page.",
    )
    add_home(parser)
    parser.add_argument(
        "--headless", action="store_true", help="no window: the scripted driver takes over, faster than real time"
    )
    parser.add_argument(
        "--track", default="default", help="another track (name or file): first an agent is trained until it stalls"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="where the HTML report goes (default: in the home folder)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=None,
        metavar="M",
        help="stop learning after M minutes (default: 4; with a window 10)",
    )
    parser.add_argument(
        "--no-stand-in", action="store_true", help="with a window: only you take over, never the scripted driver"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the demo and print what came of it."""
    args = _parser().parse_args(argv)

    from data.errors import DeviceError, InputFileError
    from data.store import Store
    from hitl.road.known_tracks import file_under
    from hitl.road.track import load_track
    from takeover_ui.window.window import display_available

    track = load_track(args.track)
    for path in (args.json, args.report):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputFileError(f"'{path.name}' cannot be written: its folder does not exist.")
    if not args.headless and not display_available():
        raise DeviceError("There is no display here for the window. `hitl demo --headless` does without one.")
    home = home_path(args) if args.home else Home(_fresh_home())
    corner = _prepare(home, args, track.name)
    if corner is None:
        return 0
    with Store.open(home.store_path) as store:
        track, *_ = file_under(store.conn, track)
    from hitl.demo.report import write_demo_report

    began = time.monotonic()
    result = _headless(home, args, corner) if args.headless else _windowed(home, args, corner)
    result.wall_seconds = time.monotonic() - began
    report = args.report or home.root / "report.html"
    write_demo_report(report, home, track, result, 20.0)
    if args.json is not None:
        args.json.write_text(json.dumps(result.as_json(), indent=1) + "\n", encoding="utf-8")
    _print(result, report)
    return 0


def _fresh_home() -> Path:
    root = default_home() / "demos"
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=root))


def _prepare(home: Home, args: argparse.Namespace, track: str) -> Corner | None:
    """Fill the home with a stalled agent; None when an agent for a track of the player's own never stalled."""
    from data.errors import HitlError
    from hitl.demo.demo import open_shipped, stalled_at

    if args.track == "default":  # and no file of that name
        open_shipped(home)
        corner = stalled_at(home, track)
        if corner is None:
            raise HitlError("The agent that came with the program is not there; install the program again.")
        return corner
    from data.errors import UsageError
    from hitl.demo.stall import train_until_stalled

    if home.store_path.exists():
        raise UsageError(f"The folder '{home.root.name}' already holds a store: choose an empty one.")
    print(f"No stalled agent comes with '{track}': one is trained first.")
    result = train_until_stalled(
        home,
        args.track,
        seed=args.seed,
        report=lambda e: print(
            f"  {e.agent_steps:>6,} steps: return {e.return_mean:.1f}, {e.progress_mean:.0f} m", flush=True
        ),
    )
    if result.corner is None:
        drives = " and drives the whole track" if result.evaluations and result.evaluations[-1].finished >= 19 else ""
        print(f"The agent never stalled in {result.agent_steps:,} steps{drives}: there is nothing to help it with.")
        return None
    print(f"It stands at '{result.corner.name}'.")
    return result.corner


def _trainer_arguments(seed: int) -> list[str]:
    # A player who watches wants to see each lesson soon, and the agent has its first thousand steps behind it.
    return ["--seed", str(seed), "--quiet", "--set", "checkpoint_seconds=2", "--set", "warmup_steps=0"]


def _headless(home: Home, args: argparse.Namespace, corner: Corner) -> DemoResult:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from hitl.console import console
    from hitl.demo.demo import Demo, Limits
    from hitl.drivers.human import HumanSide, ScriptedHuman
    from hitl.drivers.scripted import Rule, ScriptedDriver, TakeoverRule
    from hitl.session.setup import SessionSetup
    from hitl.session_options import SessionOptions
    from hitl.trainer_process import TrainerProcess

    def wheel(track: Any) -> HumanSide:
        rule = TakeoverRule(
            track, Rule(corners=frozenset({corner.name}), patient=True, danger=False), corners=(corner,)
        )
        return ScriptedHuman(ScriptedDriver(track, seed=args.seed), rule, limit_s=HELP_SECONDS)

    limits = Limits() if args.minutes is None else Limits(wall_seconds=60 * args.minutes)
    words = [TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[text]}")]
    columns = (words[0], BarColumn(), words[1], TimeElapsedColumn())
    with contextlib.ExitStack() as stack:
        rig = stack.enter_context(SessionSetup(home, SessionOptions(track=args.track, kind="demo", seed=args.seed), human=wheel))
        trainer = stack.enter_context(TrainerProcess(home, *_trainer_arguments(args.seed)))
        bar = stack.enter_context(Progress(*columns, console=console(stderr=True)))
        return Demo(rig, rig, trainer, corner, _Bar(bar), limits=limits).run()


class _Bar:
    """The demo's progress on a terminal."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=1.0, text="")

    def phase(self, text: str) -> None:
        """Show the part that begins."""
        self._bar.update(self._task, description=text, completed=0.0, text="")

    def step(self, share: float, text: str) -> None:
        """Show how far it is."""
        self._bar.update(self._task, completed=min(1.0, share), text=text)


def _windowed(home: Home, args: argparse.Namespace, corner: Corner) -> DemoResult:
    from hitl.demo.demo import Demo, Limits
    from hitl.demo.window import DemoWindow
    from hitl.screens.trainer_pulse import PulseReader
    from hitl.session.setup import SessionSetup
    from hitl.session_options import SessionOptions
    from hitl.trainer_process import TrainerProcess
    from takeover_ui.window.options import WindowOptions
    from takeover_ui.window.window import Window

    limits = Limits(wall_seconds=60 * (args.minutes or 10.0))
    with contextlib.ExitStack() as stack:
        window = stack.enter_context(Window(WindowOptions(title="hitl demo")))
        shown = DemoWindow(window, corner)
        options = SessionOptions(track=args.track, kind="demo", seed=args.seed, real_time=True, gating=shown.gating)
        live = stack.enter_context(
            SessionSetup(
                home,
                options,
                human=_player_wheel(args, home, corner, window, stack),
                watch=shown.tick,
                stop=lambda: window.closed,
            )
        )
        fast = stack.enter_context(
            SessionSetup(
                home,
                SessionOptions(track=args.track, kind="evaluation", seed=args.seed),
                watch=shown.fast_tick,
                stop=lambda: window.closed,
            )
        )
        trainer = stack.enter_context(TrainerProcess(home, *_trainer_arguments(args.seed)))
        shown.begin(live, trainer, stack.enter_context(PulseReader(home.root)))
        demo = Demo(
            live,
            fast,
            trainer,
            corner,
            shown,
            limits=limits,
            paced=False,
            on_episode=shown.episode_over,
            on_measured=shown.measured,
            on_evaluation=shown.evaluated,
            cancelled=lambda: window.closed or live.session.leaving,
        )
        return demo.run()


def _player_wheel(
    args: argparse.Namespace, home: Home, corner: Corner, window: Window, stack: contextlib.ExitStack
) -> Any:
    from hitl.commands.play import player_pad
    from hitl.drivers.human import HumanDriver, HumanOrScripted, ScriptedHuman
    from hitl.drivers.scripted import Rule, ScriptedDriver, TakeoverRule

    def make(track: Any) -> Any:
        pad = player_pad("auto", "", home, window)
        stack.callback(pad.close)
        person = HumanDriver(pad)
        if args.no_stand_in:
            return person
        rule = TakeoverRule(
            track, Rule(corners=frozenset({corner.name}), patient=True, danger=False), corners=(corner,)
        )
        return HumanOrScripted(person, ScriptedHuman(ScriptedDriver(track, seed=args.seed), rule, limit_s=HELP_SECONDS))

    return make


def _print(result: DemoResult, report: Path) -> None:
    from rich.table import Table

    from hitl.console import console

    table = Table(
        title=f"'{result.corner.name}' on track '{result.track}', {len(result.before.results)} episodes without help"
    )
    table.add_column("")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    before, after = result.before.summary(), result.after.summary()
    table.add_row("corner passed", str(before["corner_passes"]), str(after["corner_passes"]))
    table.add_row(
        "laps finished", *(str(sum(r.reason == "finish" for r in o.results)) for o in (result.before, result.after))
    )
    table.add_row("mean return", f"{before['return_mean']:.1f}", f"{after['return_mean']:.1f}")
    out = console()
    out.print(table)
    out.print(
        f"{result.takeover_seconds:.1f} s of takeover in {result.takeovers} takeovers, {result.agent_steps:,} agent steps, "
        f"{result.updates:,} updates, {result.wall_seconds:.0f} s in all. Report: {report.name}, in {report.absolute().parent}",
        soft_wrap=True,
        highlight=False,
    )
