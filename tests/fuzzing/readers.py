"""Readers of what describes roads, runs and settings: tracks, histories, config.json, settings, telemetry, pickles."""

# ruff: noqa: PT018 (an assertion is one thing that is asked of an answer)

from __future__ import annotations

import csv
import functools
import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from data.exchange.unpickle import loads_restricted
from tests.fuzzing.harness import Reader, RefusedError
from tests.fuzzing.mutate import mutate_bytes, mutate_text, mutate_value, odd_values
from tests.fuzzing.pickles import hostile


def finite(*arrays: Any) -> bool:
    """Whether every number is finite."""
    return all(bool(np.isfinite(np.asarray(a)).all()) for a in arrays)


# -- roads


def check_track(track: Any) -> None:
    """A road that can be driven: a finite line of even steps, corners on it, places found again."""
    from hitl.diagnosis.roads import facts

    line = track.line
    n = len(line.points)
    assert (
        n >= 2 and line.points.shape == (n, 2) and len(line.headings) == len(line.curvatures) == len(line.heights) == n
    )
    assert finite(line.points, line.headings, line.curvatures, line.heights, line.length, line.spacing), "not finite"
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
        line_facts(path)
        track = load_track(path)
        check_track(track)

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
        "8",
        "80.5",
        "-9",
        "0",
        "nan",
        "inf",
        "1e300",
        "1e-300",
        "9e9",
        "true",
        "'a'",
        "[]",
        "1979-05-27",
        "360000",
        "1e5",
    )

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


def dump_odd(rng: Random, value: Any) -> bytes:
    """Return a pickle of a value; one that cannot be pickled becomes None's."""
    try:
        return pickle.dumps(value, rng.choice((2, 3, 4, 4, 5)))
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeError):
        return pickle.dumps(None, 4)


def odd_array(rng: Random) -> np.ndarray:
    """Return an array of some shape, type and content."""
    shape = rng.choice(((0,), (3,), (5, 3), (40, 3), (200, 3), (3, 40), (1, 3), (4, 4, 3), (), (0, 3), (2, 2)))
    kind = rng.choice(("f4", "f8", "i8", "u1", "?", "c8", "U3", "S2", ">f8", "f2"))
    values = np.array([rng.gauss(0, rng.choice((1, 100, 1e30))) for _ in range(int(np.prod(shape)))]).reshape(shape)
    with np.errstate(all="ignore"):
        return np.asfortranarray(values.astype(kind)) if rng.random() < 0.2 else values.astype(kind)


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


# -- pickles by themselves


def plain(value: Any) -> bool:
    """Whether nothing but plain values and arrays of numbers came out."""
    seen: set[int] = set()
    todo = [value]
    while todo:
        item = todo.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if type(item) in (list, tuple):
            todo.extend(item)
        elif type(item) is dict:
            todo.extend((*item.keys(), *item.values()))
        elif isinstance(item, np.ndarray):
            if item.dtype.hasobject or item.dtype.fields:
                return False
        elif not isinstance(item, type(None) | bool | int | float | str | bytes | bytearray | np.generic | complex):
            return False
    return True


def _make_pickle(rng: Random) -> bytes:
    kind = rng.random()
    if kind < 0.2:
        return rng.choice(list(hostile().values()))
    if kind < 0.4:
        codes = bytes(
            rng.choice(
                b"(}])t\x85\x86\x87laesu0qr\x94hjN\x88\x89JKM\x8aGX\x8c\x8dBC\x8e\x96c\x93Rb.oi\x81\x92PQ\x82\x83"
            )
            for _ in range(30)
        )
        return rng.choice((b"\x80\x02", b"\x80\x04", b"")) + codes + b"."
    value = [odd_array(rng), mutate_value(rng, {"format": 1, "samples": [(1.0, "a"), [2]]}), odd_values(rng)]
    data = dump_odd(rng, value)
    return mutate_bytes(rng, mutate_bytes(rng, data) + rng.choice(list(hostile().values())) if kind > 0.9 else data, 6)


def _use_pickle(data: bytes, folder: Path) -> None:
    try:
        value = loads_restricted(data)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    assert plain(value), f"{type(value)}"


# -- config.json


