"""The rows of the replay: a step each (or what was seen after an episode's last), and reading batches of them.

What follows a row is a pointer to another row, so rows need not lie side by side, and nothing is ever read from a neighbouring
slot that belongs to something else. Rows that are given back are used again.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from data.reading.new_steps import NewSteps
from trainer.config import TrainConfig
from trainer.replay.batch import Batch, Sight, beside
from trainer.replay.chains import Chains
from trainer.replay.columns import TableColumns
from trainer.replay.device_copy import DeviceCopy
from trainer.replay.past_actions import REACH, PastActions
from trainer.replay.pixels import Pixels


class RowTable:
    """Observation, actions, return, discount and flags of every row as one float32 table, and what followed each."""

    def __init__(self, observation_size: int, action_size: int, config: TrainConfig, device: torch.device) -> None:
        self.device, self.observation_size = device, observation_size
        picture = math.prod(config.image) if config.image else 0
        self.pixels = Pixels(picture) if picture else None
        """The pictures at the end of observations, which are then not in the table of numbers."""
        self.chains = Chains() if config.network == "recurrent" else None
        plain = self.pixels is None and self.chains is None
        self.device_copy = DeviceCopy(device) if plain and device.type != "cpu" else None
        """The table as it lies on another device; pictures and sequences are drawn here and moved."""
        self.columns = TableColumns.of(observation_size - picture, action_size, config)
        self.past = PastActions(observation_size, action_size, device, picture)
        self._actions = action_size
        self._frozen_agent, self._taught = config.frozen_agent, config.taught
        self._free_from = self._free_count = 0
        self._free: list[np.ndarray] = []
        self.allocate(min(16_384, config.capacity + 2048))

    def __len__(self) -> int:
        """Return how many rows there is room for."""
        return self.values.shape[0]

    @property
    def row_bytes(self) -> int:
        """Bytes of memory that a row takes."""
        parts = (self.values, self.next, self.raw, self.driver, self.terminated, self.t, self.progress)
        plain = sum(part[:1].nbytes for part in parts) + (self.lesson[:1].nbytes if self._taught else 0)
        return plain + (self.pixels.size if self.pixels is not None else 0) + (Chains.ROW_BYTES if self.chains is not None else 0)

    def allocate(self, size: int) -> None:
        """Make room for so many rows."""

        def grown(name: str, fill: float, kind: type, shape: tuple[int, ...] = ()) -> np.ndarray:
            array: np.ndarray = np.full((size, *shape), fill, kind)
            old = getattr(self, name, None)
            if old is not None:
                array[: len(old)] = old
            return array

        values = torch.zeros((size, self.columns.width))
        if size and getattr(self, "values", None) is not None:
            values[: len(self.values)] = self.values
        self.values: torch.Tensor = values
        self.array: np.ndarray = values.numpy()
        """The same memory as ``values``, (R, W): the ``columns``."""
        self.next = grown("next", -1, np.int64)
        """(R,) row that the return bootstraps at; -1: not to be drawn."""
        self.raw = grown("raw", 0, np.float32)
        """(R,) reward of the step itself."""
        self.driver = grown("driver", 0, np.uint8)
        self.terminated = grown("terminated", 0, np.bool_)
        self.t = grown("t", 0, np.int64)
        self.progress = grown("progress", math.nan, np.float32)
        """(R,) metres along the line; NaN where that is not known."""
        if self._taught:
            self.lesson = grown("lesson", math.nan, np.float32, (self._actions,))
            """(R, A) what the agent that teaches does here; NaN where it was not asked."""
        for part in (self.pixels, self.chains):
            if part is not None:
                part.allocate(size)
        self._next_tensor = torch.from_numpy(self.next)

    # Rows in use

    def take(self, count: int, make_room: Callable[[int], bool], most: int) -> np.ndarray:
        """Return free rows.

        ``make_room`` is asked to give back as many as are missing; when it cannot, the table grows: twofold up to ``most`` rows,
        by a sixteenth beyond.
        """
        while (missing := count - self._free_count - len(self) + self._free_from) > 0:
            if make_room(missing):
                continue
            size = len(self)
            self.allocate(max(2 * size if size < most else size + size // 16, size + missing))
        parts = []
        while count and self._free:
            block = self._free.pop()
            used, rest = block[:count], block[count:]
            if len(rest):
                self._free.append(rest)
            parts.append(used)
            count -= len(used)
            self._free_count -= len(used)
        parts.append(np.arange(self._free_from, self._free_from + count))
        self._free_from += count
        return np.concatenate(parts)

    def give_back(self, rows: np.ndarray) -> None:
        """Say that these rows are in use no more."""
        if len(rows):
            self._free.append(rows)
            self._free_count += len(rows)

    # Writing

    def write(self, rows: np.ndarray, steps: NewSteps, part: slice, before: np.ndarray) -> None:
        """Write new steps of an episode, behind its rows ``before``."""
        c, o = self.columns, self.columns.observation.stop
        last, tail = int(before[-1]) if len(before) else -1, before[-REACH:]
        if self.past.looks:
            self.past.note(
                np.concatenate((self.array[tail, :o], steps.observation[part, :o])),
                np.concatenate((self.array[tail, c.action], steps.executed[part])),
                np.concatenate((self.t[tail], steps.t[part])),
                len(tail),
            )
        new = np.zeros((len(rows), c.width), np.float32)
        new[:, :o] = steps.observation[part, :o]
        new[:, c.action] = steps.executed[part]
        new[:, c.proposed] = steps.proposed[part]
        new[:, c.answer] = steps.executed[part]
        if self._taught:
            new[:, c.return_bound], self.lesson[rows] = -math.inf, math.nan
        self.array[rows] = new
        self.raw[rows] = steps.reward[part]
        self.driver[rows] = steps.driver[part]
        self.terminated[rows] = steps.terminated[part]
        self.t[rows] = steps.t[part]
        self.progress[rows] = steps.progress[part]
        self.changed(rows)
        if self.pixels is not None:
            self.pixels.write(rows, steps.observation[part, o:])
        if self.chains is not None:
            self.chains.add(rows, self.t[rows], last, int(self.t[last]))

    def write_last(self, row: int, observation: np.ndarray) -> None:
        """Write what was seen after an episode's last step (O,)."""
        at, o = np.array([row]), self.columns.observation.stop
        self.array[row, :o] = observation[:o]
        self.progress[row] = math.nan
        self.changed(at)
        if self.pixels is not None:
            self.pixels.write(at, observation[None, o:])

    def changed(self, rows: np.ndarray) -> None:
        """Say that columns or pointers of these rows are others than before."""
        if self.device_copy is not None:
            self.device_copy.note(rows)

    # Reading

    def seen(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the observations (n, O) of rows (n,)."""
        seen = self.values.index_select(0, rows)[:, self.columns.observation]
        return seen if self.pixels is None else torch.cat((seen, self.pixels.read(rows, seen.device)), 1)

    def executed(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the executed actions (n, A) of rows (n,)."""
        return self.values.index_select(0, rows)[:, self.columns.action]

    def follow(self) -> None:
        """Bring what has changed to the device that batches go to."""
        if self.device_copy is not None:
            self.device_copy.catch_up(self.values, self._next_tensor)

    def batches(self, rows: torch.Tensor, online: float | torch.Tensor) -> list[Batch]:
        """Return a batch for each of ``rows`` (C, B), the first ``online`` of each drawn for the online half."""
        (count, size), c = rows.shape, self.columns
        rows = rows.view(-1)
        if self.device_copy is not None:
            self.follow()
            data, following = self.device_copy.read(rows)
        else:
            data = self.values.index_select(0, rows).to(self.device)
            following = self.values.index_select(0, self._next_tensor.index_select(0, rows)).to(self.device)
        pair, then = data[:, c.pair], following[:, c.observation]
        if self.pixels is not None:
            then = torch.cat((then, self.pixels.read(self._next_tensor.index_select(0, rows), self.device)), 1)
            picture = self.pixels.read(rows, self.device)
            pair = torch.cat((data[:, c.observation], picture, data[:, c.action]), 1)
        is_demo = torch.arange(size, device=self.device) >= online
        flags = data[:, c.flags] > 0.5
        result = []
        for i in range(count):
            part = slice(i * size, (i + 1) * size)
            seen = pair[part, : self.observation_size]
            batch = self._batch(data[part], flags[part], seen, pair[part], then[part], is_demo)
            if self._frozen_agent:
                batch.helped, batch.next_helped = flags[part, c.helped - c.flags.start], following[part, c.helped] > 0.5
                batch.next_action = following[part, c.action]
            if self._taught:
                batch.return_bound = data[part, c.return_bound]
            result.append(batch)
        return result

    def remembered(self, rows: torch.Tensor, online: int, now: Sight, then: Sight) -> Batch:
        """Return the batch of rows (n,), the first ``online`` of them online, whose observations are steps with their past."""
        data = self.values.index_select(0, rows).to(self.device)
        is_demo = torch.arange(len(rows), device=self.device) >= online
        pair = beside(now, data[:, self.columns.action])
        return self._batch(data, data[:, self.columns.flags] > 0.5, now, pair, then, is_demo)

    def _batch(
        self, data: torch.Tensor, flags: torch.Tensor, now: Sight, pair: Sight, then: Sight, is_demo: torch.Tensor
    ) -> Batch:
        c, first = self.columns, self.columns.flags.start
        return Batch(
            pair=pair,
            observation=now,
            action=data[:, c.action],
            proposed=data[:, c.proposed],
            reward=data[:, c.reward],
            discount=data[:, c.discount],
            next_observation=then,
            human=flags[:, c.human - first],
            takeover=flags[:, c.takeover - first],
            before_takeover=flags[:, c.before_takeover - first],
            cloned=flags[:, c.cloned - first],
            demo=is_demo,
            answer=data[:, c.answer],
            past_actions=self.past.columns,
        )
