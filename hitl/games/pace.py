"""The pace at which a Gymnasium environment is meant to be seen."""

from __future__ import annotations

from typing import Any

HZ = 20.0
"""Steps a second where an environment does not tell."""
SLOWEST, FASTEST = 1.0, 60.0


def own_pace(env: Any) -> float:
    """Return the steps a second that an environment tells (``render_fps``, as for ``gymnasium.utils.play``); else ``HZ``."""
    told = (getattr(env, "metadata", None) or {}).get("render_fps")
    if not isinstance(told, int | float) or isinstance(told, bool):
        return HZ
    return min(max(float(told), SLOWEST), FASTEST) if told > 0 else HZ
