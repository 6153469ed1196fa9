"""The virtual pad: it lets go when it must, and is never read as the player's."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from data.errors import DeviceError
from hitl.games.trackmania.virtual_pad import VirtualPad as OwnPad
from hitl.pads.base import MISSING, PadState
from hitl.pads.devices import Devices, devices
from hitl.pads.own_pad import Guard
from hitl.pads.sdl import SdlPad
from tests.support.vgamepad_double import X360, module
from tests.support.virtual_pad import VirtualPad

pytestmark = pytest.mark.realtime

NEUTRAL = {"gas": 0.0, "brake": 0.0, "steer": (0.0, 0.0), "right": (0.0, 0.0), "buttons": set()}


@pytest.fixture
def hub() -> Iterator[Devices]:
    with VirtualPad("Warm-up"):
        pass
    X360.made.clear()
    shared = devices()
    shared.guards.clear()
    shared.poll()
    yield shared
    X360.made.clear()
    shared.guards.clear()
    shared.poll()


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def last() -> dict[str, object]:
    return X360.made[-1].updates[-1]


# What is sent


def test_sends_pedals_and_stick_as_the_game_reads_them() -> None:
    with OwnPad(module=module(visible=False)) as pad:
        pad.send(0.5, -1.0, -0.25)
        assert last() == {**NEUTRAL, "gas": 0.5, "steer": (-0.25, 0.0)}
        pad.send(2.0, 0.75, -3.0)
        assert last() == {**NEUTRAL, "gas": 1.0, "brake": 0.75, "steer": (-1.0, 0.0)}


def test_a_number_that_is_none_lets_go() -> None:
    with OwnPad(module=module(visible=False)) as pad:
        pad.send(1.0, 0.0, 1.0)
        pad.send(float("nan"), 1.0, 0.5)
        assert last() == NEUTRAL


def test_buttons() -> None:
    with OwnPad(module=module(visible=False)) as pad:
        pad.press("restart")
        assert last()["buttons"] == {"b"}
        pad.press("restart", False)
        assert last()["buttons"] == set()


# When it lets go


def test_the_watchdog_lets_go_after_three_ticks_and_a_send_takes_hold_again() -> None:
    with OwnPad(hz=20.0, module=module(visible=False)) as pad:
        pad.send(1.0, 0.0, 0.5)
        began = time.monotonic()
        assert until(lambda: last() == NEUTRAL)
        assert 0.14 <= time.monotonic() - began < 1.0
        assert pad.stalls == 1
        pad.send(0.5, 0.0, 0.0)
        assert last()["gas"] == 0.5


def test_the_watchdog_survives_a_session_that_spins_without_a_pause() -> None:
    with OwnPad(hz=20.0, module=module(visible=False)) as pad:
        pad.send(1.0, 0.0, 0.5)
        until_when = time.monotonic() + 0.6
        while time.monotonic() < until_when:  # no sleep, no wait: the interpreter is never handed over by itself
            sum(range(500))
        assert pad.stalls == 1
        assert last() == NEUTRAL


def test_the_watchdog_leaves_a_running_session_alone() -> None:
    with OwnPad(hz=5.0, module=module(visible=False)) as pad:
        for _ in range(20):
            pad.send(1.0, 0.0, 0.0)
            time.sleep(0.02)
        assert pad.stalls == 0
        assert last()["gas"] == 1.0


def test_pause_lets_go_and_is_no_stall() -> None:
    with OwnPad(hz=100.0, module=module(visible=False)) as pad:
        pad.send(1.0, 0.0, 0.5)
        pad.pause()
        assert last() == NEUTRAL
        time.sleep(0.1)
        assert pad.stalls == 0


def test_an_error_in_the_session_lets_go_and_unplugs() -> None:
    def session(pad: OwnPad) -> None:
        with pad:
            pad.send(1.0, 0.0, 0.5)
            raise RuntimeError

    pad = OwnPad(module=module(visible=False))
    with pytest.raises(RuntimeError):
        session(pad)
    assert last() == NEUTRAL
    pad.close()
    with pytest.raises(DeviceError, match="closed"):
        pad.send(1.0, 0.0, 0.0)


def test_a_program_that_ends_without_closing_lets_go(tmp_path: Path) -> None:
    report = tmp_path / "report"
    program = f"""
