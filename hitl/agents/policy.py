"""An agent from elsewhere at the wheel of a session."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from data.ranges import ActionRange
from hitl.agents.actions import Continuous
from hitl.agents.agent import Agent
from hitl.agents.keeping import keep
from hitl.agents.opening import file_of, open_agent
from hitl.agents.surroundings import left_out
from hitl.home import Home
from hitl.settings import AgentSettings

Floats = NDArray[np.float32]


class ForeignPolicy:
    """A `hitl.protocols.Policy` that drives with an agent, always without noise; there are no newer weights to take.

    It has what a session asks of `hitl.drivers.policy.CheckpointPolicy` beside that: no critics, no checkpoint, nothing to pin.
    """

    checkpoint_id: int | None = None  # no checkpoint of ours proposes these actions
    updates = 0
    problem = ""
    refused = False
    unread = 0

    def __init__(self, agent: Agent, observation_size: int) -> None:
        self.agent, self.observation_size = agent, observation_size
        self.fixed = True
        self.notices: list[str] = []
        """Sentences for the player; whoever says them empties it."""
        self._answered: tuple[Floats, Floats] | None = None  # in a pause the same is asked again and again
        self._said_beyond = False

    @property
    def name(self) -> str:
        """Who drives, for the player."""
        return self.agent.identity.name

    @property
    def full_name(self) -> str:
        """What drives, for the player."""
        return self.agent.identity.name

    @property
    def checkpoint_name(self) -> str:
        """What drives, for the player."""
        return self.agent.identity.name

    def act(self, observation: Floats, deterministic: bool) -> Floats:
        """Return the action (A,) for an observation (O,). Asked again within one step, it answers the same."""
        if self._answered is not None and np.array_equal(self._answered[0], observation):
            return self._answered[1].copy()
        action = self.agent.act(observation)
        self._answered = observation.copy(), action
        return action.copy()

    def stepped(self, executed: Floats) -> None:
        """A step was made with this action (A,), whoever drove."""
        self.agent.stepped(executed)
        self._answered = None
        self._note_beyond()

    def begin_episode(self) -> None:
        """The agent forgets the last episode."""
        self.agent.reset()
        self._answered = None

    def can_judge(self) -> bool:
        """There are no critics of an agent from elsewhere."""
        return False

    def compare(self, game: ActionRange | None) -> None:
        """Note what is to be said of an agent whose actions have another range than the game's; None: it states none."""
        actions = self.agent.actions
        if game is not None and isinstance(actions, Continuous) and (said := actions.unlike(game)):
            self.notices.append(said)

    def _note_beyond(self) -> None:
        actions = self.agent.actions
        if self._said_beyond or not isinstance(actions, Continuous) or actions.farthest is None:
            return
        self._said_beyond = True
        name, value = actions.farthest
        self.notices.append(
            f"The agent's {name} was {value:g}, and is taken for a number from {actions.bounds_said}: what lies beyond is cut "
            "off. If it has another range, say so with --agent-range."
        )


def agent_policy(wanted: AgentSettings, home: Home) -> Callable[[tuple[str, ...], tuple[str, ...]], ForeignPolicy] | None:
    """Return what makes the policy of a session, for ``SessionSetup(policy=…)``; None where no agent is asked for.

    The agent's files are kept in the home, so that whoever learns from its drives can ask it.
    """
    if wanted.use in ("", "none"):
        return None

    def make(observation_names: tuple[str, ...], action_names: tuple[str, ...]) -> ForeignPolicy:
        from trainer.torch_threads import use_threads

        use_threads(1)  # as `CheckpointPolicy`
        agent = open_agent(wanted, home, observation_names, action_names)
        keep(home, agent.identity, wanted)
        policy = ForeignPolicy(agent, len(observation_names))
        if said := left_out(wanted, file_of(wanted, home), len(observation_names), agent.shown.stack):
            policy.notices.append(said)
        return policy

    return make
