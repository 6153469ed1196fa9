"""The server in the middle: tlspyo's relay, and a lobby for those who have not given the password yet."""

from __future__ import annotations

import contextlib
import errno
import hmac
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from data.errors import DeviceError, shown
from hitl.remote.link import COPIES, GROUPS, HEADER, Access, OnMainThread, free_port, tlspyo_here
from hitl.remote.wire import pack, unpack

PASSWORD_S = 15.0
"""For which a connection may stay without the password; one of ours gives it within two exchanges."""
WAITING = 64
"""Connections that may stay so at once: each takes one of the files that the system lets a process have open."""
SAY_AGAIN_S = 60.0


class Lobby:
    """Who has connected and has not given the password yet. ``say`` takes sentences; of one kind, one a minute."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._said: dict[str, float] = {}
        self._waiting: dict[Any, str] = {}  # connection: the address that it comes from, the oldest first

    def came(self, connection: Any, host: str) -> Any:
        """Take in a connection; returns one that has to go for it, None while there is room.

        That is the oldest one from the address that has most of them, so that nobody keeps out who comes from elsewhere.
        """
        self._waiting[connection] = host
        if len(self._waiting) <= WAITING:
            return None
        ((most, _),) = Counter(self._waiting.values()).most_common(1)
        oldest = next(one for one, where in self._waiting.items() if where == most)
        self.left(oldest)
        self.tell(
            "crowd", f"More than {WAITING} connections wait without the password, most of them from {shown(most)}: the oldest of "
            "those are closed. Machines that have the password are let in all the same."
        )  # fmt: skip
        return oldest

    def left(self, connection: Any) -> None:
        """Forget a connection: it is gone, or has given the password."""
        self._waiting.pop(connection, None)

    def tell(self, kind: str, text: str) -> None:
        """Say something about a connection, unless that was just said of another one."""
        now = self._clock()
        if now - self._said.get(kind, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._said[kind] = now
            self._say(text)


def _guard(server: Any, reactor: Any, lobby: Lobby) -> None:
    """Have tlspyo's server close connections that give no password or send what is no message, and say so in a sentence."""

    class Guarded(server.ServerProtocol):
        def connectionMade(self) -> None:  # noqa: N802
            self._from = str(getattr(self.transport.getPeer(), "host", ""))
            super().connectionMade()
            self._hello = self._server.ack_stamp
            self._late = reactor.callLater(PASSWORD_S, self._too_late)
            if (other := lobby.came(self, self._from)) is not None:
                other.transport.abortConnection()

        def connectionLost(self, reason: Any) -> None:  # noqa: N802
            lobby.left(self)
            if self._late.active():
                self._late.cancel()
            self._server.pending_acks.pop(self._hello, None)  # who is gone acknowledges nothing, and each would be kept
            for mine in [known for known, client in self._server.to_clients.items() if client is self]:
                self._server.delete_client(mine)  # of one that said hello twice, tlspyo would keep a place taken for ever
            super().connectionLost(reason)

        def dataReceived(self, data: bytes) -> None:  # noqa: N802
            try:
                super().dataReceived(data)
            except Exception:  # tlspyo has closed the connection; raised on, it would be a traceback in the terminal
                what = "is no message of hitl or tmrl: the connection was closed."
                lobby.tell("garbled", f"What came from {shown(self._from)} {what}")
            if self._state == "ALIVE":
                lobby.left(self)

        def process_header(self) -> Any:
            given = self._buffer[self._header_size :][: self._len_password]
            if len(given) == self._len_password and not hmac.compare_digest(given, self._password.encode()):
                # tlspyo's own comparison would tell by its time how much is right, and fail at bytes that are no text.
                self._state = "KILLED"
                self.transport.abortConnection()
                return 0, len(self._buffer) + 1, None
            return super().process_header()

        def forward_obj_to_dest(self, obj: Any, dest: Any) -> None:
            # What is packed again here, for those who get it, must be what they can read.
            if not isinstance(obj, bytes) or not isinstance(dest, dict | None):
                raise ValueError("not an object to forward")
            if not all(isinstance(copies, int) and copies <= COPIES for copies in (dest or {}).values()):
                raise ValueError("too many copies")
            super().forward_obj_to_dest(obj, dest)

        def _too_late(self) -> None:
            if self._state != "ALIVE":
                lobby.tell(
                    "late", f"A connection from {shown(self._from)} gave no password for {PASSWORD_S:.0f} seconds and was closed."
                )
                self.transport.abortConnection()

    server.ServerProtocol = Guarded


def run_relay(to: Access, interface: str, ready: Callable[[], None], say: Callable[[str], None]) -> None:
    """Serve until the process is told to stop. ``interface``: the address that is listened on, "" for all.

    ``say`` takes sentences about those who connect and are not let in.

    Raises DeviceError when the port is taken.
    """
    api = tlspyo_here()
    from tlspyo import server
    from twisted.internet import error
    from twisted.internet import reactor as running

    reactor: Any = running
    _guard(server, reactor, Lobby(say))
    listen = reactor.listenTCP  # which listenSSL calls, too

    def listen_here(port: int, factory: Any, *rest: Any, **more: Any) -> Any:
        made = listen(port, factory, interface=interface)
        _notice_the_gone(made.socket)
        return made

    reactor.listenTCP = listen_here
    allowed = {name: {"max_count": most, "max_consumables": None} for name, most in GROUPS.items()}
    made: list[Any] = []

    def make() -> None:
        made.append(
            api.Relay(
                port=to.port, password=to.password, accepted_groups=allowed, local_com_port=free_port(),
                header_size=HEADER, security="TLS" if to.keys else None, keys_dir=str(to.keys) if to.keys else None,
                serializer=pack, deserializer=unpack,
            )
        )  # fmt: skip

    threading.Thread(target=make, name="hitl-relay", daemon=True).start()
    target = OnMainThread.targets.get()
    assert target is not None
    reactor.callWhenRunning(ready)
    try:
        target()
    except error.CannotListenError as problem:
        raise DeviceError(_why_deaf(to, problem.socketError)) from None


def _why_deaf(to: Access, problem: OSError) -> str:
    """Return a sentence about a server that cannot listen: its address is wrong, or its port."""
    if isinstance(problem, socket.gaierror) or problem.errno == errno.EADDRNOTAVAIL:
        return (
            f"The server cannot listen at '{shown(to.host)}', which is no address of this machine ({problem}): give one that is "
            "with --server; 0.0.0.0 is all of them."
        )
    taken = "is another one running? " if problem.errno == errno.EADDRINUSE else ""
    return f"The server cannot listen on port {to.port} ({problem}): {taken}--port takes another."


def _notice_the_gone(listening: socket.socket) -> None:
    """Have connections end within a minute once the other side is gone: a trainer that comes back would find its place taken.

    What a listening socket is set to, the connections that it makes inherit.
    """
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 6), ("TCP_USER_TIMEOUT", 45_000)):
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
