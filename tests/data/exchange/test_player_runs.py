"""Player runs of the old tool, as it writes them: built here from a line and a car that follows it."""

import os
import pickle
import threading
import time

import numpy as np
import pytest

from data.errors import InputFileError
from data.exchange import watch_folder
from data.exchange.importing import EpisodeRefusedError
from data.exchange.player_runs import as_steps, mark_consumed, read_player_run
from data.exchange.watch_folder import watch
from data.reading.follow import Follower
from data.store import Store
from hitl.cli import main
from hitl.player_runs.rebuild import OldRuns, as_recorded
from hitl.road.track import load_track
from hitl.task.driving_task import DrivingTask
from tests.support.in_use import in_use, refusal

RAW, STRIDE, K = 0.35, 20, 10  # m between points of a line file, points between two that are seen, points seen


@pytest.fixture(scope="module")
def line_file(tmp_path_factory):
    """A road with bends of many kinds, as tmrl records it: (N, 3), y up."""
    s = np.arange(0, 700, RAW)
    heading = 0.8 * np.sin(s / 40) + 0.9 * np.sin(s / 97 + 1) + s / 300
    x, y = np.cumsum(np.cos(heading)) * RAW + 500, np.cumsum(np.sin(heading)) * RAW + 300
    path = tmp_path_factory.mktemp("line") / "reward.pkl"
    path.write_bytes(pickle.dumps(np.stack([x, np.full(len(x), 9.0), -y], axis=1)))
    return path


def drive_old(line_file, seconds=20.0, finish=False, actions=2):
    """Samples as the old tool records them, and the true positions (N, 2) in our axes."""
    line = pickle.loads(line_file.read_bytes())[:, [0, 2]]
    samples, truth, past, total = [], [], [np.zeros(3, np.float32)] * actions, 0.0
    n = int(seconds * 20)
    at = np.cumsum(np.concatenate([[30.0], (18 + 4 * np.sin(np.arange(n - 1) / 30)) / 20]))
    if finish:
        at = at / at[-1] * (len(line) * RAW - 8)
    speed = np.gradient(at) * 20
    for i in range(n):
        index = int(at[i] / RAW)
        tangent = line[index + 1] - line[index]
        tangent = tangent / np.hypot(*tangent)
        side = np.array([-tangent[1], tangent[0]])
        position = line[index] + tangent * (at[i] - index * RAW) + side * np.sin(i / 25)
        ahead = np.minimum(index + STRIDE * np.arange(K), len(line) - 1)
        centre = line[ahead]
        normal = np.gradient(line, axis=0)[ahead][:, ::-1] / RAW * [-8, 8]
        road = [(centre + normal - position) / 100, (centre - position) / 100, (centre - normal - position) / 100]
        action = np.array([0.8, 0.0, 0.3 * np.sin(i / 9)], np.float32)
        past = [*past[1:], action] if actions else []
        car = [speed[i] * 3.6 / 500, 0, 0, index / len(line), action[2], action[0], action[1], 3 / 6,
               np.arctan2(tangent[0], tangent[1]), 0, 0, 0, 0, 0, 0]  # fmt: skip
        obs = (*(np.asarray(r, np.float32).reshape(-1) for r in road), np.asarray(car, np.float32), *past)
        reward = 0.25 + 0.001 * i
        total += reward
        done = finish and i == n - 1
        samples.append((action, obs, reward, done, False, {"reward_sum": total}))
        truth.append(position * [1, -1])
    return samples, np.array(truth)


