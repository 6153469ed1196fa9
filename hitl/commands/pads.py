"""`hitl pads`: show the pads and their live values, and set one up."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from data.errors import DeviceError, InputFileError, UsageError
from data.suggest import did_you_mean
from hitl.arguments import Parser, amount
from hitl.home import Home, add_home, home_path

if TYPE_CHECKING:
    from rich.console import Group

    from hitl.pads.base import Pad
    from hitl.pads.device import Device
    from hitl.pads.mapping import PadMap
    from hitl.pads.sdl import SdlPad
    from hitl.settings import Settings

AXES = ("steer", "gas", "brake")
_BAR = 21
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

    pad = open_pad(settings, args.pad, args.name)
    try:
        if args.json:
            print(json.dumps(_reading(pad), indent=2))
            return 0
        _show(pad, 0.0 if args.once else args.seconds)
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
    from hitl.settings import PadChoice, save_pads
    from hitl.settings_desk.files import pads_path

    table_of(args.set)  # raises where a wish has another form, whatever is plugged in
    name, chosen = args.name or settings.pad.name, "" if args.name else settings.pad.id
    device = _choose(args.seconds or 20.0) if args.choose else None
    tables = {} if args.reset else settings.devices
    pad = SdlPad(name, chosen=chosen, tables=tables, device=device)
    if device is not None:
        name = device.name
        choice = PadChoice("sdl", name, str(pad.identity))
        _keep(lambda: save_pads(home, use=choice))
        print(f"{name}{_which(pad)} is the pad from now on.")
    if pad.device is None:
        if args.set and pad.hub.present and not args.calibrate:
            meant = did_you_mean(name, [d.name for d in pad.hub.present.values()])
            raise DeviceError(pad.problem or f"No pad whose name holds {name!r} is plugged in; `hitl pads` lists them.{meant}")
        raise DeviceError(pad.problem or "No pad is plugged in; plug it in and start again.")
    if not (args.calibrate or args.find or args.set or args.reset):
        return
    assert pad.identity is not None
    key, model = str(pad.identity), pad.identity.model
    was = own_table(settings.devices, pad.identity, list(pad.hub.identities().values()))
    table: dict[str, Any] = dict(tables.get(was, {}))
    pad = SdlPad(device=pad.device, hub=pad.hub, tables={key: table})
    if args.set:
        pad, table = _set(pad, table, args.set)
    if args.find:
        table = to_table(_find(pad, args.seconds or 4.0))
    if args.calibrate:
        table = to_table(_calibrate(pad, args.seconds or 6.0))
    _keep(lambda: save_pads(home, device=key, table=table, forget="" if was == model else was), {"devices": {key: table}})
    print(f"Stored for {pad.name}{_which(pad)} in {pads_path(home).name}.")


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


def _which(pad: SdlPad) -> str:
    """Return which of several pads of one model this is; "" where it is the only one."""
    known = pad.identity
    if known is None or sum(d.key == known.model for d in pad.hub.present.values()) < 2:
        return ""
    said = f"serial number {known.serial}" if known.serial else f"at {known.port}" if known.port else f"number {known.number}"
    return f" ({said})"


def _choose(seconds: float) -> Device:
    from hitl.pads.devices import devices
    from hitl.pads.sdl import pick_by_press

    hub = devices()
    print("Press a button on the pad to use.", flush=True)
    device = pick_by_press(hub, seconds)
    if device is None:
        raise DeviceError("No button was pressed on any pad; plug it in, and start again.")
    return device


def _set(pad: SdlPad, stored: dict[str, Any], wishes: list[str]) -> tuple[SdlPad, dict[str, Any]]:
    """Return the pad with the stored settings and the wishes laid over them, and the table to store."""
    from hitl.pads.calibration.rest import END, is_plain
    from hitl.pads.mapping import from_table, table_of
    from hitl.pads.sdl import SdlPad

    table = table_of(wishes)
    from_table(table, pad.map, file="")  # raises where a wish makes no sense
    for name, value in table.items():
        kept = {k: v for k, v in stored.get(name, {}).items() if not ("source" in value and k in ("low", "centre", "high"))}
        stored[name] = {**kept, **value}  # what was measured on another axis is dropped
    assert pad.device is not None
    # A new pad checks that the device has the controls that were named.
    pad = SdlPad(device=pad.device, hub=pad.hub, tables={str(pad.identity): stored})
    named = {s for sources in table.get("buttons", {}).values() for s in sources if is_plain(s)}
    rests = {s: round(pad.raw(s), 4) for s in sorted(named) if abs(pad.raw(s)) > END}  # a trigger that is not pulled now
    if rests:
        stored["rests"] = {**stored.get("rests", {}), **rests}
        pad = SdlPad(device=pad.device, hub=pad.hub, tables={str(pad.identity): stored})
    return pad, stored


def _find(pad: SdlPad, seconds: float) -> PadMap:
    from hitl.pads.calibration.measure import averages, sweep
    from hitl.pads.wheels.finding import ask, found

    device = pad.device
    assert device is not None
    if device.controller is not None:
        raise UsageError(f"{device.name} is no wheel: its axes are known, and `hitl pads --calibrate` measures them.")
    readers = {source: device.reader(source) for source in device.sources() if source.startswith("axis")}
    print("Hands off the wheel, feet off the pedals ...", flush=True)
    averages(pad, readers)  # drivers report pedals as half pressed until they first move
    rest = averages(pad, readers)
    seen = ask(lambda: sweep(pad, readers, rest, seconds).ranges, rest, lambda text: print(text, flush=True))
    rest |= {source: value for source, value in averages(pad, readers).items() if abs(rest[source]) < 1e-3}
    made = found(pad.map, rest, seen)
    print(made.said)
    return made.map


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


def _reading(pad: Pad) -> dict[str, Any]:
    state, hub = pad.read(), getattr(pad, "hub", None)
    return {
        "pad": pad.name,
        "connected": state.connected,
        **{name: round(getattr(state, name), 4) for name in AXES},
        "buttons": sorted(state.buttons),
        "mapping": _mapping(pad),
        "guessed": getattr(pad, "guessed", False),
        "looks": hub is not None,  # for pads; a keyboard does not
        "problem": getattr(pad, "problem", ""),
        "devices": [
            {
                "name": d.name,
                "guid": d.guid,
                "serial": d.serial,
                "port": d.port,
                "kind": "controller" if d.controller is not None else "joystick",
                "in_use": d is getattr(pad, "device", None),
                "controls": {s: round(d.reader(s)(), 4) for s in d.sources()},
            }
            for d in (hub.present.values() if hub is not None else ())
        ],
    }


def _mapping(pad: Pad) -> dict[str, dict[str, Any]]:
    """Return what each axis is made from; empty for a device that has no axes."""
    made = getattr(pad, "map", None)
    if made is None or not getattr(pad, "device", True):
        return {}
    axes = ((name, getattr(made, name)) for name in AXES)
    return {name: {"source": a.source, "dead_zone": round(a.dead_zone, 4), "curve": round(a.curve, 4)} for name, a in axes}


def _show(pad: Pad, seconds: float | None) -> None:
    from rich.live import Live

    from hitl.console import console

    out = console()
    piped = seconds is None and not out.is_terminal  # nothing could be drawn anew there, and nothing would end it
    if seconds == 0.0 or piped:
        out.print(_screen(_reading(pad)))
        if piped:
            said = "One reading, because this does not go to a terminal. In one, `hitl pads` shows live values."
            print(said, file=sys.stderr)
        return
    until = math.inf if seconds is None else time.monotonic() + seconds
    with Live(_screen(_reading(pad)), console=out, refresh_per_second=20) as live:
        while time.monotonic() < until:
            live.update(_screen(_reading(pad)))
            time.sleep(0.05)


def _screen(now: dict[str, Any]) -> Group:
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    from hitl.console import marked

    head = f"[b]{escape(now['pad'])}[/b]  "
    head += "[green]connected[/]" if now["connected"] else "[red]missing[/]"
    values = Table.grid(padding=(0, 2))

    for name in AXES:
        sign, of, made = "+" if name == "steer" else "", now["mapping"].get(name), ""
        if of is not None:
            made = f"{of['source']}, dead zone {of['dead_zone']:.2g}, curve {of['curve']:.2g}" if of["source"] else "no axis"
        values.add_row(name, _bar(now[name], both=name == "steer"), f"{now[name]:{sign}.2f}", made)
    values.add_row("buttons", " ".join(now["buttons"]) or "-", "", "")
    rows: list[Any] = [marked(head), values]
    if now["guessed"]:
        rows.append(Text("Which of this wheel's axes are its pedals is guessed: `hitl pads --find` finds out.", style="yellow"))
    if now["problem"]:
        rows.append(Text(now["problem"], style="yellow"))
    for device in now["devices"]:
        moved = {n: v for n, v in device["controls"].items() if abs(v) > 0.02}
        raw = "  ".join(f"{name} {value:+.2f}" for name, value in moved.items()) or "all at zero"
        used = "▶" if device["in_use"] else " "
        rows.append(Text(f"{used} {device['name']} ({device['kind']}, {len(device['controls'])} controls): {raw}"))
    if not now["devices"] and now["looks"]:
        rows.append(Text("SDL sees no pad. `hitl pads` keeps looking: plug one in.", style="dim"))
    return Group(*rows)


def _bar(value: float, *, both: bool = False) -> str:
    begin, end = 0, round(value * _BAR)
    if both:
        middle = _BAR // 2
        begin, end = sorted((middle, middle + round(value * middle)))
        end += 1
    return "░" * begin + "█" * (end - begin) + "░" * (_BAR - end)
