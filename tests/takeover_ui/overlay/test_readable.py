"""What a player sees from two metres, with any eyes: large enough letters, signs by shape, and a road that nothing covers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pygame
import pytest

from hitl.screens.key_hints import key_hint, pad_hint
from takeover_ui import signs, theme
from takeover_ui.language import LANGUAGES
from takeover_ui.overlay import live_delta, notices, overlay, texts
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.overlay.overlay import OverlaySize
from takeover_ui.view import LapView, TrainerState, View
from takeover_ui.window.composer import Composer
from takeover_ui.window.key_names import OF_LAYOUTS
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.screen import fitting
from tests.support import sample_screens as samples

WHILE_DRIVING = ("driver", "speed", "next_corner", "countdown", "help", "let_go", "headline", "said_corner", "said_delta")
SCREENS = [(1280, 720), (1920, 1080), (3840, 2160)]


def capital(size: int) -> int:
    """Height in pixels of a capital letter at a size."""
    return theme.rendered("E", size, theme.TEXT).get_bounding_rect(min_alpha=128).h


def drawn_sizes(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Note the size in pixels of each text that is drawn from now on."""
    found: dict[str, int] = {}
    text = theme.Pen.text

    def noted(self: theme.Pen, name: str, words: str, at: tuple[int, int], size: float, *rest: Any, **more: Any) -> pygame.Rect:
        rect = text(self, name, words, at, size, *rest, **more)
        if words:
            width = more.get("width")
            pixels = self.px(size)
            found[name] = theme.fit(words, pixels, width)[1] if isinstance(width, int) else pixels
        return rect

    monkeypatch.setattr(theme.Pen, "text", noted)
    return found


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("size", ["full", "compact", "bar", None])
def test_what_matters_has_capitals_of_ten_arc_minutes_at_two_metres(
    screen: tuple[int, int], size: OverlaySize | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a 24-inch screen (299 mm high), in the window that hitl opens by itself."""
    found = drawn_sizes(monkeypatch)
    surface = pygame.Surface(fitting(WindowOptions().size, screen))
    base = samples.view("agent", 120)
    asked = replace(base, help_wanted=True)
    for view in (base, asked, replace(base, held=("gas",)), replace(base, times=LapView(12.3, corner="hairpin", delta=-0.4))):
        Composer(size=size).draw(surface, view)
        needed = 2000 * math.tan(math.radians(10 / 60)) / (theme.SCREEN_MM / screen[1])
        seen = {name: capital(pixels) for name, pixels in found.items() if name in WHILE_DRIVING}
        asks = view is not base and size is not None
        if asks:
            seen.pop("driver", None)  # the plea below it is what counts
        assert seen
        assert {name: height for name, height in seen.items() if height < math.floor(needed)} == {}
        found.clear()


def test_what_is_not_known_is_not_drawn() -> None:
    view = View(scene=samples.scene())
    for size in ("full", "compact", "bar"):
        surface = pygame.Surface(overlay.DESIGN[size])  # type: ignore[index]
        marks = overlay.draw(surface, view, size)  # type: ignore[arg-type]
        assert not {"risk", "best", "ceiling", "last_lap", "evaluation", "recording"} & {m.name for m in marks}
        assert not [m for m in marks if m.text in ("–", "-", "?")]


def test_without_a_road_there_is_neither_speed_nor_way() -> None:
    scene = replace(samples.scene(), points=np.array([[0.0, 0.0], [1.0, 0.0]]), length=1.0, corners=())
    for size in ("full", "compact", "bar"):
        marks = overlay.draw(pygame.Surface(overlay.DESIGN[size]), View(scene=scene), size)  # type: ignore[arg-type, index]
        assert not {"speed", "progress", "map", "progress_band"} & {m.name for m in marks}


@pytest.mark.parametrize("size", ["compact", "bar", None])
def test_neither_the_map_nor_a_name_ever_lies_over_the_road(size: OverlaySize | None) -> None:
    composer, surface = Composer(size=size), pygame.Surface((960, 540))
    names = {"map", "corner", "said_corner"}
    shown = dict.fromkeys(names, 0)
    for tick in range(0, 330, 6):
        view = replace(samples.view("agent", tick), times=None)
        marks = composer.draw(surface, view)
        camera, road = composer._view.camera, composer._view.road  # type: ignore[union-attr]
        along = np.linspace(road.left, road.right, 9).reshape(-1, 2)
        pixels = camera.pixels(along) + composer.game.topleft
        for mark in marks:
            if mark.name in names:
                shown[mark.name] += 1
                inside = (pixels > mark.rect.topleft).all(axis=1) & (pixels < mark.rect.bottomright).all(axis=1)
                assert not inside.any(), f"{mark.name} covers the road at tick {tick}"
    assert shown["map"]
    assert shown["said_corner"] or size is not None


def shape(kind: signs.Lamp) -> bytes:
    """The pixels of a lamp without its colour."""
    surface = pygame.Surface((32, 32))
    signs.lamp(surface, (16, 16), kind, 9)
    return pygame.mask.from_threshold(surface, signs.LAMP_COLOUR[kind], (90, 90, 90)).to_surface().get_buffer().raw


def test_lamps_differ_without_their_colours() -> None:
    shapes = {kind: shape(kind) for kind in signs.LAMP_COLOUR}
    assert len(set(shapes.values())) == len(shapes) == 5


def test_the_trainers_lamp_warns_by_its_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(signs, "lamp", lambda surface, at, kind, radius: drawn.append(kind))
    surface = pygame.Surface(overlay.DESIGN["full"])
    found = TrainerState(True, finding_title="the critic ignores actions")
    for state in (TrainerState(True), found, TrainerState(), None, TrainerState(True, doing="waits", missing=401)):
        overlay.draw(surface, View(scene=samples.scene(), trainer=state))
    assert drawn == ["good", "warning", "off", "off", "off"]


def said_of(states: Sequence[TrainerState], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    text = theme.Pen.text

    def noted(self: theme.Pen, name: str, words: str, *rest: Any, **more: Any) -> pygame.Rect:
        said.extend([words] if name == "trainer" else [])
        return text(self, name, words, *rest, **more)

    monkeypatch.setattr(theme.Pen, "text", noted)
    for state in states:
        overlay.draw(pygame.Surface(overlay.DESIGN["full"]), View(scene=samples.scene(), trainer=state))
    return said


def test_a_trainer_on_another_machine_is_not_said_to_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    said = said_of((TrainerState(True, far=True), TrainerState(far=True), TrainerState()), monkeypatch)
    assert said == ["The agent learns", "The trainer does not answer", "The agent is not learning"]


def test_it_is_said_to_learn_only_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [TrainerState(True, doing=doing) for doing in ("starts", "waits", "rests", "paused")]  # type: ignore[arg-type]
    said = said_of([*states, TrainerState(True, doing="waits", missing=401)], monkeypatch)
    assert said == [
        "The trainer starts", "Nothing to learn from yet", "Nothing new to learn from", "Learning is paused",
        "Learning waits for 401 more steps",
    ]  # fmt: skip


def test_best_and_ceiling_are_ticks_of_different_shapes() -> None:
    def mask(kind: str) -> set[tuple[int, int]]:
        surface = pygame.Surface((60, 40))
        signs.tick(surface, pygame.Rect(10, 14, 40, 10), kind, 30, 3)  # type: ignore[arg-type]
        return {(x, y) for x in range(60) for y in range(40) if surface.get_at((x, y))[:3] != (0, 0, 0)}

    best, ceiling = mask("best"), mask("ceiling")
    assert (31, 19) in best, "a full stroke"
    assert (31, 19) not in ceiling, "a broken one"


def test_a_line_has_smooth_edges() -> None:
    surface = pygame.Surface((80, 60))
    signs.line(surface, (250, 250, 250), np.array([[5.0, 10.0], [30.0, 21.0], [75.0, 45.0]]), 5.0)
    shades = {surface.get_at((40, y))[0] for y in range(60)}
    assert {0, 250} <= shades
    assert len(shades) > 3, "between the line and the ground there are shades"


@pytest.mark.parametrize(("delta", "up"), [(0.34, True), (-0.12, False)])
@pytest.mark.parametrize("grey", [False, True])
def test_slower_and_faster_differ_by_shape_and_sign_without_any_colour(delta: float, up: bool, grey: bool) -> None:
    surface = pygame.Surface((308, 30))
    pen = theme.Pen(surface, 1.0)
    view = replace(samples.view("agent", 120), times=LapView(to_best=delta))
    live_delta.draw(pen, surface.get_rect(), view, texts.LANGUAGES["en"])
    (number,) = [mark for mark in pen.marks if mark.name == "to_best"]
    assert number.text == f"{delta:+.2f}"
    if grey:
        surface = pygame.transform.grayscale(surface)
    sign = pygame.surfarray.array3d(surface).sum(axis=2)[:17].T > 60
    rows = sign.sum(axis=1)[sign.any(axis=1)]
    assert (rows[0] < rows[-1]) == up, "the tip is above or below"


def test_the_comparison_is_in_the_column_the_card_and_the_strip_and_only_where_there_is_one() -> None:
    base = samples.view("agent", 120)
    for size in ("full", "compact", "bar"):
        for times, names in ((LapView(12.3, to_best=0.34, to_you=-0.12), {"to_best", "to_you"}), (LapView(12.3), set())):
            surface = pygame.Surface(overlay.DESIGN[size])  # type: ignore[index]
            view = replace(base, times=times, countdown=None, trainer=None)
            marks = {mark.name for mark in overlay.draw(surface, view, size)}  # type: ignore[arg-type]
            assert marks & {"to_best", "to_you"} == (names - {"to_you"} if size == "bar" else names)


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("mode", ["hold", "toggle", "touch", "lap"])
@pytest.mark.parametrize("size", [(640, 480), (1024, 768), (1280, 720)])
def test_all_lines_of_a_hint_have_letters_of_one_size(
    size: tuple[int, int], mode: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[str, int]] = []
    text = theme.Pen.text

    def noted(self: theme.Pen, name: str, words: str, *rest: Any, **more: Any) -> pygame.Rect:
        if name == "hint":
            drawn.append(theme.fit(words, self.px(rest[1]), more["width"])[:2])
        return text(self, name, words, *rest, **more)

    monkeypatch.setattr(theme.Pen, "text", noted)
    buttons = {"takeover": ("rightshoulder",), "rewind": ("dpleft",), "pause": ("start",), "star": ("y",), "quit": ("back",)}
    width, height = overlay.DESIGN["compact"]
    card = pygame.Surface((width * size[1] // 720, (height + notices.HEIGHT["compact"]) * size[1] // 720))
    for over_another_game, surface in ((False, pygame.Surface(size)), (True, card)):
        drawn.clear()
        hint = pad_hint(buttons, mode, LANGUAGES[code]) if over_another_game else key_hint(mode, LANGUAGES[code])
        view = replace(samples.view(), hint=hint)
        composer = Composer(language=code, game_view=not over_another_game, size="compact")
        marks = composer.draw(surface, view, 0.0)
        assert len({pixels for _, pixels in drawn}) == 1, drawn
        assert not any(line.endswith(":") for line, _ in drawn), "a key and what it does stand on one line"
        assert size[1] < 700 or not any(m.shortened for m in marks if m.name == "hint")


@pytest.mark.parametrize("size", ["full", "compact"])
@pytest.mark.parametrize("screen", [(1280, 720), (1024, 600), (1920, 1080)])
@pytest.mark.parametrize("code", LANGUAGES)
def test_a_larger_scale_makes_gauges_sentences_and_hints_larger_and_leaves_the_road_free(
    size: OverlaySize, screen: tuple[int, int], code: str
) -> None:
    said = LANGUAGES[code].say("coach_counted", seconds=4.2)
    view = replace(samples.view(), hint=key_hint("hold", LANGUAGES[code]), toasts=(("info", said),))

    def drawn(scale: float) -> tuple[list[theme.Mark], Composer]:
        composer = Composer(size=size, language=code, arrangement=Arrangement(scale=scale))
        surface = pygame.Surface(screen)
        marks = composer.draw(surface, view)
        assert not [m for m in marks if m.name in ("hint", "toast") and (m.shortened or not surface.get_rect().contains(m.rect))]
        return marks, composer

    def height(marks: list[theme.Mark], name: str) -> int:
        return min(m.rect.h for m in marks if m.name == name)

    usual, large = drawn(1.0), drawn(1.8)
    for name in ("driver", "speed", "hint", "toast"):
        assert height(large[0], name) > 1.2 * height(usual[0], name), name
    panel = large[1].layout(pygame.Rect((0, 0), screen), view)[1]
    assert panel is not None
    assert panel.w < 0.43 * screen[0]
    assert size == "full" or panel.h < 0.55 * screen[1]
    assert [m for m in large[0] if m.name == "place_risk"], "small, and it matters"
    assert not [m for m in large[0] if m.name == "place_points"], "left out first"



def test_no_letter_that_screens_use_is_an_empty_box() -> None:
    def pixels(letter: str) -> bytes:
        return pygame.image.tobytes(theme.rendered(letter, 40, theme.TEXT), "RGBA")

    box = pixels("\ue123")  # no font has it
    used = set("←→↑↓↔↕○□△×…–−·»").union(*(words[name] for words in LANGUAGES.values() for name in words), *OF_LAYOUTS)
    assert not [letter for letter in used if letter.isprintable() and not letter.isspace() and pixels(letter) == box]
    assert theme.measure("←", 20) == theme.measure("O", 20)
