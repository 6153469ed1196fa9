"""A package of somebody else's adds a game, a network and an exporter by its entry points, without a change here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data.errors import DeviceError, UsageError
from data.exchange.exporters import EXPORTERS
from data.extras import Additions
from data.recording.recorder import Recorder
from hitl import TQC, Store, SymmetricReplay, Takeover, evaluate, open_env, presets
from hitl.cli import main
from hitl.games.open_game import open_world, shown_by_us
from hitl.games.registry import GAMES
from hitl.home import Home
from hitl.road.track import load_track
from hitl.session_options import SessionOptions
from takeover_ui.window.window import Window
from tests.support.recorded import drive, session_info
from tests.test_extending import BLOCKS
from trainer.networks.registry import NETWORKS

CODE = {name: code for name, code in BLOCKS if name in ("sled.py", "linear.py", "rewards.py")}
"""The game, the network and the exporter of docs/extending.md."""
METADATA = "Metadata-Version: 2.1\nName: sled-kit\nVersion: 1.0\n"
POINTS = """
[hitl.games]
sledge = sled_kit.sled:open_sled
broken = sled_kit.nowhere:open
floating = sled_kit.more:in_its_window
painted = sled_kit.more:painted
clock = sled_kit.more:by_itself
slip = sled_kit.more:slip

[hitl.networks]
one-layer = sled_kit.linear:build
mistyped = sled_kit.more:slip

[hitl.exporters]
rewards-csv = sled_kit.rewards:write
torn = sled_kit.more:slip
"""
MORE = """
from pathlib import Path

from hitl.games.open_game import driven
from hitl.road.known_tracks import drivable
from sled_kit.sled import Sled

def in_its_window(options, home):
    track = drivable(home, options.track)
    return driven(Sled(track), track, options, home, own_window=True)

def painted(options, home):
    track = drivable(home, options.track)
    return driven(Sled(track), track, options, home, own_window=True, picture=Path("picture"))

class Clock(Sled):
    advance = property()

def by_itself(options, home):
    track = drivable(home, options.track)
    return driven(Clock(track), track, options, home)

def slip(*given):
    return no_such_name
"""
"""Games that are seen elsewhere, and code with a mistake."""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the package as pip would: its files, and beside them what it says of itself."""
    tables: list[Additions] = [GAMES, NETWORKS, EXPORTERS]  # type: ignore[list-item,type-arg]
    before = [dict(table) for table in tables]
    package, said = tmp_path / "site" / "sled_kit", tmp_path / "site" / "sled_kit-1.0.dist-info"
    for folder in (package, said):
        folder.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name, code in CODE.items():
        (package / name).write_text(code, encoding="utf-8")
    (package / "more.py").write_text(MORE)
    (said / "METADATA").write_text(METADATA)
    (said / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for table in tables:
        monkeypatch.setattr(table, "_looked", False)
    yield
    for table, old in zip(tables, before, strict=True):
        table.clear()
        table.update(old)
    for name in [name for name in sys.modules if name.startswith("sled_kit")]:
        del sys.modules[name]


def test_its_game_is_driven_by_commands_and_scripts_its_network_learns_its_exporter_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    words = ["--home", str(home), "--env", "sledge", "--headless", "--pad", "none", "--episodes", "1"]
    assert main(["play", *words]) == 0
    env = Takeover(open_env("sledge"), lambda seen, info: np.array([1.0, 0.0], np.float32), store=home)
    evaluate(lambda seen: np.array([1.0, 0.0], np.float32), env, 1)
    env.close()
    with Store(home) as store:
        assert [s.env for s in store.sessions()] == ["sledge", "sledge"]
        assert len({s.observation_names for s in store.sessions()}) == 1
        assert store.export_to(tmp_path / "rewards.csv", "rewards-csv", episodes=True, everything=True).episodes == 2
    with SymmetricReplay(home, network="one-layer", batch_size=16, warmup_steps=5, utd=0.1) as replay:
        learner = replay.learner()
        for batch in replay.batches(learner):
            learner.update(batch)
        assert learner.updates
        assert type(learner.actor.body).__module__ == "sled_kit.linear"
    monkeypatch.setenv("COLUMNS", "10000")
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert "rewards-csv: by sled-kit" in " ".join(capsys.readouterr().out.split())


def test_one_that_cannot_be_imported_is_a_sentence_and_nothing_of_ours_is_replaced(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="The game 'broken' cannot be used"):
        open_env("broken")
    with pytest.raises(DeviceError, match="Did you mean 'sledge'"):
        open_env("sledg")
    with pytest.raises(UsageError, match="one-layer"):
        SymmetricReplay(tmp_path, network="one-layr")
    ours = Additions("hitl.games", {"sledge": "ours:function"}, lambda point: point.value)
    assert ours["sledge"] == "ours:function"
    assert set(ours) == {"sledge", "broken", "floating", "painted", "clock", "slip"}
    assert not ours.is_added("sledge")
    assert ours.is_added("broken")


def test_the_demo_names_what_drives_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("demo", "eval"):
        assert main([command, "--home", str(tmp_path / "home"), "--env", "sledge"]) != 0
        assert f"`hitl play --env sledge --home {tmp_path / 'home'}`" in capsys.readouterr().err
    assert main(["demo", "--home", str(tmp_path / "home"), "--env", "sledge", "--track", "esses"]) == 2
    assert "`hitl play --env sledge --track esses --home" in capsys.readouterr().err


def test_a_mistake_in_its_code_is_a_sentence(tmp_path: Path) -> None:
    why = r"fails \(NameError: name 'no_such_name' is not defined\). The same command with --debug shows where"
    with pytest.raises(DeviceError, match=f"The game 'slip' cannot be used: 'sled_kit.more:slip' {why}"):
        open_env("slip")
    with pytest.raises(UsageError, match=f"The network 'mistyped' cannot be used: 'sled_kit.more:slip' {why}"):
        TQC(3, 1, presets["plain"].with_values(network="mistyped"))
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder)
    torn = f"The format 'torn' cannot be used: 'sled_kit.more:slip' {why}"
    with Store(tmp_path) as store, pytest.raises(UsageError, match=torn):
        store.export_to(tmp_path / "out", "torn", episodes=True, everything=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("env", "ours"), [("sledge", True), ("floating", False), ("painted", True), ("clock", False)])
