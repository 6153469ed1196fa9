"""What `hitl doctor` finds out about a Gymnasium environment: whether it can be driven, seen and steered."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np

from data.words import number_of
from hitl.games.gym.controls import controls_for, stating_bounds, to_tell, unbounded
from hitl.games.gym.drawn import Drawn
from hitl.games.gym.env import open_gym
from hitl.games.open_game import REGISTER
from hitl.home import Home
from hitl.settings import load
from takeover_ui.language import ENGLISH


def look_at(home: Home, name: str) -> tuple[str, str]:
    """Open it, make a step, have it draw; return what was found, and what is to be done ("": nothing). Raises DeviceError."""
    player = load(home, "controls", "pictures")
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        env = open_gym(name, render="rgb_array", pictures=player.pictures, drawn=Drawn(Path(folder) / "picture"))
        try:
            controls = controls_for(name, env.scaled, player.controls)
            env.reset(seed=0)
            *_, info = env.step(np.zeros(len(env.scaled), np.float32))  # the picture of the reset is drawn by now
            undrawn = info["notices"]
        finally:
            env.close()
    seen = number_of(len(env.observation_names), "observed number")
    found = f"{seen}, {number_of(len(env.scaled), 'action number')}, {env.hz:g} steps a second"
    told = (said.text(ENGLISH) for said in to_tell(name, controls, player.controls))
    bounds = unbounded(name, env.scaled, f"{REGISTER} {stating_bounds(env.scaled)}.")
    return found, " ".join(filter(None, (*undrawn, bounds, *told)))
