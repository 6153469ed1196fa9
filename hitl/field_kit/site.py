"""What every measurement gets: where it runs, and how it speaks to the player."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from data.errors import HitlError
from hitl.field_kit.private import Private
from hitl.home import Home

FigureDict = dict[str, Any]


class MissingError(HitlError):
    """A measurement cannot be made here; its text says what is missing."""


@dataclass
class Site:
    """``env``: the environment that is meant. ``say_text`` prints a sentence."""

    home: Home
    env: str
    private: Private
    say_text: Callable[[str], None]
