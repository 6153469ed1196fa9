"""The process that talks to the server for a session or a trainer: ``python -m hitl.remote.child``.

Its parent writes one line of JSON to its standard input and closes that when it is to end; a parent that is killed closes it
too. What it has to say comes back as lines on its standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.connect import reason
from data.errors import DeviceError, HitlError, StoreError, UsageError, shown
from data.recording.session_lock import LiveLock, is_alive
from hitl.home import Home
from hitl.processes import apart, command, environment
from hitl.remote.elsewhere import keep_link
from hitl.remote.link import Access

UNSENT = DeviceError.exit_code
"""Exit status of a worker's child that could not send everything."""


_AT_WORK = {"forward": "sends", "receive": "receives"}  # by role, the lock beside the store that tells of it


def refuse_both(role: str, store: Path) -> None:
    """Raise UsageError where the other role is at work in a home: each would send back what comes from the other, for ever."""
    other = "receive" if role == "forward" else "forward"
    if not is_alive(store, _AT_WORK[other]):
        return
    if role == "forward":
        why = "In this home a trainer takes in what workers send, and a worker here would send it all back to that"
        what = "the worker a home of its own, with `hitl worker --home DIR`"
    else:
        why = "From this home a worker sends what is driven, and a trainer here would only get that back"
        what = "the trainer a home of its own, with `hitl train --from-server --home DIR`"
    raise UsageError(
        f"{why}: give {what}. Where all is on this machine, `hitl play` and `hitl train` do the same in one home."
    )


class Child:
    """The child, seen from its parent. ``say`` takes its sentences, on a thread of their own.

    Raises UsageError where a child of the other role is at work in that home.
    """

    def __init__(self, role: str, home: Path, to: Access, say: Callable[[str], None], **more: Any) -> None:
        refuse_both(role, Home(home).store_path)
        self.process = subprocess.Popen(
            command("hitl.remote.child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=environment(),
            **apart(),  # Ctrl+C is the parent's business
        )
        assert self.process.stdin is not None
        setup = {"role": role, "home": home, "access": asdict(to), **more}
        self.process.stdin.write(json.dumps(setup, default=str) + "\n")
        self.process.stdin.flush()
        self._reader = threading.Thread(target=self._read, args=(say,), daemon=True)
        self._reader.start()

    def _read(self, say: Callable[[str], None]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(OSError):  # on a full disk: a child that is no longer read from would stand still
                say(line.rstrip("\n"))

    def close(self, timeout: float = 25.0) -> None:
        """Let it finish its work; kill it after ``timeout`` seconds."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(timeout=2.0)


def main() -> None:
    """Do what the parent asks for."""
    from hitl.remote.forward import REST_BY
    from hitl.remote.link import run_endpoint

    setup = json.loads(sys.stdin.readline())
    ended = threading.Event()

    def watch() -> None:
        while sys.stdin.read(1):
            pass
        ended.set()

    threading.Thread(target=watch, daemon=True).start()

    def say(text: str) -> None:
        try:
            print(text, flush=True)
        except OSError:
            ended.set()  # the parent is gone

    home = Home(Path(setup["home"])).create()
    keys = setup["access"].pop("keys")
    to = Access(**setup["access"], keys=Path(keys) if keys else None).check()

    forwards, status = setup["role"] == "forward", [0]
    at_work = LiveLock(home.store_path, _AT_WORK[setup["role"]])

    def work(endpoint: Any) -> None:
        try:
            run(endpoint)
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, ConnectionError):
                raise
            raise StoreError(_unusable(home, error, setup.get("rest_by", REST_BY) if forwards else "")) from error

    def run(endpoint: Any) -> None:
        if forwards:
            from hitl.remote.forward import forward

            arrived = forward(
                endpoint, home, setup["name"], ended.is_set, say, to=to, everything=setup["everything"],
                rest_by=setup.get("rest_by", REST_BY),
            )  # fmt: skip
            status.append(0 if arrived else UNSENT)
        else:
            from hitl.remote.receive import receive

            receive(endpoint, home, ended.is_set, say, to=to, tmrl_weights=setup.get("tmrl_weights", False))

    try:
        at_work.acquire()  # first, so that of two that start at once one sees the other
        refuse_both(setup["role"], home.store_path)
        run_endpoint(to, "workers" if forwards else "trainers", work)
    except HitlError as error:
        say(f"hitl: {error}")
        keep_link(home.root, False, str(error))  # for who looks at a trainer in the background
        status.append(error.exit_code)
    except Exception as error:  # among a session's sentences it is one, too
        at = traceback.extract_tb(error.__traceback__)[-1]
        cause = f"{type(error).__name__}: {shown(error, 200)}; {Path(at.filename).name}, line {at.lineno}"
        said = f"{'Sending' if forwards else 'Receiving'} has ended by a fault of hitl ({cause}): start the command again."
        say(f"hitl: {said}")
        keep_link(home.root, False, said)
        status.append(1)
    at_work.release()
    sys.stdout.flush()
    os._exit(max(status))  # tlspyo would wait for acknowledgements that a server which is gone never sends


def _unusable(home: Home, error: Exception, rest_by: str) -> str:
    """Say that a home cannot be read or written. ``rest_by``: the command that sends what waits there; "" for a trainer's."""
    why = reason(home.store_path, error) if isinstance(error, sqlite3.Error) else getattr(error, "strerror", None) or error
    what = "what was sent is written down there, so nothing can be sent" if rest_by else "what arrives is written down there"
    then = f"Make room or make it writable.{f' {rest_by} sends the rest then.' if rest_by else ''}"
    return f"The home folder '{shown(home.root.name)}' cannot be used ({shown(why)}): {what}. {then}"


if __name__ == "__main__":
    main()
