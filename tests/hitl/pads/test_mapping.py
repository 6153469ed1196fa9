"""Numbers of a pad: calibration, dead zone, curve; the keyboard's soft keys; what is stored."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputFileError
from hitl.arbiter import GatingSettings
from hitl.home import Home
from hitl.pads.base import MISSING, PadState
from hitl.pads.keyboard import KEYS, KeyboardPad
from hitl.pads.mapping import CONTROLLER, JOYSTICK, Axis, from_table, to_table
from hitl.settings import PadChoice, load, save_pads
from hitl.settings_desk.files import dumps, settings_path

ends = st.floats(0.2, 1.0)
axes = st.builds(
    Axis,
    source=st.just("x"),
    low=ends.map(lambda v: -v),
    centre=st.floats(-0.1, 0.1),
    high=ends,
    dead_zone=st.just(0.0) | st.floats(1e-9, 0.3),  # inside one that is smaller there is only rounding
    curve=st.floats(0.3, 3.0),
)
raws = st.floats(-1.5, 1.5)


@given(axes)
def test_a_stick_rests_at_its_centre_and_reaches_both_ends(axis: Axis) -> None:
    assert axis.stick(axis.centre) == 0.0
    assert axis.stick(axis.high) == pytest.approx(1.0)
    assert axis.stick(axis.low) == pytest.approx(-1.0)


@given(axes, raws, raws)
def test_a_stick_rises_and_stays_in_bounds(axis: Axis, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert -1.0 <= axis.stick(low) <= axis.stick(high) <= 1.0


@given(axes, st.floats(-1.0, 1.0))
def test_turned_round_is_the_mirror(axis: Axis, raw: float) -> None:
    turned = Axis(axis.source, axis.high, axis.centre, axis.low, axis.dead_zone, axis.curve)
    assert turned.stick(raw) == pytest.approx(-axis.stick(raw))


@given(axes, st.floats(0.0, 1.0))
def test_the_dead_zone_is_rest_and_ends_without_a_jump(axis: Axis, share: float) -> None:
    inside = axis.centre + share * axis.dead_zone * (axis.high - axis.centre) * 0.999
    assert axis.stick(inside) == 0.0
    just_out = Axis("x", -1.0, 0.0, 1.0, axis.dead_zone, 1.0)
    assert just_out.stick(axis.dead_zone + 1e-6) < 1e-4


@given(axes, raws, raws)
def test_a_pedal_rises_from_released_to_pressed(axis: Axis, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0.0 <= axis.pedal(low) <= axis.pedal(high) <= 1.0
    assert axis.pedal(axis.low) == 0.0
    assert axis.pedal(axis.high) == pytest.approx(1.0)


def test_a_nan_is_rest() -> None:
    assert Axis("x").stick(float("nan")) == 0.0
    assert Axis("x").pedal(float("nan")) == 0.0


def test_a_calibration_without_travel_is_refused() -> None:
    with pytest.raises(InputFileError, match=r"\[gas\] cannot be used: the calibration of 'triggerright' has no travel"):
        from_table({"gas": {"low": 1.0, "high": 1.0}}, CONTROLLER)


def test_an_axis_can_be_a_button() -> None:
    mapping = from_table({"buttons": {"takeover": ["triggerleft"]}}, CONTROLLER)
    raw: dict[str, float] = defaultdict(float, triggerleft=0.4)
    assert "takeover" not in mapping.state(lambda s: raw[s]).buttons
    raw["triggerleft"] = 0.6
    assert "takeover" in mapping.state(lambda s: raw[s]).buttons


def test_a_button_that_a_player_has_given_a_meaning_means_nothing_else() -> None:
    earlier = {"buttons": {"takeover": ["leftshoulder", "a"], "star": ["b"]}}  # of a version without rewind and discard
    mapping = from_table(earlier, CONTROLLER)
    pressed = {"leftshoulder": {"takeover"}, "b": {"star"}, "y": set(), "dpup": {"keep"}, "x": {"restart"}}
    for source, meant in pressed.items():
        assert mapping.state(lambda s, down=source: float(s == down)).buttons == meant  # type: ignore[misc]


def test_the_rest_of_a_controller_is_read_where_it_has_no_other_meaning() -> None:
    raw: dict[str, float] = defaultdict(float, rightx=-1.0, righty=-1.0, lefty=1.0, dpleft=1.0)
    assert dict(CONTROLLER.state(lambda s: raw[s]).more) == {"right_x": -1.0, "right_y": 1.0, "stick_y": -1.0, "cross_x": -1.0}
    mapping = from_table({"steer": {"source": "rightx"}, "buttons": {"takeover": ["dpright"]}}, CONTROLLER)
    assert dict(mapping.state(lambda s: raw[s]).more) == {"right_y": 1.0, "stick_y": -1.0}
    assert JOYSTICK.state(lambda s: raw[s]).more == ()


@pytest.mark.parametrize("mapping", [CONTROLLER, JOYSTICK])
def test_a_mapping_survives_its_table(mapping: object) -> None:
    table = tomllib.loads(dumps(to_table(mapping)))  # type: ignore[arg-type]
    assert from_table(table, JOYSTICK) == from_table(to_table(mapping), JOYSTICK)  # type: ignore[arg-type]
    assert from_table(table, mapping) == mapping  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "table",
    [
        {"throttle": {}},
        {"gas": {"sorce": "axis1"}},
        {"gas": {"dead_zone": 2.0}},
        {"gas": {"dead_zone": 1.0}},
        {"gas": {"curve": 0.0}},
        {"gas": {"low": float("inf")}},
        {"gas": {"low": "left"}},
        {"buttons": {"fly": ["a"]}},
        {"buttons": {"star": 3}},
    ],
)
def test_a_table_that_means_nothing_is_one_sentence(table: dict[str, object]) -> None:
    with pytest.raises(InputFileError, match=r"^pads\.toml: "):
        from_table(table, CONTROLLER)


def test_numbers_in_quotes_are_read_as_in_earlier_versions() -> None:
    written = tomllib.loads('steer = {low = "-0.9", source = "axis3"}\nrests = {axis5 = "-1"}')
    assert from_table(written, CONTROLLER) == from_table(
        {"steer": {"low": -0.9, "source": "axis3"}, "rests": {"axis5": -1}}, CONTROLLER
    )
    with pytest.raises(InputFileError, match=r"gas\.low must be a number"):
        from_table({"gas": {"low": "nan"}}, CONTROLLER)


def test_times_of_any_length_are_read_as_in_earlier_versions(tmp_path: Path) -> None:
    home = Home(tmp_path)
    settings_path(home).write_text("[takeover]\nminimum_s = 90\n[help]\nrequests_per_minute = 100\noffer_s = 61\n")
    settings = load(home)
    assert (settings.takeover.minimum_s, settings.help.requests_per_minute, settings.help.offer_s) == (90, 100, 61)


# Keyboard


class Keys:
    def __init__(self) -> None:
        self.down: set[str] = set()
        self.time = 0.0
        self.pad = KeyboardPad(keys=lambda: frozenset(self.down), clock=lambda: self.time)

    def hold(self, *keys: str, seconds: float = 0.05) -> PadState:
        self.down = set(keys)
        state = self.pad.read()
        for _ in range(round(seconds / 0.05)):
            self.time += 0.05
            state = self.pad.read()
        return state


def test_keys_turn_the_wheel_softly() -> None:
    keys = Keys()
    first = keys.hold("left").steer
    assert -0.3 < first < 0.0
    assert keys.hold("left", seconds=0.5).steer == -1.0
    assert keys.hold(seconds=0.05).steer > -1.0
    assert keys.hold(seconds=0.3).steer == 0.0


def test_the_other_side_acts_at_once() -> None:
    keys = Keys()
    keys.hold("left", seconds=0.5)
    assert keys.hold("d").steer > 0.0


def test_both_sides_are_straight() -> None:
    keys = Keys()
    assert keys.hold("left", "right", seconds=0.5).steer == 0.0


def test_pedals_and_buttons() -> None:
    keys = Keys()
    state = keys.hold("up", "space", "p", seconds=0.5)
    assert (state.gas, state.brake) == (1.0, 0.0)
    assert state.buttons == {"takeover", "pause"}
    assert keys.hold("s", seconds=0.5).brake == 1.0


def test_other_keys_move_the_rest_of_a_pad() -> None:
    keys = Keys()
    state = keys.hold("h", "e", "g", seconds=0.5)
    assert dict(state.more) == {"right_x": 1.0, "stick_y": 1.0, "right_y": -1.0}
    assert (state.deflection, state.moved) == (0.0, 1.0)
    assert 0.0 > dict(keys.hold("f").more)["right_x"] > -0.3
    assert keys.hold("f", "h", seconds=0.5).more == ()
    keys.pad.meanings = {**KEYS, "left": ("f",)}
    assert keys.hold("f", seconds=0.5) == PadState(steer=-1.0), "a key that is set to drive only does that"


def test_a_stall_does_not_throw_the_wheel() -> None:
    keys = Keys()
    keys.hold("right", seconds=0.0)
    keys.time += 10.0
    assert keys.pad.read().steer < 0.5


def test_a_closed_keyboard_is_missing() -> None:
    keys = Keys()
    keys.pad.close()
    assert keys.pad.read() == MISSING


# Settings


def test_settings_of_an_empty_home_are_the_defaults(tmp_path: Path) -> None:
    settings = load(Home(tmp_path))
    assert settings.pad == PadChoice()
    assert settings.takeover == GatingSettings()
    assert settings.devices == {}


def test_settings_are_read_and_checked(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[pad]\nuse = "sdl"\n[takeover]\nmode = "touch"\nramp_s = 1\n')
    settings = load(Home(tmp_path))
    assert settings.pad.use == "sdl"
    assert settings.takeover == GatingSettings(mode="touch", ramp_s=1.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[pad]\nuse = 3\n", "pad.use must be auto, inputs, keyboard or sdl, for example use = \"auto\", not 3"),
        ('[pad]\nuse = "joy"\n', "for example use = \"auto\""),
        ("[pda]\n", "pda"),
        ('[takeover]\nmode = "both"\n', "takeover.mode must be hold, toggle or touch"),
        ("[takeover]\nramp = 1\n", "unknown setting 'takeover.ramp'. Did you mean 'takeover.ramp_s'?"),
        ("[takeover]\nramp_s = -1\n", "takeover.ramp_s must be a number from 0 up"),
        ("[takeover]\ntake_at = 0.1\n", "release_at must lie below take_at"),
        ("[help]\noffer_s = -1\n", "help.offer_s must be a number from 0 up"),
        ("[takeover\n", "cannot be read"),
        ("takeover = 3\n", "takeover"),
    ],
)
def test_settings_that_cannot_be_used_are_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(InputFileError, match=words) as caught:
        load(Home(tmp_path))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_calibrations_are_stored_by_device(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    key = 'Odd "name" \\ [ff00]\té'
    save_pads(home, use=PadChoice("sdl", "odd"))
    save_pads(home, device=key, table=to_table(CONTROLLER))
    save_pads(home, device="other", table={"gas": {"curve": 2.0}})
    settings = load(home)
    assert settings.pad == PadChoice("sdl", "odd")
    assert from_table(settings.devices[key], JOYSTICK) == from_table(to_table(CONTROLLER), JOYSTICK)
    assert from_table(settings.devices["other"], CONTROLLER).gas.curve == 2.0
    (home.root / "settings.toml").write_text('[pad]\nname = "mine"\n')
    assert load(home).pad == PadChoice("sdl", "mine")
