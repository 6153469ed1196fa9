"""Files from elsewhere that once brought a reader down: each is refused in one sentence now, or read right."""

import json
import math
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from data.errors import HitlError, InputFileError, shown
from data.exchange.portable import put_step_arrays, step_arrays
from data.reading.episodes import EpisodeData
from data.records import SessionInfo
from hitl.games.trackmania.frames import Stream
from hitl.home import Home
from hitl.pads.mapping import CONTROLLER, from_table
from hitl.remote.checks import drop_unusable, read_operations
from hitl.remote.tmrl_samples import TmrlSamples
from hitl.road.line import ReferenceLine
from hitl.road.track import load_track
from hitl.settings import load
from trainer.config import BARE, TrainConfig
from trainer.daemon.wish import read_pairs
from trainer.retired import unknown_settings


def refused(work, *args):
    with pytest.raises(HitlError) as caught:
        work(*args)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 500
    return text


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([(0, 0), (1e9, 0)], "km"),
        ([(0, 0), (1e308, 1e308)], "km"),
        ([(0, 0), (9e6, 0)], "km long"),  # resampled to metres it would need gigabytes
        ([(0, 0), (1e-5, 0), (2e-5, 0)], "centimetre"),  # a tail of 300 m in steps of 10 micrometres
        ([], "finite"),
        ([(0, 0)], "two different"),
    ],
)
def test_a_line_of_an_impossible_length_asks_for_no_memory(points, why):
    with pytest.raises(ValueError, match=why):
        ReferenceLine(points)


def test_a_car_is_found_on_a_line_that_turns_back_on_itself():
    line = ReferenceLine([(0.0, 0.0), (100.5, 0.0), (0.0, 0.0)])
    assert np.hypot(*np.diff(line.points, axis=0).T).min() == 0.0
    for s in (50.0, 100.0, 100.5, 101.0, 150.0):
        place = line.locate(*line.at(s)[:2], s)
        assert math.isfinite(place.offset)
        assert abs(place.offset) < 1.0


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("a.toml", b"segments = " + b"[" * 5000),
        ("a.toml", b"segments = [{straight = " + b"7" * 5000 + b"}]"),
        ("a.toml", b'name = "a\\nb\\u0000"\nsegments = [{straight = -1}]'),
        ("a.toml", b"segments = [{straight = 60000}, {straight = 60000}]"),
        ("a.toml", b"segments = [{radius = 1e-320, angle = 90}]"),
        ("a.csv", b"0,0\n" + b"1," * 2**19 + b"1\n"),
        ("a.csv", b"0,0\n1e160,0\n2e160,0\n"),
        ("a.pkl", pickle.dumps([[1.0, 2.0, 3.0], [1.0]], 4)),
        ("a.pkl", b"\x80\x02cnu\x00mpy\nnda\x7frray\n."),
    ],
)
def test_a_track_is_refused_in_a_sentence(tmp_path, name, raw):
    (tmp_path / name).write_bytes(raw)
    assert str(tmp_path) not in refused(load_track, tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("settings.toml", "x = " + "[" * 5000),
        ("settings.toml", "[pad]\nuse = " + "7" * 5000),
        ("settings.toml", f'[pad]\n"{"x" * 5000}" = 1'),
        ("settings.toml", "pad = 3"),
        ("settings.toml", "[takeover]\nramp_s = nan"),
        ("settings.toml", "[takeover]\nneutral_s = inf"),
        ("settings.toml", "[help]\noffer_s = 1" + "0" * 400),
        ("pads.toml", "use = 3"),
        ("pads.toml", '[use]\nuse = "a\\nb"'),
    ],
)
def test_settings_are_refused_in_a_sentence(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    refused(load, Home(tmp_path))


@pytest.mark.parametrize(
    "name", ["config.json", "settings.toml", "pads.toml", "road.toml", "history.jsonl", "history.csv", "road.csv"]
)
def test_a_file_far_too_large_is_refused_before_it_is_read(tmp_path, name):
    """A small config.json whose line stood there a hundred thousand times once took 500 MiB before it was refused."""
    from trainer.diagnosis.history import read_histories
    from trainer.diagnosis.recipe import read_recipe
    from trainer.tmrl.config import read

    path = tmp_path / name
    path.write_bytes(b"{" if name == "history.jsonl" else b"")
    os.truncate(path, 2**28)  # it takes no room on the disk
    readers = {
        "config.json": (read, read_recipe), "road.toml": (load_track,), "road.csv": (load_track,),
        "history.jsonl": (read_histories,), "history.csv": (read_histories,),
    }.get(name, (lambda _: load(Home(tmp_path)),))  # fmt: skip
    tracemalloc.start()
    try:
        for work in readers:
            refused(work, path)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", "{}\n" * 30_000 + json.dumps({str(i): 1 for i in range(1000)})),
        ("a.csv", ",".join(map(str, range(100_000))) + "\n1" * 300_000),
    ],
)
def test_a_history_of_many_columns_asks_for_no_memory_that_it_does_not_fill(tmp_path, name, text):
    from trainer.diagnosis.history import read_histories

    (tmp_path / name).write_text(text)
    assert "columns" in refused(read_histories, tmp_path / name)


