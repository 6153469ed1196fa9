"""The settings window under keys, a pad and the mouse: everything can be reached with each, and nothing is cut off."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import Formatter

import pygame
import pytest

from hitl.home import Home
from hitl.pads.mapping import CONTROLLER
from hitl.settings import load
from hitl.settings_desk.desk import SettingsDesk
from hitl.settings_desk.pad_desk import PadDesk
from takeover_ui.language import CODES
from takeover_ui.settings import pad_names, track_picture
from takeover_ui.settings.app import SettingsApp
from takeover_ui.settings.model import LANGUAGES, SettingsModel
from takeover_ui.settings.rows import MEANINGS, PAGES, PadNow
from takeover_ui.settings.view import SettingsView
from tests.support.places import ROOT

SIZES = ((1024, 768), (1280, 720), (1920, 1080), (3840, 2160))


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


class Pads(PadDesk):
    """A pad whose buttons the test presses."""

    def __init__(self) -> None:
        super().__init__(None)
        self.shown: PadNow | None = None
        self.down: set[str] = set()

    def now(self) -> PadNow:
        if self.shown is None:
            return super().now()
        controls = (*pad_names.LABELS["xbox"], "dpup", "dpdown", "dpleft", "dpright")
        buttons = self.shown.buttons or CONTROLLER.buttons
        return replace(self.shown, down=frozenset(self.down), buttons=buttons, controls=controls)

    def pressed(self) -> frozenset[str]:
        return frozenset(self.down)

    def bound(self, settings: object, meaning: str, control: str) -> tuple[str, dict[str, object], str]:
        return "Pad [01]", {"buttons": {meaning: [control]}}, ""


class Hand:
    """A player at the window."""

    def __init__(self, folder: Path, page: str) -> None:
        self.home, self.pads, self.time = Home(folder), Pads(), 0.0
        self.desk = SettingsDesk(self.home, self.pads)
        self.model = SettingsModel(self.desk, page)
        self.app = SettingsApp(self.model, (1280, 720))
        self.look()

    def look(self) -> None:
        self.time += 0.05
        self.app.step(self.time)
        self.app.draw()

    def keys(self, *names: str) -> None:
        self.codes(*(pygame.key.key_code(name) for name in names))

    def codes(self, *codes: int) -> None:
        for code in codes:
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=code, mod=0))
            pygame.event.post(pygame.event.Event(pygame.KEYUP, key=code, mod=0))
            self.look()

    def press(self, *buttons: str) -> None:
        for button in buttons:
            self.pads.down.add(button)
            self.look()
            self.pads.down.discard(button)
            self.look()

    def click(self, command: str, value: object = 0) -> None:
        spot = next(s for s in self.app.view.hits if s.command == command and s.value == value)
        self.mouse(pygame.MOUSEMOTION, pos=spot.rect.center)
        self.mouse(pygame.MOUSEBUTTONDOWN, pos=spot.rect.center, button=1)
        self.mouse(pygame.MOUSEBUTTONUP, pos=spot.rect.center, button=1)

    def mouse(self, kind: int, **more: object) -> None:
        pygame.event.post(pygame.event.Event(kind, **more))
        self.look()


@pytest.fixture
def hand(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hand]:
    made = Hand(tmp_path, getattr(request, "param", "language"))
    yield made
    made.app.close()


def test_keys_alone(hand: Hand) -> None:
    hand.keys("right")
    assert load(hand.home, "overlay").overlay.language == CODES[CODES.index("en") + 1]
    hand.keys("tab", "tab", "tab", "tab", "right", "down", "down", "down", "down", "down", "down", "right")
    takeover = load(hand.home, "takeover").takeover
    assert (takeover.mode, takeover.minimum_s) == ("toggle", 0.4)
    hand.keys("z", "delete")
    assert load(hand.home, "takeover").takeover.minimum_s == 0.3
    hand.keys("r")
    assert load(hand.home, "overlay").overlay.language == "en"
    hand.keys("escape")
    assert hand.model.over


def test_a_key_with_ctrl_or_alt_changes_nothing_but_ctrl_z_undoes(hand: Hand) -> None:
    hand.keys("right")
    chosen = load(hand.home, "overlay").overlay.language
    for mod in (pygame.KMOD_LCTRL, pygame.KMOD_LALT, pygame.KMOD_LMETA):
        for name in ("r", "delete", "right", "escape"):
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.key.key_code(name), mod=mod))
            pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.key.key_code(name), mod=mod))
            hand.look()
    assert (load(hand.home, "overlay").overlay.language, hand.model.over) == (chosen, False)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_z, mod=pygame.KMOD_LCTRL))
    hand.look()
    assert load(hand.home, "overlay").overlay.language == "en" != chosen


def test_a_pad_alone(hand: Hand) -> None:
    hand.pads.shown = PadNow("Pad", "xbox", True)
    hand.press("dpleft")
    assert load(hand.home, "overlay").overlay.language == "de"
    hand.press("rightshoulder", "rightshoulder", "dpdown", "a")
    assert hand.model.mode == "bind"
    hand.press("triggerleft")
    assert (hand.model.mode, load(hand.home, "pad").devices) == ("", {"Pad [01]": {"buttons": {"rewind": ["triggerleft"]}}})
    hand.press("x", "leftshoulder", "leftshoulder", "y")
    assert load(hand.home, "pad", "overlay").devices == {}
    assert load(hand.home, "overlay").overlay.language == "en"
    hand.press("b")
    assert hand.model.over


def test_a_button_that_had_a_meaning_is_said_to_be_taken_from_it(hand: Hand) -> None:
    hand.pads.shown = PadNow("Wheel", "wheel", True, buttons={"pause": ("button9",), "star": ("button2", "button3")})
    hand.model.go_to("buttons", MEANINGS.index("rewind"))
    for control, said in (
        ("button9", "button9: Back three seconds. It was for “Pause” until now, which has no button any more."),
        ("button2", "button2: Back three seconds. It was for “Give a star” until now."),
        ("button5", "button5: Back three seconds"),
    ):
        hand.keys("return")
        hand.press(control)
        assert hand.model.said[1] == said


def test_a_button_that_is_held_goes_on(hand: Hand) -> None:
    hand.model.go_to("takeover")
    hand.pads.down.add("dpdown")
    hand.look()
    first = hand.model.index
    for _ in range(12):
        hand.look()
    assert hand.model.index > first == 1


def test_the_mouse_alone(hand: Hand) -> None:
    hand.click("give overlay.language", "de")
    assert load(hand.home, "overlay").overlay.language == "de"
    hand.click("page", "takeover")
    hand.click("step", 1)
    assert load(hand.home, "takeover").takeover.mode == "toggle"
    hand.click("page", "track")
    hand.click("give play.track", "chicane")
    scene = hand.desk.scene("chicane")
    assert scene is not None
    box, view = hand.app.view.track_at, hand.app.view
    corner = scene.corners[0]
    middle = track_picture.road_of(scene).at((corner.from_m + corner.to_m) / 2)
    at = track_picture.plan_of(scene, box.size, view.pen.px(60)).at(middle) + box.topleft
    for chosen in (corner.name, ""):
        hand.mouse(pygame.MOUSEBUTTONDOWN, pos=tuple(at.astype(int)), button=1)
        assert load(hand.home, "play").play.only_corner == chosen
    hand.click("undo")
    assert load(hand.home, "play").play.only_corner == corner.name
    hand.click("back")
    assert hand.model.over


def test_a_gauge_is_dragged_in_the_picture_and_moved_by_keys(hand: Hand) -> None:
    hand.model.go_to("gauges")
    hand.look()
    box, places = hand.app.view.look_at, hand.app.view.look.composer.places
    begin = places["risk"].center
    scale = box.w / 1280
    on_screen = round(box.left + begin[0] * scale), round(box.top + begin[1] * scale)
    hand.mouse(pygame.MOUSEBUTTONDOWN, pos=on_screen, button=1)
    for share in (0.4, 1.0):
        hand.mouse(pygame.MOUSEMOTION, pos=(round(on_screen[0] - 200 * share), on_screen[1]))
    hand.mouse(pygame.MOUSEBUTTONUP, pos=(on_screen[0] - 200, on_screen[1]), button=1)
    x, y, _ = hand.desk.arrangement().places["risk"]
    assert x * 1280 == pytest.approx(begin[0] - 200 / scale, abs=40)
    hand.model.index = [row.name for row in hand.model.rows].index("gauge.risk")
    hand.keys("return", "left", "=", "return")
    assert hand.model.mode == ""
    moved = hand.desk.arrangement().places["risk"]
    assert moved == pytest.approx((x - 0.02, y, 1.08), abs=1e-3)
    hand.keys("right")
    assert "risk" in hand.desk.arrangement().hidden


def test_the_place_over_another_game_is_clicked_on(hand: Hand) -> None:
    hand.model.go_to("overlay")
    hand.keys("right")
    hand.click("give overlay.corner", "bottom_left")
    assert load(hand.home, "overlay").overlay.corner == "bottom_left"
    assert any(mark.name == "floating" for mark in hand.app.view.pen.marks)
    hand.desk.set("overlay.show", "off")
    hand.keys("right", "left")
    assert any(mark.name == "floating" for mark in hand.app.view.pen.marks), "who drives is seen there all the same"


@pytest.mark.parametrize("hand", ["takeover"], indirect=True)
def test_a_value_without_effect_is_not_changed_and_why_is_said(hand: Hand) -> None:
    why = "This has no effect while “How you take the wheel” is “hold”: change that first."
    hand.keys("down", "down")
    assert hand.model.row.name == "takeover.take_at"
    assert any(mark.text.startswith(why[:30]) for mark in hand.app.view.pen.marks), "before anything is pressed"
    hand.keys("right", "left", "return")
    hand.model.do("right")
    assert hand.model.said == ("info", why)
    assert not (hand.home.root / "settings.toml").exists()
    hand.keys("up", "up", "left")
    assert load(hand.home, "takeover").takeover.mode == "touch"
    hand.keys("down", "down", "right")
    assert load(hand.home, "takeover").takeover.take_at == pytest.approx(0.3)
    assert hand.model.said == ("info", "")


@pytest.mark.parametrize("hand", ["overlay"], indirect=True)
def test_what_counts_over_another_game_is_shown_over_one_when_it_is_set(hand: Hand) -> None:
    hand.keys("down", "down", "down", "right")
    assert hand.model.row.name == "overlay.corner"
    assert hand.model.game == "other"
    assert any(mark.name == "floating" for mark in hand.app.view.pen.marks)


def test_the_gating_is_tried(hand: Hand) -> None:
    hand.model.go_to("takeover", 1)
    hand.keys("return")
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE, mod=0))
    hand.look()
    hand.look()
    assert (hand.model.mode, hand.app._driver) == ("try", "human")
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_SPACE, mod=0))
    hand.keys("escape")
    assert hand.model.mode == ""
    assert not hand.model.over


def test_a_wrong_file_is_said_at_the_top(hand: Hand) -> None:
    (hand.home.root / "settings.toml").write_text("[takeover\n")
    hand.time += 1.0
    hand.look()
    hand.keys("right")
    said = " ".join(mark.text for mark in hand.app.view.pen.marks if mark.name == "sentence")
    assert "settings.toml cannot be read" in said
    assert (hand.home.root / "settings.toml").read_text() == "[takeover\n"


@pytest.mark.parametrize("code", CODES)
def test_nothing_is_cut_off_in_any_language_or_size(tmp_path: Path, code: str) -> None:
    pygame.font.init()
    (tmp_path / "settings.toml").write_text(f'[overlay]\nlanguage = "{code}"\n')
    pads = Pads()
    model, view = SettingsModel(SettingsDesk(Home(tmp_path), pads)), SettingsView()
    for page in PAGES:
        model.go_to(page)
        for size in SIZES[:2]:
            surface = pygame.Surface(size)
            for pads.shown in (None, PadNow("Pad", "playstation", True)) if page in ("pad", "buttons") else (None,):
                view.with_pad = pads.shown is not None
                marks = view.draw(surface, model)
                area = surface.get_rect()
                assert [(size, mark) for mark in marks if not area.contains(mark.rect)] == []
                assert [(page, size, mark.text) for mark in marks if mark.shortened] == []


@pytest.mark.parametrize("code", CODES)
def test_every_line_and_value_has_its_words(tmp_path: Path, code: str) -> None:
    words, english = LANGUAGES[code], LANGUAGES["en"]
    desk = SettingsDesk(Home(tmp_path), Pads())
    assert words.keys() == english.keys()
    for name in words:
        assert places(words[name]) == places(english[name]), name
        assert words[name].count("`") == english[name].count("`")
    for page, rows in PAGES.items():
        assert f"page_{page}" in words
        for row in rows:
            assert row.kind == "gauge" or {f"row_{row.name}", f"help_{row.name}"} <= words.keys()
            if row.kind == "choice" and not row.name.startswith("play."):
                assert all(SettingsModel(desk).value_text(row, value) for value in desk.choices(row.name))


@pytest.mark.parametrize("code", CODES)
def test_every_gauge_of_ours_has_a_name(code: str) -> None:
    rows = [row.name.partition(".")[2] for row in PAGES["gauges"] if row.kind == "gauge"]
    assert [name for name in (*rows, "progress", "reset") if f"gauge_{name}" not in LANGUAGES[code]] == []


ADDED = """
import sys
from pathlib import Path
import pygame
from takeover_ui.overlay import sections

