"""Symmetric batches as a torch dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from data.numbers import whole
from data.store import Store
from hitl.scripting.replay import SymmetricReplay
from hitl.scripting.store import store_file
from trainer.config import TrainConfig
from trainer.replay.batch import Batch

TensorRow = dict[str, Tensor]


def as_row(batch: Batch) -> TensorRow:
    """Return a batch as named tensors."""
    assert isinstance(batch.observation, Tensor)
    assert isinstance(batch.next_observation, Tensor)
    return {
        "observation": batch.observation, "action": batch.action, "proposed": batch.proposed, "reward": batch.reward,
        "discount": batch.discount, "next_observation": batch.next_observation, "human": batch.human, "demo": batch.demo,
    }  # fmt: skip


class SymmetricDataset(IterableDataset[TensorRow]):
    """Endless batches, half online and half demos, for ``DataLoader(dataset, batch_size=None)``.

    Each is a dictionary of tensors: ``observation`` and ``next_observation`` (B, O), ``action`` and ``proposed`` (B, A) in
    [-1, 1], ``reward`` (B,), the discounted sum of the next steps; ``discount`` (B,), gamma to their number, 0 where the episode
    terminated; ``human`` and ``demo`` (B,) bool. What is new in the store is taken in every ``poll_every`` batches. Each worker
    opens the store for itself and draws its own.
    """

    def __init__(
        self,
        store: str | Path | Store,
        config: TrainConfig | str | None = None,
        *,
        batch_size: int | None = None,
        poll_every: int = 100,
        **settings: Any,
    ) -> None:
        """``store``, ``config`` and ``settings``: as for :class:`hitl.SymmetricReplay`; ``batch_size`` None: as set."""
        super().__init__()
        self._file, self._config, self._settings = store_file(store), config, settings
        self._batch_size = None if batch_size is None else whole("batch_size", batch_size)
        self._poll_every = whole("poll_every", poll_every)

    def __iter__(self) -> Iterator[TensorRow]:
        """Yield batches. Raises UsageError while nothing was driven."""
        worker = get_worker_info()
        with SymmetricReplay(self._file, self._config, **self._settings) as replay:
            if worker is not None:
                replay.draw_as(worker.id)
            while True:
                for _ in range(self._poll_every):
                    yield as_row(replay.sample(self._batch_size))
                replay.poll()
