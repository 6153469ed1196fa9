"""The environments behind ``--env``, for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import gymnasium

from data.errors import UsageError
from hitl.home import Home, default_home


class NotDrawn(UsageError, NotImplementedError):  # noqa: N818 (it says what is not; Gymnasium raises a NotImplementedError)
    """A script asked for a picture that there is none of."""


def _not_drawn() -> NoReturn:
    raise NotDrawn(
        "This environment draws no picture for a script. To see a road and the car on it from above, wrap it in "
        "Takeover(env, overlay=True) and step that."
    )


def open_env(name: str = "box2d", track: str = "default", *, home: str | Path | None = None) -> gymnasium.Env[Any, Any]:
    """Return the environment that `hitl play --env NAME --track TRACK` drives, as fast as it goes.

    ``box2d`` is the embedded game: observation (47,) with the action about to act at its end, action (2,): ``gas_brake`` and
    ``steer`` in [-1, 1]; ``info`` has ``progress`` (m along the line), ``state`` (the car: metres, m/s, radians) and ``reason``
    (why the episode ended). ``home``: whose settings hold (default: $HITL_HOME or ~/.hitl). Raises DeviceError for an unknown
    name or a game that is not there, InputFileError for a track that cannot be used.
    """
    from hitl.games.driving_env import DrivingEnv
    from hitl.games.open_game import open_world
    from hitl.session_options import SessionOptions

    folder = Home(Path(home).expanduser()) if home is not None else Home(default_home())
    world = open_world(SessionOptions(name, track), folder)
    world.env.env_word = name  # what a store says of it, so that `hitl play` finds the same game again
    world.env.close, world.env.render = world.close, _not_drawn
    if isinstance(world.env, DrivingEnv):
        world.env.strict = True
    env: gymnasium.Env[Any, Any] = world.env
    return env
