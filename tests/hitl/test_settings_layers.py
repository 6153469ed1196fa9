"""One configuration: default, preset, settings.toml, command line; each value checked, each with where it comes from."""

import dataclasses
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from data.errors import InputFileError, UsageError
from data.files.validation import types
from data.reward import RewardSettings
from hitl.cli import main
from hitl.commands.play import _greedy_every
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import SECTIONS, TABLES, OverlaySettings, load
from hitl.task.driving_task import DrivingTask
from takeover_ui.language import CODES, LANGUAGES
from takeover_ui.window.options import WindowOptions
from tests.support.daemon_runs import SMALL, drive, train
from trainer.daemon.run_settings import run_config
from trainer.daemon.wish import Wish

CODES_SAID = f"{', '.join(sorted(CODES)[:-1])} or {max(CODES)}"


def home_with(tmp_path: Path, text: str) -> Home:
    (tmp_path / "settings.toml").write_text(text)
    return Home(tmp_path)


def shown(tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, dict[str, object]]]:
    assert main(["config", "show", "--home", str(tmp_path), "--json", *words]) == 0
    found: dict[str, dict[str, dict[str, object]]] = json.loads(capsys.readouterr().out)
    return found


def test_each_layer_lies_over_the_one_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def utd(*words: str) -> tuple[object, object]:
        setting = shown(tmp_path, capsys, *words)["train"]["utd"]
        return setting["value"], setting["from"]

    assert utd() == (2.0, "default")
    assert utd("--preset", "rlpd") == (20.0, "preset rlpd")
    home_with(tmp_path, '[train]\npreset = "run_l"\n')
    assert utd() == (6.0, "preset run_l")
    assert utd("--preset", "rlpd") == (20.0, "preset rlpd")
    home_with(tmp_path, '[train]\npreset = "run_l"\nutd = 5\n')
    assert utd() == (5.0, "settings.toml")
    assert utd("--preset", "rlpd") == (5.0, "settings.toml")
    assert utd("--set", "utd=4") == (4.0, "command line")
    for word in ("none", "null"):
        found = shown(tmp_path, capsys, "--set", f"backup_clip={word}")["train"]
        assert found["backup_clip"] == {"value": None, "from": "command line"}  # run_l has one


def test_the_run_that_goes_on_lies_where_a_preset_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drive(tmp_path / "store.sqlite")
    train(tmp_path, 10, SMALL.with_values(gamma=0.9, n_step=2))
    home_with(tmp_path, "[train]\nn_step = 4\n")
    found = shown(tmp_path, capsys)["train"]
    assert found["gamma"] == {"value": 0.9, "from": "this run"}
    assert found["n_step"] == {"value": 4, "from": "settings.toml"}
    hitl = shown(tmp_path, capsys, "--preset", "hitl")["train"]
    assert (hitl["gamma"]["value"], hitl["horizon_s"]["value"]) == (None, 20 / 3)
    wish, stored = Wish.of(load(Home(tmp_path), "train").train), SMALL.with_values(gamma=0.9).to_dict()
    assert run_config(wish, stored, 1, own=True, road=True)[0].n_step == 4


def test_the_trainer_takes_what_is_set_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Wish] = []

    class Stand:
        stuck = False

        def __init__(self, root: Path, wish: Wish, **options: object) -> None:
            seen.append(wish)

        def run(self) -> None:
            pass

        def during_trial(self) -> None:
            pass

    monkeypatch.setattr("trainer.daemon.daemon.Daemon", Stand)
    home_with(tmp_path, "[train]\nutd = 4\ngamma = 0.9\n")
    assert main(["train", "--home", str(tmp_path), "--quiet", "--set", "gamma=0.8", "--seed", "7"]) == 0
    assert (seen[0].config.utd, seen[0].config.gamma, seen[0].config.seed) == (4.0, 0.8, 7)
    assert seen[0].insisted == {"gamma", "seed"}  # a file's shape that does not fit a checkpoint is told, and not refused


