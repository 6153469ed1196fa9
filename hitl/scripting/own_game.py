"""The environments behind ``--env``, for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium

from hitl.home import Home, default_home


def open_env(name: str = "box2d", track: str = "default", *, home: str | Path | None = None) -> gymnasium.Env[Any, Any]:
    """Return the environment that `hitl play --env NAME --track TRACK` drives, as fast as it goes.

    ``box2d`` is the embedded game: observation (47,) with the action about to act at its end, action (2,): ``gas_brake`` and
    ``steer`` in [-1, 1]; ``info`` has ``progress`` (m along the line), ``state`` (the car: metres, m/s, radians) and ``reason``
    (why the episode ended). ``home``: whose settings hold (default: $HITL_HOME or ~/.hitl). Raises DeviceError for an unknown
    name or a game that is not there, InputFileError for a track that cannot be used.
    """
    from hitl.games.open_game import open_world
    from hitl.session_options import SessionOptions

    folder = Home(Path(home).expanduser()) if home is not None else Home(default_home())
    world = open_world(SessionOptions(name, track), folder)
    world.env.env_word = name  # what a store says of it, so that `hitl play` finds the same game again
    world.env.close = world.close
    env: gymnasium.Env[Any, Any] = world.env
    return env
