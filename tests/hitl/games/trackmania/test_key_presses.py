"""Keys in the place of a virtual pad."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DeviceError
from hitl.games.base import Start
from hitl.games.driving_env import DrivingEnv
from hitl.games.hang_guard import EnvironmentLost
from hitl.games.trackmania import key_presses
from hitl.games.trackmania.game import open_trackmania
from hitl.games.trackmania.key_presses import GAMES, Dither, KeyPad, XKeyboard, instead_of_pad, key_controls
from hitl.games.trackmania.key_presses_windows import SCAN, Input, WindowsKeyboard
from hitl.games.trackmania.virtual_pad import BUTTONS, VirtualPad
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.stand_in_game import A, B, Y, stand_in_track

pytestmark = pytest.mark.realtime


class Board:
    """A keyboard of which the stand-in game hears the keys."""

    def __init__(self, game=None):
        self.down, self.game, self.program, self.pressed = set(), game, "trackmania.exe", []

    def in_front(self):
        return [self.program]

    def key(self, name, down):
        assert (name in self.down) != down, "pressed twice"
        (self.down.add if down else self.down.discard)(name)
        self.pressed += [name] if down else []
        if self.game is not None:
            buttons = sum(bit for key, bit in (("restart", B), ("confirm", A), ("respawn", Y)) if key in self.down)
            held = self.down
            steer = float("right" in held) - float("left" in held)
            self.game.hear(float("gas" in held), float("brake" in held), steer, buttons)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=300))
def test_presses_come_to_the_wish_on_average(wishes):
    dither = Dither()
    owed = 0.0
    for wish in wishes:
        press = dither(wish)
        owed = 0.0 if wish == 0.0 else owed + wish - press
        assert press in (-1, 0, 1)
        assert abs(owed) <= 0.5 + 1e-9


def test_a_third_of_a_wish_is_a_third_of_the_ticks():
    dither = Dither()
    assert sum(dither(1 / 3) for _ in range(300)) == 100
    assert [dither(-1.0) for _ in range(3)] == [-1, -1, -1]


def test_keys_are_pressed_once_and_let_go_of():
    board = Board()
    pad = key_controls(keyboard=board)
    for _ in range(5):
        assert pad.send(1.0, -1.0, -1.0) == (1.0, 0.0, -1.0)
    assert board.pressed == ["gas", "left"]
    pad.pause()
    assert not board.down
    pad.press("restart")
    assert board.down == {"restart"}
    pad.close()
    assert not board.down


def test_a_session_that_stalls_lets_go_of_the_keys():
    board = Board()
    with key_controls(hz=100.0, keyboard=board) as pad:
        pad.send(1.0, 0.0, 0.0)
        end = time.monotonic() + 5
        while board.down and time.monotonic() < end:
            time.sleep(0.005)
        assert not board.down
        assert pad.stalls == 1


def test_no_key_goes_to_another_window():
    board = Board()
    pad = KeyPad(board)
    pad.right_trigger_float(1.0)
    pad.update()
    assert board.down == {"gas"}
    board.program = "explorer.exe"  # a folder that is called Trackmania
    pad.update()
    assert not board.down
    assert "click into it" in pad.problem
    pad.press_button(BUTTONS["restart"])
    pad.update()
    assert not board.down
    board.program = "trackmania.exe"
    pad.update()
    assert (board.down, pad.problem) == ({"gas", "restart"}, "")


def test_windows_is_told_scan_codes():
    sent = []

    class User32:
        def GetForegroundWindow(self):  # noqa: N802
            return 7

        def GetWindowThreadProcessId(self, window, process):  # noqa: N802
            ctypes.cast(process, ctypes.POINTER(ctypes.c_ulong)).contents.value = {7: 4711}.get(window, 0)
            return 1

        def SendInput(self, count, event, size):  # noqa: N802
            key = ctypes.cast(event, ctypes.POINTER(Input)).contents
            sent.append((count, size, key.type, key.of.key.vk, key.of.key.scan, key.of.key.flags))
            return 1 if key.of.key.scan != SCAN["restart"][0] else 0

    board = WindowsKeyboard(User32(), {4711: "Trackmania.exe"}.__getitem__)
    assert board.in_front() == {"trackmania.exe"}
    board.key("gas", True)
    board.key("gas", False)
    board.key("confirm", True)
    size = 40 if ctypes.sizeof(ctypes.c_void_p) == 8 else 28
    assert sent == [(1, size, 1, 0, 0x48, 0x9), (1, size, 1, 0, 0x48, 0xB), (1, size, 1, 0, 0x1C, 0x8)]
    with pytest.raises(DeviceError, match="administrator"):
        board.key("restart", True)


LISTENER = """
import sys
from Xlib import X, display
d = display.Display()
mask = X.KeyPressMask | X.KeyReleaseMask | X.ExposureMask
w = d.screen().root.create_window(0, 0, 100, 100, 0, X.CopyFromParent, event_mask=mask)
w.set_wm_name('Trackmania'); w.set_wm_class(*sys.argv[1:3]); w.map(); d.next_event()
w.set_input_focus(X.RevertToParent, X.CurrentTime); d.sync(); print('up', flush=True)
while True:
    e = d.next_event()
    if e.type in (X.KeyPress, X.KeyRelease):
        print(e.type == X.KeyPress, d.keycode_to_keysym(e.detail, 0), flush=True)
