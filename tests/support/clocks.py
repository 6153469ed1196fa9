"""A clock for one module alone: other modules, and threads that earlier tests left behind, keep the machine's."""

from __future__ import annotations

import time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


def own_time(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType, **instead: Any) -> None:
    """Let what these modules call ``time`` do something else, ``sleep=...``; the rest of it stays the real one.

    ``monkeypatch.setattr(module.time, "sleep", ...)`` would change it for the whole process.
    """
    for module in modules:
        monkeypatch.setattr(module, "time", SimpleNamespace(**{**vars(time), **instead}))
