"""What the tests of scripts share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


class _Kept(logging.Handler):
    """Keeps what is logged: what else is set for logging in this process does not matter."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What a script is warned of, as it comes."""
    kept = _Kept()
    logging.getLogger("hitl").addHandler(kept)
    yield kept.messages
    logging.getLogger("hitl").removeHandler(kept)
