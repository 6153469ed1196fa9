"""`hitl demo`: a stalled agent gets through its corner after seconds of takeover."""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.files.paths import private_folder
from data.files.replacing import check_target
from data.words import number_of, track_words
from hitl.arguments import SEED_MOST, Parser, amount, game_words, whole
from hitl.games.registry import SHOWN_FROM_ABOVE, spelt_out
from hitl.home import Begun, Home, add_home, demos_folder, home_path, in_home

if TYPE_CHECKING:
    from data.records import Corner
    from hitl.demo.demo import DemoResult
    from takeover_ui.report.contents import Report
    from takeover_ui.view import Card
    from takeover_ui.window.window import Window

SEEDS = 10_000  # of which one is drawn for a demo in a window
REPORT = "demo-report.html"
"""In the home folder; `hitl report` writes another file, so that neither replaces the other."""


def main(argv: list[str]) -> int:
    """Run the demo, print before and after, and write the report."""
    from hitl.drivers.person import NO_ONE, SKILLS

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
        "--env", default="box2d", metavar="ENV", help=f"{' or '.join(SHOWN_FROM_ABOVE)} (stk:TRACK for short; default: box2d)"
    )
    parser.add_argument(
        "--track", default="default", help="another track (name or file): first an agent is trained until it stalls"
    )
    parser.add_argument(
        "--seed", type=whole(0, SEED_MOST), help="of all that is random (default: another one each time; 0 with --headless)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="where the HTML report goes (default: in the home folder)"
    )
    parser.add_argument(
        "--minutes",
        type=amount(above=0),
        default=None,
        metavar="M",
        help="stop learning after M minutes (default: 8; with a window 10)",
    )
    parser.add_argument(
        "--no-stand-in", action="store_true", help="with a window: only you take over, never the scripted driver"
    )
    parser.add_argument(
        "--skill", choices=(*SKILLS, NO_ONE), default="good",
        help=f"how good the scripted driver is (default: good); {NO_ONE}: it never helps, to see what help is worth",
    )
    args = parser.parse_args(argv)

    from data.errors import DeviceError, HitlError, UsageError, shown
    from data.store import Store
    from hitl.commands.report import save
    from hitl.demo.cards import intro_card, outcome_card
    from hitl.demo.shipped import SHIPPED
    from hitl.games.supertuxkart.game import drivable_here, kart_track
    from hitl.processes import stop_on_signal
    from hitl.road.kart_tracks import GAME
    from hitl.road.known_tracks import file_under
    from hitl.road.track import load_track
    from hitl.screens.session_window import exit_status
    from takeover_ui.window.window import display_available

    args.env, args.track = spelt_out(args.env, args.track)
    if args.env not in SHOWN_FROM_ABOVE:
        begins = f"The demo drives {' or '.join(SHOWN_FROM_ABOVE)}; in '{shown(args.env)}' begin with `hitl play`."
        raise UsageError(in_home(begins, Begun(options=game_words(args.env, args.track))))
    if args.env == GAME:
        args.track = kart_track(args.track).name
        drivable_here(home_path(args), args.track)  # before a home is made, and before an agent is trained
    track = load_track(args.track)
    ships = SHIPPED[args.env] == args.track
    _check_files(args)
    if not args.headless and not display_available():
        raise DeviceError("There is no display here for the window. Use `hitl demo --headless`.")
    home = home_path(args) if args.home else Home(_fresh_home())
    with contextlib.ExitStack() as stack:
        window = None
        if not args.headless and ships:  # another agent is trained first, in the terminal
            window = stack.enter_context(_window(home, args.home))
        corner = _prepare(home, args, track.name, ships)
        if corner is None:
            return 0
        if not args.headless and window is None:
            window = stack.enter_context(_window(home, args.home))
        with Store(home.store_path) as store:
            track, *_ = file_under(store, track)
            failed = store.evaluations(track=track.name)[-1].episodes
        if window is not None:
            window.card(intro_card(corner.name, failed, window.options.words))
        stopping = stop_on_signal()
        result = _run(home, args, corner, window, stopping)
        if result is None:
            if status := exit_status(window, stopping):
                return status
            print("You left before anything was driven.")
            return 0
        path = args.report or home.root / REPORT
        report = _report(home, track.name, result)
        try:
            saved = save(path, report, "--report")
        except HitlError as error:  # what it would show is printed all the same
            saved = str(error)
        _print(result, report, saved, args.home)
        if args.json is not None:
            _write_figures(args.json, result)
        if window is not None:
            _stay(window, outcome_card(result, report, window.options.words), path, stopping)
    return exit_status(window, stopping)


