"""One input through one reader: what came of it, how long it took, what it needed, and whether it did what no reader may."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from data.errors import HitlError

HANG_S = 1.0  # of the processor
MOST_BYTES = 200 * 2**20
STOP_S = 4  # after which an input is given up
_FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile",
    "subprocess.Popen", "pickle.find_class", "socket.connect", "exec", "compile", "import", "ctypes.dlopen",
    "sqlite3.enable_load_extension", "sqlite3.load_extension", "code.__new__",
)  # fmt: skip
_WRITES = (
    "open", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "shutil.rmtree",
)  # fmt: skip


class RefusedError(Exception):
    """A reader that tells a refusal as a value and not as an error: the sentence."""


@dataclass(frozen=True)
class Reader:
    """A reader of foreign data. ``make`` gives an input; ``use`` reads it in a folder of its own and checks what was accepted.

    ``use`` raises HitlError or RefusedError where the input is refused, and AssertionError where an accepted one is wrong.
    """

    name: str
    make: Callable[[Random], bytes]
    use: Callable[[bytes, Path], object]
    sound: Callable[[], bytes]
    """An input that must be accepted."""
    mapped: tuple[str, ...] = ()
    """Names of modules that are imported while it works, which is no harm."""


@dataclass
class Outcome:
    """``kind``: accepted, refused, or a fault: traceback, wrong, hang, memory, code, sentence, crash."""

    kind: str
    seconds: float = 0.0
    bytes: int = 0
    text: str = ""
    seen: list[str] = field(default_factory=list)


class _Watch:
    """Notes what the interpreter tells of forbidden deeds while an input is read."""

    def __init__(self) -> None:
        self.on, self.folder, self.seen = False, "", []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in _FORBIDDEN:
            if event == "import" and _known(str(args[0])):
                return
            if event in ("exec", "compile") and _stands_in_a_file(event, args):
                return
            self.seen.append(f"{event} {str(args)[:80]}")
        elif event in _WRITES and args and isinstance(args[0], str | bytes | os.PathLike):
            where = os.fsdecode(args[0])
            if event in ("os.remove", "os.rmdir") and args[-1] != -1:
                return  # inside a folder that was opened before, by the removal of a whole one that is looked at itself
            writes = event != "open" or (isinstance(args[1], str) and any(c in args[1] for c in "wax+"))
            if writes and not os.path.abspath(where).startswith((self.folder, "/proc/", "/dev/null")):
                self.seen.append(f"{event} {where}")


def _known(name: str) -> bool:
    """Whether a module belongs to what is installed; importing such a one late is no harm."""
    root = name.partition(".")[0]
    return root in sys.stdlib_module_names or root in sys.modules


def _stands_in_a_file(event: str, args: tuple[Any, ...]) -> bool:
    """Whether code comes from a module's file, or is what ``dataclasses`` and ``namedtuple`` make of fields."""
    name = getattr(args[0], "co_filename", "") if event == "exec" else str(args[1])
    return (
        name.endswith((".py", ".pyc"))
        or name.startswith("<frozen ")
        or (name == "<string>" and event == "compile" and args[0] is None)
    )


_watch: _Watch | None = None


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """Give the list of forbidden deeds of a block."""
    global _watch
    _watch = _watch or _Watch()
    _watch.folder, _watch.seen, _watch.on = str(folder), [], True
    try:
        yield _watch.seen
    finally:
        _watch.on = False


def _give_up(*_: object) -> None:
    raise TimeoutError("given up")


def _peak_reset() -> None:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _resident(which: str) -> int:
    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith(which):
                return int(line.split()[1]) * 1024
    return 0


def limit_memory(bytes_more: int = 1 << 30) -> None:
    """Let this process ask for so much more address space: a huge claim fails, and the machine stays up."""
    import resource

    most = _resident("VmSize") + bytes_more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def run(reader: Reader, data: bytes, folder: Path) -> Outcome:
    """Put one input through a reader, in the main thread of a process."""
    previous = signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(STOP_S)
    _peak_reset()
    resident = _resident("VmRSS")
    seen: list[str] = []
    tempfile.tempdir = str(folder)  # what a reader needs for a moment is the input's own as well
    begin = time.process_time()
    try:
        with watched(folder) as seen:
            reader.use(data, folder)
        outcome = Outcome("accepted")
    except (HitlError, RefusedError) as error:
        outcome = Outcome("refused", text=str(error))
        if (what := _no_sentence(str(error), folder)) is not None:
            outcome = Outcome("sentence", text=f"{what}: {str(error)[:300]!r}")
    except AssertionError as error:
        outcome = Outcome("wrong", text=f"{error} {_where(error)}")
    except TimeoutError:
        outcome = Outcome("hang", text=f"given up after {STOP_S} s")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        outcome = Outcome("traceback", text=f"{type(error).__name__}: {str(error)[:200]} {_where(error)}")
    finally:
        signal.alarm(0)
        tempfile.tempdir = None
        signal.signal(signal.SIGALRM, previous)
        taken = time.process_time() - begin
    outcome.seconds, outcome.bytes = taken, _resident("VmHWM") - resident
    if seen:
        return Outcome("code", taken, outcome.bytes, "; ".join(seen[:3]))
    if outcome.kind in ("accepted", "refused"):
        if taken > HANG_S:
            outcome.text, outcome.kind = f"{taken:.1f} s ({outcome.kind})", "hang"
        elif outcome.bytes > MOST_BYTES:
            outcome.text, outcome.kind = f"{outcome.bytes / 2**20:.0f} MiB ({outcome.kind})", "memory"
    return outcome


def _no_sentence(text: str, folder: Path) -> str | None:
    """Say what keeps a refusal from being one sentence to a player; None when nothing does."""
    if not text.strip() or len(text) > 700:
        return f"{len(text)} characters"
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]", text):
        return "more than one line, or control characters"
    if str(folder) in text:
        return "a path of this machine"
    if "Traceback" in text:
        return "a traceback"
    return None


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/site-packages/" not in f.filename and "/lib/python" not in f.filename]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed((ours or frames)[-3:]))