sections.GAUGES["ticks"] = 30, lambda pen, rect, view, words: pen.put("ticks", "20", rect)

from takeover_ui.overlay import texts
from takeover_ui.window.arranging import Arranging
from takeover_ui.window.composer import Composer
from tests.support import sample_screens as samples
from tests.takeover_ui.settings.test_settings_window import Hand

composer, surface = Composer(size="full"), pygame.Surface((1280, 720))
arranging = Arranging(composer)
drawn = composer.draw(surface, samples.view("human", 150))
arranging.list_at = 500, 300
print([m.text for m in drawn if m.name == "ticks"], *(m.text for m in arranging.draw(surface, texts.LANGUAGES["de"])))
pygame.init()
Hand(Path(sys.argv[1]), "gauges")
"""


def test_a_gauge_that_is_added_by_a_function_and_a_line_is_drawn_and_listed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ADDED, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "['20']" in done.stdout
    assert done.stdout.split().count("ticks") == 1


def test_every_meaning_of_a_button_is_on_the_page() -> None:
    from hitl.pads.base import BUTTONS

    assert set(MEANINGS) == set(BUTTONS)
    kinds = [set(labels) for labels in pad_names.LABELS.values()]
    assert kinds[0] == kinds[1] == kinds[2]
    assert pad_names.label("wheel", "button0") == "button0"
    assert pad_names.label("playstation", "leftshoulder") == "L1"


def test_every_key_that_does_something_is_on_the_picture() -> None:
    from hitl.pads.keyboard import KEYS
    from takeover_ui.settings import pad_picture

    assert {key for keys in KEYS.values() for key in keys} | {pad_picture.SIZE_KEY} <= pad_picture._KEYS.keys()
    assert not [
        (a, b) for a, (ax, ay, aw, _) in pad_picture._KEYS.items() for b, (bx, by, _, _) in pad_picture._KEYS.items()
        if ay == by and ax < bx < ax + aw
    ], "one over another"


@pytest.mark.parametrize("hand", ["keys"], indirect=True)
def test_the_key_for_the_overlays_size_is_among_those_that_do_something(hand: Hand) -> None:
    assert any(mark.name == "pad_button" and mark.text == "Tab" for mark in hand.app.view.pen.marks)


@pytest.mark.parametrize("hand", ["keys"], indirect=True)
def test_a_key_is_set_by_pressing_it_and_one_with_another_meaning_is_refused(hand: Hand) -> None:
    hand.keys("return", "j")
    assert load(hand.home, "keys").keys.left == ("j",)
    assert hand.model.said == ("good", "J: Steer left")
    hand.keys("down", "return", "p")
    assert hand.model.mode == ""
    assert hand.model.said[0] == "error"
    assert hand.model.said[1] == "P is for ‘Pause’ already: choose another one."
    hand.keys("return", "j")
    assert hand.model.said == ("error", "J is for ‘Steer left’ already: choose another one.")
    hand.keys("return", "escape")
    assert not hand.model.over
    assert load(hand.home, "keys").keys.right == ("right", "d")
    hand.keys("up", "delete")
    assert load(hand.home, "keys").keys.left == ("left", "a")
    hand.click("row", 4)
    hand.keys("left shift")
    assert load(hand.home, "keys").keys.takeover == ("left shift",)
    hand.keys("z")
    assert load(hand.home, "keys").keys.takeover == ("space",)


@pytest.mark.parametrize("hand", ["keys"], indirect=True)
@pytest.mark.parametrize("code", CODES)
def test_keys_of_other_keyboards_are_set_and_what_cannot_be_is_said_in_the_players_language(hand: Hand, code: str) -> None:
    hand.desk.set("overlay.language", code)
    words = hand.model.words
    for sign in ("ö", "ù", "<", "ß"):
        hand.keys("return")
        hand.codes(ord(sign))
        assert (hand.model.said[0], load(hand.home, "keys").keys.left) == ("good", (sign,))
    for key, taken in ((pygame.K_KP_ENTER, "row_button.star"), (pygame.K_TAB, "row_overlay.show"), (pygame.K_F11, "full_screen")):
        hand.keys("return")
        hand.codes(key)
        assert hand.model.said[0] == "error"
        assert words[taken] in hand.model.said[1]
    hand.keys("return")
    hand.codes(pygame.K_MENU)
    assert hand.model.said == ("error", words["key_unknown"])
    hand.keys("return")
    hand.codes(pygame.K_KP_8)
    assert "8" in hand.model.said[1]
    hand.look()
    named = [mark.text for mark in hand.app.view.pen.marks if mark.name == "pad_button"]
    assert [text for text in named if text.lower() == words["key_number_pad"].format(key="8").lower()], "it is on the picture"


@pytest.mark.parametrize("hand", ["buttons"], indirect=True)
def test_without_a_pad_the_page_of_buttons_names_the_keys(hand: Hand) -> None:
    hand.keys("down", "down", "return")
    assert hand.model.said == ("info", "Without a pad this is done with: P. That key is fixed.")
    hand.keys("up", "up", "return")
    assert hand.model.said == ("info", "This is set on the page Keys.")


@pytest.mark.parametrize("hand", ["keys"], indirect=True)
def test_below_stand_only_the_keys_that_do_something_now(hand: Hand) -> None:
    def below() -> list[str]:
        return [mark.text for mark in hand.app.view.pen.marks if mark.name == "key"]

    assert hand.model.words["key_undo"] in below()
    hand.keys("return")
    assert below() == [hand.model.words["key_leave_mode"]]
    hand.keys("escape")
    hand.model.go_to("language")
    hand.keys("right")
    assert pygame.display.get_caption()[0] == f"hitl: {hand.model.words['settings_title']}"
    assert hand.model.words.code != "en"
