"""What the trainer makes of evaluations on more than one track, and what a checkpoint says it has learned on."""

import io
from pathlib import Path

import numpy as np
import pytest

from data.recording.recorder import Recorder
from data.store import Store
from data.tables.tracks import Road
from hitl.cli import main
from hitl.console import console
from hitl.screens.training.train_terminal import draw
from tests.support.recorded import NO_WEIGHTS, session_info, step_row
from trainer.checkpoints.files import load_policy, save
from trainer.checkpoints.meta import CheckpointMeta
from trainer.config import TrainConfig
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import Heartbeat
from trainer.learner.tqc import TQC

EASY, HARD = (Road(np.c_[np.arange(0.0, 100.0), bend * np.arange(0.0, 100.0) ** 2], 8.0) for bend in (0.0, 0.01))


def judge(watch: Watch, path: Path) -> list[str]:
    return [kind for kind, _, _ in watch.judge(path, TrainConfig())]


def test_another_track_is_no_collapse_and_has_a_best_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        one, two = (store.add_checkpoint(name, name, k, k, "train", {}) for k, name in enumerate("ab", 1))
        store.enter_track("easy", EASY)
        store.enter_track("hard", HARD)
        for track in ("easy", "hard"):
            store.upsert_corner(track, "corner 1", 40.0, 50.0, "track")
        digests = {row[0]: row[1] for row in store.conn.execute("SELECT track, digest FROM tracks")}

    def on(track: str, checkpoint: int, passes: int) -> None:
        with Recorder(path, session_info(kind="evaluation", track=track, track_digest=digests[track])) as recorder:
            for k in range(20):
                recorder.begin_episode("evaluation", checkpoint_id=checkpoint)
                recorder.step(step_row(0, progress=(60.0 if k < passes else 20.0) + 0.1 * k))
                recorder.end_episode("terminated", "finish" if k < passes else "off_road", np.zeros(4, np.float32))

    watch = Watch()
    on("easy", one, 20)
    assert judge(watch, path) == ["best"]
    on("hard", two, 1)
    assert judge(watch, path) == ["best"]  # of the hard one, and nothing has fallen
    assert [v.checkpoint_id for v in watch.judged] == [two]
    with Store(path) as store:
        assert store.best_checkpoint("easy").id == one
        assert store.best_checkpoint("hard").id == two
        assert [(e.track, e.passes) for e in store.evaluations()] == [("easy", {"corner 1": 20}), ("hard", {"corner 1": 1})]
    on("easy", two, 0)
    assert judge(watch, path) == ["collapse"]  # there, on the same road, it has
    with Store(path) as store:
        assert store.best_checkpoint("easy").id == one


def test_a_checkpoint_says_what_it_has_learned_on(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.enter_track("line", EASY)
        second, _ = store.enter_track("line", HARD)
    learned_on = Watch().digests(path, frozenset(("line", second, "a game without a road")))
    assert learned_on == {EASY.digest: "line", HARD.digest: "line"}
    learner = TQC(4, 2, TrainConfig(hidden=8, layers=1))
    meta = CheckpointMeta.of(learner, list("abcd"), ["gas_brake", "steer"], tracks=learned_on)
    name, _ = save(tmp_path, learner, meta)
    assert load_policy(tmp_path / name)[1].tracks == learned_on


def test_a_game_without_places_is_told_by_what_was_earned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        (tmp_path / "checkpoints").mkdir()
        for name in ("first", "second"):
            (tmp_path / "checkpoints" / name).write_bytes(NO_WEIGHTS)
            store.add_checkpoint(name, name, 1, 1, "train", {})
    for checkpoint, earned in ((1, -3.0), (2, -1.0)):
        with Recorder(tmp_path / "store.sqlite", session_info(kind="evaluation", track="pendulum")) as recorder:
            for k in range(20):
                recorder.begin_episode("evaluation", checkpoint_id=checkpoint)
                recorder.step(step_row(0, reward=earned + 0.001 * k))
                recorder.end_episode("truncated", "time_limit", np.zeros(4, np.float32))
    watch = Watch()
    ((kind, said, _),) = watch.judge(tmp_path / "store.sqlite", TrainConfig())
    assert (kind, said) == ("best", "The best so far: mean return -1.0 in 20 episodes.")
    out = console(file=io.StringIO(), width=120)
    out.print(draw(Heartbeat(), watch))
    assert main(["train", "status", "--home", str(tmp_path)]) == 1  # none is at work
    assert main(["checkpoints", "--home", str(tmp_path)]) == 0
    told = out.file.getvalue() + capsys.readouterr().out
    assert all(text in told for text in ("return  ▁█  -1.0", "return alone  ▁█  -1.0", "-3.0"))
    assert not any(word in told for word in ("finish", "pass", "0 of 20", "0%"))
