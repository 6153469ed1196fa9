"""What docs/extending.md says: its files are written as they stand there, its lines are run, and each addition is used."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.exchange.exporters import EXPORTERS
from data.store import Store
from hitl.cli import main
from hitl.games.registry import GAMES
from hitl.pads import PADS
from trainer.daemon import control
from trainer.daemon.heartbeat import read_heartbeat
from trainer.diagnosis.catalogue import FAULTS
from trainer.diagnosis.run import FAMILIES
from trainer.networks.registry import NETWORKS

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
BLOCKS = re.findall(r"^```python ?(\S*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
TABLES = (GAMES, PADS, NETWORKS, FAMILIES, EXPORTERS, FAULTS)


@pytest.fixture(scope="module")
def additions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write the page's files, run its lines, and give the home folder that all tests share."""
    folder = tmp_path_factory.mktemp("extending")
    before = [dict(table) for table in TABLES]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        for name, code in BLOCKS:
            if name:
                (folder / name).write_text(code, encoding="utf-8")
            else:
                exec(compile(code, str(PAGE), "exec"), {})
        yield folder / "home"
    for table, old in zip(TABLES, before, strict=True):
        table.clear()
        table.update(old)  # type: ignore[arg-type]
    for name, _ in BLOCKS:
        sys.modules.pop(name.removesuffix(".py"), None)


def test_each_addition_is_one_file_and_one_line() -> None:
    files, lines = BLOCKS[::2], BLOCKS[1::2]
    assert len(files) == len(lines) == 5
    assert all(name.endswith(".py") for name, _ in files)
    for name, code in lines:
        imported, line = code.strip().split("\n\n")
        assert not name
        assert imported.startswith("from ")
        assert "\n" not in line


def driven(home: Path) -> tuple[str, str, int, int]:
    """Return the game and the driver of the newest session, its steps, and those in which the wheel was taken."""
    with Store(home / "store.sqlite", read_only=True) as store:
        id_, env, driver = store.conn.execute("SELECT id, env, driver FROM sessions ORDER BY id DESC LIMIT 1").fetchone()
        steps, helped = store.conn.execute(
            "SELECT count(*), total(s.driver = 1) FROM steps s JOIN episodes e ON e.id = s.episode_id WHERE e.session_id = ?",
            (id_,),
        ).fetchone()
        assert bool(helped) == bool(store.segments(session=id_, kind="takeover"))
    return env, driver, steps, helped


def test_a_game_is_driven(additions: Path) -> None:
    assert main(["play", "--home", str(additions), "--env", "sled", "--headless", "--pad", "none", "--episodes", "3"]) == 0
    env, driver, steps, helped = driven(additions)
    assert (env, driver, helped) == ("sled", "", 0)
    assert steps > 100


@pytest.mark.realtime
def test_a_pad_takes_the_wheel(additions: Path, tmp_path: Path) -> None:
    words = ["--env", "sled", "--headless", "--gating", "hold", "--pad", "metronome", "--episodes", "2"]
    assert main(["play", "--home", str(tmp_path), *words]) == 0
    env, driver, _, helped = driven(tmp_path)
    assert (env, driver) == ("sled", "metronome")
    assert helped >= 10  # half a second at the wheel, at the least


def test_a_network_trains_saves_and_drives(additions: Path) -> None:
    small = ["batch_size=32", "warmup_steps=20", "checkpoint_seconds=0.2", "network=linear"]
    stopper = threading.Thread(target=_stop_when_trained, args=(additions, 40))
    stopper.start()
    try:
        assert main(["train", "--home", str(additions), "--quiet", *(f"--set={s}" for s in small)]) == 0
    finally:
        stopper.join()
    assert (
        main(["play", "--home", str(additions), "--env", "sled", "--headless", "--pad", "none", "--episodes", "1"]) == 0
    )
    with Store(additions / "store.sqlite", read_only=True) as store:
        newest = store.latest_checkpoint()
        assert newest is not None
        assert newest.config["network"] == "linear"
        assert newest.updates >= 40
        (drove,) = store.conn.execute("SELECT checkpoint_id FROM steps ORDER BY id DESC LIMIT 1").fetchone()
        assert drove == newest.id


def _stop_when_trained(home: Path, updates: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        beat = read_heartbeat(home)
        if beat is not None and beat.updates >= updates:
            break
        time.sleep(0.05)
    control.ask(home, control.STOP)


def test_a_check_appears_in_the_diagnosis(additions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "--home", str(additions), "--json"]) == 1
    found = {f["fault"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert "km/h" in found["never-fast"]["evidence"][0]
    main(["diagnose", "--home", str(additions)])
    assert "the car never drives fast" in " ".join(capsys.readouterr().out.split())


def test_an_exporter_writes(additions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = additions.parent / "rewards.csv"
    assert main(["export", "--home", str(additions), "--episodes", "rewards", str(out)]) == 0
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "track,reward"
    with Store(additions / "store.sqlite", read_only=True) as store:
        assert len(lines) - 1 == store.conn.execute("SELECT count(*) FROM steps").fetchone()[0]
    assert f"with {len(lines) - 1} steps" in capsys.readouterr().out
