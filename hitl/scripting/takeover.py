"""A Gymnasium wrapper: a human takes the wheel of an agent that somebody's own loop drives."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from data.errors import UsageError, shown
from data.store import Store
from hitl.arbiter import GatingSettings
from hitl.protocols import Clock
from hitl.scripting.hands import Human
from hitl.scripting.setting import Setting
from hitl.scripting.shared_wheel import SharedWheel, Uncopied
from hitl.scripting.store import file_to_write
from hitl.timing.clocks import RtgymClock


class Takeover(Uncopied, gymnasium.Wrapper[Any, NDArray[Any], Any, NDArray[Any]], RecordConstructorArgs):
    """Let a human take over in any environment with a Box action.

    ``step(action)`` takes the agent's action, (A,) in the environment's own range; what the environment receives is that or the
    human's. ``info`` then has ``driver`` (``"agent"`` or ``"human"``), ``proposed`` and ``executed`` (both (A,), in the
    environment's range). Spaces, observations and rewards are those of ``env``. Close it at the end: that
    writes down the rest (a program that ends or forgets it without does it, too). A person drives the one made last: the one
    before it is closed then. Where ``env.step`` raises an error and the loop goes on, the
    episode is cut there: what that step led to is not known.

    ::

        env = Takeover(gymnasium.make("CarRacing-v3", render_mode="human"), human="keys", store="runs")
        observation, info = env.reset(seed=0)
        observation, reward, terminated, truncated, info = env.step(model(observation))
        learn_from(info["executed"])  # not from what was proposed
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        human: Human = "auto",
        *,
        store: str | Path | Store | None = None,
        gating: GatingSettings | None = None,
        overlay: bool = False,
        controls: Sequence[str] | None = None,
        hz: float | None = None,
        real_time: bool | None = None,
        track: str = "",
        progress: str = "",
    ) -> None:
        """Wrap ``env``.

        ``human``: ``"auto"`` (a pad if there is one, and the keyboard), ``"keys"``, ``"sdl"`` or another kind of pad; a function
        of (observation, info) that returns an action of the environment or None; a pad of your own; None for no one.
        ``store``: a home folder, a store's file or an open store, in which everything is recorded.
        ``gating``: how the wheel is taken (``Arbiter.GatingSettings``; default: for pads and keys as in your settings.toml). As
        it comes, it is held with space or a shoulder button, and handed back 0.1 s after letting go, 0.3 s after taking it at
        the earliest.
        ``overlay``: a window that shows who drives, and takes the keys; with ``render_mode="rgb_array"``, the game, too.
        ``controls``: what of the pad moves each action number: ``steer``, ``gas``, ``brake``, ``gas_brake``, ``right_x``,
        ``right_y``, ``stick_y``, ``cross_x`` or ``none``, with a minus in front if reversed (default: known for a few
        environments, else guessed from the ranges).
        ``hz``: steps a second, for all times (default: what the environment tells, else 20).
        ``real_time``: hold that pace (default: where a person drives).
        ``track``: what the store calls it.
        ``progress``: the key of ``info`` under which the environment tells the metres along its road, if it does.

        Raises UsageError for a vectorised environment, actions that are not a plain vector, or an unknown ``human``; DeviceError
        where pad or display cannot be used; StoreError where the store cannot.
        """
        if isinstance(env, gymnasium.vector.VectorEnv) or hasattr(env, "num_envs"):
            raise UsageError(
                "A person can drive one car, so a vectorised environment cannot be taken over: wrap one single environment."
            )
        if not isinstance(env, gymnasium.Env):
            raise UsageError(f"{shown(repr(env))} is no Gymnasium environment: give one that is made, as gymnasium.make(ID).")
        gymnasium.Wrapper.__init__(self, env)
        RecordConstructorArgs.__init__(
            self, _disable_deepcopy=True, human=human, store=store, gating=gating, overlay=overlay, controls=controls, hz=hz,
            real_time=real_time, track=track, progress=progress,
        )  # fmt: skip
        inner: Any = env.unwrapped
        name = env.spec.id if env.spec is not None else type(inner).__name__
        setting = Setting.of(
            name, env.observation_space, env.action_space, inner, controls=controls, hz=hz, track=track, progress=progress,
            home=None if store is None else file_to_write(store).parent,
        )  # fmt: skip
        clock: Clock | None = None
        if hasattr(inner, "time_step_duration") and hasattr(inner, "stop"):
            clock = RtgymClock(setting.info.hz, inner.stop)  # rtgym keeps the time, and its time-steps wait for no one else
        self.wheel = SharedWheel(
            setting, human=human, store=store, gating=gating, overlay=overlay, real_time=real_time, clock=clock,
            render=env.render if env.render_mode == "rgb_array" and not setting.has_line else None,
        )  # fmt: skip

    @property
    def leaving(self) -> bool:
        """Whether the player has pressed quit, or closed the overlay: the loop should end."""
        return self.wheel.leaving

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin an episode. The agent drives, and whatever is still pressed must be let go first."""
        self.wheel.cut_off()
        observation, info = self.env.reset(seed=seed, options=options)
        self.wheel.begin(observation, info, seed)
        return observation, info

    def step(self, action: NDArray[Any]) -> tuple[NDArray[Any], Any, bool, bool, dict[str, Any]]:
        """Make one step with the agent's action (A,) or the human's. While the player pauses, it waits.

        The player's panic, restart and quit end the episode: ``truncated``, with the word in ``info["reason"]``.
        """
        choice = self.wheel.choose(action)
        observation, reward, terminated, truncated, info = self.env.step(choice.executed.copy())  # an environment may work on it
        truncated = truncated or bool(choice.ended)
        self.wheel.step(choice, observation, _number(reward), bool(terminated), bool(truncated), _dictionary(info))
        told = {"driver": choice.driver, "proposed": choice.proposed, "executed": self.wheel.executed(choice, info)}
        if choice.ended:
            told["reason"] = choice.ended
        return observation, reward, terminated, truncated, {**info, **told}

    def __copy__(self) -> Takeover:
        """Return another wrapper around the same."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Takeover:
        """Return a copy where no one can take the wheel and nothing is recorded. Raises UsageError elsewhere."""
        if self.wheel.shares:
            self.__reduce_ex__(4)
        made = memo[id(self)] = object.__new__(type(self))
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def flush(self) -> bool:
        """Wait until all that was driven so far is in the store; tells whether it is."""
        return self.wheel.flush()

    def close(self) -> None:
        """Write down what is left, let go of pad and window, and close the environment."""
        self.wheel.close()
        self.env.close()


def _number(reward: Any) -> float:
    try:
        return float(np.asarray(reward).item())
    except (TypeError, ValueError):
        raise UsageError(f"The environment gave the reward {shown(reward)}, where one number is wanted.") from None


def _dictionary(info: Any) -> dict[str, Any]:
    if not isinstance(info, dict):
        raise UsageError(f"The environment gave the info {shown(info)}, where a dictionary is wanted.")
    return info
