"""A Gymnasium game in our window: what it draws, what is said where it cannot, and a takeover by real keys there."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
import pygame
import pytest

from hitl.games.gym.drawn import Drawn, rgb
from hitl.games.gym.env import GymEnv, open_gym
from hitl.games.gym.ids import ways_to_show
from hitl.games.open_game import shown_by_us
from hitl.games.registry import single_words
from hitl.scripting.takeover import Takeover
from takeover_ui.window.picture import Picture, picture_path
from tests.support.places import ROOT
from tests.takeover_ui.window.test_floating_x11 import Hand
from tests.takeover_ui.window.test_floating_x11 import hand as hand  # an X server of the test's own

SPACE, LEFT, ESCAPE = 0x20, 0xFF51, 0xFF1B
OWN = "Do something."
needs_x = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("Xvfb") is None, reason="needs Xvfb (an X server without a screen)"
)


class Paints(gymnasium.Env):
    """Its picture is as bright as it has made steps; ``what`` else it returns."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    what = None

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(3, np.float32), {"notices": None}

    def step(self, action):
        self.steps += 1
        return np.zeros(3, np.float32), 0.0, False, False, {}

    def render(self):
        return np.full((40, 60, 3), self.steps, np.uint8) if self.what is None else self.what()


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, bool, "shares", "one camera"])
def test_grey_pictures_those_with_transparency_and_those_of_numbers_are_seen_in_colour(shape, kind):
    given = (np.arange(np.prod(shape)) * 3 % 256).reshape(shape)
    wanted = np.broadcast_to(given.reshape(4, 5, -1)[..., :3], (4, 5, 3))
    if kind == "shares":
        given = given / 255.0
    elif kind == "one camera":
        given = [given]
    else:
        given = given.astype(kind)
    picture = rgb(given)
    assert (picture.shape, picture.dtype, picture.flags.c_contiguous) == ((4, 5, 3), np.uint8, True)
    np.testing.assert_allclose(picture.astype(float), 255.0 * (wanted > 0) if kind is bool else wanted, atol=1)


def test_the_pictures_of_several_cameras_stand_beside_each_other():
    """As gym_hil returns them: in the mode `rgb_array` a list is no sequence of frames, which is `rgb_array_list`."""
    front, wrist = np.full((4, 5, 3), 7, np.uint8), np.full((2, 3), 9, np.uint8)
    picture = rgb([front, wrist])
    assert picture.shape == (4, 8, 3)
    assert (picture[:, :5] == 7).all()
    assert (picture[:2, 5:] == 9).all()
    assert (picture[2:, 5:] == 0).all()
    np.testing.assert_array_equal(rgb((wrist, front))[:, 3:], front)


@pytest.mark.parametrize(
    "nothing", [None, [], "text", {}, [np.zeros((4, 5, 3)), None], [np.zeros((4, 3000, 3))] * 2,
                np.zeros((4, 5, 2), np.uint8), np.zeros((0, 5, 3), np.uint8),
                np.zeros((1, 5000, 3), np.uint8), np.zeros((2, 4, 5, 3), np.uint8), np.zeros((4, 5), complex)],
)  # fmt: skip
def test_what_is_no_picture_is_refused(nothing):
    with pytest.raises(TypeError, match="no picture: "):
        rgb(nothing)


class AtOnce(Drawn):
    """Draws each time, however long it takes on a busy machine."""

    _due = property(lambda self: 0.0, lambda self, value: None)


def test_each_step_is_seen(tmp_path):
    drawn = AtOnce(picture_path(tmp_path), OWN)
    seen = Picture(drawn.path)
    with contextlib.closing(GymEnv(Paints, drawn=drawn)) as env:
        for number in range(4):
            info = env.step(np.zeros(1, np.float32))[-1] if number else env.reset(seed=0)[1]
            until(lambda n=number: (picture := seen.newest()) is not None and picture.get_at((5, 5))[0] == n)
            assert info["notices"] == (), "what the environment puts there itself is none of ours"
        assert seen.newest().get_size() == (60, 40)
    assert not drawn.path.exists()
    assert seen.newest() is None, "a picture that stands still is taken away"
    seen.close()


@pytest.mark.parametrize("what", [lambda: None, lambda: 1 / 0])
def test_a_game_that_cannot_draw_is_driven_all_the_same_and_that_is_told_once(tmp_path, what):
    drawn = AtOnce(picture_path(tmp_path), OWN)

    class Blind(Paints):
        pass

    Blind.what = staticmethod(what)
    with contextlib.closing(GymEnv(Blind, drawn=drawn)) as env:
        told = list(env.reset(seed=0)[1]["notices"])
        for _ in range(20):
            told += env.step(np.zeros(1, np.float32))[-1]["notices"]
    assert len(told) == 1
    assert told[0].startswith("The game cannot draw its picture for this window (")
    assert told[0].endswith(OWN)


def test_a_picture_that_fails_once_comes_back(tmp_path):
    drawn = AtOnce(picture_path(tmp_path))
    answers = [np.full((4, 5, 3), 7, np.uint8), None, None, np.full((4, 5, 3), 9, np.uint8)]
    seen, looks, told = Picture(drawn.path), [], []
    for answer in answers:
        drawn(lambda answer=answer: answer)
        picture = seen.newest()
        looks.append(picture and picture.get_at((1, 1))[0])
        told += drawn.told()
    assert looks == [7, None, None, 9]
    why = "TypeError: what its render returned is no picture: NoneType"
    assert told == [f"The game cannot draw its picture for this window ({why})."]
    seen.close()
    drawn.close()


