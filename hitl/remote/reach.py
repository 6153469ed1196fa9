"""Whether the other side answers, and if not, why: told soon after the start, where it never did, and at each change."""

from __future__ import annotations

import math
import socket
from pathlib import Path
from typing import Any

from hitl.remote.elsewhere import EVERY_S, keep_link
from hitl.remote.link import Access, connection, refused

FIRST_S = 5.0
"""Until it is said that nobody has answered yet; whoever answers does so within a second or two."""
AGAIN_S = 15.0
"""Between two looks at why."""
CONNECT_S = 1.0
QUIET_S = 3.0
"""For which a server that answers may leave a message unacknowledged."""
PASSWORD = "password.txt (or HITL_PASSWORD, where that is set)"


def why_silent(endpoint: Any, to: Access, other: str, *, guesses: bool = True) -> str:
    """Return a sentence about why nobody answers. ``other``: who should be there beside the server, a trainer; "" for no one.

    ``guesses``: also where a server answers, does not let this one in, and has not said why. One that has just been started
    answers a moment before this one comes in.
    """
    at = to.at
    link = connection(endpoint)
    if link is not None and link.silent_s() < QUIET_S:
        return f"The server at {at} answers, but no {other}: is `hitl train --from-server` running?" if other else ""
    try:
        socket.create_connection((to.host, to.port), CONNECT_S).close()
    except OSError as error:
        why = error.strerror or "in time" * isinstance(error, TimeoutError) or str(error)
        return f"No answer from {at} ({why}): is `hitl server` running there, and does a firewall let it through?"
    if link is not None:
        return f"Nothing comes through the connection to the server at {at} any more. It is made anew within a minute."
    why = refused(endpoint)
    return _why_refused(why, at, to) if why or guesses else ""


def _why_refused(why: str, at: str, to: Access) -> str:
    """Return a sentence about somebody who answers and does not let this one in."""
    if why == "full":
        return (
            f"Another trainer is connected to the server at {at}, which takes one at a time: end that one, and this one takes "
            "its place. A connection that broke off counts for up to a minute."
        )
    if why == "password":
        return f"The server at {at} refuses the password: {PASSWORD} must be the server's, unchanged."
    if why == "certificate":
        return (
            f"What is at {at} shows another certificate than certificate.pem, so it is not the server that the file is from: "
            "copy certificate.pem and password.txt from that server again."
        )
    if to.keys is None:
        return (
            f"What is at {at} does not let this one in. It may want other keys: copy certificate.pem and password.txt from the "
            "server (`--keys DIR`); or it is no `hitl server`."
        )
    return (
        f"What is at {at} does not let this one in: certificate.pem and password.txt must be the server's, unchanged; or it is "
        "no `hitl server`, or runs with --no-tls."
    )


class Reach:
    """Turns whether the other side answers into sentences, each when it is news."""

    def __init__(self, endpoint: Any, to: Access, other: str, found: str, began: float, root: Path | None = None) -> None:
        """``other``: see `why_silent`; ``found``: the sentence for when it answers; ``began``: now, by a steady clock (s).

        ``root``: the home in which it is kept for other programs; None: it is not.
        """
        self._root, self._kept_at = root, -math.inf
        self._endpoint, self._to, self._other, self._found = endpoint, to, other, found
        self._looks_at = began + FIRST_S
        self._alive = False
        self._said, self._looked = "", False
        self._guesses = True  # at the first look, and after one that came to nothing

    def news(self, alive: bool, now: float) -> str:
        """Return what is to be said now, "" for nothing."""
        new = self._news(alive, now)
        if self._root is not None and (alive or self._looked) and (new or now - self._kept_at > EVERY_S):
            self._kept_at = now
            keep_link(self._root, alive, self._said)
        return new

    def _news(self, alive: bool, now: float) -> str:
        if alive:
            new, self._alive, self._said, self._looks_at, self._guesses = not self._alive, True, "", now, False
            return self._found if new else ""
        self._alive = False
        if now < self._looks_at:
            return ""
        self._looked = True
        why = why_silent(self._endpoint, self._to, self._other, guesses=self._guesses)
        self._looks_at, self._guesses = now + (AGAIN_S if why else FIRST_S), not why
        new, self._said = why != self._said, why
        return why if new else ""
