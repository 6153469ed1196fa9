"""What is a demo: the segments that count, and the best of the agent's own drives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from data.demos import DemoRule
from data.records import HUMAN, SegmentRecord
from trainer.config import TrainConfig
from trainer.replay.episodes import Episode
from trainer.replay.halves.gates import Gates
from trainer.replay.halves.sampling import DemoTable, Part, balanced
from trainer.replay.rows import RowTable

FINISH = "finish"
"""Why an episode ended, where its track was driven to the end."""
OWN = "own"
"""Kind of a demo that is the agent's own drive: a finish, or the way to its farthest point."""
Key = tuple[bool, int]
"""Of a part: whether it is the agent's own drive, and the number of its episode, else of its segment."""
PREFIX_CUT_S = 3.0
"""Seconds before the farthest point of an unfinished drive that are not held on to: there the mistake lies."""


class OwnDrives:
    """The ``count`` newest episodes of each track, or those with the highest returns, in whatever order they are offered."""

    def __init__(self, count: int, kept: str = "best") -> None:
        """``kept``: ``newest`` or ``best``."""
        self.count, self._newest = count, kept == "newest"
        self._tracks: dict[str, list[tuple[float, int]]] = {}

    def offer(self, id_: int, total: float, track: str) -> None:
        """Take up an episode with the return ``total`` if it is among those; the oldest, or the worst and latest, gives way."""
        kept = self._tracks.setdefault(track, [])
        if all(known != id_ for _, known in kept):
            kept.append((total, id_))
            kept.sort(key=lambda one: (0.0, -one[1]) if self._newest else (-one[0], one[1]))
            del kept[self.count :]

    def drop(self, track: str) -> None:
        """Forget those of a track."""
        self._tracks.pop(track, None)

    def __iter__(self) -> Iterator[int]:
        return (id_ for kept in self._tracks.values() for _, id_ in kept)

    def __contains__(self, id_: object) -> bool:
        return any(known == id_ for known in self)


