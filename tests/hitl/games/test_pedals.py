"""Environments whose actions begin at 0, are uneven or hold no 0: a throttle, a wheel and a brake as various games have them."""

import sqlite3
from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from data.ranges import ActionRange
from hitl import cli
from hitl.drivers.human import HumanDriver
from hitl.games.gym.controls import controls_for
from hitl.home import Home
from hitl.pads.base import PadState, braking_action, neutral_action, to_action
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.daemon_runs import SMALL, train

RANGES = {
    "Pedals": ([0, -1, 0], [1, 1, 1], np.float32),
    "Bytes": ([0, 0, 0], [255, 255, 255], np.uint8),
    "Narrow": ([0.0, -0.02, -0.001], [0.01, 0.01, 0.0], np.float64),
    "Pulses": ([1000, 1000, 1200], [2000, 2000, 1800], np.int32),
}
"""Throttle, wheel, brake: lowest, highest, type."""
CONTROLS = {"Bytes": ("gas", "steer", "brake"), "Pulses": ("gas", "steer", "brake")}
"""What the player has to write where a range does not tell."""
STEPS = 40


class Car(gymnasium.Env):
    """A car on a straight road, which keeps what it was given. Faster is better, off the road is not."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    given: list[np.ndarray] = []  # noqa: RUF012 (the tests look at it)

    def __init__(self, kind):
        low, high, dtype = RANGES[kind]
        self.action_space = gymnasium.spaces.Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)
        self.low, self.high = np.array(low, float), np.array(high, float)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.speed, self.side = 0, 0.0, float(self.np_random.uniform(-0.5, 0.5))
        return self.seen(), {}

    def seen(self):
        return np.array([self.speed, self.side, 1.0], np.float32)

    def step(self, action):
        assert self.action_space.contains(action)
        Car.given.append(action.copy())
        gas, wheel, brake = (np.asarray(action, float) - self.low) / (self.high - self.low)
        self.steps += 1
        self.speed = float(np.clip(self.speed + 0.1 * gas - 0.1 * brake, 0.0, 1.0))
        self.side = float(np.clip(self.side + 0.2 * (wheel - 0.5) * self.speed, -1.0, 1.0))
        return self.seen(), self.speed * (1.0 - abs(self.side)), False, self.steps == STEPS, {}


@pytest.fixture(autouse=True)
def registered():
    for kind in RANGES:
        gymnasium.register(f"{kind}-v0", lambda kind=kind, **_: Car(kind))
    Car.given.clear()
    yield
    for kind in RANGES:
        del gymnasium.registry[f"{kind}-v0"]


class Hand:
    """A pad that is at rest for five ticks and then always in one state."""

    name = "hand"

    def __init__(self, state):
        self.state, self.reads = state, 0

    def read(self):
        self.reads += 1
        return self.state if self.reads > 5 else PadState()

    def rumble(self, *how):
        pass

    def close(self):
        pass


def write_controls(folder, kind):
    if kind in CONTROLS:
        folder.mkdir(exist_ok=True)
        row = ", ".join(f'"{c}"' for c in CONTROLS[kind])
        (folder / "settings.toml").write_text(f'[controls]\n"{kind}-v0" = [{row}]\n')


def column(home, what, where="1"):
    with sqlite3.connect(home.store_path) as db:
        found = db.execute(f"SELECT {what} FROM steps WHERE {where} ORDER BY id").fetchall()
    return np.stack([np.frombuffer(row[0], np.float32) for row in found])


@pytest.mark.parametrize(
    ("kind", "state", "expected"),
    [
        ("Pedals", PadState(), [0, 0, 0]),
        ("Pedals", PadState(gas=0.5, steer=-0.5), [0.5, -0.5, 0]),
        ("Pedals", PadState(brake=1.0), [0, 0, 1]),
        ("Bytes", PadState(), [0, 128, 0]),
        ("Bytes", PadState(gas=1.0, steer=-1.0), [255, 0, 0]),
        ("Bytes", PadState(brake=0.5, steer=1.0), [0, 255, 128]),
        ("Narrow", PadState(), [0, 0, 0]),
        ("Narrow", PadState(gas=0.5, steer=-1.0, brake=1.0), [0.005, -0.02, -0.001]),
        ("Narrow", PadState(steer=1.0), [0, 0.01, 0]),
        ("Pulses", PadState(), [1000, 1500, 1200]),
        ("Pulses", PadState(gas=0.5, steer=-1.0, brake=1.0), [1500, 1000, 1800]),
    ],
)  # fmt: skip
def test_a_takeover_gives_what_the_hands_do_and_a_released_pedal_the_end_at_which_it_rests(kind, state, expected, tmp_path):
    """Through a real session: gating, recording, the environment's own type."""
    write_controls(tmp_path, kind)
    home = Home(tmp_path)
    held = replace(state, buttons=frozenset({"takeover"}))
    with SessionSetup(home, SessionOptions(env=f"gym:{kind}-v0"), human=lambda track: HumanDriver(Hand(held))) as rig:
        result = rig.session.episode("drive", seed=0)
        scaled = rig.env.scaled
    assert result.human_steps == STEPS - 5
    given = np.array(Car.given)[-result.human_steps :].astype(float)
    np.testing.assert_allclose(given, np.tile(expected, (len(given), 1)), rtol=1e-6)
    stored = column(home, "executed", "driver = 1")
    np.testing.assert_allclose([scaled(action) for action in stored], given)  # the store says what the game received


