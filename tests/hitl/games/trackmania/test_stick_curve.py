"""What the game makes of the stick: measured, judged, kept, and undone before sending."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from data.errors import InputFileError
from hitl.cli import main
from hitl.games.base import Start
from hitl.games.trackmania import stick_curve
from hitl.games.trackmania.game import DEVIATES_TICKS, open_trackmania
from hitl.games.trackmania.stick_curve import StickCurve, keep_curve, kept_curve
from hitl.games.trackmania.virtual_pad import VirtualPad
from tests.support.places import MODULES
from tests.support.stand_in_game import stand_in_track

MEASURED = ([0.0, 0.5, 2 / 3, 0.8, 1.0], [0.0, 0.0, 0.06, 0.3, 1.0])
"""Of a real install: sensitivity 0.1, dead zone 0.05."""
STICK = tuple(np.linspace(-1, 1, 31).round(4))


def bent(points=MEASURED):
    return StickCurve(STICK, tuple(float(np.sign(s) * np.interp(abs(s), *points)) for s in STICK))


def test_undoing_it_brings_what_was_wanted():
    curve = bent()
    for wanted in np.linspace(-1, 1, 41):
        assert curve.gives(curve.stick_for(wanted)) == pytest.approx(wanted, abs=0.02)
    assert curve.stick_for(0.0) == 0.0
    assert curve.stick_for(0.01) > 0.5, "past the part that does nothing"
    straight = StickCurve(STICK, STICK)
    assert [straight.stick_for(v) for v in (-1.0, -0.3, 0.3, 1.0)] == pytest.approx([-1.0, -0.3, 0.3, 1.0])


def test_an_unfit_curve_is_told_with_the_settings_to_change():
    assert "Analog Sensitivity to 1.0 and Analog Dead Zone to 0" in bent().unfit
    assert "The first 47% of the stick do nothing" in bent().unfit
    assert StickCurve(STICK, STICK).unfit == ""
    assert "does not steer fully" in StickCurve(STICK, tuple(0.8 * s for s in STICK)).unfit


@pytest.mark.parametrize("applied", [(0.0,) * 31, STICK[::-1], STICK[:4]])
def test_what_does_not_follow_the_stick_is_no_curve(applied):
    with pytest.raises(ValueError, match=r"follow|pairs"):
        StickCurve(STICK, applied)


def test_it_is_kept_in_the_home(tmp_path):
    assert kept_curve(tmp_path) is None
    keep_curve(tmp_path, bent())
    assert kept_curve(tmp_path).gives(0.8) == pytest.approx(bent().gives(0.8), abs=1e-3)
    (tmp_path / stick_curve.NAME).write_text("sent = [1, 2]\n")
    with pytest.raises(InputFileError, match="hitl pads --game-curve"):
        kept_curve(tmp_path)


@pytest.mark.realtime
@pytest.mark.parametrize("stand_in", [33], indirect=True)
def test_the_command_measures_it_and_sessions_undo_it(tmp_path, stand_in, monkeypatch, capsys, vgamepad):
    stand_in.curve = MEASURED
    monkeypatch.syspath_prepend(str(MODULES))
    monkeypatch.delitem(sys.modules, "vgamepad", raising=False)
    monkeypatch.setattr("hitl.commands.pads.GO_BACK_S", 0.0)
    monkeypatch.setattr(stick_curve, "STICK", tuple(np.linspace(-1, 1, 11)))
    monkeypatch.setattr(stick_curve.measure, "__defaults__", (stick_curve.STICK, lambda done: None))
    monkeypatch.setattr(stick_curve.hold, "__defaults__", (0.2,))
    (tmp_path / "settings.toml").write_text(f"[trackmania]\nport = {stand_in.port}\n")
    assert main(["pads", "--game-curve", "--home", str(tmp_path)]) == 1
    assert "set Analog Sensitivity to 1.0" in " ".join(capsys.readouterr().out.split())
    game = open_trackmania(stand_in_track(), host="127.0.0.1", port=stand_in.port, layout=0, hz=20.0, settle_s=0.1)
    game.pad, game.curve = VirtualPad(module=vgamepad), kept_curve(tmp_path)
    try:
        game.restart(Start())
        game._began -= 1.0
        stand_in.heard.clear()
        for k in range(DEVIATES_TICKS + 6):
            game.send(np.array([0.2, 0.0, 0.3 if k % 2 else -0.3], np.float32))
            __import__("time").sleep(0.05)
            game.state()
        applied = {round(steer, 1) for *_, steer in stand_in.heard}
        assert {-0.3, 0.3} <= applied, "the wheels do what was asked for"
        assert game.notices == []
    finally:
        game.close()
