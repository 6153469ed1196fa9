"""Connecting: who may talk to whom, and tlspyo's parts run in this process's main thread."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import queue
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UsageError, shown
from data.files.text_files import read_text, without_mark
from hitl.remote.keys import HOSTNAME, KeyFolder, require_package
from hitl.remote.wire import pack, unpack

PORT = 55555
GROUPS = {"trainers": 1, "workers": None}
"""Who may be connected, and how many: as at tmrl's own Server, which does as well in the middle."""
COPIES = 1000
"""To how many one message may be sent: each copy takes memory, and a group has fewer members."""
LONG_ENOUGH = 12  # characters of a password
HERE_ONLY = "on this machine only"  # the password where only this machine can connect
HEADER = 12
FULL_S = 2.0
"""A connection that the server took and closed before is one too many of its group."""
DEAD_S = 30.0
"""Without a sign from the server, after which a connection is given up and made anew: a message on a slow line takes long."""


@dataclass(frozen=True)
class Access:
    """How to reach the server. ``keys``: the folder of key.pem, certificate.pem and password.txt; None: no TLS."""

    host: str = "127.0.0.1"
    port: int = PORT
    password: str = HERE_ONLY
    keys: Path | None = None

    @property
    def at(self) -> str:
        """Host and port, as they are shown."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Return whether the server is on this machine."""
        with contextlib.suppress(ValueError):
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        return False

    def check(self) -> Access:
        """Return itself. Raises UsageError where others could listen in or connect."""
        return self.checked(None)

    def checked(self, place: KeyFolder | None) -> Access:
        """Return itself as :meth:`check`; ``place``: where its keys belong, for what is advised."""
        if self.loopback:
            return self
        if self.keys is None:
            how = "copy certificate.pem and password.txt from the server" if place is None else place.how()
            raise UsageError(
                f"Without TLS, connections are limited to this machine, and '{shown(self.host)}' is another one: {how}."
            )
        if len(self.password) < LONG_ENOUGH or self.password == HERE_ONLY:
            missing = self.password == HERE_ONLY
            what = "There is no password" if missing else f"The password is shorter than {LONG_ENOUGH} characters"
            how = "copy password.txt from the server" if place is None else place.how_password(missing)
            raise UsageError(f"{what}, and anyone who knows it can send to your trainer: {how}.")
        return self


def address(typed: str) -> str:
    """Return the address of a server without the brackets around an IPv6 one. Raises UsageError where a port is behind it."""
    if found := re.fullmatch(r"\[(.*)\](?::(\d+))?|([^:]*):(\d+)", typed):
        host, port = found[1] or found[3] or "", found[2] or found[4]
        if port:
            raise UsageError(f"The port is an option of its own: --server {shown(host)} --port {port}.")
        return host
    return typed


def access(host: str, port: int, keys: Path, *, no_tls: bool = False, key: bool = False, named: bool = False) -> Access:
    """Return how to reach a server, from a folder of keys; with TLS if that holds a certificate, unless ``no_tls``.

    ``key``: the private key is needed too (the server's side); ``named``: the player named the folder. Raises UsageError, and
    InputFileError for keys that cannot be used.
    """
    host = address(host)
    place = KeyFolder(keys, server=key, named=named)
    if named and not no_tls:
        place.require_folder()
    tls = not no_tls and place.certificate.is_file()
    if tls:
        place.check()
    password = without_mark(os.environ.get("HITL_PASSWORD", "")).strip()
    if not password and (keys / "password.txt").is_file():
        password = read_text(keys / "password.txt", guess=False).strip()  # a wrong guess would be a wrong password
    to = Access(host, port, password or HERE_ONLY, keys if tls else None)
    if no_tls and not to.loopback:
        raise UsageError(
            f"Without TLS, connections are limited to this machine, and '{shown(host)}' is another one: omit --no-tls."
        )
    return to.checked(place)


def tlspyo_here() -> Any:
    """Return tlspyo's API, working on our main thread. Raises DeviceError where the package is missing."""
    require_package()
    from tlspyo import api, local_protocol_for_client, local_protocol_for_server

    api.Process, api.socket = OnMainThread, _OwnEnd
    _tell_own_end(local_protocol_for_client, "LocalProtocolForClient")
    _tell_own_end(local_protocol_for_server, "LocalProtocolForServer")
    logging.getLogger("tlspyo").setLevel(logging.CRITICAL)  # what the player should know is said in sentences of ours
    return api


class OnMainThread:
    """Stands in for the child process that tlspyo starts: its work is done by our main thread instead."""

    targets: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def __init__(self, target: Callable[[], None], args: tuple[Any, ...] = ()) -> None:
        self._target = target

    def start(self) -> None:
        """Hand the work over."""
        OnMainThread.targets.put(self._target)

    def join(self, timeout: float | None = None) -> None:
        """The main thread is not waited for."""