class Demos:
    """Keeps the demo half, and which rows are cloned, in step with segments, verdicts and finishes."""

    def __init__(self, config: TrainConfig, table: RowTable, before: int, after: int) -> None:
        """``before`` and ``after``: steps around a segment that its own are learned with."""
        self.config, self._table = config, table
        self.rule = DemoRule.of(config.to_dict())
        self.demo_table = DemoTable()
        """What the demo half is drawn from."""
        self.finishes = OwnDrives(config.own_finishes, config.finishes_kept)
        self.prefixes = OwnDrives(config.own_prefixes)
        """The drives that came farthest on tracks without a finish: what is driven well already is held on to."""
        self._finished: set[str] = set()  # tracks
        self.segments: dict[int, SegmentRecord] = {}
        self._of_episode: dict[int, set[int]] = {}
        self._parts: dict[Key, Part] = {}
        """What counts: kind, weight and rows."""
        self._before, self._after = before, after
        self.gates = Gates(config, table) if config.frozen_agent else None
        """Where this agent drives beside a frozen one."""
        self._held_out: frozenset[int] = frozenset()
        """Numbers of laps that are not learned from for a while."""
        self._laps: dict[int, int] = {}
        """Rows of each lap that counted when it was complete, by its number."""

    def take_in(
        self,
        segments: Mapping[int, SegmentRecord],
        touched: set[int],
        episodes: Mapping[int, Episode],
        tracks: Mapping[int, str],
    ) -> list[int]:
        """Take in new or changed segments, and what they and ``touched`` episodes make of the demos.

        ``tracks``: by session. Returns the episodes that were among the own drives kept and no longer are.
        """
        for id_, segment in segments.items():
            self.segments[id_] = segment
            self._of_episode.setdefault(segment.episode_id, set()).add(id_)
        affected = set(segments).union(*(self._of_episode.get(id_, ()) for id_ in touched if id_ in episodes))
        changed = {self.segments[id_].episode_id for id_ in affected if self._resolve(id_, episodes)}
        before = self._own
        if self.finishes.count or self.prefixes.count:
            changed |= self._offer_own(touched, episodes, tracks)
        if changed:
            self._put_in_force()
        if self.gates is not None:
            changed |= self._gated(self.gates, touched, episodes, tracks)
        self._clone(changed, episodes)
        return sorted(before - self._own)

    @property
    def _own(self) -> set[int]:
        """The agent's own drives that are demos."""
        return {*self.finishes, *self.prefixes}

    def _gated(
        self, gates: Gates, touched: set[int], episodes: Mapping[int, Episode], tracks: Mapping[int, str]
    ) -> set[int]:
        """Find out where this agent drives; returns the episodes for which that is news."""
        news = False
        for id_, segment in self.segments.items():
            part, episode = self._parts.get((False, id_)), episodes.get(segment.episode_id)
            if segment.kind != "takeover":
                continue
            if part is None:
                news |= gates.drop(id_)
            elif episode is not None and episode.record is not None:
                track = tracks.get(episode.record.session_id, "")
                news |= gates.note(id_, track, part[2], episode, segment.roadless)
        wanted = dict(episodes) if news else {id_: episodes[id_] for id_ in touched if id_ in episodes}
        gates.mark(wanted, tracks)
        gates.ask(wanted)
        return set(wanted)

    def stays(self, id_: int, episode: Episode) -> np.ndarray:
        """Return which steps of an episode (bool, one for each) demos need, whatever becomes of the others."""
        t, stays = self._table.t[episode.rows], np.full(len(episode.rows), id_ in self._own)
        for number in self._of_episode.get(id_, ()):
            segment = self.segments[number]  # trims only move its ends inward
            if segment.stop > segment.start:
                stays |= (t >= segment.start - self._before) & (t < segment.stop + self._after)
        return stays

    @property
    def lap_count(self) -> int:
        """How many laps are learned from."""
        return sum(kind == "lap" and weight > 0 for kind, weight, _ in self._parts.values())

    def new_laps(self, last: int) -> dict[int, int]:
        """Return the rows of each complete lap that counts and has a number above ``last``."""
        return {id_: rows for id_, rows in self._laps.items() if id_ > last}

    def hold_out(self, laps: Iterable[int], episodes: Mapping[int, Episode]) -> None:
        """Learn from all laps but these."""
        changed, self._held_out = self._held_out.union(laps), frozenset(laps)
        of = {self.segments[id_].episode_id for id_ in changed if self._resolve(id_, episodes)}
        if of:
            self._put_in_force()
            self._clone(of, episodes)

    def held_out(self, episodes: Mapping[int, Episode]) -> np.ndarray:
        """Return the rows of the laps that are held out and count."""
        parts = [(id_, self._part_of(id_, episodes)) for id_ in sorted(self._held_out)]
        answered = (self._answered((False, id_), part) for id_, part in parts if part is not None)
        return np.concatenate([np.empty(0, np.int64), *answered])

    def _resolve(self, id_: int, episodes: Mapping[int, Episode]) -> bool:
        """Find the rows of a segment anew; returns whether they, or their weight, are others than before."""
        part, segment = self._part_of(id_, episodes), self.segments[id_]
        if segment.kind == "lap":
            self._laps.pop(id_, None)
            if part is not None and part[1] > 0 and episodes[segment.episode_id].settled:
                self._laps[id_] = len(part[2])
            part = None if id_ in self._held_out else part
        old = self._parts.pop((False, id_), None)
        if part is None:
            return old is not None
        self._parts[False, id_] = part
        return old is None or part[1] != old[1] or not np.array_equal(part[2], old[2])

    def _part_of(self, id_: int, episodes: Mapping[int, Episode]) -> Part | None:
        """Return the kind, weight and rows of a segment that counts; None of another."""
        segment = self.segments[id_]
        standing, episode = self.rule.judge(segment), episodes.get(segment.episode_id)
        if not standing.counts or episode is None:
            return None
        rows, table = episode.rows[: episode.ready], self._table
        moved = episode.record.moved if episode.record is not None else None
        rows = rows[slice(*np.searchsorted(table.t[rows], self.rule.shown_steps(segment, moved)))]
        shows = (table.driver[rows] == HUMAN) | (segment.kind == "kept")  # what the player kept, the agent itself may have driven
        rows = rows[shows & (table.next[rows] >= 0)]
        return (segment.kind, standing.weight, rows) if len(rows) else None

    def _offer_own(
        self, touched: set[int], episodes: Mapping[int, Episode], tracks: Mapping[int, str]
    ) -> set[int]:
        """Look for drives without help among these episodes; returns those that now are, or no longer are, among those kept."""
        before, table = self._own, self._table
        for id_ in touched:
            episode = episodes.get(id_)
            if episode is None or episode.record is None or not episode.settled:
                continue
            record, rows, track = episode.record, episode.rows, tracks.get(episode.record.session_id, "")
            if record.purpose != "drive" or (table.driver[rows] == HUMAN).any():
                continue
            if record.reason == FINISH:
                self.finishes.offer(id_, float(table.raw[rows].sum()), track)
                self.prefixes.drop(track)
                self._finished.add(track)
            elif track not in self._finished:
                self.prefixes.offer(id_, float(np.cumsum(table.raw[rows]).max(initial=0.0)), track)
        now = self._own
        for id_ in before - now:
            self._parts.pop((True, id_), None)
        for id_ in now - before:
            rows = episodes[id_].rows
            rows = rows if id_ in self.finishes else rows[: self._held_steps(episodes[id_])]
            self._parts[True, id_] = (OWN, 1.0, rows[table.next[rows] >= 0])
        return now ^ before

    def _held_steps(self, episode: Episode) -> int:
        """Return how many steps of an unfinished drive are worth holding on to: until some seconds before its farthest point."""
        earned = np.cumsum(self._table.raw[episode.rows])
        return max(0, int(np.argmax(earned)) - round(PREFIX_CUT_S * episode.hz)) if len(earned) else 0

    def _put_in_force(self) -> None:
        """Let what counts now be drawn, and nothing else."""
        # In an order of their own, so that the same store gives the same draws however it came: the newest own drive first.
        keys = sorted(self._parts, key=lambda key: (not key[0], -key[1] if key[0] else key[1]))
        parts = [self._parts[key] for key in keys if self._parts[key][1] > 0]
        self.demo_table.rebuild(balanced(parts, self.config.kind_fraction))
        table = self._table
        if table.chains is not None:
            table.chains.mark_demos(self.demo_table.slots.numpy())

    def _clone(self, changed: set[int], episodes: Mapping[int, Episode]) -> None:
        """Let what counts now be cloned, and nothing else, in these episodes."""
        table = self._table
        for id_ in changed & episodes.keys():
            rows = episodes[id_].rows
            table.array[rows, table.columns.cloned] = False if self.gates is None else self.gates.teach(id_, rows)
            own = () if self.gates is not None and self.gates.holds_out(id_) else ((True, id_),)
            for key in (*own, *((False, number) for number in self._of_episode.get(id_, ()))):
                if key in self._parts:
                    table.array[self._answered(key, self._parts[key]), table.columns.cloned] = True
            table.changed(rows)

    def _answered(self, key: Key, part: Part) -> np.ndarray:
        """Write down what is cloned in the rows of a part; return those for which it is known.

        A human's answer to what was seen comes later, and the last answers of a segment were never given.
        """
        rows, table = part[2], self._table
        if not self.config.hand_delay_s:
            if self.config.taught:  # its answer may stand there
                table.array[rows, table.columns.answer] = table.array[rows, table.columns.action]
            return rows
        own, number = key
        delay = 0 if own else round(self.config.hand_delay_s * self.segments[number].hz)
        t, human = table.t[rows], table.driver[rows] == HUMAN  # the agent's own, in what was kept and in finishes, are no answers
        later = np.where(human, np.searchsorted(t, t + delay), np.arange(len(rows)))
        known = later < len(rows)
        known[known] = ~human[known] | ((t[later[known]] == t[known] + delay) & human[later[known]])
        table.array[rows[known], table.columns.answer] = table.array[rows[later[known]], table.columns.action]
        return rows[known]