def test_slow_drawing_takes_half_of_the_time_at_most(tmp_path):
    drawn, made = Drawn(picture_path(tmp_path), OWN), []

    def render():
        made.append(time.perf_counter())
        time.sleep(0.02)
        return np.zeros((4, 5, 3), np.uint8)

    began = time.perf_counter()
    while time.perf_counter() - began < 0.3:
        drawn(render)
    drawn.close()
    assert min(np.diff(made)) >= 0.04


def test_a_picture_of_another_size_is_seen_as_it_is(tmp_path):
    drawn = AtOnce(picture_path(tmp_path), OWN)
    seen = Picture(drawn.path)
    for rows, columns in ((4, 6), (40, 60), (8, 8)):
        drawn(lambda shape=(rows, columns, 3): np.full(shape, shape[0], np.uint8))
        picture = seen.newest() or seen.newest()  # one that is larger than the file was: after it is opened anew
        assert (picture.get_size(), picture.get_at((1, 1))[0]) == ((columns, rows), rows)
    seen.close()
    drawn.close()


def test_our_window_shows_what_gives_pictures():
    class Alone(Paints):
        metadata = {"render_modes": ["human"]}  # noqa: RUF012

    gymnasium.register("Missing-v0", "a_package_that_is_missing.town:Env")
    gymnasium.register("Painted-v0", Paints)
    gymnasium.register("Unseen-v0", lambda: Paints())  # it has no other window, so ours must be one that hears keys
    gymnasium.register("Alone-v0", Alone)
    try:
        assert ways_to_show("Painted-v0") == {"rgb_array"}
        assert [ways_to_show(name) for name in ("Unseen-v0", "Missing-v0")] == [set(), set()]
        games = "gym:Painted-v0", "gym:Unseen-v0", "gym:Alone-v0", "gym", *single_words()
        assert [env for env in games if shown_by_us(env, "ours")] == ["gym:Painted-v0", "gym:Unseen-v0", "box2d", "supertuxkart"]
        assert not shown_by_us("gym:Painted-v0", "its_own")
    finally:
        for name in ("Alone", "Missing", "Painted", "Unseen"):
            del gymnasium.registry[f"{name}-v0"]


@pytest.mark.parametrize("way", ["rgb_array", None])
def test_the_end_of_a_game_is_not_the_end_of_pygame(way, monkeypatch):
    """Its pads are read by it; and a game that was lost is closed in mid-session."""
    pygame.init()
    ends = pygame.quit, pygame.display.quit
    with contextlib.closing(open_gym("Pendulum-v1", render=way)) as env:
        env.reset(seed=0)
        if way:
            assert env._worker.call(env._env.render, 20.0, "drawing").shape == (500, 500, 3)
    assert (pygame.quit, pygame.display.quit) == ends
    assert pygame.font.get_init()
    assert pygame.display.get_init()


def test_only_the_kinds_that_it_has_are_asked_of_it():
    with contextlib.closing(open_gym("Pendulum-v1", render="rgb_array")) as env:
        assert env._env.render_mode == "rgb_array"


@needs_x
@pytest.mark.realtime
def test_the_player_takes_over_in_the_picture_with_keys_alone(tmp_path: Path, hand: Hand) -> None:
    """As it comes, without a setting: before, keys over the game's own window were not heard."""
    environment = {**os.environ, "SDL_AUDIODRIVER": "dummy"}
    environment.pop("SDL_VIDEODRIVER", None)
    play = subprocess.Popen(
        [sys.executable, "-m", "hitl", "play", "--env", "gym:Pendulum-v1", "--home", str(tmp_path)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:

        def takeovers() -> list[tuple[str]]:
            hand.key(SPACE, False)
            time.sleep(0.2)
            for key in (SPACE, LEFT):
                hand.key(key, True)
            time.sleep(0.6)
            if not (tmp_path / "store.sqlite").exists():
                return []
            with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as db, contextlib.suppress(sqlite3.Error):
                return db.execute("SELECT at FROM events WHERE kind = 'takeover'").fetchall()
            return []

        until(takeovers, 60.0)
        for key in (SPACE, LEFT):
            hand.key(key, False)
        pictures = list(tmp_path.glob("picture-*"))
        seen = Picture(pictures[0])
        picture = seen.newest()
        assert picture is not None
        assert picture.get_size() == (500, 500)
        seen.close()
        for down in (True, False):
            hand.key(ESCAPE, down)
        said, _ = play.communicate(timeout=60)
        assert play.returncode == 0, said
        assert "takeover" in said
        assert not list(tmp_path.glob("picture-*"))
    finally:
        play.kill()
        play.communicate()


@needs_x
@pytest.mark.realtime
def test_a_script_sees_its_game_in_the_overlay(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    bare = Paints()  # one of Gymnasium's own would end pygame for the tests after this
    bare.render_mode = "rgb_array"
    env = Takeover(bare, "keys", overlay=True)
    with contextlib.closing(env):
        env.reset(seed=0)
        assert env.wheel.window is not None
        assert env.wheel.window.options.game_view
        drawn = env.wheel._overlay._drawn
        seen = Picture(drawn.path)
        first = seen.newest()
        until(lambda: env.step(env.action_space.sample()) and seen.newest() is not first)
        seen.close()
    assert not drawn.path.parent.exists()
