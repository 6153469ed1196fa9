"""Updates that never leave the device: rows are drawn and read there, and all that changes from one to the next lies there, too.

So a whole update can be recorded once as a CUDA graph and then be replayed: the processor writes a few numbers and says go,
instead of starting a hundred small steps one by one. What must not be recorded is in ``Learner.advance`` and ``DeviceDraw``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from data.errors import shown
from trainer.learner.learner import Learner
from trainer.learner.parts import random_stream
from trainer.learner.schedule import Scalars, UpdateKind, UpdateStep
from trainer.replay.batch import Batch
from trainer.replay.replay import Replay
from trainer.updates.device_draw import DeviceDraw, DrawNumbers

TOGETHER = 8
"""Updates that one launch makes at most."""
_DRAW, _EACH = len(DrawNumbers._fields), len(Scalars._fields)

Kinds = tuple[UpdateKind, ...]
Record = Callable[[Callable[[], None], list[torch.Generator]], Callable[[], None]]
"""Takes work and the random streams that it uses; returns what does it again."""


class DeviceUpdates:
    """Draws and learns on the device of ``learner``, whose table of rows is there, too.

    ``record``: makes a graph of work that has been done before; None where all is done step by step.
    """

    def __init__(self, learner: Learner, replay: Replay, generator: torch.Generator, record: Record | None) -> None:
        """``generator``, of the CPU, seeds the stream that rows are drawn by."""
        self.learner, self.replay, self._record = learner, replay, record
        self._table, device = replay.table, learner.device
        self._batch_size = learner.config.batch_size
        self._draw = DeviceDraw(replay, device)
        self._host_generator = generator
        seed = int(torch.randint(2**62, (), generator=generator))
        self._generator = random_stream(seed, device)
        self._numbers = torch.zeros(_DRAW + TOGETHER * _EACH, dtype=torch.float64, device=device)
        """``DrawNumbers``, then the ``Scalars`` of each update."""
        self._rows = torch.zeros((TOGETHER, self._batch_size), dtype=torch.int64, device=device)
        """The rows that were drawn last."""
        self._metrics: dict[str, Tensor | float] = {}
        """Where the metrics of every update that is looked at closely are written to."""
        self._done: set[UpdateKind] = set()
        self._graphs: dict[Kinds, Callable[[], None]] = {}
        self._recorded_for: tuple[object, object, bool] = None, None, False
        self._on_its_way: list[torch.cuda.Event] = []
        self.trouble = ""
        """See ``trainer.updates.updates.Updates``."""
        self.drawing_s = 0.0

    def make(self, count: int) -> None:
        """See ``trainer.updates.updates.Updates``."""
        if not self.replay.online.count and not self.replay.demo_table.rows:
            raise ValueError("there is nothing to draw from yet")
        self._catch_up()
        while count:
            steps = [self.learner.advance() for _ in range(min(count, TOGETHER))]
            count -= len(steps)
            looks = any(step.kind.detailed for step in steps)
            # Few kinds of launches, so that few are recorded: a full one without a close look, and single ones.
            for part in [steps] if len(steps) == TOGETHER and not looks else [[step] for step in steps]:
                self._launch(part)

    def newest_batch(self) -> Batch | None:
        """See ``trainer.updates.updates.Updates``."""
        if not self._done:
            return None
        online = self._numbers[0]
        return self._table.batches(self._rows[:1], online)[0]

    def _catch_up(self) -> None:
        """Bring over what is new in the replay; recorded work that reads where it no longer lies is dropped."""
        copy = self._table.device_copy
        assert copy is not None
        self._table.follow()
        now = copy.table, self._table.past.columns, self.learner.drives_everywhere
        if self._draw.catch_up() or any(new is not old for new, old in zip(now, self._recorded_for, strict=True)):
            if self._graphs and self.learner.device.type == "cuda":
                torch.cuda.synchronize(self.learner.device)  # one of them may be under way
            self._graphs.clear()
            self._recorded_for = now

    def _launch(self, steps: Sequence[UpdateStep]) -> None:
        replay, size = self.replay, self._batch_size
        demos = replay.drawn_now(len(steps), size, self._host_generator)
        numbers = [*self._draw.numbers(size, demos), *(x for step in steps for x in step.scalars)]
        self._upload([float(x) for x in numbers])
        kinds = tuple(step.kind for step in steps)
        again = self._graphs.get(kinds) or self._recorded(kinds)
        if again is not None:
            again()
        else:
            self._aside(lambda: self._work(kinds))
            self._done.update(kinds)
        if any(kind.detailed for kind in kinds):
            self.learner.update_metrics.values = dict(self._metrics)
        self._wait_for_the_one_before()

    def _work(self, kinds: Kinds) -> None:
        """Draw and learn: what is recorded."""
        numbers, count = self._numbers, len(kinds)
        draw = DrawNumbers(*numbers[:_DRAW].unbind())
        u = torch.rand((count, self._batch_size), generator=self._generator, dtype=torch.float64, device=self.learner.device)
        rows = self._draw.rows(u, draw, self._rows[:count])
        scalars = numbers[_DRAW : _DRAW + count * _EACH].float().view(count, _EACH)
        for batch, kind, values in zip(self._table.batches(rows, numbers[0]), kinds, scalars, strict=True):
            self.learner.learn(batch, UpdateStep(kind, Scalars(*values.unbind())))
            if kind.detailed:
                self._keep(self.learner.update_metrics.values)

    def _keep(self, found: dict[str, Tensor | float]) -> None:
        """Write metrics to where they always are."""
        for name, value in found.items():
            if not isinstance(value, Tensor):
                self._metrics[name] = value
            elif isinstance(there := self._metrics.get(name), Tensor):
                if there is not value:
                    there.copy_(value)
            else:
                self._metrics[name] = value.clone()

    def _recorded(self, kinds: Kinds) -> Callable[[], None] | None:
        """Return a graph of this work, made now; None where it must first be done once, or cannot be recorded."""
        if self._record is None or not self._done.issuperset(kinds):
            return None
        learner = self.learner
        streams = [self._generator, learner.generator]
        states = [stream.get_state() for stream in streams]
        noted, learner.update_metrics.values = learner.update_metrics.values, {}
        try:
            self._graphs[kinds] = self._record(lambda: self._work(kinds), streams)
        except Exception as error:  # of a driver, of an operation that cannot be recorded
            self._record = None
            self._graphs.clear()
            self._generator, learner.generator = (_stream_at(state, learner.device) for state in states)
            self.trouble = f"Updates are started one by one, which is slower: CUDA graphs fail here ({shown(error, 80)})."
        learner.update_metrics.values = noted
        return self._graphs.get(kinds)

    # What only a GPU needs

    def _upload(self, numbers: list[float]) -> None:
        values = torch.tensor(numbers, dtype=torch.float64)
        if self.learner.device.type == "cuda":
            values = values.pin_memory()  # else the processor would wait for what runs there
        self._numbers[: len(numbers)].copy_(values, non_blocking=True)

    def _aside(self, work: Callable[[], None]) -> None:
        """Do work on a stream of its own, as what is recorded later must have been done before."""
        if self.learner.device.type != "cuda":
            work()
            return
        aside, here = torch.cuda.Stream(self.learner.device), torch.cuda.current_stream(self.learner.device)
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            work()
        here.wait_stream(aside)

    def _wait_for_the_one_before(self) -> None:
        """Let one launch be under way while the next is made ready, and no more: what has been counted is then nearly done."""
        if self.learner.device.type == "cuda":
            event = torch.cuda.Event(blocking=True)
            event.record()
            self._on_its_way.append(event)
            if len(self._on_its_way) > 2:
                self._on_its_way.pop(0).synchronize()


def _stream_at(state: Tensor, device: torch.device) -> torch.Generator:
    """Return a new random stream that goes on from there: one that recording has left half way gives no more numbers."""
    stream = torch.Generator(device=device)
    stream.set_state(state)
    return stream


class CudaGraphs:
    """Records work as CUDA graphs, which share their memory: they never run at once, and what they leave lies outside of it."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], None], streams: list[torch.Generator]) -> Callable[[], None]:
        """Record work that has been done before; return what does it again. Raises RuntimeError where that cannot be."""
        graph = torch.cuda.CUDAGraph()
        if register := getattr(graph, "register_generator_state", None):  # newer versions of torch see for themselves
            for stream in streams:
                register(stream)
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            work()
        return graph.replay
