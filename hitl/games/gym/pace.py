"""The pace at which a Gymnasium environment is meant to be seen."""

from __future__ import annotations

from typing import Any

HZ = 20.0
"""Steps a second where an environment does not tell."""
SLOWEST, FASTEST = 1.0, 60.0
_AT_ONCE = 1000


def own_pace(env: Any) -> float:
    """Return the steps a second that an environment tells (``render_fps``, as for ``gymnasium.utils.play``); else ``HZ``."""
    told = (getattr(env, "metadata", None) or {}).get("render_fps")
    if not isinstance(told, int | float) or isinstance(told, bool):
        return HZ
    return min(max(float(told), SLOWEST), FASTEST) if told > 0 else HZ


def leave_time_to_us(env: Any) -> None:
    """Have an environment that draws its own window not wait in its steps: the session's clock waits already, and for the player.

    Gymnasium's games wait there until ``render_fps`` allows the next frame, so that each action after it would be late.
    """
    bare = env.unwrapped
    if "render_fps" in (getattr(bare, "metadata", None) or {}):
        bare.metadata = {**bare.metadata, "render_fps": _AT_ONCE}
