"""TrackmaniaRL's files: demonstrations, recovery laps, geometries and replays come in, and laps of ours go out and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from data.exchange.trackmaniarl.reading import DRIVER, read_demonstration
from data.exchange.trackmaniarl.writing import TABLE, table_index
from data.records import AGENT, HUMAN
from data.store import Store
from hitl.cli import main
from hitl.road.time_lost import fastest_laps, stored_time_lost
from hitl.road.track import load_track
from hitl.task.details import is_detailed
from tests.support.demonstrations import MAP, RECOVERY_KEYS, driven_frames, write_demo, write_geometry, write_recovery

ROAD = """name = "short"
segments = [{straight = 70}, {radius = 20, angle = 90, corner = "bend"}, {straight = 40}]
"""


@pytest.fixture(scope="module")
def lap(tmp_path_factory):
    """A folder with a map's geometry, and the frames of a lap there."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "short.toml").write_text(ROAD)
    track = load_track(folder / "short.toml")
    write_geometry(folder / "geometry.npz", track)
    return folder, driven_frames(track)


def bring(home, *paths, geometry):
    return main(["import", "--home", str(home), "--track", str(geometry), *map(str, paths)])


def test_a_geometry_is_a_track_with_its_own_width_and_no_imagined_road(lap):
    folder, _ = lap
    track, drawn = load_track(folder / "geometry.npz"), load_track(folder / "short.toml")
    assert (track.half_width, track.map_uid) == (pytest.approx(9.0, abs=0.01), MAP)
    assert track.line.length == pytest.approx(drawn.line.length, abs=0.5)
    assert np.abs(track.line.points[-1] - drawn.line.points[-1]).max() < 0.1
    assert len(track.corners) == 1


def test_laps_and_recoveries_come_in_with_the_driver_of_each_step(lap, tmp_path):
    folder, frames = lap
    runs = tmp_path / "runs" / "deeper"
    runs.mkdir(parents=True)
    write_demo(runs / "lap.npz", frames)
    taken = 60
    write_demo(runs / "recovery.npz", frames, format="trackmaniarl-human-recovery-v1", takeover_step=taken, **RECOVERY_KEYS)
    for _ in range(2):  # nothing comes in twice
        assert bring(tmp_path / "home", tmp_path / "runs", geometry=folder / "geometry.npz") == 0
    with Store(tmp_path / "home" / "store.sqlite", read_only=True) as store:
        whole, helped = store.episodes()
        (lap_segment, takeover) = store.segments()
        steps = store.steps(helped)
    n = len(frames) - 1
    assert (whole.purpose, whole.length, whole.human_steps, whole.reason) == ("lap", n, n, "finish")
    assert whole.lap_s == helped.lap_s == pytest.approx(frames[-1, 3] / 1000)
    assert (helped.purpose, helped.human_steps) == ("drive", n - taken + 1)
    assert (lap_segment.kind, takeover.kind, takeover.start, takeover.outcome) == ("lap", "takeover", taken - 1, "cleared")
    assert steps.driver.tolist() == [AGENT] * (taken - 1) + [HUMAN] * (n - taken + 1), "decided a tick before it acts"
    assert np.allclose(steps.executed[:-1], frames[1:-1][:, [31, 32, 30]], atol=1e-6)
    assert np.allclose(steps.observation[:, -3:], frames[:-1][:, [31, 32, 30]], atol=1e-6)
    assert steps.x[50] == pytest.approx(frames[50, 4], abs=1e-3)
    assert steps.y[50] == pytest.approx(-frames[50, 6], abs=1e-3)
    assert steps.progress[-1] == pytest.approx(whole.farthest)
    assert whole.farthest > 100.0