def test_a_column_that_stands_in_a_history_under_both_its_names_is_one(tmp_path):
    from trainer.diagnosis.history import read_histories

    (tmp_path / "a.jsonl").write_text('{"run/Steps": 3, "worker/steps": 4, "b": 1}\n{"run/Steps": 5}')
    history = read_histories(tmp_path / "a.jsonl")[0]
    assert history["worker/steps"].tolist() == [3, 5]
    assert len(history["b"]) == 2


def test_a_pad_whose_range_is_too_large_for_a_float_is_refused(tmp_path):
    (tmp_path / "pads.toml").write_text("[devices.pad.steer]\nlow = 1" + "0" * 400)
    table = load(Home(tmp_path)).devices["pad"]
    assert "steer" in refused(from_table, table, CONTROLLER)


@pytest.mark.parametrize("action", [np.array(["left", "gas"]), ["left", "gas"], "left", [[0.1], [0.1, 0.2]], [10**400, 0.0]])
def test_samples_of_another_machine_with_actions_that_are_no_numbers_are_left_out(tmp_path, action):
    said = []
    samples = TmrlSamples(Home(tmp_path).create())
    seen = np.zeros(3, np.float32)
    for first in (None, action):
        rows = [(first, seen, 0.0, False, False, {}), *[(action, seen, 1.0, False, False, {})] * 3]
        samples.take({"memory": rows}, said.append)
    samples.close()
    assert len(said) == 2
    assert all(text.startswith("Samples of a tmrl worker were left out: ") and text.isprintable() for text in said)
    assert samples.steps == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("driver", 257), ("driver", 0.5), ("driver", math.nan), ("checkpoint_id", math.nan), ("checkpoint_id", 2.5)],
)
def test_who_drove_a_step_is_not_made_up_from_a_number_that_says_neither(name, value):
    data = EpisodeData(np.zeros((3, 1), "f4"), np.zeros((3, 1), "f4"), np.zeros(3), driver=1)
    arrays = step_arrays(data)
    put_step_arrays(data, arrays)
    assert data.driver.tolist() == [1, 1, 1]
    arrays[name] = np.array([1, value, 0])
    with pytest.raises(ValueError, match="whole numbers"):
        put_step_arrays(data, arrays)


@pytest.mark.parametrize("size", [0, 2**64 - 16, 2**40])
def test_a_minari_dataset_whose_heap_leads_nowhere_is_refused_before_the_library_walks_it(tmp_path, size):
    from data.exchange.datasets.minari import read_minari

    (tmp_path / "metadata.json").write_text('{"dataset_id": "a-v0"}')
    objects = struct.pack("<HHIQ8x", 1, 1, 0, 8) + struct.pack("<HHIQ", 0 if size == 0 else 2, 1, 0, size)
    heap = b"GCOL\x01\0\0\0" + struct.pack("<Q", 16 + len(objects) + 64) + objects + bytes(64)
    (tmp_path / "main_data.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + heap)
    assert "heap" in refused(lambda: list(read_minari(tmp_path)))


def test_a_minari_dataset_with_a_name_without_end_is_refused_at_once(tmp_path):
    from data.exchange.datasets.minari import read_minari

    (tmp_path / "metadata.json").write_text(json.dumps({"dataset_id": "x" * 50_000}))
    assert "name" in refused(lambda: list(read_minari(tmp_path)))


@pytest.mark.parametrize("reward", [1e300, -1e39, 10**400, math.nan, "1", None])
def test_a_step_from_another_machine_whose_reward_a_learner_cannot_hold_is_refused(reward):
    info = SessionInfo(kind="play", env="box2d", track="a", hz=20.0, observation_names=("v",), action_names=("steer",))
    at = np.zeros(1, "<f4").tobytes()

    def kept(value):
        ops = [("step", 0, 0, 1, value, 0, 0, 1.0, 0.0, 0.0, 0.0, 0.0, 9.0, None, 5, at, at, at)]
        return drop_unusable(read_operations(ops, info), info)

    assert len(kept(1e9)[0]) == 1
    if isinstance(reward, int | float):
        assert kept(reward) == ([], 1, {"the reward": 1})
    else:
        with pytest.raises(ValueError, match="reward"):
            kept(reward)


@pytest.mark.parametrize(
    ("name", "value"), [("explosion", 0), ("explosion", -1.0), ("explosion", 10**400), ("gamma", 10**400), ("hidden", 10**400)]
)
def test_training_settings_that_make_no_sense_are_refused_and_those_of_a_checkpoint_have_no_effect(name, value):
    assert TrainConfig.from_dict({name: value}) == BARE
    assert f"{name} = " in unknown_settings("a.safetensors", {name: value})
    assert name in refused(lambda: TrainConfig().with_values(**{name: value}))
    assert name in refused(lambda: TrainConfig().with_values(**read_pairs([f"{name}={value}"])))


@pytest.mark.parametrize("text", ["7" * 5000, "[" * 5000, "1e999", "-Infinity"])
def test_a_setting_given_as_text_without_end_is_refused(text):
    assert "gamma" in refused(lambda: TrainConfig().with_values(**read_pairs([f"gamma={text}"])))


CONFIG = {"__VERSION__": "0.6.0", "ALG": {"ALGORITHM": "TQC", "QUANTILES_NUMBER": 25}, "MODEL": {}, "ENV": {}}


@pytest.mark.parametrize(
    "change",
    [
        {"__VERSION__": "\x00\n"}, {"ALG": {"GAMMA": math.nan}}, {"ALG": {"QUANTILES_NUMBER": math.inf}},
        {"MODEL": {"API_MLP_SIZES": [10**9]}}, {"ALG": {"N_STEPS": [1]}}, {"MODEL": {"BATCH_SIZE": 10**30}},
        {"ALG": {"BETAS_ACTOR": [0.9]}}, {"ENV": {"SEED": 2**200}}, {"MODEL": {"MEMORY_SIZE": math.inf}},
        {"ALG": {"LR_ACTOR": 10**400}},
    ],
)  # fmt: skip
def test_a_config_is_refused_in_a_sentence(tmp_path, change):
    from trainer.tmrl.config import read

    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG | {k: v if isinstance(v, str) else CONFIG[k] | v for k, v in change.items()}))
    refused(read, path)