def _check_files(args: argparse.Namespace) -> None:
    """Raise HitlError where what is written at the end cannot be, or would replace something else: before all that takes time."""
    from hitl.commands.report import check_report

    home = home_path(args).root if args.home else None
    if args.report is not None or (home is not None and home.is_dir()):
        check_report(home / REPORT if args.report is None and home else args.report, "--report", home)
    if args.json is not None:
        check_target(args.json, _are_figures, "figures file", "name another file with --json", home=home, streams=True)


def _are_figures(head: bytes) -> bool:
    return head.lstrip().startswith(b"{") and b'"corner_passes"' in head


def _write_figures(path: Path, result: DemoResult) -> None:
    """Write the ``--json`` file. Raises InputFileError."""
    from data.errors import InputFileError, shown

    try:
        path.write_text(json.dumps(result.as_json(), indent=1) + "\n", encoding="utf-8")  # in place: it may be a pipe
    except OSError as error:
        why = shown(error.strerror or error)
        said = f"The figures could not be written to '{shown(path.name)}' ({why}); the demo itself is done."
        raise InputFileError(said) from error


def _window(home: Home, named: Path | None) -> Window:
    """Open the window before anything else that takes time."""
    from hitl.screens.session_window import open_window
    from hitl.settings import load

    return open_window(home, load(home, "overlay").overlay, named=named, title="hitl demo")


def _run(
    home: Home, args: argparse.Namespace, corner: Corner, window: Window | None, stopping: Callable[[], bool]
) -> DemoResult | None:
    from hitl.demo.run import run_headless, run_in_window
    from hitl.drivers.person import NO_ONE

    minutes = args.minutes or (8.0 if args.headless else 10.0)
    # In real time no two runs are the same. One seed for all would show its luck with the starts to each player.
    chosen = args.seed if args.seed is not None else 0 if window is None else random.randrange(SEEDS)
    shared: dict[str, Any] = {"seed": chosen, "minutes": minutes, "skill": args.skill}
    if window is None:
        return run_headless(home, args.env, args.track, corner, stopping=stopping, **shared)
    stand_in = not args.no_stand_in and args.skill != NO_ONE
    return run_in_window(home, args.env, args.track, corner, window, stand_in=stand_in, stopping=stopping, **shared)


def _report(home: Home, track: str, result: DemoResult) -> Report:
    from data.store import Store
    from hitl.screens.stored.report import stored_report
    from hitl.settings import language_of
    from takeover_ui.overlay.texts import duration
    from takeover_ui.report.texts import LANGUAGES

    figures = [("figure_wall", duration(result.wall_seconds, 0)), ("figure_seed", str(result.seed))]
    words = LANGUAGES[language_of(home)]
    with Store(home.store_path, read_only=True) as store:
        return stored_report(store, track=track, corner=result.corner.name, figures=figures, words=words)


def _stay(window: Window, outcome: Card, report: Path, stopping: Callable[[], bool] = lambda: False) -> None:
    """Keep the outcome in sight until the player closes it, or this process is asked to end; Enter opens the report.

    What opens it may say that it did and show nothing, so the card says where the report is as well.
    """
    import webbrowser
    from dataclasses import replace

    from data.files.paths import page_uri

    window.card(outcome)
    down = window.keys()
    while not (window.closed or stopping()):
        time.sleep(0.05)
        before, down = down, window.keys()
        if "return" in down - before:
            said = "demo_opened" if webbrowser.open(page_uri(report)) else "demo_no_browser"
            window.card(replace(outcome, lines=(*outcome.lines, window.options.words.say(said, name=report.name))))