@functools.cache
def config_json() -> dict[str, Any]:
    """Return a config.json as the forks write it."""
    from trainer.tmrl.keys import DEFAULTS, DIRECT

    alg = {key: DEFAULTS.get(key, 1) for key in DIRECT}
    alg |= {
        "ALGORITHM": "TQC",
        "QUANTILES_NUMBER": 25,
        "OPTIMIZER_ACTOR": "adam",
        "OPTIMIZER_CRITIC": "adam",
        "BETAS_ACTOR": [0.9, 0.999],
        "BETAS_CRITIC": [0.9, 0.999],
        "GAMMA": 0.99,
        "LEARN_ENTROPY_COEF": True,
    }
    return {
        "__VERSION__": "0.6.0",
        "PASSWORD": "planted-secret",
        "WANDB_KEY": "planted-key",
        "PORT": 55555,
        "PUBLIC_IP_SERVER": "10.0.0.1",
        "MODEL": {
            "BATCH_SIZE": 256,
            "MEMORY_SIZE": 1e6,
            "API_MLP_SIZES": [256, 256],
            "MAX_EPOCHS": 100,
            "ROUNDS_PER_EPOCH": 10,
            "TRAINING_STEPS_PER_ROUND": 200,
            "SCHEDULER": {"NAME": "CosineAnnealingWarmRestarts", "T_0": 10, "T_mult": 2},
        },
        "ALG": alg,
        "ENV": {
            "RTGYM_INTERFACE": "TQCGRAB",
            "SEED": 3,
            "RTGYM_CONFIG": {"time_step_duration": 0.05},
            "REWARD_CONFIG": {"MAX_STRAY": 100, "MIN_STEPS": 70},
            "END_OF_TRACK_REWARD": 100.0,
        },
        "PLAYER_RUNS": {"DEMO_INJECTION_REPEAT": 1, "ONLINE_INJECTION": True},
    }


def _make_config(rng: Random) -> bytes:
    whole = config_json()
    if rng.random() < 0.3:
        whole = {
            **{k: v for k, v in whole.items() if k not in ("MODEL", "ALG", "ENV")},
            **whole["MODEL"],
            **whole["ALG"],
        }
    if rng.random() < 0.25:
        return mutate_text(rng, json.dumps(whole))
    return dump_json(mutate_value(rng, whole, 6))


def dump_json(value: Any) -> bytes:
    """Return a value as JSON with NaN and infinity as Python writes them."""
    try:
        return json.dumps(value).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):
        return b"{}"


def check_settings(config: Any) -> None:
    """Training settings with which a learner can be built that fits a machine."""
    from trainer.config import TrainConfig
    from trainer.learner.tqc import TQC

    values = asdict(config)
    assert finite([v for v in values.values() if type(v) is float]), "a setting is not finite"
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.hidden <= 4096 and config.layers <= 64 and config.critics <= 100 and config.quantiles <= 1000
    if config.hidden * config.layers * config.critics <= 600:
        TQC(4, 3, config)


def _use_config(data: bytes, folder: Path) -> None:
    from data.errors import HitlError
    from trainer.diagnosis.case import Case
    from trainer.diagnosis.recipe import read_recipe
    from trainer.diagnosis.run import diagnose
    from trainer.tmrl.config import read

    path = folder / "config.json"
    path.write_bytes(data)
    refused: HitlError | None = None
    try:
        recipe = read_recipe(path)
        report = diagnose([Case(recipe=recipe)])
        assert "planted-" not in str(report), "a secret is told"
    except HitlError as error:
        refused = error
    config, findings = read(path)
    check_settings(config)
    assert all("planted-" not in str(f.value) for f in findings if f.key in ("PASSWORD", "WANDB_KEY")), (
        "a secret is told"
    )
    if refused is not None:
        raise refused


# -- histories


def _rows(rng: Random) -> list[dict[str, Any]]:
    names = (
        "_step",
        "losses/loss_critic",
        "debug/q1",
        "debug/q1_std",
        "debug/backup",
        "run/Run reward",
        "debug/a1_0",
        "debug/log_pi",
        "losses/loss_actor",
        "memory_len",
        "debug/r",
        "debug/a1_0_std",
        "lrs/actor_lr",
    )
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
    from trainer.diagnosis.case import Case
    from trainer.diagnosis.history import read_history
    from trainer.diagnosis.run import diagnose

    path = folder / "history.csv"
    path.write_bytes(data)
    history = read_history(path)
    assert len(history) and all(len(c) == len(history) for c in history.columns.values()), (
        "columns of different lengths"
    )
    assert all(c.dtype == np.float64 and np.isfinite(c).any() for c in history.columns.values())
    assert not any(np.isinf(c).any() for c in history.columns.values()), "an infinite number"
    str(diagnose([Case(history)]))


