"""`hitl` alone: where one stands, and the one thing to do next. Fast, because it is typed without thinking."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from data.errors import (
    DiskFullError,
    InputFileError,
    NewerStoreError,
    NoStoreError,
    NotAStoreError,
    StoreError,
    visible,
)
from data.files.paths import as_option, disk_is_full
from data.records import ROADLESS, SessionRecord
from data.words import laps_said, number_of, takeovers_said
from hitl.arguments import Parser, agent_words
from hitl.home import Begun, Home, add_home, home_path, in_home
from hitl.remote.elsewhere import far_said, trains_elsewhere
from trainer.daemon import control
from trainer.daemon.heartbeat import Heartbeat, read_heartbeat

if TYPE_CHECKING:
    from data.store import Store

NEWEST = 60  # drives without help that are looked at, and the newest of all
LAPS = 20  # of these, the newest ones whose times are told
TRIES = 10  # of each corner, the newest ones
FAILS = 0.5  # share of these from which a corner is said to fail
MANY_LOST = 5  # laps from which on, if none was finished, driving some more is no advice
EMPTY = "Nothing is recorded yet."
UNWRITABLE = "This home folder cannot be written: make it writable, or choose another with --home DIR."
BEGIN = "Next: `hitl demo` shows how it works, in a window; `hitl play` drives at once."
MAKE_ROOM = "make room on the disk; `hitl doctor` says how much is free."


def main(argv: list[str]) -> int:
    """Print it."""
    parser = Parser(prog="hitl")
    add_home(parser, or_last_demo=True)
    args = parser.parse_args(argv)
    from hitl.settings import plays_elsewhere

    args.or_last_demo = not plays_elsewhere()  # as `hitl play`
    home = home_path(args)
    rows, following, status = look(home)
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        print(f"{visible(name):<{width}}  {visible(in_home(text, args.home))}")
    print(visible(f"{'' if not rows else chr(10)}{in_home(following, args.home)}"))
    print("`hitl --help` lists all commands.")
    return status


def look(home: Home) -> tuple[list[tuple[str, str]], str, int]:
    """Return what there is, as names and values, a sentence with the one next command, and the exit status."""
    rows, following, status = _look_at_store(home)
    from hitl.settings import fault_of

    if not status and (fault := fault_of(home)):
        rows.append(("settings", fault))
        fix = "Next: fix that file with an editor; `hitl config show` says whether it can be read."
        return rows, fix, InputFileError.exit_code
    return rows, following, status


def _look_at_store(home: Home) -> tuple[list[tuple[str, str]], str, int]:
    if not home.store_path.is_file():
        if home.root.is_dir() and not os.access(home.root, os.W_OK):
            return [("store", EMPTY)], UNWRITABLE, 0
        return [("store", EMPTY)], BEGIN, 0
    from data.store import Store

    try:
        with Store.open_existing(home.store_path) as store:
            return *_look(home, store), 0
    except NoStoreError:  # an empty file is what one begins as
        return [("store", EMPTY)], BEGIN, 0
    except StoreError as error:
        following = "`hitl store check` says what is wrong with it, and what can be saved."
        if isinstance(error, DiskFullError):
            following = MAKE_ROOM
        elif isinstance(error, NewerStoreError):
            following = "update hitl, or choose another home with --home DIR."
        elif isinstance(error, NotAStoreError):
            following = "move that file away and put a copy of the store in its place; without one, `hitl play` begins anew."
        return [("store", str(error))], f"Next: {following}", error.exit_code


def _look(home: Home, store: Store) -> tuple[list[tuple[str, str]], str]:
    from data.tables.checks import not_read_back
    from hitl.screens.training.silence import is_of, wakes_of
    from trainer.checkpoints.whole import FRESH, LOST, is_whole

    glance, session = store.glance(), next(iter(store.driven_sessions()), None)
    beat = read_heartbeat(home.root)
    works = control.running(home.store_path)
    waking = wakes_of(home) if works else ""
    if works and beat is not None and not is_of(beat, home):
        beat = None
    failing = list(_failing(store, session)) if session is not None else []
    held = f"{number_of(glance.episodes, 'episode')}, {number_of(glance.steps, 'step')}"
    laps = laps_said(glance.laps, glance.unfinished_laps, " by hand")
    rows = [("store", f"{held}; {_takeovers(store)}, {laps}")]
    if waiting := not_read_back(store.conn, store.path):
        rows.append(("to read back", waiting))
    if session is not None:
        from hitl.commands.selection import local_time

        rows.append(("last session", f"{local_time(session.started)} on {session.track}"))
    if session is not None and (laps := _laps(store, session)):
        rows.append(("laps alone", laps))
    if failing:
        corners = ", ".join(f"{name} ({failed} of the last {tries} tries alone)" for name, failed, tries in failing)
        rows.append(("corners that fail", corners))
    if glance.unreviewed:
        beside = glance.unreviewed_others
        others = f", and {number_of(beside, 'lap or kept drive', 'laps or kept drives')}" if beside else ""
        name = "to review" if _has_road(session) else "to judge"
        rule = store.rule()
        empty = sum(rule.empty(s) for s in store.segments(kind="takeover", verdict=["unreviewed"]))
        of_these = f" ({empty:,} of them {'shows' if empty == 1 else 'show'} nothing)" if empty else ""
        rows.append((name, number_of(glance.unreviewed, "takeover") + of_these + others))
    if (session is None or session.status != "open") and (unsent := _unsent(home, store)):
        rows.append(("to send", f"{number_of(unsent, 'step waits', 'steps wait')} here for the trainer's machine"))
        # Its trainer is elsewhere, and does not have them.
        return rows, "Next: `hitl worker --send-only` sends what was driven, with the --server, --port and --keys of before."
    if trains_elsewhere(home):
        rows.append(("trainer", far_said(home)))
        return rows, f"Next: {_next_of_worker(store, session, failing, glance.laps, glance.unreviewed)}"
    rows.append(("trainer", _trainer(beat, works, waking)))
    if (written := store.checkpoints()) and not any(is_whole(home.checkpoints / one.name) for one in written):
        rows.append(("checkpoints", LOST.format(n=len(written))))
        return rows, f"Next: {FRESH}"
    if works and beat is not None and beat.problem:
        rows.append(("problem", beat.problem))
    elif disk_is_full(home.root):
        rows.append(("problem", "The disk is full: nothing that is driven or learned can be kept."))
    if disk_is_full(home.root):
        return rows, f"Next: {MAKE_ROOM}"
    if waking:
        return rows, f"Next: {waking.replace('lets it', 'lets the trainer')}"
    following = _next(store, session, beat, works, failing, glance.laps, glance.unreviewed)
    return rows, f"Next: {following if session is None else _as_begun(home, store, session, following)}"


def _takeovers(store: Store) -> str:
    """Return how many takeovers there are, and how long they are after trimming, counted as in the report."""
    shown, empty = store.takeovers_that_show()
    return takeovers_said(len(shown), empty, f" ({sum(s.seconds for s in shown):.0f} s)")


def _as_begun(home: Home, store: Store, session: SessionRecord, following: str) -> str:
    """Return the sentence with what its `hitl play` must name to go on as the newest session was driven."""
    from hitl.last_driven import is_opened_unasked
    from hitl.settings import load

    if "`hitl play" not in following:
        return following
    options: tuple[str, ...] = ()
    missing: list[str] = []
    if session.env.startswith(ROADLESS) and not is_opened_unasked(session.env):  # a game that is gone is told by `hitl play`
        options += (as_option("--env", session.env),)
    agent = store.agents().get(session.id)
    try:
        is_set = bool(load(home, "agent").agent.use)
    except InputFileError:  # which the next command says
        is_set = True
    if agent is not None and not is_set:
        from hitl.agents.keeping import kept_settings

        try:
            options += agent_words(asdict(kept_settings(home, agent)))
        except InputFileError:  # a program, or another program's pad: those are named by the player alone
            missing.append(f"The agent '{agent.get('name')}' drove: name it again with --agent.")
    if config := store.tmrl_config(session.id):
        missing.append(f"{config} was in force: name it again with --tmrl-config.")
    return " ".join([in_home(following, Begun(options=options)), *missing])


def _unsent(home: Home, store: Store) -> int:
    """Return how many steps a worker's home has yet to send."""
    if not (home.root / "worker.json").is_file():
        return 0
    from hitl.remote.outbox import unsent_steps

    return unsent_steps(home, store.conn)