@pytest.mark.parametrize("hz", [20.0, 100.0])
def test_recovery_laps_in_folders_as_they_are_written_there_have_the_right_driver_in_each_step(lap, tmp_path, hz):
    folder, _ = lap
    track = load_track(folder / "short.toml")
    runs = tmp_path / "recoveries" / "2026-11" / "left"
    runs.mkdir(parents=True)
    laps = [write_recovery(runs.parents[k] / f"recovery-{k}.npz", track, hz, 2.0 + k) for k in range(2)]
    (runs / ".recovery-2-x1y2.tmp.npz").write_bytes(b"PK cut off")  # of a recorder that died
    assert bring(tmp_path / "home", tmp_path / "recoveries", geometry=folder / "geometry.npz") == 0
    with Store(tmp_path / "home" / "store.sqlite", read_only=True) as store:
        found = {round(e.lap_s, 6): e for e in store.episodes()}
        takeovers = {t.episode_id: t for t in store.segments()}
        assert len(found) == len(takeovers) == 2
        for frames, taken in laps:
            episode = found[round(float(frames[-1, 3]) / 1000, 6)]
            steps = store.steps(episode)
            first = int(taken * 20 / hz) - 1  # an action is decided one step before it acts
            assert steps.driver.tolist() == [AGENT] * first + [HUMAN] * (episode.length - first)
            takeover = takeovers[episode.id]
            assert (takeover.start, takeover.stop, takeover.outcome) == (first, episode.length, "cleared")
            forced = np.flatnonzero((steps.executed[:, 2] > 0.99) & (steps.executed[:, 0] > 0.99))
            assert (steps.driver[forced[:4]] == AGENT).all(), "what was forced is no one's help"
            assert episode.purpose == "drive"
            assert is_detailed(episode.observation_names)


def test_frames_of_every_picture_become_steps(lap, tmp_path):
    folder, frames = lap
    times = np.arange(0.0, frames[-1, 3], 10.0)
    fine = np.stack([np.interp([*times, frames[-1, 3]], frames[:, 3], frames[:, k]) for k in range(33)], axis=1)
    fine[:-1, 2], fine[-1, 2] = 0.0, 1.0
    write_demo(tmp_path / "fine.npz", fine.astype(np.float32))
    assert bring(tmp_path / "home", tmp_path / "fine.npz", geometry=folder / "geometry.npz") == 0
    with Store(tmp_path / "home" / "store.sqlite", read_only=True) as store:
        (episode,) = store.episodes()
        steps = store.steps(episode)
    assert episode.length == len(frames) - 1
    assert np.abs(steps.executed[5:-2] - frames[6:-2][:, [31, 32, 30]]).mean() < 0.1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"format": "trackmaniarl-trackmania-demo-v4"}, "its format is"),
        ({"map_uid": "another"}, "driven on the map another, and the track is of"),
        ({"finish_time_s": 3.0}, "not that of its last frame"),
        ({"frames": None}, "it has no frames"),
        ({"finish_time_s": None}, "no number 'finish_time_s'"),
        ({"format": "trackmaniarl-human-recovery-v1"}, "no number 'takeover_step'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(lap, tmp_path, capsys, fault, said):
    folder, frames = lap
    write_demo(tmp_path / "bad.npz", frames, **fault)
    assert bring(tmp_path / "home", tmp_path / "bad.npz", geometry=folder / "geometry.npz") == 1
    assert said in capsys.readouterr().out.replace("\n", " ")


def test_damaged_frames_and_files_are_refused(lap, tmp_path, capsys):
    folder, frames = lap
    again, open_end = frames.copy(), frames.copy()
    again[40:, 3] -= 1500.0
    open_end[-1, 2] = 0.0
    write_demo(tmp_path / "again.npz", again, finish_time_s=float(again[-1, 3]) / 1000)
    write_demo(tmp_path / "open.npz", open_end)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "open.npz").read_bytes()[:3000])
    (tmp_path / "other.json").write_text('{"samples": 3}')
    assert bring(tmp_path / "home", tmp_path, geometry=folder / "geometry.npz") == 1
    out = capsys.readouterr().out.replace("\n", " ")
    for said in ("begun anew", "does not end at the finish", "not a sound .npz file", "no exported replay", "4 were refused"):
        assert said in out


