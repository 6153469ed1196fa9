"""What every measurement gets: where it runs, and how it speaks to the player."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from data.errors import HitlError
from hitl.field_kit.private import Private
from hitl.home import Home

Figures = dict[str, Any]


class MissingError(HitlError):
    """A measurement cannot be made here; its text says what is missing."""


@dataclass
class Site:
    """``env``: the environment that is meant. ``tell`` prints a sentence. ``made``: the figures so far, by measurement."""

    home: Home
    env: str
    private: Private
    tell: Callable[[str], None]
    made: dict[str, Figures] = field(default_factory=dict)

    def need(self, name: str, why: str) -> Figures:
        """Return what another measurement has found. Raises MissingError, with what is missing, where it has found nothing."""
        if name not in self.made:
            raise MissingError(why)
        return self.made[name]
