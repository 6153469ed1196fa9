"""What the learner draws from: every step once, its n-step return ready, and a weighted list of demo steps.

Here steps become rows of episodes, old episodes give way, and batches are drawn. ``trainer.replay.rows`` holds the rows,
``trainer.replay.episodes`` works out returns, ``trainer.replay.halves.demos`` says what is a demo.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch

from data.reading.new_steps import NewSteps
from trainer.config import TrainConfig
from trainer.replay.batch import Batch, Sight
from trainer.replay.episodes import Episode
from trainer.replay.halves.demos import OWN, Demos
from trainer.replay.halves.gates import Teacher
from trainer.replay.halves.online import OnlineRows
from trainer.replay.halves.sampling import demo_count, one_replay_weight, takeover_floor
from trainer.replay.rows import RowTable
from trainer.replay.sequences import sequence_batch


def around_demos(config: TrainConfig) -> tuple[int, int]:
    """Return how many steps before and after a segment its own are learned with."""
    hz = 100.0  # the game's rate is not known yet; this is as fast as any is driven
    before = config.burn_in + config.sequence if config.network == "recurrent" else 0
    after = config.times(hz).n_step
    if config.frozen_agent:  # so far do the places reach where it drives
        before, after = max(before, round(config.frozen_before_s * hz)), max(after, round(config.frozen_after_s * hz))
    return before, after


class Replay:
    """Online steps and demos with symmetric sampling.

    The online half holds the newest ``config.capacity`` steps, more or less: the oldest episodes give way, some at a time.
    What lies in their segments stays for the demo half, however old it is.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: TrainConfig,
        hz: float = 20.0,
        device: str | torch.device = "cpu",
        teacher: Teacher | None = None,
    ) -> None:
        """``teacher``: with ``frozen_teaches``, what the other agent would do along an episode."""
        self.config, self.hz = config, hz
        self.table = RowTable(observation_size, action_size, config, torch.device(device))
        self.chains = self.table.chains
        self.online = OnlineRows()
        self.demos = Demos(config, self.table, *around_demos(config))
        self.demo_table = self.demos.demo_table
        if self.demos.gates is not None:
            self.demos.gates.teacher = teacher
        self._episodes: dict[int, Episode] = {}
        self._order: deque[int] = deque()  # episodes that can still give way, oldest first
        self._tracks: dict[int, str] = {}  # by session
        self._rates: dict[int, float] = {}
        self.online_steps = 0
        """Steps of live episodes ever added: what the update ratio counts."""
        self.rows_drawn = self.demo_rows_drawn = 0
        """Rows drawn so far, and those of them that were demos."""

    # What is in it

    @property
    def tracks(self) -> frozenset[str]:
        """The tracks that its sessions were driven on."""
        return frozenset(self._tracks.values())

    @property
    def online_rows(self) -> int:
        """Rows that the online half is drawn from."""
        return self.online.count

    @property
    def demo_rows(self) -> int:
        """Rows that the demo half is drawn from."""
        return self.demo_table.rows

    def __len__(self) -> int:
        return self.online.count + (self.demo_table.rows if self.config.one_replay else 0)

    @property
    def human_rows(self) -> int:
        """Rows of the human's demos; the agent's own drives left out."""
        held_out = len(self.demos.held_out(self._episodes))
        return self.demo_table.rows - self.demo_table.kinds.get(OWN, 0) + held_out

    @property
    def lap_count(self) -> int:
        """How many of the human's laps are learned from."""
        return self.demos.lap_count

    @property
    def failed_lap_count(self) -> int:
        """How many of the human's laps are not learned from."""
        return sum(s.kind == "lap" for s in self.demos.segments.values()) - self.lap_count

    def demo_seconds(self) -> float:
        """Return the seconds of takeover among the demo rows in force."""
        return self.demo_table.kinds.get("takeover", 0) / self.hz

    def fractions(self) -> dict[str, float]:
        """Return the shares of rows drawn so far."""
        return {"demo": self.demo_rows_drawn / max(1, self.rows_drawn)}

    def held_out_drives(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return what was seen (B, O) and done (B, A) in drives of the agent that teaches, from which nothing is learned."""
        gates = self.demos.gates
        return None if gates is None else gates.held_out(self._episodes)

    # Laps to test what was learned from the others

    def new_laps(self, last: int) -> dict[int, int]:
        """Return the rows of each of the human's complete laps that count and have a number above ``last``."""
        return self.demos.new_laps(last)

    def hold_laps_out(self, laps: Iterable[int]) -> None:
        """Hold out the fifth of these laps and every tenth from there: they show what was learned from the others."""
        if self.chains is None:
            self.demos.hold_out(sorted(laps)[4::10], self._episodes)

    def held_out(self, most: int = 2000) -> tuple[Sight, torch.Tensor] | None:
        """Return what is seen (B, O) and cloned (B, A) in the laps held out, ``most`` steps at most; None without any."""
        rows = self.demos.held_out(self._episodes)
        if not len(rows):
            return None
        rows = rows[:: -(-len(rows) // most)]
        batch = self.table.batches(torch.from_numpy(rows)[None], 0)[0]
        return batch.observation, batch.answer

    @property
    def rates(self) -> frozenset[float]:
        """How many steps in a second there are, in all that was ever added."""
        return frozenset(self._rates.values()) or frozenset((self.hz,))

    def release_laps(self) -> None:
        """Learn from all laps again."""
        self.demos.hold_out((), self._episodes)

    # Taking in

    def expect(self, steps: int) -> None:
        """Make room at once for so many steps that are about to come: a table that grows bit by bit is copied each time."""
        if (rows := min(steps, self.config.capacity + self.config.capacity // 8)) > len(self.table):
            self.table.allocate(rows)

    def add(self, new: NewSteps) -> int:
        """Take in new steps and new or changed episodes and segments; return how many online steps were new."""
        touched: set[int] = set()
        self._rates |= {id_: session.hz for id_, session in new.sessions.items()}
        self._tracks |= {id_: session.track for id_, session in new.sessions.items()}
        for id_, record in new.episodes.items():
            episode = self._episode(id_)
            self.hz = episode.hz = self._rates.get(record.session_id, self.hz)
            episode.record = record
            touched.add(id_)
        ids = new.episode_id
        before = self.online_steps
        if len(ids):
            cuts = np.flatnonzero(np.diff(ids)) + 1
            for start, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(ids)], strict=True):
                id_ = int(ids[start])
                self._append(self._episode(id_), new, start, stop)
                touched.add(id_)
        for id_, left_out in new.unusable.items():
            episode = self._episode(id_)
            episode.missing += len(left_out)
            episode.last_missing = max([episode.last_missing, *left_out])
            touched.add(id_)
        for id_ in touched:
            if id_ in self._episodes:
                self._settle(self._episodes[id_])
        for id_ in self.demos.take_in(new.segments, touched, self._episodes, self._tracks):
            if id_ not in self._order:  # it may give way again
                self._order.appendleft(id_)
        return self.online_steps - before

    def _episode(self, id_: int) -> Episode:
        found = self._episodes.get(id_)
        if found is None:
            found = self._episodes[id_] = Episode(self.hz)
            self._order.append(id_)
        return found

    def _is_online(self, episode: Episode) -> bool:
        return self.is_online(episode.record.purpose if episode.record else "drive")

    def is_online(self, purpose: str) -> bool:
        """Whether the steps of episodes of this purpose are online steps."""
        return purpose not in ("lap", "evaluation")

    def _append(self, episode: Episode, new: NewSteps, start: int, stop: int) -> None:
        rows = self._take(stop - start, episode)
        self.table.write(rows, new, slice(start, stop), episode.rows)
        episode.rows = np.concatenate((episode.rows, rows))
        if self._is_online(episode):
            self.online_steps += len(rows)

    def _settle(self, episode: Episode) -> None:
        """Work out the returns of rows whose future is now known, and let them be drawn."""
        last = episode.last_observation(self.table)
        if last is not None:
            episode.last_row = int(self._take(1, episode)[0])
            self.table.write_last(episode.last_row, last)
        drawn = episode.settle(self.table, self.config)
        if self._is_online(episode):
            self._enlist(drawn)

    def _enlist(self, rows: np.ndarray) -> None:
        self.online.add(rows)
        if self.chains is not None:
            self.chains.online[rows] = True

    # Giving way

    def _take(self, count: int, keep: Episode) -> np.ndarray:
        """Return free rows; makes room by letting old episodes go (never ``keep``), then by growing."""

        def make_room(missing: int) -> bool:
            # Demos never give way, and take no room from the online half: the capacity is its own.
            return self.online.count >= self.config.capacity and self._make_room(missing, keep)

        return self.table.take(count, make_room, self.config.capacity)

    def _make_room(self, missing: int, keep: Episode) -> bool:
        """Let the oldest episodes go until ``missing`` rows, or a good deal more, are free; False when there are none."""
        wanted, freed, aside = max(missing, self.config.capacity // 64), 0, []
        leaves = np.zeros(len(self.table), bool)
        while self._order and freed < wanted:
            id_ = self._order.popleft()
            episode = self._episodes[id_]
            if episode is keep or not episode.complete:
                aside.append(id_)
                continue
            leaves[episode.all_rows] = True
            gone = self._thin(id_, episode)
            self.table.give_back(gone)
            freed += len(gone)
        self._order.extendleft(reversed(aside))
        self.online.drop(leaves)
        return freed > 0

    def _thin(self, id_: int, episode: Episode) -> np.ndarray:
        """Forget an episode but for what demos need of it; returns the rows that are free now."""
        stays = self.demos.stays(id_, episode)
        if stays.any():
            return episode.keep(stays, self.table)
        del self._episodes[id_]
        return episode.all_rows

    # Drawing

    def demo_count(self, batch_size: int, generator: torch.Generator | None = None, length: int = 1) -> int:
        """Return how many rows of a batch come from the demos; ``length``: steps that come with each, itself included."""
        return demo_count(self.config, self.online.count, self.demo_table.rows, batch_size, generator, length)

    def demo_sampling_weight(self) -> float:
        """Return the weight of a demo step in force (``one_replay``), as the reference recipe logs it."""
        return one_replay_weight(self.config, self.online.count + self.demo_table.rows)

    def sample(self, batch_size: int, generator: torch.Generator | None = None) -> Batch:
        """Return one batch. Raises ValueError when there is nothing to draw from."""
        return self.sample_many(1, batch_size, generator)[0]

    def sample_many(self, count: int, batch_size: int, generator: torch.Generator | None = None) -> list[Batch]:
        """Return ``count`` batches drawn at once, each with its own share of demos (first online rows, then demos)."""
        if self.chains is not None:
            return self._sample_sequences(count, batch_size, generator)
        demos = self.drawn_now(count, batch_size, generator)
        online = batch_size - demos
        return self.table.batches(self.draw_rows(count, online, demos, generator), online)

    def drawn_now(self, count: int, batch_size: int, generator: torch.Generator | None = None) -> int:
        """Note that so many batches are drawn; return how many demos are in each."""
        demos = self.demo_count(batch_size, generator)
        self.rows_drawn += count * batch_size
        self.demo_rows_drawn += count * demos
        return demos

    def _sample_sequences(self, count: int, batch_size: int, generator: torch.Generator | None) -> list[Batch]:
        """Return ``count`` batches of ``batch_size`` / ``sequence`` sequences each, first online ones, then demos."""
        length = self.config.sequence
        number = max(2, batch_size // length)
        demos = self.demo_count(number, generator, length)
        anchors = self.draw_rows(count, number - demos, demos, generator, length).numpy()
        offsets = torch.randint(length, (count, number), generator=generator).numpy()
        self.rows_drawn += count * number * length
        self.demo_rows_drawn += count * demos * length
        return [
            sequence_batch(self.table, self.config, a, o, number - demos) for a, o in zip(anchors, offsets, strict=True)
        ]

    def _newest_steps(self) -> int:
        """Return how many online rows are the newest: ``recent_steps``, or those of ``recent_drives`` where these are more."""
        drives = (e for e in map(self._episodes.__getitem__, reversed(self._order)) if self._is_online(e))
        return max(self.config.recent_steps, sum(e.ready for e in islice(drives, self.config.recent_drives)))

    def fresh(self, online: int) -> tuple[int, int]:
        """Return how many of so many online rows are drawn from the newest alone, and how many these are."""
        newest = self._newest_steps()
        return (round(online * self.config.recent_fraction), newest) if self.online.count > newest else (0, self.online.count)

    def takeover_floor(self, demos: int, batch_size: int, length: int = 1) -> int:
        """Return how many of so many ``demos`` of a batch come from takeovers whatever else is a demo."""
        return takeover_floor(self.config, self.demo_table.kinds.get("takeover", 0), demos, batch_size, length)

    def draw_rows(
        self, count: int, online: int, demos: int, generator: torch.Generator | None = None, length: int = 1
    ) -> torch.Tensor:
        """Return (count, online + demos) rows, int64; ``length``: steps that come with each, itself included.

        Raises ValueError when there is nothing to draw from.
        """
        if online and not self.online.count:
            raise ValueError("there is nothing to draw from yet")
        parts = []
        if online:
            parts.append(self.online.draw((count, online), generator, *self.fresh(online)))
        if demos:
            parts.append(self.demo_table.draw((count, demos), generator, self.takeover_floor(demos, online + demos, length)))
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]
