"""The overlay's structure: everything inside, nothing over anything else, nothing cut off."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import combinations

import pygame
import pytest

from takeover_ui import theme
from takeover_ui.language import Words
from takeover_ui.overlay import banner, gauges, overlay, texts
from takeover_ui.view import LapView, RecorderState, TrainerState, View
from takeover_ui.window.composer import Composer
from tests.support import sample_screens as samples

SITUATIONS = (
    *("agent", "agent_of_ones_own", "corrected", "human", "stand_in", "paused", "waits", "lap", "asks", "empty", "three_actions"),
    *("large", "behind_the_corner", "off_road", "finding", "long_finding", "trainer_gone"),
    *("trainer_waits", "trainer_waits_for_any", "trainer_rests", "disk_full"),
)
"""Named apart from what they are: each process of a run names every test, and laps are driven for what these tests look at."""


@cache
def situations() -> dict[str, View]:
    base = samples.view("agent", 75)
    trackmania = replace(
        base.scene, action_names=("gas", "brake", "steer"), corners=(("the long left before the jump", 100.0, 150.0),)
    )
    made = {
        "agent": base,
        "agent_of_ones_own": replace(base, agent="a_long_name_of_a_file.zip"),
        "corrected": replace(base, corrected=True),
        "human": samples.view("human", 60),
        "stand_in": replace(samples.view("human", 60), stand_in=True),
        "paused": samples.view("paused", 60),
        "waits": samples.view("waits", 60),
        "lap": replace(samples.view("human", 60), lap=True, proposed=None, risk=None),
        "asks": replace(base, help_wanted=True, countdown=1.2, risk=1.0),
        "empty": View(scene=base.scene),
        "three_actions": replace(
            base,
            scene=trackmania,
            next_corner="the long left before the jump",
            countdown=2.4,
            proposed=(1.0, 0.2, -1.0),
            executed=(0.5, 1.0, 1.0),
            driver="human",
        ),
        "large": replace(
            base,
            speed=138.9,
            episode_return=123_456.7,
            best_return=234_567.8,
            ceiling=-1_234.5,
            takeovers=12_345,
            human_seconds=86_400.0,
            late_ticks=1_234_567,
            trainer=TrainerState(True),
            store=RecorderState(123_456),
        ),
        "behind_the_corner": replace(base, times=LapView(112.3, 116.4, None, 115.9, "the long left before the jump", -10.4)),
        "off_road": replace(base, on_road=False, speed=55.0),
        "finding": replace(base, trainer=finding("the critic ignores actions"), countdown=None),
        "long_finding": replace(base, trainer=finding("terminal steps are bootstrapped or never drawn")),
        "trainer_gone": replace(base, trainer=TrainerState()),
        "trainer_waits": replace(base, trainer=TrainerState(True, doing="waits", missing=1_000)),
        "trainer_waits_for_any": replace(base, trainer=TrainerState(True, doing="waits")),
        "trainer_rests": replace(base, trainer=TrainerState(True, doing="rests")),
        "disk_full": replace(base, store=RecorderState(4_000, "The disk is full: steps are kept in memory.")),
    }
    assert tuple(made) == SITUATIONS
    return made


def finding(title: str) -> TrainerState:
    return TrainerState(True, title)


@cache
def longer() -> Words:
    """Every word a third longer than English, as translations are."""
    words: Mapping[str, str] = texts.LANGUAGES["en"]
    return Words(lambda: {
        k: v
        if k in ("agent", "human", "stand_in", "paused", "waits", "kmh", "seconds")
        else v + "e" * (len(v.split("{")[0]) // 3)
        for k, v in words.items()
    })


def check(marks: list[theme.Mark], area: pygame.Rect, allow_shortened: tuple[str, ...] = ()) -> None:
    for mark in marks:
        assert area.contains(mark.rect), f"{mark.name} {mark.rect} leaves {area}"
        assert not mark.shortened or mark.name in allow_shortened, f"{mark.name} was cut: {mark.text!r}"
    written = [m for m in marks if m.text]
    for a, b in combinations(written, 2):
        overlap = a.rect.clip(b.rect)
        assert overlap.w <= 1 or overlap.h <= 3, f"{a.name} {a.rect} lies over {b.name} {b.rect}"
    bands = ("gauge_", "progress_band", "risk_band", "sparkline", "return_band")
    gauges = [m for m in marks if m.name.startswith(bands)]
    for a, b in combinations(gauges, 2):
        assert not a.rect.colliderect(b.rect), f"{a.name} lies over {b.name}"


@pytest.fixture(params=[*texts.LANGUAGES, "long"])
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(texts, "LANGUAGES", {**texts.LANGUAGES, "long": longer()})
    return str(request.param)


@pytest.mark.parametrize("size", ["full", "compact", "bar"])
@pytest.mark.parametrize("scale", [0.75, 1.0, 2.0])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_nothing_is_cut_off_or_over_anything_else(
    size: overlay.OverlaySize, scale: float, situation: str, language: str
) -> None:
    width, height = overlay.DESIGN[size]
    surface = pygame.Surface((round(width * scale), round(height * scale)))
    view = situations()[situation]
    marks = overlay.draw(surface, view, size, language=language)
    user_text = ("next_corner", "countdown", "recording") if situation in ("three_actions", "disk_full", "large") else ()
    user_text += ("does",) if situation == "agent_of_ones_own" else ()
    user_text += ("finding_0",) if size != "full" else ()  # the catalogue's words: a strip has no room for all of them
    check(marks, surface.get_rect(), user_text)
    names = {m.name for m in marks}
    assert {"driver", "gauge_steer", "map" if size == "full" else "progress_band"} <= names
    assert next(m.text for m in marks if m.name == "driver") == texts.LANGUAGES[language][view.who]


@pytest.mark.parametrize("size", ["full", "compact", "bar"])
def test_what_the_trainer_finds_is_shown_while_it_holds(size: overlay.OverlaySize) -> None:
    def drawn(view: View) -> str:
        surface = pygame.Surface(overlay.DESIGN[size])
        return " ".join(m.text for m in overlay.draw(surface, view, size) if m.name.startswith("finding"))

    assert drawn(situations()["finding"]).startswith("the critic ignores")
    assert drawn(situations()["agent"]) == ""
    gone = replace(finding("the critic ignores actions"), alive=False)
    assert drawn(replace(situations()["finding"], trainer=gone)) == ""


@pytest.mark.parametrize("size", ["full", "compact", "bar"])
def test_a_lap_shows_nothing_of_an_agent_or_of_takeovers(size: overlay.OverlaySize) -> None:
    def drawn(view: View) -> set[str]:
        marks = overlay.draw(pygame.Surface(overlay.DESIGN[size]), view, size)
        return {m.name for m in marks} & {"legend_agent", "label_risk", "risk_band", "help_given"}

    lap = situations()["lap"]
    assert drawn(lap) == set()
    assert drawn(replace(lap, lap=False)) or size == "bar"


@pytest.mark.parametrize("driver", ["agent", "human", "paused", "waits"])
def test_who_drives_is_a_word_a_colour_and_a_frame(driver: str) -> None:
    view = samples.view(driver)
    composer = Composer(size="full")
    surface = pygame.Surface((1280, 720))
    marks = composer.draw(surface, view)
    block = next(m.rect for m in marks if m.name == "driver_block")
    assert block.h >= 80
    assert surface.get_at((block.right - 20, block.top + 15))[:3] == theme.DRIVER[driver]
    for corner in ((1, 1), (1278, 1), (1, 718), (1278, 718), (5, 360)):
        assert surface.get_at(corner)[:3] == theme.DRIVER[driver]


def test_the_two_drivers_differ_for_the_colour_blind() -> None:
    """Viénot, Brettel and Mollon (1999): a dichromat sees the colours projected; they must stay far apart."""
    import numpy as np

    protan = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])
    deutan = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
    agent, human = (np.array(theme.DRIVER[d]) / 255.0 for d in ("agent", "human"))
    for seen in (np.eye(3), protan, deutan):
        assert np.abs(seen @ agent**2.2 - seen @ human**2.2).max() > 0.4


@pytest.mark.parametrize("size", ["full", "compact", "bar", None])
@pytest.mark.parametrize("window", [(1280, 720), (900, 640), (2560, 1440), (1000, 1000)])
def test_the_window_shows_game_and_overlay_without_collisions(
    size: overlay.OverlaySize | None, window: tuple[int, int]
) -> None:
    view = replace(
        samples.view("agent", 80),
        help_wanted=True,
        message="evaluating, 12 of 20",
        toasts=(("good", "New best: 61.7"), ("error", "The pad is gone.")),
    )
    surface = pygame.Surface(window)
    marks = Composer(size=size).draw(surface, view)
    check([m for m in marks if m.name != "car"], surface.get_rect())
    car = next(m for m in marks if m.name == "car")
    assert not any(m.rect.colliderect(car.rect) for m in marks if m.name not in ("car", "corner"))
    assert {"map", "headline", "message", "toast", "hint"} <= {m.name for m in marks}


@pytest.mark.parametrize("code", sorted(texts.LANGUAGES))
def test_in_a_pause_and_without_the_keyboard_only_what_does_something_is_named(code: str) -> None:
    words, surface = texts.LANGUAGES[code], pygame.Surface((900, 640))
    paused = replace(samples.view("paused"), way_on="P: go", message="O: settings", hint="esc: leave")

    def said(view: View) -> dict[str, str]:
        marks = banner.draw(surface, view, language=code)
        return {m.name: m.text for m in marks if m.name in ("headline", "message", "hint")}

    assert said(paused) == {"headline": f"{words['paused']}. P: go", "message": "O: settings", "hint": "esc: leave"}
    assert said(replace(paused, elsewhere=True)) == {"headline": words["paused"], "hint": words["keys_elsewhere"]}
    driven = said(replace(samples.view("human"), message="practice", hint="space: drive", elsewhere=True))
    assert driven == {"message": "practice", "hint": words["keys_elsewhere"]}


def test_the_card_is_as_high_as_what_it_shows_and_does_not_jump() -> None:
    def height(view: View) -> int:
        composer.draw(surface, view)
        return composer.places["card"].h

    composer, surface = Composer(size="compact"), pygame.Surface((1280, 720))
    whole, all_but_delta = samples.view("agent"), sum(overlay.CARD.values()) - overlay.CARD["delta"] + overlay.FRAME
    few = replace(without_a_road(whole), times=None)
    shown = sum(overlay.CARD[name] for name in ("driver", "controls", "summary"))
    assert height(few) == pytest.approx(shown + overlay.FRAME, abs=2)
    assert height(replace(whole, risk=None, times=None)) == pytest.approx(all_but_delta - overlay.CARD["risk"], abs=2)
    assert height(replace(whole, times=None)) == pytest.approx(all_but_delta, abs=2)
    assert height(replace(whole, risk=None, times=None)) == pytest.approx(all_but_delta, abs=2)


def test_actions_show_what_is_done_and_what_the_agent_would_do() -> None:
    """Executed hard left in the human's colour, proposed hard right in the agent's."""
    view = replace(samples.view("human"), executed=(0.0, -1.0), proposed=(0.0, 1.0))
    surface = pygame.Surface(overlay.DESIGN["full"])
    marks = overlay.draw(surface, view, "full")
    gauge = next(m.rect for m in marks if m.name == "gauge_steer")
    assert surface.get_at((gauge.left + gauge.w // 4, gauge.top + 5))[:3] == theme.HUMAN
    assert surface.get_at((gauge.left + gauge.w * 3 // 4, gauge.top + 5))[:3] == theme.TRACK
    assert surface.get_at((gauge.left + gauge.w * 3 // 4, gauge.bottom - 4))[:3] == theme.AGENT
    assert surface.get_at((gauge.left + gauge.w // 4, gauge.bottom - 4))[:3] == theme.TRACK


@pytest.mark.parametrize("size", ["full", "compact"])
def test_the_risk_is_drawn_as_far_as_it_goes_and_only_where_it_is_known(size: overlay.OverlaySize) -> None:
    def filled(risk: float | None) -> float:
        surface = pygame.Surface(overlay.DESIGN[size])
        marks = overlay.draw(surface, replace(samples.view("agent"), risk=risk), size)
        bands = [m.rect for m in marks if m.name == "risk_band"]
        if not bands:
            return 0.0
        row = [surface.get_at((x, bands[0].centery))[:3] for x in range(bands[0].left + 2, bands[0].right - 2)]
        return sum(pixel not in (theme.TRACK, theme.INK) for pixel in row) / len(row)

    assert filled(None) == 0.0
    assert filled(0.0) == 0.0
    assert filled(0.3) == pytest.approx(0.3, abs=0.05)
    assert filled(1.0) > 0.97
    assert gauges.risk_colour(0.1) != gauges.risk_colour(0.6) != gauges.risk_colour(1.0)


def without_a_road(view: View) -> View:
    """As in a Gymnasium game: what stands for a road is a metre long."""
    scene = replace(view.scene, length=1.0, corners=(), action_names=("action_0",))
    return replace(view, scene=scene, times=None, learned=None, risk=None, next_corner="", countdown=None, speed=0.0)


@pytest.mark.parametrize("size", ["full", "compact", "bar"])
@pytest.mark.parametrize(("actions", "rows"), [(4, 4), (5, 5), (7, 7), (10, 10), (17, 9)])
def test_all_actions_are_shown_or_counted(actions: int, rows: int, size: overlay.OverlaySize) -> None:
    base = without_a_road(samples.view("human", 75))
    scene = replace(base.scene, action_names=tuple(f"action_{k}" for k in range(actions)))
    view = replace(base, scene=scene, executed=(0.5,) * actions, proposed=(-0.5,) * actions)
    surface = pygame.Surface(overlay.DESIGN[size])
    marks = overlay.draw(surface, view, size)
    check(marks, surface.get_rect())
    shown = len([m for m in marks if m.name.startswith("gauge_action_")])
    assert shown == (3 if size == "bar" else rows)
    said = [m.text for m in marks if m.name == "more_actions"]
    left = actions - shown
    assert said == ([] if not left else [f"+{left}"] if size == "bar" else [f"and {left} more"])


@pytest.mark.parametrize("situation", [*SITUATIONS, "no road", "first lap", "nothing recorded"])
def test_a_gauge_that_shows_nothing_has_no_place(situation: str) -> None:
    base = samples.view("agent", 75)
    more = {
        "no road": without_a_road(base),
        "first lap": replace(base, times=LapView(3.0)),
        "nothing recorded": replace(base, store=None, late_ticks=0),
    }
    view = more.get(situation) or situations()[situation]
    for name in overlay.COLUMN:
        drawn, card = pygame.Surface(overlay.size_of(name)), pygame.Surface(overlay.size_of(name))
        overlay.draw_one(drawn, view, name)
        theme.Pen(card, 1.0).box(card.get_rect(), theme.PANEL, 8)
        empty = pygame.image.tobytes(drawn, "RGB") == pygame.image.tobytes(card, "RGB")
        assert not (empty and overlay.has(view, name)), name


@pytest.mark.parametrize("language", ["de", "pl"])
@pytest.mark.parametrize("size", ["full", "compact", "bar"])
def test_numbers_have_the_signs_of_the_language(language: str, size: overlay.OverlaySize) -> None:
    times = LapView(12.3, 45.6, 40.1, 39.9, to_best=-0.25, to_you=0.31)
    base = replace(samples.view("agent", 75), episode_return=-103.4, best_return=1.5, ceiling=2.5, human_seconds=0.2, times=times)
    for view in (base, replace(base, countdown=1.3, next_corner="hairpin"), replace(base, countdown=None, trainer=None)):
        marks = overlay.draw(pygame.Surface(overlay.DESIGN[size]), view, size, language=language)
        assert not [m.text for m in marks if re.search(r"\d\.\d", m.text)]
        helped = next((m.text for m in marks if m.name == "help_given"), "0,2 s")
        assert helped.endswith("0,2 s")


def test_heat_lies_where_the_agent_failed() -> None:
    view = replace(samples.view("agent"), failures=(200.0,) * 9, progress=0.0)
    surface = pygame.Surface(overlay.DESIGN["compact"])
    band = next(m.rect for m in overlay.draw(surface, view, "compact") if m.name == "progress_band")

    def warm(metres: float) -> bool:
        middle = band.left + round(band.w * metres / view.scene.length)
        seen = [surface.get_at((x, band.bottom - 3)) for x in range(middle - 3, middle + 4)]  # a comb has gaps
        return any(red > 1.6 * blue for red, _, blue, _ in seen)

    assert warm(200.0)
    assert not warm(60.0)
    assert not warm(280.0)


def test_text_that_does_not_fit_is_set_smaller_and_then_shortened() -> None:
    text, size, shortened = theme.fit("updates", 20, 500)
    assert (text, size, shortened) == ("updates", 20, False)
    wide = theme.measure("updates a step", 20)[0]
    text, size, shortened = theme.fit("updates a step", 20, round(wide * 0.85))
    assert text == "updates a step"
    assert size < 20
    assert not shortened
    text, size, shortened = theme.fit("updates a step", 20, round(wide * 0.4))
    assert text.endswith("…")
    assert shortened
    assert theme.measure(text, size)[0] <= round(wide * 0.4)


@pytest.mark.parametrize("size", [(1120, 630), (1280, 720), (640, 360)])
def test_a_long_toast_is_broken_into_lines_and_not_cut(size: tuple[int, int]) -> None:
    text = (
        "The agent has learned nothing yet and drives at random. `hitl train` learns from the 2 laps in this home folder, in a "
        "minute or a few; begin again then."
    )
    surface = pygame.Surface(size)
    marks = [m for m in banner.draw(surface, replace(samples.view(), toasts=(("warning", text),))) if m.name == "toast"]
    assert len(marks) > 1
    assert " ".join(mark.text for mark in marks) == text
    check(marks, surface.get_rect())
