"""An rtgym interface around another one: what both places that stand between rtgym and a player's interface share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rtgym


def observed(interface: Any) -> tuple[Any, float, bool, dict[str, Any]]:
    """Return what an interface observes. Where rtgym could not take that apart, it is raised here, and not on rtgym's thread."""
    observation, reward, terminated, info = interface.get_obs_rew_terminated_info()
    tuple(observation)
    return observation, reward, terminated, info


class AroundInterface(rtgym.RealTimeGymInterface):
    """Answers as ``interface`` does where nothing depends on time. Only what rtgym documents is used."""

    interface: Any

    def get_observation_space(self) -> Any:
        """The interface's own."""
        return self.interface.get_observation_space()

    def get_action_space(self) -> Any:
        """The interface's own."""
        return self.interface.get_action_space()

    def get_default_action(self) -> Any:
        """The interface's own."""
        return self.interface.get_default_action()

    def render(self) -> Any:
        """The interface's own."""
        return self.interface.render()

    def in_place_of_theirs(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return rtgym's configuration with this interface in it."""
        return {**config, "interface": lambda: self, "interface_args": (), "interface_kwargs": {}}
