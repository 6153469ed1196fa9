"""The player's own files, as Notepad and PowerShell save them: settings, tmrl's config.json, the password of several machines."""

import json

import pytest

from data.errors import InputFileError
from hitl.games.tmrl.importing import find_data
from hitl.home import Home
from hitl.remote.keys import make_keys
from hitl.remote.link import access
from hitl.settings import load, save_pads

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1250"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_settings_mean_the_same_in_every_encoding(tmp_path, encoding):
    text = '[takeover]\r\nmode = "toggle"\r\n[tmrl]\r\nfolder = "C:\\Users\\Żak\\new"\r\n'
    (tmp_path / "settings.toml").write_bytes(text.encode(encoding))
    (tmp_path / "pads.toml").write_bytes('[use]\nname = "Żółty"\n'.encode(encoding))
    settings = load(Home(tmp_path))
    assert (settings.takeover.mode, settings.tmrl.folder, settings.pad.name) == ("toggle", "C:\\Users\\Żak\\new", "Żółty")


def test_wrong_settings_name_the_line_and_pads_that_cannot_be_read_are_not_written_over(tmp_path):
    (tmp_path / "settings.toml").write_text("[takeover]\nramp_s = 0,3\n")
    with pytest.raises(InputFileError, match=r"settings\.toml cannot be read \(line 2"):
        load(Home(tmp_path))
    pads = tmp_path / "pads.toml"
    pads.write_text("[devices.mine]\nsteer = oops\n")
    with pytest.raises(InputFileError, match=r"pads\.toml cannot be read \(line 2"):
        save_pads(Home(tmp_path), device="other", table={})
    assert pads.read_text() == "[devices.mine]\nsteer = oops\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_config_that_tmrl_itself_cannot_read_is_said_to_be_so(tmp_path, encoding):
    config = tmp_path / "TmrlData" / "config" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_bytes(json.dumps({"__VERSION__": "0.6.0"}).encode(encoding))
    with pytest.raises(InputFileError, match=r"tmrl reads its config\.json itself"):
        find_data(tmp_path)
    config.write_text("{oops}")
    with pytest.raises(InputFileError, match="line 1, column 2"):
        find_data(tmp_path)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_mark_or_a_line_end_is_no_part_of_a_password(tmp_path, monkeypatch, encoding):
    monkeypatch.delenv("HITL_PASSWORD", raising=False)
    make_keys(tmp_path)
    (tmp_path / "password.txt").write_bytes("a-long-enough-password\r\n".encode(encoding))
    assert access("192.168.1.5", 55555, tmp_path).password == "a-long-enough-password"
    monkeypatch.setenv("HITL_PASSWORD", b"\xef\xbb\xbfanother-long-password\r".decode("cp1250"))
    assert access("192.168.1.5", 55555, tmp_path).password == "another-long-password"


def test_a_password_of_unknown_letters_is_not_guessed_at(tmp_path, monkeypatch):
    monkeypatch.delenv("HITL_PASSWORD", raising=False)
    monkeypatch.setattr("locale.getencoding", lambda: "UTF-8")
    (tmp_path / "password.txt").write_bytes("zażółć-gęślą-jaźń".encode("cp1250"))
    with pytest.raises(InputFileError, match=r"password\.txt.* line 1"):
        access("127.0.0.1", 55555, tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_certificate_that_powershell_saved_anew_is_refused_in_a_sentence(tmp_path, encoding):
    (tmp_path / "certificate.pem").write_bytes("-----BEGIN CERTIFICATE-----\n".encode(encoding))
    with pytest.raises(InputFileError, match=r"certificate\.pem was saved again"):
        access("192.168.1.5", 55555, tmp_path)
