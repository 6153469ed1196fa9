"""Finding SuperTuxKart's data, and getting them from a server that stands for the makers'."""

import hashlib
import io
import json
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from data.errors import DeviceError, InputFileError
from hitl import cli
from hitl.games.supertuxkart import data_folder, fetch, game
from hitl.games.supertuxkart.data_folder import Found, engine_version, find, usable
from hitl.home import Home


def game_data(root, version="1.5"):
    for folder in ("tracks", "karts", "skins/peach"):
        (root / "data" / folder).mkdir(parents=True)
    for name in ("stk_config.xml", "kart_characteristics.xml", f"supertuxkart.{version}"):
        (root / "data" / name).write_text("")
    return root


@pytest.fixture(autouse=True)
def _a_machine_without_the_game(tmp_path, monkeypatch):
    monkeypatch.setenv("HITL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SUPERTUXKART_DATADIR", raising=False)
    monkeypatch.setattr(data_folder, "_installed", lambda: iter(()))
    monkeypatch.setattr(data_folder, "_package_cache", lambda: tmp_path / "cache")


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").create()


def test_the_data_are_looked_for_in_this_order(tmp_path, home, monkeypatch):
    assert find(home) is None
    installed = game_data(tmp_path / "installed")
    monkeypatch.setattr(data_folder, "_installed", lambda: iter((tmp_path / "none", installed)))
    assert find(home) == Found(installed, "the installed game")
    assert find(home).root == installed
    game_data(tmp_path / "cache" / "1.5")
    assert "pysupertuxkart2" in find(home).where
    game_data(data_folder.fetched_folder(home))
    assert find(home).where == "hitl's own copy"
    monkeypatch.setenv("SUPERTUXKART_DATADIR", str(game_data(tmp_path / "mine")))
    assert find(home).root == tmp_path / "mine"


def test_a_demo_has_a_home_of_its_own_and_finds_what_was_fetched_for_the_player(tmp_path, home, monkeypatch):
    monkeypatch.setenv("HITL_HOME", str(tmp_path / "the player's"))
    assert find(home) is None
    fetched = game_data(data_folder.fetched_folder(Home(tmp_path / "the player's")))
    assert find(home) == Found(fetched, "hitl's own copy")


def test_data_of_another_version_or_incomplete_ones_are_not_taken(tmp_path, home, monkeypatch):
    monkeypatch.setenv("SUPERTUXKART_DATADIR", str(game_data(tmp_path / "old", "1.3")))
    assert find(home) is None
    whole = game_data(tmp_path / "whole")
    (whole / "data" / "stk_config.xml").unlink()
    monkeypatch.setenv("SUPERTUXKART_DATADIR", str(whole))
    assert find(home) is None


def test_a_folder_that_is_named_in_vain_is_told_with_what_it_lacks(tmp_path, home, monkeypatch, capsys):
    monkeypatch.setattr(data_folder, "engine_version", lambda: "1")
    monkeypatch.setattr(fetch, "look_up", lambda: fetch.Download("", 1, ""))
    whole = game_data(tmp_path / "whole")
    (tmp_path / "empty").mkdir()
    part = game_data(tmp_path / "part")
    (part / "data" / "stk_config.xml").unlink()
    for folder, lacks in {
        tmp_path / "none": "names 'none', which is no folder that is there",
        tmp_path / "empty": "names 'empty', which lacks the folder data",
        part: "names 'part', which lacks data/stk_config.xml",
        whole / "data": "names 'data', the folder of the data itself: it must name the one above it",
        game_data(tmp_path / "old", "1.3"): "it is of another version",
    }.items():
        monkeypatch.setenv("SUPERTUXKART_DATADIR", str(folder))
        assert cli.main(["supertuxkart", "--home", str(home.root)]) == 1
        said = capsys.readouterr().out
        assert lacks in said
        assert "so it is passed over" in said
    assert cli.main(["play", "--env", "stk:fortmagma", "--headless", "--home", str(home.root)]) == 6
    if engine_version() is not None:  # else that is what it says first
        assert "SUPERTUXKART_DATADIR names" in capsys.readouterr().err
    monkeypatch.setenv("SUPERTUXKART_DATADIR", str(whole))
    assert data_folder.named_in_vain() == ""


def test_only_the_tracks_that_are_there_are_listed(tmp_path, home, monkeypatch, capsys):
    monkeypatch.setattr(data_folder, "engine_version", lambda: "1")
    root = game_data(tmp_path / "whole")
    (root / "data" / "tracks" / "fortmagma").mkdir()
    monkeypatch.setenv("SUPERTUXKART_DATADIR", str(root))
    for words in (["tracks"], ["supertuxkart"]):
        cli.main([*words, "--home", str(home.root)])
        said = capsys.readouterr().out
        assert "fortmagma" in said
        assert "minigolf" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there, so only data of the engine's version are taken")
def test_the_data_of_the_version_before_are_used_by_links(tmp_path, home, monkeypatch):
    theirs = game_data(tmp_path / "debian", "1.4")
    before = sorted(p.relative_to(theirs) for p in theirs.rglob("*"))
    monkeypatch.setenv("SUPERTUXKART_DATADIR", str(theirs))
    ours = usable(find(home), home) / "data"
    assert ours.is_relative_to(home.root)
    assert (ours / "supertuxkart.1.5").is_file()
    assert (ours / "tracks").resolve() == theirs / "data" / "tracks"
    assert (ours / "skins" / "classic").resolve() == theirs / "data" / "skins" / "peach"
    (ours / "seen").touch()
    assert (usable(find(home), home) / "data" / "seen").exists(), "a session that runs keeps its links"
    assert sorted(p.relative_to(theirs) for p in theirs.rglob("*")) == before
    moved = game_data(tmp_path / "elsewhere", "1.4")
    again = usable(Found(moved, ""), home) / "data"
    assert (again / "tracks").resolve() == moved / "data" / "tracks"


