"""What to do about a fault in another program's run, for its user, and the line of mathematics, for its programmer.

``FAULTS`` says what to change in ours. The user of another trainer cannot: here it says which of *its* settings helps, or that
none does.
"""

from __future__ import annotations

MATHEMATICS: dict[str, str] = {}


def elsewhere(fault: str) -> str:
    """Return what helps a user of another trainer; empty where the catalogue's advice holds there, too."""
    return ""
