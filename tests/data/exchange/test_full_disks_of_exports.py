"""An export for which there is no room ends with a sentence, and nothing half-written stays."""

import subprocess
import sys

import pytest

from hitl.demo.shipped import open_shipped
from hitl.home import Home

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size on Windows")
LIMITED = """
import resource, sys
from data.errors import StoreError
from hitl import Store
home, out, form = sys.argv[1:]
store = Store(home)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))
try:
    store.export_to(out, form, episodes=True)
except StoreError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    open_shipped(home)
    return home.root


def export(*words):
    return subprocess.run([sys.executable, "-c", LIMITED, *words], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("form", ["minari", "parquet", "lerobot", "player-run"])
def test_an_export_without_room_is_told_and_gone(home, tmp_path, form):
    if form in ("parquet", "lerobot"):
        pytest.importorskip("pyarrow")
    if form == "minari":
        pytest.importorskip("minari")
    (tmp_path / "small").mkdir()
    done = export(str(home), str(tmp_path / "small" / "out"), form)
    assert done.stderr == ""
    assert done.stdout == (
        "'out' cannot be written (File too large): check the disk and the folder. Nothing of it is left there.\n"
    )
    assert done.returncode == 0
    assert list((tmp_path / "small").iterdir()) == []
