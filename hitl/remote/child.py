"""The process that talks to the server for a session or a trainer: ``python -m hitl.remote.child``.

Its parent writes one line of JSON to its standard input and closes that when it is to end; a parent that is killed closes it
too. What it has to say comes back as lines on its standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.errors import DeviceError, HitlError
from hitl.processes import apart, command, environment
from hitl.remote.link import Access

UNSENT = DeviceError.exit_code
"""Exit status of a worker's child that could not send everything."""


class Child:
    """The child, seen from its parent. ``say`` takes its sentences, on a thread of their own."""

    def __init__(self, role: str, home: Path, to: Access, say: Callable[[str], None], **more: Any) -> None:
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
    from hitl.home import Home
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

    def work(endpoint: Any) -> None:
        if forwards:
            from hitl.remote.forward import forward

            arrived = forward(endpoint, home, setup["name"], ended.is_set, say, to=to, everything=setup["everything"])
            status.append(0 if arrived else UNSENT)
        else:
            from hitl.remote.receive import receive

            receive(endpoint, home, ended.is_set, say, to=to, tmrl_weights=setup.get("tmrl_weights", False))

    try:
        run_endpoint(to, "workers" if forwards else "trainers", work)
    except HitlError as error:
        say(f"hitl: {error}")
        status.append(error.exit_code)
    sys.stdout.flush()
    os._exit(max(status))  # tlspyo would wait for acknowledgements that a server which is gone never sends


if __name__ == "__main__":
    main()
