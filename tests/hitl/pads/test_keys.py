"""The keys that one drives with are set in settings.toml; what clashes is refused, and hints name what is set."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from data.errors import InputFileError
from hitl.drivers.human import button_names
from hitl.home import Home
from hitl.pads.keyboard import KEYS, KeyboardPad
from hitl.screens.key_hints import key_hint
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('left = ["d"]', "'d' cannot be for 'right', because it is for 'left' already"),
        ('takeover = ["p"]', "'p' cannot be for 'takeover', because it is for pause already"),
        ('gas = ["tab"]', "because it is for the overlay's size already"),
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
    assert "I J [5] L" in key_hint("lap", words, mine)
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
