"""Settings changed from the window: in the player's own file with its comments, checked, taken back, and said where from."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from data.errors import HitlError, InputFileError
from data.recording.recorder import Recorder
from hitl.games.supertuxkart.data_folder import tracks_there
from hitl.home import Home, demos_folder
from hitl.pads import hands
from hitl.pads.base import PadState
from hitl.pads.combined import EitherPad
from hitl.pads.keyboard import KeyboardPad
from hitl.settings import load, plays_elsewhere
from hitl.settings_desk.changes import Changes
from hitl.settings_desk.desk import SettingsDesk, typed
from hitl.settings_desk.files import overlay_path, settings_path, with_values
from hitl.settings_desk.pad_desk import AUTO, KEYBOARD, PadDesk, pad_kind
from takeover_ui.overlay.arrangement import Arrangement
from tests.support.recorded import drive, session_info

MINE = """# how I drive
[takeover]
mode = "touch"  # since the new pad
# slower hands
settle_s = 0.2

[tmrl]
folder = "D:\\rl\\new"
"""


def desk_of(tmp_path: Path, text: str = "", *over: str) -> SettingsDesk:
    if text:
        (tmp_path / "settings.toml").write_text(text)
    return SettingsDesk(Home(tmp_path), PadDesk(None), typed(list(over)), in_session=bool(over))


def test_a_change_leaves_everything_else_in_the_file(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, MINE)
    desk.set("takeover.mode", "hold")
    desk.set("overlay.language", "pl")
    text = (tmp_path / "settings.toml").read_text()
    assert 'mode = "hold"  # since the new pad\n# slower hands\n' in text
    assert load(Home(tmp_path)).tmrl.folder == "D:\\rl\\new"
    assert (desk.value("takeover.mode"), desk.origin("takeover.mode")) == ("hold", "settings.toml")
    assert load(Home(tmp_path), "overlay").overlay.language == "pl"


def test_the_default_takes_the_line_out_unless_a_comment_stands_behind_it(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, MINE)
    desk.set("takeover.mode", None)
    desk.set("takeover.settle_s", None)
    text = (tmp_path / "settings.toml").read_text()
    assert 'mode = "hold"  # since the new pad\n# slower hands\n' in text
    assert "settle_s" not in text
    assert desk.origin("takeover.settle_s") == "default"


@pytest.mark.parametrize(
    "text", ['takeover.mode = "touch"\n', 'takeover = {mode = "touch"}\n', '[takeover]\r\nmode = "touch"\r\n', "", "[help]\n"]
)
def test_every_way_to_write_a_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.toml").write_bytes(text.encode())
    desk_of(tmp_path).set("takeover.mode", "toggle")
    raw = (tmp_path / "settings.toml").read_bytes()
    assert tomllib.loads(raw.decode())["takeover"]["mode"] == "toggle"
    assert raw.count(b"\r\n") == (raw.count(b"\n") if b"\r" in text.encode() else 0)


def test_changes_are_taken_back_one_by_one_and_all_at_once(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, MINE)
    desk.set("takeover.mode", "hold")
    desk.arrange(Arrangement().toggled("risk"))
    desk.set("pad", KEYBOARD)
    assert desk.value("gauge.risk") is False
    assert desk.undo()
    assert desk.value("pad") == AUTO
    assert desk.undo()
    assert desk.value("gauge.risk") is True
    assert desk.restore()
    assert (tmp_path / "settings.toml").read_text() == MINE
    assert desk.undo()
    assert desk.value("takeover.mode") == "hold"
    assert desk.undo()
    assert not desk.undo()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["settings.toml"]


def test_a_value_that_is_stepped_through_is_one_change(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    for value in (0.2, 0.3, 0.4):
        desk.set("takeover.ramp_s", value)
    assert desk.undo()
    assert desk.value("takeover.ramp_s") == 0.0
    assert not desk.undo()


def test_what_was_changed_elsewhere_is_seen_and_never_written_over(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, MINE)
    desk.set("takeover.mode", "hold")
    (tmp_path / "settings.toml").write_text("# all new\n[takeover]\nramp_s = 0.5\n")
    assert desk.refresh()
    assert not desk.refresh()
    assert desk.value("takeover.ramp_s") == 0.5
    assert not desk.undo()
    assert (tmp_path / "settings.toml").read_text().startswith("# all new")


@pytest.mark.parametrize("text", ["[takeover\nmode = 1\n", '[takeovr]\nmode = "hold"\n', "takeover = 3\n"])
def test_a_file_that_is_wrong_is_said_and_left_alone(tmp_path: Path, text: str) -> None:
    desk = desk_of(tmp_path, text)
    assert desk.problem.startswith("settings.toml")
    with pytest.raises(HitlError):
        desk.set("takeover.mode", "touch")
    assert (tmp_path / "settings.toml").read_text() == text
    (tmp_path / "settings.toml").write_text('[takeover]\nmode = "touch"\n')
    desk.refresh()
    assert (desk.problem, desk.value("takeover.mode")) == ("", "touch")


def test_a_wrong_value_can_be_put_right_and_others_wait_for_that(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, '[takeover]\nmode = "tuch"  # mine\n')
    assert "takeover.mode must be" in desk.problem
    with pytest.raises(InputFileError):
        desk.set("takeover.ramp_s", 1.0)
    desk.set("overlay.show", "bar")  # another table
    desk.set("takeover.mode", "touch")
    assert desk.problem == ""
    assert "# mine" in (tmp_path / "settings.toml").read_text()


def test_values_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    with pytest.raises(InputFileError, match="release_at must lie below take_at"):
        desk.set("takeover.release_at", 0.5)
    assert not (tmp_path / "settings.toml").exists()


def test_what_a_session_was_started_with_is_in_force_there(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, MINE, "takeover.mode=hold")
    assert (desk.value("takeover.mode"), desk.saved("takeover.mode")) == ("hold", "touch")
    assert desk.origin("takeover.mode") == "command line"
    desk.set("takeover.mode", "toggle")
    assert (desk.value("takeover.mode"), desk.saved("takeover.mode")) == ("hold", "toggle")


def test_gauges_are_kept_where_the_mouse_keeps_them_unless_the_own_file_says_so(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, '[overlay]\nhidden = ["risk"]  # too red\n')
    desk.arrange(desk.arrangement().toggled("laps").moved("help", 0.2, 0.3, 1.0))
    assert set(desk.arrangement().hidden) == {"risk", "laps"}
    assert '"laps"]  # too red' in (tmp_path / "settings.toml").read_text()
    assert "help" in overlay_path(Home(tmp_path)).read_text()


def test_the_tracks_are_those_of_the_game_and_one_of_another_brings_its_game(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    assert {"default", "chicane"} <= set(desk.choices("play.track"))
    assert "minigolf" not in desk.choices("play.track")
    with Recorder(tmp_path / "store.sqlite", session_info(env="supertuxkart", track="minigolf")) as recorder:
        drive(recorder)
    desk = desk_of(tmp_path)
    assert set(tracks_there(desk.home)) <= set(desk.choices("play.track"))
    desk = desk_of(tmp_path, '[play]\nenv = "stk:minigolf"\n')
    desk.set("play.track", "fortmagma")
    assert (desk.saved("play.env"), desk.saved("play.track")) == ("supertuxkart", "fortmagma")
    desk.set("play.track", "chicane")
    assert (desk.saved("play.env"), desk.saved("play.track")) == ("box2d", "chicane")
    desk.set("play.track", "minigolf")
    assert (desk.saved("play.env"), desk.saved("play.track")) == ("supertuxkart", "minigolf")
    assert desk.undo()
    assert (desk.saved("play.env"), desk.saved("play.track")) == ("box2d", "chicane")


def test_a_game_without_a_road_is_offered_no_track_of_another_game(tmp_path: Path) -> None:
    with Recorder(tmp_path / "store.sqlite", session_info(env="gym:Pendulum-v1", track="Pendulum-v1")) as recorder:
        drive(recorder)
    desk = desk_of(tmp_path)
    assert desk.choices("play.track") == (desk.value("play.track"),)
    assert desk.choices("play.only_corner") == ("",)
    assert "chicane" in desk_of(tmp_path, '[play]\nenv = "box2d"\n').choices("play.track")


def test_another_track_forgets_the_corner_of_the_one_before(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    assert desk.choices("play.only_corner") == ("", "hairpin")
    desk.set("play.only_corner", "hairpin")
    desk.set("play.track", "esses")
    assert desk.value("play.only_corner") == ""
    assert len(desk.choices("play.only_corner")) > 1


def test_a_demo_s_home_follows_the_player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITL_HOME", str(tmp_path))
    demo = Home(demos_folder() / "20260101-120000-x")
    demo.root.mkdir(parents=True)
    Changes(demo).arrange(Arrangement().toggled("risk").table())
    assert (tmp_path / "overlay.toml").exists()
    assert list(demo.root.iterdir()) == []
    assert load(Home(tmp_path), "overlay").overlay.hidden == ("risk",)
    (demo.root / "overlay.toml").write_text("scale = 2.0\n")  # of an earlier version
    assert load(demo, "overlay").overlay.scale == 2.0
    assert settings_path(demo) == tmp_path / "settings.toml"
    assert not plays_elsewhere()
    settings_path(demo).write_text('[overlay]\nlanguage = "pl"\n')
    assert not plays_elsewhere()
    settings_path(demo).write_text('[play]\nenv = "trackmania"\n')
    assert plays_elsewhere()


def test_nothing_is_written_for_a_default_that_was_never_changed(tmp_path: Path) -> None:
    assert with_values(tmp_path / "settings.toml", "play", {"only_corner": None}) == ""


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("Xbox Wireless Controller [030003f05e0400000b13000000000000]", "xbox"),
        ("Wireless Controller [030000004c050000cc09000000000000]", "playstation"),
        ("PS4 Controller [0300000001000000cc09000000000000]", "playstation"),
        ("Pro Controller [030000007e0500000920000000000000]", "switch"),
        ("Nintendo Switch Pro Controller [03000000000000000000000000000000]", "switch"),
        ("Some Gamepad [0300000079000000]", "xbox"),
        ("nothing", "xbox"),
    ],
)
def test_a_pad_s_buttons_are_named_as_on_the_pad(model: str, kind: str) -> None:
    assert pad_kind(model) == kind
    assert pad_kind(model, controller=False) == "wheel"


def test_a_pad_that_is_meant_for_another_window_reads_as_at_rest() -> None:
    pressed = frozenset(("return", "p"))
    first, second = KeyboardPad(keys=lambda: pressed), KeyboardPad(keys=lambda: frozenset(("left",)))
    pad = EitherPad(first, second)
    assert pad.read().buttons == {"star", "pause"}
    pad.resting = (first,)
    state = pad.read()
    assert state.connected
    assert state.buttons == frozenset()
    assert state.parts[0] == PadState()
    assert hands.together(hands.look((), state, 0.0, 0.1, False)[1]).buttons == frozenset()