from types import SimpleNamespace
from hitl.games.trackmania.virtual_pad import VirtualPad
class Pad:
    gas = 0.0
    def reset(self): self.gas = 0.0
    def right_trigger_float(self, value_float): self.gas = value_float
    def left_trigger_float(self, value_float): pass
    def left_joystick_float(self, x_value_float, y_value_float): pass
    def update(self): open({str(report)!r}, "a").write(f"{{self.gas}} ")
pad = VirtualPad(hz=0.001, module=SimpleNamespace(VX360Gamepad=Pad))
pad.send(1.0, 0.0, 0.0)
raise SystemError("crash")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert b"crash" in done.stderr
    assert report.read_text().split()[-2:] == ["1.0", "0.0"]


# What is missing, in one sentence


def _import_fails(error: Exception) -> Callable[..., object]:
    def load(name: str, *rest: object) -> object:
        if name == "vgamepad":
            raise error
        return importlib.__import__(name)

    return load


@pytest.mark.parametrize(
    ("platform", "error", "words"),
    [
        ("linux", ModuleNotFoundError("No module named 'vgamepad'", name="vgamepad"), 'hitl-takeover|pip install -e'),
        ("linux", ModuleNotFoundError("No module named 'libevdev'", name="libevdev"), "libevdev2"),
        ("linux", OSError("libevdev.so.2: cannot open shared object file\nmore"), "libevdev2"),
        ("win32", RuntimeError("Error: VIGEM_ERROR_BUS_NOT_FOUND"), "ViGEmBus"),
        ("win32", OSError(), "ViGEmBus"),
    ],
)
def test_what_is_missing_at_import(
    monkeypatch: pytest.MonkeyPatch, platform: str, error: Exception, words: str
) -> None:
    monkeypatch.setattr("hitl.games.trackmania.virtual_pad.importlib.import_module", _import_fails(error))
    monkeypatch.setattr("hitl.games.trackmania.virtual_pad.sys", SimpleNamespace(platform=platform))
    with pytest.raises(DeviceError, match=words) as caught:
        OwnPad()
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "docs/pads.md"),
        (FileNotFoundError(2, "No such file", "/dev/uinput"), "modprobe uinput"),
    ],
)
def test_what_is_missing_at_creation(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    def make() -> object:
        raise error

    monkeypatch.setattr("hitl.games.trackmania.virtual_pad.sys", SimpleNamespace(platform="linux"))
    with pytest.raises(DeviceError, match=words):
        OwnPad(module=SimpleNamespace(VX360Gamepad=make))


def test_a_failure_leaves_no_guard_that_bars_pads(hub: Devices) -> None:
    def make() -> object:
        raise FileNotFoundError("/dev/uinput")

    with pytest.raises(DeviceError):
        OwnPad(hub=hub, module=SimpleNamespace(VX360Gamepad=make))
    with VirtualPad():
        assert SdlPad(hub=hub).read().connected


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    program = "import hitl.games.trackmania.virtual_pad, sys; print('vgamepad' in sys.modules, 'pygame' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]


# Our own is never the player's


def test_two_identical_pads_the_one_of_ours_is_found(hub: Devices) -> None:
    with VirtualPad() as players:
        bound = SdlPad(hub=hub)
        with OwnPad(hub=hub, module=module()) as own:
            assert own.guard is not None
            ours = X360.made[-1].sdl
            assert ours is not None
            assert len({(d.name, d.guid) for d in hub.present.values()}) == 1  # nothing but the echo tells them apart
            assert own.guard.own == {ours.instance}
            own.send(1.0, 0.0, -1.0)
            assert bound.read() == PadState()
            players.axis("gas", 0.5)
            assert 0.4 < bound.read().gas < 0.6
            assert SdlPad(hub=hub).device is bound.device


def test_with_ours_alone_there_is_no_player(hub: Devices) -> None:
    with OwnPad(hub=hub, module=module()) as own:
        pad = SdlPad(hub=hub)
        own.send(1.0, 0.0, 1.0)
        assert pad.read() == MISSING
        with VirtualPad() as late:  # the player plugs in one of the same model
            late.axis("brake", 1.0)
            reads = []
            for _ in range(60):
                own.send(1.0, 0.0, 1.0)
                reads.append(pad.read())
                if reads[-1].connected:
                    break
            assert reads[-1].brake > 0.9
            assert reads[-1].gas == 0.0
            assert all(state == MISSING for state in reads[:-1])
            assert len(reads) <= 16, "the player should not wait a second for their pad"


def test_a_pad_is_found_while_the_session_is_paused(hub: Devices) -> None:
    with OwnPad(hub=hub, module=module()) as own:
        pad = SdlPad(hub=hub)
        own.send(1.0, 0.0, 0.0)
        own.pause()
        with VirtualPad():
            assert any(pad.read().connected for _ in range(30))
            assert last()["gas"] == 0.0


def test_unplugged_and_plugged_again_beside_ours(hub: Devices) -> None:
    with VirtualPad() as players:
        pad = SdlPad(hub=hub)
        with OwnPad(hub=hub, module=module()) as own:
            players.unplug()
            for _ in range(30):
                own.send(1.0, 0.0, 1.0)
                assert pad.read() == MISSING  # never ours instead
            players.plug()
            players.axis("brake", 1.0)
            seen = []
            for _ in range(60):
                own.send(1.0, 0.0, 1.0)
                seen.append(pad.read())
                assert seen[-1].gas == 0.0
            assert seen[-1].brake > 0.9


def test_a_pad_that_appears_while_ours_is_made_is_a_suspect_until_the_echo(hub: Devices) -> None:
    late: list[VirtualPad] = []

    def make() -> X360:
        late.append(VirtualPad())  # the player's, in the same moment and before ours
        return X360()

    with OwnPad(hub=hub, module=SimpleNamespace(VX360Gamepad=make)) as own:
        assert own.guard is not None
        assert own.guard.own == {X360.made[-1].sdl.instance}  # type: ignore[union-attr]
        pad = SdlPad(hub=hub)
        for _ in range(60):
            own.send(1.0, 0.0, 0.0)
            pad.read()
        assert pad.device is not None
        assert pad.device.instance == late[0].instance
    late[0].unplug()


def test_ours_never_seen_and_silent_is_refused_for_long(hub: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that came with ours and does not echo is not believed at once: two whole challenges must pass."""
    monkeypatch.setattr("hitl.games.trackmania.virtual_pad.FIND_S", 0.05)
    with OwnPad(hub=hub, module=module(deaf=True)) as own:
        pad = SdlPad(hub=hub)
        for _ in range(40):
            own.send(1.0, 0.0, 1.0)
            assert pad.read() == MISSING


def test_a_busy_stick_does_not_pass_for_an_echo(hub: Devices) -> None:
    import random

    noise = random.Random(5)
    with OwnPad(hub=hub, module=module()) as own, VirtualPad() as players:
        pad = SdlPad(hub=hub)
        for _ in range(400):
            players.axis("rightx", noise.uniform(-1.0, 1.0))
            players.axis("righty", noise.uniform(-1.0, 1.0))
            own.send(1.0, 0.0, 0.0)
            pad.read()
        assert pad.device is not None
        assert pad.device.instance == players.instance
        assert own.guard is not None
        assert own.guard.own == {X360.made[-1].sdl.instance}  # type: ignore[union-attr]


def test_the_challenge_leaves_no_trace(hub: Devices) -> None:
    with OwnPad(hub=hub, module=module()) as own:
        own.send(0.5, 0.0, 0.0)
        assert last()["right"] == (0.0, 0.0)
        assert any(update["right"] != (0.0, 0.0) for update in X360.made[-1].updates)


def test_after_ours_is_gone_nothing_is_barred(hub: Devices) -> None:
    with OwnPad(hub=hub, module=module()):
        pass
    X360.made.clear()
    with VirtualPad():
        assert SdlPad(hub=hub).read().connected


def test_a_guard_without_a_pad_to_write_to_keeps_suspects_barred(hub: Devices) -> None:
    guard = Guard(hub)
    with VirtualPad():
        pad = SdlPad(hub=hub)
        for _ in range(200):
            guard.tick()
            assert pad.read() == MISSING
