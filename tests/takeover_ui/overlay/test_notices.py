"""What the player is told while the overlay floats over another game, and what is held and must be let go first."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pygame
import pytest

from hitl.pads.mapping import CONTROLLER, JOYSTICK
from hitl.screens.key_hints import key_hint, pad_hint
from hitl.screens.telling import line_keeper, teller
from takeover_ui import theme
from takeover_ui.overlay import notices, overlay, texts
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.overlay.overlay import OverlaySize
from takeover_ui.theme import Mark
from takeover_ui.view import View
from takeover_ui.window.composer import Composer
from tests.support import sample_screens as samples
from tests.takeover_ui.overlay.test_overlay import check

WARNING = (
    "The game does not obey this session's pad: another one is plugged in, or the game hears your own pad, too. Choose the "
    "virtual one in the game's settings."
)


def told(**more: object) -> View:
    base = replace(samples.view("agent", 80), message="practice at hairpin: 3 of 12 through", hint=key_hint("touch"))
    return replace(base, **more)  # type: ignore[arg-type]


def floating(view: View, size: OverlaySize, scale: float = 1.0) -> tuple[list[Mark], pygame.Surface]:
    width, height = overlay.DESIGN[size]
    surface = pygame.Surface((round(width * scale), round((height + notices.HEIGHT[size]) * scale)))
    return Composer(game_view=False, size=size).draw(surface, view), surface


@pytest.mark.parametrize("size", ["full", "compact", "bar"])
@pytest.mark.parametrize("scale", [0.75, 1.0, 2.0])
def test_over_another_game_every_kind_of_word_is_shown_and_none_lies_over_another(size: OverlaySize, scale: float) -> None:
    view = told(toasts=(("good", "The environment answers again."), ("warning", WARNING)), help_wanted=True)
    marks, surface = floating(view, size, scale)
    check(marks, surface.get_rect())
    by_name = {m.name: m.text for m in marks}
    assert by_name["message"] == view.message
    assert by_name["hint"] == view.hint
    assert WARNING in [m.text for m in marks if m.name == "toast"]


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_off_over_another_game_leaves_who_drives_and_what_is_said(scale: float) -> None:
    view = told(toasts=(("warning", "The environment does not answer."),), help_wanted=True)
    width, drawn, below = notices.floating_design(None)
    surface = pygame.Surface((round(width * scale), round((drawn + below) * scale)))
    composer = Composer(game_view=False, size=None, arrangement=Arrangement(hidden=("driver",)))
    marks = composer.draw(surface, view)
    check(marks, surface.get_rect())
    assert {mark.name for mark in marks if mark.name.startswith("place_")} == {"place_driver"}
    assert {"message", "toast", "hint"} <= {mark.name for mark in marks}
    assert drawn + below < sum(notices.floating_design("compact")[1:])


@pytest.mark.parametrize("size", ["full", "compact", "bar"])
def test_the_sign_of_a_message_lies_clear_of_the_frame_and_of_its_text(size: OverlaySize) -> None:
    marks, surface = floating(told(message="", hint="", toasts=(("warning", WARNING),)), size)
    _, bare = floating(told(message="", hint="", toasts=()), size)
    toast, edge = next(m.rect for m in marks if m.name == "toast"), overlay.FRAME
    rows = range(toast.top, toast.bottom)
    seen = [x for x in range(toast.left) if any(surface.get_at((x, y)) != bare.get_at((x, y)) for y in rows)]
    assert seen
    assert edge < min(seen) <= max(seen) < toast.left


def test_a_long_warning_goes_before_the_hint_and_never_leaves_the_card() -> None:
    view = told(toasts=(("warning", WARNING * 4),))
    marks, surface = floating(view, "full")
    check(marks, surface.get_rect(), ("toast",))
    assert "hint" not in {m.name for m in marks}
    marks, surface = floating(told(toasts=()), "compact", 0.5)
    check(marks, surface.get_rect())


def test_without_words_nothing_is_drawn_below_the_card() -> None:
    marks, _ = floating(replace(told(), message="", hint=""), "full")
    assert not {"message", "hint", "toast"} & {m.name for m in marks}


@pytest.mark.parametrize("size", ["full", "compact", "bar"])
@pytest.mark.parametrize("language", sorted(texts.LANGUAGES))
@pytest.mark.parametrize("game_view", [True, False])
def test_what_is_held_and_ignored_is_said(size: OverlaySize, language: str, game_view: bool) -> None:
    view = told(held=("gas", "left", "takeover"))
    surface = pygame.Surface((1280, 720)) if game_view else floating(view, size)[1]
    marks = Composer(game_view=game_view, size=size, language=language).draw(surface, view)
    words = texts.LANGUAGES[language]
    assert any(m.text.startswith(words["let_go"]) for m in marks if m.name in ("let_go", "countdown"))
    if size != "bar" or game_view:
        assert any(words["steer"] in m.text and words["gas"] in m.text for m in marks if m.name in ("let_go", "headline"))
    check([m for m in marks if m.name != "car"], surface.get_rect())
    silent = Composer(game_view=game_view, size=size, language=language).draw(surface, replace(view, driver="human"))
    assert not any(m.text.startswith(words["let_go"]) for m in silent)


def test_a_key_that_is_held_goes_by_its_name() -> None:
    for language, space in (("en", "space bar"), ("de", "Leertaste"), ("pl", "spacja")):
        said = texts.let_go(("return", "space", "right shoulder"), texts.LANGUAGES[language])
        assert said.endswith(f": Enter, {space}, right shoulder")


def test_no_line_of_a_hint_ends_in_a_dot_that_divides_nothing() -> None:
    hint = key_hint("hold", mouse=True)
    assert any(" · " in line for line in theme.paragraph(hint, 20, 900, 8)[0])
    for width in range(200, 900, 50):
        lines, _ = theme.paragraph(hint, 20, width, 8)
        assert not [line for line in lines if line.endswith("·")]


class Told:
    def __init__(self) -> None:
        self.toasts: list[tuple[str, str]] = []

    def toast(self, text: str, level: str) -> None:
        self.toasts.append((level, text))


def test_over_another_game_warnings_come_in_the_terminal_too(capsys: pytest.CaptureFixture[str]) -> None:
    window = Told()
    teller(window, also_printed=True)("warning", WARNING)  # type: ignore[arg-type]
    assert window.toasts == [("warning", WARNING)]
    assert WARNING in capsys.readouterr().out
    teller(window)("warning", WARNING)  # type: ignore[arg-type]
    assert capsys.readouterr().out == ""


def test_a_line_that_stays_comes_over_another_game_in_the_terminal_too(capsys: pytest.CaptureFixture[str]) -> None:
    """There it is in English, as all that the terminal says."""
    screen = SimpleNamespace(message="", words=texts.LANGUAGES["de"])
    said = {"corner": "hairpin", "passed": 1, "of": 2}
    english, german = (texts.LANGUAGES[code].say("practice_so_far", **said) for code in ("en", "de"))
    line_keeper(screen, also_printed=True)("practice_so_far", **said)  # type: ignore[arg-type]
    assert screen.message == german
    assert capsys.readouterr().out == f"{english}\n"
    line_keeper(screen, also_printed=True)("")  # type: ignore[arg-type]
    assert screen.message == ""
    line_keeper(screen, also_printed=False)("practice_so_far", **said)  # type: ignore[arg-type]
    assert screen.message == german
    assert capsys.readouterr().out == ""


def test_the_hint_over_another_game_names_the_pads_own_buttons() -> None:
    hint = "hold rightshoulder or a: drive    leftshoulder: 3 s back    start: pause"
    assert pad_hint(CONTROLLER.buttons, "hold").startswith(hint)
    assert "button0" in pad_hint(JOYSTICK.buttons, "toggle")
    assert "esc" not in pad_hint(CONTROLLER.buttons, "touch")
