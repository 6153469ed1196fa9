"""Whatever file a command is told to write, it replaces nothing but an earlier file of its own kind."""

import shutil
from pathlib import Path

import pytest

from data.errors import HitlError, StoreError
from data.store import Store
from hitl.cli import main
from hitl.demo.shipped import check_ship, open_shipped, ship
from hitl.home import Home

WRITERS = (
    ("report", "--output"), ("demo", "--headless", "--report"), ("demo", "--headless", "--json"), ("line", "record", "--out"),
    ("keys", "--out"), ("stall", "--ship"), ("doctor", "--yes", "--record"),
    *(("export", "--episodes", form) for form in ("parquet", "minari", "store", "player-run", "lerobot")),
)  # fmt: skip
"""Every command that writes to a file or folder of the player's choice, but for those that want a certain ending."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("made"))
    open_shipped(home)
    (home.root / "settings.toml").write_text("# mine\n")
    (home.root / "trainer.log").write_text("trained\n")
    (home.root / "mine.gif").write_bytes(b"GIF89a of mine")
    (home.root / "mine.pt").write_bytes(b"mine")
    (home.root / "mine.csv").write_text("a,b\n1,2\n")
    return home.root


@pytest.fixture
def home(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "home"))


def held_by(home):
    return {p.relative_to(home): p.read_bytes() for p in home.rglob("*") if p.is_file() and not p.name.endswith(("-shm", "-wal"))}


def refused(capsys, *words):
    try:
        status = main([str(word) for word in words])
    except SystemExit as stopped:  # by the parser
        status = int(str(stopped.code))
    err = capsys.readouterr().err
    assert status in (2, 3), (words, err)
    assert "name" in err or "must end in" in err or "empty folder" in err, err
    return err


@pytest.mark.parametrize("words", WRITERS, ids=" ".join)
def test_no_command_replaces_anything_of_a_home_or_of_the_players(home, words, capsys):
    before = held_by(home)
    weights = next((home / "checkpoints").iterdir())
    for target in (home / "store.sqlite", home / "settings.toml", home / "trainer.log", home / "mine.csv", weights):
        new = ["--home", home.parent / "new"] if words[0] in ("stall", "demo") else ["--home", home]
        refused(capsys, words[0], *words[1:-1], *new, *(words[-1:]), target)
        assert held_by(home) == before


@pytest.mark.parametrize("name", ["mine.gif", "mine.pt"])
def test_an_export_with_an_ending_makes_a_new_file(home, name, capsys):
    before = held_by(home)
    what = "clip" if name.endswith("gif") else "agent"
    assert "is there already: name a new one" in refused(capsys, "export", what, "--home", home, home / name)
    assert held_by(home) == before


def test_a_report_replaces_the_earlier_one_and_nothing_else(home, capsys):
    for said in ("", "it replaces the earlier one"):
        assert main(["report", "--home", str(home)]) == 0
        assert said in capsys.readouterr().out
    (home / "report.html").write_text("<!doctype html>\n<title>My own page</title>")
    assert "is no report of hitl" in refused(capsys, "report", "--home", home)
    assert "My own page" in (home / "report.html").read_text()


def test_an_agent_is_shipped_over_an_earlier_one_and_over_no_home(home, tmp_path):
    there = Home(home)
    for _ in range(2):
        ship(there, tmp_path / "shipped")
    (tmp_path / "file").touch()
    for folder in (home, tmp_path / "file", Path("/dev/null"), Path("-")):
        with pytest.raises(HitlError, match="name another folder with --ship"):
            check_ship(Home(tmp_path / "other"), folder)
    with pytest.raises(HitlError, match="home that the agent is trained in"):
        check_ship(there, home)
    with Store(home / "store.sqlite") as store:
        assert store.latest_checkpoint() is not None


def test_what_a_full_disk_took_half_of_the_shipped_agent_is_gone(tmp_path, monkeypatch):
    def half(source, target):
        Path(target).write_bytes(b"")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", half)
    with pytest.raises(StoreError, match=r"No space left on device.: make room on that disk"):
        open_shipped(Home(tmp_path / "home"))
    assert [p for p in (tmp_path / "home").rglob("*") if p.is_file()] == []
