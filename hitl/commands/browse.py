"""`hitl browse`: the store in Datasette, read-only, on this machine alone."""

from __future__ import annotations

import socket

from data.errors import DeviceError
from hitl.arguments import Parser, whole
from hitl.commands.selection import open_store
from hitl.home import add_home, home_path


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl browse",
        description="Look through the store in a browser: read-only, and reachable from this machine only.",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument("--port", type=whole(0, 65535), default=0, metavar="N", help="0 (the default) takes a free one")
    parser.add_argument("--open", action="store_true", help="open it in the browser at once")
    args = parser.parse_args(argv)
    open_store(args).close()  # brings an older store up to date, and says so when there is none
    from data.reading.browse import HOST, application, serve

    path = home_path(args).store_path
    application(path)  # says at once when Datasette is missing
    try:
        with socket.socket() as free:
            free.bind((HOST, args.port))
            port = int(free.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise DeviceError(f"Port {args.port} cannot be used ({error}): choose another with --port.") from error
    address = f"http://{HOST}:{port}/{path.stem}"
    print(f"The store is at {address} (Ctrl-C ends it).", flush=True)
    if args.open:
        import webbrowser

        webbrowser.open(address)
    serve(path, port)
    return 0