class _OwnEnd(socket.socket):
    """The socket on which tlspyo waits for its other thread. It would take whoever of this machine connects first.

    So another program could read what is sent, and answer as the trainer. Only what this process has connected is taken.
    """

    ours: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()

    def setsockopt(self, *given: Any) -> None:
        """Set an option, but share the port with no one: on Windows, what tlspyo asks for lets another program listen there."""
        if sys.platform == "win32" and given[:2] == (socket.SOL_SOCKET, socket.SO_REUSEADDR):
            given = (socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        super().setsockopt(*given)

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the connection whose other end is in this process; all others are closed."""
        ours = _OwnEnd.ours.get()
        while True:
            conn, address = super().accept()
            if address == ours:
                return conn, address
            conn.close()


def _tell_own_end(module: Any, name: str) -> None:
    """Have a tlspyo protocol say from which address it has connected to our own socket."""
    if hasattr(getattr(module, name), "announces"):
        return

    class Announced(getattr(module, name)):  # type: ignore[misc]
        announces = True

        def connectionMade(self) -> None:  # noqa: N802
            here = self.transport.getHost()
            _OwnEnd.ours.put((here.host, here.port))
            super().connectionMade()

    setattr(module, name, Announced)


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def connection(endpoint: Any) -> Any:
    """Return an endpoint's connection to the server: a new object after each reconnect, None while disconnected."""
    link = endpoint._client.to_server  # it lives in this process, see `OnMainThread`
    return link if link is not None and link.get_state() == "ALIVE" and link.accepted else None


def refused(endpoint: Any) -> str:
    """Return why the server ended the last connection: ``full``, ``password``, ``certificate``; "" where that is not known."""
    return str(getattr(endpoint._client, "refused", ""))


def _watch(client: Any, reactor: Any) -> None:
    """Have tlspyo's connections notice that nothing comes through any more, and remember why they were refused."""

    class Watched(client.ClientProtocol):
        """The server acknowledges every message as it comes: the first one only where it takes this one in."""

        def connectionMade(self) -> None:  # noqa: N802
            self.heard_at, self.hello, self.hello_at = time.monotonic(), 0, 0.0
            self._client.pending_acks.clear()  # they are of the connection before, and nobody sends them again
            super().connectionMade()
            reactor.callLater(1.0, self._look)

        def dataReceived(self, data: bytes) -> None:  # noqa: N802
            self.heard_at = time.monotonic()
            try:
                super().dataReceived(data)
            except Exception:  # an envelope that cannot be read: twisted would print where in our files that was found
                self.transport.abortConnection()

        def send_obj(self, cmd: str = "OBJ", dest: Any = None, obj: Any = None) -> None:
            super().send_obj(cmd, dest, obj)
            if cmd == "HELLO":
                self.hello, self.hello_at = self._client.ack_stamp, time.monotonic()

        def connectionLost(self, reason: Any) -> None:  # noqa: N802
            if not self.hello:
                self._client.refused = "certificate" if "certificate verify failed" in str(reason.value) else ""
            elif not self.accepted:
                self._client.refused = "password"
            else:  # closed at once, though it was well-behaved
                self._client.refused = "full" if time.monotonic() - self.hello_at < FULL_S else ""
            super().connectionLost(reason)

        @property
        def accepted(self) -> bool:
            """Whether the server has let this one in, or is about to say that all places are taken."""
            return bool(self.hello) and self.hello not in self._client.pending_acks

        def silent_s(self) -> float:
            """Return for how long (s) nothing has come though there is something to acknowledge; 0.0 where all is well."""
            oldest = list(self._client.pending_acks.values())[:1]
            return max(0.0, time.monotonic() - max(self.heard_at, oldest[0][0])) if oldest else 0.0

        def _look(self) -> None:
            if self._state == "DEAD":
                return
            if self.silent_s() > DEAD_S:
                self.transport.abortConnection()  # the system itself would wait for a quarter of an hour
            reactor.callLater(1.0, self._look)

    client.ClientProtocol = Watched


def run_endpoint(to: Access, group: str, work: Callable[[Any], None]) -> None:
    """Connect as a member of ``group`` and run ``work(endpoint)`` on a thread of its own; returns when that has returned.

    To be called in the main thread of a process that does nothing else.
    """
    api = tlspyo_here()
    from tlspyo import client
    from twisted.internet import reactor

    _watch(client, reactor)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            endpoint = api.Endpoint(
                ip_server=to.host, port=to.port, password=to.password, groups=(group,), local_com_port=free_port(),
                header_size=HEADER, max_buf_len=1 << 20, security="TLS" if to.keys else None,
                keys_dir=str(to.keys) if to.keys else None, hostname=HOSTNAME, serializer=pack, deserializer=unpack,
                recon_max_delay=4.0, recon_initial_delay=0.3, recon_factor=1.5, recon_jitter=0.1,
            )  # fmt: skip
            work(endpoint)
        except BaseException as error:
            failed.append(error)
        finally:
            OnMainThread.targets.put(None)
            _stop_reactor()

    threading.Thread(target=run, name="hitl-link", daemon=True).start()
    target = OnMainThread.targets.get()
    if target is not None:
        target()
    if failed:
        raise failed[0]


def _stop_reactor() -> None:
    from twisted.internet import error
    from twisted.internet import reactor as running

    reactor: Any = running

    def stop() -> None:
        with contextlib.suppress(error.ReactorNotRunning):
            reactor.stop()

    reactor.callFromThread(stop)
