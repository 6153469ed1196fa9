"""Whether the other side answers, and if not, why: told soon after the start, where it never did, and at each change."""

from __future__ import annotations

import socket
from typing import Any

from hitl.remote.link import Access, connection

FIRST_S = 5.0
"""Until it is said that nobody has answered yet; whoever answers does so within a second or two."""
AGAIN_S = 15.0
"""Between two looks at why."""
CONNECT_S = 1.0


def why_silent(endpoint: Any, to: Access, other: str) -> str:
    """Return a sentence about why nobody answers. ``other``: who should be there beside the server, a trainer; "" for no one."""
    at = f"{to.host}:{to.port}"
    if connection(endpoint) is not None:
        return f"The server at {at} answers, but no {other}: is `hitl train --from-server` running?" if other else ""
    try:
        socket.create_connection((to.host, to.port), CONNECT_S).close()
    except OSError as error:
        why = error.strerror or "in time" * isinstance(error, TimeoutError) or str(error)
        return f"No answer from {at} ({why}): is `hitl server` running there, and does a firewall let it through?"
    if to.keys is None:
        return (
            f"What is at {at} does not let this one in. It may want other keys: copy certificate.pem and password.txt from the "
            "server (`--keys DIR`); or it is no `hitl server`."
        )
    return (
        f"What is at {at} does not let this one in: certificate.pem and password.txt must be the server's, unchanged "
        "(`hitl keys` wrote them); or it is no `hitl server`, or runs with --no-tls."
    )


class Reach:
    """Turns whether the other side answers into sentences, each when it is news."""

    def __init__(self, endpoint: Any, to: Access, other: str, found: str, began: float) -> None:
        """``other``: see `why_silent`; ``found``: the sentence for when it answers; ``began``: now, by a steady clock (s)."""
        self._endpoint, self._to, self._other, self._found = endpoint, to, other, found
        self._looks_at = began + FIRST_S
        self._alive = False
        self._said = ""

    def news(self, alive: bool, now: float) -> str:
        """Return what is to be said now, "" for nothing."""
        if alive:
            new, self._alive, self._said, self._looks_at = not self._alive, True, "", now
            return self._found if new else ""
        self._alive = False
        if now < self._looks_at:
            return ""
        self._looks_at = now + AGAIN_S
        why = why_silent(self._endpoint, self._to, self._other)
        new, self._said = why != self._said, why
        return why if new else ""