def test_the_command_line_of_a_session_lies_over_the_file(tmp_path: Path) -> None:
    home = home_with(tmp_path, '[takeover]\nmode = "touch"\nramp_s = 0.5\n[play]\ntrack = "esses"\n[overlay]\nlanguage = "de"\n')
    over = {"takeover": {"mode": "toggle"}, "play": {"env": "tmrl", "track": None}, "overlay": {"show": "bar"}}
    settings = load(home, over=over)
    assert (settings.takeover.mode, settings.takeover.ramp_s) == ("toggle", 0.5)
    assert (settings.play.env, settings.play.track, settings.play.greedy_every) == ("tmrl", "esses", 2)
    assert (settings.overlay.show, settings.overlay.language, settings.overlay.opacity) == ("bar", "de", 0.92)
    assert settings.origin["takeover.mode"] == "command line"
    assert settings.origin["play.track"] == "settings.toml"
    assert "play.greedy_every" not in settings.origin
    for env, every in (("tmrl", 2), ("gym:Pendulum-v1", 0)):
        assert _greedy_every(load(home, over={"play": {"env": env}})) == every, "without a road all drives are tries"
        assert _greedy_every(load(home, over={"play": {"env": env, "greedy_every": 3}})) == 3
    with pytest.raises(UsageError, match="greedy_every must be a whole number from 0"):
        load(home, over={"play": {"greedy_every": -1}})


def test_a_session_plays_what_is_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home_with(tmp_path, '[play]\ntrack = "esses"\n[reward]\nconstant_penalty = 0.5\n')
    assert main(["play", "--home", str(tmp_path), "--headless", "--pad", "none", "--episodes", "1"]) == 0
    from data.store import Store

    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        track, reward = store.conn.execute("SELECT track, reward FROM sessions").fetchone()
    assert track == "esses"
    assert json.loads(reward)["constant_penalty"] == 0.5


