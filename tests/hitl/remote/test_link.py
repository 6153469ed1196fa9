"""What travels between machines, and who may connect."""

import pickle
import socket
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from hitl import cli
from hitl.remote.codec import decode, encode
from hitl.remote.keys import make_keys
from hitl.remote.link import Access, access, free_port
from hitl.remote.relay import _notice_the_gone

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(plain)
def test_what_travels_comes_back(value):
    assert decode(encode(value)) == value


@given(st.binary(max_size=200))
def test_noise_is_refused_or_plain(raw):
    try:
        value = decode(raw)
    except ValueError:
        return
    assert isinstance(value, type(None) | bool | int | float | str | bytes | tuple | dict)


def test_a_pickle_is_no_message():
    with pytest.raises(ValueError, match="not one of ours"):
        decode(pickle.dumps({"kind": "data"}))
    with pytest.raises(TypeError):
        encode({"code": print})


class TestAccess:
    def test_others_are_refused_without_tls_or_with_a_short_password(self, tmp_path):
        with pytest.raises(UsageError, match="Without TLS"):
            Access("192.168.1.5", password="long enough, surely").check()
        with pytest.raises(UsageError, match="shorter than 12 characters"):
            Access("192.168.1.5", password="short", keys=tmp_path).check()
        assert Access("192.168.1.5", password="long enough, surely", keys=tmp_path).check()

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.4.5"])
    def test_this_machine_needs_neither(self, host):
        assert Access(host).check().loopback

    @pytest.mark.parametrize("host", ["0.0.0.0", "example.org", "127.0.0.1.example.org", ""])
    def test_everything_else_is_not_this_machine(self, host):
        assert not Access(host).loopback

    def test_the_server_itself_refuses(self, tmp_path, capsys):
        assert cli.main(["server", "--home", str(tmp_path), "--server", "0.0.0.0"]) == 2
        assert "hitl keys" in capsys.readouterr().err

    def test_keys_are_made_once_and_are_private(self, tmp_path, capsys):
        assert cli.main(["keys", "--home", str(tmp_path)]) == 0
        assert cli.main(["keys", "--home", str(tmp_path)]) == 2
        folder = tmp_path / "keys"
        to = access("10.0.0.1", 1234, folder, key=True)
        assert to.keys == folder
        assert access("127.0.0.1", 1234, folder, no_tls=True).keys is None
        with pytest.raises(UsageError, match="Without TLS"):
            access("10.0.0.1", 1234, folder, no_tls=True)
        assert len(to.password) >= 30
        assert to.password not in capsys.readouterr().out
        if sys.platform != "win32":
            assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
        (folder / "key.pem").unlink()
        assert access("10.0.0.1", 1234, folder).keys == folder  # a worker has no key
        with pytest.raises(UsageError, match=r"no key\.pem"):
            access("10.0.0.1", 1234, folder, key=True)

    def test_two_sets_of_keys_differ(self, tmp_path):
        for name in "ab":
            make_keys(tmp_path / name)
        assert (tmp_path / "a" / "password.txt").read_text() != (tmp_path / "b" / "password.txt").read_text()


class TestAddresses:
    @pytest.mark.parametrize("typed", ["fd77::1", "[fd77::1]"])
    def test_brackets_around_an_address_are_no_part_of_it(self, tmp_path, typed):
        make_keys(tmp_path)
        to = access(typed, 55555, tmp_path)
        assert (to.host, to.at) == ("fd77::1", "[fd77::1]:55555")
        assert access("[::1]", 1, tmp_path / "none").loopback

    @pytest.mark.parametrize(("typed", "host"), [("10.77.0.1:55555", "10.77.0.1"), ("[fd77::1]:55555", "fd77::1")])
    def test_a_port_behind_an_address_is_told_to_be_an_option(self, tmp_path, typed, host):
        with pytest.raises(UsageError, match=f"--server {host} --port 55555"):
            access(typed, 55555, tmp_path)

    @pytest.mark.parametrize("host", ["192.0.2.7", "no-such-name.invalid"])
    def test_a_server_at_an_address_of_another_machine_says_so(self, tmp_path, host):
        make_keys(tmp_path / "keys")
        done = subprocess.run(
            [sys.executable, "-m", "hitl", "server", "--home", str(tmp_path), "--server", host, "--port", str(free_port())],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 6
        assert f"cannot listen at '{host}', which is no address of this machine" in done.stderr
        assert "is another one running" not in done.stderr

    def test_a_port_that_is_taken_is_still_told(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            done = subprocess.run(
                [sys.executable, "-m", "hitl", "server", "--home", str(tmp_path), "--port", port],
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
        assert done.returncode == 6
        assert "is another one running?" in done.stderr

    def test_a_connection_of_a_machine_that_is_gone_ends(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            _notice_the_gone(listening)
            assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            near = socket.create_connection(listening.getsockname())
            far, _ = listening.accept()
            assert far.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), "connections inherit it"
            near.close()
            far.close()


@pytest.mark.parametrize("words", [["--server", "10.77.0.1"], ["--port", "5"], ["--keys", "k"], ["--no-tls"], ["--tmrl-weights"]])
def test_a_trainer_that_would_ignore_the_server_is_refused(tmp_path, words, capsys):
    assert cli.main(["train", "--home", str(tmp_path / "t"), *words]) == 2
    said = capsys.readouterr().err
    assert words[0] in said
    assert "add --from-server" in said
    assert not (tmp_path / "t").exists()
