"""Player runs in other layouts: each is understood by what its numbers do, or refused for the true reason."""

import functools
import pickle

import numpy as np
import pytest

from data.exchange.importing import EpisodeRefusedError
from data.exchange.player_runs import run_of
from hitl.player_runs.rebuild import OldRuns, as_recorded, left_empty
from hitl.player_runs.road import old_names
from hitl.road.track import load_track
from tests.data.exchange.test_player_runs import RAW


@pytest.fixture(scope="module")
def line_file(tmp_path_factory):
    """A road of 900 m with bends both ways."""
    s = np.arange(0, 900, RAW)
    course = 1.1 * np.sin(s / 35) + 0.9 * np.sin(s / 97 + 1) + s / 300
    x, y = np.cumsum(np.cos(course)) * RAW + 500, np.cumsum(np.sin(course)) * RAW + 300
    path = tmp_path_factory.mktemp("line") / "reward.pkl"
    path.write_bytes(pickle.dumps(np.stack([x, np.full(len(x), 9.0), -y], axis=1)))
    return path


@pytest.fixture(scope="module")
def track(line_file):
    return load_track(line_file)


@functools.cache
def car(line_file, points=10, stride=1, beside=0.0, clip=None, local=False, glitch=False, order=None, unit=100.0, only=(0, 1, 2)):
    """A run and its true positions (N, 2): the road's middle runs up to ``beside`` m beside the line, its edges 8 m from it."""
    line = pickle.loads(line_file.read_bytes())[:, [0, 2]]
    tangent = np.gradient(line, axis=0)
    tangent /= np.hypot(*tangent.T)[:, None]
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    arc = np.arange(len(line)) * RAW
    middle = line + normal * (beside * np.sin(arc / 45))[:, None]
    n = 500
    at = 5.0 + np.cumsum((16 + 6 * np.sin(np.arange(n) / 50)) / 20)
    on = np.stack([np.interp(at, arc, line[:, k]) for k in range(2)], axis=1)
    aside = np.stack([np.interp(at, arc, normal[:, k]) for k in range(2)], axis=1)
    place = on + aside * (1.2 * np.sin(at / 31) + 0.3 * np.sin(at / 11))[:, None]
    speed = np.hypot(*np.gradient(place, axis=0).T) * 20
    yaw = np.arctan2(*np.stack([np.interp(at, arc, tangent[:, k]) for k in range(2)]))
    if glitch:
        place[-1] = 0.0  # as the game's position when a run finishes
    samples = []
    for i in range(n):
        index = int(at[i] / RAW)
        ahead = np.minimum(index + 1 + stride * np.arange(points), len(line) - 1)
        road = np.stack([middle[ahead] + normal[ahead] * w - place[i] for w in (8.0, 0.0, -8.0)])  # (3, K, 2)
        if local:
            c, s = np.cos(yaw[i]), np.sin(yaw[i])
            road = np.stack([road[..., 0] * c - road[..., 1] * s, road[..., 0] * s + road[..., 1] * c], axis=-1)
        road = road[list(only)] / unit
        if clip is not None:
            road = np.clip(road, -clip, clip)
        act = np.array([0.5 + 0.4 * np.sin(i / 7), 0.0, 0.4 * np.cos(i / 13)], np.float32)
        shown = yaw[i] if local else np.clip(yaw[i], -1, 1)
        numbers = np.array([speed[i] * 3.6 / 500, 0.01, 0.0, index / len(line), act[2], act[0], act[1], 0.5, shown, 0.02,
                            0.1, 0.1, 0.05, 0.05, 0.0], np.float32)  # fmt: skip
        parts = [road.astype(np.float32).ravel(), numbers]
        if order == "points interleaved":
            parts[0] = road.transpose(1, 0, 2).astype(np.float32).ravel()
        if order == "first numbers first":
            parts[0] = road.transpose(0, 2, 1).astype(np.float32).ravel()
        if order == "car first":
            parts.reverse()
        past = [np.zeros(3, np.float32)] * 2
        samples.append((act, (*parts, *past), 0.1, i == n - 1, False, {}))
    return run_of(samples), place * [1, -1]


def error(track, run, truth):
    item = OldRuns(track)(run)
    found = np.stack([item.data.columns["x"], item.data.columns["y"]], axis=1)
    return np.hypot(*(found - truth[: len(found)]).T), item


