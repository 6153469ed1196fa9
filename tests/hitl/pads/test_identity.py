"""Which pad is which: two with one name are two, and one that moves to another port stays itself."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DeviceError
from hitl.commands import pads
from hitl.home import Home
from hitl.pads import devices as devices_module
from hitl.pads.base import MISSING
from hitl.pads.devices import Devices, devices
from hitl.pads.identity import Identity, on_linux, own_table, parse, pick, real_serial, tell_apart
from hitl.pads.open import open_pad
from hitl.pads.sdl import SdlPad
from hitl.settings import PadChoice, load
from tests.support.virtual_pad import VirtualPad

XBOX, SONY = "Xbox Pad [0300]", "Sony Pad [0500]"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
identities = st.builds(
    Identity,
    model=texts.map(lambda t: f"{t} [00ff]"),
    serial=texts.filter(lambda t: not t or bool(t.strip())),
    port=texts.filter(lambda t: not t or bool(t.strip())),
)


@given(identities)
def test_an_identity_survives_its_text(one: Identity) -> None:
    assert parse(str(one)) == one


@given(st.lists(st.tuples(st.sampled_from([XBOX, SONY]), st.sampled_from(["", "7", "8"]), st.sampled_from(["", "a", "b"]))))
def test_every_pad_that_is_plugged_in_is_found_again_as_itself(told: list[tuple[str, str, str]]) -> None:
    there = tell_apart([Identity(*one) for one in told])
    # Serial numbers and ports that two of a model share are no identity; then the order decides, and that holds, too.
    for one in there:
        if one.serial or one.port or not any(o.serial or o.port for o in there if o.model == one.model):
            assert pick(parse(str(one)), there) is one  # type: ignore[arg-type]
    keys = [str(one) for one in there if one.serial or one.port or one.number > 1]
    assert len(keys) == len(set(keys))


def test_by_serial_number_a_pad_is_known_at_every_port_and_its_twin_is_not_taken() -> None:
    mine = Identity(XBOX, "A1", "usb-1")
    moved, twin = Identity(XBOX, "A1", "usb-3"), Identity(XBOX, "B2", "usb-1")
    assert pick(mine, [twin, moved]) is moved
    assert pick(mine, [twin]) is None
    tables = {str(mine): {}, XBOX: {}}
    assert own_table(tables, moved, [twin, moved]) == str(mine)
    assert own_table({str(mine): {}}, twin, [twin]) == ""


def test_by_port_a_pad_alone_may_have_moved_and_one_of_several_may_not() -> None:
    mine = Identity(XBOX, "", "usb-1")
    here, other, third = (Identity(XBOX, "", port) for port in ("usb-1", "usb-2", "usb-3"))
    assert pick(mine, [other, here]) is here
    assert pick(mine, [other]) is other
    assert pick(mine, [other, third]) is None
    tables = {str(here): {"of": "mine"}}
    assert own_table(tables, other, [other]) == str(here)  # moved, and its calibration with it
    assert own_table(tables, other, [here, other]) == ""  # the twin has none of its own
    both = {**tables, str(other): {}}
    assert own_table(both, third, [third]) == ""  # either may have moved here: none is taken for the other


def test_a_table_of_the_whole_model_is_used_by_one_pad_only() -> None:
    first, second = tell_apart([Identity(XBOX), Identity(XBOX)])
    assert own_table({XBOX: {}}, first, [first, second]) == XBOX
    assert own_table({XBOX: {}}, second, [first, second]) == ""
    assert own_table({XBOX: {}, str(second): {}}, second, [first, second]) == str(second)
    assert own_table({SONY: {}}, first, [first]) == ""


def test_what_is_no_serial_number(tmp_path: Path) -> None:
    assert [real_serial(t) for t in ("", "0000", "00:00:00:00:00:00", " A1 ")] == ["", "", "", "A1"]
    event = tmp_path / "input" / "event7" / "device"
    event.mkdir(parents=True)
    (event / "uniq").write_text("\n")
    (event / "phys").write_text("usb-0000:00:14.0-2/input0\n")
    assert on_linux("/dev/input/event7", tmp_path) == ("", "usb-0000:00:14.0-2/input0")
    usb = tmp_path / "usb1" / "1-2"
    (usb / "1-2:1.0" / "input9").mkdir(parents=True)
    (usb / "idVendor").write_text("045e\n")
    (usb / "serial").write_text("3033\n")
    (tmp_path / "usb1" / "idVendor").write_text("1d6b\n")  # the hub above it
    (tmp_path / "usb1" / "serial").write_text("0000:00:14.0\n")
    (tmp_path / "input" / "event8").mkdir()
    (tmp_path / "input" / "event8" / "device").symlink_to(usb / "1-2:1.0" / "input9")
    assert on_linux("/dev/input/event8", tmp_path) == ("3033", "")
    raw = tmp_path / "hidraw" / "hidraw0" / "device"
    raw.mkdir(parents=True)
    (raw / "uevent").write_text("HID_NAME=Sony\nHID_PHYS=usb-1/input3\nHID_UNIQ=aa:bb:cc:dd:ee:ff\n")
    assert on_linux("/dev/hidraw0", tmp_path) == ("aa:bb:cc:dd:ee:ff", "usb-1/input3")
    assert on_linux("", tmp_path) == on_linux("/dev/input/event99", tmp_path) == ("", "")


# With devices


@pytest.fixture
def hub() -> Devices:
    with VirtualPad("Warm-up"):
        pass
    shared = devices()
    shared.guards.clear()
    shared.poll()
    assert not shared.present
    return shared


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[str, str]]:
    """What the system says of devices by their instance, (serial number, port): SDL's virtual ones have neither."""
    said: dict[int, tuple[str, str]] = {}
    monkeypatch.setattr(devices_module, "serial_and_port", lambda instance: said.get(instance, ("", "")))
    return said


