"""`hitl browse`: pages about a home and its raw tables, read-only, on this machine alone or on a phone in the same network."""

from __future__ import annotations

import sqlite3
import sys

from data.errors import NoStoreError, StoreError
from hitl.arguments import Parser, whole
from hitl.commands.selection import open_store
from hitl.home import add_home, home_path


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl browse",
        description="Look through what was recorded in a browser: takeovers as clips, how learning goes, live, the report, "
        "and the raw tables. Read-only, and reachable from this machine only.",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument("--port", type=whole(0, 65535), default=0, metavar="N", help="0 (the default) takes a free one")
    parser.add_argument("--open", action="store_true", help="open it in the browser at once")
    parser.add_argument(
        "--phone",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="serve a phone in the same network, at this PC's address there (default: found by itself), to whoever has the link",
    )
    args = parser.parse_args(argv)
    try:
        open_store(args).close()  # brings an older store up to date, and says so when there is none
    except StoreError as error:
        if isinstance(error, NoStoreError) or not isinstance(error.__cause__, sqlite3.OperationalError):
            raise  # else it is locked for now, and the page says so
    from data.reading.browse import serve
    from hitl.pages import access
    from hitl.pages.site import site

    phone = args.phone is not None
    host = access.network_address(args.phone) if phone else access.LOOPBACK
    token = access.new_token() if phone else None
    hosts = {host} if phone else {host, "localhost"}
    app = site(home_path(args).store_path, hosts, token)  # says at once when Datasette is missing
    with access.listen(host, args.port) as listening:
        address = f"http://{host}:{listening.getsockname()[1]}/{access.ENTER[1:] + token if token else ''}"
        _say(address, phone=phone)
        if args.open:
            import webbrowser

            webbrowser.open(address)
        serve(app, listening)
    return 0


def _say(address: str, *, phone: bool) -> None:
    if not phone:
        print(f"What is recorded here is at {address} (Ctrl-C ends it).", flush=True)
        return
    print(f"On a phone in the same network, open {address} (Ctrl-C ends it).")
    _draw(address)
    print("Whoever has this address can look at everything recorded here, and change nothing; it is a new one every time.")
    print("What is sent is not encrypted: use this in a network of your own.", flush=True)
    if sys.platform == "win32":
        print("Where the page does not open, allow Python in private networks when Windows asks.", flush=True)


def _draw(address: str) -> None:
    """Draw the address as a QR code, where the terminal has its letters and the package is there."""
    try:
        "█▀▄".encode(sys.stdout.encoding or "ascii")
        import segno
    except (UnicodeEncodeError, LookupError, ImportError):
        return
    if sys.stdout.isatty():
        segno.make(address, error="l", micro=False).terminal(compact=True)
