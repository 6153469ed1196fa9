"""Torch takes two seconds of the processor to load: before a drive in real time, and else only for weights that drive."""

import subprocess
import sys

import pytest

from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.places import ROOT

DRIVES = """
import sys
from pathlib import Path
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
with SessionSetup(Home(Path(sys.argv[1])), SessionOptions()) as rig:
    print(rig.session.episode("drive", seed=1, until_m=5.0).steps > 0, "torch" in sys.modules)
"""


def test_a_session_that_waits_for_nobody_drives_without_torch_while_there_are_no_weights(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", DRIVES, str(tmp_path / "home")], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


@pytest.mark.parametrize("real_time", [True, False])
def test_in_real_time_all_is_loaded_before_the_first_drive(tmp_path, real_time):
    with SessionSetup(Home(tmp_path / "home"), SessionOptions(real_time=real_time)) as rig:
        assert rig.policy.is_ready == real_time
