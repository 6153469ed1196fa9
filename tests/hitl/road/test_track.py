import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputFileError
from hitl.road.line import ReferenceLine
from hitl.road.track import finish_artefact, lay_segments, load_track, shipped_tracks
from tests.support.places import BENCHMARKS, REFERENCE


def test_the_default_track_has_a_hairpin_and_its_opposite_behind_a_straight():
    track = load_track("default")
    corner = track.corner("hairpin")
    line = track.line
    bend = line.curvatures[(np.arange(len(line.curvatures)) * line.spacing > corner.from_m + 2)]
    assert bend.min() == pytest.approx(-0.1, abs=0.01)
    assert bend.max() == pytest.approx(0.1, abs=0.01)
    before = (np.arange(len(line.curvatures)) * line.spacing < corner.from_m - 3) & (
        np.arange(len(line.curvatures)) * line.spacing > corner.from_m - 60
    )
    assert np.abs(line.curvatures[before]).max() < 1e-3


@pytest.mark.parametrize("name", shipped_tracks())
def test_shipped_tracks_have_a_corner_and_do_not_run_over_themselves(name):
    track = load_track(name)
    assert track.corners
    points, line = track.line.points, track.line
    far = (
        np.abs(np.subtract.outer(np.arange(len(points)), np.arange(len(points)))) * line.spacing > 8 * track.half_width
    )
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert gaps[far].min() > 2 * track.half_width


def test_each_shipped_track_is_the_one_that_was_asked_for():
    tracks = {name: load_track(name) for name in shipped_tracks()}
    assert [track.name for track in tracks.values()] == list(tracks)
    assert len({track.line.length for track in tracks.values()}) == len(tracks)


def test_arcs_turn_by_their_angle():
    points, spans = lay_segments("t", [{"straight": 10}, {"radius": 12, "angle": -90, "corner": "c"}])
    step = points[-1] - points[-2]
    assert math.degrees(math.atan2(step[1], step[0])) == pytest.approx(-90, abs=1)
    assert spans["c"] == pytest.approx((10, 10 + 12 * math.pi / 2))


def test_csv_with_and_without_a_heading_line(tmp_path):
    rows = [f"{x},{0.01 * x * x}" for x in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    (tmp_path / "b.csv").write_text("x,y\n" + "\n".join(rows))
    a, b = load_track(tmp_path / "a.csv"), load_track(tmp_path / "b.csv")
    np.testing.assert_allclose(a.line.points, b.line.points)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.toml", b"name = "),
        ("a.toml", b"\xff\xfe"),
        ("a.toml", b'name = "x"'),
        ("a.toml", b'name = "x"\nsegments = [{straight = 80, radius = 3}]'),
        ("a.toml", b'name = "x"\nsegments = [{straight = true}]'),
        ("a.toml", b'name = "x"\nsegments = [{straight = 1e300}]'),
        ("a.toml", b'name = "x"\nsegments = [{straight = nan}]'),
        ("a.toml", b'name = "x"\nwidth = "wide"\nsegments = [{straight = 80}]'),
        ("a.toml", b'name = "x"\nsegments = [{straight = 2}]'),
        ("a.csv", b"1,2\n3"),
        ("a.csv", b"1,2\nx,y"),
        ("a.csv", b""),
        ("a.csv", b"1,2\nnan,3\n5,6"),
        ("a.pkl", b"not a pickle"),
        ("a.jpg", b""),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputFileError) as caught:
        load_track(tmp_path / name)
    assert "\n" not in str(caught.value).strip()


def test_a_missing_file_names_the_shipped_tracks():
    with pytest.raises(InputFileError, match="default"):
        load_track("no-such-track")


def test_a_pickle_that_would_run_code_is_refused_before_it_runs(tmp_path):
    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (Path.write_text, (marker, "x"))

    (tmp_path / "reward.pkl").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputFileError):
        load_track(tmp_path / "reward.pkl")
    assert not marker.exists()


def test_the_finish_artefact_is_cut_and_nothing_else(tmp_path):
    angle = np.linspace(0, 3, 800)
    road = np.c_[500 + 100 * np.cos(angle), np.full(800, 10.0), 500 + 100 * np.sin(angle)]
    gap = np.linalg.norm(road[-1])
    straight = road[-1] * (1 - np.arange(1, gap / 0.375)[:, None] * 0.375 / gap)
    assert abs(finish_artefact(np.vstack([road, straight])) - len(road)) <= 30
    assert finish_artefact(road) == len(road)
    to_origin_by_itself = np.c_[np.linspace(100, 0, 300), np.zeros(300), np.zeros(300)]
    assert finish_artefact(to_origin_by_itself) == 300  # a straight road that happens to end there is still a road


