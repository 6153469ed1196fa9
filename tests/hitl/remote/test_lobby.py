"""Who connects to a server, or to this process's own socket, without being one of us."""

import contextlib
import pickle
import socket
import ssl
import subprocess
import sys
import time

import pytest

from hitl.remote.keys import make_keys
from hitl.remote.link import _OwnEnd, free_port
from hitl.remote.relay import SAY_AGAIN_S, WAITING, Lobby
from hitl.remote.wire import Unreadable, unpack

SERVER = """
import hitl.remote.relay as relay, hitl.cli as cli, sys
relay.PASSWORD_S = float(sys.argv[1])
cli.main(["server", *sys.argv[2:]])
"""


class TestLobby:
    def test_a_crowd_from_one_address_keeps_nobody_out_from_another(self):
        said = []
        lobby = Lobby(said.append, lambda: 0.0)
        assert lobby.came("friend", "10.0.0.2") is None
        assert [lobby.came(k, "10.0.0.9") for k in range(WAITING - 1)] == [None] * (WAITING - 1)
        assert [lobby.came(f"more {k}", "10.0.0.9") for k in range(3)] == [0, 1, 2]
        assert len(said) == 1
        assert "most of them from 10.0.0.9" in said[0]

    def test_who_has_given_the_password_or_gone_waits_no_more(self):
        lobby = Lobby(lambda text: None)
        for k in range(3 * WAITING):
            assert lobby.came(k, "a") is None
            lobby.left(k)
            lobby.left(k)

    def test_the_same_is_said_once_a_minute(self):
        said, now = [], [0.0]
        lobby = Lobby(said.append, lambda: now[0])
        for at in (0.0, 1.0, SAY_AGAIN_S - 1.0, SAY_AGAIN_S + 1.0):
            now[0] = at
            lobby.tell("late", f"at {at:.0f}")
        lobby.tell("crowd", "another")
        assert said == ["at 0", "at 61", "another"]


@contextlib.contextmanager
def serving(folder, seconds):
    """Serve in a process of its own, which closes connections without a password after so long."""
    port = free_port()
    make_keys(folder / "keys")
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(seconds), "--home", str(folder), "--port", str(port)],
            stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        end = time.monotonic() + 40.0
        while "listens" not in log.read_text() and time.monotonic() < end:
            time.sleep(0.05)
        yield port, log
    finally:
        process.kill()
        process.wait()


def knock(folder, port):
    context = ssl.create_default_context(cafile=str(folder / "keys" / "certificate.pem"))
    made = socket.create_connection(("127.0.0.1", port), 5.0)
    return context.wrap_socket(made, server_hostname="hitl")


def closed(connection, timeout=10.0):
    """Return whether the other side ends a connection in time, whatever it has to say before."""
    connection.settimeout(timeout)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def envelope(password, value):
    raw = pickle.dumps(value, 4)
    return b"%-12d" % len(raw) + password + raw


@pytest.mark.realtime
def test_who_gives_no_password_is_sent_away_and_others_come_in_meanwhile(tmp_path):
    with serving(tmp_path, 3.0) as (port, log), contextlib.ExitStack() as stack:
        password = (tmp_path / "keys" / "password.txt").read_bytes().strip()
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 5.0)) for _ in range(WAITING + 10)]
        assert all(closed(one) for one in idle[:10]), "at once, for those that came after"
        friend = stack.enter_context(knock(tmp_path, port))
        friend.sendall(envelope(password, (1, "HELLO", None, ("workers",))))
        assert all(closed(one) for one in idle)
        assert not closed(friend, 2.0)
    said = log.read_text()
    assert f"More than {WAITING} connections wait without the password, most of them from 127.0.0.1" in said
    assert "gave no password for 3 seconds" in said
    assert "Traceback" not in said


@pytest.mark.realtime
@pytest.mark.parametrize("known", [False, True])
def test_nonsense_is_a_sentence_and_no_traceback(tmp_path, known):
    with serving(tmp_path, 60.0) as (port, log):
        password = (tmp_path / "keys" / "password.txt").read_bytes().strip()
        wrong = b"\xff" * len(password)
        nonsense = [
            b"5           " + (password if known else wrong) + b"hello",
            envelope(password if known else wrong, 5),
            *([envelope(password, (1, "HELLO", None, 5)), envelope(password, ([], "ACK", None, None))] if known else []),
            *([envelope(password, (1, "HELLO", None, "workers")) + envelope(password, (2, "OBJ", {"workers": n}, o))
               for n, o in ((1, 5), (10**12, b"x"), ("a", b"x"))] if known else []),
        ]  # fmt: skip
        for raw in nonsense:
            with knock(tmp_path, port) as connection:
                connection.sendall(raw)
                assert closed(connection), raw
    said = log.read_text()
    assert "Traceback" not in said
    assert str(tmp_path.parent) not in said
    assert ("What came from 127.0.0.1 is no message of hitl or tmrl: the connection was closed." in said) == known


@pytest.mark.realtime
def test_who_says_hello_twice_leaves_no_place_taken(tmp_path):
    with serving(tmp_path, 60.0) as (port, _):
        password = (tmp_path / "keys" / "password.txt").read_bytes().strip()
        hello = envelope(password, (1, "HELLO", None, ("trainers",)))
        with knock(tmp_path, port) as twice:
            twice.sendall(envelope(password, (1, "HELLO", None, ("workers",))) + hello)
            assert not closed(twice, 0.5)
        time.sleep(0.5)
        with knock(tmp_path, port) as next_one:
            next_one.sendall(hello)
            assert not closed(next_one, 1.0)


def test_only_the_connection_of_this_process_is_taken():
    with _OwnEnd(socket.AF_INET, socket.SOCK_STREAM) as waiting:
        waiting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        waiting.bind(("127.0.0.1", 0))
        waiting.listen()
        with socket.create_connection(waiting.getsockname()) as stranger, socket.create_connection(waiting.getsockname()) as own:
            _OwnEnd.ours.put(own.getsockname())
            taken, _ = waiting.accept()
            with taken:
                own.sendall(b"ours")
                assert taken.recv(10) == b"ours"
            assert closed(stranger, 5.0)


@pytest.mark.parametrize("value", [5, None, (1, 2), {"kind": "data"}, "text"])
def test_what_is_not_even_bytes_is_unreadable_and_ends_nothing(value):
    assert isinstance(unpack(value), Unreadable)
