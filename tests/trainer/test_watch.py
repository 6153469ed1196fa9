"""What the trainer makes of evaluations on more than one track, and what a checkpoint says it has learned on."""

from pathlib import Path

import numpy as np

from data.recording.recorder import Recorder
from data.store import Store
from data.tracks import Road, enter
from tests.data.helpers import session_info, step_row
from trainer.checkpoints.files import load_policy, save
from trainer.checkpoints.meta import CheckpointMeta
from trainer.config import TrainConfig
from trainer.daemon.evaluations import Watch
from trainer.learner.tqc import TQC

EASY, HARD = (Road(np.c_[np.arange(0.0, 100.0), bend * np.arange(0.0, 100.0) ** 2], 8.0) for bend in (0.0, 0.01))


def judge(watch: Watch, path: Path) -> list[str]:
    return [kind for kind, _, _ in watch.judge(path, TrainConfig())]


def test_another_track_is_no_collapse_and_has_a_best_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store.open(path) as store:
        one, two = (store.add_checkpoint(name, name, k, k, "train", {}) for k, name in enumerate("ab", 1))
        enter(store.conn, "easy", EASY)
        enter(store.conn, "hard", HARD)
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
    with Store.open(path) as store:
        assert store.best_checkpoint("easy").id == one
        assert store.best_checkpoint("hard").id == two
        assert [(e.track, e.passes) for e in store.evaluations()] == [("easy", {"corner 1": 20}), ("hard", {"corner 1": 1})]
    on("easy", two, 0)
    assert judge(watch, path) == ["collapse"]  # there, on the same road, it has
    with Store.open(path) as store:
        assert store.best_checkpoint("easy").id == one


def test_a_checkpoint_says_what_it_has_learned_on(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store.open(path) as store:
        enter(store.conn, "line", EASY)
        second, _ = enter(store.conn, "line", HARD)
    learned_on = Watch().digests(path, frozenset(("line", second, "a game without a road")))
    assert learned_on == {EASY.digest: "line", HARD.digest: "line"}
    learner = TQC(4, 2, TrainConfig(hidden=8, layers=1))
    meta = CheckpointMeta.of(learner, list("abcd"), ["gas_brake", "steer"], tracks=learned_on)
    name, _ = save(tmp_path, learner, meta)
    assert load_policy(tmp_path / name)[1].tracks == learned_on
