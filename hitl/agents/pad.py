"""Another program drives, by its own virtual pad: what that pad says in a tick is what the agent proposes in it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DeviceError, UsageError
from data.suggest import did_you_mean
from data.tables.sessions import ONLY_A_PAD
from hitl.agents.agent import AgentIdentity
from hitl.agents.opening import NEXT, PAD
from hitl.agents.policy import ForeignPolicy
from hitl.home import Home
from hitl.pads.base import Control, PadState, neutral_action, to_action
from hitl.settings import AgentSettings, load

if TYPE_CHECKING:
    from hitl.agents.programs_pad import ProgramsPad

AWAY_S = 2.0  # s of a car that rolls without its driver, after which the episode is over: it says nothing of how it was driven
OWN_RESTART_S = 2.0  # s from an episode's beginning in which the program's own restart is the one that was just made

Floats = NDArray[np.float32]


def is_pad(use: str) -> bool:
    """Tell whether what ``--agent`` names is the pad of another program."""
    return use.startswith(PAD)


class PadAgent:
    """What a session asks of an agent from elsewhere, for one of which only the pad is known: it cannot be asked anything."""

    remembers = True
    actions = None

    def __init__(self, name: str) -> None:
        self.identity = AgentIdentity(ONLY_A_PAD, name, "", {})

    def stepped(self, executed: Floats) -> None:
        """Nothing can be told to it."""

    def reset(self) -> None:
        """It notices by itself."""


class PadPolicy(ForeignPolicy):
    """Proposes what a pad says now, and nothing (neutral) while the pad is away or silent: see ``notices``.

    ``silent_s``: s without any movement after which a pad counts as silent, 0: never. A `hitl.protocols.ReadLate`.
    """

    def __init__(
        self, pad: ProgramsPad, action_names: Sequence[str], observation_size: int, silent_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        agent: Any = PadAgent(pad.name if pad.device is not None or pad.wanted != NEXT else "another program")
        super().__init__(agent, observation_size)
        self.pad, self._silent_s, self._clock = pad, silent_s, clock
        self._controls: Sequence[str | Control] = action_names
        self._bends: Callable[[float], float] | None = None
        self._last: tuple[PadState, float] | None = None  # and since when (s) it says that
        self._began = -math.inf
        self._first = True
        self._trouble = ""
        self._since = 0.0  # s: when the trouble began
        self._drove = False
        self._down = self._asked = False

    @property
    def name(self) -> str:
        """Who drives, for the player."""
        return self.pad.name if self.pad.device is not None else self.agent.identity.name

    def fit(self, controls: Sequence[str | Control], bends: Callable[[float], float] | None) -> None:
        """Drive by these controls; ``bends``: what the game makes of the stick, which is undone before anything is sent."""
        self._controls, self._bends = controls or self._controls, bends

    def act(self, observation: Floats, deterministic: bool) -> Floats:
        """Return what the pad says now (A,)."""
        return self.now()

    def now(self) -> Floats:
        """Return what the pad says now (A,)."""
        state, now = self.pad.read(), self._clock()
        if self._first:
            self._first, self._began, self._last = False, now, None
            self._down, self._asked = state.connected and "restart" in state.buttons, False
        if self._look(state, now):
            return neutral_action(self._controls)
        steer = state.steer if self._bends is None else self._bends(state.steer)
        return to_action(PadState(steer=steer, gas=state.gas, brake=state.brake, more=state.more), self._controls)

    def ready(self) -> bool:
        """Tell whether the pad is there and moves, so that an episode can begin."""
        return not self._look(self.pad.read(), self._clock())

    def asks_restart(self) -> bool:
        """Tell whether the program has pressed its restart button, told once for each press, or has long been away."""
        asked, self._asked = self._asked, False
        return asked or (self._trouble != "" and self._clock() - self._since > AWAY_S)

    def begin_episode(self) -> None:
        """An episode begins: what is held now is not meant for it."""
        self._first, self._asked = True, False

    def close(self) -> None:
        """Let go of the pad."""
        self.pad.close()

    def _look(self, state: PadState, now: float) -> str:
        """Take a reading in; return what is wrong, "" for nothing."""
        if self._last is None or state != self._last[0]:
            self._last = state, now
        self._note_restart(state, now)
        trouble = self._what_is_wrong(state, now - self._last[1])
        if trouble != self._trouble:
            self._since = now
        self._note_trouble(trouble)
        return trouble

    def _note_restart(self, state: PadState, now: float) -> None:
        down = state.connected and "restart" in state.buttons
        if down and not self._down and now - self._began > OWN_RESTART_S:
            self._asked = True
        self._down = down

    def _what_is_wrong(self, state: PadState, unmoved_s: float) -> str:
        if not state.connected:
            return self.pad.problem or "away"
        return "silent" if self._silent_s and unmoved_s > self._silent_s else ""

    def _note_trouble(self, trouble: str) -> None:
        if trouble == self._trouble:
            self._drove = self._drove or not trouble
            return
        self._trouble, name = trouble, self.pad.name
        if not trouble:
            self.notices.append(f"The pad '{name}' drives{' again' if self._drove else ''}.")
            self._drove = True
        elif trouble == "silent":
            self.notices.append(
                f"The pad '{name}' has not moved for {self._silent_s:.0f} s, so nothing is pressed until it does: does the "
                "program behind it still run?"
            )
        elif trouble == "away":
            gone = f"The pad '{name}' is gone" if self.pad.identity is not None else f"The pad '{name}' is not there"
            if name == NEXT:
                gone = "No new pad has been plugged in"
            self.notices.append(
                f"{gone}, so nothing is pressed until it is there: start the program that drives by it "
                f'(`hitl play --agent "pad:"` lists the pads).{did_you_mean(name, [NEXT]) if name != NEXT else ""}'
            )
        else:
            self.notices.append(f"{trouble} Until then nothing is pressed.")


def pad_policy(wanted: AgentSettings, home: Home) -> Callable[[tuple[str, ...], tuple[str, ...]], PadPolicy]:
    """Return what makes the policy of a session that another program drives by its pad.

    It raises UsageError where no pad is named, DeviceError where several are meant. One that is not there is waited for.
    """

    def make(observation_names: tuple[str, ...], action_names: tuple[str, ...]) -> PadPolicy:
        from hitl.agents.programs_pad import ProgramsPad, listed, plugged_in  # and SDL

        name = wanted.use.removeprefix(PAD).strip()
        if not name:
            raise UsageError(f"No pad is named. {listed(plugged_in())}")
        pad = ProgramsPad(name, mine=load(home, "pad").pad.id)
        if pad.problem:
            pad.close()
            raise DeviceError(pad.problem)
        return PadPolicy(pad, action_names, len(observation_names), wanted.silent_s)

    return make
