"""Homes and stores wherever people put them: every letter in a path, ``~``, no HOME, shares of other machines."""

import os
import sys
from pathlib import Path

import pytest

from data.connect import open_store
from data.errors import HitlError, StoreError, UsageError
from data.files import paths
from data.files.paths import refuse_share, sqlite_uri, user_path
from data.store import Store
from hitl.cli import main
from hitl.home import Home, default_home

NAMES = ["plain", "Żółć gęślą jaźń", "100% speed", "a%20b", "C# bot", "what?", "it's", "a&b=c", "[x] {y}", "~", "file:x", "a;b"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no such names on Windows")


@POSIX
@pytest.mark.parametrize("name", NAMES)
def test_a_store_lies_where_its_path_says_and_nowhere_else(tmp_path, name):
    path = tmp_path / name / "store.sqlite"
    path.parent.mkdir()
    for _ in range(2):
        with Store(path) as store:
            assert store.conn.execute("PRAGMA database_list").fetchone()[2] == str(path)
    open_store(path, read_only=True).close()  # which may leave an empty log
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert {p.name for p in path.parent.iterdir()} <= {"store.sqlite", "store.sqlite-wal", "store.sqlite-shm"}


@POSIX
@pytest.mark.parametrize("name", NAMES)
def test_browse_serves_the_store_that_was_asked_for_and_makes_no_file(tmp_path, name):
    pytest.importorskip("datasette")
    import asyncio

    import httpx

    from data.reading.browse import application

    for each in (name, name.split("#")[0].split("?")[0].replace("%20", " ") or "other"):  # the other one is never shown
        (tmp_path / each).mkdir(exist_ok=True)
    path = tmp_path / name / "store.sqlite"
    with Store(path) as store:
        store.add_event("mine", "this one")
    app = application(path)
    path_gone = tmp_path / "gone?x" / "store.sqlite"
    path_gone.parent.mkdir()
    gone = application(path_gone)

    async def get(served, address):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=served), base_url="http://here") as client:
            return await client.get(address)

    answer = asyncio.run(get(app, "/store/events.json?_shape=array"))
    assert [row["message"] for row in answer.json()] == ["this one"]
    assert asyncio.run(get(gone, "/store/events.json")).status_code != 200
    assert list(path_gone.parent.iterdir()) == []
    assert {p.name.removesuffix("-wal").removesuffix("-shm") for p in path.parent.iterdir()} == {"store.sqlite"}


def test_the_mark_of_a_long_path_is_no_share(monkeypatch):
    monkeypatch.setattr(os.path, "abspath", lambda path: str(path))
    assert paths._drive_share("\\\\?\\C:\\a\\store.sqlite") == ""
    for share in ("\\\\nas\\rl\\store.sqlite", "\\\\?\\UNC\\nas\\rl\\store.sqlite", "\\\\wsl.localhost\\Ubuntu\\x"):
        assert paths._drive_share(share) == "a network share"
    assert "?mode=ro" in sqlite_uri("/a b/c", "mode=ro")


@pytest.fixture
def shares(tmp_path, monkeypatch):
    """Three folders: on a disk, on an NFS share, and on a disk again that is mounted within the share."""
    if not sys.platform.startswith("linux"):
        pytest.skip("mounts are read on Linux")
    root = tmp_path.resolve()
    for name in ("disk", "my share", "my share/inner"):
        (root / name).mkdir()
    share = str(root / "my share").replace(" ", "\\040")
    rows = ["/dev/vda / ext4 rw 0 0", f"nas:/rl {share} nfs4 rw 0 0", f"/dev/sdb {share}/inner ext4 rw 0 0"]
    mounts = tmp_path / "mounts"
    mounts.write_text("\n".join(rows) + "\n")
    monkeypatch.setattr(paths, "_MOUNTS", mounts)
    return root


def test_a_folder_on_a_share_is_told_by_what_is_mounted_there(shares):
    for good in ("disk/store.sqlite", "my share/inner/new/store.sqlite", "my share beside/store.sqlite"):
        refuse_share(shares / good)
    (shares / "link").symlink_to(shares / "my share")
    for bad in ("my share/store.sqlite", "my share/not/yet/there/store.sqlite", "link/store.sqlite"):
        with pytest.raises(StoreError, match=r"network share \(nfs4\).*--home"):
            refuse_share(shares / bad)
    with pytest.raises(StoreError, match="network share"):
        Store(shares / "my share" / "store.sqlite")