@pytest.mark.skipif(not REFERENCE.exists(), reason="the recorded reference data is not on this machine")
def test_the_real_map_ends_where_the_road_ends():
    track = load_track(REFERENCE / "maps" / "reward_test-3.pkl")
    assert track.line.length == pytest.approx(2216, abs=4)
    assert np.abs(track.line.curvatures).max() < 0.08  # no kink is left at the cut
    assert isinstance(track.line, ReferenceLine)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the recorded reference data is not on this machine")
def test_the_stretch_of_the_real_map_that_is_benchmarked_holds_its_two_hairpins():
    track = load_track(BENCHMARKS / "tracks" / "real.toml")
    assert track.line.length == pytest.approx(289, abs=2)
    corner = next(c for c in track.corners if c.from_m < 150 < c.to_m)
    bends = track.line.curvatures[round(corner.from_m) : round(corner.to_m)]
    assert bends.min() < -1 / 11
    assert bends.max() > 1 / 9


def test_the_line_of_another_file_takes_a_width_and_a_scale(tmp_path):
    (tmp_path / "line.csv").write_text("".join(f"{x},{(x / 30) ** 2}\n" for x in range(0, 200, 2)))
    (tmp_path / "narrow.toml").write_text('name = "narrow"\nline = "line.csv"\nwidth = 6\nscale = 0.5\n')
    (tmp_path / "part.toml").write_text('name = "part"\nline = "line.csv"\nfrom_m = 40\nto_m = 90.0\n')
    wide, narrow = load_track(tmp_path / "line.csv"), load_track(tmp_path / "narrow.toml")
    assert narrow.half_width == 3.0
    assert narrow.line.length == pytest.approx(wide.line.length / 2, rel=0.01)
    assert narrow.name == "narrow"
    part = load_track(tmp_path / "part.toml")
    assert part.line.length == pytest.approx(50, abs=2)
    np.testing.assert_allclose(part.line.at(0.0)[:2], wide.line.at(40.0)[:2], atol=1.5)


@pytest.mark.parametrize(
    "rest",
    [
        'line = "again.toml"',
        'line = "nowhere.csv"',
        'line = "line.csv"\nscale = 0',
        'line = "line.csv"\nscale = true',
        'line = "line.csv"\nfrom_m = "a"',
        'line = "line.csv"\nto_m = 3',
        'line = "line.csv"\nfrom_m = nan',
        f'line = "line.csv"\nwidth = {"9" * 400}',
        f'line = "line.csv"\nto_m = {"9" * 400}',
    ],
)
def test_a_line_that_cannot_be_had_is_refused_in_one_sentence(tmp_path, rest):
    (tmp_path / "line.csv").write_text("0,0\n50,0\n100,1\n")
    (tmp_path / "again.toml").write_text(f'name = "again"\n{rest}\n')
    with pytest.raises(InputFileError) as caught:
        load_track(tmp_path / "again.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("points", [0, 1, 2, 5])
def test_a_reward_file_of_too_few_points_is_refused_with_their_number(tmp_path, points):
    path = tmp_path / "REWARD.PKL"
    path.write_bytes(pickle.dumps(np.array([[100.0 + i / 10, 9.0, 500.0] for i in range(points)]).reshape(points, 3)))
    with pytest.raises(InputFileError, match=f"of {points} points" if points > 1 else "two different points"):
        load_track(path)


@pytest.mark.parametrize(
    "raw",
    [
        b"x;y;z\r\n" + b"".join(b"%d,5;0,25;3\r\n" % i for i in range(40)),
        b"x\ty\n" + b"".join(b"%d,5\t0,25\n" % i for i in range(40)),
        b"".join(b"%d.5 0.25 3\n" % i for i in range(40)), b"\r".join(b"%d.5,0.25" % i for i in range(40)),
        ("# długość\n\n" + "".join(f"{i}.5, 0.25\n" for i in range(40))).encode("cp1250"),
    ],
)  # fmt: skip
def test_a_line_is_read_as_a_spreadsheet_or_numpy_saved_it(tmp_path, raw):
    path = tmp_path / "LINE.CSV"
    path.write_bytes(raw)
    line = load_track(path).line
    assert line.points[0].tolist() == [0.5, 0.25]
    assert line.length == pytest.approx(39.0)


@pytest.mark.parametrize("value", ["1" + "0" * 400, "nan", "inf", "true", "'9'"])
@pytest.mark.parametrize("segment", ["{{straight = {}}}", "{{radius = {}, angle = 90}}", "{{radius = 20, angle = {}}}"])
def test_a_segment_of_no_length_that_can_be_is_refused_in_one_sentence(tmp_path, segment, value):
    path = tmp_path / "track.toml"
    path.write_text(f"name = 'x'\nwidth = 8\nsegments = [{segment.format(value)}]\n")
    with pytest.raises(InputFileError, match=r"write \{straight = metres\} or \{radius = metres, angle = degrees\}"):
        load_track(path)
