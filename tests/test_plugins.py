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
from hitl import Store, SymmetricReplay, Takeover, evaluate, open_env
from hitl.cli import main
from hitl.games.registry import GAMES
from tests.test_extending import BLOCKS
from trainer.networks.registry import NETWORKS

CODE = {name: code for name, code in BLOCKS if name in ("sled.py", "linear.py", "rewards.py")}
"""The game, the network and the exporter of docs/extending.md."""
METADATA = "Metadata-Version: 2.1\nName: sled-kit\nVersion: 1.0\n"
POINTS = """
[hitl.games]
sledge = sled_kit.sled:open_sled
broken = sled_kit.nowhere:open

[hitl.networks]
one-layer = sled_kit.linear:build

[hitl.exporters]
rewards-csv = sled_kit.rewards:write
"""


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
    assert len(ours) == 2
    assert list(ours) == ["sledge", "broken"]