def test_a_replay_is_a_line_and_a_lap(lap, tmp_path):
    _, frames = lap
    angle = np.arctan2(frames[:, 10], frames[:, 12]) / 2  # about the upright axis
    samples = [
        {"time_ms": float(f[3]), "position": f[4:7].tolist(), "velocity": f[7:10].tolist(), "speed": float(f[16]),
         "rotation": [0.0, float(np.sin(a)), 0.0, float(np.cos(a))],
         "extras": {"gas": float(f[31]), "brake": float(f[32]), "steer": float(f[30])}}
        for f, a in zip(frames[:-1], angle[:-1], strict=True)
    ]  # fmt: skip
    replay = tmp_path / "replay.json"
    finish = float(frames[-1, 3])
    replay.write_text(json.dumps({"map_uid": MAP, "samples": samples, "checkpoints": [{"time_ms": 9.0}, {"time_ms": finish}]}))
    assert bring(tmp_path / "home", replay, geometry=replay) == 0
    with Store(tmp_path / "home" / "store.sqlite", read_only=True) as store:
        (episode,) = store.episodes()
        steps = store.steps(episode)
        assert fastest_laps(store, episode.track) == {}, "a replay may be of anyone, so it is not the player's best lap"
        (bend,) = stored_time_lost(store, episode.track, store.corners(episode.track) or load_track(replay).corners, episode.id)
        assert bend.laps["reference"] > 0.0
    assert episode.lap_s == pytest.approx(finish / 1000)
    assert np.allclose(np.cos(steps.heading), frames[:-1, 10], atol=1e-4)
    assert np.allclose(np.sin(steps.heading), -frames[:-1, 12], atol=1e-4)


def test_what_came_in_goes_out_and_back(lap, tmp_path):
    folder, frames = lap
    recovery = write_demo(tmp_path / "r.npz", frames, format="trackmaniarl-human-recovery-v1", takeover_step=60, **RECOVERY_KEYS)
    home, geometry = tmp_path / "home", folder / "geometry.npz"
    assert bring(home, recovery, geometry=geometry) == 0
    assert main(["export", "trackmaniarl", str(tmp_path / "out"), "--home", str(home), "--geometry", str(geometry)]) == 0
    (file,) = (tmp_path / "out").iterdir()
    ours, theirs = read_demonstration(file), read_demonstration(recovery)
    assert ours.map_uid == MAP
    assert ours.driver.tolist() == theirs.driver.tolist()
    assert np.allclose(ours.acting, theirs.acting, atol=1e-6)
    assert np.allclose(ours.frames[:-1, 3:7], theirs.frames[:-1, 3:7], atol=1e-2)
    with Store(home / "store.sqlite") as store:  # the game's clock began after the first step
        changed = "UPDATE events SET data = json_set(data, '$.seconds', ?) WHERE kind = 'lap_time'"
        store.conn.execute(changed, (theirs.finish_s - 0.2,))
    assert main(["export", "trackmaniarl", str(tmp_path / "early"), "--home", str(home)]) == 0
    (early,) = (tmp_path / "early").iterdir()
    assert read_demonstration(early).finish_s == pytest.approx(theirs.finish_s - 0.2)
    with np.load(file) as arrays:
        assert arrays["geometry_sha256"].item() != "0" * 64
        assert np.array_equal(arrays["actions"], table_index(arrays["controls"]))
        assert arrays[DRIVER].sum() == len(frames) - 1 - 60
    assert bring(tmp_path / "second", file, geometry=geometry) == 0
    with Store(tmp_path / "second" / "store.sqlite", read_only=True) as store:
        (back,) = store.segments()
        assert (back.kind, back.start, back.corner) == ("takeover", 59, "corner 1")


def test_the_nearest_of_78_actions():
    assert TABLE.shape == (78, 3)
    measured = TABLE[TABLE[:, 1] >= 0]
    assert np.array_equal(TABLE[table_index(measured)], measured)
    assert TABLE[table_index(np.array([[0.8, 0.1, 0.4]], np.float32))].tolist() == [[1.0, 0.0, pytest.approx(1 / 3)]]