"""


@pytest.mark.skipif(
    shutil.which("Xvfb") is None or importlib.util.find_spec("Xlib") is None, reason="needs Xvfb and python-xlib"
)
def test_an_x_window_hears_them(monkeypatch, tmp_path):
    (tmp_path / "none").touch()
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "none"))  # old versions of the package insist on such a file
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-nolisten", "tcp"], pass_fds=(write,), stderr=subprocess.DEVNULL
    )
    os.close(write)
    with os.fdopen(read) as numbers:
        monkeypatch.setenv("DISPLAY", f":{numbers.readline().strip()}")
    listener = subprocess.Popen([sys.executable, "-c", LISTENER, "main", "Trackmania.exe"], stdout=subprocess.PIPE, text=True)
    try:
        assert "up\n" in iter(listener.stdout.readline, "")  # such versions also print a warning
        board = XKeyboard()
        assert "trackmania.exe" in board.in_front()
        assert not GAMES.isdisjoint(board.in_front())
        for name in ("gas", "restart"):
            board.key(name, True)
            board.key(name, False)
        heard = [listener.stdout.readline() for _ in range(4)]
        assert heard == ["True 65362\n", "False 65362\n", "True 65535\n", "False 65535\n"]
    finally:
        for process in (listener, server):
            process.kill()
            process.wait()
        listener.stdout.close()


def test_without_a_display_or_the_package_it_says_so(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    if importlib.util.find_spec("Xlib") is not None:
        with pytest.raises(DeviceError, match="without an X display"):
            XKeyboard()
    monkeypatch.setitem(sys.modules, "Xlib.display", None)
    with pytest.raises(DeviceError, match=r"pip install .*trackmania"):
        XKeyboard()
    monkeypatch.setattr(sys, "platform", "plan9")
    with pytest.raises(DeviceError, match=r"No pad\. Keys cannot stand in for it\. .* plan9"):
        instead_of_pad("No pad.", 20.0, [])


def test_the_player_hears_that_keys_drive(monkeypatch):
    notices = []
    monkeypatch.setattr(key_presses, "open_keyboard", Board)
    instead_of_pad("No driver.", 20.0, notices).close()
    assert "driven by keys" in notices[0]
    assert "No driver." in notices[0]


@pytest.fixture
def game(stand_in, vgamepad):
    made = open_trackmania(stand_in_track(), host="127.0.0.1", port=stand_in.port, layout=0, hz=20.0, settle_s=0.1)
    made.pad = VirtualPad(module=vgamepad)
    yield made
    made.close()


@pytest.mark.parametrize("stand_in", [11], indirect=True)
def test_the_game_is_driven_by_keys_and_what_was_pressed_is_what_was_executed(stand_in, game):
    game.pad.close()
    game.pad = key_controls(keyboard=Board(stand_in))
    env = DrivingEnv(game.track, game=game)
    env.reset()
    pressed = []
    for _ in range(30):
        seen, *_, info = env.step(np.array([0.7, -1.0, 0.3], np.float32))
        pressed.append(info["executed"])
        np.testing.assert_array_equal(seen[-3:], info["executed"])  # the pending action
        time.sleep(0.05)
    assert set(np.unique(pressed)) == {0.0, 1.0}
    np.testing.assert_allclose(np.sum(pressed, axis=0), [21, 0, 9], atol=1)
    assert stand_in.where()[0].speed > 5.0
    assert game.notices == []  # the game obeys, as far as keys go


@pytest.mark.parametrize("stand_in", [11], indirect=True)
def test_keys_that_never_reach_the_game_are_noticed_by_what_it_does(game):
    """Windows takes keys for a game that runs as administrator, drops them, and says nothing."""
    game.pad.close()
    game.pad = key_controls(keyboard=Board())
    game.restart(Start())
    game._began -= 1.0  # the second in which the game may still obey what was sent before
    for _ in range(24):
        game.send(np.array([1.0, -1.0, 1.0], np.float32))
        game.state()
        time.sleep(0.05)
    assert "without administrator's rights" in game.notices[0]


@pytest.mark.parametrize("stand_in", [11], indirect=True)
def test_a_restart_that_the_pad_does_not_bring_is_tried_by_keys(stand_in, game, monkeypatch):
    stand_in.fault("no_buttons", 60.0)  # of the pad
    stand_in.finish()
    monkeypatch.setattr("hitl.games.trackmania.game.READY_S", 0.3)
    with pytest.raises(EnvironmentLost, match="does not restart"):
        game.restart(Start())
    game.spare = lambda: key_controls(keyboard=Board(stand_in))
    game.restart(Start())
    assert stand_in.restarts == 1
    assert not stand_in.pop_up


@pytest.mark.parametrize("stand_in", [11], indirect=True)
@pytest.mark.parametrize("controls", ["keys", "auto"])
def test_keys_do_not_drive_the_game_where_those_of_any_window_count(tmp_path, stand_in, monkeypatch, controls):
    """Those that are pressed for the agent would be taken for the player's."""
    home = Home(tmp_path).create()
    text = f'[trackmania]\nport = {stand_in.port}\ncontrols = "{controls}"\n[overlay]\nkeys = "anywhere"\n'
    (tmp_path / "settings.toml").write_text(text)
    home.line.write_text("\n".join(f"{x},{y}" for x, y in stand_in_track().line.points.tolist()))
    monkeypatch.setitem(sys.modules, "vgamepad", None)
    monkeypatch.setattr(key_presses, "open_keyboard", Board)
    with (
        pytest.raises(DeviceError, match="Keys cannot drive the game while keys count in any window"),
        SessionSetup(home, SessionOptions(env="trackmania", real_time=True, show=True)),
    ):
        pass
