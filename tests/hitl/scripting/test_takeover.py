"""Takeover around somebody's environment: who drives, what is executed, what is recorded, what is refused."""

from __future__ import annotations

import sys
import time
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pygame
import pytest
import torch
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from data.errors import UsageError
from data.records import AGENT, HUMAN
from hitl import TQC, Arbiter, HitlError, Store, Takeover, evaluate, presets
from hitl.games.driving_env import DrivingEnv
from hitl.pads.base import MISSING, PadState
from hitl.pads.combined import EitherPad
from hitl.pads.keyboard import KeyboardPad
from hitl.scripting.shared_wheel import SharedWheel
from trainer.checkpoints.files import save
from trainer.checkpoints.meta import CheckpointMeta


class Track(gymnasium.Env[np.ndarray, np.ndarray]):
    """Says what it was sent. Its first action steers in [-2, 2], its second is a pedal from 0 to 1."""

    observation_space = spaces.Box(-100.0, 100.0, (1,), np.float32)
    action_space = spaces.Box(np.float32([-2.0, 0.0]), np.float32([2.0, 1.0]), dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.n = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.sent, self.n = action, self.n + 1
        return np.full(1, self.n, np.float32), float(self.n), self.n >= 30, False, {}


class PlannedPad:
    """A pad whose states are given step by step; the last one stays."""

    name = "planned"

    def __init__(self, *plan: PadState) -> None:
        self.left = list(plan)

    def read(self) -> PadState:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


AGENTS = np.array([-0.5, 0.25], np.float32)
MINE = np.array([1.5, 1.0], np.float32)


def drive(env: Takeover, steps: int = 30) -> list[dict[str, Any]]:
    """Drive with the agent's one action; return the infos."""
    env.reset(seed=0)
    infos = []
    for _ in range(steps):
        *_, terminated, truncated, info = env.step(AGENTS)
        sent = env.unwrapped.sent  # type: ignore[attr-defined]
        assert (info["executed"].tobytes(), info["executed"].dtype) == (sent.tobytes(), sent.dtype)
        infos.append(info)
        if terminated or truncated:
            break
    return infos


def test_a_function_takes_over_by_the_arbiters_rules_and_all_is_recorded(tmp_path: Path) -> None:
    def human(seen: np.ndarray, info: dict[str, Any]) -> np.ndarray | None:
        return MINE if seen[0] in (5, 6, 20, 21, 22, 23, 24, 25, 26, 27) else None

    env = Takeover(Track(), human, store=tmp_path)
    infos = drive(env)
    env.close()
    # Two steps of asking become the shortest takeover (0.3 s); a longer one goes on for 0.1 s, until it is surely over.
    human_steps = [*range(5, 11), *range(20, 29)]
    assert [k for k, info in enumerate(infos) if info["driver"] == "human"] == human_steps
    for k, info in enumerate(infos):
        np.testing.assert_array_equal(info["proposed"], AGENTS)
        np.testing.assert_array_equal(info["executed"], MINE if k in human_steps else AGENTS)
    with Store(tmp_path) as store:
        (episode,) = store.episodes()
        assert (episode.reason, episode.length, episode.total) == ("over", 30, sum(range(1, 31)))
        steps = store.steps(episode)
        assert np.flatnonzero(steps["driver"] == HUMAN).tolist() == human_steps
        np.testing.assert_allclose(steps["executed", "action_0"], [0.75 if k in human_steps else -0.25 for k in range(30)])
        np.testing.assert_allclose(steps["executed", "action_1"], [1.0 if k in human_steps else 0.25 for k in range(30)])
        np.testing.assert_allclose(steps["proposed"], [[-0.25, 0.25]] * 30)
        assert steps["observation"][:, 0].tolist() == list(range(30))
        assert [(t.start, t.stop, t.trigger) for t in store.takeovers()] == [(5, 11, "function"), (20, 29, "function")]
        (session,) = store.sessions()
        assert (session.env, session.track, session.driver) == ("gym:Track", "Track", "function")


def test_what_one_of_our_own_games_has_to_say_is_told_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = DrivingEnv.step

    def telling(env: DrivingEnv, action: np.ndarray) -> Any:
        *seen, info = step(env, action)
        return *seen, info | {"notices": ("The car starts beside the line.",)}

    monkeypatch.setattr(DrivingEnv, "step", telling)
    env = Takeover(DrivingEnv(), store=tmp_path)
    env.reset(seed=0)
    env.step(np.zeros(2, np.float32))
    env.close()
    assert "The car starts beside the line." in capsys.readouterr().out
    with Store(tmp_path) as store:
        assert store.conn.execute("SELECT message FROM events WHERE kind = 'notice'").fetchall()


def test_without_hysteresis_a_function_drives_exactly_when_it_says() -> None:
    at_once = Arbiter.GatingSettings(settle_s=0.0, minimum_s=0.0)
    infos = drive(Takeover(Track(), lambda seen, info: MINE if seen[0] in (5, 9) else None, gating=at_once))
    assert [k for k, info in enumerate(infos) if info["driver"] == "human"] == [5, 9]


def test_a_pad_must_be_released_before_it_takes_the_wheel_and_moves_what_the_controls_say() -> None:
    held = PadState(steer=0.5, gas=1.0, buttons=frozenset({"takeover"}))
    env = Takeover(Track(), PlannedPad(*[held] * 3, PadState(), *[held] * 8, PadState()), real_time=False)
    infos = drive(env)
    assert [k for k, info in enumerate(infos) if info["driver"] == "human"] == list(range(4, 13))
    np.testing.assert_allclose(infos[5]["executed"], [1.0, 1.0])  # half of the way to 2, and the whole pedal
    env = Takeover(Track(), PlannedPad(PadState(), held), real_time=False, controls=("-steer", "none"))
    np.testing.assert_allclose(drive(env)[5]["executed"], [-1.0, 0.0])


def test_keys_take_the_wheel() -> None:
    down: set[str] = set()
    now = iter(np.arange(0, 100, 0.05))
    env = Takeover(Track(), KeyboardPad(keys=lambda: frozenset(down), clock=lambda: next(now)), real_time=False)
    env.reset(seed=0)
    assert env.step(AGENTS)[-1]["driver"] == "agent"
    down |= {"space", "right"}
    infos = [env.step(AGENTS)[-1] for _ in range(8)]
    assert {info["driver"] for info in infos} == {"human"}
    assert infos[-1]["executed"][0] == 2.0


@pytest.mark.parametrize(("button", "reason"), [("panic", "panic"), ("restart", "restart"), ("quit", "stopped")])
def test_buttons_end_an_episode(button: str, reason: str, tmp_path: Path) -> None:
    env = Takeover(Track(), PlannedPad(*[PadState()] * 3, PadState(buttons=frozenset({button}))), real_time=False, store=tmp_path)
    infos = drive(env)
    assert len(infos) == 4
    assert infos[-1]["reason"] == reason
    assert env.leaving is (button == "quit")
    with pytest.raises(HitlError, match="reset"):
        env.step(AGENTS)
    env.close()
    with Store(tmp_path) as store:
        assert [(e.reason, e.length) for e in store.episodes()] == [(reason, 4)]


def test_a_reset_in_the_middle_keeps_what_was_driven(tmp_path: Path) -> None:
    env = Takeover(Track(), None, store=tmp_path)
    for steps in (3, 5):
        drive(env, steps)
    assert env.flush()
    with Store(tmp_path) as store:  # beside the recorder that is open
        assert [(e.reason, e.length) for e in store.episodes(closed=False)] == [("stopped", 3), ("", 0)]
        assert store.label([], verdict="good") == 0
    env.close()
    with Store(tmp_path) as store:
        assert [(e.reason, e.length) for e in store.episodes()] == [("stopped", 3), ("stopped", 5)]


def test_gymnasiums_checker_finds_nothing_more_than_in_the_environment_itself() -> None:
    def said(env: gymnasium.Env[Any, Any]) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_env(env, skip_render_check=True)
        return [str(w.message) for w in caught if "different from the unwrapped" not in str(w.message)]

    bare = gymnasium.make("Pendulum-v1").unwrapped
    assert said(Takeover(bare, None)) == said(bare)
    made = Takeover(gymnasium.make("Pendulum-v1"), None)
    assert made.spec is not None
    assert "Takeover" in str(made.spec.additional_wrappers)


HZ_WRONG = {"or None, not nan": np.nan, "inf": np.inf, "-1.0": -1.0, "or None, not 0": 0, "20": "20", "none": "none"}


class Tells(Track):
    """Tells what it should not."""

    def __init__(self, **told: Any) -> None:
        self.told = told

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        seen, reward, terminated, truncated, info = super().step(action)
        return seen, self.told.get("reward", reward), terminated, truncated, self.told.get("info", info)


def drive_with(action: Any) -> None:
    env = Takeover(Track(), None)
    env.reset()
    env.step(action)


@pytest.mark.parametrize("reward", [np.array([1.5]), np.float32(1.5), 1.5])
def test_a_reward_may_come_as_any_one_number(reward: Any, tmp_path: Path) -> None:
    with Takeover(Tells(reward=reward), None, store=tmp_path) as env:
        drive(env)
    with Store(tmp_path) as store:
        assert store.episodes()[0].total == pytest.approx(45.0)


def test_a_way_that_is_never_told_is_said_once(tmp_path: Path, logged: list[str]) -> None:
    drive(Takeover(Track(), None, progress="metres", store=tmp_path))
    assert [text for text in logged if "no 'metres'" in text] == logged[:1]


def test_what_cannot_be_taken_over_is_refused_in_a_sentence() -> None:
    refused: dict[str, Any] = {
        "one car": lambda: Takeover(gymnasium.make_vec("Pendulum-v1", num_envs=2), None),  # type: ignore[arg-type]
        "'Pendulum-v1' is no Gymnasium environment": lambda: Takeover("Pendulum-v1", None),  # type: ignore[arg-type]
        "Discrete": lambda: Takeover(gymnasium.make("CartPole-v1"), None),
        "Did you mean 'keys'": lambda: Takeover(Track(), "kyes"),
        "one word for each": lambda: Takeover(Track(), None, controls=("steer",)),
        "no action": lambda: drive(Takeover(Track(), lambda seen, info: np.array([np.nan, 0.0]))),
        "shape": lambda: drive(Takeover(Track(), lambda seen, info: np.zeros(3))),
        "x, which is no action": lambda: drive(Takeover(Track(), lambda seen, info: "x")),
        "no control 'stear'.*'steer'": lambda: Takeover(Track(), "keys", controls=("stear", "gas")),
        "no way to take the wheel": lambda: Takeover(Track(), None, gating="hold"),  # type: ignore[arg-type]
        "mode must be": lambda: Takeover(Track(), None, gating=Arbiter.GatingSettings(mode="hld")),  # type: ignore[arg-type]
        "settle_s must be": lambda: Takeover(Track(), None, gating=Arbiter.GatingSettings(settle_s=-1.0)),
        "real_time must be.*not \"x\"": lambda: Takeover(Track(), None, real_time="x"),  # type: ignore[arg-type]
        "overlay must be.*not 2": lambda: Takeover(Track(), None, overlay=2),  # type: ignore[arg-type]
        "2 action numbers.*one word for each": lambda: Takeover(Track(), None, controls="steer"),
        "track must be": lambda: Takeover(Track(), None, track=5),  # type: ignore[arg-type]
        **{f"hz must be .*{k}": lambda hz=hz: Takeover(Track(), None, hz=hz) for k, hz in HZ_WRONG.items()},
        "read as numbers": lambda: drive_with(torch.zeros(2, requires_grad=True)),
        "reward much": lambda: drive(Takeover(Tells(reward="much"), None)),
        "info None": lambda: drive(Takeover(Tells(info=None), None)),
    }
    for words, attempt in refused.items():
        with pytest.raises(HitlError, match=words):
            attempt()


def test_of_several_environments_a_person_drives_the_one_made_last(tmp_path: Path) -> None:
    first = Takeover(Track(), "keys", real_time=False, store=tmp_path)
    first.reset()
    first.step(np.zeros(2, np.float32))
    Takeover(Track(), None).close()
    first.step(np.zeros(2, np.float32))
    second = Takeover(Track(), "keys", real_time=False, store=tmp_path)  # as in a cell that is run again
    for use in (first.reset, lambda: first.step(np.zeros(2, np.float32))):
        with pytest.raises(UsageError, match=r"^This environment was closed when .* another one, .* human=None"):
            use()
    first.close()
    second.reset()
    second.step(np.zeros(2, np.float32))
    with Store(tmp_path) as store:
        assert [(e.length, e.reason) for e in store.episodes()] == [(2, "stopped")]
    second.close()
    assert AGENT == Arbiter.AGENT


@pytest.mark.realtime
def test_the_overlay_shows_and_takes_the_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from hitl import open_env
    from hitl.scripting import overlay
    from takeover_ui.window.key_names import KEYS
    from takeover_ui.window.options import WindowOptions

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlay, "display_available", lambda: False)
        with pytest.raises(HitlError, match="no display"):
            Takeover(Track(), "keys", overlay=True)
    monkeypatch.setattr(overlay, "display_available", lambda: True)
    monkeypatch.setattr(overlay, "WindowOptions", lambda **options: WindowOptions(**options, video="dummy"))
    monkeypatch.setenv("HITL_HOME", str(tmp_path))
    env = Takeover(open_env(home=tmp_path), "keys", overlay=True, store=tmp_path)
    try:
        window: Any = env.wheel.window
        drivers = []
        env.reset(seed=0)
        for step in range(30):
            if step == 10:
                for key in ("space", "right"):
                    window._counts[KEYS.index(key)] += 1
            *_, info = env.step(np.zeros(2, np.float32))
            drivers.append(info["driver"])
        assert drivers == ["agent"] * 10 + ["human"] * 20
        assert info["executed"][1] == 1.0
        assert window.drawn > 5
        window._counts[KEYS.index("escape")] += 1
        *_, truncated, info = env.step(np.zeros(2, np.float32))
        assert truncated
        assert env.leaving
    finally:
        env.close()
    assert window.closed


