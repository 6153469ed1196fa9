"""What goes out of a store and into another is the same afterwards."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.exchange.datasets.minari import read_minari, write_minari
from data.exchange.importing import write
from data.exchange.merge import merge
from data.exchange.player_runs import own_export, read_player_run, write_player_run
from data.exchange.portable import segment_episodes, whole_episodes
from data.reading.episodes import EpisodeData, EpisodeWriter, SegmentData
from data.records import HUMAN
from data.schema import STEP_MEASURES
from data.store import Store
from tests.support.examples import examples
from tests.support.recorded import session_info

floats32 = st.floats(-1e6, 1e6, width=32)


@st.composite
def episodes(draw, observation_size=3, action_size=2):
    n = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns = {name: rng.normal(size=n) for name in STEP_MEASURES}
    for name in draw(st.sets(st.sampled_from(STEP_MEASURES))):
        columns[name][draw(st.integers(0, n - 1))] = np.nan
    segments = []
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, n - 1))
        stop = draw(st.integers(start + 1, n))
        segments.append(
            SegmentData(
                draw(st.sampled_from(["takeover", "lap"])), start, stop,
                trigger=draw(st.sampled_from(["", "stick"])), corner=draw(st.none() | st.just("hairpin")),
                priority=draw(st.floats(0, 10)), verdict=draw(st.sampled_from(["unreviewed", "good", "bad", "star"])),
                outcome=draw(st.sampled_from(["cleared", "failed", "unclear"])), interrupted=draw(st.booleans()),
                note=draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)),
                tags=tuple(sorted(draw(st.sets(st.sampled_from(["a", "b", "ü"]))))),
                judged_by=draw(st.none() | st.just("ann")), judged_at=draw(st.none() | st.just("2026-11-20T10:00:00.000Z")),
            )
        )  # fmt: skip
    last = draw(st.booleans())
    ends = np.zeros((2, n), bool)
    if last and draw(st.booleans()):
        ends[draw(st.integers(0, 1)), -1] = True
    executed = rng.uniform(-1, 1, (n, action_size)).astype(np.float32)
    executed[0] = draw(st.sampled_from([-1.0, 0.0, 1.0]))
    return EpisodeData(
        observation=rng.normal(size=(n, observation_size)).astype(np.float32),
        executed=executed,
        proposed=rng.uniform(-1, 1, (n, action_size)).astype(np.float32),
        reward=rng.normal(size=n),
        driver=rng.integers(0, 2, n).astype(np.uint8),
        terminated=ends[0], truncated=ends[1], columns=columns,
        checkpoint_id=rng.integers(0, 3, n) - draw(st.integers(0, 1)) * 5,
        last_observation=rng.normal(size=observation_size).astype(np.float32) if last else None,
        purpose=draw(st.sampled_from(["drive", "lap", "evaluation"])),
        end="terminated" if ends[0].any() else "truncated" if ends[1].any() else "interrupted",
        reason=draw(st.none() | st.just("off_road")), seed=draw(st.none() | st.integers(0, 2**31)),
        started="2026-11-20T10:00:00.000Z", ended="2026-11-20T10:01:00.000Z", segments=segments,
    )  # fmt: skip


def fill(path, data, info):
    with Store(path) as store:
        for n in range(2):
            store.add_checkpoint(f"c{n}", f"sha{n}", n, n * 10, "train", {})
        session = store.start_session(info)
        with EpisodeWriter(store.conn, session) as writer:
            for episode in data:
                episode.checkpoint_id = np.where(np.isin(episode.checkpoint_id, [1, 2]), episode.checkpoint_id, -1)
                writer.add(episode)
        store.end_session(session)


def contents(path):
    """Everything there is to know of each episode, as plain values."""
    found = []
    with Store(path) as store:
        for item in whole_episodes(store.conn):
            values = dataclasses.asdict(item.data)
            values.pop("origin")
            values["info"] = dataclasses.asdict(dataclasses.replace(item.info, kind="")) | {
                "reward": dict(item.info.reward)
            }
            shas = {-1: None} | {key: row["sha256"] for key, row in item.checkpoints.items()}
            values["checkpoint_id"] = [shas[int(c)] for c in item.data.checkpoint_id]
            for key, value in values.items():
                if isinstance(value, np.ndarray):
                    values[key] = (str(value.dtype), value.shape, value.tobytes())
            values["columns"] = {key: value.tobytes() for key, value in values["columns"].items()}
            found.append(values)
    return found


INFO = session_info(observation_names=("a", "b", "c"), action_names=("gas_brake", "steer"))
THREE = session_info(observation_names=("a", "b", "c"), action_names=("gas", "brake", "steer"))
quick = settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def folders(tmp_path_factory):
    return lambda: tmp_path_factory.mktemp("trip")


@given(st.lists(episodes(), min_size=1, max_size=3))
@quick
def test_minari(folders, data):
    folder = folders()
    fill(folder / "a.sqlite", data, INFO)
    with Store(folder / "a.sqlite") as store:
        written = write_minari(folder / "laps", whole_episodes(store.conn))
    kept = [c for c in contents(folder / "a.sqlite") if c["observation"][1][0] > 1 or c["last_observation"] is not None]
    assert written == len(kept)  # one step without a successor is no transition at all
    if not kept:
        return
    with Store(folder / "b.sqlite") as store:
        summary = write(store, read_minari(folder / "laps"), "minari")
        assert (summary.episodes, summary.refused) == (len(kept), [])
        assert write(store, read_minari(folder / "laps"), "minari").present == len(kept)
    assert contents(folder / "b.sqlite") == kept


@given(st.lists(episodes(), min_size=1, max_size=3), st.just(INFO))
@quick
def test_player_runs(folders, data, info):
    runs_there_and_back(folders(), data, info)


@given(st.lists(episodes(action_size=3), min_size=1, max_size=3), st.just(THREE))
@quick
def test_player_runs_of_three_actions(folders, data, info):
    runs_there_and_back(folders(), data, info)


def runs_there_and_back(folder, data, info):
    fill(folder / "a.sqlite", data, info)
    with Store(folder / "a.sqlite") as store:
        files = [write_player_run(folder / "runs", item) for item in whole_episodes(store.conn)]
    with Store(folder / "b.sqlite") as store:
        summary = write(store, [(file.name, own_export(read_player_run(file))) for file in files], "player runs")
        assert (summary.episodes, summary.refused) == (len(data), [])
    assert contents(folder / "b.sqlite") == contents(folder / "a.sqlite")


@given(st.lists(episodes(), min_size=1, max_size=3))
@quick
def test_another_store(folders, data):
    folder = folders()
    fill(folder / "a.sqlite", data, INFO)
    with Store(folder / "b.sqlite") as store:
        merge(store.conn, folder / "b.sqlite", folder / "a.sqlite")
    assert contents(folder / "b.sqlite") == contents(folder / "a.sqlite")


@pytest.mark.parametrize(
    "own", [{"kind": "trial"}, {"hz": 2000.0}, {"env": "gym:" + "e" * 300}, {"observation_names": ("a", "b", "c" * 300)}]
)
def test_what_is_refused_from_others_still_goes_out_of_one_s_own_store(tmp_path, own):
    data = EpisodeData(np.zeros((4, 3), np.float32), np.zeros((4, 2), np.float32), np.zeros(4), np.zeros((4, 2), np.float32))
    info = dataclasses.replace(INFO, **own)
    fill(tmp_path / "a.sqlite", [data], info)
    with Store(tmp_path / "a.sqlite") as store:
        (item,) = whole_episodes(store.conn)
        assert item.info == info
        file = write_player_run(tmp_path / "runs", item)
    with Store(tmp_path / "b.sqlite") as store:
        summary = write(store, [(file.name, own_export(read_player_run(file)))], "player runs")
        assert summary.refused == [(file.name, f"invalid session: {next(iter(own))}")]


def test_minari_opens_what_was_written(tmp_path):
    import minari

    rng = np.random.default_rng(0)
    data = [
        EpisodeData(
            observation=rng.normal(size=(n, 3)).astype(np.float32), executed=rng.uniform(-1, 1, (n, 2)).astype(np.float32),
            reward=rng.normal(size=n), driver=HUMAN, last_observation=np.ones(3, np.float32), terminated=np.arange(n) == n - 1,
            checkpoint_id=np.full(n, -1), segments=[SegmentData("takeover", 2, 6, trim_start=1)],
        )
        for n in (10, 20)
    ]  # fmt: skip
    fill(tmp_path / "a.sqlite", data, INFO)
    with Store(tmp_path / "a.sqlite") as store:
        assert write_minari(tmp_path / "laps", whole_episodes(store.conn)) == 2
        assert write_minari(tmp_path / "takeovers", segment_episodes(store.conn, [1, 2])) == 2
    laps = minari.MinariDataset(tmp_path / "laps" / "data")
    assert (laps.total_episodes, laps.total_steps) == (2, 30)
    for episode, wanted in zip(laps.iterate_episodes(), data, strict=True):
        assert (episode.observations[:-1] == wanted.observation).all()
        assert (episode.observations[-1] == 1).all()
        assert (episode.actions == wanted.executed).all()
        assert (episode.rewards == wanted.reward).all()
        assert episode.terminations.tolist() == [False] * (len(wanted) - 1) + [True]
    assert laps.observation_space.shape == (3,)
    takeovers = minari.MinariDataset(tmp_path / "takeovers" / "data")
    first = next(iter(takeovers.iterate_episodes()))
    assert (first.observations == data[0].observation[3:7]).all()  # trimmed, and what followed is what really followed
    assert not first.terminations.any()