def test_a_version_of_thousands_of_digits_is_a_new_one(tmp_path):
    from trainer.tmrl.config import read

    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG | {"__VERSION__": "9" * 6000}))
    assert read(path)[0].gamma > 0


def test_a_config_nested_without_end_is_refused(tmp_path):
    from trainer.diagnosis.recipe import read_recipe
    from trainer.tmrl.config import read

    path = tmp_path / "config.json"
    path.write_text("[" * 100_000)
    refused(read, path)
    refused(read_recipe, path)


@pytest.mark.parametrize(
    "key", ["N_STEPS", "NUMBER_OF_POINTS", "POINTS_DISTANCE", "TRAINING_STEPS_PER_ROUND", "time_step_duration"]
)
@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, [1], None])
def test_a_recipe_with_numbers_that_are_none_is_read_without_them(key, value):
    from trainer.diagnosis.recipe import from_tmrl
    from trainer.tmrl.reader import TmrlConfig

    table = {key: value}
    recipe = from_tmrl(TmrlConfig({"ALG": table, "MODEL": table, "ENV": {"RTGYM_CONFIG": table, **table}}))
    assert math.isfinite(recipe.hz)
    assert recipe.n_step is not None


@pytest.mark.parametrize("text", ['{"a": ' + "7" * 5000 + "}", '{"a": ' * 5000, "\x00", '{"a": 1}\nnot json', "[1]"])
def test_a_history_is_refused_in_a_sentence(tmp_path, text):
    from trainer.diagnosis.history import read_histories

    path = tmp_path / "history.jsonl"
    path.write_text(text)
    refused(read_histories, path)


def test_a_history_holds_no_infinite_number(tmp_path):
    from trainer.diagnosis.history import read_histories

    path = tmp_path / "history.jsonl"
    path.write_text('{"a": 1.0, "b": 2}\n{"a": Infinity, "b": 1e999}\n{"a": "1e999", "b": 1' + "0" * 400 + "}")
    history = read_histories(path)[0]
    assert np.isfinite(history["a"]).tolist() == [True, False, False]
    assert np.isfinite(history["b"]).tolist() == [True, False, False]


def test_a_stream_gives_the_same_frames_however_it_is_cut():
    rows = np.zeros((30, 11), "<f4")
    rows[:, 0], rows[:, 2], rows[:, 9], rows[:, 10] = 20, 100 + np.arange(30) / 4, 3, 4000
    rows[12, 5] = 7.0  # one frame that cannot be
    rows[20:26, 0] = np.nan  # out of step: what follows is not believed any more
    raw = rows.tobytes()
    whole = Stream()
    frames = whole.feed(raw, 0.0)
    assert (len(frames), whole.dropped) == (19, 6)
    assert "out of step" in whole.problem
    for size in (1, 3, 44, 79, 500):
        cut = Stream()
        pieces = [f for at in range(0, len(raw), size) for f in cut.feed(raw[at : at + size], 0.0)]
        assert str(pieces) == str(frames)
        assert (cut.layout, cut.dropped, cut.problem) == (whole.layout, whole.dropped, whole.problem)


def test_noise_is_given_up_without_being_kept():
    stream = Stream()
    for _ in range(100):
        assert stream.feed(b"\xff" * 1000, 0.0) == []
    assert "another plugin" in stream.problem
    assert len(stream._raw) < 10_000


def test_foreign_text_fits_into_a_sentence():
    assert shown("a\nb\tc\x00d\x7f\ud800") == "a b c?d??"
    assert shown("x" * 10**6, 10) == "x" * 9 + "…"
    assert isinstance(InputFileError(shown(None)), HitlError)
