"""The layout of the house: which package may import which, no import circles, and folders that can be taken in at a glance."""

import ast
import functools
import re
from collections import Counter

import pytest

from tests.support.places import BENCHMARKS, ROOT
from tests.support.source import files, nodes_of, text_of, tree_of

BELOW = {"data": set(), "trainer": {"data"}, "takeover_ui": {"data"}, "hitl": {"data", "trainer", "takeover_ui"}}
"""What each package may import beside itself."""
MOST = 14  # modules in a folder; `hitl/commands` holds one for each command


MODULES = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in files()}


def _imports(module):
    """Return the modules of the house that a module names, lazily and for type checkers only, too."""
    found = set()
    for node in nodes_of(tree_of(MODULES[module])):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name in MODULES} - {module}


@functools.cache
def _all_imports():
    return {module: _imports(module) for module in MODULES}


def _reach(start, imports):
    """Return all modules that a module imports, directly or through others."""
    seen, todo = set(), [start]
    while todo:
        for module in imports[todo.pop()] - seen:
            seen.add(module)
            todo.append(module)
    return seen


def test_no_module_imports_itself_through_others():
    assert len(MODULES) > 200
    assert sorted(module for module in MODULES if module in _reach(module, _all_imports())) == []


def test_no_benchmark_imports_itself_through_others():
    files = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in BENCHMARKS.glob("*.py")}
    imports = {
        name: {
            (node.module or "").removeprefix("benchmarks.") for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        }
        & set(files)
        for name, tree in files.items()
    }
    assert imports["chaos"] > {"common"}
    assert sorted(name for name in imports if name in _reach(name, imports)) == []


@pytest.mark.parametrize("package", BELOW)
def test_imports_point_one_way(package):
    wrong = {
        f"{module} imports {other}"
        for module in MODULES
        if module.partition(".")[0] == package
        for other in _all_imports()[module]
        if other.partition(".")[0] not in BELOW[package] | {package}
    }
    assert wrong == set()


SQL = re.compile(r"\.execute(many|script)?\(|\b(SELECT|INSERT|UPDATE|PRAGMA|VACUUM) |\bDELETE FROM\b")


def test_only_data_speaks_sql():
    assert SQL.search(MODULES["data.store"].with_name("connect.py").read_text(encoding="utf-8"))
    found = {}
    for module, path in MODULES.items():
        if not module.startswith("data."):
            found.update({f"{module}:{n}": t for n, t in enumerate(text_of(path).splitlines(), 1) if SQL.search(t)})
    assert found == {}


def _counts():
    return Counter(path.parent.relative_to(ROOT).as_posix() for path in MODULES.values() if path.name[0] != "_")


def test_folders_can_be_taken_in_at_a_glance():
    counts = _counts()
    del counts["hitl/commands"]
    full = {folder: count for folder, count in counts.items() if count > MOST}
    assert full == {}, f"a folder holds {MOST} modules at most: move those that belong together into a folder inside it"


def test_there_is_room_where_files_are_added():
    folders = "hitl/games", "hitl/pads", "trainer/networks", "trainer/diagnosis/checks", "data/exchange"  # docs/extending.md
    assert [folder for folder in folders if not 0 < _counts()[folder] < MOST] == []


def test_every_folder_says_what_is_in_it():
    rooms = [path for path in MODULES.values() if path.name == "__init__.py"]
    assert [path.as_posix() for path in rooms if not ast.get_docstring(tree_of(path))] == []


def test_the_map_of_the_rooms_is_the_house():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    lines = re.search(r"```\n(hitl/ .*?)\ntests/", page, re.S)[1].splitlines()
    rooms, files, path = set(), set(), []
    for line in lines:
        if room := re.match(r"( *)(\w+)/", line):
            path = [*path[: len(room[1]) // 2], room[2]]
            rooms.add("/".join(path))
        if not line.startswith("   "):  # no further line of a description
            inside = path if room else path[:1]
            files |= {"/".join([*inside, name]) for name in re.findall(r"\w+\.py", line)}
    assert rooms == {path.parent.relative_to(ROOT).as_posix() for path in MODULES.values()}
    assert [name for name in sorted(files) if not (ROOT / name).is_file()] == []