def _laps(store: Store, session: SessionRecord) -> str:
    """Return how the newest laps without help went; "" where none of them was finished."""
    from hitl.screens.lap_words import recorded_laps

    drives = store.episodes(session.track, purpose=("drive", "evaluation"), newest=NEWEST, imported=False, helped=False,
                            env=session.env)
    laps = recorded_laps([e for e in drives if not e.cut_off][-LAPS:], ())
    return f"{laps.said()} (the last {laps.finish.n})" if laps.finish.k else ""


def _failing(store: Store, session: SessionRecord) -> Iterator[tuple[str, int, int]]:
    """Yield (corner, failures, tries) of the corners at which the agent alone fails, by its newest tries on the last track."""
    from data.reading.attempts import stored_attempts

    drives = store.lately(session.track, NEWEST, ("drive", "practice", "evaluation"), imported=False, env=session.env)
    for corner, attempts in stored_attempts(store.conn, drives, store.corners(session.track)).items():
        tries = [a.passed for a in attempts if a.by == "agent"][-TRIES:]
        failed = tries.count(False)
        if tries and failed / len(tries) >= FAILS:
            yield corner, failed, len(tries)


def _trainer(beat: Heartbeat | None, works: bool, waking: str) -> str:
    """Return how it does. ``waking``: how a suspended one goes on."""
    if works:
        from hitl.screens.training.silence import THEN, silence

        if state := silence(beat, waking):
            return f"{state}; {number_of(beat.updates, 'update')} {THEN}" if beat is not None and beat.updates else state
        said = beat.doing if beat is not None else "starting"
        return f"at work: {said}" + (f"; {number_of(beat.updates, 'update')}" if beat is not None and beat.updates else "")
    if beat is not None and beat.state == "failed":
        return f"stopped: {beat.problem}"
    return "not running" if beat is None else f"not running; {number_of(beat.updates, 'update')} done"


