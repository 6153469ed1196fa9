"""A session without a window and without a pad: nobody can drive it, and that is said."""

import contextlib
from argparse import Namespace

import pygame
import pytest

from data.store import Store
from hitl.cli import main
from hitl.drivers.wheel import open_human
from hitl.home import Home
from hitl.pads import open as opening
from hitl.pads.base import MISSING
from hitl.pads.keyboard import KeyboardPad
from hitl.road.track import load_track


@pytest.fixture(autouse=True)
def no_pad(monkeypatch):
    """As on a machine with no pad, whatever is plugged in here, and in a process without windows, whatever ran before."""
    monkeypatch.setattr(opening, "auto_pad", lambda settings, name, identity: KeyboardPad(meanings=settings.keys.meanings))
    monkeypatch.setattr(pygame.display, "get_surface", lambda: None)


@pytest.mark.parametrize("pad", ["auto", "keyboard"])
@pytest.mark.parametrize(("env", "way"), [("gym:Pendulum-v1", "leave --headless out."), ("box2d", "--pad scripted")])
def test_laps_that_nobody_can_drive_are_refused(tmp_path, capsys, env, way, pad):
    words = ["play", "--home", str(tmp_path), "--env", env, "--pad", pad]
    assert main([*words, "--lap", "--headless", "--episodes", "1"]) == 2
    said = capsys.readouterr().err
    assert "no one can drive these laps" in said
    assert way in said
    assert ("no pad is plugged in" in said) == (pad == "auto")
    home = Home(tmp_path)
    if home.store_path.exists():
        with Store(home.store_path, read_only=True) as store:
            assert not store.conn.execute("SELECT 1 FROM sessions").fetchall()


@pytest.mark.parametrize(
    ("pad", "lap", "beginning"),
    [
        ("auto", False, "--headless opens no window that hears keys, and no pad is plugged in, so no one"),
        ("keyboard", False, "--headless opens no window that hears keys, so no one"),
        ("sdl", False, "No pad is plugged in. Until one is, no one can take over."),
        ("sdl", True, "No pad is plugged in. Until one is, the lap stands still."),
    ],
)
def test_a_session_in_which_nobody_can_take_over_says_so_and_runs(tmp_path, monkeypatch, pad, lap, beginning):
    monkeypatch.setattr(opening, "sdl_pad", lambda settings, name, identity: Unplugged())
    told = []
    with contextlib.ExitStack() as stack:
        args = Namespace(pad=pad, pad_name="", lap=lap)
        open_human(args, "box2d", Home(tmp_path), load_track("default"), None, stack, lambda level, text: told.append(text))
    assert len(told) == 1
    assert told[0].startswith(beginning)


def test_where_a_pad_is_plugged_in_nothing_is_said(tmp_path, monkeypatch):
    plugged = Unplugged()
    plugged.device = object()
    monkeypatch.setattr(opening, "auto_pad", lambda settings, name, identity: plugged)
    told = []
    with contextlib.ExitStack() as stack:
        args = Namespace(pad="auto", pad_name="", lap=True)
        open_human(args, "box2d", Home(tmp_path), load_track("default"), None, stack, lambda level, text: told.append(text))
    assert not told


class Unplugged:
    """A pad that is waited for."""

    name, device = "no pad", None

    def read(self):
        return MISSING

    def rumble(self, strong, weak, seconds):
        pass

    def close(self):
        pass
