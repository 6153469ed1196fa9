"""`hitl play`: a live session. The agent drives; the player takes over and hands back."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import DeviceError, UsageError
from data.files.paths import as_option, user_path
from data.records import ROADLESS
from hitl.arguments import SEED_MOST, Parser, add_agent, add_env, agent_given, agent_words, amount, whole
from hitl.games.registry import SHOWN_FROM_ABOVE
from hitl.home import Begun, Home, add_home, home_path, in_home
from hitl.pads import PADS
from hitl.processes import stop_on_signal

if TYPE_CHECKING:
    from hitl.games.world import World
    from hitl.screens.recording import Recording
    from hitl.session_options import PlayPlan
    from hitl.settings import PlaySettings, Settings
    from takeover_ui.window.window import Window


def command_line() -> Parser:
    """Return the parser of this command."""
    from hitl.drivers.person import SKILLS

    parser = Parser(prog="hitl play", description="A live session: the agent drives, you take over.")
    add_home(parser, or_last_demo=True)
    add_env(parser)
    parser.add_argument("--track", help="a shipped track's name or a file (default: as set, else as last time)")
    drivers = (*PADS, "scripted", "none")
    parser.add_argument("--pad", choices=drivers, default="auto", help="who takes over, and with what (default: auto)")
    parser.add_argument("--pad-name", default="", metavar="TEXT", help="part of the pad's name, when there are several")
    parser.add_argument(
        "--gating", choices=("touch", "hold", "toggle"), help="how the wheel is taken (default: as set)"
    )
    parser.add_argument(
        "--tmrl-config", type=Path, metavar="FILE", help="drive under the reward and at the rate of an existing tmrl config.json"
    )
    parser.add_argument("--episodes", type=whole(1), default=None, metavar="N", help="stop after N episodes")
    parser.add_argument("--lap", action="store_true", help="drive whole laps yourself: demonstrations")
    parser.add_argument("--practice", default="", metavar="CORNER", help="try this one corner again and again")
    parser.add_argument(
        "--lead", type=float, default=None, metavar="S", help="practice: begin S seconds before the corner (default: as late "
        "as the agent's failure there can still be prevented, a second before the corner at the earliest)"
    )
    parser.add_argument(
        "--call-me", action="store_true", help="no watching: the agent drives alone and fast, and calls you when it fails"
    )
    parser.add_argument("--only-corner", default="", metavar="NAME", help="the wheel can be taken at this corner alone")
    parser.add_argument("--coach", choices=("all", "off"), help="whether it says when to help, what counted, when it is enough")
    parser.add_argument("--offer", choices=("failing", "slow", "all", "off"), help="before which corners the wheel is offered")
    parser.add_argument(
        "--greedy-every", type=whole(), metavar="N", help="every Nth episode is driven without noise, as it will be evaluated "
        "(default: as set, else 2; 0: never)"
    )
    parser.add_argument("--checkpoint", default="", metavar="WHICH", help="drive with this one only: best, a number, a file name")
    add_agent(parser)
    parser.add_argument(
        "--corners", default="", metavar="NAMES", help="scripted: corners to take over at (default: all)"
    )
    parser.add_argument(
        "--skill", choices=SKILLS, default="good", help="scripted: how good a driver it is (default: good)"
    )
    parser.add_argument(
        "--help-seconds", type=amount(), default=None, metavar="S", help="scripted: take over for S seconds at most"
    )
    parser.add_argument(
        "--headless", action="store_true", help="no window; with --pad scripted or none as fast as it goes"
    )
    sizes = ("full", "compact", "bar", "off")
    parser.add_argument("--overlay", choices=sizes, help="how much of it; off: without the gauges (default: as set)")
    parser.add_argument(
        "--record", nargs="?", const="", metavar="FOLDER", help="keep what a reviewer needs of this session: a film of each "
        "takeover, session.json, and a page that shows both (default: recorded/ in the home folder)"
    )
    parser.add_argument("--seed", type=whole(0, SEED_MOST), default=0, help="of all that is random (default: 0)")
    return parser


def main(argv: list[str], *, trains_elsewhere: bool = False) -> int:
    """Run a session until the player leaves or the episodes are driven; ``trains_elsewhere``: no trainer is expected here."""
    args = _words(argv)
    if (args.agent or "").strip() == "pad:":
        from hitl.agents.programs_pad import listed, plugged_in

        print(listed(plugged_in()))
        return 0
    plan = _plan(args, trains_elsewhere)
    recording = _recording(plan)
    stopping = stop_on_signal()
    with contextlib.ExitStack() as stack:
        if recording is not None:
            stack.push(recording.left)  # last of all, when the session is closed
        unused = stack.enter_context(contextlib.ExitStack())
        world, window, inside = _open_window(plan, stack, unused)
        from hitl.agents.beside import beside_policy
        from hitl.screens.session_window import exit_status
        from hitl.session.playing.live import Live, wanted

        policy = beside_policy(plan.settings.agent, plan.home, seed=args.seed) if not args.checkpoint else None
        has_road = plan.settings.play.env in SHOWN_FROM_ABOVE if world is None else inside and world.has_line
        asks = has_road and not trains_elsewhere and policy is None
        choice = wanted(args, plan.home, plan.settings.play, window, stopping) if asks else "drive"
        if choice == "leave":
            print("Nothing was driven.")
            return exit_status(window, stopping)
        live = Live(plan, window, inside, choice, stopping, stack)
        unused.pop_all()  # the session closes it
        rig = live.open(policy, world)
        fits = live.follow(rig, recording)
        told = live.drive(rig, fits=fits)
    print(in_home(told, plan.named))
    if recording is not None:
        print(recording.write())
    return exit_status(window, stopping)


def _words(argv: list[str]) -> argparse.Namespace:
    """Return what was typed. Words that do not go together end the program, with a sentence."""
    parser = command_line()
    args = parser.parse_args(argv)
    if args.lap and args.pad == "none":
        parser.error("--lap needs a driver: choose another --pad")
    if args.lap and (args.practice or args.only_corner):
        parser.error("--lap is for whole laps, so it goes neither with --practice nor with --only-corner")
    if args.call_me and (args.lap or args.practice or args.pad == "none"):
        parser.error("--call-me needs a driver to call, and goes neither with --lap nor with --practice")
    if args.lead is not None and not (args.practice and 0.0 <= args.lead <= 60.0):
        parser.error("--lead goes with --practice, and is a number of seconds from 0 to 60")
    if args.checkpoint and args.agent:
        parser.error("--checkpoint names one of the home's own, so it does not go with --agent")
    return args


def _plan(args: argparse.Namespace, trains_elsewhere: bool) -> PlayPlan:
    """Return what is to be done. Raises HitlError where that cannot be: there is no display, or no such track, for example."""
    from hitl.games.open_game import shown_by_us
    from hitl.last_driven import told
    from hitl.session_options import PlayPlan, SessionOptions
    from hitl.settings import plays_elsewhere

    args.or_last_demo &= not (args.lap or args.env or args.track or plays_elsewhere())
    home = home_path(args)
    typed, settings = _settings(home, args)
    if said := told(typed, settings):
        print(said)
    named = _begun(args, settings.play.env)
    play, by_pad = settings.play, _by_pad(home, settings, args)
    _check_display(args, play.env)
    _check_track(home, play)
    fast = args.headless and args.pad in ("scripted", "none") and not by_pad
    inside = False if args.headless else shown_by_us(play.env, settings.overlay.game_window)
    options = SessionOptions(
        env=play.env,
        track=play.track,
        real_time=not fast,
        seed=args.seed,
        gating=settings.takeover,
        help=settings.help,
        coach=settings.coach,
        hurries=args.call_me,
        only_corner=_only_corner(settings, args),
        greedy_every=_greedy_every(settings),
        show=not args.headless,
        own_window=inside is False,
    )
    return PlayPlan(args, home, named, settings, _over(args), options, by_pad, inside, trains_elsewhere)


def _check_display(args: argparse.Namespace, env: str) -> None:
    """Raise DeviceError where there is to be a window, and can be none."""
    from takeover_ui.window.window import display_available

    if not args.headless and not display_available():
        alone = "none" if env.startswith(ROADLESS) else "scripted"  # who follows roads only
        raise DeviceError(f"There is no display here for the window. Use --headless, with --pad {alone} if you cannot drive.")


def _check_track(home: Home, play: PlaySettings) -> None:
    """Raise HitlError for a track that cannot be driven: a mistyped one is told before there is a window."""
    if play.env == "box2d":
        from hitl.road.known_tracks import drivable

        drivable(home, play.track)
    elif play.env == "supertuxkart":
        from hitl.games.supertuxkart.game import drivable_here, kart_track

        drivable_here(home, kart_track(play.track).name)


def _open_window(
    plan: PlayPlan, stack: contextlib.ExitStack, unused: contextlib.ExitStack
) -> tuple[World | None, Window | None, bool]:
    """Return the game, where it had to be opened already, the window, None without one, and whether that shows the game.

    ``unused`` closes the game while no session does.
    """
    world, inside = None, plan.inside
    if inside is None:  # what a package's game is seen in, it says itself
        from hitl.games.open_game import open_world

        world = open_world(plan.options, plan.home)
        unused.callback(world.close)
        inside = world.shown_by_us
    if plan.args.headless:
        return world, None, inside
    from hitl.screens.session_window import open_window

    # Before all that takes longer to load.
    window = stack.enter_context(open_window(plan.home, plan.settings.overlay, named=plan.named, game_view=inside))
    return world, window, inside


def _recording(plan: PlayPlan) -> Recording | None:
    """Return what is kept of this session, None where that is not asked for."""
    asked, play = plan.args.record, plan.settings.play
    if asked is None:
        return None
    from hitl.screens.recording import Recording

    over = {**plan.over, "play": {**plan.over["play"], "env": play.env, "track": play.track}}
    return Recording(plan.home, user_path(asked) if asked else None, over)


def _by_pad(home: Home, settings: Settings, args: argparse.Namespace) -> bool:
    """Tell whether another program drives, by its pad.

    Raises UsageError where yours cannot be told from that, InputFileError for a program that the home brings along.
    """
    from hitl.agents.own_code import named_agent
    from hitl.agents.pad import is_pad

    if not args.checkpoint:
        named_agent(home, settings)  # raises
    by_pad = is_pad(settings.agent.use) and not args.checkpoint
    if by_pad and args.pad == "inputs":
        raise UsageError("The package `inputs` cannot tell your pad from the one that the program drives by: use --pad sdl.")
    return by_pad


def _settings(home: Home, args: argparse.Namespace) -> tuple[Settings, Settings]:
    """Return what is set with the command line over it, and the same with what was driven last where neither names it."""
    from hitl.last_driven import as_last_time
    from hitl.settings import load

    over = _over(args)
    pad = () if args.pad in ("none", "scripted") else ("pad",)
    typed = load(home, *over, *pad, over=over)
    return typed, as_last_time(home, typed, args.practice or args.only_corner)


def _begun(args: argparse.Namespace, env: str) -> Begun:
    """Return what the commands that this session tells must name again, to go on as it was begun."""
    from hitl.games.tmrl.carried import OURS
    from hitl.last_driven import is_opened_unasked

    options = agent_words(agent_given(args))
    if args.tmrl_config is not None and env in OURS:
        options += (as_option("--tmrl-config", args.tmrl_config),)
    if args.env and not is_opened_unasked(env):
        options += (as_option("--env", env),)
    return Begun(args.home, options)


def _over(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return what the command line says, by section; None: nothing."""
    return {
        "play": {"env": args.env, "track": args.track, "greedy_every": args.greedy_every},
        "takeover": {"mode": args.gating},
        "help": {"offer": args.offer},
        "coach": {"say": args.coach},
        "overlay": {"show": args.overlay},
        "agent": agent_given(args),
    }


def _greedy_every(settings: Settings) -> int:
    """Return which drives are without noise. Without a road none is, unless asked for: all must be found by trying."""
    asked = "play.greedy_every" in settings.origin
    return settings.play.greedy_every if asked or not settings.play.env.startswith(ROADLESS) else 0


def _only_corner(settings: Settings, args: argparse.Namespace) -> str:
    """Return the only corner at which the wheel may be taken: as asked for, else as set for the track that is set."""
    named = args.track or (args.env or "").startswith("stk:")
    return args.only_corner or ("" if args.lap or args.practice or named else settings.play.only_corner)