def test_a_link_to_a_share_is_followed_whether_or_not_anything_is_there(shares):
    there = shares / "my share" / "there.sqlite"
    there.touch()
    (shares / "disk" / "there.sqlite").symlink_to(there)
    (shares / "disk" / "gone.sqlite").symlink_to(shares / "my share" / "gone.sqlite")
    for name in ("there.sqlite", "gone.sqlite"):
        with pytest.raises(StoreError, match="network share"):
            refuse_share(shares / "disk" / name)
    (shares / "my share" / "back").symlink_to(shares / "disk")
    refuse_share(shares / "my share" / "back" / "new.sqlite")
    (shares / "disk" / "round").symlink_to(shares / "disk" / "round")
    refuse_share(shares / "disk" / "round" / "store.sqlite")


def test_a_machine_whose_root_is_on_the_network_has_no_other_disk(tmp_path, monkeypatch):
    (tmp_path / "mounts").write_text("nas:/ / nfs rw 0 0\n")
    monkeypatch.setattr(paths, "_MOUNTS", tmp_path / "mounts")
    refuse_share(tmp_path / "store.sqlite")


COMMANDS = [
    "play --headless --pad none --episodes 1", "train --quiet", "train status", "train stop", "segments",
    "label 1 --verdict good", "import .", "export minari out", "browse", "store info", "store check", "corners",
    "pads --pad keyboard --once", "review", "report", "diagnose", "doctor", "eval --episodes 1", "keys", "worker", "server",
    "demo --headless",
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_refuses_a_share_in_a_sentence(shares, words, capsys, monkeypatch):
    monkeypatch.chdir(shares / "disk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HITL_HOME", str(shares / "my share"))
        try:
            status = main([*words.split(), "--home", str(shares / "my share" / "home")])
        except SystemExit as ended:  # a command without a home
            assert "--home" in capsys.readouterr().err
            status = main(words.split()) if ended.code == 2 else 0
    assert status == 4
    assert "network share" in capsys.readouterr().err
    assert not (shares / "my share" / "home").exists()


def test_the_user_s_folder_is_put_in_for_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME" if os.name == "posix" else "USERPROFILE", str(tmp_path))
    assert user_path("~/rl") == tmp_path / "rl"
    monkeypatch.setenv("HITL_HOME", '"~/a b"')
    assert default_home() == tmp_path / "a b"
    monkeypatch.setenv("HITL_HOME", "")
    assert default_home() == tmp_path / ".hitl"
    monkeypatch.chdir(tmp_path)
    assert main(["line", "show", "~/none.csv"]) == 3
    assert main(["export", "store", "~/out/x.sqlite", "--home=~/none"]) == 4
    assert not (tmp_path / "~").exists()


def test_without_a_home_folder_of_the_user_one_must_be_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what Python answers when the system knows none
    monkeypatch.delenv("HITL_HOME", raising=False)
    with pytest.raises(UsageError, match="--home DIR"):
        default_home()
    assert main(["segments"]) == 2
    assert "--home DIR" in capsys.readouterr().err
    assert main(["segments", "--home", str(tmp_path)]) == 4


def test_a_home_that_cannot_be_made_is_said_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "inner", tmp_path / ("x" * 300)):
        with pytest.raises(HitlError, match=r"cannot be made.*--home"):
            Home(root).create()


def test_a_home_is_known_from_the_root_on(tmp_path, monkeypatch):
    import argparse

    from hitl.home import home_path

    monkeypatch.chdir(tmp_path)
    assert home_path(argparse.Namespace(home="run")).root == tmp_path / "run"


def test_a_store_whose_folder_is_not_there_is_told_so_by_the_name_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with pytest.raises(StoreError) as told:
        Store("~/.hitl/store.sqlite")
    folder = Path("~/.hitl")
    assert f"The folder '{folder}' is not there" in str(told.value)
    assert f"`hitl play --home {folder}`" in str(told.value)
    with pytest.raises(StoreError, match="make the folder first"):
        Store(tmp_path / "none" / "laps.db")
    (tmp_path / "file").touch()
    for path in ("file/store.sqlite", "file/in/store.sqlite"):
        with pytest.raises(StoreError, match="is no folder"):
            Store(tmp_path / path)


def test_what_is_said_of_a_store_holds_for_scripts_too(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_text("no database")
    for path, create in ((tmp_path / "store.sqlite", True), (tmp_path / "none.sqlite", False)):
        with pytest.raises(StoreError, match=r"another file or home \(on the command line: --home DIR\)"):
            Store(path, create=create)
