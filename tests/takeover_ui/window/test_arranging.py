"""The gauges under the player's mouse: moved, scaled, switched off and on, and remembered in the home."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pygame
import pytest

from hitl.commands.config import main as config
from hitl.home import Home
from hitl.screens import session_window
from hitl.settings import load
from hitl.settings_desk.changes import Changes
from hitl.settings_desk.files import overlay_path
from takeover_ui.overlay import texts
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.window.arranging import Arranging
from takeover_ui.window.composer import Composer
from takeover_ui.window.options import WindowOptions
from tests.support import sample_screens as samples
from tests.takeover_ui.overlay.test_overlay import check, without_a_road

AREA = pygame.Rect(0, 0, 1280, 720)


class Mouse:
    """A mouse over a composed window."""

    def __init__(self, size: object = "full") -> None:
        self.composer = Composer(size=size)  # type: ignore[arg-type]
        self.arranging = Arranging(self.composer)
        self.surface = pygame.Surface(AREA.size)
        self.at = (0, 0)
        self.changes = 0
        self.view = samples.view("human", 150)
        self.look()

    def look(self) -> None:
        self.marks = self.composer.draw(self.surface, self.view)
        self.listed = self.arranging.draw(self.surface, texts.LANGUAGES["en"])

    def send(self, kind: int, **more: object) -> None:
        self.changes += self.arranging.event(pygame.event.Event(kind, **more), AREA)
        self.look()

    def press(self, at: tuple[int, int], button: int = 1) -> None:
        self.at = at
        self.send(pygame.MOUSEBUTTONDOWN, button=button, pos=at)
        self.send(pygame.MOUSEBUTTONUP, button=button, pos=at)

    def drag(self, name: str, to: tuple[int, int]) -> None:
        begin = self.composer.places[name].center
        self.send(pygame.MOUSEBUTTONDOWN, button=1, pos=begin)
        for share in (0.1, 0.5, 1.0):
            at = tuple(round(a + (b - a) * share) for a, b in zip(begin, to, strict=True))
            self.send(pygame.MOUSEMOTION, pos=at)
        self.send(pygame.MOUSEBUTTONUP, button=1, pos=to)

    def wheel(self, at: tuple[int, int], notches: int) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(pygame.mouse, "get_pos", lambda: at)
            self.send(pygame.MOUSEWHEEL, y=notches)

    def option(self, text: str) -> tuple[int, int]:
        return next(m.rect.center for m in self.listed if m.text == text)


@pytest.fixture
def mouse() -> Mouse:
    return Mouse()


def test_a_gauge_is_dragged_scaled_and_dropped_back(mouse: Mouse) -> None:
    docked = mouse.composer.places["controls"].copy()
    mouse.drag("controls", (300, 500))
    moved = mouse.composer.places["controls"].copy()
    assert abs(moved.centerx - 300) <= 1
    assert abs(moved.centery - 500) <= 1
    mouse.wheel(moved.center, 5)
    larger = mouse.composer.places["controls"]
    assert larger.w > 1.3 * moved.w
    assert larger.center == pytest.approx(moved.center, abs=2)
    assert mouse.changes == 2
    check([m for m in mouse.marks if m.name not in ("car", "corner")], AREA)
    mouse.drag("controls", mouse.composer.dock.center)  # type: ignore[union-attr]
    assert mouse.composer.arrangement == Arrangement()
    assert mouse.composer.places["controls"] == docked


def test_a_click_moves_nothing_and_a_gauge_cannot_be_lost_outside(mouse: Mouse) -> None:
    mouse.press(mouse.composer.places["risk"].center)
    assert (mouse.changes, mouse.composer.arrangement) == (0, Arrangement())
    mouse.drag("risk", (-400, 5000))
    assert AREA.contains(mouse.composer.places["risk"])


def test_gauges_are_switched_off_and_on_in_a_list(mouse: Mouse) -> None:
    mouse.press((500, 600), button=3)
    assert AREA.contains(next(m.rect for m in mouse.listed if m.name == "gauge_list"))
    mouse.press(mouse.option("points"))
    assert mouse.composer.arrangement.hidden == ("points",)
    assert "points" not in mouse.composer.places
    mouse.press(mouse.option("points"))
    assert "points" in mouse.composer.places
    for text in [m.text for m in mouse.listed if m.name == "gauge_option"][:-1]:
        mouse.press(mouse.option(text))
    assert not mouse.composer.places
    assert mouse.composer.game == AREA, "the game gets the room"
    mouse.press(mouse.option("all as by default"))
    assert mouse.composer.arrangement == Arrangement()
    assert not mouse.listed


def test_what_shows_nothing_in_a_game_is_neither_taken_hold_of_nor_listed(mouse: Mouse) -> None:
    """A game without a road, and a risk that was put over the game's picture in another one."""
    mouse.drag("risk", (300, 500))
    mouse.view = without_a_road(mouse.view)
    mouse.press((500, 600), button=3)
    assert {"risk", "corner", "track", "laps", "delta", "learned"}.isdisjoint(mouse.composer.places)
    assert not any(mark.rect.collidepoint(300, 500) for mark in mouse.marks if mark.name == "place_risk")
    listed = [m.text for m in mouse.listed if m.name == "gauge_option"]
    assert listed == [
        "who drives", "pedals and steering", "risk", "points", "your help", "learning", "recording", "all as by default"
    ]  # fmt: skip