def choose(home: Path, device: VirtualPad) -> None:
    over = threading.Event()

    def press_again_and_again() -> None:
        while not over.wait(0.05):
            device.press("a")
            over.wait(0.05)
            device.release("a")

    thread = threading.Thread(target=press_again_and_again)
    thread.start()
    try:
        assert pads.main(["--home", str(home), "--choose", "--seconds", "20"]) == 0
    finally:
        over.set()
        thread.join()
        device.release("a")


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("DualSense Wireless Controller", "Wireless Controller"), 1),
        (("Wireless Controller", "DualSense Wireless Controller"), 0),
        (("Wireless Controller", "DualSense Wireless Controller"), 1),
        (("Xbox Pad",) * 3, 0),
        (("Xbox Pad",) * 3, 1),
        (("Xbox Pad",) * 3, 2),
        (("wireless controller", "Wireless Controller"), 1),
    ],
)
def test_the_pad_whose_button_was_pressed_is_the_one_that_drives(
    tmp_path: Path, hub: Devices, names: tuple[str, ...], chosen: int
) -> None:
    made = [VirtualPad(name) for name in names]
    try:
        hub.poll()
        choose(tmp_path, made[chosen])
        settings = load(Home(tmp_path))
        assert settings.pad == PadChoice("sdl", names[chosen])
        for use in ("", "auto", "sdl"):
            pad = open_pad(settings, use)
            for number, device in enumerate(made):
                device.axis("gas", 1.0)
                assert (pad.read().gas > 0.9) == (number == chosen)
                device.axis("gas", 0.0)
            pad.close()
    finally:
        for device in made:
            device.unplug()


def test_the_chosen_twin_is_found_when_it_was_plugged_in_elsewhere_and_in_another_order(
    tmp_path: Path, hub: Devices, where: dict[int, tuple[str, str]]
) -> None:
    with VirtualPad("Xbox Pad") as one, VirtualPad("Xbox Pad") as two:
        where.update({one.instance: ("S1", "usb-1"), two.instance: ("S2", "usb-2")})
        hub.poll()
        choose(tmp_path, two)
    with VirtualPad("Xbox Pad") as two, VirtualPad("Xbox Pad") as one:
        where.update({one.instance: ("S1", "usb-2"), two.instance: ("S2", "usb-7")})
        hub.poll()
        pad = open_pad(load(Home(tmp_path)))
        two.axis("gas", 1.0)
        assert pad.read().gas > 0.9
        two.unplug()
        assert pad.read() == MISSING
        assert pad.read() == MISSING  # never the twin
        pad.close()
        waiting = open_pad(load(Home(tmp_path)))
        assert waiting.read() == MISSING
        assert "hitl pads --choose" in waiting.problem  # type: ignore[attr-defined]
        two.plug()
        where[two.instance] = ("S2", "usb-9")
        devices_module.devices().present.clear()
        hub._count = -1
        assert waiting.read().connected
        waiting.close()


