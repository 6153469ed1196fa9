"""One word for one thing: the code held against docs/vocabulary.md."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.places import PAGES, ROOT
from tests.support.source import files, nodes_of, screen_texts, tree_of

Modules = dict[str, ast.Module]
"""The parsed modules, by their paths."""
PAGE = (ROOT / "docs" / "vocabulary.md").read_text(encoding="utf-8")

def _sections() -> dict[str, list[list[str]]]:
    """Return the rows of each section's table."""
    found = {}
    for part in re.split(r"^## ", PAGE, flags=re.M)[1:]:
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]
        found[part.splitlines()[0]] = rows[2:]
    return found


def _listed(cell: str) -> list[str]:
    return [word.strip() for word in cell.split(",") if word.strip()]


SECTIONS = _sections()
PLAIN, NAMES = SECTIONS["Plain English"], SECTIONS["Names that do not say what they do"]
USE = "docs/vocabulary.md has the word to use instead"
NOT_USED = {word for rows in SECTIONS.values() for row in rows if len(row) == 3 for word in _listed(row[2])}
ANY_NOT_USED = re.compile(f" (?:{'|'.join(map(re.escape, NOT_USED))}) ")
NOT_WRITTEN = NOT_USED | {w for row in PLAIN for w in _listed(row[0])}
ANY_NOT_WRITTEN = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, NOT_WRITTEN))})s?(?![\w-])", re.I)
NOT_CALLED = {w for row in NAMES for w in _listed(row[0])}
SQL = re.compile(r"\(?(SELECT|INSERT|UPDATE|DELETE) ")
CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`|\]\([^)\n]+\)", re.M | re.S)


def _parts(name: str) -> str:
    """Return a name's words in small letters, with spaces around each."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return f" {' '.join(words).lower()} "


def _docstrings(tree: ast.Module) -> set[int]:
    """Return the ids of strings that stand alone as a statement: documentation, no message."""
    return {id(n.value) for n in nodes_of(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}


@cache
def _modules() -> Modules:
    return {path.relative_to(ROOT).as_posix(): tree_of(path) for path in files()}


def _names(modules: Modules) -> Iterator[tuple[str, str]]:
    """Yield (where, name) of each module, class and function."""
    for path, tree in modules.items():
        yield path, Path(path).stem
        for node in nodes_of(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node.name


def _texts(modules: Modules) -> Iterator[tuple[str, str]]:
    """Yield (where, text) of each string with more than one word that is no docstring."""
    for path, tree in modules.items():
        documentation = _docstrings(tree)
        for node in nodes_of(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                text = node.value.strip()
                if " " in text and not SQL.match(text):
                    yield f"{path}:{node.lineno}", node.value


@cache
def _pages() -> dict[str, str]:
    """Return what people read on each page of documentation: without code, and without the page that lists the words."""
    prose = {p.name: CODE.sub(lambda m: "\n" * m[0].count("\n"), p.read_text(encoding="utf-8")) for p in PAGES}
    del prose["vocabulary.md"]
    return prose


def _offences_on_pages() -> list[str]:
    return [
        f"{name}:{number}: {word}"
        for name, text in _pages().items()
        for number, line in enumerate(text.splitlines(), 1)
        for word in (found[0].lower() for found in ANY_NOT_WRITTEN.finditer(line))
    ]


def _offences_in_names(modules: Modules) -> dict[str, set[str]]:
    found = defaultdict(set)
    for path, name in _names(modules):
        words = _parts(name)
        if ANY_NOT_USED.search(words) or name.strip("_") in NOT_CALLED:
            found[name].add(path)
    return found


def _offences_in_texts(modules: Modules) -> dict[str, list[str]]:
    found = defaultdict(list)
    for where, text in (*_texts(modules), *screen_texts()):
        for word in {word.lower() for word in ANY_NOT_WRITTEN.findall(text)}:
            found[word].append(f"{where}: {text[:90]!r}")
    return found


def _alias(node: ast.stmt) -> str:
    """Return the name that a module gives to a type by an assignment; empty for any other statement."""
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
        return ""
    name = node.targets[0].id
    return name if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name) else ""


def _types(modules: Modules) -> dict[str, dict[str, str]]:
    """Return what each name of a class or of a type means, where it means several things: by the module that says so.

    A type that several modules write down alike is one thing.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path, tree in modules.items():
        for node in nodes_of(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name][f"{path}:{node.lineno}"] = f"{path}:{node.lineno}"
        for node in tree.body:
            if isinstance(node, ast.Assign) and (name := _alias(node)):
                found[name][f"{path}:{node.lineno}"] = ast.unparse(node.value)
    return {name: meant for name, meant in found.items() if len(set(meant.values())) > 1}


def test_the_page_is_read() -> None:
    words = [row[0] for title, rows in SECTIONS.items() for row in rows if len(row) == 3]
    assert len(words) > 40
    assert len(words) == len(set(words))
    assert {"intervention", "pulse", "nobody"} <= NOT_WRITTEN
    assert "go_first" in NOT_CALLED
    assert _parts("TrainerPulse") == " trainer pulse "
    assert _parts("_hand_back") == " hand back "


def test_names_are_of_the_vocabulary() -> None:
    assert _offences_in_names(_modules()) == {}, USE


def test_messages_are_of_the_vocabulary() -> None:
    assert _offences_in_texts(_modules()) == {}, USE


def test_pages_are_of_the_vocabulary() -> None:
    assert _offences_on_pages() == [], USE


def test_the_name_of_a_type_means_one_thing() -> None:
    assert _types(_modules()) == {}


def test_a_name_with_two_meanings_would_be_seen() -> None:
    texts = {"a.py": "class Row: ...", "b.py": "Row = tuple[int, ...]\nWide = list[int]", "c.py": "Wide = list[int]\nROW = 3"}
    assert _types({path: ast.parse(text) for path, text in texts.items()}).keys() == {"Row"}


@pytest.mark.parametrize("name", ["Intervention", "read_pulse", "override_action", "know_demos"])
def test_an_offence_would_be_seen(name: str) -> None:
    planted = {"hitl/planted.py": ast.parse(f"def {name}():\n    raise ValueError('There is nobody here.')\n")}
    assert name in _offences_in_names(planted)
    assert any("planted" in text for text in _offences_in_texts(planted)["nobody"])


@pytest.mark.parametrize("line", ["Two judgements.", "Nobody knows.", "The `verdict` of a bend"])
def test_an_offence_on_a_page_would_be_seen(line: str) -> None:
    _pages()["planted.md"] = f"A page.\n{line}\n"
    try:
        assert [o for o in _offences_on_pages() if o.startswith("planted.md:2: ")]
    finally:
        del _pages()["planted.md"]


def test_code_on_a_page_is_not_read() -> None:
    page = "See `judgements`.\n\n```\nhitl nobody\n```\n\n[here](docs/rescue.md)\n"
    assert not ANY_NOT_WRITTEN.search(CODE.sub("", page))
