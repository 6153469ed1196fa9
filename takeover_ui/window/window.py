"""The window, in a process of its own: drawing can never delay a tick, and the newest view wins.

The session calls :meth:`Window.send` at every tick and reads :meth:`Window.keys`; both return at once. The process that
owns the window pumps its events, so the keyboard is read there; each key's presses and releases are counted in shared
memory, which the session reads without waiting for the other process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.errors import DeviceError
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.view import Card, Driver, Level, Scene, View
from takeover_ui.window.key_names import KEYS
from takeover_ui.window.newest_value import Slot
from takeover_ui.window.options import WindowOptions

_READY_S = 20.0  # in which the window must have opened


class Window:
    """A window seen from the session. Every method returns at once and none raises when the window is gone.

    ``otherwise``: what to do where no window opens, for the DeviceError that is raised then. ``outlives_interrupts``: Ctrl+C, and
    a notebook's interrupt, do not end it, since who opened it goes on after them; else it is closed by them.
    """

    def __init__(
        self,
        options: WindowOptions | None = None,
        otherwise: str = "To go on without one, use --headless.",
        *,
        outlives_interrupts: bool = False,
    ) -> None:
        from takeover_ui.window import process

        self.options = options or WindowOptions()
        self.remember: Callable[[Arrangement], None] = lambda arrangement: None
        """Called on a thread of the window's own when the player has arranged the gauges in another way.

        What it says of a file that cannot be written is its own affair: OSError is passed over.
        """
        context = multiprocessing.get_context("spawn")
        # An odd count: the key is down. A count that moved on by more than the state tells: it was pressed in between.
        self._counts: Any = context.RawArray("L", len(KEYS))
        self._seen = [0] * len(KEYS)
        self._told: Any = context.RawArray("L", process.TOLD)
        self._slot = Slot(context)
        ours, theirs = context.Pipe()
        self._pipe: Any = ours  # a Connection, or what stands for one on Windows
        self._process = context.Process(
            target=process.main,
            args=(theirs, self._slot, self._counts, self._told, self.options, outlives_interrupts),
            name="hitl-window",
            daemon=True,
        )
        with _main_left_alone():
            self._process.start()
        theirs.close()
        try:
            self._await_ready(otherwise)
        except BaseException:  # an interrupt, too: no one would know of the window
            self._process.terminate()
            self._process.join(5)
            self._pipe.close()
            raise
        self._scene: Scene | None = None
        self._scenes = 0
        self._trails_key: tuple[tuple[int, ...], ...] = ((), ())
        self._trails: Any = None
        self._reliable: list[bytes] = []
        self._wake = threading.Condition()
        self._closing = False
        self._over = threading.Event()
        self._closed = False  # by the player or the session
        self._said: list[str] = []
        self._sender = threading.Thread(target=self._send_loop, name="hitl-window-sender", daemon=True)
        self._watcher = threading.Thread(target=self._watch_loop, name="hitl-window-watcher", daemon=True)
        self._sender.start()
        self._watcher.start()

    def _await_ready(self, otherwise: str) -> None:
        message = "it did not open in time"
        try:
            if self._pipe.poll(_READY_S):
                message = self._pipe.recv()
        except (EOFError, OSError):
            message = "its process ended at once"
        if message != "ready":
            raise DeviceError(f"The window could not be opened ({message}). {otherwise}")

    def send(self, view: View) -> None:
        """Show ``view`` as soon as the window gets to it; a view that is not yet drawn when the next one comes is dropped."""
        if self._over.is_set():
            return
        if view.scene is not self._scene:
            self._scene = view.scene
            self._scenes += 1
            self._post(("scene", self._scenes, view.scene))
        trails = (view.agent_trails, view.human_trails)
        key = tuple(tuple(map(id, part)) for part in trails)
        if key != self._trails_key:
            self._trails_key, self._trails = key, trails  # kept alive, so that no other array takes over an id
            self._post(("trails", *trails))
        # The window has the scene already, under its number.
        light = replace(view, scene=None, agent_trails=(), human_trails=())  # type: ignore[arg-type]
        message = ("view", self._scenes, light)
        if not self._slot.write(pickle.dumps(message, protocol=5)):
            self._post(message)  # too large for the slot: rare, and then the long way does

    def toast(self, text: str, level: Level = "info", of_drive: bool = False, only: Driver | None = None) -> None:
        """Show a message for a few seconds; unlike views, none of them is dropped.

        ``of_drive``: see ``forget_drives``; ``only``: it holds only while that driver drives on in this episode.
        """
        self._post(("remark" if of_drive else "toast", level, text, only))

    def withdraw(self, text: str) -> None:
        """What that message says holds no more: take it away, where it still stands."""
        self._post(("withdraw", text))

    def episode_over(self) -> None:
        """The agent's drive is over, and with it what holds ``only`` while it drives."""
        self._post(("episode over",))

    def drive_begins(self) -> None:
        """What was said of a drive until now is of an earlier one."""
        self._post(("drive",))

    def forget_drives(self) -> None:
        """Take away what was said of earlier drives, and still stands: over something else it would be read as said of that."""
        self._post(("forget",))

    def card(self, card: Card | None) -> None:
        """Show a card in the middle until the next one comes; None takes it away."""
        self._post(("card", card))

    def restyle(self, options: WindowOptions) -> None:
        """Go on with another overlay: its language, size, place, opacity and gauges."""
        self.options = replace(options, title=self.options.title, game_view=self.options.game_view, video=self.options.video)
        self._post(("look", self.options))

    def show_picture(self, path: Path | None) -> None:
        """Show what a game draws into that file (`takeover_ui.window.picture`), as soon as there is something in it.

        None: the road from above again.
        """
        self._post(("picture", path))

    def to_front(self) -> None:
        """Bring the window before all others, with the keyboard; an overlay over another game stays where it is."""
        self._post(("front",))

    def step_aside(self, aside: bool) -> None:
        """Hide an overlay over another game while another window of ours is used, which it would cover, or show it again."""
        self._post(("aside", aside))

    def keys(self) -> frozenset[str]:
        """Return the keys that are down, or were pressed since the last call however shortly, by name."""
        down = []
        for number, name in enumerate(KEYS):
            count = self._counts[number]
            if count & 1 or count - self._seen[number] > 1:
                down.append(name)
            self._seen[number] = count
        return frozenset(down) if not self._over.is_set() else frozenset()

    def heard(self) -> frozenset[str] | None:
        """Return the same; None while the player's keys go elsewhere: that is not a player who has let go of them all."""
        down = self.keys()
        return down if self.hears_keys and not self._told[3] and not self.died else None

    @property
    def drawn(self) -> int:
        """How many pictures of views were drawn so far."""
        return int(self._told[0])

    @property
    def focus_gained(self) -> int:
        """How often the window has got the focus."""
        return int(self._told[1])

    @property
    def hears_keys(self) -> bool:
        """Whether the player's keys are heard here: an overlay over another game gets none, unless they count in any window."""
        return bool(self._told[2])

    @property
    def died(self) -> bool:
        """Whether its process ended although neither the player nor the session closed the window."""
        return self._over.is_set() and not self._closed

    @property
    def closed(self) -> bool:
        """Whether the session ends with the window: the player closed it, or it showed the game and its process is gone.

        Without an overlay over another game one can drive on.
        """
        return self._over.is_set() and (self._closed or self.options.game_view)

    def said(self) -> list[str]:
        """Return what is to be said of the window in the terminal, once: it may not be seen itself."""
        return [self._said.pop(0) for _ in range(len(self._said))]  # the other thread may add one meanwhile

    def close(self) -> None:
        """Close the window and end its process."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._sender.join(2)
        self._closed = self._closed or not self._over.is_set()
        self._over.set()
        self._process.join(3)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(3)
        self._watcher.join(2)
        self._pipe.close()

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _post(self, message: tuple[Any, ...]) -> None:
        if self._over.is_set():
            return  # no one would take it, and it would pile up
        data = pickle.dumps(message, protocol=5)
        with self._wake:
            self._reliable.append(data)
            self._wake.notify()

    def _send_loop(self) -> None:
        """Write what must not be lost to the pipe; only this thread waits when the window is slow."""
        while True:
            with self._wake:
                self._wake.wait_for(lambda: bool(self._reliable) or self._closing)
                batch, self._reliable = self._reliable, []
                closing = self._closing
            try:
                for data in batch:
                    self._pipe.send_bytes(data)
                if closing:
                    self._pipe.send_bytes(pickle.dumps(("close",)))
            except (OSError, ValueError):
                return  # whether the player has closed the window, the other thread finds out
            if closing:
                return

    def _watch_loop(self) -> None:
        """Pass on what should be remembered, until the window says that it was closed, or its process ends."""
        told: Any = None
        while told != "closed":
            try:
                told = self._pipe.recv()
            except (EOFError, OSError):
                break
            if isinstance(told, tuple):
                self._said.append(told[1])
            elif told != "closed":
                with contextlib.suppress(OSError):  # of a file, not of the pipe: the window is still there
                    self.remember(told)
        self._closed = told == "closed" or self._closing
        self._over.set()


@contextlib.contextmanager
def _main_left_alone() -> Iterator[None]:
    """Spawn a process that does not import the program's main module again: a script then needs no guard around its code.

    The window needs nothing of that module. multiprocessing finds it by these two names, and imports none that it does not find.
    """
    found: dict[str, Any] = vars(sys.modules["__main__"])
    before: dict[str, Any] = {name: found[name] for name in ("__file__", "__spec__") if name in found}
    found.update(dict.fromkeys(before))
    try:
        yield
    finally:
        found.update(before)


def display_available() -> bool:
    """Tell whether a window can be shown here, without opening one."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
