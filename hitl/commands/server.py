"""`hitl server`: where the workers and the trainer meet."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hitl.arguments import Parser, whole
from hitl.home import add_home, home_path


def add_access(parser: argparse.ArgumentParser, server: str) -> None:
    """Add what tells how to reach a server. ``server``: the help of its address."""
    parser.add_argument("--server", default="127.0.0.1", metavar="HOST", help=server)
    parser.add_argument("--port", type=whole(1, 65535), default=55555, help="default: 55555")
    parser.add_argument(
        "--keys", type=Path, default=None, metavar="DIR", help="made by `hitl keys` (default: keys in the home)"
    )
    parser.add_argument("--no-tls", action="store_true", help="on this machine alone: nothing is encrypted")


def main(argv: list[str]) -> int:
    """Serve until Ctrl+C."""
    parser = Parser(
        prog="hitl server", description="Let workers and a trainer on several machines meet here, until Ctrl+C."
    )
    add_home(parser)
    add_access(
        parser, "the address that is listened on: 127.0.0.1 (default) is this machine alone, 0.0.0.0 is everybody"
    )
    args = parser.parse_args(argv)

    from hitl.remote.link import access, run_relay

    keys = args.keys or home_path(args).root / "keys"
    to = access(args.server, args.port, keys, no_tls=args.no_tls, key=True)
    how = "encrypted" if to.keys else "on this machine only, not encrypted"
    run_relay(
        to,
        "127.0.0.1" if to.loopback else args.server,
        lambda: print(f"The server listens on {args.server}, port {args.port}, {how}. Ctrl+C ends it.", flush=True),
    )
    sys.stdout.flush()
    os._exit(0)  # tlspyo's objects wait for each other when they are taken down
