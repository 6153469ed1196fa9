"""The rows of the replay: a step each (or what was seen after an episode's last), and reading batches of them.

What follows a row is a pointer to another row, so rows need not lie side by side, and nothing is ever read from a neighbouring
slot that belongs to something else. Rows that are given back are used again.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from data.reading.update import Update
from trainer.config import TrainConfig
from trainer.replay.batch import Batch, Sight, beside
from trainer.replay.chains import Chains
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
        o, a = observation_size - picture, action_size
        self.numbers, self.action = o, slice(o, o + a)
        self.past = PastActions(observation_size, a, device, picture)
        self._pair, self._proposed = slice(0, o + a), slice(o + a, o + 2 * a)
        self.reward, self.discount, self.human, self.takeover, self.before, self.cloned, self.helped, self.width = range(
            o + 2 * a, o + 2 * a + 8
        )
        """Columns."""
        self.answer = slice(self.width, self.width + a) if config.hand_delay_s or config.taught else self.action
        """What is cloned (``hand_delay_s``, ``frozen_teaches``)."""
        self.width = max(self.width, self.answer.stop)
        self.floor = self.width
        """The column of what was earned from here to the episode's end (``frozen_teaches``); -inf where it has no end."""
        self.width += config.taught
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

        values = torch.zeros((size, self.width))
        if size and getattr(self, "values", None) is not None:
            values[: len(self.values)] = self.values
        self.values: torch.Tensor = values
        self.array: np.ndarray = values.numpy()
        """The same memory as ``values``, (R, width)."""
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
            actions = self.action.stop - self.action.start
            self.lesson = grown("lesson", math.nan, np.float32, (actions,))
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

    def write(self, rows: np.ndarray, steps: Update, part: slice, before: np.ndarray) -> None:
        """Write new steps of an episode, behind its rows ``before``."""
        o = self.numbers
        last, tail = int(before[-1]) if len(before) else -1, before[-REACH:]
        if self.past.looks:
            self.past.note(
                np.concatenate((self.array[tail, :o], steps.observation[part, :o])),
                np.concatenate((self.array[tail, self.action], steps.executed[part])),
                np.concatenate((self.t[tail], steps.t[part])),
                len(tail),
            )
        new = np.zeros((len(rows), self.width), np.float32)
        new[:, :o] = steps.observation[part, :o]
        new[:, self.action] = steps.executed[part]
        new[:, self._proposed] = steps.proposed[part]
        new[:, self.answer] = steps.executed[part]
        if self._taught:
            new[:, self.floor], self.lesson[rows] = -math.inf, math.nan
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
        at = np.array([row])
        self.array[row, : self.numbers] = observation[: self.numbers]
        self.progress[row] = math.nan
        self.changed(at)
        if self.pixels is not None:
            self.pixels.write(at, observation[None, self.numbers :])

    def changed(self, rows: np.ndarray) -> None:
        """Say that columns or pointers of these rows are others than before."""
        if self.device_copy is not None:
            self.device_copy.note(rows)

    # Reading

    def seen(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the observations (n, O) of rows (n,)."""
        seen = self.values.index_select(0, rows)[:, : self.numbers]
        return seen if self.pixels is None else torch.cat((seen, self.pixels.read(rows, seen.device)), 1)

    def executed(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the executed actions (n, A) of rows (n,)."""
        return self.values.index_select(0, rows)[:, self.action]

    def follow(self) -> None:
        """Bring what has changed to the device that batches go to."""
        if self.device_copy is not None:
            self.device_copy.catch_up(self.values, self._next_tensor)

    def batches(self, rows: torch.Tensor, online: float | torch.Tensor) -> list[Batch]:
        """Return a batch for each of ``rows`` (C, B), the first ``online`` of each drawn for the online half."""
        count, size = rows.shape
        rows = rows.view(-1)
        if self.device_copy is not None:
            self.follow()
            data, following = self.device_copy.read(rows)
        else:
            data = self.values.index_select(0, rows).to(self.device)
            following = self.values.index_select(0, self._next_tensor.index_select(0, rows)).to(self.device)
        pair, then = data[:, self._pair], following[:, : self.numbers]
        if self.pixels is not None:
            then = torch.cat((then, self.pixels.read(self._next_tensor.index_select(0, rows), self.device)), 1)
            picture = self.pixels.read(rows, self.device)
            pair = torch.cat((pair[:, : self.numbers], picture, pair[:, self.numbers :]), 1)
        is_demo = torch.arange(size, device=self.device) >= online
        flags = data[:, self.human :] > 0.5
        result = []
        for i in range(count):
            part = slice(i * size, (i + 1) * size)
            seen = pair[part, : self.observation_size]
            batch = self._batch(data[part], flags[part], seen, pair[part], then[part], is_demo)
            if self._frozen_agent:
                batch.helped, batch.next_helped = flags[part, 4], following[part, self.helped] > 0.5
                batch.next_action = following[part, self.action]
            if self._taught:
                batch.floor = data[part, self.floor]
            result.append(batch)
        return result

    def remembered(self, rows: torch.Tensor, online: int, now: Sight, then: Sight) -> Batch:
        """Return the batch of rows (n,), the first ``online`` of them online, whose observations are steps with their past."""
        data = self.values.index_select(0, rows).to(self.device)
        is_demo = torch.arange(len(rows), device=self.device) >= online
        pair = beside(now, data[:, self.action])
        return self._batch(data, data[:, self.human :] > 0.5, now, pair, then, is_demo)

    def _batch(
        self, data: torch.Tensor, flags: torch.Tensor, now: Sight, pair: Sight, then: Sight, is_demo: torch.Tensor
    ) -> Batch:
        return Batch(
            pair=pair,
            observation=now,
            action=data[:, self.action],
            proposed=data[:, self._proposed],
            reward=data[:, self.reward],
            discount=data[:, self.discount],
            next_observation=then,
            human=flags[:, 0],
            takeover=flags[:, 1],
            before_takeover=flags[:, 2],
            cloned=flags[:, 3],
            demo=is_demo,
            answer=data[:, self.answer],
            past_actions=self.past.columns,
        )
