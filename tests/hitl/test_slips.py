"""Small slips on the command line: each is told as what it is."""

import os

import pytest

from data.recording.recorder import Recorder
from data.store import Store
from hitl.cli import main
from tests.support.recorded import drive, session_info


def said(capsys, *words, status):
    try:
        found = main([*words])
    except SystemExit as stopped:
        found = stopped.code
    assert found == status
    return "".join(capsys.readouterr())


def test_slips_are_told_as_what_they_are(tmp_path, capsys):
    home = ["--home", str(tmp_path)]
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder)
    assert "'abc' must be a number" in said(capsys, "label", "1", "--priority", "abc", *home, status=2)
    assert "is a folder" in said(capsys, "train", "--init", str(tmp_path), *home, status=5)
    assert "plugged in" not in said(capsys, "pads", "--once", "--set", "abc", *home, status=2)
    assert "Did you mean '--home'?" in said(capsys, "--hom", str(tmp_path), "segments", status=2)
    assert '"takeovers_that_show_nothing": 1' in said(capsys, "store", "info", "--json", *home, status=0)
    with Store(tmp_path / "other.sqlite"):
        pass
    told = said(capsys, "import", "--layout-of", "999", str(tmp_path / "other.sqlite"), *home, status=2)
    assert "There is no session 999" in told


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own there")
def test_a_link_that_leads_nowhere_is_no_file(tmp_path, capsys):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    words = ["play", "--headless", "--pad", "none", "--episodes", "1", "--home", str(tmp_path / "link")]
    assert "a link to a folder that is not there" in said(capsys, *words, status=4)