def test_our_window_shows_a_game_that_has_none(env: str, ours: bool, tmp_path: Path) -> None:
    assert shown_by_us(env, "ours") is None
    world = open_world(SessionOptions(env, real_time=True, show=True), Home(tmp_path))
    assert world.shown_by_us is ours


class Hands:
    """The keys of a player who first looks, then drives, and leaves."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.looks = 0

    def keys(self, window: Window) -> frozenset[str]:
        self.windows.append(window)
        self.looks += 1
        return frozenset(() if self.looks < 40 else ("up",) if self.looks < 80 else ("escape",))


@pytest.mark.realtime
def test_its_lap_is_driven_by_keys_in_our_window_and_waits_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hands = Hands()
    monkeypatch.setattr(Window, "keys", lambda window: hands.keys(window))
    monkeypatch.setattr("takeover_ui.window.window.display_available", lambda: True)
    assert main(["play", "--home", str(tmp_path), "--env", "sledge", "--lap", "--pad", "keyboard"]) == 0
    assert {window.options.game_view for window in hands.windows} == {True}
    with Store(tmp_path) as store:
        (session,) = store.sessions()
        assert (session.env, session.driver) == ("sledge", "keyboard")
        first = store.conn.execute("SELECT executed FROM steps ORDER BY t LIMIT 1").fetchone()[0]
        (steps,) = store.conn.execute("SELECT count(*) FROM steps").fetchone()
    assert np.frombuffer(first, np.float32)[0] > 0.0, "the touch itself is driven"
    assert 20 <= steps <= 60


def test_it_goes_on_where_it_was_driven_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, line = tmp_path / "home", tmp_path / "hill.csv"
    np.savetxt(line, load_track("esses").line.points, delimiter=",")
    words = ["--home", str(home), "--headless", "--pad", "none", "--episodes", "1"]
    assert main(["play", *words, "--env", "sledge", "--track", str(line)]) == 0
    assert main(["play", *words]) == 0
    assert "As last time here: hill in sledge." in capsys.readouterr().out
    with Store(home) as store:
        assert [(s.env, s.track) for s in store.sessions()] == [("sledge", "hill")] * 2


def test_a_package_that_is_gone_is_told_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    words = ["--home", str(home), "--headless", "--pad", "none", "--episodes", "1"]
    assert main(["play", *words, "--env", "sledge"]) == 0
    with SymmetricReplay(home, network="one-layer", batch_size=16, warmup_steps=5, utd=0.1) as replay:
        learner = replay.learner()
        for batch in replay.batches(learner):
            learner.update(batch)
        replay.save(learner)
    for table, name in ((GAMES, "sledge"), (NETWORKS, "one-layer")):
        table.pop(name)  # not by monkeypatch, which would put it back after the table is as it was
        monkeypatch.setattr(table, "_looked", True)
    capsys.readouterr()

    def refused(*words: str) -> str:
        assert main([*words, "--home", str(home)]) != 0
        return " ".join(capsys.readouterr().err.split())

    gone = "If a package adds it, install that into the Python that runs hitl."
    for command in (["play", "--headless", "--pad", "none"], ["eval"]):
        said = refused(*command)
        assert "sledge was driven here last, and there is no game of that name now: if a package adds it, install" in said
        assert "--env sledge" not in said
        assert gone in refused(*command, "--env", "sledge")
    assert main(["--home", str(home)]) == 0
    assert "--env" not in capsys.readouterr().out
    assert f'not "one-layer". {gone}' in refused("train", "--quiet")
