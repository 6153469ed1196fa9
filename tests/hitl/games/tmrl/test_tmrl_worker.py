"""docs/beside.md, followed word by word: tmrl's own worker drives in the stand-in game, and a person takes over."""

from __future__ import annotations

import functools
import importlib.util
import re
import runpy
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from data.records import HUMAN
from data.store import Store
from hitl.cli import main
from hitl.games.tmrl import importing
from hitl.pads.base import PadState
from tests.hitl.games.tmrl.test_tmrl import Photo
from tests.support.places import MODULES, ROOT
from tests.support.stand_in_game import StandIn

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(importlib.util.find_spec("tmrl") is None, reason="tmrl is not installed: .ci/install-tmrl does it"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
PAGE = (ROOT / "docs" / "beside.md").read_text("utf-8").partition("\n## tmrl")[2]
(SCRIPT,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
STEPS, FROM, TO = 60, 15, 35


class Hands:
    """A person's pad: the button is held while the worker makes those steps, with half of the gas and the wheel to the left."""

    name, status, problem = "pad", "", ""

    def __init__(self):
        self.held = False

    def read(self):
        return PadState(steer=-0.5, gas=0.5, buttons=frozenset({"takeover"})) if self.held else PadState()

    def rumble(self, *strength):
        pass

    def close(self):
        pass


class NoServer:
    """In place of tmrl's line to its server, which would leave a process waiting for one."""

    def __init__(self, *where, **how):
        pass

    def __getattr__(self, name):
        return lambda *given, **more: None


@pytest.fixture
def game(monkeypatch, folder):
    with StandIn(layout=11, countdown=0.1) as game:
        monkeypatch.setenv("STAND_IN_PORT", str(game.port))
        monkeypatch.syspath_prepend(str(MODULES))
        monkeypatch.delitem(sys.modules, "vgamepad", raising=False)
        interfaces = importing.import_tmrl(folder, "tmrl.custom.tm.tm_gym_interfaces")
        monkeypatch.setattr(interfaces, "WindowInterface", Photo)
        monkeypatch.setattr(
            interfaces, "TM2020OpenPlanetClient", functools.partial(interfaces.TM2020OpenPlanetClient, port=game.port)
        )
        yield game
    sys.modules.pop("vgamepad", None)


def test_tmrls_own_worker_drives_and_what_a_person_takes_over_is_in_its_samples_and_in_our_store(
    game, folder, tmp_path, monkeypatch
):
    program = importing.import_tmrl(folder, "tmrl.__main__")
    theirs, networking = sys.modules["tmrl.config.config_objects"], sys.modules["tmrl.networking"]
    hands, samples = Hands(), []

    class Steady(sys.modules["tmrl.actor"].ActorModule):
        """Full gas, straight ahead."""

        def save(self, path):
            pass

        def load(self, path, device):
            return self

        def act(self, obs, test=False):
            return np.array([1.0, 0.0, 0.0], np.float32)

    def run(worker):
        worker.reset(collect_samples=False)
        for k in range(STEPS):
            hands.held = FROM <= k < TO
            worker.step(None, test=False, collect_samples=True)
        time.sleep(0.1)
        samples.extend(worker.buffer.memory)
        theirs.CONFIG_DICT["interface"]().close()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["worker.py"])
    monkeypatch.setattr("hitl.scripting.hands._pad", lambda word, window: hands)
    monkeypatch.setitem(theirs.CONFIG_DICT, "interface", theirs.CONFIG_DICT["interface"])
    monkeypatch.setattr(theirs, "POLICY", Steady)
    monkeypatch.setattr(theirs, "SAMPLE_COMPRESSOR", None)
    monkeypatch.setattr(networking.RolloutWorker, "run", run)
    monkeypatch.setattr(networking, "Endpoint", NoServer)
    monkeypatch.setattr(program, "RolloutWorker", networking.RolloutWorker)

    def as_a_program(name, run_name):
        assert (name, run_name, sys.argv) == ("tmrl", "__main__", ["tmrl", "--worker"])
        words = dict.fromkeys(("server", "test", "benchmark", "expert"), False)
        program.main(SimpleNamespace(worker=True, config={}, **words))

    monkeypatch.setattr(runpy, "run_module", as_a_program)
    exec(compile(SCRIPT, "worker.py", "exec"), {})

    with Store(tmp_path / "with-tmrl" / "store.sqlite", read_only=True) as store:
        (episode,) = store.episodes()
        (takeover,) = store.segments()
        steps = store.steps(episode)
    driven = steps.driver == HUMAN
    assert takeover.kind == "takeover"
    assert 15 <= driven.sum() <= 30
    turned = np.isclose(steps.executed[:, 2], -0.5, atol=0.02)
    assert driven.sum() - 3 <= turned.sum() <= driven.sum(), "the wheel is handed back 0.1 s after the button"
    assert np.allclose(steps.proposed, [1.0, 0.0, 0.0])
    sent = np.array([sample[0] for sample in samples])
    assert len(sent) == STEPS
    assert abs(int(np.isclose(sent[:, 2], -0.5, atol=0.02).sum()) - int(turned.sum())) <= 1, "what tmrl's trainer gets"
    (export,) = re.findall(r"^    hitl (export .* --home with-tmrl)$", PAGE, re.M)
    assert main(export.split()) == 0
    assert len(list((tmp_path / "for-tmrl").glob("*.pkl"))) == 1
    assert any(heard[3] == pytest.approx(-0.5, abs=0.02) for heard in game.heard), "what the game got"
