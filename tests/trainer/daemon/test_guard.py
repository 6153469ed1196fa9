import time
from pathlib import Path

import pytest
import torch

from data.store import Store
from tests.trainer.daemon.test_daemon import SMALL, drive, newest, train
from trainer.checkpoints.files import load
from trainer.config import TrainConfig
from trainer.daemon.collapse import Guard
from trainer.daemon.daemon import Daemon
from trainer.daemon.resume import Wish
from trainer.daemon.verdicts import Verdict, wilson

BACK = TrainConfig(on_collapse="back", collapse_evaluations=2, collapse_pause=1000)


def verdict(id_: int, passes: int, episodes: int = 20) -> Verdict:
    return Verdict(id_, episodes, passes / episodes, *wilson(passes, episodes), 10.0)


def test_evaluations_in_a_row_that_lie_significantly_below() -> None:
    guard = Guard()
    best, chance, low, few = verdict(2, 19), verdict(3, 15), verdict(4, 2), verdict(5, 0, 5)
    assert guard.below([]) == 0
    assert guard.below([verdict(1, 10), best]) == 0
    assert guard.below([best, chance]) == 0  # 15 of 20 may be chance
    assert guard.below([best, low]) == 1
    assert guard.below([best, low, few]) == 1  # five episodes prove nothing
    assert guard.below([best, low, verdict(6, 1)]) == 2
    assert guard.below([best, low, chance, verdict(6, 1)]) == 1
    assert guard.below([verdict(1, 1), verdict(3, 2), best]) == 0  # from there to the best is no fall


def test_it_goes_back_only_when_asked_and_never_to_and_fro() -> None:
    fallen = [verdict(2, 19), verdict(4, 2), verdict(6, 1)]
    guard = Guard()
    assert guard.wants(fallen, TrainConfig(), 500) is None  # the default says so and leaves it to the player
    assert guard.wants(fallen[:2], BACK, 500) is None  # one evaluation is often up again at the next
    assert guard.wants(fallen, BACK, 500) is fallen[0]
    guard.returned(2, 8, 100)
    assert guard.below(fallen) == 0  # what lay before the return says nothing about what comes after
    again = [*fallen, verdict(10, 1), verdict(12, 1)]
    assert guard.below(again) == 2
    assert guard.wants(again, BACK, 600) is None  # it has just been there
    assert guard.wants(again, BACK, 1100) is again[0]
    better = [verdict(2, 15), verdict(9, 20), verdict(10, 1), verdict(12, 1)]
    assert guard.wants(better, BACK, 600) is better[1]  # a new best
    assert Guard.of(guard.numbers()) == guard
    assert Guard.of({}) == Guard()


def test_drives_that_are_copies_of_each_other_are_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    for _ in range(2):  # the same five drives again, as a game without chance gives them
        drive(path, 12, 5, takeover=False, purpose="evaluation", progress=30.0)
    with Store.open(path) as store:
        (evaluation,) = store.evaluations()
    assert (evaluation.episodes, evaluation.distinct) == (10, 5)


def test_training_goes_back_to_the_best_with_its_optimisers(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    config = SMALL.with_values(on_collapse="back", collapse_pause=10_000)
    drive(path)
    train(tmp_path, None, config)
    best = newest(tmp_path)
    with Store.open(path) as store:
        store.upsert_corner("default", "hairpin", 10.0, 20.0, "track")
    drive(path, 12, 20, takeover=False, purpose="evaluation", checkpoint_id=best.id, progress=30.0)
    for steps in (60, 70):
        drive(path, steps, 1)
        train(tmp_path, None, config)
        drive(path, 12, 20, takeover=False, purpose="evaluation", checkpoint_id=newest(tmp_path).id, progress=5.0)
    tensors, meta = load(tmp_path / "checkpoints" / best.name)
    seen: list[dict[str, torch.Tensor]] = []

    class Watched(Daemon):
        def _go_back(self, record) -> None:  # type: ignore[no-untyped-def]
            super()._go_back(record)
            seen.append({k: v.clone() for k, v in self.learner.tensors().items()})
            assert self.learner.updates == meta.updates
            assert self.learner.env_steps == 330

    daemon = Watched(tmp_path, Wish(base=config))
    began = time.monotonic()

    def stop() -> bool:
        assert time.monotonic() - began < 60
        return bool(seen) and daemon.beat.state == "idle"

    daemon.stop = stop
    daemon.run()
    for name, value in seen[0].items():
        if name != "rng.learner":  # not the same road again
            assert torch.equal(value, tensors[name]), name
    assert daemon.learner.updates == 330 - 20  # what was lost is owed again, and paid
    low = newest(tmp_path).id
    drive(path, 12, 20, takeover=False, purpose="evaluation", checkpoint_id=low, progress=5.0)
    drive(path, 12, 1)
    train(tmp_path, None, config)
    drive(path, 12, 20, takeover=False, purpose="evaluation", checkpoint_id=newest(tmp_path).id, progress=5.0)
    daemon = train(tmp_path, None, config)
    assert daemon.watch.below == daemon.beat.below_best == 2
    assert daemon.guard.to == best.id  # remembered through restarts: there is no second return
    with Store.open(path) as store:
        events = store.conn.execute("SELECT kind, message FROM events ORDER BY id").fetchall()
    assert [kind for kind, _ in events].count("back") == 1
    assert "Nothing that was recorded is lost" in next(text for kind, text in events if kind == "back")


def test_a_best_that_is_gone_is_told_and_training_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    drive(path)
    daemon = train(tmp_path, None)
    before = {k: v.clone() for k, v in daemon.learner.tensors().items()}
    record = newest(tmp_path)
    (tmp_path / "checkpoints" / record.name).unlink()
    daemon._go_back(record)
    for name, value in daemon.learner.tensors().items():
        assert torch.equal(value, before[name])
    with Store.open(path) as store:
        (text,) = store.conn.execute("SELECT message FROM events WHERE kind = 'collapse'").fetchone()
    assert "cannot be read" in text


@pytest.mark.parametrize("values", [{"on_collapse": "stop"}, {"collapse_evaluations": 0}])
def test_settings_that_make_no_sense(values: dict) -> None:
    with pytest.raises(Exception, match="make no sense"):
        TrainConfig(**values)
