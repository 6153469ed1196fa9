"""`hitl train`: run the trainer on a home folder, in the foreground or background; show, pause or stop it."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import CheckpointError, StoreError, TrainingError, UsageError, shown
from data.words import about, number_of
from hitl.arguments import SEED_MOST, Parser, add_agent, agent_given, whole
from hitl.commands.server import access_of, add_access
from hitl.home import Home, add_home, home_path, in_home
from hitl.remote.elsewhere import far_said, far_trainer, forget_link, is_at_work, link_of, trains_elsewhere
from trainer.daemon import control
from trainer.daemon.heartbeat import NAME, Heartbeat, read_heartbeat, unreadable

if TYPE_CHECKING:
    from trainer.daemon.evaluations import Watch
    from trainer.daemon.wish import Wish

THERE = "The trainer of this home is on another machine: type this there."
SERVER_S = 12.0  # a server that answers does so within a second or two, and then it is known why not


def main(argv: list[str]) -> int:
    """Train until stopped, or control a trainer that is at work."""
    parser = Parser(
        prog="hitl train",
        description="Follow a home folder's store and learn from it until stopped. It may be killed at any moment and goes on "
        "where it was.",
    )
    parser.add_argument(
        "what", nargs="?", default="run", choices=("run", "status", "pause", "resume", "stop"), help="default: run"
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument(
        "--preset",
        help="hitl (default on a road), plain (default elsewhere), rlpd or run_l; without it a run goes on with its own settings",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting; may be repeated"
    )
    parser.add_argument("--tmrl-config", type=Path, metavar="FILE", help="settings of an existing tmrl config.json")
    add_agent(parser, "ask this agent, where it teaches (frozen_teaches) and its copy in the home cannot be opened")
    parser.add_argument("--init", metavar="FILE", help="begin from a checkpoint file; 'best' goes back to the best one")
    parser.add_argument("--fresh", action="store_true", help="begin anew whatever checkpoints there are")
    parser.add_argument("--seed", type=whole(0, SEED_MOST), help="of all that is random (default: 0)")
    parser.add_argument(
        "--device", default="auto", help="auto (default: cuda where the CPU is too slow or CUDA_TRAINING is true), cpu or cuda"
    )
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="WHERE",
        help="metrics also to tensorboard, wandb or wandb:PROJECT",
    )
    parser.add_argument("--from-server", action="store_true", help="also learn from workers on other machines")
    parser.add_argument(
        "--tmrl-weights", action="store_true", help="also send weights to tmrl's own workers (those with HitlActor)"
    )
    add_access(parser, "with --from-server: the server's address (default: this machine)")
    parser.add_argument("--background", action="store_true", help="run in the background; output goes to trainer.log")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    args = parser.parse_args(argv)
    from hitl.settings import plays_elsewhere

    args.or_last_demo &= not plays_elsewhere()  # as `hitl play`
    home = home_path(args)
    if args.what == "status":
        return _status(home, args.home)
    if args.what in ("pause", "resume"):
        return _pause(home, args.what == "pause", args.home)
    if args.what == "stop":
        return _stop(home, args.home)
    _check_named(home, args)
    if not args.from_server:
        _refuse_unused(args)
    else:  # said here, and not only in the log of one in the background
        from hitl.remote.child import refuse_both

        access_of(args)
        refuse_both("receive", home.store_path)
    wish = _wish(home, args)  # a wrong setting is reported at once, not when the first steps come, and makes no folder
    home.create()
    if args.background:
        return _background(home, args, [word for word in argv if word != "--background"])
    if not args.from_server:
        return _run(home, args, wish)
    from hitl.remote.child import Child

    say = (lambda text: None) if args.quiet else (lambda text: print(text, flush=True))
    child = Child("receive", home.root, access_of(args), say, tmrl_weights=args.tmrl_weights)
    try:
        return _run(home, args, wish)
    finally:
        child.close()


def _run(home: Home, args: argparse.Namespace, wish: Wish) -> int:
    from hitl.processes import is_guest, when_hung_up
    from hitl.trainer_process import when_parent_ends

    asked: list[int] = []
    with contextlib.suppress(ValueError):  # not in the main thread: signals are handled elsewhere
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda number, frame: asked.append(number))
        when_hung_up(lambda: asked.append(0))
    when_parent_ends(lambda: asked.append(0))
    from hitl.agents.keeping import teacher
    from hitl.agents.own_code import named_agent
    from hitl.settings import load
    from hitl.timing.awake import StayAwake
    from hitl.trials.copies import Trials
    from trainer.daemon.daemon import Daemon
    from trainer.daemon.reporting import FROM_WORKERS, HERE

    settings = load(home, "agent", over={"agent": agent_given(args)})
    shown: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        if not args.quiet and sys.stdout.isatty():
            from rich.live import Live

            from hitl.console import console
            from hitl.screens.training.train_terminal import draw

            live = stack.enter_context(Live("starting …", console=console(), refresh_per_second=4))
            shown = {
                "say": lambda text: live.console.print(in_home(text, args.home)),
                "show": lambda beat, watch: live.update(draw(beat, watch, args.home)),
            }
        elif not args.quiet:
            shown = {"say": lambda text: print(in_home(text, args.home), flush=True), "show": _lines(args.home)}
        shown["show"] = kept_awake(shown.get("show", lambda *_: None), StayAwake())
        trials = Trials(home)
        daemon = Daemon(
            home.root, wish, stop=lambda: bool(asked), logs=tuple(args.log), trials=trials,
            source=FROM_WORKERS if args.from_server else HERE, steps_back=not is_guest(),
            teacher_of=lambda names: teacher(home, named_agent(home, settings), *names), **shown,
        )  # fmt: skip
        trials.meanwhile = daemon.during_trial
        daemon.run()
    if daemon.stuck and not is_guest():
        # Everything is written. What such a package does at the end of a process would wait for its server for ever.
        sys.stdout.flush()
        os._exit(0)
    return 0


def kept_awake(
    show: Callable[[Heartbeat, Watch], None], stay_awake: Callable[[], None]
) -> Callable[[Heartbeat, Watch], None]:
    """Return what shows a heartbeat, and keeps the machine awake while there is something to learn."""

    def watched(beat: Heartbeat, watch: Watch) -> None:
        if beat.state == "training":
            stay_awake()
        show(beat, watch)

    return watched


def _lines(named: Path | None, every_s: float = 60.0) -> Callable[[Heartbeat, Watch], None]:
    """Return what prints, where there is no terminal, how it goes: each state once as soon as it comes, then now and then."""
    said, at, known = "", -math.inf, {""}

    def show(beat: Heartbeat, watch: Watch) -> None:
        nonlocal said, at
        over = beat.state in ("stopped", "failed")
        # What is waited for is worth a line, however many steps of it are missing.
        now = re.sub(r"[\d,]+", "", beat.doing) if beat.state == "waiting" else beat.state
        if now != said and (over or now not in known or time.monotonic() - at >= every_s):
            said, at = now, time.monotonic()
            known.add(said)
            # What a run has done before is not known yet while it starts.
            done = "" if beat.state == "starting" and not beat.updates else f"; {number_of(beat.updates, 'update')} done"
            print(in_home(f"{beat.doing}{done}", named), flush=True)

    return show


def _refuse_unused(args: argparse.Namespace) -> None:
    """Raise UsageError for what only a trainer of workers uses: without them, nobody would ever be connected to."""
    from hitl.remote.link import Access

    usual = Access()
    given = {
        "--server": args.server != usual.host, "--port": args.port != usual.port, "--keys": args.keys is not None,
        "--no-tls": args.no_tls, "--tmrl-weights": args.tmrl_weights,
    }  # fmt: skip
    if named := [option for option, used in given.items() if used]:
        raise UsageError(
            f"{' and '.join(named)} say how to reach workers on other machines, and without --from-server none are learned from: "
            "add --from-server, or omit what it is for."
        )


def _check_named(home: Home, args: argparse.Namespace) -> None:
    """Report files and packages that are not there at once, not when the first steps come. Raises HitlError."""
    from trainer.daemon.wish import read_logs

    read_logs(args.log)
    if args.init not in (None, "best") and Path(args.init).is_dir():
        raise CheckpointError(f"'{shown(Path(args.init).name)}' is a folder, and --init names a checkpoint's file in one.")
    if args.init not in (None, "best") and not Path(args.init).is_file():
        raise CheckpointError(f"There is no file '{shown(Path(args.init).name)}' there, which --init names: check the path.")
    if args.agent not in (None, "none") and not args.agent.startswith("pad:"):
        from hitl.agents.opening import file_of
        from hitl.settings import load

        file_of(load(home, "agent", over={"agent": agent_given(args)}).agent, home)


def _wish(home: Home, args: argparse.Namespace) -> Wish:
    """Return what is asked of the trainer: a preset or tmrl's settings, what is set in the home, the command line."""
    from hitl.settings import COMMAND_LINE, load
    from trainer.config import seconds_of
    from trainer.daemon.wish import Wish, read_pairs


    device = args.device
    options = {name: value for name in ("preset", "seed") if (value := getattr(args, name)) is not None}
    asked = read_pairs(args.set) | options
    settings = load(home, "train", over={"train": asked})
    base = None
    if args.tmrl_config is not None:
        from hitl.commands.config import show
        from trainer.tmrl.config import device_of, settings_of
        from trainer.tmrl.reader import TmrlConfig

        config = TmrlConfig.read(args.tmrl_config)
        base, findings = settings_of(config)
        if not (args.quiet or args.background):
            show(findings, brief=True)
        if device == "auto" and (device := device_of(config)) == "cuda":
            device = _cuda_if_there()
    if device not in ("auto", "cpu"):
        from trainer.device_check import check_device

        check_device(device)
    for note in settings.notes:
        print(note, file=sys.stderr, flush=True)
    insisted = {name for name in asked if settings.origin.get(f"train.{name}") == COMMAND_LINE}
    init = Path(args.init) if args.init else None
    # What the command line says of a time goes before steps that are set in the home.
    train = {k: v for k, v in settings.train.items() if k in asked or not asked.keys() & seconds_of(k)}
    return Wish.of(
        train, base, insisted=frozenset(insisted), init=init, fresh=args.fresh, device=device
    )


