"""The link to the game: a thread that keeps the newest telemetry frame, and connects again whenever the game goes away."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable

from data.errors import UsageError
from data.words import number_of
from hitl.games.trackmania.frames import KNOWN, SIZES, Frame, Stream
from hitl.games.trackmania.relay import Relay
from hitl.timing.priority import thread_first

PORT = 9000
BACK_OFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # between tries to connect; the last one repeats
SILENT_S = 2.0  # without a byte, after which the connection counts as dead
KEPT = 64  # frames


class Telemetry:
    """Frames of one game. ``layout``: 11, 20 or 33 numbers a frame, 0 to look at the stream. Thread-safe; nothing here waits.

    ``relay``: whom every byte is passed on by; it is closed with this.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = PORT, layout: int = 0, relay: Relay | None = None) -> None:
        if layout not in (0, *SIZES):
            raise UsageError(f"Telemetry has {KNOWN} numbers a frame (0: found out), not {layout}.")
        self.host, self.port = host, port
        self._asked, self.relay = layout, relay
        self.layout = layout  # 0 until it is known
        self.dropped = 0  # frames that cannot be believed: not a number, out of range, cut
        self.problem = "not connected yet"
        self._trouble: list[str] = []
        self._hurry = False
        self._lock = threading.Lock()
        self._frames: deque[Frame] = deque(maxlen=KEPT)
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._new = threading.Condition(self._lock)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hitl-telemetry", daemon=True)
        self._thread.start()

    def newest(self) -> Frame | None:
        """Return the newest frame, None when none has come since the connection was made."""
        with self._lock:
            return self._frames[-1] if self._frames else None

    def recent(self) -> list[Frame]:
        """Return the frames of the last moments, oldest first."""
        with self._lock:
            return list(self._frames)

    def rate(self, over_s: float = 2.0) -> float:
        """Return frames a second over the last ``over_s`` seconds."""
        now = time.perf_counter()
        with self._lock:
            return sum(1 for t in self._arrivals if now - t <= over_s) / over_s

    def hurry(self) -> None:
        """Raise the priority of the thread that reads: a session drives by what it reads."""
        self._hurry = True

    def trouble(self) -> list[str]:
        """Return what has gone wrong and works again, each once: for the player's log."""
        with self._lock:
            told, self._trouble = self._trouble, []
        return told

    def wait(self, wanted: Callable[[Frame], bool], timeout: float) -> Frame | None:
        """Return the newest frame as soon as it is as wanted; None after ``timeout`` s. Only for the beginning of episodes."""
        until = time.perf_counter() + timeout
        with self._new:
            while True:
                if self._frames and wanted(self._frames[-1]):
                    return self._frames[-1]
                left = until - time.perf_counter()
                if left <= 0 or self._closed.is_set():
                    return None
                self._new.wait(left)

    def close(self) -> None:
        """Disconnect. Calling it again does nothing."""
        self._closed.set()
        with self._new:
            self._new.notify_all()
        self._thread.join(timeout=2.0)
        if self.relay is not None:
            self.relay.close()

    # -- the thread

    def _run(self) -> None:
        tries = 0
        while not self._closed.is_set():
            try:
                with socket.create_connection((self.host, self.port), timeout=1.0) as link:
                    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    link.settimeout(0.1)
                    self.problem = "connected, and nothing was sent yet"
                    if self._listen(link):
                        tries = 0
                        self._tell(f"The telemetry broke off ({self.problem}) and is connected again.")
            except OSError as error:
                self.problem = f"no connection to {self.host}:{self.port} ({error.strerror or error})"
            if self.relay is not None:
                self.relay.hang_up()
            with self._lock:
                self._frames.clear()
            self._closed.wait(BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)])
            tries += 1

    def _listen(self, link: socket.socket) -> bool:
        """Read until the connection is of no more use, and set ``problem``; tells whether a frame has come."""
        stream, last, came, total = Stream(self._asked), time.perf_counter(), False, 0  # bytes
        lost = 0  # frames that could not be used since the last good one, in a stream that was good before
        while not self._closed.is_set():
            if self._hurry:
                self._hurry = False
                thread_first()
            try:
                piece = link.recv(65536)
            except TimeoutError:
                if time.perf_counter() - last > SILENT_S:
                    self.problem = f"the game has sent nothing for {SILENT_S:.0f} s"
                    return came
                continue
            except OSError as error:
                self.problem = f"the connection to the game is gone ({error.strerror or error})"
                return came
            if not piece:
                self.problem = "the game has closed the connection"
                return came
            last, before = time.perf_counter(), stream.dropped
            frames = stream.feed(piece, last)
            self.dropped += stream.dropped - before
            lost += stream.dropped - before if came else 0
            if stream.layout:
                self.layout = stream.layout
            if self.relay is not None and stream.layout:
                self.relay.pass_on(piece, total, SIZES[stream.layout])
            total += len(piece)
            if frames:
                came = True
                self._keep(frames, last)
            if stream.problem:
                self.problem = stream.problem
                return came
            if frames and lost:
                self._tell(f"{number_of(lost, 'frame')} of telemetry could not be used and left out.")
                lost = 0
        return came

    def _tell(self, text: str) -> None:
        with self._lock:
            if text not in self._trouble:
                self._trouble.append(text)
                del self._trouble[:-20]

    def _keep(self, frames: list[Frame], now: float) -> None:
        with self._new:
            self.problem = ""
            self._frames.extend(frames)
            self._arrivals.extend([now] * len(frames))
            self._new.notify_all()
