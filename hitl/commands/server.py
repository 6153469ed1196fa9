"""`hitl server`: where the workers and the trainer meet."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hitl.arguments import Parser, whole
from hitl.home import add_home, home_path

if TYPE_CHECKING:
    from hitl.remote.link import Access


def add_access(parser: argparse.ArgumentParser, server: str) -> None:
    """Add the options that say how to reach a server. ``server``: the help text of its address."""
    parser.add_argument("--server", default="127.0.0.1", metavar="HOST", help=server)
    parser.add_argument("--port", type=whole(1, 65535), default=55555, help="default: 55555")
    parser.add_argument(
        "--keys", type=Path, default=None, metavar="DIR", help="made by `hitl keys` (default: keys in the home)"
    )
    parser.add_argument("--no-tls", action="store_true", help="on this machine alone: nothing is encrypted")


def access_of(args: argparse.Namespace, *, key: bool = False) -> Access:
    """Return how to reach the server that the command line names; ``key``: the private key is needed, too. Raises UsageError."""
    from hitl.remote.link import access

    keys = home_path(args).root / "keys" if args.keys is None else args.keys
    return access(args.server, args.port, keys, no_tls=args.no_tls, key=key, named=args.keys is not None)


def main(argv: list[str]) -> int:
    """Serve until Ctrl+C."""
    parser = Parser(
        prog="hitl server", description="Let workers and a trainer on several machines meet here, until Ctrl+C."
    )
    add_home(parser)
    add_access(
        parser, "the address to listen on: 127.0.0.1 (default) is this machine alone, 0.0.0.0 is every machine"
    )
    args = parser.parse_args(argv)

    from hitl.remote.relay import run_relay

    to = access_of(args, key=True)
    how = "encrypted" if to.keys else "on this machine only, not encrypted"
    def say(text: str) -> None:
        with contextlib.suppress(OSError):  # on a full disk, or without a reader, the server goes on
            print(text, flush=True)

    run_relay(
        to,
        "127.0.0.1" if to.host == "localhost" else to.host,
        lambda: print(f"The server listens on {to.host}, port {args.port}, {how}. Ctrl+C ends it.", flush=True),
        say,
    )
    sys.stdout.flush()
    os._exit(0)  # tlspyo's objects wait for each other when they are taken down
