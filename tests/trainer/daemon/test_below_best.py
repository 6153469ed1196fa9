"""When evaluations have fallen below the best."""

from pathlib import Path

from data.store import Store
from tests.support.daemon_runs import drive
from trainer.checkpoints.verdicts import Verdict, below_best, wilson


def verdict(id_: int, passes: int, episodes: int = 20) -> Verdict:
    return Verdict(id_, episodes, passes / episodes, *wilson(passes, episodes), 10.0)


def test_evaluations_in_a_row_that_lie_significantly_below() -> None:
    best, chance, low, few = verdict(2, 19), verdict(3, 15), verdict(4, 2), verdict(5, 0, 5)
    assert below_best([]) == 0
    assert below_best([verdict(1, 10), best]) == 0
    assert below_best([best, chance]) == 0  # 15 of 20 may be chance
    assert below_best([best, low]) == 1
    assert below_best([best, low, few]) == 1  # five episodes prove nothing
    assert below_best([best, low, verdict(6, 1)]) == 2
    assert below_best([best, low, chance, verdict(6, 1)]) == 1
    assert below_best([verdict(1, 1), verdict(3, 2), best]) == 0  # from there to the best is no fall


def test_drives_that_are_copies_of_each_other_are_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    for _ in range(2):  # the same five drives again, as a game without chance gives them
        drive(path, 12, 5, takeover=False, purpose="evaluation", progress=30.0)
    with Store(path) as store:
        (evaluation,) = store.evaluations()
    assert (evaluation.episodes, evaluation.distinct) == (10, 5)