LAYOUTS = {
    "a few near points": {},
    "five points": {"points": 5, "stride": 7},
    "57 points to 140 m, clipped at 100 m": {"points": 57, "stride": 7, "clip": 1.0},
    "57 points, clipped at 60 m": {"points": 57, "stride": 7, "clip": 0.6},
    "33 points, clipped at 25 m": {"points": 33, "stride": 4, "clip": 0.25},
    "in the car's axes": {"points": 57, "stride": 7, "local": True},
    "in the car's axes, 20 points": {"points": 20, "stride": 9, "local": True},
    "the sides in another order": {"only": (1, 2, 0)},
    "point after point": {"order": "points interleaved"},
    "all first numbers first": {"order": "first numbers first", "points": 14, "stride": 3},
    "the car before the road": {"order": "car first"},
    "the middle alone": {"only": (1,)},
    "the edges alone": {"only": (0, 2)},
    "a finish without a position": {"glitch": True},
    "a middle beside the line": {"beside": 4.0},
    "a middle beside the line, its edges alone": {"beside": 4.0, "only": (0, 2)},
    "a middle beside the line, seen far": {"beside": 4.0, "points": 57, "stride": 7, "clip": 1.0},
    "a middle beside the line, in the car's axes": {"beside": 4.0, "points": 57, "stride": 7, "local": True},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_places_are_found(track, line_file, layout):
    run, truth = car(line_file, **layout)
    off, item = error(track, run, truth)
    assert np.median(off) < 0.35
    assert np.quantile(off, 0.95) < 0.8
    speed = item.data.observation[:, item.info.observation_names.index("forward_speed")] * 30
    assert np.abs(speed - 16).max() < 7.0
    assert item.info.observation_names[-3:] == ("pending_gas", "pending_brake", "pending_steer")


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        ({"unit": 50.0}, "another unit"),
        ({"clip": 0.001}, "no road|cut off|are points of a road"),
    ],
)
def test_points_that_are_no_places_are_refused(track, line_file, layout, reason):
    run, _ = car(line_file, **layout)
    with pytest.raises(EpisodeRefusedError, match=reason):
        OldRuns(track)(run)


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("other", ["mirrored", "turned round", "default"])
def test_another_road_is_another_road(track, line_file, local, other):
    from hitl.road.line import ReferenceLine
    from hitl.road.track import Track

    points = track.line.points
    wrong = {
        "mirrored": lambda: Track("mirrored", ReferenceLine(points * [1, -1]), 8.0),
        "turned round": lambda: Track("turned round", ReferenceLine(points[::-1]), 8.0),
        "default": lambda: load_track("default"),
    }[other]()
    run, _ = car(line_file, **({"points": 57, "stride": 7, "local": True} if local else {}))
    with pytest.raises(EpisodeRefusedError, match=f"do not lie on track '{other}'"):
        OldRuns(wrong)(run)


def lidar(steps=300):
    rng = np.random.default_rng(0)
    act = np.array([1.0, 0.0, 0.1], np.float32)
    speed = np.array([80.0], np.float32)
    rays = rng.random((steps, 4, 19)).astype(np.float32) * 200
    return run_of([(act, (speed, rays[i], act, act), 0.1, i == steps - 1, False, {}) for i in range(steps)])


def test_distances_are_no_points_but_can_be_kept(track):
    run = lidar()
    with pytest.raises(EpisodeRefusedError, match="none of the 83 numbers of its observations are points of a road"):
        OldRuns(track)(run)
    item = as_recorded(run, "t", 20.0)
    assert item.info.observation_names == tuple(f"observation_{k}" for k in range(83))
    assert (item.data.observation == run.observation[:-1]).all()


def test_a_picture_comes_last_as_in_a_live_session():
    act = np.array([1.0, 0.0, 0.1], np.float32)
    pictures = np.random.default_rng(1).integers(0, 255, (9, 2, 4, 5)).astype(np.float32)
    run = run_of([(act, (np.array([k], np.float32), pictures[k], act, act), 0.1, False, False, {}) for k in range(9)])
    item = as_recorded(run, "t", 20.0)
    names = item.info.observation_names
    assert names[:7] == tuple(f"observation_{k}" for k in range(7))
    assert (names[7], names[-1], item.info.frame_shape) == ("pixel_0_0_0", "pixel_1_3_4", (4, 5))
    assert item.data.observation[3, :7].tolist() == [3.0, *act.tolist(), *act.tolist()]
    np.testing.assert_allclose(item.data.observation[3, 7:], pictures[3].ravel() / 255, rtol=1e-6)


def test_actions_that_were_left_out_are_noticed(line_file):
    assert left_empty(car(line_file)[0])
    assert not left_empty(lidar())


def test_names_are_given_to_the_old_tools_own_order_only(line_file):
    assert old_names(car(line_file)[0].observation)[60:64] == ("speed", "acceleration", "jerk", "progress")
    assert old_names(car(line_file, points=57, clip=1.0, stride=7)[0].observation)[342] == "speed"
    for other in ({"order": "car first"}, {"only": (1,)}):
        assert old_names(car(line_file, **other)[0].observation) is None
    later = car(line_file, points=57, stride=7, local=True)[0].observation  # 417 numbers: with 57 curvatures and one action
    later = np.concatenate([later[:, :357], np.zeros((len(later), 57), np.float32), later[:, 357:360]], axis=1)
    assert old_names(later) is None
