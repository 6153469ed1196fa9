"""The keys that one drives with are set in settings.toml; what clashes is refused, and hints name what is set."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from data.errors import InputFileError
from hitl.drivers.human import HumanDriver, button_names
from hitl.home import Home
from hitl.pads.keyboard import KEYS, KeyboardPad
from hitl.protocols import Tick
from hitl.screens.key_hints import key_hint
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import load
from hitl.settings_desk.pause import PauseSettings
from takeover_ui.language import LANGUAGES
from takeover_ui.window.key_names import KEYS as KEY_NAMES

MINE = '[keys]\nleft = ["j"]\nright = ["l"]\ngas = ["i"]\nbrake = ["[5]"]\ntakeover = ["left shift", "t"]\n'


def write(home: Home, text: str) -> None:
    (home.root / "settings.toml").write_text(text)


def test_the_keys_that_are_set_drive_and_the_others_do_not(tmp_path: Path) -> None:
    home, down, now = Home(tmp_path), set[str](), [0.0]
    write(home, MINE)
    pad = KeyboardPad(keys=lambda: frozenset(down), meanings=load(home, "keys").keys.meanings, clock=lambda: now[0])
    down |= {"left", "up", "space"}
    now[0] += 0.1
    assert (pad.read().steer, pad.read().gas, pad.read().buttons) == (0.0, 0.0, frozenset())
    down |= {"j", "[5]", "t", "p"}
    now[0] += 0.1
    state = pad.read()
    assert state.steer < 0 < state.brake
    assert state.buttons == {"takeover", "pause"}
    assert button_names(pad, "takeover") == "left shift or t"


def test_keys_that_go_to_another_window_are_missing_and_not_at_rest() -> None:
    down: list[frozenset[str] | None] = [frozenset(), None, frozenset()]
    pad = KeyboardPad(keys=lambda: down.pop(0))
    assert [(pad.read().connected, pad.elsewhere) for _ in range(3)] == [(True, False), (False, True), (True, False)]


def test_a_window_of_this_process_that_loses_the_focus_has_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    focus = iter([False, True, False, True])
    monkeypatch.setattr("pygame.key.get_focused", lambda: next(focus))
    monkeypatch.setattr("pygame.key.get_pressed", lambda: defaultdict(bool))
    pad = KeyboardPad()
    assert [pad.read().connected for _ in range(4)] == [True, True, False, True], "one that never has it may have no manager"


def test_a_lap_stands_still_while_the_keys_are_elsewhere(tmp_path: Path) -> None:
    ticks: list[Tick] = []

    def keys() -> frozenset[str] | None:
        return None if 10 <= len(ticks) < 20 else frozenset({"up"})

    def stop() -> bool:
        return len(ticks) >= 30

    driver = HumanDriver(KeyboardPad(keys=keys))
    with SessionSetup(Home(tmp_path), SessionOptions(), human=lambda track: driver, stop=stop) as rig:
        rig.session.watch = ticks.append
        rig.session.episode("lap", seed=0)
    assert [tick.decision.paused for tick in ticks] == [False] * 10 + [True] * 10 + [False] * 10
    assert ticks[19].info["progress"] == ticks[9].info["progress"] < ticks[-1].info["progress"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('left = ["d"]', "'d' cannot be for 'right', because it is for 'left' already"),
        ('takeover = ["p"]', "'p' cannot be for 'takeover', because it is for pause already"),
        ('gas = ["tab"]', "because it is for the overlay's size already"),
        ('gas = ["ö", "<", "ù", "[+]", "f5"]\nbrake = ["ö"]', "'ö' cannot be for 'brake'"),
        ('gas = ["spacebar"]', "there is no key 'spacebar'"),
        ("brake = []", "'brake' needs a key"),
        ('brake = "s"', "must be a list of texts"),
    ],
)
def test_a_clash_is_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    write(Home(tmp_path), f"[keys]\n{text}\n")
    with pytest.raises(InputFileError) as refused:
        load(Home(tmp_path), "keys")
    assert said in str(refused.value)
    assert "settings.toml" in str(refused.value)


@pytest.mark.parametrize("code", LANGUAGES)
def test_hints_name_the_keys_that_are_set(tmp_path: Path, code: str) -> None:
    words = LANGUAGES[code]
    assert words["arrows"] in key_hint("touch", words)
    assert words["key_space"] in key_hint("hold", words)
    write(Home(tmp_path), MINE)
    mine = load(Home(tmp_path), "keys").keys.meanings
    assert f"I, J, {words['key_number_pad'].format(key='5')}, L" in key_hint("lap", words, mine)
    pad = {name: (f"[{digit}]",) for name, digit in zip(("gas", "left", "brake", "right"), "8456", strict=True)}
    assert words["key_number_pad"].format(key="8 4 5 6") in key_hint("lap", words, {**mine, **pad})
    assert f"{words['key_left_shift']} {words['or']} T" in key_hint("toggle", words, mine)


def test_a_paused_session_goes_on_with_what_was_set(tmp_path: Path) -> None:
    home, pad = Home(tmp_path), KeyboardPad(keys=frozenset)
    pause = PauseSettings(home, SimpleNamespace(toast=lambda *said: None), {})  # type: ignore[arg-type]
    write(home, MINE)
    assert pause._changed(SimpleNamespace(pad=pad)) is not None  # type: ignore[arg-type]
    assert pad.meanings["left"] == ("j",)


def test_the_window_can_read_every_key_that_means_something() -> None:
    assert {key for keys in KEYS.values() for key in keys} <= set(KEY_NAMES)
    assert len(set(KEY_NAMES)) == len(KEY_NAMES)
