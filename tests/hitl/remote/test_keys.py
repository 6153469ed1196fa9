"""Keys that are missing or cannot be used are told of before anything begins, with what helps on that very machine."""

import datetime
import os
import shutil
import stat
import sys

import pytest

from data.errors import InputFileError, UsageError
from data.files.paths import as_typed
from hitl import cli
from hitl.remote import keys as of_keys
from hitl.remote.keys import make_keys
from hitl.remote.link import access

pytest.importorskip("cryptography")


@pytest.fixture
def keys(tmp_path):
    make_keys(tmp_path / "keys")
    return tmp_path / "keys"


def of_a_worker(keys, **more):
    return access("10.77.0.1", 1234, keys, **more)


def of_the_server(keys, **more):
    return access("10.77.0.1", 1234, keys, key=True, **more)


def test_keys_that_were_made_serve_both_sides(keys):
    assert of_the_server(keys).keys == keys
    (keys / "key.pem").unlink()
    assert of_a_worker(keys).keys == keys


@pytest.mark.parametrize("content", [b"hello", b"\xff\x00\xfe binary", b"-----BEGIN CERTIFICATE-----\nhello\n", b""])
def test_what_is_no_certificate_or_no_key_is_said_to_be_so(keys, content):
    for name, what in (("key.pem", "no private key"), ("certificate.pem", "no certificate")):
        (keys / name).write_bytes(content)
        with pytest.raises(InputFileError, match=what):
            of_the_server(keys)
    with pytest.raises(InputFileError, match=r"no certificate.*copy certificate\.pem from the server's folder of keys"):
        of_a_worker(keys)


def test_a_key_that_was_copied_as_the_certificate(keys):
    shutil.copy(keys / "key.pem", keys / "certificate.pem")
    with pytest.raises(InputFileError, match="is no certificate"):
        of_a_worker(keys)


def test_the_key_of_another_pair(keys, tmp_path):
    make_keys(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "key.pem", keys / "key.pem")
    with pytest.raises(InputFileError, match=r"do not belong together.*`hitl keys`"):
        of_the_server(keys)


@pytest.mark.parametrize(("years", "what"), [(11, "has expired on"), (-1, "is valid only from")])
def test_a_certificate_of_another_time(keys, monkeypatch, years, what):
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime(2026, 1, 1, tzinfo=tz) + datetime.timedelta(days=366 * years)

    monkeypatch.setattr(datetime, "datetime", Clock)
    for asked in (of_a_worker, of_the_server):
        with pytest.raises(InputFileError, match=what):
            asked(keys)


def test_a_machine_without_keys_is_told_to_copy_them_and_the_server_to_make_them(tmp_path, capsys):
    home = tmp_path / "w1"
    for command in ("worker", "train"):
        more = ["--send-only"] if command == "worker" else ["--from-server"]
        assert cli.main([command, "--home", str(home), "--server", "10.77.0.1", *more]) == 2
        said = capsys.readouterr().err
        assert "copy certificate.pem and password.txt from the server's folder of keys into" in said
        assert "hitl keys" not in said, "typed here, it would make others than the server's"
    assert cli.main(["server", "--home", str(home), "--server", "10.77.0.1"]) == 2
    assert f"`hitl keys --home {home}`" in capsys.readouterr().err
    assert cli.main(["keys", "--home", str(home)]) == 0


def test_a_password_that_is_missing_or_short(keys, monkeypatch):
    monkeypatch.delenv("HITL_PASSWORD", raising=False)
    (keys / "password.txt").unlink()
    with pytest.raises(UsageError, match=r"no password.*copy password\.txt from the server's folder"):
        of_a_worker(keys)
    with pytest.raises(UsageError, match=r"write one of 12 characters or more into .*password\.txt"):
        of_the_server(keys)
    (keys / "password.txt").write_text("short")
    with pytest.raises(UsageError, match="write a longer one into"):
        of_the_server(keys)
    monkeypatch.setenv("HITL_PASSWORD", "short too")
    with pytest.raises(UsageError, match="set HITL_PASSWORD to"):
        of_a_worker(keys)


def test_a_folder_that_is_not_there(tmp_path, capsys):
    for command in (["worker", "--send-only"], ["server"], ["train", "--from-server"]):
        words = [*command, "--home", str(tmp_path / "h"), "--server", "10.77.0.1", "--keys", str(tmp_path / "nope")]
        assert cli.main(words) == 2
        said = capsys.readouterr().err
        assert f"There is no folder '{tmp_path / 'nope'}', which --keys names" in said
        assert ("hitl keys --out" in said) is (command == ["server"])
    assert access("127.0.0.1", 1234, tmp_path / "nope").keys is None, "in a home, on this machine, none are needed"


def test_copies_are_not_made_anew(keys):
    (keys / "key.pem").unlink()
    with pytest.raises(UsageError, match="copies of another machine's"):
        make_keys(keys)
    assert of_keys.NAMES == ("key.pem", "certificate.pem", "password.txt")


@pytest.mark.skipif(sys.platform == "win32", reason="a device of Linux")
def test_keys_go_into_no_file_and_a_server_is_not_told_to_make_them_there(tmp_path, capsys):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below", "/dev/null"):
        assert cli.main(["keys", "--out", str(out)]) == 3
        assert "(there is a file of that name): name another folder with `hitl keys --out DIR`" in capsys.readouterr().err
    assert cli.main(["server", "--keys", "/dev/null"]) == 2
    err = capsys.readouterr().err
    assert "is no folder" in err
    assert "hitl keys" not in err


def test_of_keys_that_a_full_disk_took_half_of_nothing_is_left(tmp_path, monkeypatch, capsys):
    def full(fd, mode):
        if len(list(tmp_path.glob("keys/*"))) == 2:
            os.close(fd)
            raise OSError(28, "No space left on device")
        return real(fd, mode)

    real = os.fdopen
    monkeypatch.setattr(os, "fdopen", full)
    assert cli.main(["keys", "--home", str(tmp_path)]) == 3
    assert "No space left on device" in capsys.readouterr().err
    assert list(tmp_path.glob("keys/*")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files")
def test_a_folder_that_was_there_keeps_its_mode_and_the_keys_are_private(tmp_path, capsys):
    for mode, told in ((0o775, True), (0o755, False)):
        folder = tmp_path / f"shared {mode:o}"
        folder.mkdir()
        folder.chmod(mode)
        assert cli.main(["keys", "--out", str(folder)]) == 0
        assert stat.S_IMODE(folder.stat().st_mode) == mode
        assert {stat.S_IMODE((folder / name).stat().st_mode) for name in of_keys.NAMES} == {0o600}
        assert (f"`chmod go-w {as_typed(folder)}`" in capsys.readouterr().out) is told
    assert cli.main(["keys", "--out", str(tmp_path / "new")]) == 0
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert "chmod" not in capsys.readouterr().out
