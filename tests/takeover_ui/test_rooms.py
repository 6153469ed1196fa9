"""The room's borders: nothing that is drawn knows SQL, torch, or how the game is run."""

import subprocess
import sys

import pytest

from tests.support.places import ROOT

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "takeover_ui").rglob("*.py")
    if path.stem != "__init__"
)


def loaded_by(modules: list[str]) -> set[str]:
    code = f"import sys\nfor m in {modules!r}: __import__(m)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_no_screen_knows_sql_torch_or_the_live_side() -> None:
    loaded = loaded_by(MODULES)
    assert {"pygame", "numpy"} <= loaded
    assert not {"sqlite3", "sqlite_utils", "torch", "gymnasium", "hitl", "trainer"} & loaded


@pytest.mark.parametrize(
    "module", ["takeover_ui.view", "takeover_ui.window.window", "takeover_ui.report.contents", "takeover_ui.review.model"]
)
def test_what_the_session_imports_brings_no_window_along(module: str) -> None:
    assert "pygame" not in loaded_by([module])
