"""`hitl line`: a map's reference line, recorded by driving it once, or looked at."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path

from data.errors import DeviceError
from data.files.replacing import check_target
from data.words import number_of
from hitl.arguments import Parser, amount, with_verb
from hitl.home import Home, add_home, home_path


def main(argv: list[str]) -> int:
    """Record a line, or describe one."""
    parser = Parser(prog="hitl line", description="The reference line of a map.")
    commands = parser.add_subparsers(dest="what", required=True)
    record = commands.add_parser(
        "record", help="drive the map once, from its start to its finish, with your own pad", prog="hitl line record"
    )
    add_home(record)
    record.add_argument(
        "--out", type=Path, default=None, metavar="FILE", help="a .csv file (default: the home's own line)"
    )
    record.add_argument(
        "--timeout", type=amount(above=0), default=900.0, metavar="S", help="give up after S seconds (default: 900)"
    )
    show = commands.add_parser("show", help="say what a line is: length, corners", prog="hitl line show")
    add_home(show)
    show.add_argument(
        "file", nargs="?", default=None,
        help="a file, or a track's name (default: the home's own, else the one driven last in any game, else the default track)",
    )
    args = parser.parse_args(with_verb(argv, "show", or_file=True))
    if args.what == "show":
        return _show(home_path(args), args.file)
    if args.out is not None and args.out.suffix.lower() != ".csv":
        parser.error("--out must end in .csv")
    return _record(home_path(args), args)


def _record(home: Home, args: argparse.Namespace) -> int:
    from hitl.games.trackmania.game import WITH_SESSION
    from hitl.games.trackmania.line_recorder import LineRecorder, is_line
    from hitl.games.trackmania.session_port import SessionPort
    from hitl.games.trackmania.telemetry import Telemetry
    from hitl.settings import load

    chosen = load(home, "trackmania").trackmania
    path: Path = home.line if args.out is None else args.out
    if path.absolute().parent.is_dir():  # else it is made
        check_target(path, is_line, "recorded line", "name another file with --out")  # before the drive
    recorder = LineRecorder()
    with contextlib.closing(Telemetry(chosen.host, chosen.port, chosen.layout)) as telemetry:
        if telemetry.wait(lambda f: True, 5.0) is None:
            raise DeviceError(
                f"TrackMania sends no telemetry: {telemetry.problem}. Start the game, load the map and the OpenPlanet plugin."
            )
        print(
            "Drive the map from its start to its finish. Restart it as often as you like; Ctrl+C ends before the finish."
        )
        until = time.monotonic() + args.timeout
        newest = 0.0
        with contextlib.suppress(KeyboardInterrupt):
            while not recorder.over and time.monotonic() < until:
                for frame in telemetry.recent():
                    if frame.received > newest:
                        newest = frame.received
                        recorder.take(frame)
                time.sleep(0.02)
    asked = chosen.session_port if telemetry.layout == WITH_SESSION else 0
    recorder.write(path, SessionPort(chosen.host, asked).map_uid() if asked else "")
    if recorder.rolling:
        print("The car was already rolling when the line began, so the line begins behind the start. It can be used as it is; to "
              "have it from the start, record again and restart the run while it records.")
    print(f"{'The whole line' if recorder.over else 'A line without its finish'}: {recorder.length:.0f} m, in {path}")
    return _show(home, str(path))


def _show(home: Home, file: str | None) -> int:
    from hitl.last_driven import last_line
    from hitl.road.known_tracks import corners_here, drivable

    track = drivable(home, file or (home.line if home.line.is_file() else last_line(home)))
    corners = corners_here(home, track)
    print(f"{track.name}: {track.line.length:.0f} m, {number_of(len(corners), 'corner')}")
    beyond = track.line.overlap()
    if beyond is not None:
        where = "where it begins"
        if abs(beyond) >= 0.5:
            where = f"{abs(beyond):.0f} m {'beyond' if beyond > 0 else 'before'} its beginning"
        print(f"A circuit: it ends {where}. A lap counts when the car has been driven to there.")
    from hitl.console import print_facts

    print_facts((corner.name, f"{corner.from_m:.0f} m to {corner.to_m:.0f} m") for corner in corners)
    return 0
