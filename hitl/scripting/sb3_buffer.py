"""A replay buffer for Stable-Baselines3 that draws half of each batch from a store of takeovers.

Needs the extra ``sb3``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from data.errors import NoStoreError, UsageError, shown
from data.extras import install
from data.ranges import ActionRange
from data.store import Store
from data.suggest import did_you_mean
from data.words import number_of
from hitl.scripting.replay import SymmetricReplay
from hitl.scripting.store import store_file
from trainer.presets import PRESETS
from trainer.replay.halves.sampling import demo_count

if TYPE_CHECKING:
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

try:
    from stable_baselines3.common.buffers import ReplayBuffer
except ImportError:
    raise UsageError(f"This buffer is one of Stable-Baselines3, which is not installed: {install('sb3')}.") from None

OWN = PRESETS["hitl"].with_values(n_step=1, stalled_steps=0, own_finishes=0)
"""What SB3 learns from: single steps, and the human's alone for demos."""


class SymmetricReplayBuffer(ReplayBuffer):
    """SB3's buffer with demos beside it: ``SAC("MlpPolicy", env, replay_buffer_class=SymmetricReplayBuffer,
    replay_buffer_kwargs={"store": "~/.hitl"})``.

    Half of each batch comes from the store's takeovers and laps, as long as there are enough of them; the other is SB3's own.
    What SB3 itself stores is the executed action, where ``env`` is a :class:`hitl.Takeover`, and not what its policy proposed.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        n_envs: int = 1,
        *,
        store: str | Path | Store,
        settings: dict[str, Any] | None = None,
        **others: Any,
    ) -> None:
        """Make the buffer. ``store``: a home folder, a store's file or an open store, which may still be empty.

        ``settings``: training settings for the demo half (``{"lap_priority": 0.5}``). ``others``: as for SB3's own buffer. A
        buffer that is saved keeps the store's path, and opens it again when it is loaded. Raises UsageError for ``n_steps``, for
        observations that are not plain numbers, and later, when the store's, or its actions, are of another size.
        """
        if isinstance(observation_space, spaces.Dict):
            raise UsageError(
                "Dictionaries cannot be drawn from a store for SB3: put gymnasium.wrappers.FlattenObservation around the "
                "environment, and Takeover around that. A buffer of SB3's own, as HerReplayBuffer, would learn from what the "
                'policy proposed, not from what was executed: docs/python.md, "Buffers of SB3\'s own", says what helps.'
            )
        if not isinstance(observation_space, spaces.Box) or observation_space.dtype == np.uint8:
            raise UsageError("Only observations that are plain numbers (a Box of floats) can be drawn from a store for SB3.")
        _check_known(others)
        super().__init__(buffer_size, observation_space, action_space, device, n_envs, **others)
        self._store, self._settings = str(store_file(store)), settings or {}
        self.demos = self._open()
        self._range = ActionRange(action_space)

    def _open(self) -> SymmetricReplay:
        return SymmetricReplay(self._store, OWN.with_values(**self._settings))

    def __getstate__(self) -> dict[str, Any]:
        """Return what ``save_replay_buffer`` writes: all but the open store, and where its random numbers stand."""
        generator = self.demos.generator
        return {**self.__dict__, "demos": None if generator is None else generator.get_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the store again. Raises StoreError where it is no longer there, and held something when this was saved."""
        self.__dict__.update(state)
        drawn = state["demos"]
        if drawn is not None and not Path(self._store).exists():
            raise NoStoreError(
                f"This buffer was saved with the store {shown(self._store, 200)}, which is not there: put it back, or make a new "
                "buffer with another one."
            )
        self.demos = self._open()
        if drawn is not None and self.demos.generator is not None:
            self.demos.generator.set_state(drawn)

    def add(
        self, obs: NDArray[Any], next_obs: NDArray[Any], action: NDArray[Any], reward: NDArray[Any], done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:  # fmt: skip
        """Store a step of each environment, with the action that was executed where ``infos`` tell it."""
        action = np.array(action).reshape(self.n_envs, self.action_dim)
        for k, info in enumerate(infos):
            if (executed := info.get("executed")) is not None:
                action[k] = self._scaled(np.asarray(executed))
        super().add(obs, next_obs, action, reward, done, infos)
        if np.any(done):
            self.demos.poll()

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """Return ``batch_size`` rows: SB3's own, then the demos; fewer demos where each would be drawn too often."""
        count = demo_count(self.demos.config, max(1, self.size()), self.demos.demo_rows, batch_size)
        own = super().sample(batch_size - count, env)
        if not count:
            return own
        batch = self.demos.sample_demos(count)
        self._check_sizes()
        assert isinstance(batch.observation, torch.Tensor)
        assert isinstance(batch.next_observation, torch.Tensor)
        shape = (count, *self.obs_shape)
        parts = (
            self._normalize_obs(batch.observation.numpy().reshape(shape), env),
            self._scaled(self._range(batch.action.numpy())).astype(np.float32),
            self._normalize_obs(batch.next_observation.numpy().reshape(shape), env),
            (batch.discount == 0).numpy().reshape(-1, 1).astype(np.float32),
            self._normalize_reward(batch.reward.numpy().reshape(-1, 1), env),
        )
        both = [torch.cat((mine, self.to_torch(theirs).to(mine.dtype))) for mine, theirs in zip(own, parts, strict=False)]
        return type(own)(*both)

    def _check_sizes(self) -> None:
        """Raise UsageError where the store's numbers cannot be this environment's. NumPy would stretch a single action number."""
        for what, theirs, ours in (
            ("observations", self.demos.observation_size, int(np.prod(self.obs_shape))),
            ("actions", self.demos.action_size, self.action_dim),
        ):
            if theirs != ours:
                raise UsageError(
                    f"The store's {what} have {number_of(theirs, 'number')}, and this environment's {ours}: give a store that "
                    "was driven in this environment."
                )

    def _scaled(self, action: NDArray[Any]) -> NDArray[Any]:
        """Return actions (…, A) of the environment as SB3 stores them: from -1 at the lower bound to 1 at the upper."""
        low, high = self.action_space.low, self.action_space.high
        return 2.0 * (action - low) / (high - low) - 1.0


def _check_known(others: Iterable[str]) -> None:
    """Raise UsageError for an argument that neither this buffer nor SB3's own has."""
    if "n_steps" in others:
        raise UsageError(
            "This buffer holds single steps, its own and the store's, so it has no n-step returns: omit n_steps and gamma in "
            "replay_buffer_kwargs, and n_steps of the model."
        )
    taken = inspect.signature(ReplayBuffer.__init__).parameters
    known = [*taken.keys() - inspect.signature(ReplayBuffer.__mro__[1].__init__).parameters.keys(), "store", "settings"]
    for name in others:
        if name not in taken:
            raise UsageError(
                f"This buffer has no argument '{shown(name)}': replay_buffer_kwargs may have {', '.join(sorted(known))}."
                f"{did_you_mean(name, known)}"
            )
