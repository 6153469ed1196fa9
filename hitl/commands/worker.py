"""`hitl worker`: a live session whose steps go to a trainer on another machine, and whose weights come from there."""

from __future__ import annotations

import socket

from hitl.arguments import Parser
from hitl.commands.server import add_access
from hitl.home import add_home, home_path


def main(argv: list[str]) -> int:
    """Play, and forward. What is not for the worker goes to `hitl play`."""
    parser = Parser(
        prog="hitl worker",
        description="`hitl play`, with the trainer on another machine: takes all its options beside these.",
    )
    add_home(parser)
    add_access(parser, "the server's address (default: this machine)")
    parser.add_argument("--name", default=socket.gethostname(), help="what the trainer calls this worker")
    parser.add_argument("--all", action="store_true", help="also send what was recorded here before")
    parser.add_argument("--send-only", action="store_true", help="no session: send what is left, and end")
    args, rest = parser.parse_known_args(argv)

    from hitl.commands import play

    for_play = play.command_line()
    for_play.prog, for_play.also = parser.prog, tuple(parser.options())
    for_play.parse_args(rest)  # a mistake in it is told before anything begins
    from hitl.remote.child import Child
    from hitl.remote.link import access

    home = home_path(args).create()
    to = access(args.server, args.port, args.keys or home.root / "keys", no_tls=args.no_tls)
    child = Child("forward", home.root, to, lambda text: print(text, flush=True), name=args.name, everything=args.all)
    try:
        return 0 if args.send_only else play.main(["--home", str(home.root), *rest])
    finally:
        child.close()