def _has_road(session: SessionRecord | None) -> bool:
    """Tell whether the newest session's game has a road, which the review draws."""
    return session is None or not session.env.startswith(ROADLESS)


def _next_of_worker(
    store: Store, session: SessionRecord | None, failing: list[tuple[str, int, int]], laps: int, unreviewed: int
) -> str:
    """Return the one next command in the home of a worker, whose trainer is on another machine."""
    again = "with the --server, --port and --keys of before"
    road = _has_road(session)
    if store.latest_checkpoint() is None and not laps and road:
        lost = store.laps_not_finished()
        if lost >= MANY_LOST:
            return f"`hitl worker --lap` {again}, {_slower(lost)}"
        return f"`hitl worker --lap` {again}: drive a few laps, and the agent learns the way from them."
    if failing:
        return f'`hitl worker --practice "{failing[0][0]}"` {again}: take over there, again and again.'
    if unreviewed and road:
        return "`hitl review` shows the takeovers; a key says whether each was good."
    return f"`hitl worker` {again}: let it drive, and take over where it needs you."


def _slower(lost: int) -> str:
    return (
        f"and brake earlier before the corners: none of your {number_of(lost, 'lap')} reached the finish, and only finished ones "
        "are learned from, however slow."
    )


def _or_the_demos_agent(session: SessionRecord | None) -> str:
    """Return another way to begin where a stalled agent comes with the road that was driven last; else ""."""
    from hitl.demo.shipped import SHIPPED

    there = session is not None and SHIPPED.get(session.env) == session.track
    return " Or `hitl play`, and there the key 2: the demo's agent drives, and you help it." if there else ""


def _help_at(store: Store, session: SessionRecord | None, corner: str) -> str:
    """Return what to do about a corner that fails: what the end of the newest session said, too."""
    from hitl.coach.past import is_enough

    if session is not None and is_enough(store, session, store.corners(session.track), corner):
        return f"`hitl diagnose` first; more takeovers change nothing at the {corner}."
    return f'`hitl play --practice "{corner}"`: take over there, again and again.'


def _next(
    store: Store,
    session: SessionRecord | None,
    beat: Heartbeat | None,
    works: bool,
    failing: list[tuple[str, int, int]],
    laps: int,
    unreviewed: int,
) -> str:
    """Return the one next command, in a sentence."""
    newest = store.latest_checkpoint()
    if beat is not None and beat.finding and works:
        return "`hitl diagnose` says why it does not get better."
    road = _has_road(session)
    if newest is None and not laps and road:
        lost = store.laps_not_finished()
        if lost >= MANY_LOST:
            return f"`hitl play --lap` again, {_slower(lost)}{_or_the_demos_agent(session)}"
        learner = "the home's own agent" if session is not None and session.id in store.agents() else "the agent"
        return f"`hitl play --lap`: drive a few laps, and {learner} learns the way from them."
    driven = max((s.started for s in store.sessions() if s.kind not in ("import", "evaluation")), default="")
    if not works and (newest is None or driven > newest.created):
        return "`hitl train --background` learns from what was driven."
    if failing:
        return _help_at(store, session, failing[0][0])
    if unreviewed and road:
        return "`hitl review` shows the takeovers; a key says whether each was good."
    if unreviewed:
        return "`hitl segments` lists the takeovers; `hitl label --help` says how to judge them."
    return "`hitl play`: let it drive, and take over where it needs you."
