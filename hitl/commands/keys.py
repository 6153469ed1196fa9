"""`hitl keys`: what a server and its workers need to know each other by."""

from __future__ import annotations

from pathlib import Path

from hitl.arguments import Parser
from hitl.home import add_home, home_path


def main(argv: list[str]) -> int:
    """Make a key, a certificate and a password."""
    parser = Parser(
        prog="hitl keys", description="Make the key, the certificate and the password of a server for several machines."
    )
    add_home(parser)
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="the folder (default: keys in the home)")
    args = parser.parse_args(argv)

    from hitl.remote.keys import make_keys, require_package

    folder = home_path(args).root / "keys" if args.out is None else args.out
    require_package()
    make_keys(folder)
    print(f"In {folder}:")
    print("  key.pem          stays on the machine of `hitl server`, and is given to no one")
    print("  certificate.pem  goes to every machine that connects")
    print("  password.txt     goes to every machine that connects; whoever has it can send to your trainer")
    return 0