def test_the_twin_on_the_table_is_not_taken_for_the_one_that_was_unplugged(hub: Devices) -> None:
    with VirtualPad("Xbox Pad") as mine, VirtualPad("Xbox Pad") as twin:
        pad = SdlPad(hub=hub)
        twin.press("rightshoulder")
        mine.axis("gas", 1.0)
        assert pad.read().gas > 0.9
        mine.unplug()
        assert pad.read() == MISSING
        assert pad.read() == MISSING
        mine.plug()
        assert pad.read().connected
        assert pad.read().buttons == frozenset()


def test_a_pad_that_was_out_and_in_again_between_two_ticks_was_missing(hub: Devices) -> None:
    with VirtualPad("Xbox Pad") as device:
        pad = SdlPad(hub=hub)
        device.press("a")
        assert pad.read().buttons == {"takeover"}
        device.unplug()
        device.plug()
        device.press("a")
        assert pad.read() == MISSING
        assert pad.read().connected


def test_what_was_measured_of_one_twin_is_not_the_others_and_moves_with_its_pad(
    tmp_path: Path, hub: Devices, where: dict[int, tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with VirtualPad("Xbox Pad") as one, VirtualPad("Xbox Pad") as two:
        where.update({one.instance: ("", "usb-1"), two.instance: ("", "usb-2")})
        hub.poll()
        choose(tmp_path, two)
        pads.main(["--home", str(tmp_path), "--set", "steer.dead_zone=0.6"])
        assert "usb-2" in capsys.readouterr().out
        tables = load(Home(tmp_path)).devices
        by_id = {d.instance: SdlPad(device=d, hub=hub, tables=tables) for d in hub.present.values()}
        assert by_id[two.instance].map.steer.dead_zone == 0.6
        assert by_id[one.instance].map.steer.dead_zone == 0.08
    with VirtualPad("Xbox Pad") as two:
        where[two.instance] = ("", "usb-5")
        hub.poll()
        pad = open_pad(load(Home(tmp_path)))
        assert pad.map.steer.dead_zone == 0.6  # type: ignore[attr-defined]
        pads.main(["--home", str(tmp_path), "--set", "steer.curve=2"])
        tables = load(Home(tmp_path)).devices
        assert [(parse(k).port, t["steer"]) for k, t in tables.items()] == [  # type: ignore[union-attr]
            ("usb-5", {"dead_zone": 0.6, "curve": 2.0})
        ]


def test_what_older_versions_stored_still_works(tmp_path: Path, hub: Devices) -> None:
    with VirtualPad("Xbox Pad"), VirtualPad("Blue Pad") as blue:
        hub.poll()
        key = next(d.key for d in hub.present.values() if d.name == "Blue Pad")
        (tmp_path / "pads.toml").write_text(
            f'[use]\nuse = "sdl"\nname = "Blue Pad"\n[devices."{key}".steer]\ndead_zone = 0.5\n', encoding="utf-8"
        )
        pad = open_pad(load(Home(tmp_path)))
        blue.axis("gas", 1.0)
        assert pad.read().gas > 0.9
        assert pad.map.steer.dead_zone == 0.5  # type: ignore[attr-defined]


def test_a_name_that_the_player_wrote_goes_before_what_was_chosen(tmp_path: Path, hub: Devices) -> None:
    with VirtualPad("Red Pad"), VirtualPad("Blue Pad") as blue:
        hub.poll()
        choose(tmp_path, blue)
        (tmp_path / "settings.toml").write_text('[pad]\nname = "red"\n')
        assert open_pad(load(Home(tmp_path))).name == "Red Pad"
        (tmp_path / "settings.toml").write_text('[pad]\nname = "blue"\n')
        assert open_pad(load(Home(tmp_path))).name == "Blue Pad"
        assert open_pad(load(Home(tmp_path)), "", "red").name == "Red Pad"


def test_a_pad_whose_stored_settings_are_broken_can_be_reset(tmp_path: Path, hub: Devices) -> None:
    with VirtualPad("Red Pad"):
        hub.poll()
        key = next(iter(hub.present.values())).key
        (tmp_path / "pads.toml").write_text(f'[devices."{key}".gas]\nsource = "axis77"\n')
        with pytest.raises(DeviceError, match="axis77"):
            pads.main(["--home", str(tmp_path), "--set", "steer.curve=2"])
        assert pads.main(["--home", str(tmp_path), "--reset"]) == 0
        assert open_pad(load(Home(tmp_path))).read().connected