def test_an_evaluation_drives_what_is_set_unless_the_command_line_says_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hitl.demo.shipped import open_shipped

    open_shipped(Home(tmp_path))
    home_with(tmp_path, '[play]\ntrack = "esses"\n')
    command = ["eval", "--home", str(tmp_path), "--episodes", "3"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["track"] == "esses"
    assert main([*command, "--track", "default"]) == 0
    text = capsys.readouterr().out
    assert "3 episodes on the default track" in text
    assert re.search(r"passed hairpin +0 of 3 +0%–56%", text), "Wilson's interval of these very counts"
    assert "exact copies" not in text
    evaluate = SessionSetup.evaluate
    monkeypatch.setattr(SessionSetup, "evaluate", lambda rig, episodes, seed: evaluate(rig, 1, seed) * episodes)
    assert main(command) == 0
    assert "Of the 3 episodes, only 1 is different" in capsys.readouterr().out


def test_the_overlay_looks_as_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class SeenError(Exception):
        pass

    def window(options: WindowOptions, named: Path | None) -> None:
        seen.append(options)
        raise SeenError

    seen: list[WindowOptions] = []
    monkeypatch.setattr("hitl.screens.session_window.SessionWindow", window)
    monkeypatch.setattr("takeover_ui.window.window.display_available", lambda: True)
    home_with(
        tmp_path,
        '[overlay]\nshow = "compact"\nlanguage = "de"\nopacity = 0.5\ncorner = "bottom_left"\nkeep_clear = [0, 1, 64, 64]\n',
    )
    for words in ([], ["--overlay", "bar"]):
        with pytest.raises(SeenError):
            main(["play", "--home", str(tmp_path), "--pad", "keyboard", *words])
    one, two = seen
    assert (one.overlay, two.overlay) == ("compact", "bar")
    assert (one.language, one.opacity, one.corner, one.keep_clear) == ("de", 0.5, "bottom_left", (0, 1, 64, 64))


def test_the_languages_and_corners_are_those_of_the_overlay() -> None:
    hints = types(OverlaySettings)
    assert set(get_args(hints["language"])[1].table) == set(LANGUAGES) >= {"en", "de", "pl"}
    for name, own in (("corner", "corner"), ("show", "overlay")):
        assert hints[name] == types(WindowOptions)[own]


def test_a_store_that_cannot_be_read_hides_no_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"no store" * 1000)
    assert main(["config", "show", "--home", str(tmp_path), "--json"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out)["train"]["utd"]["value"] == 2.0
    assert "are not shown" in out.err


def test_reward_terms_are_set_one_by_one_and_the_rest_follows_the_track(tmp_path: Path) -> None:
    settings = load(home_with(tmp_path, "[reward]\nspeed_bonus = 0.25\n[observation]\npoints = 8\nhorizon_m = 30\n"))
    with SessionSetup(Home(tmp_path), SessionOptions()) as rig:
        usual = DrivingTask(rig.track).reward.settings
        assert rig.task.reward.settings == dataclasses.replace(usual, speed_bonus=0.25)
        assert rig.task.settings.observation == settings.observation
        assert len(rig.task.observer.names) == 11 + 2 * 8
    assert usual.max_stray == rig.track.half_width
    assert DrivingTask(rig.track, dataclasses.replace(settings.task, reward=RewardSettings())).reward.settings == RewardSettings()


def test_an_agent_that_knows_another_scale_of_what_it_sees_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hitl.demo.shipped import open_shipped

    open_shipped(Home(tmp_path))
    home_with(tmp_path, "[observation]\nspeed_scale = 25\n")
    assert main(["eval", "--home", str(tmp_path), "--episodes", "1"]) == 5
    assert "observation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[play]\ntrak = 'a'\n", "settings.toml: unknown setting 'play.trak'. Did you mean 'play.track'?"),
        (
            "[play]\nzzz = 'a'\n",
            "settings.toml: unknown setting 'play.zzz'. Known settings are env, track, only_corner, greedy_every.",
        ),
        ("[train]\nutd = 'abc'\n", 'settings.toml: train.utd must be a number above 0, for example utd = 2.0, not "abc".'),
        ("[train]\npreset = 'rpld'\n", "settings.toml: There is no preset 'rpld'. Known ones: hitl, plain, rlpd, run_l."),
        ("[train]\nzzz = 1\n", "settings.toml: unknown setting 'train.zzz'. Known settings are listed by `hitl config show`."),
        ("[reward]\nspeed_bonus = -1\n", "settings.toml: reward.speed_bonus must be a number from 0 to 1,000,000, for example"),
        ("[observation]\npoints = 1.5\n", "points must be a whole number from 1 to 256, for example points = 16, not 1.5."),
        ("[overlay]\nlanguage = 'xx'\n", f'overlay.language must be {CODES_SAID}, for example language = "en", not "xx".'),
        ("[overlay]\nkeep_clear = [1, 2]\n", 'must be a list of 4 whole numbers from -100,000 to 100,000, or "none", not [1'),
        ("[help]\nrumble = 1\n", "help.rumble must be true or false, for example rumble = true, not 1."),
        ("help = 1\n", "settings.toml: [help] must be a table of settings, each on a line of its own."),
        ("[ovrelay]\n", "settings.toml: unknown table [ovrelay]; known are"),
        ("[trackmania]\nport = 70000\n", "trackmania.port must be a whole number from 1 to 65,535"),
    ],
)
def test_what_is_wrong_is_a_sentence_that_says_what_is_allowed(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises((InputFileError, UsageError)) as caught:
        load(home_with(tmp_path, text))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_none_is_written_in_quotes(tmp_path: Path) -> None:
    settings = load(home_with(tmp_path, '[train]\ngrad_clip_actor = "none"\n[overlay]\nkeep_clear = "none"\n'))
    assert settings.train == {"grad_clip_actor": None}
    assert settings.overlay.keep_clear is None


def test_settings_of_earlier_versions_are_ignored_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load(home_with(tmp_path, '[train]\nutd = 4\nbc_loss = "nll"\n'))
    assert settings.train == {"utd": 4.0}
    (note,) = settings.notes
    assert note.startswith("settings.toml: bc_loss is not a setting of this version and is ignored")
    shown(tmp_path, capsys, "--set", "adam_eps=1e-5")
    main(["config", "show", "--home", str(tmp_path), "--set", "adam_eps=1e-5"])
    assert "command line: adam_eps is not a setting of this version" in capsys.readouterr().err


def test_a_mistake_stops_only_what_needs_it(tmp_path: Path) -> None:
    home = home_with(tmp_path, "[takeover]\nmode = 3\n[train]\nutd = 4\n")
    (tmp_path / "pads.toml").write_text("oops")
    assert load(home, "train").train == {"utd": 4.0}
    for needs in ("takeover", "pad"):
        with pytest.raises(InputFileError):
            load(home, needs)
    with pytest.raises(InputFileError, match=r"unknown table \[trian\]"):  # it may be the one that is needed
        load(home_with(tmp_path, "[trian]\nutd = 4\n"), "train")
    assert (tmp_path / "pads.toml").read_text() == "oops"


def test_every_table_is_read_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home_with(tmp_path, '[controls]\n"CarRacing-v3" = ["steer", "gas", "brake"]\n')
    found = shown(tmp_path, capsys)
    assert set(found) == set(SECTIONS)
    for name, kind in TABLES.items():
        assert list(found[name]) == [f.name for f in dataclasses.fields(kind)]
    assert found["controls"]["CarRacing-v3"] == {"value": ["steer", "gas", "brake"], "from": "settings.toml"}
    assert main(["config", "show", "--home", str(tmp_path)]) == 0
    assert "[overlay]" in capsys.readouterr().out
