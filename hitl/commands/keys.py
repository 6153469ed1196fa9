"""`hitl keys`: what a server and its workers need to know each other by."""

from __future__ import annotations

from pathlib import Path

from data.files.paths import as_typed
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

    from hitl.remote.keys import make_keys, others_can_change, require_package

    folder = home_path(args).root / "keys" if args.out is None else args.out
    require_package()
    make_keys(folder)
    print(f"In {folder}:")
    print("  key.pem          stays on the machine of `hitl server`, and is given to no one")
    print("  certificate.pem  goes to every machine that connects")
    print("  password.txt     goes to every machine that connects; whoever has it can send to your trainer")
    if others_can_change(folder):
        where = as_typed(folder)
        print(
            f"Others on this machine can write into {where}, and so put other keys there: `chmod go-w {where}` keeps them out."
        )
    return 0
