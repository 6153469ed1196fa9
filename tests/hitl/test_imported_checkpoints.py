"""Another home's takeovers are imported: what its agent was is no part of the run, the list and the figures of this home."""

import json
import shutil
from pathlib import Path

import pytest

from data.store import Store
from hitl.cli import main
from hitl.screens.stored.report import stored_report
from tests.support.daemon_runs import SMALL, drive, train


def trained(root: Path, hidden: int = 16) -> Path:
    """A home whose agent has driven with takeovers, was evaluated, and passed its corner each time."""
    root.mkdir()
    drive(root / "store.sqlite", 30, 2)
    train(root, None, SMALL.with_values(hidden=hidden))
    with Store(root / "store.sqlite") as store:
        store.upsert_corner("default", "hairpin", 10.0, 20.0, "track")
        newest = store.latest_checkpoint()
    assert newest is not None
    drive(root / "store.sqlite", 31, 2, checkpoint_id=newest.id)
    drive(root / "store.sqlite", 30, 4, takeover=False, purpose="evaluation", checkpoint_id=newest.id, progress=30.0)
    with Store(root / "store.sqlite") as store:
        of_episode = "(SELECT checkpoint_id FROM episodes WHERE id = episode_id)"
        store.conn.execute(f"UPDATE steps SET checkpoint_id = {of_episode}")
    return root


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("theirs") / "home", hidden=24)


def bring(theirs: Path, home: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Import what was driven there, as it goes out in a format; ``earlier``: as earlier versions left the rows."""
    out = {"store": "all.sqlite", "minari": "set", "whole": "", "earlier": "all.sqlite"}[how]
    file = home.parent / out if out else theirs / "store.sqlite"
    if out:
        assert main(["export", "minari" if how == "minari" else "store", str(file), "--home", str(theirs)]) == 0
    assert main(["import", str(file), "--home", str(home)]) == 0
    if how == "earlier":
        with Store(home / "store.sqlite") as store:
            store.conn.execute("UPDATE checkpoints SET kind = 'train'")
    capsys.readouterr()


@pytest.mark.parametrize("how", ["store", "minari", "whole", "earlier"])
def test_a_new_home_begins_a_run_of_its_own(theirs: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "new"
    named = ["--home", str(home)]
    bring(theirs, home, how, capsys)
    assert main(["checkpoints", *named]) == 0
    assert "has no checkpoint yet" in capsys.readouterr().out
    assert main(["eval", *named]) == 5
    assert "has no checkpoint yet" in capsys.readouterr().err
    assert main(["config", "show", "--json", *named]) == 0
    assert json.loads(capsys.readouterr().out)["train"]["hidden"] != {"value": 24, "from": "this run"}
    assert main(["train", "status", *named]) == 1
    assert "passes" not in capsys.readouterr().out
    began = train(home, None)
    assert began.training.learner.updates > 0
    assert began.training.config.hidden == 16
    assert len(began.training.replay.demos.segments) >= 2, "their takeovers are learned from"


@pytest.mark.parametrize("how", ["store", "minari", "earlier"])
def test_a_run_that_is_there_stays_the_homes(theirs: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    home = trained(tmp_path / "own")
    named = ["--home", str(home)]
    with Store(home / "store.sqlite") as store:
        own = store.latest_checkpoint()
    assert own is not None
    bring(theirs, home, how, capsys)
    assert main(["checkpoints", "--json", *named]) == 0
    newest = json.loads(capsys.readouterr().out)["checkpoints"][0]
    assert (newest["name"], newest["latest"], newest["episodes"]) == (Path(own.name).stem, True, 4)
    assert main(["config", "show", "--json", *named]) == 0
    assert json.loads(capsys.readouterr().out)["train"]["hidden"] == {"value": 16, "from": "this run"}
    assert main(["export", "agent", str(tmp_path / "x.pt"), *named]) == 0
    assert own.name in capsys.readouterr().out
    with Store(home / "store.sqlite") as store:
        assert {e.checkpoint_id for e in store.evaluations()} == {own.id}
        assert [point.episodes for point in stored_report(store).evaluations] == [4]
    went_on = train(home, None)
    assert went_on.training.watch.seen == {own.id}
    assert went_on.training.config.hidden == 16


def test_weights_that_are_put_beside_the_import_go_on(theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "new"
    bring(theirs, home, "whole", capsys)
    shutil.copytree(theirs / "checkpoints", home / "checkpoints", dirs_exist_ok=True)
    went_on = train(home, None, SMALL.with_values(hidden=24))
    assert went_on.training.config.hidden == 24
    assert went_on.training.learner.updates > 0
    assert went_on.training.watch.seen, "its evaluations are this home's now"
