"""Minari datasets as other tools make them: dictionaries of observations, actions of any range, no observation at the end."""

from collections import OrderedDict

import gymnasium
import minari
import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage

from data.errors import InputFileError
from data.exchange.datasets.minari import _identify, read_minari
from data.exchange.datasets.spaces import around_zero
from data.exchange.importing import EpisodeRefusedError
from data.ranges import ActionRange
from data.reading.follow import Follower
from data.store import Store
from hitl.cli import main
from hitl.games.pictures import SpaceSight

N = 6


def dataset(folder, space, action_space, observations, actions, env_spec=None):
    folder.mkdir()
    storage = MinariStorage.new(folder / "data", space, action_space, env_spec=env_spec, data_format="hdf5")
    _identify(folder / "data", minari.__version__)
    n = len(actions)
    storage.update_episodes(
        [EpisodeBuffer(0, None, None, observations, actions, np.arange(n) * 1.0, np.zeros(n, bool), np.arange(n) == n - 1, None)]
    )
    return folder


def box(low, high, dtype=np.float32):
    return spaces.Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)


def taken(home, folder, *words):
    code = main(["import", "--home", str(home), str(folder), *words])
    follower = Follower(home / "store.sqlite")
    return code, follower.poll(), follower.layout


def stacked(samples):
    """One observation for each step, as a dataset holds them: a dictionary (or tuple) of arrays."""
    first = samples[0]
    if isinstance(first, dict):
        return {key: stacked([s[key] for s in samples]) for key in first}
    if isinstance(first, tuple):
        return tuple(stacked([s[i] for s in samples]) for i in range(len(first)))
    return np.stack(samples)


WIDE = spaces.Box(-np.inf, np.inf, (3,), np.float64)
GOAL = spaces.Box(-9, 9, (2,))
SPACES = {
    "a dictionary": spaces.Dict({"observation": WIDE, "achieved_goal": GOAL, "desired_goal": GOAL}),
    "in an order of its own": spaces.Dict(OrderedDict([("z", spaces.Box(-1, 1, (2,))), ("a", spaces.Box(-9, 9, (1,)))])),
    "nested": spaces.Dict({"car": spaces.Dict(OrderedDict([("y", WIDE), ("b", spaces.Discrete(3))])), "road": GOAL}),
    "a tuple": spaces.Tuple((spaces.Box(-1, 1, (1,)), spaces.Dict({"m": spaces.MultiBinary(3)}))),
    "rows and columns": spaces.Box(-1, 1, (2, 3)),
    "one of five": spaces.Discrete(5),
    "numbers and a picture": spaces.Dict({"speed": spaces.Box(0, 99, (1,)), "eye": spaces.Box(0, 255, (48, 48, 3), np.uint8)}),
}  # fmt: skip


@pytest.mark.parametrize("name", SPACES)
def test_observations_are_laid_out_as_a_live_session_lays_them_out(tmp_path, name):
    space = SPACES[name]
    space.seed(0)
    samples = [space.sample() for _ in range(N + 1)]
    if name == "numbers and a picture":  # what a picture shows survives the dataset's own JPEG where it is even
        samples = [{**s, "eye": np.full((48, 48, 3), 20 * i, np.uint8)} for i, s in enumerate(samples)]
    folder = dataset(tmp_path / "set-v0", space, box([-1, -1], [1, 1]), stacked(samples), np.zeros((N, 2), np.float32))
    code, new, layout = taken(tmp_path / "home", folder)
    assert code == 0
    live = SpaceSight(space)
    assert layout[0] == live.names
    live.begin()
    seen = [live(s) for s in samples]
    np.testing.assert_allclose(new.observation, seen[:N], atol=1e-6)
    (episode,) = new.episodes.values()
    np.testing.assert_allclose(episode.last_observation, seen[N], atol=1e-6)


def test_pictures_are_said_to_be_some(tmp_path):
    space = SPACES["numbers and a picture"]
    folder = dataset(tmp_path / "set-v0", space, box([-1], [1]), stacked([space.sample() for _ in range(3)]), np.zeros((2, 1)))
    assert taken(tmp_path / "home", folder)[0] == 0
    with Store(tmp_path / "home" / "store.sqlite") as store:
        assert store.conn.execute("SELECT frame_shape FROM sessions").fetchone() == ("[24, 24]",)


def test_as_many_observations_as_actions(tmp_path):
    observations = np.arange(N * 2).reshape(N, 2).astype(np.float64)
    folder = dataset(tmp_path / "set-v0", spaces.Box(-99, 99, (2,)), box([-1], [1]), observations, np.zeros((N, 1)))
    code, new, _ = taken(tmp_path / "home", folder)
    assert code == 0
    assert new.observation.tolist() == observations.tolist()
    (episode,) = new.episodes.values()
    assert (episode.length, episode.last_observation) == (N, None)


@pytest.mark.parametrize("more", [2, -1])
def test_any_other_number_of_observations_is_refused(tmp_path, more, capsys):
    folder = dataset(tmp_path / "set-v0", spaces.Box(-1, 1, (2,)), box([-1], [1]), np.zeros((N + more, 2)), np.zeros((N, 1)))
    assert taken(tmp_path / "home", folder)[0] == 1
    assert f"{N + more} observations" in " ".join(capsys.readouterr().out.split())


