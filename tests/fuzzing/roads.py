"""Readers of roads: tracks, lines, and the reward file of a map."""

# ruff: noqa: PT018 (an assertion is one thing that is asked of an answer)

from __future__ import annotations

import csv
import functools
import io
import pickle
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzzing.harness import Reader
from tests.fuzzing.mutate import dump_odd, finite, mutate_bytes, mutate_text, mutate_value, odd_array
from tests.fuzzing.pickles import hostile


def check_track(track: Any) -> None:
    """A road that can be driven: a finite line of even steps, corners on it, places found again."""
    from hitl.diagnosis.roads import facts

    line = track.line
    n = len(line.points)
    assert (
        n >= 2 and line.points.shape == (n, 2) and len(line.headings) == len(line.curvatures) == n
    )
    assert finite(line.points, line.headings, line.curvatures, line.length, line.spacing), "not finite"
    assert (
        0 < line.length <= 100_001
        and line.spacing > 0
        and abs(line.spacing * (n - 1) - line.length) < 1e-6 * line.length + 1e-9
    )
    steps = np.hypot(*np.diff(line.points, axis=0).T)
    assert (steps <= line.spacing * 1.000001 + 1e-9).all(), "a chord is longer than its arc"
    assert 0.5 <= track.half_width <= 500
    assert isinstance(track.name, str)
    assert all(0 <= c.from_m <= c.to_m <= line.length + 1e-6 for c in track.corners), "a corner off the line"
    assert len({c.name for c in track.corners}) == len(track.corners), "two corners of one name"
    for s in (0.0, line.length / 3, line.length):
        x, y, _ = line.at(s)
        place = line.locate(x, y, s)
        assert finite(place) and abs(place.offset) <= line.spacing * 1.01, "a place on the line is not found"
    road = facts(track)
    assert finite(road.length_m, road.top_speed) and all(v >= 0 for v in road.corner_seconds.values())


def _track(suffix: str):
    def use(data: bytes, folder: Path) -> None:
        from hitl.diagnosis.roads import line_facts
        from hitl.road.track import load_track

        path = folder / f"road.{suffix}"
        path.write_bytes(data)
        road = line_facts(path)
        assert finite(road.length_m, road.spacing_m, road.artefact_m)
        check_track(load_track(path))

    return use


@functools.cache
def _tomls() -> list[str]:
    return [
        f.read_text()
        for f in sorted(resources.files("hitl").joinpath("tracks").iterdir(), key=str)
        if f.name.endswith(".toml")
    ]


def _make_toml(rng: Random) -> bytes:
    if rng.random() < 0.6:
        return mutate_text(rng, rng.choice(_tomls()))
    numbers = (
        "8", "80.5", "-9", "0", "nan", "inf", "1e300", "1e-300", "9e9", "true", "'a'", "[]", "1979-05-27", "360000",
        "1e5",
    )  # fmt: skip

    def segment() -> str:
        keys = rng.choice((("straight",), ("radius", "angle"), ("radius",), ("angle", "straight"), ()))
        cells = [
            f"{k} = {rng.choice(numbers) if rng.random() < 0.4 else round(rng.uniform(-200, 200), 2)}" for k in keys
        ]
        if rng.random() < 0.3:
            cells.append(f"corner = {rng.choice(('1', repr('a'), repr('b'), repr(''), '[]'))}")
        return "{" + ", ".join(cells) + "}"

    lines = [f"name = {rng.choice((repr('x'), '3', repr('')))}", f"width = {rng.choice((*numbers, '9', '12', '7.5'))}"]
    lines.append("segments = [" + ", ".join(segment() for _ in range(rng.randrange(12))) + "]")
    return "\n".join(line for line in lines if rng.random() < 0.95).encode()


def _points(rng: Random, columns: int) -> list[list[float]]:
    n = rng.choice((0, 1, 2, 3, 30, 200))
    step = rng.choice((0.0, 1e-9, 0.3, 1.0, 7.0, 500.0, 1e6, 1e160))
    heading = np.cumsum([rng.gauss(0, 0.2) for _ in range(n)])
    xy = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1) * step, axis=0)
    return [[float(x), float(y), 1.0][:columns] for x, y in xy]


def _make_csv(columns: int):
    def make(rng: Random) -> bytes:
        rows = _points(rng, columns)
        text = io.StringIO()
        if rng.random() < 0.4:
            text.write(rng.choice(("x,y,z\n", "x,y\n", "# line\n", "\ufeffx,y\n", '"', "1\n")))
        csv.writer(text, delimiter=rng.choice(",,,;\t")).writerows(rows)
        return text.getvalue().encode() if rng.random() < 0.2 else mutate_text(rng, text.getvalue())

    return make


def sound_line(rows: int = 60) -> list[list[float]]:
    """Return (x, y) of a road that is fine."""
    return [[float(i), 3 * float(np.sin(i / 9))] for i in range(rows)]


def sound_csv(rows: int = 60) -> bytes:
    """Return that road as CSV."""
    return "\n".join(f"{x},{y}" for x, y in sound_line(rows)).encode()


def _make_reward(rng: Random) -> bytes:
    if rng.random() < 0.05:
        return rng.choice(list(hostile().values()))
    kind = rng.random()
    if kind < 0.35:
        rows = np.array([[x, 1.0, y] for x, y in _points(rng, 2)] or np.zeros((0, 3)))
        if len(rows) and rng.random() < 0.3:
            rows = np.concatenate([rows, np.linspace(rows[-1], 0, rng.choice((3, 60)))])
        if len(rows) and rng.random() < 0.3:
            rows[rng.randrange(len(rows)), rng.randrange(3)] = rng.choice((np.nan, np.inf, 1e308, -1e200, 0.0))
        data = dump_odd(rng, rows.astype(rng.choice(("f4", "f8"))) if len(rows) < 500 else rows)
    else:
        data = dump_odd(rng, odd_array(rng) if kind < 0.75 else mutate_value(rng, np.zeros((5, 3)).tolist()))
    return data if rng.random() < 0.5 else mutate_bytes(rng, data, 4)


def _sound_reward() -> bytes:
    return pickle.dumps(np.array([[x, 1.0, y] for x, y in sound_line()]), 4)


READERS = (
    Reader("track.toml", _make_toml, _track("toml"), lambda: _tomls()[0].encode()),
    Reader("track.csv", _make_csv(2), _track("csv"), sound_csv),
    Reader(
        "line.csv",
        _make_csv(3),
        _track("csv"),
        lambda: b"x,y,z\n" + b"\n".join(b"%f,%f,0" % tuple(p) for p in sound_line()),
    ),
    Reader("reward.pkl", _make_reward, _track("pkl"), _sound_reward),
)
