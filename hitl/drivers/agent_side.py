"""The agent's side of a session: a policy, asked for no more than it can do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hitl.protocols import Holding, Placed, Policy, ReadLate, Remembering


class AgentSide:
    """Asks a policy in each moment of an episode what it knows about that moment, and passes on what it tells the player.

    What the policy can do beyond ``Policy`` is looked up once, not in every tick. ``say_notices`` takes its sentences.
    """

    def __init__(self, policy: Policy, say_notices: Callable[[list[str]], None]) -> None:
        self.policy, self._say_notices = policy, say_notices
        self._placed = policy if isinstance(policy, Placed) else None
        self._device = policy if isinstance(policy, ReadLate) else None
        self._remembering = policy if isinstance(policy, Remembering) else None
        self._holding = policy if isinstance(policy, Holding) else None

    @property
    def checkpoint_id(self) -> int | None:
        """The weights that drive."""
        return self.policy.checkpoint_id

    def begin_episode(self) -> None:
        """It may take newer weights, and forgets the last episode."""
        self.policy.begin_episode()
        self._pass_on()

    def there(self, wait: Callable[[float], bool]) -> bool:
        """Wait until an agent that is a device can drive. ``wait`` takes seconds, and is False where the player leaves."""
        there = True
        while self._device is not None and there and not self._device.ready():
            self._pass_on()
            there = wait(0.1)
        self._pass_on()
        return there

    def act(self, observation: NDArray[np.float32], greedy: bool, progress: float) -> NDArray[np.float32]:
        """Return the action (A,) that it proposes for an observation (O,), at this metre of the road."""
        if self._placed is not None:
            self._placed.at(progress)
        return self.policy.act(observation, greedy)

    def read_late(self) -> NDArray[np.float32] | None:
        """Return what a device says just before an action is sent; None where the agent is none, and ``act`` stands."""
        if self._device is None:
            return None
        action = self._device.now()
        self._pass_on()
        return action

    def stepped(self, executed: NDArray[np.float32]) -> None:
        """A step was made with this action, whoever drove."""
        if self._remembering is not None:
            self._remembering.stepped(executed)
            self._pass_on()

    def asks_restart(self) -> bool:
        """Tell whether it wants to begin again."""
        return self._device is not None and self._device.asks_restart()

    def drive_begins(self, greedy: bool) -> None:
        """A drive begins, with noise or without."""
        if self._holding is not None:
            self._holding.drive_begins(greedy)

    def drive_ended(self, share: float) -> None:
        """It came so far by itself, as a share of the lap."""
        if self._holding is not None:
            self._holding.drive_ended(share)

    def _pass_on(self) -> None:
        notices: list[str] = getattr(self.policy, "notices", [])
        if notices:
            self._say_notices(notices)
            notices.clear()
