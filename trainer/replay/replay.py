"""What the learner draws from: every step once, its n-step return ready, and a weighted list of demo steps.

Here steps become rows of episodes, episodes give way, and segments, verdicts and the agent's best finishes become demos. The rows
themselves lie in ``trainer.replay.rows``.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import torch

from data.demos import Rule
from data.reading.update import Update
from data.records import AGENT, HUMAN, EpisodeRecord, SegmentRecord
from trainer.config import TrainConfig
from trainer.replay.batch import Batch
from trainer.replay.best_finishes import BestFinishes
from trainer.replay.returns import n_step_returns
from trainer.replay.rows import Table
from trainer.replay.sampling import DemoTable, demo_count, one_replay_weight, takeover_floor
from trainer.replay.sequences import sequence_batch


def around_demos(config: TrainConfig) -> tuple[int, int]:
    """Return how many steps before and after a segment its own are learned with."""
    return config.burn_in + config.sequence if config.network == "recurrent" else 0, config.n_step


class _Episode:
    """Rows of one episode in the order of ``t``."""

    def __init__(self) -> None:
        self.rows = np.empty(0, np.int64)
        self.record: EpisodeRecord | None = None
        self.last_row = -1
        self.missing, self.last_missing = 0, -1
        """Stored steps that were left out, because no learner could use them, and the last of their times."""
        self.ready = 0
        """Rows before this one have their return and, if they may be drawn, are in the online list."""

    @property
    def complete(self) -> bool:
        """Whether the episode is closed and all its steps are here."""
        record = self.record
        return record is not None and record.end is not None and len(self.rows) + self.missing >= record.length


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
    ) -> None:
        self.config, self.hz, self.device = config, hz, torch.device(device)
        self.table = Table(observation_size, action_size, config, self.device)
        self.chains = self.table.chains
        self._before_demos, self._after_demos = around_demos(config)
        self._episodes: dict[int, _Episode] = {}
        self._order: deque[int] = deque()  # episodes that can still give way, oldest first
        self._segments: dict[int, SegmentRecord] = {}
        self._of_episode: dict[int, set[int]] = {}
        self.rule = Rule.of(config.to_dict())
        self._parts: dict[int, tuple[str, float, np.ndarray]] = {}  # what counts: kind, weight and rows of each segment
        self._own = BestFinishes(config.own_finishes if config.own_priority > 0 else 0)
        self._tracks: dict[int, str] = {}  # by session
        self._online = np.empty(16_384, np.int64)
        self._online_count = 0
        self.demo = DemoTable()
        self.online_steps = 0
        """Steps of live episodes ever added: what the update ratio counts."""
        self.drawn = 0
        self.drawn_demo = 0

    # What is in it

    @property
    def tracks(self) -> frozenset[str]:
        """The tracks that its sessions were driven on."""
        return frozenset(self._tracks.values())

    @property
    def online_rows(self) -> int:
        """Rows that the online half is drawn from."""
        return self._online_count

    @property
    def demo_rows(self) -> int:
        """Rows that the demo half is drawn from."""
        return self.demo.rows

    def __len__(self) -> int:
        return self._online_count + (self.demo.rows if self.config.one_replay else 0)

    @property
    def human_rows(self) -> int:
        """Rows of the human's demos; the agent's own best finishes left out."""
        return self.demo.rows - self.demo.kinds.get("own", 0)

    def demo_seconds(self, kind: str = "takeover") -> float:
        """Return the seconds of demo rows of this kind in force."""
        return self.demo.kinds.get(kind, 0) / self.hz

    def fractions(self) -> dict[str, float]:
        """Return the shares of rows drawn so far."""
        return {"demo": self.drawn_demo / max(1, self.drawn)}

    # Taking in

    def add(self, update: Update) -> int:
        """Take in new steps and new or changed episodes and segments; return how many online steps were new."""
        touched: set[int] = set()
        rates = {id_: session.hz for id_, session in update.sessions.items()}
        self._tracks |= {id_: session.track for id_, session in update.sessions.items()}
        for id_, record in update.episodes.items():
            self._episode(id_).record = record
            self.hz = rates.get(record.session_id, self.hz)
            touched.add(id_)
        ids = update.episode_id
        before = self.online_steps
        if len(ids):
            cuts = np.flatnonzero(np.diff(ids)) + 1
            for start, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(ids)], strict=True):
                id_ = int(ids[start])
                self._append(self._episode(id_), update, start, stop)
                touched.add(id_)
        for id_, left_out in update.unusable.items():
            episode = self._episode(id_)
            episode.missing += len(left_out)
            episode.last_missing = max([episode.last_missing, *left_out])
            touched.add(id_)
        affected = set(update.segments)
        for id_, segment in update.segments.items():
            self._segments[id_] = segment
            self._of_episode.setdefault(segment.episode_id, set()).add(id_)
        for id_ in touched:
            if id_ in self._episodes:
                self._settle(self._episodes[id_])
                affected |= self._of_episode.get(id_, set())
        changed = {self._segments[id_].episode_id for id_ in affected if self._resolve(id_)}
        if self._own.count:
            changed |= self._take_up_own(touched)
        if changed:
            self._put_in_force(changed)
        return self.online_steps - before

    def _episode(self, id_: int) -> _Episode:
        found = self._episodes.get(id_)
        if found is None:
            found = self._episodes[id_] = _Episode()
            self._order.append(id_)
        return found

    def _is_online(self, episode: _Episode) -> bool:
        return self.counts(episode.record.purpose if episode.record else "drive")

    def counts(self, purpose: str) -> bool:
        """Whether the steps of episodes of this purpose are online steps."""
        return purpose != "lap" and (purpose != "evaluation" or self.config.learn_from_evaluation)

    def _append(self, episode: _Episode, update: Update, start: int, stop: int) -> None:
        rows = self._take(stop - start, episode)
        last = int(episode.rows[-1]) if len(episode.rows) else -1
        self.table.write(rows, update, slice(start, stop), last)
        episode.rows = np.concatenate((episode.rows, rows))
        if self._is_online(episode):
            self.online_steps += len(rows)

    def _settle(self, episode: _Episode) -> None:
        """Work out the returns of rows whose future is now known, and let them be drawn."""
        record, rows = episode.record, episode.rows
        # An episode of which no step was taken in may be one of another layout, whose observations do not fit.
        last = self._last_observation(episode) if len(rows) and episode.last_row < 0 else None
        if last is not None:
            episode.last_row = int(self._take(1, episode)[0])
            self.table.write_last(episode.last_row, last)
            rows = episode.rows
        first = episode.ready
        to_end = self._known_end(episode)
        if first >= len(rows):
            return
        known = first - max(0, min(first, len(rows) - to_end))  # rows that could be drawn, and are worked out once more
        first -= known
        part, table, c = rows[first:], self.table, self.config
        result = n_step_returns(
            table.raw[part],
            table.driver[part],
            table.terminated[part],
            table.t[part],
            complete=episode.complete,
            has_last=self._knows_last(episode),
            gamma=c.gamma,
            n_step=c.n_step,
            handover_cost=c.handover_cost,
            skip=round(c.skip_before_takeover_s * self.hz),
            stop_at_change=c.stop_at_driver_change,
            to_end=to_end,
        )
        n = result.settled
        done = part[:n]
        successors = np.append(part, episode.last_row)
        human = table.driver[done] == HUMAN
        table.array[done, table.reward] = result.reward[:n]
        table.array[done, table.discount] = result.discount[:n]
        table.array[done, table.human] = human
        table.array[done, table.takeover] = human & (record is None or record.purpose != "lap")
        table.array[done, table.before] = result.before_takeover[:n]
        valid = result.successor[:n] >= 0
        table.next[done] = np.where(valid, successors[result.successor[:n]], -1)
        table.changed(done)
        if self.chains is not None:
            self.chains.span[done] = result.successor[:n] - np.arange(n)
            if episode.complete and self._knows_last(episode):
                self.chains.end(int(rows[-1]), episode.last_row)
        if self._is_online(episode):
            drawn = valid & ~result.skipped[:n]
            drawn[:known] = False  # they are already
            self._enlist(done[drawn if c.takeovers_online else drawn & ~human])
        episode.ready += n - known

    def _last_observation(self, episode: _Episode) -> np.ndarray | None:
        """Return what was seen after the last of an episode's steps that are here, None when that is not known.

        Of a pruned or an old episode only stretches may be here: what was seen at its end did not follow them.
        """
        record = episode.record
        if record is None or (record.driven is not None and self.table.t[episode.rows[-1]] + 1 < record.driven):
            return None
        return record.last_observation

    def _knows_last(self, episode: _Episode) -> bool:
        """Whether what followed the episode's last row is known: not when that was not its last step."""
        return episode.last_row >= 0 and episode.last_missing < int(self.table.t[episode.rows[-1]])

    def _known_end(self, episode: _Episode) -> int:
        """Return how many of an episode's last steps have returns that go on to its end (see ``stalled_steps``)."""
        record, rows = episode.record, episode.rows
        if self.chains is not None or record is None or not episode.complete or not len(rows):
            return 0
        if record.reason != "stalled" or not self.table.terminated[rows[-1]]:
            return 0
        # The word alone may be wrong: where it can be known, only the steps in which the car did stand.
        stood = self.config.stalled_steps if record.stood is None else record.stood
        return min(self.config.stalled_steps, stood)

    def _enlist(self, rows: np.ndarray) -> None:
        need = self._online_count + len(rows)
        if need > len(self._online):
            self._online = np.concatenate((self._online, np.empty(max(need, len(self._online)), np.int64)))
        self._online[self._online_count : need] = rows
        self._online_count = need
        if self.chains is not None:
            self.chains.online[rows] = True
        self._online_tensor = torch.from_numpy(self._online)

    def _take(self, count: int, keep: _Episode) -> np.ndarray:
        """Return free rows; makes room by letting old episodes go (never ``keep``), then by growing."""

        def make_room(missing: int) -> bool:
            # Demos never give way, and take no room from the online half: the capacity is its own.
            return self._online_count >= self.config.capacity and self._make_room(missing, keep)

        return self.table.take(count, make_room, self.config.capacity)

    def _make_room(self, missing: int, keep: _Episode) -> bool:
        """Let the oldest episodes go until ``missing`` rows, or a good deal more, are free; False when there are none."""
        wanted, freed, aside = max(missing, self.config.capacity // 64), 0, []
        leaves = np.zeros(len(self.table), bool)
        while self._order and freed < wanted:
            id_ = self._order.popleft()
            episode = self._episodes[id_]
            if episode is keep or not episode.complete:
                aside.append(id_)
                continue
            rows = episode.rows if episode.last_row < 0 else np.append(episode.rows, episode.last_row)
            leaves[rows] = True
            gone = self._thin(id_, episode, rows)
            self.table.give_back(gone)
            freed += len(gone)
        self._order.extendleft(reversed(aside))
        current = self._online[: self._online_count]
        left = current[~leaves[current]]
        self._online[: len(left)] = left
        self._online_count = len(left)
        return freed > 0

    def _thin(self, id_: int, episode: _Episode, rows: np.ndarray) -> np.ndarray:
        """Forget an episode but for its segments and what they are learned with; returns the rows that are free now."""
        t, stays = self.table.t[episode.rows], np.full(len(episode.rows), id_ in self._own)
        for number in self._of_episode.get(id_, ()):
            segment = self._segments[number]  # trims only move its ends inward
            if segment.stop > segment.start:
                stays |= (t >= segment.start - self._before_demos) & (t < segment.stop + self._after_demos)
        if not stays.any():
            del self._episodes[id_]
            return rows
        if episode.last_row >= 0:
            if not stays[-1]:
                episode.last_row = -1
            stays = np.append(stays, stays[-1])
        kept, gone = rows[stays], rows[~stays]
        lost = kept[np.isin(self.table.next[kept], gone)]
        # Where the episode terminated nothing is bootstrapped: any row will do.
        self.table.next[lost] = np.where(self.table.array[lost, self.table.discount] == 0, lost, -1)
        if self.chains is not None:
            self.chains.forget(rows, kept, gone)
        episode.rows = kept if episode.last_row < 0 else kept[:-1]
        episode.ready = len(episode.rows)
        return gone

    # Demos

    def _resolve(self, id_: int) -> bool:
        """Find the rows of a segment anew; returns whether they, or their weight, are others than before."""
        segment = self._segments[id_]
        standing, episode = self.rule.judge(segment), self._episodes.get(segment.episode_id)
        part = None
        if standing.counts and episode is not None:
            rows = episode.rows[: episode.ready]
            low, high = np.searchsorted(
                self.table.t[rows], (segment.start + segment.trim_start, segment.stop - segment.trim_stop)
            )
            rows = rows[low:high]
            rows = rows[(self.table.driver[rows] == HUMAN) & (self.table.next[rows] >= 0)]
            part = (segment.kind, standing.weight, rows) if len(rows) else None
        old = self._parts.get(id_)
        if part is None:
            return self._parts.pop(id_, None) is not None
        self._parts[id_] = part
        return old is None or part[1] != old[1] or not np.array_equal(part[2], old[2])

    def _put_in_force(self, changed: set[int]) -> None:
        """Let what counts now be drawn and cloned, and nothing else; ``changed``: the episodes in which that is news."""
        # In the order of their numbers, so that the same store gives the same draws however it came.
        self.demo.rebuild([self._parts[id_] for id_ in sorted(self._parts) if self._parts[id_][1] > 0])
        if self.chains is not None:
            self.chains.mark_demos(self.demo.slots.numpy())
        for id_ in changed:
            episode = self._episodes.get(id_)
            if episode is None:
                continue
            self.table.array[episode.rows, self.table.cloned] = False
            for part in (-id_, *self._of_episode.get(id_, ())):
                if part in self._parts:
                    self.table.array[self._parts[part][2], self.table.cloned] = True
            self.table.changed(episode.rows)

    def _take_up_own(self, touched: set[int]) -> set[int]:
        """Look for finishes without help among these episodes; returns those that now are, or no longer are, among the best."""
        before = set(self._own)
        for id_ in touched:
            episode = self._episodes.get(id_)
            if episode is None or not episode.complete or episode.ready < len(episode.rows) or episode.record is None:
                continue
            record, rows = episode.record, episode.rows
            if record.purpose == "drive" and record.reason == "finish" and not (self.table.driver[rows] == HUMAN).any():
                self._own.offer(id_, float(self.table.raw[rows].sum()), self._tracks.get(record.session_id, ""))
        now = set(self._own)
        for id_ in before - now:  # it may give way again
            self._parts.pop(-id_, None)
            if id_ not in self._order:
                self._order.appendleft(id_)
        for id_ in now - before:
            episode = self._episodes[id_]
            rows = episode.rows[: episode.ready]
            if self.config.own_priority > 0:
                self._parts[-id_] = ("own", self.config.own_priority, rows[self.table.next[rows] >= 0])
        return now ^ before

    # Drawing

    def demo_count(self, batch_size: int, generator: torch.Generator | None = None, length: int = 1) -> int:
        """Return how many rows of a batch come from the demos; ``length``: steps that come with each, itself included."""
        return demo_count(self.config, self._online_count, self.demo.rows, batch_size, generator, length)

    def demo_sampling_weight(self) -> float:
        """Return the weight of a demo step in force (``one_replay``), as the reference recipe logs it."""
        return one_replay_weight(self.config, self._online_count + self.demo.rows)

    def sample(self, batch_size: int, generator: torch.Generator | None = None) -> Batch:
        """Return one batch. Raises ValueError when there is nothing to draw from."""
        return self.sample_many(1, batch_size, generator)[0]

    def sample_many(self, count: int, batch_size: int, generator: torch.Generator | None = None) -> list[Batch]:
        """Return ``count`` batches drawn at once, each with its own share of demos (first online rows, then demos)."""
        if self.chains is not None:
            return self._sample_sequences(count, batch_size, generator)
        demos = self.demo_count(batch_size, generator)
        online = batch_size - demos
        self.drawn += count * batch_size
        self.drawn_demo += count * demos
        return self.table.batches(self.draw_rows(count, online, demos, generator), online)

    def _sample_sequences(self, count: int, batch_size: int, generator: torch.Generator | None) -> list[Batch]:
        """Return ``count`` batches of ``batch_size`` / ``sequence`` sequences each, first online ones, then demos."""
        length = self.config.sequence
        number = max(2, batch_size // length)
        demos = self.demo_count(number, generator, length)
        anchors = self.draw_rows(count, number - demos, demos, generator, length).numpy()
        offsets = torch.randint(length, (count, number), generator=generator).numpy()
        self.drawn += count * number * length
        self.drawn_demo += count * demos * length
        return [
            sequence_batch(self.table, self.config, a, o, number - demos) for a, o in zip(anchors, offsets, strict=True)
        ]

    def draw_rows(
        self, count: int, online: int, demos: int, generator: torch.Generator | None = None, length: int = 1
    ) -> torch.Tensor:
        """Return (count, online + demos) rows, int64; ``length``: steps that come with each, itself included.

        Raises ValueError when there is nothing to draw from.
        """
        if online and not self._online_count:
            raise ValueError("there is nothing to draw from yet")
        parts = []
        if online:
            # 2^53 steps of resolution: no visible bias at ten million rows.
            u = torch.rand((count, online), generator=generator, dtype=torch.float64)
            held, fresh = self._online_count, round(online * self.config.recent_fraction)
            at = u.mul_(held).to(torch.int64)
            if fresh and held > self.config.recent_steps:
                newest = u[:, :fresh].mul_(self.config.recent_steps / held).to(torch.int64)
                at[:, :fresh] = newest + (held - self.config.recent_steps)
            parts.append(self._online_tensor[at])
        if demos:
            floor = takeover_floor(self.config, self.demo.kinds.get("takeover", 0), demos, online + demos, length)
            parts.append(self.demo.draw((count, demos), generator, floor))
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

__all__ = ["AGENT", "HUMAN", "Replay"]