def test_the_column_is_scaled_by_the_wheel_over_it(mouse: Mouse) -> None:
    before = mouse.composer.game.w
    mouse.wheel(mouse.composer.places["driver"].center, -4)
    assert mouse.composer.game.w > before
    assert mouse.composer.arrangement.scale < 0.8


@pytest.mark.parametrize(("size", "piece"), [("compact", "card"), ("bar", "bar"), ("compact", "map"), (None, "map")])
def test_card_strip_and_map_can_be_moved_too(size: str | None, piece: str) -> None:
    mouse = Mouse(size)
    if piece not in mouse.composer.places:
        pytest.skip("the road passes there")
    mouse.drag(piece, (200, 400))
    place = mouse.composer.arrangement.places[piece]
    assert place[0] * AREA.w == pytest.approx(200, abs=40)
    check([m for m in mouse.marks if m.name not in ("car", "corner", "map", "hint")], AREA)


def test_it_is_remembered_in_the_home_and_the_players_own_file_takes_precedence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path)
    made = Arrangement().moved("risk", 0.25, 0.5, 1.4).toggled("points").scaled(1.2)
    Changes(home).arrange(made.table())
    look = load(home, "overlay").overlay
    assert Arrangement(look.scale, look.hidden, look.places or {}) == made
    (tmp_path / "settings.toml").write_text("[overlay]\nscale = 0.8\n")
    look = load(home, "overlay").overlay
    assert (look.scale, look.hidden) == (0.8, ("points",))
    assert config(["show", "--home", str(tmp_path)]) == 0
    assert "overlay.toml" in capsys.readouterr().out
    Changes(home).arrange(Arrangement().table())
    assert load(home, "overlay").overlay.places == {}
    assert overlay_path(home).exists()


def test_what_the_mouse_did_outlives_the_session_where_the_players_own_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Opened:
        def __init__(self, options: WindowOptions, named: Path | None) -> None:
            self.options, self.toasts = options, list[str]()

        def toast(self, text: str, level: str) -> None:
            self.toasts.append(text)

    monkeypatch.setattr(session_window, "SessionWindow", Opened)
    home, own = Home(tmp_path), tmp_path / "settings.toml"
    own.write_text('[overlay]\nscale = 0.8  # small\nhidden = ["laps"]\nplaces = {help = [0.1, 0.1, 1.0]}\n')
    window: Any = session_window.open_window(home, load(home, "overlay").overlay)
    moved = window.options.arrangement.scaled(1.5).toggled("risk").moved("help", 0.5, 0.5, 1.2).moved("risk", 0.3, 0.2, 1.0)
    window.remember(moved)
    again: Any = session_window.open_window(home, load(home, "overlay").overlay)
    assert again.options.arrangement == moved
    assert "# small" in own.read_text()
    own.write_text("[overlay\n")
    window.remember(moved.scaled(1.1))
    assert "settings.toml" in window.toasts[-1]
    assert own.read_text() == "[overlay\n"
