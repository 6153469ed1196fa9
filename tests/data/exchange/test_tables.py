"""Parquet tables and LeRobot folders hold what the store holds."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from data.exchange.datasets.lerobot import write_lerobot
from data.exchange.parquet import write_parquet
from data.exchange.portable import segment_episodes, whole_episodes
from data.reading.follow import Follower
from data.recording.recorder import Recorder
from data.store import Store
from tests.data.exchange.test_roundtrips import INFO, episodes, fill, quick
from tests.support.recorded import drive, session_info

parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def folders(tmp_path_factory):
    return lambda: tmp_path_factory.mktemp("tables")


@given(st.lists(episodes(), min_size=1, max_size=3))
@quick
def test_parquet_says_what_the_store_says(folders, data):
    folder = folders()
    fill(folder / "a.sqlite", data, INFO)
    with Store(folder / "a.sqlite") as store:
        written = write_parquet(store.conn, folder / "out")
        raw = store.db.execute("SELECT reward, progress, risk, speed FROM steps ORDER BY id").fetchall()
        assert written["segments.parquet"] == store.db["segments"].count
    new = Follower(folder / "a.sqlite").poll()
    steps = parquet.read_table(folder / "out" / "steps.parquet").to_pydict()
    assert written["steps.parquet"] == len(new)
    assert steps["episode"] == new.episode_id.tolist()
    assert steps["driver"] == new.driver.tolist()
    assert steps["terminated"] == new.terminated.tolist()
    assert list(zip(steps["reward"], steps["progress"], steps["risk"], steps["speed"], strict=True)) == raw
    for i, name in enumerate(INFO.observation_names):
        assert steps[f"observation.{name}"] == new.observation[:, i].tolist()
    for i, name in enumerate(INFO.action_names):
        assert steps[f"executed.{name}"] == new.executed[:, i].tolist()
        assert steps[f"proposed.{name}"] == new.proposed[:, i].tolist()


def test_layouts_are_kept_apart(tmp_path):
    path = tmp_path / "a.sqlite"
    for names in (("a", "b", "c", "d"), ("p", "q", "r", "s")):
        with Recorder(path, session_info(observation_names=names)) as recorder:
            drive(recorder, 10)
    with Store(path) as store:
        assert write_parquet(store.conn, tmp_path / "out")["steps-1.parquet"] == 10
        with pytest.raises(UsageError, match="not an empty folder"):
            write_parquet(store.conn, tmp_path / "out")
        with pytest.raises(UsageError, match="different observations"):
            write_lerobot(tmp_path / "robot", whole_episodes(store.conn))
    assert "observation.p" in parquet.read_table(tmp_path / "out" / "steps-1.parquet").column_names


@pytest.fixture
def robot(tmp_path):
    path = tmp_path / "a.sqlite"
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 30)
        drive(recorder, 20)
    with Store(path) as store:
        assert write_lerobot(tmp_path / "robot", whole_episodes(store.conn)) == 2
        assert write_lerobot(tmp_path / "takeovers", segment_episodes(store.conn, [1, 2])) == 2
    return tmp_path / "robot"


def test_the_layout_of_lerobot_v3(robot):
    info = json.loads((robot / "meta" / "info.json").read_text())
    assert (info["codebase_version"], info["total_episodes"], info["total_frames"], info["fps"]) == ("v3.0", 2, 50, 20)
    data = parquet.read_table(robot / info["data_path"].format(chunk_index=0, file_index=0))
    assert set(data.column_names) == set(info["features"])
    for name, feature in info["features"].items():
        kind = data.schema.field(name).type
        assert getattr(kind, "list_size", 1) == feature["shape"][0]
        number = kind.value_type if feature["shape"] != [1] else kind
        assert str(number) == {"float32": "float", "int64": "int64", "bool": "bool"}[feature["dtype"]]
    rows = data.to_pydict()
    assert rows["index"] == list(range(50))
    assert rows["frame_index"] == [*range(30), *range(20)]
    assert rows["observation.state"][7] == [7.0] * 4
    assert rows["action"][7] == [7.25] * 2
    assert rows["driver"][5:9] == [1] * 4
    assert rows["timestamp"][29] == pytest.approx(1.45)
    episodes_ = parquet.read_table(robot / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(e["dataset_from_index"], e["dataset_to_index"], e["length"]) for e in episodes_] == [
        (0, 30, 30),
        (30, 50, 20),
    ]
    assert episodes_[1]["tasks"] == ["drive hairpin"]
    assert episodes_[0]["stats/observation.state/max"] == [29.0] * 4
    stats = json.loads((robot / "meta" / "stats.json").read_text())
    states = np.array(rows["observation.state"])
    assert stats["observation.state"]["mean"] == pytest.approx(states.mean(0))
    assert stats["observation.state"]["std"] == pytest.approx(states.std(0))
    assert stats["observation.state"]["count"] == [50]


def test_the_real_package_opens_it(robot):
    pytest.importorskip("lerobot")
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("hitl/robot", root=robot)
    assert (dataset.num_episodes, dataset.num_frames, dataset.fps) == (2, 50, 20)
    frame = dataset[37]
    assert frame["observation.state"].tolist() == [7.0] * 4
    assert int(frame["episode_index"]) == 1
    assert frame["task"] == "drive hairpin"
    part = LeRobotDataset("hitl/robot", root=robot, episodes=[0], delta_timestamps={"action": [0.0, 0.05]})
    assert part[3]["action"].tolist() == [[3.25] * 2, [4.25] * 2]
