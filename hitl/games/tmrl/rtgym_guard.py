"""Between rtgym and the player's own interface: exceptions and hangs become one error, in time.

rtgym calls an interface on threads of its own. An exception there would make its next ``step`` wait for ever, and so would a
call that never returns. So rtgym is given this interface around the player's: it always gets an answer, and the session asks
here what went wrong. Only what rtgym documents is used.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import rtgym
from gymnasium.envs.registration import EnvSpec, load_env_creator

from hitl.games.around_interface import AroundInterface, observed
from hitl.games.hang_guard import RESET_S, TICKS, Worker, lost


class GuardedInterface(AroundInterface):
    """Makes rtgym's calls of ``interface`` on one thread, and waits at most ``patience_s`` for each.

    ``failure``: what went wrong since the last :meth:`reset`, None for nothing. After it the interface is left alone.
    """

    def __init__(self, interface: Any, worker: Worker, patience_s: float) -> None:
        self.interface = interface
        self.failure: BaseException | None = None
        self._worker, self._patience_s = worker, patience_s
        self._last: tuple[Any, ...] | None = None

    def check(self) -> None:
        """Raise EnvironmentLost when something went wrong."""
        if self.failure is not None:
            raise lost(self.failure) from self.failure

    def send_control(self, control: Any) -> None:
        """Pass an action on."""
        self._call(lambda: self.interface.send_control(control), self._patience_s, "an action")

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin an episode."""
        self.failure = None
        begun = self._call(lambda: self.interface.reset(seed=seed, options=options), RESET_S, "beginning an episode")
        return begun if self.failure is None else (self._nothing(), {})

    def wait(self) -> None:
        """Rest between two episodes."""
        self._call(self.interface.wait, RESET_S, "its wait between two episodes")

    def get_obs_rew_terminated_info(self) -> Any:
        """Observe; return the last observation if that fails."""
        seen = self._call(lambda: observed(self.interface), self._patience_s, "an observation")
        if self.failure is None:
            self._last = seen
        return self._last or (self._nothing(), 0.0, True, {})

    def _call(self, job: Callable[[], Any], timeout: float, what: str) -> Any:
        if self.failure is not None:
            return None
        try:
            return self._worker.call(job, timeout, what)
        except BaseException as error:  # on rtgym's thread nothing may be raised
            self.failure = error
            return None

    def _nothing(self) -> list[Any]:
        """Return an observation of zeros: its shape is all that rtgym wants."""
        return [np.zeros(part.shape, part.dtype) for part in self.interface.get_observation_space().spaces]


@contextlib.contextmanager
def guarded_interfaces(worker: Worker) -> Iterator[list[GuardedInterface]]:
    """While the block runs, every environment of rtgym's that Gymnasium makes is made with a guarded interface: those listed."""
    guards: list[GuardedInterface] = []

    def entry(spec: EnvSpec) -> Callable[..., Any]:
        create = load_env_creator(str(spec.entry_point))

        def make(config: dict[str, Any] = rtgym.DEFAULT_CONFIG_DICT, **others: Any) -> Any:
            inner = config["interface"](*config.get("interface_args", ()), **config.get("interface_kwargs", {}))
            guard = GuardedInterface(inner, worker, TICKS * float(config.get("time_step_duration", 0.05)))
            guards.append(guard)
            return create(config=guard.in_place_of_theirs(config), **others)

        return make

    known = {name: spec for name, spec in gymnasium.registry.items() if str(spec.entry_point).startswith("rtgym.")}
    gymnasium.registry.update({name: dataclasses.replace(spec, entry_point=entry(spec)) for name, spec in known.items()})
    try:
        yield guards
    finally:
        gymnasium.registry.update(known)