def _cuda_if_there() -> str:
    """Return ``cuda`` where this machine has it; otherwise say that a configuration asks for it in vain, and return ``cpu``."""
    from trainer.device_check import check_device

    try:
        check_device("cuda", instead="set CUDA_TRAINING to false")
    except UsageError as error:
        print(f"CUDA_TRAINING is true, but this machine learns on its CPU. {error}", file=sys.stderr, flush=True)
        return "cpu"
    return "cuda"


def _status(home: Home, named: Path | None) -> int:
    from hitl.screens.training.stopping import unsaved
    from hitl.settings import fault_of

    beat = read_heartbeat(home.root)
    if trains_elsewhere(home):
        print(f"The trainer of this home is {far_said(home)}. `hitl train status` says more on that machine.")
        return 0 if is_at_work(far_trainer(home.root)) else 1
    if not control.running(home.store_path):
        if beat is not None and beat.state == "failed":
            print(in_home(f"The trainer has stopped: {beat.problem}", named))
        elif beat is not None and beat.state != "stopped":
            print(in_home(_killed(home, beat), named))
        elif beat is not None and beat.unsaved:
            print(in_home(unsaved(beat), named))
        else:
            print(in_home("No trainer is at work on this home folder: `hitl train` starts one.", named))
        if said := fault_of(home):  # it could not start
            print(said)
        if curve := _curve(home):
            from hitl.console import print_facts

            print_facts(curve)
        return 1
    from hitl.console import print_facts
    from hitl.screens.training.silence import is_of, known_of, silence, wakes_of
    from hitl.screens.training.train_words import facts_of, warnings_of

    waking = wakes_of(home)
    if beat is None and (why := unreadable(home.root)):
        print(f"A trainer is at work. How it does is in {NAME}, which cannot be read {why}.")
        return 0
    if beat is None or not is_of(beat, home):
        print(f"A trainer is starting, and suspended: {waking}" if waking else "A trainer is starting.")
        return 0
    state = silence(beat, waking)
    facts = [("state", state), *known_of(beat)] if state else facts_of(beat, named)
    silent = [("last heard of", f"{about(beat.age_s)} ago")] if beat.age_s > 5 else []
    if (link := link_of(home.root)) is not None:
        silent.append(("server", "connected" if link[0] else link[1] or "not reached yet"))
    print_facts([*silent, *facts, *warnings_of(beat, named), *_curve(home)])
    return 0


