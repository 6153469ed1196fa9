"""From the store into the replay: everything that was driven, and what of it could not be used."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.errors import StoreError
from data.reading.follow import Follower
from data.reading.layouts import Layout, apart, driven_layout
from data.reading.new_steps import NewSteps
from data.store import Store
from trainer.daemon.evaluations import Watch
from trainer.daemon.reporting import Reporter
from trainer.daemon.resume import LearnerStart
from trainer.replay.halves.gates import Teacher
from trainer.replay.replay import Replay


@dataclass
class Opened:
    """A learner, and the store that it is to learn from, opened at its beginning."""

    start: LearnerStart
    follower: Follower
    names: Layout
    first: NewSteps
    """What the follower gave already."""


class Intake:
    """Follows the store and fills the replay."""

    def __init__(
        self, store_path: Path, opened: Opened, report: Reporter, teacher_of: Callable[[Layout], Teacher | None]
    ) -> None:
        self._store_path, self._start, self._report = store_path, opened.start, report
        self.follower, self.names, self._first = opened.follower, opened.names, opened.first
        learner, config = opened.start.learner, opened.start.config
        teacher = teacher_of(self.names) if config.taught else None
        self.replay = Replay(len(self.names[0]), len(self.names[1]), config, device=learner.device, teacher=teacher)
        if (gates := self.replay.demos.gates) is not None:
            gates.everywhere = learner.drives_everywhere  # before the drives come that were learned from then
        self.watch = Watch()
        self.terminated = 0
        """Episodes taken in that were terminated."""
        self._untold: set[Layout] = set()  # of these nothing has been said yet
        self.made_for_another = False
        """Whether the learner, which has not driven yet, was made for another layout than is driven here."""

    def catch_up(self, stop: Callable[[], bool]) -> bool:
        """Read all that the store holds; False when asked to stop before the end."""
        new = self._first
        while True:
            self.replay.expect(self.follower.expected)
            self._take_in(new)
            if self._report.due("starting", 0, 0):  # a large store takes a while
                self._report.write("starting", self.watch)
            if stop():
                return False
            new = self.follower.poll()
            if not (new.anything or new.more):
                break
        self.follower.caught_up()
        self._tell_unusable()
        self._count_skipped()
        self._start.learner.note_demo_count(self.replay.human_rows)
        return True

    def poll(self) -> NewSteps:
        """Take in what is new; return it."""
        new = self.follower.poll()
        if new.anything:
            self._take_in(new)
            self._tell_unusable()
            self._start.learner.note_demo_count(self.replay.human_rows)
        return new

    def _take_in(self, new: NewSteps) -> None:
        self.replay.add(new)
        self.terminated += int(new.terminated.sum())
        self.watch.follow(new)
        fresh = new.left_out.keys() - self.watch.left_out
        self.watch.left_out |= fresh
        self._untold |= fresh
        if fresh or (self._untold and new.episodes):  # how many steps there are is told when an episode of them has ended
            self._tell_left_out()

    def _count_skipped(self) -> None:
        """Count the steps of the store that were not read, or are pruned by now: the ratio is to all that was driven."""
        for purpose, steps in self.follower.skipped.items():
            if self.replay.is_online(purpose):
                self.replay.online_steps += steps
        self.watch.evaluated = self.watch.evaluated or "evaluation" in self.follower.skipped
        meta = self._start.meta
        if self._start.own and meta is not None and "last_step" in meta.numbers:
            # The steps since the checkpoint can be counted, however many older ones have been deleted.
            with Store(self._store_path, read_only=True) as store:
                since = store.steps_between(int(meta.numbers["last_step"]), self.follower.last_step, *self.names)
            fresh = sum(steps for purpose, steps in since.items() if self.replay.is_online(purpose))
            self.replay.online_steps = int(meta.numbers["online_steps"]) + fresh

    def _tell_left_out(self) -> None:
        """Say what cannot be learned from, or find that it is this learner that does not fit."""
        texts: dict[Layout, str] = {}
        with contextlib.suppress(StoreError), Store(self._store_path, read_only=True) as store:
            texts, driven = apart(store.conn, self.names), driven_layout(store.conn, live=True)
            own = self._start.own or self._start.meta is None
            empty = not self._start.learner.env_steps and not self.replay.online_steps  # it knows laps at most
            self.made_for_another = own and empty and driven in self._untold
        for layout in () if self.made_for_another else self._untold & texts.keys():
            self._untold.discard(layout)
            self._report.event("layout", texts[layout], "warning")

    def _tell_unusable(self) -> None:
        if (text := self.watch.left_out_numbers()) is not None:
            self._report.event("numbers", text, "warning")