def save(folder, samples, name="20261120_183000_0badcafe.pkl", run_id="r1", bare=False, protocol=4):
    folder.mkdir(exist_ok=True)
    head = {
        "episode_index": 0,
        "episode_return": 1.0,
        "episode_steps": len(samples),
        "map_name": "test-3",
        "run_name": "tmrl_run",
    }
    whole = {
        "format": "tmrl_player_run_v1",
        "run_id": run_id,
        "recorded_at": "2026-11-20T18:30:00+00:00",
        "metadata": head,
        "samples": samples,
    }
    path = folder / name
    path.write_bytes(pickle.dumps(samples if bare else whole, protocol))
    return path


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def test_a_sample_is_paired_with_what_was_seen_before_it(runs, line_file):
    samples, _ = drive_old(line_file, 3.0)
    for protocol in (2, 4, 5):
        for bare in (False, True):
            run = read_player_run(save(runs, samples, bare=bare, protocol=protocol))
            data = as_steps(run)
            assert len(data) == 59
            assert (data.executed == np.stack([s[0] for s in samples[1:]])).all()
            assert data.reward.tolist() == [s[2] for s in samples[1:]]
            assert (data.observation[0] == np.concatenate(samples[0][1])).all()
            assert (data.last_observation == np.concatenate(samples[-1][1])).all()
    assert read_player_run(save(runs, samples)).recorded_at == "2026-11-20T18:30:00.000Z"


@pytest.mark.parametrize("actions", [2, 0])
@pytest.mark.parametrize("finish", [False, True])
def test_positions_observations_and_rewards_are_todays(runs, line_file, actions, finish):
    samples, truth = drive_old(line_file, 20.0, finish, actions)
    track = load_track(line_file)
    item = OldRuns(track)(read_player_run(save(runs, samples)))
    data = item.data
    n = len(samples) - 1
    assert len(data) == n
    found = np.stack([data.columns["x"], data.columns["y"]], axis=1)
    error = np.hypot(*(found - truth[:n]).T)
    assert np.median(error) < 0.3
    assert error.max() < 1.5
    names = item.info.observation_names
    assert names == DrivingTask(track).names(("gas", "brake", "steer"))
    forward = data.observation[:, names.index("forward_speed")] * 30
    true_speed = np.array([s[1][3][0] * 500 / 3.6 for s in samples[:n]])
    assert np.abs(forward - true_speed).max() < 1.0
    assert np.abs(data.observation[:, names.index("heading_sin")]).max() < 0.2  # it drives along the road
    offset = data.observation[:, names.index("offset")] * track.half_width
    assert np.abs(np.abs(offset) - np.abs(np.sin(np.arange(n) / 25))).max() < 0.6
    gained = data.columns["progress"][-1] - data.columns["progress"][0]
    pay = data.reward.sum() - (5.0 if finish else 0.0)
    assert pay == pytest.approx(gained / 3, rel=0.2)  # a third for each metre, less what tanh takes
    assert data.end == ("terminated" if finish else "truncated")
    kept = OldRuns(track, keep_rewards=True)(read_player_run(save(runs, samples))).data
    assert kept.reward.tolist() == [s[2] for s in samples[1:]]