def _killed(home: Home, beat: Heartbeat) -> str:
    """Return where a trainer was killed, and what the next one begins with."""
    from data.store import Store

    text = f"The trainer was killed at {number_of(beat.updates, 'update')}"
    if beat.checkpoint:
        return f"{text}; `hitl train` goes on from its last checkpoint."
    text += ", before it had written a checkpoint"
    newest = None
    with contextlib.suppress(StoreError), Store.open_existing(home.store_path) as store:
        newest = store.latest_checkpoint()
    if newest is not None:  # of a run before, which it was told to leave, or that it had not read to its end
        return f"{text}; `hitl train` goes on from {newest.name}."
    return f"{text}; `hitl train` begins anew{', with your laps' if beat.laps_learned else ''}."


def _curve(home: Home) -> list[tuple[str, str]]:
    """Return the learning curve, corner by corner, and the agent's lap times; nothing that is not known or cannot be read."""
    from data.store import Store
    from hitl.screens.training.lap_line import lap_line
    from hitl.screens.training.learning_curve import RETURN, learning_curve

    with contextlib.suppress(StoreError), Store.open_existing(home.store_path) as store:
        curve = learning_curve(store.evaluations())
        passes = [(f"{name} alone" if name == RETURN else f"passes {name}", text) for name, text in curve]
        return [*passes, ("laps alone", laps)] if (laps := lap_line(store)) else passes
    return []


