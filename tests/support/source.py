"""The packages' source, read and parsed once for all the tests that look through it: the suite runs these in one process."""

import ast
import functools
from pathlib import Path

from tests.support.places import ROOT

PACKAGES = ("hitl", "data", "trainer", "takeover_ui")


@functools.cache
def files() -> tuple[Path, ...]:
    """Return every module of the packages."""
    return tuple(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


@functools.cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Return a module as Python reads it, for looking only."""
    return ast.parse(text_of(path))
