"""The guard against collapse: what to do when evaluation has fallen significantly below the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.statistics import ENOUGH
from trainer.config import TrainConfig
from trainer.daemon.verdicts import Verdict, best


@dataclass
class Guard:
    """Remembers the last return to the best, so that training neither returns for what lies before it nor returns for ever."""

    mark: int = -1
    """Id of the checkpoint written at the last return; evaluations of older ones say nothing about what came after."""
    to: int = -1
    """Id of the checkpoint that was returned to."""
    at: int = 0
    """Updates when that was done."""

    def below(self, judged: Sequence[Verdict]) -> int:
        """Return how many of the newest evaluations in a row, since the last return, lie significantly below the best.

        Significantly: their 95 % intervals do not touch, and 20 episodes stand behind each.
        """
        top, count = best(judged), 0
        for verdict in reversed(judged):
            if top is None or verdict.checkpoint_id == top.checkpoint_id:
                break
            if verdict.checkpoint_id <= self.mark or verdict.episodes < ENOUGH:
                continue
            if verdict.high >= top.low:
                break
            count += 1
        return count

    def may(self, top: Verdict, config: TrainConfig, updates: int) -> bool:
        """Whether training would go back to ``top`` by itself.

        Never twice to the same one within ``collapse_pause`` updates: if what was learned from there fell again, it would only
        fall a third time.
        """
        recent = top.checkpoint_id == self.to and updates - self.at < config.collapse_pause
        return config.on_collapse == "back" and not recent

    def wants(self, judged: Sequence[Verdict], config: TrainConfig, updates: int) -> Verdict | None:
        """Return the checkpoint to go back to now, None when training is to go on as it is."""
        top = best(judged)
        if top is None or not self.may(top, config, updates) or self.below(judged) < config.collapse_evaluations:
            return None
        return top

    def returned(self, to: int, mark: int, updates: int) -> None:
        """Note a return to checkpoint ``to``, written anew as ``mark``."""
        self.to, self.mark, self.at = to, mark, updates

    def numbers(self) -> dict[str, float]:
        """Return what a resume needs."""
        return {"guard.mark": self.mark, "guard.to": self.to, "guard.at": self.at}

    @classmethod
    def of(cls, numbers: Mapping[str, float]) -> Guard:
        """Take back what ``numbers`` gave."""
        return cls(*(int(numbers.get(f"guard.{name}", default)) for name, default in (("mark", -1), ("to", -1), ("at", 0))))
