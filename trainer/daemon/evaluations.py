"""What the daemon keeps track of besides batches: returns, evaluations and what they mean, where its time goes."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from data.demos import DemoRule
from data.errors import StoreError
from data.numbers import counted
from data.reading.new_steps import Layout, NewSteps
from data.statistics import ENOUGH
from data.store import Store
from data.tables.checkpoints import CheckpointRecord, Evaluation
from data.words import number_of
from trainer.checkpoints.verdicts import Verdict, below_best, best, has_places, verdicts
from trainer.config import TrainConfig


class Watch:
    """Follows the episodes and the evaluations that come in."""

    def __init__(self) -> None:
        self.evaluated = False
        """Whether an evaluation episode ended since the last ``judge``."""
        self.judged: list[Verdict] = []
        self.evaluations: list[Evaluation] = []
        """What these verdicts are about."""
        self.names: dict[int, str] = {}
        """Of the checkpoints that were evaluated."""
        self.best: Verdict | None = None
        self.track = ""
        """The track that these are about: the one evaluated last."""
        self.seen: set[int] = set()
        """Checkpoints that were evaluated."""
        self.left_out: set[Layout] = set()
        self.unusable = Counter[str]()
        """Steps that were left out because a number in them cannot be learned from, by its name."""
        self._unusable, self._named = 0, set[str]()
        self.newest: dict[str, float] = {}
        self._sums: dict[int, tuple[float, int]] = {}
        self._last: dict[str, float] = {}
        self._seconds = defaultdict[str, float](float)
        self._trained = 0
        self._driven: frozenset[str] = frozenset()
        self._digests: dict[str, str] = {}
        self.below = 0
        """How many of the newest evaluations in a row lie significantly below the best."""

    def follow(self, new: NewSteps) -> None:
        """Note returns and lengths of the episodes that ended, and what could not be used."""
        self._unusable += new.bad_steps
        self.unusable.update(new.bad_numbers)
        if len(new):
            ids, where = np.unique(new.episode_id, return_inverse=True)
            totals, counts = np.bincount(where, new.reward), np.bincount(where)
            for id_, total, count in zip(ids.tolist(), totals.tolist(), counts.tolist(), strict=True):
                before = self._sums.get(id_, (0.0, 0))
                self._sums[id_] = (before[0] + total, before[1] + count)
        for id_, record in new.episodes.items():
            if record.end is None or id_ not in self._sums:
                continue
            total, count = self._sums.pop(id_)
            if record.purpose == "evaluation":
                self._last.update(return_test=total, episode_length_test=float(count))
                self.evaluated = True
            elif record.purpose == "drive":
                self._last.update(return_train=total, episode_length_train=float(count))

    def left_out_numbers(self) -> str | None:
        """Return a sentence about steps that were left out, once for each set of names and not at every look."""
        if self.unusable.keys() <= self._named:
            return None
        self._named |= self.unusable.keys()
        return (
            f"{counted(self._unusable, self.unusable)}. Training leaves such steps out; look at where that number comes from. "
            "`hitl store check` counts them all."
        )

    def judge(self, store_path: Path, config: TrainConfig) -> list[tuple[str, str, str]]:
        """Read the evaluations, mark the best checkpoint, see whether training has collapsed. Raises StoreError.

        Returns (kind, sentence, level) of what is to be told.
        """
        events = []
        with Store(store_path, create=False) as store:
            # A checkpoint is compared with others on one road: the one that was evaluated last.
            found = store.evaluations()
            track = found[-1].track if found else ""
            rule, weights = DemoRule.of(config.to_dict()), Counter[str]()
            for s in store.segments(kind="takeover", track=track):
                if s.corner is not None and rule.judge(s).counts:
                    weights[s.corner] += s.stop - s.start
            if track != self.track:
                self.track, self.best, self.below = track, None, 0
            self.evaluations = [e for e in found if e.track == track]
            self.judged = verdicts(self.evaluations, weights)
            self.seen = {v.checkpoint_id for v in self.judged}
            for id_ in self.seen - self.names.keys():
                if (record := store.checkpoint(id_)) is not None:
                    self.names[id_] = record.name
            top = best(self.judged)
            if top is not None and (self.best is None or top.checkpoint_id != self.best.checkpoint_id):
                marked, here = store.best_checkpoint(), store.best_checkpoint(track)
                if marked is None or here is None or not marked.id == here.id == top.checkpoint_id:
                    store.set_best(top.checkpoint_id, track)
                if here is None or here.id != top.checkpoint_id:
                    events.append(("best", _sentence(top, has_places(self.evaluations)), "info"))
            self.best = top
        self.evaluated = False
        before, self.below = self.below, below_best(self.judged)
        if self.below and not before and top is not None:
            newest = next(v for v in reversed(self.judged) if v.episodes >= ENOUGH)
            text = (
                f"Evaluation has fallen to {newest.rate:.0%} of episodes, well below the best ({top.rate:.0%}): "
                "`hitl play --checkpoint best` drives with the best, `hitl train --init best` goes back to it."
            )
            events.append(("collapse", text, "warning"))
        return events

    def digests(self, store_path: Path, driven: frozenset[str]) -> dict[str, str]:
        """Return the names of these tracks by their digests; while the store cannot be read, those known before."""
        if driven != self._driven:
            with contextlib.suppress(StoreError), Store(store_path, read_only=True) as store:
                self._digests, self._driven = store.track_digests(driven), driven
        return self._digests

    def checkpoints(self, store_path: Path, kind: str, limit: int) -> list[CheckpointRecord]:
        """Return the rows of the newest checkpoints of a kind, newest first. Raises StoreError."""
        with Store(store_path, create=False) as store:
            return store.checkpoints(limit, kind)

    def spent(self, what: str, seconds: float, updates: int = 0) -> None:
        """Note where time went."""
        self._seconds[what] += seconds
        self._trained += updates

    def metrics(self, round_seconds: float) -> dict[str, float]:
        """Return the last returns and the times since the last call, under the recipe's names."""
        updates = max(1, self._trained)
        values = {
            **self._last,
            "round_time": round_seconds,
            "idle_time": self._seconds["idle"],
            "training_step_duration": self._seconds["training"] / updates,
            "sampling_duration": self._seconds["sampling"] / updates,
            "following_share": self._seconds["following"] / max(1e-9, round_seconds),
        }
        self._seconds.clear()
        self._trained = 0
        return values


def _sentence(top: Verdict, places: bool) -> str:
    of = number_of(top.episodes, "episode")
    if not places:
        return f"The best so far: mean return {top.return_mean:.1f} in {of}."
    interval = f"95 % interval {top.low:.0%} to {top.high:.0%}: drives of one policy are much alike"
    return f"The best so far: {top.rate:.0%} of {of} ({interval}), mean return {top.return_mean:.1f}."
