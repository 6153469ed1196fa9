"""Every call of Windows' libraries says what it takes and gives: ctypes else passes 32 bits, and cuts handles off."""

from __future__ import annotations

import ast

import pytest

from tests.support.places import ROOT

LIBRARIES = ("windll", "WinDLL", "oledll", "OleDLL")
SOURCES = {
    path.relative_to(ROOT).as_posix(): text
    for package in ("hitl", "takeover_ui", "trainer", "data")
    for path in sorted((ROOT / package).rglob("*.py"))
    if any(word in (text := path.read_text(encoding="utf-8")) for word in LIBRARIES)
}


def _assigned(tree: ast.AST) -> list[tuple[list[ast.expr], ast.expr]]:
    """Return (targets, value) of each assignment; those of tuples one by one."""
    found: list[tuple[list[ast.expr], ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            found.append(([node.target], node.value))
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    found += [([one], value) for one, value in zip(target.elts, node.value.elts, strict=True)]
                else:
                    found.append((target.elts if isinstance(target, ast.Tuple) else [target], node.value))
    return found


def undeclared(source: str) -> list[str]:
    """Return the functions of Windows' libraries that are used without ``argtypes`` or ``restype`` in the same module."""
    tree = ast.parse(source)
    openers = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and any(w in ast.unparse(n) for w in LIBRARIES)}
    marks = (*LIBRARIES, *(f"{name}(" for name in openers))
    assigned = _assigned(tree)
    libraries = {ast.unparse(t) for targets, value in assigned for t in targets if any(m in ast.unparse(value) for m in marks)}
    aliases: dict[str, str] = {}  # of functions that have a name of their own
    used: set[str] = set()

    def function(node: ast.expr) -> str:
        """Return the name of the library's function that an expression is, or nothing."""
        if isinstance(node, ast.Attribute) and node.attr[:1].isupper():
            base = ast.unparse(node.value)
            direct = any(f"{word}(" in base or f"{word}." in base for word in LIBRARIES)
            return node.attr if direct or base in libraries else ""
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr" and isinstance(node.args[1], ast.Constant):
            return str(node.args[1].value) if ast.unparse(node.args[0]) in libraries else ""
        return ""

    for targets, value in assigned:
        if name := function(value):
            used.add(name)
            aliases |= {ast.unparse(target): name for target in targets}
    used |= {name for node in ast.walk(tree) if isinstance(node, ast.Call) and (name := function(node.func))}
    declared = {
        (aliases.get(ast.unparse(t.value)) or function(t.value), t.attr)
        for targets, _ in assigned
        for t in targets
        if isinstance(t, ast.Attribute) and t.attr in ("argtypes", "restype")
    }
    return sorted(name for name in used if not {(name, "argtypes"), (name, "restype")} <= declared)


@pytest.mark.parametrize("path", SOURCES)
def test_every_call_is_declared(path: str) -> None:
    assert undeclared(SOURCES[path]) == []


def test_there_are_such_calls_and_they_are_found() -> None:
    assert len(SOURCES) >= 4
    bare = "import ctypes\nk = ctypes.windll.kernel32\nk.GetCurrentProcess()\n"
    assert undeclared(bare) == ["GetCurrentProcess"]
    assert undeclared(bare + "k.GetCurrentProcess.restype = ctypes.c_void_p\n") == ["GetCurrentProcess"]
    assert undeclared(bare + "k.GetCurrentProcess.restype, k.GetCurrentProcess.argtypes = ctypes.c_void_p, []\n") == []
    assert undeclared("import ctypes\nctypes.windll.user32.SetFocus(3)\n") == ["SetFocus"]
    assert undeclared("import ctypes\nask = ctypes.WinDLL('a').Ask\nask(3)\n") == ["Ask"]
    assert undeclared("def load():\n    return ctypes.WinDLL('a')\nclass A:\n    def b(self):\n        self.l = load()\n"
                      "        self.l.Send(1)\n") == ["Send"]  # fmt: skip