def test_progress_is_metres_only_where_the_script_says_so(tmp_path: Path, logged: list[str]) -> None:

    class Lap(Track):
        def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            seen, reward, over, cut, _ = super().step(action)
            return seen, reward, over, cut, {"progress": self.n / 30, "metres": 1.5 * self.n}

    def human(seen: np.ndarray, info: dict[str, Any]) -> np.ndarray | None:
        return MINE if 5 <= seen[0] < 25 else None

    for key, counts, place in (("", True, 0.0), ("metres", True, 7.5), ("progress", False, 5 / 30)):
        env = Takeover(Lap(), human, store=tmp_path / (key or "none"), progress=key)
        drive(env)
        env.close()
        with Store(tmp_path / (key or "none")) as store:
            (takeover,) = store.takeovers()
            assert takeover.from_m == pytest.approx(place)
            assert store.rule().judge(takeover).counts is counts
    assert logged == [  # said once, and where it cannot be overlooked
        "That takeover shows the agent nothing, so it is not learned from: hardly moved (0.7 m)."
    ]


def test_keep_and_back_do_what_they_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep, back = (PadState(buttons=frozenset({name})) for name in ("keep", "rewind"))
    pad = PlannedPad(*[PadState()] * 8, keep, PadState(), back)
    with Takeover(Track(), pad, real_time=False, store=tmp_path) as env:
        env.reset(seed=0)
        for _ in range(12):
            env.step(AGENTS)
    with Store(tmp_path) as store:
        kinds = store.conn.execute("SELECT kind FROM segments").fetchall()
    assert kinds == [("kept",)]
    assert "cannot go back" in capsys.readouterr().out


