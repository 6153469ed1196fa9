"""The arbiter, run tick by tick with one pad state after another."""

from __future__ import annotations

import numpy as np

from hitl.arbiter import Decision, GatingSettings, Inputs, State, step
from hitl.pads.base import PadState, braking_action, neutral_action, to_action

NAMES = ("gas_brake", "steer")
AGENT_ACTION = np.array([0.5, -0.5], dtype=np.float32)
DT = 0.05
REST = PadState()
HELD = PadState(steer=0.3, gas=0.9, buttons=frozenset({"takeover"}))


class Wheel:
    """Runs the arbiter tick by tick."""

    def __init__(self, **settings: object) -> None:
        self.settings = GatingSettings(**settings)  # type: ignore[arg-type]
        self.state = State()
        self.tick = 0
        self(REST)

    def __call__(self, pad: PadState, times: int = 1, **more: object) -> Decision:
        for _ in range(times):
            inputs = Inputs(
                time=self.tick * DT,
                proposed=AGENT_ACTION,
                human=to_action(pad, NAMES),
                neutral=neutral_action(NAMES),
                braking=braking_action(NAMES),
                pad=pad,
                **more,  # type: ignore[arg-type]
            )
            self.state, decision = step(self.state, inputs, self.settings)
            self.tick += 1
        return decision


def buttons(*names: str, **more: float) -> PadState:
    return PadState(buttons=frozenset(names), **more)