def _fresh_home() -> Path:
    home = demos_folder() / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
    private_folder(home)  # not tempfile's: on Windows what an administrator's console makes so is closed to any other
    return home


def _prepare(home: Home, args: argparse.Namespace, track: str, ships: bool) -> Corner | None:
    """Fill the home with a stalled agent and return its corner; None when an agent for the player's own track did not stall."""
    from data.errors import HitlError
    from hitl.demo.shipped import open_shipped, stalled_at

    if ships:
        open_shipped(home, args.track)
        corner = stalled_at(home, track)
        if corner is None:
            raise HitlError("The stalled agent that comes with hitl is missing. Install hitl again.")
        return corner
    from hitl.demo.stall import LAPS, train_until_stalled

    home.require_empty()
    print(f"No stalled agent comes with '{track}', so one is trained first.")
    result = train_until_stalled(
        home,
        args.track,
        env=args.env,
        seed=args.seed or 0,
        # As the shipped agent of that game: laps in its memory would do what the help is for.
        laps=0 if args.env == "box2d" else LAPS,
        report=lambda e: print(
            f"  {e.agent_steps:>6,} steps: return {e.return_mean:.1f}, {e.progress_mean:.0f} m", flush=True
        ),
    )
    if result.corner is None:
        drives = " and drives the whole track" if result.evaluations and result.evaluations[-1].finished >= 19 else ""
        print(f"The agent did not stall in {number_of(result.agent_steps, 'step')}{drives}, so there is nothing to help it with.")
        return None
    print(f"The agent has stalled at '{result.corner.name}'.")
    return result.corner


def _print(result: DemoResult, report: Report, saved: str, named: Path | None = None) -> None:
    from hitl.console import console, table
    from hitl.demo.cards import compared, helped, next_steps, unfinished
    from hitl.demo.demo import EPISODES
    from takeover_ui.report.texts import ENGLISH

    heads, *rows = compared(result, report)
    shown = table(*heads, right=heads[1:])
    for row in rows:
        shown.add_row(*row)
    out = console()
    about = f"'{result.corner.name}' on {track_words(result.track)}"
    if not result.before.complete:
        driven = len(result.before.results)
        out.print(f"{about}: you left after {driven} of the {EPISODES} laps without help that come first: nothing is measured.")
    else:
        out.print(f"{about}, {EPISODES} episodes without help")
        out.print(shown)
        if rows[0][2] == "–":
            out.print(ENGLISH["outcome_left"])
        else:
            rules = {"side_before": report.before, "side_after": report.after}
            told = (ENGLISH.say(side, rule=ENGLISH[score.rule]) for side, score in rules.items() if score is not None)
            out.print(" ".join(told))
    steps = f"{number_of(result.agent_steps, 'agent step')} in all"
    if result.takeovers:
        steps = f"{number_of(report.agent_steps, 'agent step')} since then"
    took = f"{steps}; the demo took {result.wall_seconds:.0f} s."
    said = [helped(result, report), took, unfinished(report), saved]
    out.print(" ".join(text for text in said if text), soft_wrap=True)
    if rows[0][2] != "–" and result.after.passes < 0.9 * len(result.after.results):
        out.print(" ".join(_not_learned(result, named)), soft_wrap=True)
    out.print(in_home("\n  ".join(next_steps(takeovers=result.takeovers > 0)), named), soft_wrap=True)


def _not_learned(result: DemoResult, named: Path | None) -> list[str]:
    """Return why the corner is not learned, and what to do about it."""
    from hitl.demo.demo import MOST_STEPS

    ends = {"time": "the time was over", "steps": f"a demo drives {MOST_STEPS:,} steps at most", "player": "you ended it"}
    helped = "" if result.takeovers else ", and no one helped"
    said = [f"'{result.corner.name}' is not learned yet: {ends[result.ended]}{helped}."]
    said.append(in_home("`hitl play` goes on from here.", named))
    if result.ended == "time" and result.takeovers:  # it needs a home of its own, so this one's is not named
        said.append("On a busy machine there is little time: `hitl demo --minutes 30` begins anew with more of it.")
    return said
