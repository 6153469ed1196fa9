import importlib.util

import pytest

from tests.support.places import MODULES
from tests.support.stand_in_game import StandIn, stand_in_track
from tests.support.tmrl_data import prepare


@pytest.fixture
def vgamepad(monkeypatch):
    """The stand-in for vgamepad, loaded by itself."""
    spec = importlib.util.spec_from_file_location("stand_in_vgamepad", MODULES / "vgamepad.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=[11, 20])
def stand_in(request, monkeypatch):
    monkeypatch.setattr("hitl.games.trackmania.game.PRESS_S", 0.02)  # the stand-in hears every press
    with StandIn(layout=request.param, countdown=0.05) as game:
        monkeypatch.setenv("STAND_IN_PORT", str(game.port))
        yield game


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A prepared folder for tmrl: the only one, because tmrl reads its settings once in a process."""
    folder = tmp_path_factory.mktemp("tmrl")
    prepare(folder, stand_in_track())
    return folder
