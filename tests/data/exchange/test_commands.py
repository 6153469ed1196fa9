"""`hitl export` and `hitl import` from the command line."""

import json
import pkgutil

import numpy as np
import pytest

from data.errors import UsageError
from data.reading.follow import Follower
from data.recording.recorder import Recorder
from data.store import Store
from hitl.cli import main
from tests.support.recorded import drive, session_info


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with Recorder(home / "store.sqlite", session_info()) as recorder:
        drive(recorder, 40, (5, 25), "hairpin")
        drive(recorder, 40, (5, 9), "hairpin")
        drive(recorder, 40, (10, 20), "ess")
    assert main(["label", "--home", str(home), "2", "--verdict", "bad"]) == 0
    assert main(["label", "--home", str(home), "1", "--trim", "0.1", "0.05"]) == 0
    return home


def hitl(home, *words):
    return main([words[0], "--home", str(home), *map(str, words[1:])])


def load(home):
    return Follower(home / "store.sqlite").poll()


def test_takeovers_as_a_store_of_their_own(home, tmp_path, capsys):
    out = tmp_path / "mine.sqlite"
    assert hitl(home, "export", "store", out) == 0
    assert "2 episodes with 34 steps are in mine.sqlite." in capsys.readouterr().out  # each with its first and the step after it
    assert [p.name for p in tmp_path.glob("mine*")] == ["mine.sqlite"]
    assert hitl(home, "export", "store", out) == 2
    friend = tmp_path / "friend"
    assert hitl(friend, "import", out) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "2 episodes with 34 steps (1.7 s) and 2 segments came in." in said
    assert hitl(friend, "import", out) == 0
    assert "2 were there already." in capsys.readouterr().out
    with Store(friend / "store.sqlite") as store:
        assert [(s.corner, s.start, s.stop, s.trim_start) for s in store.segments()] == [
            ("hairpin", 5, 25, 2),
            ("ess", 10, 20, 0),
        ]
    assert hitl(friend, "import", home / "store.sqlite") == 0  # and now the whole of it
    assert len(load(friend)) == 120


@pytest.mark.parametrize("form", ["minari", "player-run"])
def test_takeovers_trimmed_as_episodes_of_their_own(home, tmp_path, form):
    out, friend = tmp_path / "out", tmp_path / "friend"
    assert hitl(home, "export", form, out) == 0
    assert hitl(friend, "import", out) == 0
    new = load(friend)
    # Files of the same second are read in the order of the random part of their names.
    assert sorted(new.observation[:, 0].tolist()) == sorted([*range(7, 24), *range(10, 20)])
    lasts = sorted(e.last_observation[0] for e in new.episodes.values())
    assert lasts == [20.0, 24.0]  # what really followed
    assert [e.end for e in new.episodes.values()] == ["interrupted"] * 2
    assert set(new.driver.tolist()) == {1}


def test_whole_drives(home, tmp_path):
    assert hitl(home, "export", "minari", tmp_path / "all", "--episodes") == 0
    assert hitl(tmp_path / "friend", "import", tmp_path / "all") == 0
    mine, theirs = load(home), load(tmp_path / "friend")
    for name in ("observation", "executed", "proposed", "driver", "reward", "t", "progress"):
        assert np.array_equal(getattr(mine, name), getattr(theirs, name)), name
    assert len(theirs.segments) == 3
    assert hitl(home, "export", "minari", tmp_path / "ess", "--episodes", "--corner", "ess") == 0
    assert hitl(tmp_path / "other", "import", tmp_path / "ess") == 0
    assert len(load(tmp_path / "other")) == 40


def test_tables_and_robots(home, tmp_path):
    assert hitl(home, "export", "parquet", tmp_path / "tables") == 0
    assert {p.name for p in (tmp_path / "tables").iterdir()} >= {
        "steps.parquet",
        "episodes.parquet",
        "segments.parquet",
    }
    pyarrow = pytest.importorskip("pyarrow.parquet")
    assert hitl(home, "export", "parquet", tmp_path / "one", "--corner", "hairpin") == 0
    drives = [pyarrow.read_table(tmp_path / name / "episodes.parquet").num_rows for name in ("tables", "one")]
    assert drives == [3, 1]  # of the two with a takeover there, one counts
    assert hitl(home, "export", "lerobot", tmp_path / "robot", "--corner", "hairpin") == 0
    assert json.loads((tmp_path / "robot/meta/info.json").read_text())["total_frames"] == 17


