"""No secret and no path of this machine comes out of a real run: not in its store, logs, reports or process list."""

import contextlib
import io
import json
import os
import stat
import sys
import time
from pathlib import Path

import pytest

from data.recording.recorder import Recorder
from data.recording.spill_file import _stem, find_spills, spill_folders
from hitl.cli import main
from hitl.home import Home
from tests.fuzzing.settings import config_json
from tests.support.recorded import drive, session_info

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="permissions and /proc are asked here")
PLANTED = {"HITL_PASSWORD": "planted-password-4711", "WANDB_API_KEY": "planted-wandb-4711"}


def command_lines():
    lines = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines += path.read_bytes()
        except OSError:
            continue
    return lines


def test_keys_are_for_their_owner_alone(tmp_path):
    pytest.importorskip("cryptography")
    from hitl.remote.keys import make_keys

    before = os.umask(0)
    try:
        (tmp_path / "there").mkdir(mode=0o755)
        for folder, mode in ((tmp_path / "new" / "keys", 0o700), (tmp_path / "there", 0o755)):  # what is there is not changed
            make_keys(folder)
            assert stat.S_IMODE(folder.stat().st_mode) == mode
            for file in folder.iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    finally:
        os.umask(before)


def test_a_spill_file_that_someone_else_could_have_put_there_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    store = tmp_path / "home" / "store.sqlite"
    store.parent.mkdir()
    shared = spill_folders(store)[1]
    shared.mkdir(parents=True, mode=0o700)
    (shared / f"{_stem(store)}-abc.jsonl").write_text("{}\n")
    assert len(find_spills(store)) == 1
    shared.chmod(0o777)
    assert find_spills(store) == []
    other = tmp_path / "elsewhere"
    shared.chmod(0o700)
    shared.rename(other)
    shared.symlink_to(other)
    assert find_spills(store) == []


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A home in which a session was driven, a config read, a server met and a report written, all with secrets around."""
    root = tmp_path_factory.mktemp("planted-place-4711")
    home, config = root / "home", root / "config.json"
    config.write_text(json.dumps(config_json() | {"WANDB_KEY": PLANTED["WANDB_API_KEY"], "PASSWORD": PLANTED["HITL_PASSWORD"]}))
    report, heard = root / "report.html", io.StringIO()
    driven = ["play", "--headless", "--pad", "scripted", "--episodes", "1", "--help-seconds", "2", "--home", str(home)]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
        for name, secret in PLANTED.items():
            patch.setenv(name, secret)
        assert main(driven) == 0, heard.getvalue()
        main(["config", "show", str(config)])
        main(["diagnose", "--home", str(home), "--config", str(config)])
        main(["report", "--home", str(home), "--output", str(report)])
    return home, heard.getvalue(), report


def test_no_secret_and_no_path_is_left_behind(run):
    home, said, report = run
    for path in [*home.rglob("*"), report]:
        if path.is_file():
            raw = path.read_bytes()
            for secret in (*PLANTED.values(), "planted-place-4711", str(Path.home() / "")):
                assert secret.encode() not in raw, f"{secret} in {path.name}"
    for secret in PLANTED.values():
        assert secret not in said
    assert "Content-Security-Policy" in report.read_text()
    assert stat.S_IMODE(home.stat().st_mode) & 0o077 == 0


def test_a_password_is_on_no_command_line(tmp_path):
    pytest.importorskip("tlspyo")
    from hitl.remote.child import Child
    from hitl.remote.link import Access, free_port

    home = Home(tmp_path / "home").create()
    with Recorder(home.store_path, session_info()) as recorder:
        drive(recorder)
    child = Child("forward", home.root, Access("127.0.0.1", free_port(), PLANTED["HITL_PASSWORD"]), lambda text: None, name="den",
                  everything=True)  # fmt: skip
    try:
        end, seen = time.monotonic() + 1.0, 0
        while (time.monotonic() < end or not seen) and child.process.poll() is None:
            lines = command_lines()
            seen += b"hitl.remote.child" in lines  # at first it still has this process's line
            assert PLANTED["HITL_PASSWORD"].encode() not in lines
            time.sleep(0.1)
        assert seen
    finally:
        child.process.kill()
        child.process.wait()
