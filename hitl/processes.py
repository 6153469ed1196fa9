"""Starting our own child processes: they find our packages from any folder, and their output suits any encoding."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import gc
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds our packages."""
_PLAIN = {
    "─": "-", "━": "-", "│": "|", "·": "-", "…": "...", "→": "->", "←": "<-", "✓": "+", "×": "x", "–": "-", "—": "-", "−": "-",
    "≤": "<=", "≥": ">=", "±": "+-", "≈": "~", "•": "*", "“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "\xa0": " ", "µ": "u",
}  # fmt: skip


def command(module: str, *words: str) -> list[str]:
    """Return the command line of a child that runs one of our modules; start it with :func:`environment`."""
    return [sys.executable, "-m", module, *words]


def script(path: Path, *words: str) -> list[str]:
    """Return the command line of a child that runs a program of ours that imports none of our modules."""
    return [sys.executable, str(path), *words]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of such a child: it imports our packages, nothing from its working folder, and writes UTF-8."""
    path = os.environ.get("PYTHONPATH", "")
    if ROOT.name not in ("site-packages", "dist-packages"):  # found without help, and not to stand before Python's own modules
        path = os.pathsep.join(filter(None, (str(ROOT), path)))
    found = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
    return {**found, **({"PYTHONPATH": path} if path else {}), **more}


def interpreter() -> str:
    """Return the program that really runs this: in a virtual environment on Windows, python.exe only starts it."""
    return str(getattr(sys, "_base_executable", sys.executable))


def apart() -> dict[str, Any]:
    """Return how to start a child that Ctrl+C and the end of this terminal do not reach, and that opens no window.

    On Windows it gets a console that is not shown. Without any console (DETACHED_PROCESS), the interpreter that a virtual
    environment's python.exe starts would open one of its own, in front of the game.
    """
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def when_orphaned(end: Callable[[], None]) -> None:
    """Call ``end``, on a thread of its own, when the process that holds the other end of our standard input is gone.

    Only where that is a pipe: what is started by hand, or by nothing that is still there, ends by itself.
    """
    try:
        if not stat.S_ISFIFO(os.fstat(0).st_mode):
            return
    except OSError:  # there is no standard input
        return

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 64):  # not sys.stdin: its lock would be held as the interpreter ends
                pass
        end()

    threading.Thread(target=watch, name="hitl-parent-watch", daemon=True).start()


def stop_on_signal() -> Callable[[], bool]:
    """Turn the first Ctrl+C into a request to stop after the tick. The second one interrupts as usual."""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with contextlib.suppress(ValueError):  # not in the main thread: signals are handled elsewhere
        signal.signal(signal.SIGINT, ask)
        signal.signal(signal.SIGTERM, ask)
        when_hung_up(lambda: asked.append(0))
    return lambda: bool(asked)


def when_hung_up(ask: Callable[[], None]) -> None:
    """Call ``ask`` when this process's terminal is closed. One that was started to outlive it (``nohup``) is left alone.

    Nothing can be printed there from then on, and trying it would be an error: what is printed goes nowhere.
    """
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
        return
    terminals = [fd for fd in (1, 2) if os.isatty(fd)]  # a closed one no longer tells that it was one

    def hung_up(number: int, frame: object) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in terminals:
            os.dup2(nowhere, fd)
        os.close(nowhere)
        ask()

    signal.signal(hangup, hung_up)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let the first Ctrl+C interrupt the block, also after ``stop_on_signal``."""
    try:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
    except ValueError:  # not in the main thread: signals are handled elsewhere
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_guest: ContextVar[bool] = ContextVar("hitl_guest", default=False)
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_OF_WINDOWS = ("SDL_FRAMEBUFFER_ACCELERATION", "SDL_WINDOWS_DPI_AWARENESS")
"""What a window of ours sets in the environment, for as long as it is open."""


def is_guest() -> bool:
    """Whether a command runs inside another program's process: what cannot be put back there is not done."""
    return _guest.get()


@contextlib.contextmanager
def as_guest() -> Iterator[None]:
    """Run a command inside another program's process: what it sets for all of that is put back, also after an error."""
    handlers = {number: signal.getsignal(number) for name in _SIGNALS if (number := getattr(signal, name, None)) is not None}
    variables = {name: os.environ.get(name) for name in _OF_WINDOWS}
    threads = _torch_threads()
    token = _guest.set(True)
    try:
        yield
    finally:
        _guest.reset(token)
        with contextlib.suppress(ValueError):  # not in the main thread: nothing was set there either
            for number, handler in handlers.items():
                if handler is not None and signal.getsignal(number) is not handler:
                    signal.signal(number, handler)
        for name, value in variables.items():
            put_variable(name, value)
        if threads is None and (ours := sys.modules.get("trainer.torch_threads")) is not None:
            threads = ours.found()  # torch was loaded by the command
        if threads is not None:
            sys.modules["torch"].set_num_threads(threads)


def _torch_threads() -> int | None:
    """Return how many threads torch computes with here; None where it is not loaded."""
    ask = getattr(sys.modules.get("torch"), "get_num_threads", None)
    return None if ask is None else int(ask())


def put_variable(name: str, value: str | None) -> None:
    """Set a variable of this process's environment; None: there is to be none."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def take_any_letter() -> None:
    """Let this process print letters that the output's encoding lacks: as a similar sign, or as their number.

    On Windows, files and pipes use the user's code page, which lacks most signs.
    """
    codecs.register_error("hitl.plain", _plain)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # pythonw.exe, and a process without a console
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="hitl.plain")


def prepare_children() -> None:
    """Do the same for every Python that this process starts, and keep the working folder off its path.

    Only for the command line's own process, because it changes the environment.
    """
    asked = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    os.environ["PYTHONIOENCODING"] = f"{asked}:backslashreplace"
    os.environ["PYTHONSAFEPATH"] = "1"


def collect_seldom() -> None:
    """Look for garbage a tenth as often, and once as the process ends: Python does that three times.

    To load torch and to end then take a fifth less of the processor. Only for the command line's own process.
    """
    gc.set_threshold(10_000)
    atexit.register(_collect_once)


def _collect_once() -> None:
    gc.collect()
    gc.freeze()


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Replace letters that an encoding lacks: the error handler of :func:`take_any_letter`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking), error.end