# -- settings


SETTINGS = """[pad]
use = "sdl"
name = "xbox"
[takeover]
mode = "touch"
take_at = 0.25
ramp_s = 0.2
[help]
offer = "all"
requests_per_minute = 4.0
[controls]
"CarRacing-v3" = ["steer", "gas", "brake"]
[trackmania]
port = 9000
settle_s = 1.5
[tmrl]
folder = "D:/rl"
[play]
greedy_every = 3
[overlay]
opacity = 0.5
keep_clear = [0, 0, 64, 64]
[observation]
points = 8
[reward]
speed_bonus = 0.01
[train]
preset = "rlpd"
utd = 4
betas_actor = [0.5, 0.9]
drop_pool = "none"
"""
PADS = """[use]
use = "sdl"
name = "wheel"
[devices."030000005e0400008e02000014010000"]
[devices."030000005e0400008e02000014010000".steer]
source = "axis0"
low = -1.0
centre = 0.0
high = 1.0
dead_zone = 0.05
curve = 1.3
[devices."030000005e0400008e02000014010000".buttons]
takeover = ["button0", "a"]
"""


def _use_settings(data: bytes, folder: Path) -> None:
    from hitl.home import Home
    from hitl.settings import CONTROLS, TABLES, load

    (folder / "settings.toml").write_bytes(data)
    settings = load(Home(folder))
    for name in TABLES:
        part = getattr(settings, name)
        values = part if isinstance(part, Mapping) else asdict(part)
        assert finite([v for v in values.values() if type(v) is float]), "a setting is not finite"
    assert all(c.removeprefix("-") in CONTROLS for row in settings.controls.values() for c in row)


def _use_pads(data: bytes, folder: Path) -> None:
    from hitl.home import Home
    from hitl.pads.mapping import CONTROLLER, JOYSTICK, from_table
    from hitl.settings import load, save_pads

    (folder / "pads.toml").write_bytes(data)
    settings = load(Home(folder))
    for table in settings.devices.values():
        for default in (CONTROLLER, JOYSTICK):
            mapping = from_table(table, default)
            for raw in (-1.0, 0.0, 0.3, 1.0, float("nan")):
                state = mapping.state(lambda source, raw=raw: raw)
                assert -1 <= state.steer <= 1 and 0 <= state.gas <= 1 and 0 <= state.brake <= 1, f"{state}"
    save_pads(Home(folder), device="more", table={"buttons": {"takeover": ["a"]}})
    again = load(Home(folder))
    assert again.pad == settings.pad and all(
        again.devices[k] == v or v != v for k, v in settings.devices.items() if str(v).find("nan") < 0
    )


def _make_settings(text: str):
    import tomllib

    def make(rng: Random) -> bytes:
        from hitl.settings import dumps

        if rng.random() < 0.5:
            return mutate_text(rng, text)
        try:
            return dumps(mutate_value(rng, tomllib.loads(text), 2)).encode("utf-8", "surrogatepass")
        except (
            ValueError,
            TypeError,
            AttributeError,
            RecursionError,
        ):  # a number of thousands of digits, no table any more
            return b"[pad]"

    return make


# -- telemetry


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


ROAD_READERS = (
    Reader("track.toml", _make_toml, _track("toml"), lambda: _tomls()[0].encode()),
    Reader("track.csv", _make_csv(2), _track("csv"), sound_csv),
    Reader(
        "line.csv",
        _make_csv(3),
        _track("csv"),
        lambda: b"x,y,z\n" + b"\n".join(b"%f,%f,0" % tuple(p) for p in sound_line()),
    ),
    Reader("reward.pkl", _make_reward, _track("pkl"), _sound_reward),
    Reader("pickle", _make_pickle, _use_pickle, lambda: pickle.dumps([np.eye(3), {"a": (1, 2.0, None)}], 4)),
    Reader("config.json", _make_config, _use_config, lambda: json.dumps(config_json()).encode()),
    Reader("history", _make_history, _use_history, lambda: b"\n".join(map(dump_json, _rows(Random(3))))),
    Reader("settings.toml", _make_settings(SETTINGS), _use_settings, SETTINGS.encode),
    Reader("pads.toml", _make_settings(PADS), _use_pads, PADS.encode),
    Reader("telemetry", _make_telemetry, _use_telemetry, lambda: b"\x00\x01" + _frames(Random(1), 11, 60)),
)