def test_another_tools_minari_dataset(home, tmp_path, capsys):
    import gymnasium
    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    from data.exchange.datasets.minari import _identify

    box = gymnasium.spaces.Box
    folder = tmp_path / "foreign-v0"
    folder.mkdir()
    storage = MinariStorage.new(folder / "data", box(-9, 9, (4,)), box(-1, 1, (2,)), data_format="hdf5")
    _identify(folder / "data", __import__("minari").__version__)
    rng = np.random.default_rng(0)
    for i, n in enumerate((5, 7)):
        storage.update_episodes(
            [EpisodeBuffer(i, None, None, rng.normal(size=(n + 1, 4)), rng.uniform(-1, 1, (n, 2)), np.ones(n), np.zeros(n, bool),
                           np.arange(n) == n - 1, None)]
        )  # fmt: skip
    assert hitl(home, "import", folder, "--layout-of", 1) == 0
    assert "2 episodes with 12 steps" in " ".join(capsys.readouterr().out.split())
    assert len(load(home)) == 132  # of the same layout: the trainer sees all of them
    assert hitl(home, "import", folder, "--layout-of", 1) == 0
    assert "2 were there already." in capsys.readouterr().out
    assert hitl(home, "import", folder) == 0  # in a layout of its own it is another recording, and cannot be learned from here
    assert "2 episodes with 12 steps" in " ".join(capsys.readouterr().out.split())
    assert len(load(home)) == 132


FORMS = ["minari", "player-run", "store", "parquet", "lerobot"]


HALFWAY = {"store": "data.exchange.merge._merge_segments", "parquet": "data.exchange.parquet._blocks"}
"""What is called when a part is written already; in the other forms it is called for each episode."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("stopped", "code"), [(KeyboardInterrupt, 130), (UsageError("so"), 2)])
def test_an_export_that_is_stopped_leaves_nothing_and_can_be_repeated(home, tmp_path, form, stopped, code, monkeypatch):
    """By Ctrl+C or an error, when a part of it is written."""
    place, folder = HALFWAY.get(form, "data.exchange.portable.read_episode"), tmp_path / "new"
    real, calls = pkgutil.resolve_name(place), []

    def halfway(*args):
        calls.append(args)
        if form in HALFWAY or len(calls) == 2:
            assert list(folder.rglob("*")) != []
            raise stopped
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(place, halfway)
        assert hitl(home, "export", form, folder / "out") == code
    assert list(folder.iterdir()) == []
    assert hitl(home, "export", form, folder / "out") == 0
    assert [p.name for p in folder.iterdir()] == ["out"]


def test_a_dataset_is_called_by_the_folder_that_was_named(home, tmp_path):
    (tmp_path / "laps-v3").mkdir()
    assert hitl(home, "export", "minari", tmp_path / "laps-v3") == 0
    assert json.loads((tmp_path / "laps-v3/data/metadata.json").read_text())["dataset_id"] == "laps-v3"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("import nowhere.pkl", 3, "There is no nowhere.pkl"),
        ("import notes.txt", 3, "neither a player run"),
        ("import old.sqlite", 4, "newer version"),
        ("import --watch one.pkl extra", 2, "one folder"),
        ("import home --layout-of x", 2, ""),
        ("export minari out --corner nowhere", 2, "There is no corner"),
        *((f"export {form} full", 2, "'full' is there and not an empty folder") for form in FORMS),
        ("export minari notes.txt", 2, "'notes.txt' is there already"),
    ],
)
def test_wrong_asked(home, tmp_path, words, code, said, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("y")
    with Store(tmp_path / "old.sqlite") as store:
        store.conn.execute("PRAGMA user_version = 900")
    before = (home / "store.sqlite").read_bytes()
    name, *rest = words.split()
    if said:
        assert hitl(home, name, *rest) == code
    else:  # refused by the parser itself
        with pytest.raises(SystemExit, match=str(code)):
            hitl(home, name, *rest)
    assert said in capsys.readouterr().err
    assert (home / "store.sqlite").read_bytes() == before
    assert not (tmp_path / "out").exists()
