"""The packages' source and the screens' texts, read and parsed once for all the tests that look through them.

The suite runs these in one process.
"""

import ast
import functools
import tomllib
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


@functools.cache
def nodes_of(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all that a module is made of, as ``ast.walk`` does: to go through a tree takes longer than to parse it."""
    return tuple(ast.walk(tree))


@functools.cache
def screen_texts() -> tuple[tuple[str, str], ...]:
    """Return (where, text) of every text of the screens, in all languages; each form of one for itself."""
    found = []
    for path in sorted((ROOT / "takeover_ui").rglob("*.toml")):
        for name, text in tomllib.loads(text_of(path)).items():
            forms = text if isinstance(text, list) else [text]
            found += [(f"{path.relative_to(ROOT).as_posix()}: {name}", form) for form in forms]
    return tuple(found)
