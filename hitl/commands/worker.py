"""`hitl worker`: a live session whose steps go to a trainer on another machine, and whose weights come from there."""

from __future__ import annotations

import argparse
import contextlib
import sqlite3

from data.errors import HitlError, UsageError
from data.files.paths import as_option
from data.words import number_of
from hitl.arguments import Parser
from hitl.commands.server import access_of, add_access
from hitl.home import Home, add_home, home_path, in_home


def main(argv: list[str]) -> int:
    """Play, and send the steps on. Options that are not the worker's own go to `hitl play`."""
    parser = Parser(
        prog="hitl worker",
        description="`hitl play`, with the trainer on another machine: takes all its options beside these.",
    )
    add_home(parser)
    add_access(parser, "the server's address (default: this machine)")
    parser.add_argument(
        "--name", default=None, help="what the trainer calls this worker (default: as before, else the start of its id)"
    )
    parser.add_argument("--all", action="store_true", help="also send what was recorded here before")
    parser.add_argument("--send-only", action="store_true", help="no session: send what is left, and end")
    args, rest = parser.parse_known_args(argv)

    from hitl.commands import play

    for_play = play.command_line()
    for_play.prog, for_play.also = parser.prog, tuple(parser.options())
    for_play.parse_args(rest)  # so that a mistake in it is reported before anything begins
    from hitl.remote.child import UNSENT, Child, refuse_both
    from hitl.remote.outbox import Outbox

    home, to = home_path(args), access_of(args)
    refuse_both("forward", home.store_path)
    if args.send_only and not args.all and not (home.root / "worker.json").is_file():  # typed in the wrong home, most likely
        raise UsageError(
            "Nothing waits to be sent: no worker has ever driven in this home, and it stays as it is. `hitl worker` drives for a "
            "trainer on another machine; `hitl worker --send-only --all` sends what was recorded here before."
        )
    home.create()
    with contextlib.suppress(HitlError, OSError, sqlite3.Error):  # else the child says what is wrong
        # What is recorded from here on is sent: the session may have driven a part of a lap before the child is ready to look.
        Outbox(home, args.name, args.all).close()
    child = Child(
        "forward", home.root, to, lambda text: print(text, flush=True),
        name=args.name, everything=args.all, rest_by=_rest_by(args),
    )  # fmt: skip
    try:
        status = 0 if args.send_only else play.main(["--home", str(home.root), *rest], trains_elsewhere=True)
    finally:
        child.close()
    sent = int(child.process.returncode or 0)
    if args.send_only:
        return sent
    if sent not in (0, UNSENT):
        print(f"Sending ended before the session did, and {_waiting(home)} here: {_rest_by(args)} sends the rest.", flush=True)
        return status or UNSENT
    return status


def _waiting(home: Home) -> str:
    """Return what was not sent, as far as it can be counted."""
    from data.store import Store
    from hitl.remote.outbox import unsent_steps

    with contextlib.suppress(HitlError, OSError, sqlite3.Error), Store(home.store_path, read_only=True) as store:
        if unsent := unsent_steps(home, store.conn):
            return number_of(unsent, "step waits", "steps wait")
    return "what was driven since waits"


def _rest_by(args: argparse.Namespace) -> str:
    """Return the command that sends what waits here to the same server."""
    from hitl.remote.link import Access

    usual = Access()
    given = {
        "--server": args.server if args.server != usual.host else None, "--port": args.port if args.port != usual.port else None,
        "--keys": args.keys,
    }  # fmt: skip
    words = [as_option(option, str(value)) for option, value in given.items() if value is not None]
    command = " ".join(["hitl worker --send-only", *words, *(["--no-tls"] if args.no_tls else [])])
    return in_home(f"`{command}`", args.home)
