"""The engine's process: started, asked over its pipe, and ended when it does not answer. It may crash, and we do not."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import shown
from hitl.games.hang_guard import HEAR_S, HEED_S, EnvironmentLost
from hitl.processes import apart

LOG = "supertuxkart.log"  # in the home: what the engine has printed since it was last started
_TAIL = 16_384  # bytes of it that are looked at
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_COMPLAINT = re.compile(r"^(?:\[(?:error|fatal)\s*\] |\w*(?:Error|Exception): )(?P<said>.+)$", re.MULTILINE)
_NEXT = "its episode is closed, and the next one starts it anew"


class EngineProcess:
    """A program that answers each request, one line of JSON each. ``leaving``: asked while an answer is waited for.

    Requests are answered in their order, and a request may be sent before the answer to the last one was taken.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        """Start it. Raises EnvironmentLost where that cannot be done."""
        self.leaving: Callable[[], bool] = lambda: False
        self._log, self._loaded = log, False
        try:
            printed = log.open("wb")
        except OSError as error:
            raise unwritable(log.parent, error) from error
        try:
            with printed:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=printed,
                    env=dict(env),
                    cwd=log.parent,
                    **apart(),
                )
        except OSError as error:
            raise EnvironmentLost(f"SuperTuxKart cannot be started: {error.strerror or error}.") from error
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="hitl-supertuxkart", daemon=True).start()

    def ask(self, *request: Any) -> None:
        """Send a request, and wait for nothing. Raises EnvironmentLost when the program has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:  # the pipe was closed at its other end, or here
            raise self._ended() from error

    def answer(self, timeout: float, what: str) -> Any:
        """Return the answer to the oldest request. ``what``: the words for what takes so long.

        Raises EnvironmentLost when there is none within ``timeout`` (s), and ends the program then.
        """
        began = time.monotonic()
        while True:
            spent = time.monotonic() - began
            with contextlib.suppress(queue.Empty):
                line = self._answers.get(timeout=max(0.0, min(timeout - spent, HEAR_S)))
                break
            if spent >= timeout:
                self.close(wait_s=0.0)
                raise EnvironmentLost(f"SuperTuxKart hangs: {what} took longer than {timeout:.2g} s, so it was ended; {_NEXT}.")
            if spent > HEED_S and self.leaving():
                self.close(wait_s=0.0)
                raise EnvironmentLost(f"You wanted to leave, so SuperTuxKart was not waited for any longer ({what}).")
        if line is None:
            raise self._ended()
        self._loaded = True
        try:
            return json.loads(line)
        except ValueError as error:
            self.close(wait_s=0.0)
            raise EnvironmentLost(f"SuperTuxKart's program answered what is no JSON, so it was ended; {_NEXT}.") from error

    def close(self, wait_s: float = 2.0) -> None:
        """Let the program end, and end it when it takes longer than ``wait_s`` (s)."""
        process = self._process
        if not wait_s:
            process.kill()  # first: a thread may be writing into a pipe that is not read, and closing would wait for it
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._answers.put(line)
        self._answers.put(None)

    def _ended(self) -> EnvironmentLost:
        """Return what is said of a program that ended by itself."""
        self.close()
        status = self._process.returncode
        how = f"crashed (signal {-status})" if status < 0 else f"ended by itself (exit status {status})"
        where = f"What it printed is in {self._log.name} in the home folder."
        if self._loaded:
            return EnvironmentLost(f"SuperTuxKart {how}; {_NEXT}. {where}")
        why = f": {said}" if (said := _complaint(self._log)) else ""
        return EnvironmentLost(
            f"SuperTuxKart {how} before the track was loaded{why}; its data may be damaged or not whole, and `hitl supertuxkart` "
            f"says which are used. {where}"
        )


def unwritable(home: Path, error: OSError) -> EnvironmentLost:
    """Return what is said where the engine's own files cannot be written."""
    why = shown(error.strerror or error)
    return EnvironmentLost(
        f"SuperTuxKart cannot be started: its files cannot be written in the home folder '{shown(home.name)}' ({why}). Make it "
        "writable, or choose another with --home DIR."
    )


def _complaint(log: Path) -> str:
    """Return what the engine printed last of what it lacks; "" where there is no such line."""
    try:
        text = log.read_bytes()[-_TAIL:].decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [found["said"].rstrip(". ").replace(";", ",") for found in _COMPLAINT.finditer(_COLOURS.sub("", text))]
    return shown(", ".join(dict.fromkeys(lines[-2:])), 200)


def apart_from_the_players(folder: Path, data: Path) -> dict[str, str]:
    """Return the environment of an engine that reads its data from ``data`` and writes into ``folder`` alone.

    Otherwise it would change the settings and the progress of the player's own game.
    """
    kept = {name: str(folder / part) for name, part in _OWN.items()}
    for path in kept.values():
        os.makedirs(path, exist_ok=True)
    return {**os.environ, **kept, "SUPERTUXKART_DATADIR": str(data), "PYTHONSAFEPATH": "1"}


_OWN = {
    "SUPERTUXKART_SAVEDIR": "config", "XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache",
    "XDG_PICTURES_DIR": "data", "APPDATA": "config", "LOCALAPPDATA": "cache",
}  # fmt: skip
"""Where the engine writes, on Linux and on Windows, and the folder that it gets instead."""