RANGES = {
    "a torque": ([-2.0], [2.0]),
    "steering and pedals": ([-1.0, 0.0, 0.0], [1.0, 1.0, 5.0]),
    "uneven": ([-0.1, -3.0], [0.7, 1.0]),
    "all on one side": ([2.0, -8.0], [6.0, -4.0]),
    "bytes": ([0.0], [255.0]),
    "narrow": ([0.0, -0.001], [0.01, 0.0]),
    "one number": ([0.0, 0.3], [0.0, 0.3]),
}


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_actions_of_a_stated_range_are_what_a_live_session_would_have_stored(tmp_path, name, dtype):
    space = box(*RANGES[name], dtype)
    space.seed(1)
    given = np.stack([space.low, space.high, np.clip(np.zeros(space.shape), space.low, space.high).astype(dtype),
                      *(space.sample() for _ in range(N - 3))])  # fmt: skip
    folder = dataset(tmp_path / "set-v0", spaces.Box(-1, 1, (1,)), space, np.zeros((N + 1, 1)), given)
    code, new, _ = taken(tmp_path / "home", folder)
    assert code == 0
    assert np.abs(new.executed).max() <= 1.0
    np.testing.assert_allclose([ActionRange(space)(a) for a in new.executed], given, rtol=1e-5, atol=1e-6)


def test_rest_is_rest():
    assert around_zero(box([-0.1, 0, -5, -2], [2, 1, 0, 2]), np.zeros((1, 4))).tolist() == [[0.0] * 4]


@pytest.mark.parametrize(("low", "high"), [(0, np.inf), (2, np.inf), (-np.inf, -4), (-np.inf, 0), (-np.finfo(np.float32).max, 3)])
def test_a_range_with_one_bound_means_the_same_in_a_dataset_and_in_a_session(low, high):
    scaled = ActionRange(box([low], [high]))
    ours = np.array([[-1], [0], [0.25], [1]], np.float32)
    given = np.stack([scaled(a) for a in ours])
    rest_at_one_end = (low == 0) | (high == 0)
    back = around_zero(box([low], [high]), given)
    np.testing.assert_allclose([scaled(a) for a in back], given, rtol=1e-6)
    if not rest_at_one_end:
        np.testing.assert_allclose(back, ours, atol=1e-6)


def test_an_action_beyond_its_range_is_refused_by_name():
    with pytest.raises(EpisodeRefusedError, match=r"number 1 leaves the range -2 to 2: 2\.5 in step 1"):
        around_zero(box([-1, -2], [1, 2]), np.array([[0, 0], [0, 2.5]]))
    with pytest.raises(EpisodeRefusedError, match="states no bound"):
        around_zero(box([-np.inf], [np.inf]), np.array([[1.5]]))
    nothing = box([0], [1])
    nothing.low[:] = 2
    with pytest.raises(EpisodeRefusedError, match="from 2 to 1"):
        around_zero(nothing, np.array([[1.5]]))
    assert around_zero(box([-2], [2]), np.array([[2.0000005]])).tolist() == [[1.0]]


def test_actions_that_are_choices_are_refused_for_the_true_reason(tmp_path, capsys):
    folder = dataset(tmp_path / "set-v0", spaces.Box(-1, 1, (1,)), spaces.Discrete(3), np.zeros((N + 1, 1)), np.zeros(N, int))
    assert taken(tmp_path / "home", folder)[0] == 1
    assert "continuous actions" in " ".join(capsys.readouterr().out.split())


def test_actions_have_the_names_of_their_environment(tmp_path):
    space = spaces.Box(-1, 1, (2,))
    spec = gymnasium.spec("CarRacing-v3")
    action_space = box([-1, 0, 0], [1, 1, 1])
    folder = dataset(tmp_path / "set-v0", space, action_space, np.zeros((N + 1, 2)), np.zeros((N, 3), np.float32), spec)
    _, _, layout = taken(tmp_path / "home", folder)
    assert layout[1] == ("steer", "gas", "brake")


def test_observations_that_nothing_lays_out_are_refused_in_a_sentence(tmp_path):
    samples = [SPACES["a tuple"].sample() for _ in range(3)]
    folder = dataset(tmp_path / "set-v0", SPACES["a tuple"], box([-1], [1]), stacked(samples), np.zeros((2, 1)))
    with pytest.raises(InputFileError, match="not plain vectors"):
        list(read_minari(folder))


def test_the_same_dataset_comes_in_once_in_each_layout(tmp_path, capsys):
    space = SPACES["numbers and a picture"]
    folder = dataset(tmp_path / "set-v0", space, box([-1], [1]), stacked([space.sample() for _ in range(3)]), np.zeros((2, 1)))
    home = tmp_path / "home"
    assert taken(home, folder)[0] == 0
    capsys.readouterr()
    assert taken(home, folder)[0] == 0
    assert "1 was there already" in capsys.readouterr().out
    (home / "settings.toml").write_text("[pictures]\nrows = 8\n")
    assert taken(home, folder)[0] == 0
    assert "1 episode with 2 steps" in capsys.readouterr().out