class Pictures(Track):
    """Shows a picture."""

    observation_space = spaces.Box(0, 255, (32, 48, 3), np.uint8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        _, info = super().reset(seed=seed)
        return np.zeros((32, 48, 3), np.uint8), info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        return np.full((32, 48, 3), self.n, np.uint8), *super().step(action)[1:]


def test_pictures_are_seen_as_the_home_says_and_a_checkpoint_sees_them_as_it_learned(tmp_path: Path) -> None:
    """Else a script's takeovers would be of another layout than what `hitl play` records there, and would teach nothing."""
    (tmp_path / "settings.toml").write_text("[pictures]\nrows = 8\ncolumns = 6\nframes = 3\n")
    with Takeover(Pictures(), None, store=tmp_path) as env:
        drive(env, 3)
        names = env.wheel.setting.info.observation_names
    with Store(tmp_path) as store:
        assert store.steps(1).observation.shape == (3, 8 * 6 * 3)
    learner = TQC(8 * 6 * 3, 2, presets["plain"].with_values(hidden=8))
    file, _ = save(tmp_path, learner, CheckpointMeta.of(learner, names, ("a", "b"), "train"))
    assert [result.steps for result in evaluate(tmp_path / file, Pictures(), 1)] == [30]
    with pytest.raises(HitlError, match="for 144 observed numbers and 2 action numbers, and this environment has 1 and 2"):
        evaluate(tmp_path / file, Track(), 1)


def test_a_person_is_told_what_moves_more_than_a_car_has(capsys: pytest.CaptureFixture[str]) -> None:
    class Four(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)

    for controls, told in ((None, True), (("steer", "steer", "gas", "none"), False)):
        Takeover(Four(), PlannedPad(PadState(), PadState()), real_time=False, controls=controls).close()
        assert ("you also move action_2: right_x (F, H); action_3: right_y" in capsys.readouterr().out) == told


class Unplugged(PlannedPad):
    """Waits for its device, as SDL's does."""

    device = None


@pytest.mark.parametrize(
    ("pad", "said"),
    [
        (KeyboardPad(), "No window hears your keys"),
        (EitherPad(Unplugged(MISSING), KeyboardPad()), "No pad is plugged in, and no window hears your keys"),
        (Unplugged(MISSING), "No pad is plugged in. Until one is, no one can take the wheel."),
        (KeyboardPad(keys=frozenset), ""),
        (EitherPad(PlannedPad(PadState()), KeyboardPad()), ""),
        (lambda observation, info: None, ""),
        (None, ""),
    ],
)
def test_that_no_one_can_take_the_wheel_is_told_once(pad: Any, said: str, logged: list[str]) -> None:
    """Whatever the environment says of its window: MuJoCo's own hears no keys."""
    env = Track()
    env.render_mode = "human"
    with Takeover(env, pad, real_time=False) as taken:
        drive(taken, 6)
    assert [text[: len(said)] for text in logged] == [said] * bool(said)


def test_keys_count_in_a_window_that_pygame_opens_with_the_first_step(logged: list[str]) -> None:
    class Windowed(Track):
        def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            pygame.display.set_mode((8, 8))
            return super().step(action)

    try:
        with Takeover(Windowed(), KeyboardPad(), real_time=False) as taken:
            drive(taken, 4)
    finally:
        pygame.display.quit()
    assert not logged


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        (f"{__name__}:Track", f"gym:{__name__.partition('.')[0]}:Registered-v0"),
        (Track, f"gym:{__name__.partition('.')[0]}:Registered-v0"),
        (partial(Track), f"gym:{__name__.partition('.')[0]}:Registered-v0"),
        ("gymnasium.envs.classic_control.pendulum:PendulumEnv", "gym:Registered-v0"),
        ("__main__:Track", "gym:Registered-v0"),
    ],
)
def test_an_environment_of_a_package_is_stored_by_the_name_that_opens_it_again(entry: Any, word: str, tmp_path: Path) -> None:
    sys.modules["__main__"].Track = Track  # type: ignore[attr-defined]
    gymnasium.register("Registered-v0", entry)
    try:
        with Takeover(gymnasium.make("Registered-v0", disable_env_checker=True), None, store=tmp_path) as env:
            env.reset(seed=0)
            env.step(env.action_space.sample())
    finally:
        del gymnasium.registry["Registered-v0"]
        del sys.modules["__main__"].Track  # type: ignore[attr-defined]
    with Store(tmp_path) as store:
        assert [session.env for session in store.sessions()] == [word]
        assert [session.track for session in store.sessions()] == ["Registered-v0"]


def test_a_pause_that_no_key_can_end_is_over_with_the_overlay(monkeypatch: pytest.MonkeyPatch) -> None:
    window, asked = SimpleNamespace(closed=False, died=False), time.monotonic()

    class Pad(PlannedPad):
        def read(self) -> PadState:
            window.died = not self.left[1:]  # the keys were the overlay's
            assert time.monotonic() < asked + 20.0, "it stays paused"
            return super().read()

    env = Takeover(Track(), Pad(PadState(), PadState(buttons=frozenset(("pause",))), PadState()), real_time=False)
    monkeypatch.setattr(SharedWheel, "window", window)
    infos = drive(env)
    monkeypatch.undo()
    env.close()
    assert len(infos) == 30
