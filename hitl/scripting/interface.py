"""The takeover at the place where rtgym sends: around any interface, by rtgym's public interface only."""

from __future__ import annotations

import math
import threading
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import gymnasium
import numpy as np
import rtgym
from gymnasium import spaces
from numpy.typing import NDArray

from data.errors import UsageError
from data.store import Store
from hitl.arbiter import GatingSettings
from hitl.games.around_interface import AroundInterface, observed
from hitl.games.gym.pace import HZ
from hitl.games.hang_guard import brief
from hitl.scripting.answers import action_of
from hitl.scripting.hands import Human
from hitl.scripting.setting import Setting
from hitl.scripting.shared_wheel import Choice, ForeignTime, SharedWheel, Uncopied
from hitl.scripting.store import file_to_write

T = TypeVar("T")


class TakeoverInterface(Uncopied, AroundInterface):
    """Let a human take over in any rtgym interface: the pad is read as the action is sent, not a time-step earlier.

    What is sent is also written into the array that rtgym was given, so the action buffer in its observations holds what was
    executed. rtgym sends on a thread of its own: where you make the environment yourself, call :meth:`wait_sent` after
    ``env.step`` before you read the buffer. :meth:`make` returns an environment that does so, and that tells ``driver``,
    ``proposed`` and ``executed`` in ``info``.
    """

    def __init__(
        self,
        interface: Any,
        human: Human = "auto",
        *,
        store: str | Path | Store | None = None,
        gating: GatingSettings | None = None,
        overlay: bool = False,
        controls: Sequence[str] | None = None,
        hz: float = HZ,
        act_buf_len: int = 1,
        ep_max_length: float = math.inf,
        track: str = "",
        progress: str = "",
    ) -> None:
        """Wrap ``interface``, an ``rtgym.RealTimeGymInterface`` or a class of such.

        ``hz``: 1 / ``time_step_duration`` of the configuration. ``act_buf_len``: as there; so many executed actions end the
        observations that are recorded, as they end those that the agent sees (0 where ``act_in_obs`` is off).
        ``ep_max_length``: as there, the steps after which rtgym cuts an episode off. The others are as for
        :class:`hitl.Takeover`.
        """
        self.interface = interface = interface() if isinstance(interface, type) else interface
        self._buffer: deque[NDArray[Any]] = deque(maxlen=act_buf_len)
        self._thread = ThreadPoolExecutor(1, "hitl-wheel")  # SDL's devices belong to one thread, and rtgym may have many
        self._sent = threading.Event()
        self._awaited = self._closed = False
        self._error: Exception | None = None
        self._last: Any = None
        self._most, self._observed = ep_max_length, 0
        self._first = True
        self._seen: tuple[Any, float, bool, dict[str, Any]] | None = None
        self.choice: Choice | None = None
        """What the newest step was: ``driver``, ``proposed``, ``executed``."""
        space, actions = interface.get_observation_space(), interface.get_action_space()
        whole = spaces.Tuple((*space.spaces, *(actions,) * act_buf_len))

        def make() -> SharedWheel:
            setting = Setting.of(
                type(interface).__name__, whole, actions, interface, controls=controls, hz=hz, track=track,
                progress=progress, home=None if store is None else file_to_write(store).parent,
            )  # fmt: skip
            return SharedWheel(
                setting, human=human, store=store, gating=gating, overlay=overlay, real_time=False, clock=ForeignTime(hz),
                release=lambda: interface.send_control(interface.get_default_action()),
            )  # fmt: skip

        self.wheel = self._on_thread(make)
        self.wheel.end = self.close

    @classmethod
    def make(cls, interface: Any, config: dict[str, Any] | None = None, human: Human = "auto", **takeover: Any) -> gymnasium.Env:
        """Return rtgym's environment around ``interface``, with ``driver``, ``proposed`` and ``executed`` in ``info``.

        ``config``: rtgym's configuration without its interface; ``takeover``: as for the constructor.
        """
        settings = {**rtgym.DEFAULT_CONFIG_DICT, **(config or {})}
        takeover.setdefault("hz", 1.0 / settings["time_step_duration"])
        takeover.setdefault("act_buf_len", settings["act_buf_len"] if settings["act_in_obs"] else 0)
        takeover.setdefault("ep_max_length", settings["ep_max_length"])
        around = cls(interface, human, **takeover)
        env = gymnasium.make("real-time-gym-v1", config=around.in_place_of_theirs(settings), disable_env_checker=True)
        return SentEnv(env, around)

    # -- rtgym's side

    def send_control(self, control: Any) -> None:
        """Send the agent's action or the human's."""
        try:
            if control is None or self._first:  # at its reset rtgym sends the default action: no one's decision
                self._first = False
                self.interface.send_control(control)
                return
            choice = self.choice = self._on_thread(lambda: self.wheel.choose(control))
            if isinstance(control, np.ndarray) and control.flags.writeable:
                control[...] = choice.executed
            self.interface.send_control(choice.executed)
            self._held = choice.executed
            self._buffer.append(self._held)
            if self._seen is not None:
                self._record(choice, *self._seen)
        except Exception as error:
            self._keep(error)
        finally:
            self._sent.set()

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin an episode; one that was not over is cut off."""
        self._on_thread(self.wheel.cut_off)
        self._raise()
        observation, info = self.interface.reset(seed=seed, options=options)
        self._first, self._seen, self._observed, self._last = True, None, 0, observation
        self._held = self.interface.get_default_action()
        self._buffer.extend([self._held] * (self._buffer.maxlen or 0))
        self._on_thread(lambda: self.wheel.begin(self._with_actions(observation), info, seed))
        return observation, info

    def get_obs_rew_terminated_info(self) -> Any:
        """Observe. What ends an episode is recorded at once, because nothing is sent after it."""
        if self._error is not None and not self._awaited:
            return self._nothing()
        try:
            observation, reward, terminated, info = self._seen = observed(self.interface)
        except Exception as error:
            self._keep(error)
            return self._nothing()
        self._last = observation
        self._observed += 1  # rtgym gives one observation to each step
        if (terminated or self._observed >= self._most) and self.wheel.is_open:
            held = np.array(self._held)
            self._buffer.append(held)  # rtgym's own buffer moves on with this step, too
            try:
                choice = self._on_thread(lambda: self.wheel.unsent(held))
                self._record(choice, observation, reward, terminated, info, truncated=not terminated)
            except Exception as error:
                self._keep(error)
        return observation, reward, terminated, info

    def wait(self) -> None:
        """Rest between two episodes, as the interface does."""
        self.interface.wait()

    # -- the script's side

    def expect_send(self) -> None:
        """A step is about to be made: forget the last send."""
        self._awaited = True
        self._sent.clear()

    def wait_sent(self, timeout: float | None = None) -> bool:
        """Wait (s; None: as long as it takes) until the newest action was sent; tells whether it was.

        Raises what went wrong meanwhile on rtgym's thread: an error of the human's function, for example.
        """
        sent = self._sent.wait(timeout)
        self._raise()
        return sent

    def flush(self) -> bool:
        """Wait until all that was driven so far is in the store; tells whether it is."""
        return self.wheel.flush()

    def close(self) -> None:
        """Write down what is left, and let go of pad and window."""
        if not self._closed:
            self._on_thread(self.wheel.close)
            self._closed = True
            self._thread.shutdown()

    # -- inside

    def _keep(self, error: Exception) -> None:
        """Keep an error for who waits for the send, else for the next reset.

        What is raised on rtgym's thread reaches no script, and leaves its next step waiting for ever.
        """
        self._error = error
        if not self._awaited:
            said = f"The interface failed ({brief(error)}); the episode ends, and the next reset raises that."
            warnings.warn(said, stacklevel=2)

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _nothing(self) -> tuple[Any, float, bool, dict[str, Any]]:
        """Return what ends an episode in which nothing can be observed any more: the last observation again."""
        return self._last, 0.0, True, {}

    def _with_actions(self, observation: Any) -> tuple[Any, ...]:
        return (*observation, *self._buffer)

    def _record(
        self, choice: Choice, observation: Any, reward: float, terminated: bool, info: dict[str, Any], truncated: bool = False
    ) -> None:
        self._seen = None
        after, cut = self._with_actions(observation), truncated or bool(choice.ended)
        self._on_thread(lambda: self.wheel.step(choice, after, float(reward), bool(terminated), cut, info))

    def _on_thread(self, job: Callable[[], T]) -> T:
        if self._closed:
            raise UsageError(self.wheel.why_closed)
        return self._thread.submit(job).result()


class SentEnv(gymnasium.Wrapper[Any, NDArray[Any], Any, NDArray[Any]]):
    """rtgym's environment, whose steps return when their action was sent."""

    def __init__(self, env: gymnasium.Env[Any, Any], interface: TakeoverInterface) -> None:
        super().__init__(env)
        self.interface = interface

    def step(self, action: NDArray[Any]) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Make one step; see :class:`TakeoverInterface`. Raises what went wrong as its action was sent."""
        self.interface.expect_send()
        mine = action_of(action, self.env.action_space.shape or ())  # rtgym keeps this array, and what is sent is written into it
        observation, reward, terminated, truncated, info = self.env.step(mine)
        if terminated or truncated:  # nothing is sent after an episode's end
            self.interface.wait_sent(0.0)  # only raises
            return observation, reward, terminated, truncated, {**info, "driver": "agent", "proposed": action, "executed": mine}
        self.interface.wait_sent()
        choice = self.interface.choice
        assert choice is not None
        told = {"driver": choice.driver, "proposed": choice.proposed, "executed": choice.executed}
        if choice.ended:
            told["reason"] = choice.ended
        return observation, reward, terminated, truncated or bool(choice.ended), {**info, **told}

    def close(self) -> None:
        """Write down what is left, let go of pad and window, and close the environment."""
        self.interface.close()
        self.env.close()
