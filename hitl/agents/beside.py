"""An agent from elsewhere at the wheel, and ours beside it: it takes over where the human helped, as it has learned to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hitl.agents.pad import is_pad, pad_policy
from hitl.agents.policy import ForeignPolicy, agent_policy
from hitl.drivers.policy import CheckpointPolicy
from hitl.home import Home
from hitl.settings import AgentSettings


class BesidePolicy(CheckpointPolicy):
    """Drives with the agent, and in the zones of the home's newest checkpoint with that.

    Outside of the zones, and while there is no checkpoint, the actions are the agent's own. One that the agent has taught
    (``frozen_teaches``) drives everywhere.
    """

    def __init__(
        self,
        foreign: ForeignPolicy,
        home: Home,
        observation_names: tuple[str, ...],
        action_names: tuple[str, ...],
        *,
        seed: int = 0,
    ) -> None:
        super().__init__(home, observation_names, action_names, seed=seed)
        self.frozen, self.agent = foreign, foreign.agent
        self.notices = foreign.notices

    def _load(self, path: Path, checkpoint_id: int) -> None:
        before = self.taught
        super()._load(path, checkpoint_id)
        if self.taught and not before:
            agent, teacher = self.agent.identity.name, self._teacher
            self.notices.append(
                f"Ours was taught by '{teacher}' and drives, not '{agent}': add --agent-alone to let '{agent}' drive."
                if teacher not in ("", agent)
                else f"It has learned what '{agent}' does, and drives in its place from now on."
            )

    @property
    def full_name(self) -> str:
        """What drives, all of it, for the player."""
        agent, ours = self.agent.identity.name, self.checkpoint_name
        if not (ours and self.zones):
            return agent
        if not self.taught:
            return f"{agent}, with {ours} where it was helped"
        return f"{ours}, taught by {self._teacher}" if self._teacher else f"{ours} in the place of {agent}"

    @property
    def taught(self) -> bool:
        """Whether ours has learned all that the agent does, and drives in its place."""
        return self._loaded is not None and self._loaded[1].drives_alone

    @property
    def _teacher(self) -> str:
        """Which agent has taught ours, as its checkpoint says: not always the one that was named for this session."""
        return self._loaded[1].teacher if self._loaded is not None else ""

    @property
    def name(self) -> str:
        """Who drives now, for the player: the agent's name, and "" where ours has taken over."""
        return "" if self.takes_over else self.agent.identity.name


NumberNames = tuple[str, ...]


def beside_policy(
    wanted: AgentSettings, home: Home, *, seed: int = 0
) -> Callable[[NumberNames, NumberNames], ForeignPolicy | BesidePolicy] | None:
    """Return what makes the policy of a session, for ``SessionSetup(policy=…)``; None where no agent is asked for."""
    if is_pad(wanted.use):  # it cannot be asked, so nothing can be learned to fit beside it: what is learned drives alone
        return pad_policy(wanted, home)
    foreign = agent_policy(wanted, home)
    if foreign is None or wanted.alone:
        return foreign

    def make(observation_names: NumberNames, action_names: NumberNames) -> BesidePolicy:
        return BesidePolicy(foreign(observation_names, action_names), home, observation_names, action_names, seed=seed)

    return make
