"""`hitl pads`: show the pads and their live values, and set one up."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from data.errors import DeviceError, InputFileError, UsageError
from hitl.arguments import Parser, amount
from hitl.home import Home, add_home, home_path, in_home, with_options

if TYPE_CHECKING:
    from hitl.pads.device import Device
    from hitl.pads.mapping import PadMap
    from hitl.pads.sdl import SdlPad
    from hitl.pads.wheels.finding import FoundAxes
    from hitl.settings import Settings

AXES = ("steer", "gas", "brake")
STRAIGHT_S = 1.0  # for the player to put the wheel straight
GO_BACK_S = 3.0  # for the player to click into the game


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl pads",
        description="Show the pads and their live values; choose, calibrate and map one. Each pad has its own settings.",
    )
    add_home(parser)
    parser.add_argument("--pad", default="", metavar="KIND", help="sdl, keyboard, inputs or auto (default: as set)")
    parser.add_argument("--name", default="", help="part of the name of the pad to show")
    parser.add_argument("--once", action="store_true", help="print one reading and end")
    parser.add_argument("--json", action="store_true", help="print one reading as JSON and end")
    parser.add_argument(
        "--seconds", type=amount(), default=None, help="end after so long (default: until Ctrl-C; in a pipe: one reading)"
    )
    parser.add_argument("--choose", action="store_true", help="press a button on the pad to use; it is remembered")
    parser.add_argument("--calibrate", action="store_true", help="measure the rest and the ends of the three axes")
    parser.add_argument("--find", action="store_true", help="a wheel: find out which axis is which, by turning and pressing each")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="WHAT=VALUE",
        help="store a setting of the pad: steer.dead_zone=0.1, gas.source=axis2, brake.curve=1.5, takeover=a,leftshoulder",
    )
    parser.add_argument(
        "--game-curve", action="store_true", help="measure what TrackMania makes of the stick, the car standing, and undo it"
    )
    parser.add_argument("--reset", action="store_true", help="forget what is stored for the pad")
    args = parser.parse_args(argv)

    from hitl import settings as stored

    home = home_path(args)
    if args.game_curve:
        return _game_curve(home)
    settings = stored.load(home, "pad", "keys")
    kind = args.pad or settings.pad.use
    if args.choose or args.calibrate or args.find or args.set or args.reset:
        if kind not in ("auto", "sdl"):
            raise UsageError(f"A pad of the kind {kind!r} has nothing to choose, calibrate or set; use --pad sdl.")
        _change(home, settings, args)
        settings = stored.load(home, "pad", "keys")
        if not (args.once or args.json):
            return 0
    from hitl.pads.open import open_pad
    from hitl.pads.setup.live import reading, show

    pad = open_pad(settings, args.pad, args.name)
    try:
        if args.json:
            print(json.dumps(reading(pad), indent=2))
            return 0
        show(pad, 0.0 if args.once else args.seconds, args.home)
        return 0
    finally:
        pad.close()


def _game_curve(home: Home) -> int:
    """Measure the game's curve and keep it; the exit status is 1 where it is unfit to drive with."""
    import io

    from hitl.games.trackmania.stick_curve import keep_curve, measure
    from hitl.games.trackmania.telemetry import Telemetry
    from hitl.games.trackmania.virtual_pad import VirtualPad
    from hitl.pads.devices import devices
    from hitl.settings import load

    chosen = load(home, "trackmania").trackmania
    telemetry = Telemetry(chosen.host, chosen.port, chosen.layout)
    try:
        if telemetry.wait(lambda frame: True, 5.0) is None:
            raise DeviceError(
                f"TrackMania sends no telemetry: {telemetry.problem}. Start the game, load a map and the OpenPlanet plugin."
            )
        print("Click into the game, with the car at its start, and touch nothing for about twenty seconds.", flush=True)
        with contextlib.redirect_stdout(io.StringIO()):
            pad = VirtualPad(hub=devices())
        with pad:
            time.sleep(GO_BACK_S)
            curve = measure(pad, telemetry)
    except ValueError as error:
        raise DeviceError(
            f"The curve could not be measured: {error}. Click into the game's window, and choose the virtual pad in its settings."
        ) from error
    finally:
        telemetry.close()
    _keep(lambda: keep_curve(home.create().root, curve))
    for sent in (0.1, 0.25, 0.5, 0.75, 1.0):
        print(f"stick {sent:4.0%} steers {curve.gives(sent):4.0%} right, {-curve.gives(-sent):4.0%} left")
    print("It is undone before sending from now on; measure it again when the game's settings change.")
    if curve.unfit:
        print(curve.unfit)
    return 1 if curve.unfit else 0