@pytest.mark.parametrize(
    ("low", "high", "guess"),
    [
        ([0, -1, 0], [1, 1, 1], ["gas", "steer", "brake"]),
        ([-1, 0], [1, 255], ["steer", "gas"]),
        ([-1, -1], [1, 1], ["steer", "gas_brake"]),
        ([-1, -1, -1], [1, 1, 1], ["steer", "gas_brake", "right_x"]),
        ([-1] * 7, [1] * 7, ["steer", "gas_brake", "right_x", "right_y", "stick_y", "cross_x", "none"]),
        ([-1, 0, -1], [1, 1, 1], ["steer", "gas", "right_x"]),
        ([0], [1], ["gas"]),
        ([0, -5, -2], [1, 0, 2], ["gas", "-brake", "steer"]),
        ([0, 0, 0], [1, 1, 1], ["gas", "brake", "none"]),
        ([-np.inf, 0], [np.inf, np.inf], ["steer", "gas"]),
    ],
)  # fmt: skip
def test_which_control_moves_which_number_is_guessed_from_the_ranges(low, high, guess):
    space = gymnasium.spaces.Box(np.array(low, np.float32), np.array(high, np.float32))
    assert controls_for("Unknown-v0", ActionRange(space), {}) == controls_for(
        "Unknown-v0", ActionRange(space), {"Unknown-v0": tuple(guess)}
    )


def test_reversed_controls_rest_at_the_other_end():
    space = gymnasium.spaces.Box(np.array([1000, 0], np.float32), np.array([2000, 255], np.float32))
    scaled = ActionRange(space)
    controls = controls_for("Any-v0", scaled, {"Any-v0": ("-brake", "-steer")})
    assert scaled(neutral_action(controls)).tolist() == [2000, 127.5]
    assert scaled(braking_action(controls)).tolist() == [1000, 127.5]
    assert scaled(to_action(PadState(steer=1.0), controls)).tolist() == [2000, 0]


def test_takeovers_of_pedals_go_out_and_come_back_as_they_are(tmp_path, capsys):
    home, other = Home(tmp_path / "home"), Home(tmp_path / "other")
    held = PadState(gas=0.75, steer=0.25, buttons=frozenset({"takeover"}))
    with SessionSetup(home, SessionOptions(env="gym:Pedals-v0"), human=lambda track: HumanDriver(Hand(held))) as rig:
        rig.session.episode("drive", seed=0)
    out = str(tmp_path / "set")
    assert cli.main(["export", "minari", out, "--home", str(home.root)]) == 0, capsys.readouterr().err
    assert cli.main(["import", out, "--home", str(other.root)]) == 0, capsys.readouterr().err
    np.testing.assert_array_equal(column(other, "executed"), column(home, "executed", "driver = 1"))


@pytest.mark.parametrize("kind", RANGES)
def test_an_agent_drives_learns_and_is_evaluated_there(kind, tmp_path, capsys):
    home = Home(tmp_path)
    write_controls(tmp_path, kind)
    common = ["--env", f"gym:{kind}-v0", "--home", str(tmp_path)]
    play = ["play", *common, "--headless", "--pad", "none", "--episodes", "2"]
    assert cli.main(play) == 0, capsys.readouterr().err
    learner = train(tmp_path, 2 * STEPS - SMALL.warmup_steps).training.learner
    assert cli.main(play) == 0, capsys.readouterr().err
    executed = column(home, "executed")
    assert executed.shape == (4 * STEPS, 3)
    scaled = ActionRange(Car(kind).action_space)
    np.testing.assert_allclose([scaled(a) for a in executed[-2 * STEPS :]], Car.given[-2 * STEPS :], rtol=1e-6)
    assert cli.main(["eval", *common, "--episodes", "2"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"({learner.updates} updates), 2 episodes on ‘{kind}-v0’, mean return" in said