def _pause(home: Home, pause: bool, named: Path | None) -> int:
    from hitl.screens.training.stopping import ask

    if trains_elsewhere(home):
        raise TrainingError(THERE)
    if not control.running(home.store_path):
        raise TrainingError("No trainer is at work on this home folder: `hitl train` starts one.")
    if pause:
        ask(home, control.PAUSE)
    else:
        control.withdraw(home.root, control.PAUSE)
    if not pause and control.asked(home.root, control.PAUSE):
        raise TrainingError(f"Training stays paused: '{control.PAUSE}' in the home folder cannot be deleted. Delete that file.")
    print(in_home("Training is paused. Resume with `hitl train resume`.", named) if pause else "Training goes on.")
    return 0


def _stop(home: Home, named: Path | None) -> int:
    from hitl.screens.training.stopping import stop

    if trains_elsewhere(home):
        raise TrainingError(THERE)
    if not control.running(home.store_path):
        print("No trainer is at work on this home folder.")
        return 0
    print(stop(home, named))
    return 0


def _background(home: Home, args: argparse.Namespace, words: list[str]) -> int:
    from hitl.trainer_process import TrainerProcess

    if control.running(home.store_path):
        raise TrainingError("A trainer is already at work on this home folder: `hitl train status` shows it.")
    forget_link(home.root)
    TrainerProcess(home, *words, detached=True).wait_for_heartbeat(print)
    if args.from_server:
        print(in_home(_server_said(home), args.home), flush=True)
    print(in_home("The trainer is running in the background: `hitl train status`, `pause`, `resume`, `stop`.", args.home))
    return 0


def _server_said(home: Home) -> str:
    """Return whether a trainer that was started just now reaches its server: that it is at work says nothing of that."""
    until = time.monotonic() + SERVER_S
    while time.monotonic() < until:
        if (link := link_of(home.root)) is not None:
            return "It is connected to the server." if link[0] else link[1]
        time.sleep(0.1)
    return "It has not reached the server yet."