def test_another_road_is_refused_with_the_reason(runs, line_file, tmp_path):
    samples, _ = drive_old(line_file, 20.0)
    other = tmp_path / "other.pkl"
    s = np.arange(0, 900, RAW)
    other.write_bytes(pickle.dumps(np.stack([200 * np.cos(s / 150), s * 0, 90 * np.sin(s / 61)], axis=1)))
    with pytest.raises(EpisodeRefusedError, match="do not lie on track 'other'"):
        OldRuns(load_track(other))(read_player_run(save(runs, samples)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: [], "no samples"),
        (lambda s: s[:1], "single sample"),
        (lambda s: [(x[0][:2], *x[1:]) for x in s], "actions have 2"),
        (lambda s: [(x[0] * 9, *x[1:]) for x in s], "range"),
        (lambda s: [(x[0] * np.nan, *x[1:]) for x in s], "NaN or infinity"),
        (lambda s: [x[:5] for x in s], "a sample is not"),
        (lambda s: [*s[:5], (s[5][0], s[5][1][:2], *s[5][2:])], "not all of one size"),
        (lambda s: [(x[0], "obs", *x[2:]) for x in s], "not numbers"),
        (lambda s: [(x[0], tuple(p + np.inf for p in x[1]), *x[2:]) for x in s], "not finite"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(runs, line_file, change, reason):
    samples, _ = drive_old(line_file, 2.0)
    path = save(runs, change(samples))
    from data.exchange.importing import check

    with pytest.raises(EpisodeRefusedError, match=reason):
        check(as_recorded(read_player_run(path), "t", 20.0))


def test_the_command(runs, line_file, tmp_path, capsys):
    home = tmp_path / "home"
    good, _ = drive_old(line_file, 12.0)
    save(runs, good, "20261120_183000_00000001.pkl", "one")
    save(runs, good, "20261120_183100_00000002.pkl", "one")  # the same run again
    (runs / "20261120_183200_00000003.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    (runs / "notes.txt").write_text("not a run")
    assert main(["import", "--home", str(home), str(runs)]) == 1
    assert "--track" in capsys.readouterr().out
    assert main(["import", "--home", str(home), str(runs), "--track", str(line_file), "--consume"]) == 1
    said = capsys.readouterr().out
    assert "1 episode with 239 steps (11.9 s) and 1 segment came in." in " ".join(said.split())
    assert "1 was there already." in said
    assert "20261120_183200_00000003.pkl: " in said
    assert sorted(p.name for p in runs.iterdir()) == [
        "20261120_183000_00000001.pkl.imported",
        "20261120_183100_00000002.pkl.imported",
        "20261120_183200_00000003.pkl",
        "notes.txt",
    ]
    new = Follower(home / "store.sqlite").poll()
    assert set(new.driver.tolist()) == {1}
    (segment,) = new.segments.values()
    assert (segment.kind, segment.start, segment.stop) == ("lap", 0, 239)
    with Store(home / "store.sqlite") as store:
        assert store.db.execute("SELECT env, track, source, status FROM sessions").fetchall() == [
            ("trackmania", "reward", "player runs", "ended")
        ]


def test_observations_as_recorded(runs, line_file, tmp_path):
    samples, _ = drive_old(line_file, 3.0)
    save(runs, samples)
    assert main(["import", "--home", str(tmp_path), str(runs), "--keep-observations"]) == 0
    follower = Follower(tmp_path / "store.sqlite")
    new = follower.poll()
    assert new.observation.shape == (59, 81)
    assert follower.layout[0] == tuple(f"observation_{k}" for k in range(81))  # as a live session names them
    assert (new.observation[3] == np.concatenate(samples[3][1])).all()


def test_a_name_in_capitals_is_a_name(runs, line_file, tmp_path, capsys):
    samples, _ = drive_old(line_file, 3.0)
    path = save(runs, samples, "20261120_183000_0BADCAFE.PKL")
    words = ["import", "--home", str(tmp_path), "--keep-observations"]
    assert main([*words, str(path)]) == 0
    assert "1 episode with 59 steps" in " ".join(capsys.readouterr().out.split())
    assert main([*words, str(runs), "--consume"]) == 0
    assert "1 was there already" in capsys.readouterr().out
    assert [p.name for p in runs.iterdir()] == ["20261120_183000_0BADCAFE.PKL.imported"]
    assert main(["diagnose", "--player-runs", str(save(runs, samples, "A.PKL")), "--line", str(line_file)]) in (0, 1, 2)


def test_a_watched_folder(runs, line_file, tmp_path):
    samples, _ = drive_old(line_file, 3.0)
    runs.mkdir()
    stop, done = threading.Event(), []
    rebuild = lambda run: as_recorded(run, "t", 20.0)  # noqa: E731

    def watching():
        with Store(tmp_path / "store.sqlite") as store:
            done.append(watch(store, runs, rebuild, stop, poll_s=0.02))

    thread = threading.Thread(target=watching)
    thread.start()
    names = [f"20261120_18300{i}_0000000{i}.pkl" for i in range(3)]
    whole = save(tmp_path / "made", samples, run_id="x").read_bytes()
    with (runs / names[0]).open("wb") as file:  # a file that is still being written
        for part in range(4):
            file.write(whole[part * len(whole) // 4 : (part + 1) * len(whole) // 4])
            file.flush()
            os.fsync(file.fileno())
    for i, name in enumerate(names[1:], 1):
        save(runs, samples, name, f"run{i}")
    (runs / "bad.pkl").write_bytes(b"\x80\x04N.")
    end = time.monotonic() + 10
    while len(list(runs.glob("*.imported"))) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    stop.set()
    thread.join()
    assert sorted(p.name for p in runs.iterdir()) == [*(f"{n}.imported" for n in names), "bad.pkl"]
    assert done[0].episodes == 3
    assert done[0].refused[-1][0] == "bad.pkl"
    with pytest.raises(InputFileError, match="not a folder"):
        watch(Store(tmp_path / "store.sqlite"), tmp_path / "nowhere", rebuild, stop)


def test_a_file_that_another_program_has_open_is_imported_and_renamed_later(runs, line_file, tmp_path, capsys, monkeypatch):
    samples, _ = drive_old(line_file, 3.0)
    held, other = save(runs, samples, "a.pkl", "a"), save(runs, samples, "b.pkl", "b")
    words = ["import", "--home", str(tmp_path), "--keep-observations", str(runs)]

    def refused(path):
        if path == held:
            raise refusal(path)
        return mark_consumed(path)

    monkeypatch.setattr(watch_folder, "mark_consumed", refused)
    assert main([*words, "--consume"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "2 episodes" in out
    assert "Note: a.pkl came in, but cannot be renamed (another program has it open): close that program." in out
    assert sorted(p.name for p in runs.iterdir()) == ["a.pkl", "b.pkl.imported"]
    assert not other.exists()


def test_watching_waits_for_files_that_another_program_has_open(runs, line_file, tmp_path, monkeypatch):
    samples, _ = drive_old(line_file, 3.0)
    file, told, turns = save(runs, samples, "a.pkl", "a"), [], []
    monkeypatch.setattr(watch_folder, "MARK_AGAIN_S", 0.0)

    def refused(path):
        raise refusal(path)

    program = in_use(file)
    program.__enter__()

    class Stop:
        """Has the program let go of the file after three turns, keep it from being renamed for three more, and end."""

        def wait(self, seconds):
            turns.append(list(told))
            if len(turns) == 3:
                program.__exit__(None, None, None)
                monkeypatch.setattr(watch_folder, "mark_consumed", refused)
            elif len(turns) == 6:
                monkeypatch.setattr(watch_folder, "mark_consumed", mark_consumed)
            return len(turns) == 8

    with Store(tmp_path / "store.sqlite") as store:
        done = watch(store, runs, lambda run: as_recorded(run, "t", 20.0), Stop(), on_done=lambda *said: told.append(said))
    assert [name for name, _ in told] == ["a.pkl", "a.pkl"]
    assert "It is tried again" in told[0][1]
    assert "came in, but cannot be renamed" in told[1][1]
    assert (done.episodes, done.notes, done.refused) == (1, [], [])
    assert [p.name for p in runs.iterdir()] == ["a.pkl.imported"]


def test_a_run_is_filed_under_its_line_whatever_the_file_is_called(runs, line_file, tmp_path):
    from hitl.home import Home
    from hitl.road.known_tracks import file_under
    from hitl.road.line import ReferenceLine
    from hitl.road.track import Track

    home = Home(tmp_path / "home").create()
    line = load_track(line_file)
    with Store(home.store_path) as store:
        file_under(store, Track(line.name, ReferenceLine(line.line.points[::-1]), 8.0))  # another map of that name
        file_under(store, Track("spring", ReferenceLine(np.round(line.line.points, 2)), 8.0))
    samples, _ = drive_old(line_file)
    save(runs, samples)
    assert main(["import", str(runs), "--track", str(line_file), "--home", str(home.root)]) == 0
    with Store(home.store_path) as store:
        assert store.conn.execute("SELECT track FROM sessions").fetchall() == [("spring",)]
