"""Files that another program holds open for a moment, by Windows' rule that such a file can be neither replaced nor deleted."""

import functools
import os
import re
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

from data.errors import InputFileError
from data.exchange.player_runs import mark_consumed
from data.files import held
from hitl.commands.report import save
from hitl.games.gym.drawn import Drawn
from hitl.games.supertuxkart.mirror import Mirror
from hitl.home import Home
from hitl.remote.outbox import Outbox
from hitl.settings import PadChoice, save_pads
from hitl.settings_desk.files import pads_path
from takeover_ui.window.picture import Picture
from tests.support import sample_screens
from tests.support.in_use import in_use
from tests.support.places import ROOT
from trainer.daemon import control
from trainer.daemon.heartbeat import NAME, Heartbeat, read_heartbeat, write_heartbeat

WINDOWS = ROOT / "tests" / "support" / "windows"
pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are looked for in /proc")


@pytest.fixture(autouse=True)
def rules(monkeypatch):
    """Windows' rules, for this test alone."""
    monkeypatch.syspath_prepend(str(WINDOWS))
    for name in ("unlink", "remove", "rename", "replace"):
        monkeypatch.setattr(os, name, getattr(os, name))  # put back afterwards
    import windows_rules

    windows_rules.refuse_held_files()


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").create()


def hold(path, seconds):
    """Hold a file open, as a scanner does, and let go after a while."""
    file = path.open("rb")
    threading.Timer(seconds, file.close).start()


def save_pad_choice(home):
    save_pads(home, use=PadChoice())
    return pads_path(home), lambda: save_pads(home, use=PadChoice(name="Wheel")), lambda p: "Wheel" in p.read_text()


def save_outbox(home):
    box = Outbox(home, "worker")
    box._save()
    path = home.root / "worker.json"
    path.write_text("old")
    return path, box._save, lambda p: p.read_text() != "old"


def beat(home):
    write_heartbeat(home.root, Heartbeat(updates=1))
    again = functools.partial(write_heartbeat, home.root, Heartbeat(updates=2))
    return home.root / NAME, again, lambda p: read_heartbeat(p.parent).updates == 2


def withdraw(home):
    control.ask(home.root, control.PAUSE)
    return home.root / control.PAUSE, lambda: control.withdraw(home.root, control.PAUSE), lambda p: not p.exists()


def consume(home):
    path = home.root / "20260101_000000_aaaaaaaa.pkl"
    path.write_bytes(b"x")
    return path, lambda: mark_consumed(path), lambda p: not p.exists()


@pytest.mark.parametrize("prepare", [save_pad_choice, save_outbox, beat, withdraw, consume])
def test_a_file_that_is_held_for_a_moment_is_waited_for(home, prepare):
    path, act, done = prepare(home)
    hold(path, 0.15)
    act()
    assert done(path)


def test_a_picture_s_file_goes_while_the_window_is_open(tmp_path, monkeypatch):
    monkeypatch.setattr(held, "PATIENCE_S", 20.0)
    drawn = Drawn(tmp_path / "picture-1")
    drawn(lambda: np.full((4, 5, 3), 9, np.uint8))
    seen, over = Picture(drawn.path), threading.Event()
    assert seen.newest() is not None

    def draw():  # as the window does
        while not over.wait(0.02):
            seen.newest()

    window = threading.Thread(target=draw)
    window.start()
    drawn.close()
    over.set()
    window.join()
    assert not drawn.path.exists()
    drawn.path.write_bytes(b"\1" * 64)
    mirror = types.SimpleNamespace(path=drawn.path)
    Mirror._forget(mirror)
    assert not drawn.path.exists(), "it has it open no longer itself"


def test_a_file_that_stays_held_is_an_error_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(held, "PATIENCE_S", 0.1)
    path = tmp_path / "file"
    path.write_text("old")
    with path.open(), pytest.raises(PermissionError):
        held.write_whole(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
    held.write_whole(path, "new")
    assert path.read_text() == "new"


def test_a_report_that_a_program_has_open_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "report.html"
    said = r"'report.html' cannot be written \(another program has it open\): close that program"
    with in_use(path), pytest.raises(InputFileError, match=said):
        save(path, sample_screens.report())
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize(
    ("number", "platform", "said"),
    [
        (32, "linux", "(another program has it open): close that program"),
        (None, "win32", "(Permission denied): close the program that has it open, or check the path"),
        (None, "linux", "(Permission denied): check the path"),
    ],
)
def test_what_is_to_be_done_depends_on_what_is_known(monkeypatch, number, platform, said):
    error = PermissionError(13, "Permission denied")
    if number is not None:
        error.winerror = number
    monkeypatch.setattr(held, "sys", types.SimpleNamespace(platform=platform))
    assert held.why(error, "check the path") == said
    assert held.why(OSError(28, "No space left on device"), "check the path") == "(No space left on device): check the path"


def test_a_file_that_stayed_in_use_is_not_waited_for_at_each_reading(tmp_path, monkeypatch):
    path, waited = tmp_path / "settings.toml", []
    path.touch()
    with in_use(path):
        monkeypatch.setattr(held.time, "sleep", waited.append)
        for _ in range(3):
            before = len(waited)
            with pytest.raises(PermissionError):
                held.read_bytes(path)
            assert bool(before) == (len(waited) == before)


def test_a_refusal_that_will_not_pass_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(held, "PATIENCE_S", 1e9)

    def refuse(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        held.replace(tmp_path / "a", tmp_path / "b")


def test_children_keep_to_the_rules(tmp_path):
    script = "import os; open('held', 'w'); f = open('held'); os.unlink('held')"
    environment = os.environ | {"WINFS": "1", "PYTHONPATH": str(WINDOWS)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=tmp_path,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert "used by another process" in done.stderr


def test_no_module_replaces_or_deletes_in_another_way():
    direct = re.compile(r"os\.(?:replace|rename|remove|unlink)\(|(?<!held)\.(?:unlink|rename)\(")
    modules = [p for package in ("data", "hitl", "trainer", "takeover_ui") for p in (ROOT / package).rglob("*.py")]
    found = {p.relative_to(ROOT).as_posix() for p in modules if direct.search(p.read_text(encoding="utf-8"))}
    assert found == {"data/files/held.py"}
