"""Readers of what was measured over time: histories of training, TrackMania's telemetry."""

# ruff: noqa: PT018 (an assertion is one thing that is asked of an answer)

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzzing.harness import Reader, RefusedError
from tests.fuzzing.mutate import dump_json, finite, mutate_bytes, mutate_text, mutate_value


def _rows(rng: Random) -> list[dict[str, Any]]:
    names = (
        "_step", "losses/loss_critic", "debug/q1", "debug/q1_std", "debug/backup", "run/Run reward", "debug/a1_0",
        "debug/log_pi", "losses/loss_actor", "memory_len", "debug/r", "debug/a1_0_std", "lrs/actor_lr",
    )  # fmt: skip
    return [{n: (i if n == "_step" else rng.gauss(0, 1)) for n in names} for i in range(rng.choice((1, 3, 30, 120)))]


def _make_history(rng: Random) -> bytes:
    rows = _rows(rng)
    if rng.random() < 0.5:
        if rng.random() < 0.5:
            i = rng.randrange(len(rows))
            rows[i] = mutate_value(rng, rows[i])
            return b"\n".join(map(dump_json, rows))
        return mutate_text(rng, "\n".join(json.dumps(row) for row in rows))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return mutate_text(rng, text.getvalue())


def _use_history(data: bytes, folder: Path) -> None:
    from trainer.diagnosis.case import BROKEN, Case
    from trainer.diagnosis.history import read_histories
    from trainer.diagnosis.run import diagnose

    path = folder / "history.csv"
    path.write_bytes(data)
    history = read_histories(path)[0]
    assert len(history) and all(len(c) == len(history) for c in history.columns.values()), (
        "columns of different lengths"
    )
    assert all(c.dtype == np.float64 and np.isfinite(c).any() for c in history.columns.values())
    assert not any(np.isinf(c).any() for c in history.columns.values()), "an infinite number"
    for ours in (False, True):
        report = diagnose([Case(replace(history, ours=ours))])
        assert not (broken := [o.needs for o in report.lacking if o.needs.startswith(BROKEN)]), broken


def _frames(rng: Random, layout: int, n: int) -> bytes:
    rows = np.zeros((n, layout), "<f4")
    x = np.cumsum([rng.uniform(0, 0.5) for _ in range(n)]) if n else np.zeros(0)
    if layout == 11:
        rows[:, 0], rows[:, 2], rows[:, 5], rows[:, 6], rows[:, 9], rows[:, 10] = 20, 100 + x, 0.3, 1, 3, 4000
    else:
        rows[:, 2], rows[:, 3], rows[:, 6], rows[:, 7], rows[:, 12], rows[:, 19] = 20, 100 + x, 0.3, 1, 0.5, 3
    return rows.tobytes()


def _make_telemetry(rng: Random) -> bytes:
    """The first byte is the layout that was asked for, the second seeds how the stream is cut."""
    layout = rng.choice((11, 20))
    data = _frames(rng, layout, rng.choice((0, 3, 10, 60)))
    kind = rng.random()
    if kind < 0.6:
        data = mutate_bytes(rng, data)
    elif kind < 0.75:
        data += _frames(rng, 31 - layout, 20)
    elif kind < 0.85:
        data = rng.randbytes(rng.choice((10, 320, 6000)))
    return bytes((rng.choice((0, 0, layout, 31 - layout)), rng.randrange(256))) + data


def _use_telemetry(data: bytes, folder: Path) -> None:
    from hitl.games.trackmania.frames import Stream

    if len(data) < 2:
        return
    asked, raw, rng = data[0] if data[0] in (11, 20) else 0, data[2:], Random(data[1])
    whole = Stream(asked)
    frames = whole.feed(raw, 1.0)
    cut = Stream(asked)
    pieces: list[Any] = []
    at = 0
    while at < len(raw):
        size = rng.choice((1, 3, 44, 80, 100, 1000))
        pieces += cut.feed(raw[at : at + size], 1.0)
        at += size
    # NaN is not itself: the text of a frame is compared
    assert str(frames) == str(pieces) and (whole.layout, whole.dropped, whole.problem) == (
        cut.layout,
        cut.dropped,
        cut.problem,
    ), "cut"
    for frame in frames:
        assert (
            finite(frame.speed, frame.x, frame.y, frame.z) and abs(frame.steer) <= 1.01 and -0.01 <= frame.gas <= 1.01
        )
        assert frame.brake in (0.0, 1.0)
    if whole.problem:
        raise RefusedError(whole.problem)


READERS = (
    Reader("history", _make_history, _use_history, lambda: b"\n".join(map(dump_json, _rows(Random(3))))),
    Reader("telemetry", _make_telemetry, _use_telemetry, lambda: b"\x00\x01" + _frames(Random(1), 11, 60)),
)