def test_data_of_the_engines_version_are_used_as_they_are(tmp_path, home):
    root = game_data(tmp_path / "new")
    assert usable(Found(root, ""), home) == root
    assert not (home.root / "supertuxkart").exists()


# -- getting them


def archive(*names, top="SuperTuxKart-1.5-src"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = 4
            tar.addfile(info, io.BytesIO(b"data"))
    return packed.getvalue()


WHOLE = archive(
    "data/tracks/fortmagma/quads.xml", "data/karts/tux/kart.xml", "data/stk_config.xml", "data/kart_characteristics.xml",
    "data/supertuxkart.1.5", "src/main.cpp",
)  # fmt: skip


class Makers(ThreadingHTTPServer):
    """Offers one archive. ``breaks_at``: bytes after which the first download breaks off."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.content, self.digest, self.breaks_at, self.asked = WHOLE, hashlib.sha256(WHOLE).hexdigest(), None, []
        self.address = f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        content, status = server.content, 200
        if self.path == "/release":
            file = {"name": fetch.ARCHIVE, "size": len(content), "browser_download_url": f"{server.address}/file"}
            content = json.dumps({"assets": [{"name": "other"}, file | {"digest": f"sha256:{server.digest}"}]}).encode()
        elif begin := self.headers.get("Range"):
            content, status = content[int(begin[6:-1]) :], 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.path == "/file" and server.breaks_at:
            content, server.breaks_at = content[: server.breaks_at], None
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def makers(monkeypatch):
    server = Makers()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(fetch, "RELEASE", f"{server.address}/release")
    yield server
    server.shutdown()
    server.server_close()


def command(home, *words):
    return cli.main(["supertuxkart", "--home", str(home.root), *words])


def test_nothing_is_downloaded_unasked(home, makers, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert command(home) == 1
    said = capsys.readouterr().out
    assert f"{fetch.ARCHIVE}: 0 MB from {fetch.PAGE} (SHA-256 {makers.digest})" in said
    assert "Nothing was downloaded" in said
    assert [path for path, _ in makers.asked] == ["/release"]


def test_the_data_are_downloaded_checked_and_unpacked(home, makers, capsys):
    command(home, "--yes")
    assert "data: hitl's own copy" in capsys.readouterr().out
    root = find(home).root
    assert (root / "data" / "tracks" / "fortmagma" / "quads.xml").read_text() == "data"
    assert not list(root.rglob("main.cpp"))
    assert sorted(p.name for p in root.parent.iterdir()) == ["1.5"], "nothing is left of the archive"


def test_a_download_that_breaks_off_goes_on_from_there(home, makers, capsys):
    makers.breaks_at = 100
    assert command(home, "--yes") == 6
    assert "broke off" in capsys.readouterr().err
    command(home, "--yes")
    assert makers.asked[-1] == ("/file", "bytes=100-")
    assert find(home) is not None


def test_what_is_not_what_was_offered_is_deleted(home, makers, capsys):
    makers.digest = "0" * 64
    assert command(home, "--yes") == 6
    assert "not what SuperTuxKart's makers offer" in capsys.readouterr().err
    assert list((home.root / "supertuxkart").iterdir()) == []


def test_makers_who_cannot_be_reached_leave_a_way_by_hand(home, makers, capsys, tmp_path):
    makers.content, makers.digest = b"", ""
    makers.shutdown()
    makers.server_close()
    assert command(home) == 6
    assert f"`hitl supertuxkart --archive FILE --home {home.root}`" in capsys.readouterr().err
    given = tmp_path / fetch.ARCHIVE
    given.write_bytes(WHOLE)
    command(home, "--archive", str(given))
    assert find(home).where == "hitl's own copy"


@pytest.mark.parametrize(
    ("content", "said"),
    [(archive("src/main.cpp"), "holds no data"), (b"no archive", "is not an archive"), (WHOLE[:200], "is not an archive")],
)
def test_another_archive_is_refused_and_the_data_stay(home, tmp_path, content, said):
    game_data(data_folder.fetched_folder(home))
    given = tmp_path / "given.tar.gz"
    given.write_bytes(content)
    with pytest.raises(InputFileError, match=said):
        fetch.unpack(home, given)
    assert find(home) is not None


def test_an_archive_cannot_write_elsewhere(home, tmp_path):
    given = tmp_path / "given.tar.gz"
    given.write_bytes(archive("data/../../../outside", "data/tracks/x"))
    with pytest.raises(InputFileError):
        fetch.unpack(home, given)
    assert not list(tmp_path.rglob("outside"))


def test_without_room_nothing_is_begun(home, makers, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "UNPACKED", 1e15)
    with pytest.raises(DeviceError, match="no room"):
        fetch.download(home, fetch.look_up(), lambda there: None)


def test_a_demo_on_a_track_that_the_data_lack_ends_before_an_agent_is_trained(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(game, "engine_version", lambda: "0.7.4")
    data = game_data(tmp_path / "mine")
    (data / "data" / "tracks" / "fortmagma").mkdir()
    monkeypatch.setenv("SUPERTUXKART_DATADIR", str(data))
    assert cli.main(["demo", "--env", "stk:hacienda", "--headless", "--home", str(tmp_path / "demo")]) == 6
    said = capsys.readouterr()
    assert "'hacienda' is not in the folder that SUPERTUXKART_DATADIR names: of these tracks it has fortmagma" in said.err
    assert said.out == ""
    assert not (tmp_path / "demo").exists()
