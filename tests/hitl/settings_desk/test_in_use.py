"""Settings while another program has their files open: a sentence, nothing is lost, and it goes on once that lets go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.errors import InputFileError
from hitl.cli import main
from hitl.home import Home
from hitl.screens import session_window
from hitl.settings import load
from hitl.settings_desk.changes import Changes
from hitl.settings_desk.desk import SettingsDesk
from hitl.settings_desk.pad_desk import PadDesk
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.window.options import WindowOptions
from tests.support.in_use import in_use

SAID = "settings.toml cannot be read (another program has it open): close that program."


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "settings.toml").write_text('[overlay]\nscale = 0.8\n[takeover]\nmode = "touch"\n')
    return Home(tmp_path)


@pytest.mark.parametrize("name", ["settings.toml", "pads.toml", "overlay.toml"])
def test_a_gauge_that_is_switched_off_then_is_a_toast(home: Home, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    class Opened:
        def __init__(self, options: WindowOptions, named: Path | None) -> None:
            self.options, self.toasts = options, list[str]()

        def toast(self, text: str, level: str) -> None:
            self.toasts.append(text)

    monkeypatch.setattr(session_window, "SessionWindow", Opened)
    (home.root / name).touch()
    window: Any = session_window.open_window(home, load(home, "overlay").overlay)
    with in_use(home.root / name):
        window.remember(Arrangement().toggled("risk"))
    assert window.toasts == [f"Your gauges stay so only until you leave. {SAID.replace('settings.toml', name)}"]
    window.remember(Arrangement().toggled("risk"))
    assert load(home, "overlay").overlay.hidden == ("risk",)


def test_the_desk_keeps_what_it_has_read_and_looks_again(home: Home) -> None:
    path = home.root / "settings.toml"
    desk = SettingsDesk(home, PadDesk(None))
    desk.set("overlay.language", "pl")
    before = path.read_text()
    path.write_text(before + "\n")
    with in_use(path):
        assert desk.refresh()
        assert (desk.problem, desk.value("overlay.language")) == (SAID, "pl")
        for act in (desk.undo, desk.restore, lambda: desk.set("takeover.mode", "hold")):
            with pytest.raises(InputFileError, match="another program has it open"):
                act()
    path.write_text(before)
    assert desk.refresh()
    assert desk.problem == ""
    assert desk.undo(), "it was not lost"
    assert desk.value("overlay.language") == "en"


def test_of_two_files_neither_is_changed_where_one_cannot_be(home: Home) -> None:
    changes, own, arranged = Changes(home), home.root / "settings.toml", home.root / "overlay.toml"
    changes.arrange(Arrangement().toggled("risk").table())
    before = own.read_bytes(), arranged.read_bytes()
    with in_use(own.with_name("settings.toml.new")), pytest.raises(InputFileError, match="close that program"):
        changes.arrange(Arrangement().scaled(1.5).toggled("laps").table())
    assert (own.read_bytes(), arranged.read_bytes()) == before
    assert not list(home.root.glob("*.new"))


def test_the_window_does_not_open_over_settings_that_cannot_be_read(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":99")
    with in_use(home.root / "settings.toml"):
        assert main(["settings", "--home", str(home.root)]) == 3
    assert SAID in capsys.readouterr().err
