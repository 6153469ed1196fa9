"""What a command replaces is an earlier file of its own kind, and nothing else."""

import os
import stat
from pathlib import Path

import pytest

from data.errors import HitlError, InputFileError, UsageError
from data.files import held
from data.files.replacing import check_target, refuse_present

DO = "name another file with --output"


def ours(head: bytes) -> bool:
    return head.startswith(b"ours")


def test_an_earlier_file_of_the_same_kind_is_replaced_and_a_new_one_is_made(tmp_path):
    (tmp_path / "earlier").write_bytes(b"ours, from yesterday")
    (tmp_path / "empty").touch()
    assert check_target(tmp_path / "earlier", ours, "page", DO)
    assert not check_target(tmp_path / "empty", ours, "page", DO)
    assert not check_target(tmp_path / "new", ours, "page", DO)


@pytest.mark.parametrize("name", ["store.sqlite", "settings.toml", "mine", "folder", "", "-", "no/folder", "a" * 300])
def test_anything_else_is_refused_with_what_to_type(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for file in ("store.sqlite", "settings.toml", "mine"):
        (tmp_path / file).write_bytes(b"theirs")
    with pytest.raises(HitlError, match=DO):
        check_target(type(tmp_path)(name), ours, "page", DO)
    assert (tmp_path / "mine").read_bytes() == b"theirs"


@pytest.mark.parametrize("name", ["settings.toml", "Trainer.log", "store.sqlite-wal", "keys"])
def test_a_name_that_a_home_keeps_for_itself_is_not_taken(tmp_path, name):
    assert not check_target(tmp_path / name, ours, "page", DO)  # this is no home
    with pytest.raises(UsageError, match="keeps for itself"):
        check_target(tmp_path / name, ours, "page", DO, home=tmp_path)
    (tmp_path / "store.sqlite").touch()
    for refuse in (lambda: check_target(tmp_path / name, ours, "page", DO), lambda: refuse_present(tmp_path / name)):
        with pytest.raises(UsageError, match="keeps for itself"):
            refuse()


@pytest.mark.skipif(os.name == "nt", reason="devices of Linux")
def test_a_device_is_no_file_and_stays_one(tmp_path):
    for device in (os.devnull, "/dev/full"):
        with pytest.raises(UsageError, match="is no file"):
            check_target(type(tmp_path)(device), ours, "page", DO)
        assert stat.S_ISCHR(os.stat(device).st_mode)
    assert not check_target(type(tmp_path)(os.devnull), ours, "page", DO, streams=True)
    with pytest.raises(UsageError, match="is no file"):
        check_target(type(tmp_path)("/dev/full"), ours, "page", DO, streams=True)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no file"):
        check_target(tmp_path / "pipe", ours, "page", DO)
    assert not check_target(tmp_path / "pipe", ours, "page", DO, streams=True)


def test_a_folder_that_is_not_there_is_told_before_anything_is_made(tmp_path):
    with pytest.raises(InputFileError, match="its folder does not exist"):
        check_target(tmp_path / "none" / "page", ours, "page", DO)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "-"])
@pytest.mark.parametrize("streams", [False, True])
def test_where_sentences_are_printed_is_no_file_even_where_it_looks_like_one(name, streams):
    with pytest.raises(UsageError, match="not written to standard output"):
        check_target(Path(name), ours, "page", DO, streams=streams)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path):
    target, link = tmp_path / "page-7", tmp_path / "newest"
    target.write_bytes(b"ours, from yesterday")
    link.symlink_to(target.name)
    assert check_target(link, ours, "page", DO)
    held.write_whole(link, "ours, new")
    assert link.is_symlink()
    assert target.read_text() == "ours, new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["newest", "page-7"]
