"""The store's plain verbs: what is found, read, judged, carried out and brought in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from data.errors import InputFileError, NoStoreError, StoreError, UsageError
from data.recording.recorder import Recorder
from data.store import Store as PlainStore
from hitl import Store, SymmetricReplay, Takeover
from hitl.cli import main
from tests.support.recorded import drive, session_info


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder, takeover=(5, 15))
        drive(recorder, takeover=(4, 14), corner="esses")
        drive(recorder, takeover=None)
    return tmp_path


def test_takeovers_are_found_read_judged_and_undone(home: Path) -> None:
    with Store(home) as store, Store(home / "store.sqlite", read_only=True) as beside:
        assert [t.corner for t in store.takeovers()] == ["hairpin", "esses"]
        (takeover,) = store.takeovers("hairpin", outcome="cleared", verdict=("unreviewed", "good"))
        assert store.takeovers(outcome="failed") == store.laps() == []
        steps = store.steps(takeover)
        assert steps["t"].tolist() == list(range(5, 15))
        assert steps["executed", "steer"].tolist() == steps.executed[:, 1].tolist()
        assert steps["observation", "yaw"].tolist() == list(range(5, 15))
        assert len(steps[steps["speed"] > 100.0]) == 0
        assert store.label([takeover.id], verdict="star", trim=(2, 3)) == 1
        (now,) = beside.takeovers(verdict="star")
        assert beside.steps(now)["t"].tolist() == list(range(7, 12))
        assert store.steps(now, first=1, stop=3, columns=("t",))["t"].tolist() == [8, 9]
        assert store.undo() == [takeover.id]
        assert beside.takeovers(verdict="star") == []
        assert "60 steps" in repr(store)


def test_a_wrong_name_gets_a_suggestion(home: Path) -> None:
    with Store(home) as store:
        steps = store.steps(1, columns=("speed", "executed"))
        with pytest.raises(UsageError, match=r"no column 'sped'; there are speed, executed. Did you mean 'speed'"):
            steps["sped"]
        with pytest.raises(UsageError, match=r"no number 'ster'.*Did you mean 'steer'"):
            steps["executed", "ster"]
        with pytest.raises(UsageError, match="Did you mean 'minari'"):
            store.export_to(home / "out", "minary")
    with pytest.raises(NoStoreError):
        Store(home / "elsewhere", create=False)
    assert not (home / "elsewhere").exists()


@pytest.mark.parametrize("name", ["runs", "lr0.001", "run.v2", "gamma0.99.d"])
def test_a_name_with_a_dot_is_a_home_folder(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(tmp_path / name) as store:
        assert store.path == tmp_path / name / "store.sqlite"
    assert main(["segments", "--home", str(tmp_path / name)]) == 0
    assert "is a file" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["kept.sqlite", "kept.SQLITE3", "kept.db"])
def test_a_database_by_its_name_is_a_file(name: str, tmp_path: Path) -> None:
    with Store(tmp_path / name) as store:
        assert store.path == tmp_path / name


def test_a_store_that_an_earlier_version_called_as_it_was_told_still_opens(home: Path) -> None:
    (home / "store.sqlite").rename(home / "lr0.001")
    with Store(home / "lr0.001", create=False) as store:
        assert len(store.takeovers()) == 2
    with SymmetricReplay(home / "lr0.001", "plain") as replay:
        assert replay.online_rows > 0
    (home / "folder.db").mkdir()
    with Store(home / "folder.db") as store:
        assert store.path.name == "store.sqlite"


def test_a_relative_path_keeps_its_meaning(home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> None:
    monkeypatch.chdir(home)
    replay, store, file = SymmetricReplay(".", "plain", hidden=8), Store("."), PlainStore("store.sqlite")
    env = Takeover(gymnasium.make("Pendulum-v1"), None, store="driven")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert store.path == file.path == home / "store.sqlite"
    assert replay.save(replay.learner()).parent == home / "checkpoints"
    env.reset(seed=0)
    env.step(np.zeros(1, np.float32))
    assert env.flush()
    env.close()
    assert len(Store(home / "driven", create=False).episodes()) == 1
    assert not list(Path.cwd().iterdir())
    for one in (replay, store, file):
        one.close()


@pytest.mark.parametrize("form", ["minari", "store", "player-run"])
def test_what_is_carried_out_comes_in_again(form: str, home: Path, tmp_path: Path) -> None:
    if form == "minari":
        pytest.importorskip("minari")
    out = tmp_path / ("out.sqlite" if form == "store" else "out")
    with Store(home) as store:
        made = store.export_to(out, form, corner="hairpin")
        expected = store.steps(store.takeovers("hairpin")[0])
        assert (made.episodes, made.left_out) == (1, ())
    with Store(tmp_path / "other") as other:
        came = other.import_from(out)
        assert (came.segments, came.present, came.refused) == (1, 0, [])
        (takeover,) = other.takeovers()
        np.testing.assert_array_equal(other.steps(takeover)["executed"], expected["executed"])
        assert other.import_from(out).present == 1
    with Store(home) as store, pytest.raises(UsageError, match="Nothing to export"):
        store.export_to(tmp_path / "nothing", form, outcome="failed")


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda s: s.takeovers(verdcit="star"), "unknown argument 'verdcit'. Did you mean 'verdict'"),
        (lambda s: s.laps(nothing_like_it=1), "unknown argument 'nothing_like_it'. Known arguments are corner"),
        (lambda s: s.takeovers(kind="lap"), "`segments` cannot be called like this: multiple values for argument 'kind'"),
        (lambda s: s.takeovers(verdict="strar"), "verdict must be bad, good, star or unreviewed.* Did you mean 'star'"),
        (lambda s: s.takeovers(verdict=("good", "strar")), 'not "strar"'),
        (lambda s: s.takeovers(outcome="clear"), 'outcome must be cleared, failed or unclear, not "clear"'),
        (lambda s: s.segments(kind="laps"), "kind must be .* Did you mean 'lap'"),
        (lambda s: s.takeovers(since="yesterdya"), "'yesterdya' is not a date"),
        (lambda s: s.episodes(until=20261120), "20261120 is not a date. Write it as text"),
        (lambda s: s.takeovers(min_seconds="x"), 'min_seconds must be a number, not "x"'),
        (lambda s: s.episodes(purpose="driv"), "purpose must be .* Did you mean 'drive'"),
        (lambda s: s.takeovers(track="hairpni"), "no track 'hairpni' in the store, which knows hairpin. Did you mean 'hairpin'"),
        (lambda s: s.sessions("nope"), "no track 'nope'"),
        (lambda s: s.evaluations("nope"), "no track 'nope'"),
        (lambda s: s.corners("nope"), "no track 'nope'"),
        (lambda s: s.takeovers("esess"), "no corner 'esess' in the store, which knows esses, hairpin. Did you mean 'esses'"),
        (lambda s: s.episodes(ids=[1, 99, 98]), "no episode 98, 99 in the store"),
        (lambda s: s.takeovers(ids=[1, 99]), "no segment 99 in the store"),
        (lambda s: s.takeovers(ids=1), r"ids must be a list, for example ids=\[1\], not 1"),
        (lambda s: s.segments(session=7), "no session 7 in the store"),
        (lambda s: s.segments(episode=7), "no episode 7 in the store"),
        (lambda s: s.steps(7), "no episode 7 in the store"),
        (lambda s: s.episodes(closed="no"), "closed must be"),
        (lambda s: s.steps(1, first="x"), "first must be a whole number"),
        (lambda s: s.steps(1, columns=["rewrd"]), "no column 'rewrd'; there are .* Did you mean 'reward'"),
        (lambda s: s.steps(1, columns=[]), "at least one column"),
        (lambda s: s.steps(1, driver="humn"), "driver must be 'agent'"),
    ],
)
def test_what_does_not_exist_is_named(ask: Callable[[Store], object], said: str, home: Path) -> None:
    with Store(home) as store, pytest.raises(UsageError, match=said):
        ask(store)


def test_what_exists_is_found_in_any_form(home: Path) -> None:
    with Store(home) as store:
        (first, second) = store.takeovers()
        started = datetime.fromisoformat(first.started)
        for since in (
            "yesterday", "12h", first.started, started, started.date(), started.replace(tzinfo=None), f"{started:%Y-%m}",
            f"{started:%Y}", f"{started:%Y-%m-%d %H:%M}",
        ):  # fmt: skip
            assert store.takeovers(since=since) == [first, second]
            assert store.takeovers(until=since) == []
        assert store.takeovers(ids=np.array([second.id])) == [second]
        assert store.takeovers(ids=iter([second.id]), session=str(second.session_id), min_seconds=np.float32(0.1)) == [second]
        assert store.takeovers("esses", ids=[first.id]) == store.takeovers(ids=[]) == store.takeovers(tag="none has it") == []
        assert [e.id for e in store.episodes(purpose=("drive", "lap"), newest=1)] == [3]
        assert [e.id for e in store.episodes(closed=None)] == [e.id for e in store.episodes(closed=False)] == [1, 2, 3]
        assert store.episodes(closed=None, imported=None, helped=None) == store.episodes(closed=False)
        assert store.corners("hairpin") == []
        human = store.steps(np.int64(1), columns="reward", driver="human")
        assert human.reward.tolist() == store.steps(1, driver=1, columns=("reward",)).reward.tolist() != []
        assert len(store.steps(1, driver="agent")) == 20 - len(human)


def test_a_store_in_which_nothing_was_driven_yet_has_nothing_of_any_name(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        assert store.takeovers("hairpin", track="default") == store.episodes("default") == store.corners("default") == []
        with pytest.raises(UsageError, match="no episode 1 in"):
            store.episodes(ids=[1])


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (lambda s: s.label(1, verdict="star"), r"list of their ids, for example \[3, 4\] or \[takeover.id\], not 1"),
        (lambda s: s.label(s.takeovers(), verdict="star"), "list of their ids"),
        (lambda s: s.undo(1), "list of their ids"),
        (lambda s: s.label([1], priority="x"), "priority is a number from 0 to 1,000,000, not x"),
        (lambda s: s.label([1], note=5), "note is a text, not 5"),
        (lambda s: s.label([1], tags_add=5), "Tags are a list of texts"),
        (lambda s: s.label([1], trim=3), "trim is two numbers of steps"),
        (lambda s: s.label([1], trim_seconds=("a", 1)), "trim is two numbers of seconds"),
    ],
)
def test_a_judgement_that_makes_no_sense_is_refused_in_a_sentence(
    judge: Callable[[Store], object], said: str, home: Path
) -> None:
    with Store(home) as store:
        with pytest.raises(UsageError, match=said):
            judge(store)
        assert store.label([1], tags_add="exit", priority=np.float32(2.0)) == 1
        assert store.takeovers(tag="exit")[0].tags == ("exit",)


def test_a_store_that_cannot_be_written_or_is_closed_says_so(home: Path) -> None:
    with Store(home, read_only=True) as store:
        for change in (lambda: store.label([1], verdict="star"), store.undo):
            with pytest.raises(StoreError, match=r"The store store.sqlite can only be read here.*Nothing was changed"):
                change()
        assert store.takeovers(verdict="star") == []
    for use in (store.takeovers, lambda: store.label([1], note="late"), lambda: store.db["episodes"], store.tracks):
        with pytest.raises(StoreError, match=r"The store store.sqlite is closed: open it again"):
            use()
    store.close()
    assert repr(store).endswith("closed)")
    with pytest.raises(StoreError, match="can only be read here"), PlainStore(home / "store.sqlite", read_only=True) as plain:
        plain.upsert_corner("hairpin", "new", 0.0, 1.0, "player")


def test_what_cannot_come_in_is_refused(home: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with Store(home) as store:
        store.export_to(tmp_path / "tables", "parquet")
        store.export_to(tmp_path / "robot", "lerobot")
        store.export_to(tmp_path / "run" / "runs", "player-run")
    (tmp_path / "inbox").mkdir()
    with Store(tmp_path / "other") as other:
        for folder in (tmp_path / "tables", tmp_path / "robot", tmp_path / "tables" / "steps.parquet"):
            with pytest.raises(InputFileError, match=f"^{folder.name} is Parquet.* use `hitl export store all.sqlite`"):
                other.import_from(folder)
        with pytest.raises(InputFileError, match=r"holds neither player runs.*not one above it"):
            other.import_from(tmp_path / "run")
        with pytest.raises(UsageError, match=r"no kind 'minary'.* Did you mean 'minari'"):
            other.import_from(home, kind="minary")
        with pytest.raises(UsageError, match=r"unknown argument 'trak'. Did you mean 'track'"):
            other.import_from(tmp_path / "run" / "runs", trak="hairpin")
        assert other.import_from(tmp_path / "inbox").episodes == 0  # nothing has arrived there yet
        assert other.import_from(tmp_path / "run" / "runs", consume=True).episodes == 2
        assert other.import_from(tmp_path / "run" / "runs").episodes == 0  # all was consumed
