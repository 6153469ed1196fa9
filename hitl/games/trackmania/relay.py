"""Passes the plugin's stream on to other programs on this machine: the plugin itself sends to one program at a time."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field

from data.errors import DeviceError

HOST = "127.0.0.1"
MOST_LISTENERS = 4
MOST_BEHIND = 1 << 18  # bytes that a listener may be behind before it is let go, as one that reads nothing


@dataclass(eq=False)
class _Listener:
    link: socket.socket
    joined: bool = False
    behind: bytearray = field(default_factory=bytearray)  # what its connection did not take yet


class Relay:
    """Listens on a port of this machine alone. ``pass_on`` is called by the thread that reads, and waits for no one.

    A listener gets whole frames from its first byte on, as from the plugin, and is hung up on when the plugin hangs up.
    Raises DeviceError where the port is taken.
    """

    def __init__(self, port: int) -> None:
        try:
            self._server = socket.create_server((HOST, port))
        except OSError as error:
            raise DeviceError(
                f"The telemetry cannot be passed on at port {port} ({error.strerror or error}): set another relay_port in "
                "[trackmania] of settings.toml, and in the program that listens there."
            ) from None
        self.port: int = self._server.getsockname()[1]
        self._lock = threading.Lock()
        self._listeners: list[_Listener] = []
        self._closed = False
        self._thread = threading.Thread(target=self._accept, name="hitl-relay", daemon=True)
        self._thread.start()

    @property
    def listeners(self) -> int:
        """How many programs listen now."""
        with self._lock:
            return len(self._listeners)

    def pass_on(self, piece: bytes, begun: int, size: int) -> None:
        """Pass bytes on. ``begun``: how many of a frame's bytes came before them; ``size``: of a frame, 0 while unknown."""
        if not size:
            return
        with self._lock:
            gone = [one for one in self._listeners if not self._give(one, piece, begun, size)]
            self._drop(gone)

    def hang_up(self) -> None:
        """The plugin is gone: its listeners are told as by itself."""
        with self._lock:
            self._drop([one for one in self._listeners if one.joined])

    def close(self) -> None:
        """Let go of everyone and of the port."""
        with self._lock:
            self._closed = True
            self._drop(list(self._listeners))
        with contextlib.suppress(OSError):  # wakes the thread
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(timeout=1.0)

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            link.setblocking(False)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._closed or len(self._listeners) >= MOST_LISTENERS:
                    link.close()
                else:
                    self._listeners.append(_Listener(link))

    def _give(self, listener: _Listener, piece: bytes, begun: int, size: int) -> bool:
        """Give one its part; False where it is gone, or does not read."""
        if not listener.joined:
            first = -begun % size  # where the next frame begins
            if first >= len(piece):
                return True
            listener.joined, piece = True, piece[first:]
        listener.behind += piece
        try:
            sent = listener.link.send(listener.behind)
        except BlockingIOError:
            sent = 0
        except OSError:
            return False
        del listener.behind[:sent]
        return len(listener.behind) <= MOST_BEHIND

    def _drop(self, gone: list[_Listener]) -> None:
        for one in gone:
            self._listeners.remove(one)
            one.link.close()