def _change(home: Home, settings: Settings, args: argparse.Namespace) -> None:
    from hitl.pads.identity import own_table
    from hitl.pads.mapping import table_of, to_table
    from hitl.pads.sdl import SdlPad
    from hitl.pads.setup.wishes import laid_over, meant, which
    from hitl.settings import PadChoice, save_pads
    from hitl.settings_desk.files import pads_path

    table_of(args.set)  # raises where a wish has another form, whatever is plugged in
    if args.choose:
        device = _choose(args.seconds or 20.0)
        looked = SdlPad(device=device, tables={} if args.reset else settings.devices)
    else:
        name, chosen = args.name or settings.pad.name, "" if args.name else settings.pad.id
        looked = SdlPad(name, chosen=chosen, tables=settings.devices)
        device = meant(looked, wheel=args.find and not args.name)
    hub = looked.hub
    there = list(hub.identities().values())
    identity = hub.identities()[device.instance]
    called = f"{device.called}{which(identity, there)}"
    if args.choose:
        choice = PadChoice("sdl", device.name, str(identity))
        _keep(lambda: save_pads(home, use=choice))
        print(f"{called} is the pad from now on.")
    if not (args.calibrate or args.find or args.set or args.reset):
        return
    key, model = str(identity), identity.model
    was = own_table(settings.devices, identity, there)
    table: dict[str, Any] = {} if args.reset else dict(settings.devices.get(was, {}))
    told: list[str] = []
    with _named(args.name):
        if args.set:
            table, told = laid_over(device, looked, table, args.set)
        if args.find:
            axes = _find(device, key, table, args.seconds or 4.0)
            table = to_table(axes.map)
            told.append(with_options(axes.said, name=args.name))
    if args.calibrate:
        table = to_table(_calibrate(SdlPad(device=device, hub=hub, tables={key: table}), args.seconds or 6.0))
    file = pads_path(home).name
    if args.reset and not table:
        rest = {k: v for k, v in settings.devices.items() if k != was}
        shadowed = own_table(rest, identity, there)  # one of the whole model: an empty one of its own goes before it
        _keep(lambda: save_pads(home, device=key if shadowed else "", table={}, forget=was))
        told.append(f"Forgotten: what was stored for {called} in {file}.")
        if settings.pad.id == key:
            told.append("It stays the pad that you chose; `hitl pads --choose` chooses another.")
    else:
        _keep(lambda: save_pads(home, device=key, table=table, forget="" if was == model else was), {"devices": {key: table}})
        told.append(f"Stored for {called} in {file}.")
        told += _not_yours(home, device)
    print(in_home("\n".join(told), args.home))


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Let the commands in what is raised name the pad that was named."""
    try:
        yield
    except (DeviceError, InputFileError, UsageError) as error:
        raise type(error)(with_options(str(error), name=name)) from error


def _not_yours(home: Home, device: Device) -> list[str]:
    """Return a sentence where another pad than the one that was just set up is the player's."""
    from hitl.pads.sdl import SdlPad
    from hitl.settings import load

    now = load(home, "pad")
    used = SdlPad(now.pad.name, chosen=now.pad.id, tables=now.devices).device
    if used is device:
        return []
    way = f"`hitl pads --choose`, then a press of a button on {device.called}, changes that."
    return [f"You still drive with {used.called if used is not None else 'the keyboard'}: {way}"]


def _keep(save: Callable[[], object], table: Mapping[str, Any] | None = None) -> None:
    """Store what was measured. Where the file cannot be written, the player may change that and try again: nothing is lost.

    ``table``: what is printed of it where no one is there to be asked.
    """
    from hitl.settings_desk.files import dumps

    while True:
        try:
            save()
            return
        except InputFileError as error:
            if not (sys.stdin and sys.stdin.isatty()):
                if table:
                    print(f"Not stored, in the form of pads.toml:\n{dumps(table)}")
                raise
            print(f"{error}\nNothing is lost. Press Enter to store it now, Ctrl+C to leave without that.", flush=True)
        if not sys.stdin.readline():
            raise UsageError("Nothing was stored.")


def _choose(seconds: float) -> Device:
    from hitl.pads.devices import devices
    from hitl.pads.sdl import pick_by_press

    hub = devices()
    print("Press a button on the pad to use.", flush=True)
    device = pick_by_press(hub, seconds)
    if device is None:
        raise DeviceError("No button was pressed on any pad; plug it in, and start again.")
    return device


def _find(device: Device, key: str, table: Mapping[str, Any], seconds: float) -> FoundAxes:
    from hitl.pads.calibration.measure import averages, is_silent, sweep
    from hitl.pads.sdl import SdlPad
    from hitl.pads.wheels.finding import ask, found

    if device.controller is not None:
        raise UsageError(
            f"{device.called} is no wheel: its axes are known, and `hitl pads --calibrate` measures them. If a wheel is plugged "
            "in, too, add --name and a part of the wheel's name."
        )
    # What is stored of its axes is found anew, and may be wrong.
    steer = {k: v for k, v in table.get("steer", {}).items() if k in ("dead_zone", "curve")}
    kept = {k: v for k, v in table.items() if k not in AXES} | ({"steer": steer} if steer else {})
    pad = SdlPad(device=device, tables={key: kept})
    readers = {source: device.reader(source) for source in device.sources() if source.startswith("axis")}
    print(f"{device.called}: put the wheel straight ahead. Then hands off the wheel, feet off the pedals ...", flush=True)
    time.sleep(STRAIGHT_S)
    averages(pad, readers)  # drivers report pedals as half pressed until they first move
    rest = averages(pad, readers)
    silent = {source for source, value in rest.items() if is_silent(source, value)}

    def look() -> Mapping[str, tuple[float, float]]:
        pad.read()
        now = {source: read() for source, read in readers.items()}
        silent.difference_update([source for source, value in now.items() if not is_silent(source, value)])
        seen = sweep(pad, readers, {s: v for s, v in now.items() if s not in silent}, seconds).ranges
        silent.difference_update(seen)
        return seen

    slept = set(silent)
    seen = ask(look, rest, lambda text: print(text, flush=True))
    woken = {source: value for source, value in averages(pad, readers).items() if source in slept}
    return found(pad.map, rest, seen, woken)


def _calibrate(pad: SdlPad, seconds: float) -> PadMap:
    from hitl.pads.calibration.measure import Calibration

    said = {
        "hands_off": "Hands off ...",
        "move": f"Now move stick or wheel and both pedals to their ends, for {seconds:g} s ...",
        "hands_off_again": "Hands off once more ...",
    }
    made, told = Calibration(pad, seconds), ""
    while made.phase != "done":
        if told != made.phase:
            told = made.phase
            print(said[told], flush=True)
        made.look(time.perf_counter())
        time.sleep(0.005 if made.phase == "move" else 0.01)
    return made.result()
