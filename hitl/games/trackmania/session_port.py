"""The second port of the plugin with 33 numbers: which map is loaded, and whether the car may drive. **(untried in the game)**

One line of JSON is asked and one answered; then the plugin hangs up.
"""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import Any

PORT = 9001
MOST = 16 * 1024  # bytes of an answer
PATIENCE_S = 0.5  # for an answer of a game on this machine
ASK_S = 0.05  # between two questions


@dataclass(frozen=True)
class SessionPort:
    """Asks the plugin. An answer may take ``PATIENCE_S``, so nothing here belongs into a tick."""

    host: str
    port: int = PORT

    def map_uid(self) -> str:
        """Return the uid of the map that is loaded, "" where none is, or no one answers."""
        return str(self._ask("verify_loaded_map").get("map_uid") or "")[:200]

    def answers(self) -> bool:
        """Tell whether a plugin is there that knows the question."""
        return bool(self._ask("confirm_ready"))

    def ready(self, until: float) -> bool:
        """Wait until the plugin says that the car may drive; False when it has not by that moment (``time.perf_counter``)."""
        while True:
            if self._ask("confirm_ready").get("ready") in ("true", True):
                return True
            if time.perf_counter() >= until:
                return False
            time.sleep(ASK_S)  # between episodes, so no tick waits

    def _ask(self, command: str) -> dict[str, Any]:
        """Return the answer, empty where there is none, or an error."""
        # The plugin looks for these very characters, so there are no blanks.
        question = json.dumps({"protocol_version": "2", "command": command}, separators=(",", ":"))
        try:
            with socket.create_connection((self.host, self.port), timeout=PATIENCE_S) as link:
                link.sendall(question.encode() + b"\n")
                raw, until = b"", time.perf_counter() + PATIENCE_S
                while b"\n" not in raw and len(raw) <= MOST and time.perf_counter() < until:
                    piece = link.recv(MOST)
                    if not piece:
                        break
                    raw += piece
            answer = json.loads(raw)
        except (OSError, ValueError):  # not there, or something else listens
            return {}
        return answer if isinstance(answer, dict) and answer.get("status") == "ok" else {}
