"""The same settings in every form in which a config.json is met: layouts, encodings, numbers between quotes, slips of the pen."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from data.errors import InputFileError
from tests.trainer.tmrl.test_config import RUN_L
from trainer.config import TrainConfig
from trainer.diagnosis.recipe import Recipe, from_tmrl, read_recipe
from trainer.tmrl.config import KeyUse, device_of, read, settings_of
from trainer.tmrl.reader import TmrlConfig
from trainer.tmrl.session import SessionSettings, session_of

NESTED: dict[str, Any] = copy.deepcopy(RUN_L)
del NESTED["SOMETHING_ELSE"]
NESTED["ENV"] = {"RTGYM_INTERFACE": "TQCGRAB", "INIT_GAS_BIAS": 0.8,
                 "REWARD_CONFIG": {"MAX_STRAY": 50, "FAILURE_COUNTDOWN": 9, "CONSTANT_PENALTY": 0.0003}}  # fmt: skip


def understand(values: dict[str, Any]) -> tuple[TrainConfig, list[KeyUse]]:
    return settings_of(TmrlConfig(values))


def recipe_of(values: dict[str, Any]) -> Recipe:
    return from_tmrl(TmrlConfig(values))


def changed(**sections: dict[str, Any]) -> dict[str, Any]:
    values = copy.deepcopy(NESTED)
    for name, table in sections.items():
        values[name] |= table
    return values


def moved(*names: str) -> dict[str, Any]:
    """The keys of these sections at the root, as older versions had them."""
    values = {k: v for k, v in copy.deepcopy(NESTED).items() if k not in names}
    for name in names:
        values |= copy.deepcopy(NESTED[name])
    return values


def reward_at_the_root() -> dict[str, Any]:
    values = copy.deepcopy(NESTED)
    values["REWARD_CONFIG"] = values["ENV"].pop("REWARD_CONFIG")
    return values


def as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: as_text(v) for k, v in value.items()}
    return value if isinstance(value, str | list | bool) else json.dumps(value)


WHOLE = json.dumps(NESTED, indent=2)
FORMS: dict[str, bytes] = {
    "a mark": WHOLE.encode("utf-8-sig"),
    "UTF-16": WHOLE.encode("utf-16"),
    "line ends": WHOLE.replace("\n", "\r\n").encode(),
    "a last comma": WHOLE.replace("\n}", ",\n}").encode(),
    "comments": ("// mine\n" + WHOLE.replace("{\n", "{ # here\n", 1)).encode(),
    "no version": json.dumps({k: v for k, v in NESTED.items() if k != "__VERSION__"}).encode(),
    "a short version": json.dumps({**NESTED, "__VERSION__": "0.6"}).encode(),
    "a later version": json.dumps({**NESTED, "__VERSION__": "0.10.1"}).encode(),
    "flat": json.dumps(moved("MODEL")).encode(),
    "all at the root": json.dumps(moved("MODEL", "PLAYER_RUNS", "ALG")).encode(),
    "the reward at the root": json.dumps(reward_at_the_root()).encode(),
    "another order": json.dumps(dict(reversed(NESTED.items()))).encode(),
    "numbers between quotes": json.dumps({k: as_text(v) for k, v in NESTED.items()}).encode(),
    "whole numbers with a point": WHOLE.replace('"BATCH_SIZE": 512', '"BATCH_SIZE": 512.0').encode(),
    "a key at the root, too": json.dumps({"GAMMA": 0.5, "BATCH_SIZE": 3, **NESTED}).encode(),
    "a key at the root behind it": json.dumps({**NESTED, "GAMMA": 0.5, "BATCH_SIZE": 3}).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_both_readers_read_the_same_in_every_form(tmp_path: Path, form: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(FORMS[form])
    config, findings = read(path)
    wanted, _ = understand(NESTED)
    assert config == wanted
    assert not [f for f in findings if f.status == "unknown"]
    recipe, sound = read_recipe(path), recipe_of(NESTED)
    assert recipe == sound
    assert any("FAILURE_COUNTDOWN" in text for text in recipe.ignored)  # that fork reads it nowhere, in any layout


@pytest.mark.parametrize(
    ("section", "key"), [("ALG", "LEARN_ENTROPY_COEF"), ("MODEL", "USE_RESIDUAL_SOPHY"), ("ENV", "USE_IMAGES")]
)
def test_true_or_false_between_quotes_is_refused_by_its_key(section: str, key: str) -> None:
    for text in ("false", "true", "False", "0"):
        with pytest.raises(InputFileError, match=f"{key} is '{text}', where true or false without quotes"):
            understand(changed(**{section: {key: text}}))
    recipe = recipe_of(changed(ALG={"LEARN_ENTROPY_COEF": "false"}))  # the diagnosis tells what tmrl made of it
    assert recipe.learn_alpha is True
    assert "LEARN_ENTROPY_COEF" in " ".join(recipe.ignored)


@pytest.mark.parametrize("kind", ["IQN", "iqn", "DQN"])
def test_algorithms_of_another_kind_are_refused(kind: str) -> None:
    with pytest.raises(InputFileError, match="not ours"):
        understand(changed(ALG={"ALGORITHM": kind}))


def test_used_is_said_only_of_what_is_used_with_the_others() -> None:
    def status(**sections: dict[str, Any]) -> dict[str, str]:
        return {f.key: f.status for f in understand(changed(**sections))[1]}

    fixed, learned = status(), status(ALG={"LEARN_ENTROPY_COEF": True})
    assert [s["TARGET_ENTROPY"] for s in (fixed, learned)] == ["read, not used", "used"]
    assert [s["LR_ENTROPY"] for s in (fixed, learned)] == ["read, not used", "used"]
    assert (fixed["API_MLP_SIZES"], fixed["RESIDUAL_MLP_HIDDEN_DIM"]) == ("read, not used", "used")
    mlp = status(MODEL={"USE_RESIDUAL_SOPHY": False})
    assert (mlp["API_MLP_SIZES"], mlp["RESIDUAL_MLP_HIDDEN_DIM"]) == ("used", "read, not used")
    assert status(PLAYER_RUNS={"ONLINE_INJECTION": False})["DEMO_SAMPLING_WEIGHT"] == "read, not used"


def test_what_a_session_takes_over_and_what_not() -> None:
    values = changed(ENV={"MAP_NAME": "test-3", "RTGYM_CONFIG": {"time_step_duration": 0.1}})
    found = session_of(TmrlConfig(values))
    assert found.hz == pytest.approx(10)
    assert (found.reward["max_stray"], found.reward["failure_countdown"], found.reward["constant_penalty"]) == (50, 9, 0.0003)
    said = {f.key: f.status for f in understand(values)[1]}
    assert (said["MAX_STRAY"], said["MAP_NAME"]) == ("session", "not carried over")
    assert session_of(TmrlConfig({"__VERSION__": "0.6.0"})) == SessionSettings({}, None)


@pytest.mark.parametrize(("value", "device"), [(True, "cuda"), (False, "cpu"), (None, "auto")])
def test_the_device_that_a_configuration_asks_for(value: bool | None, device: str) -> None:
    config = TmrlConfig({**NESTED, "CUDA_TRAINING": value} if value is not None else NESTED)
    assert device_of(config) == device


def test_a_key_that_stands_twice_is_told() -> None:
    _, findings = understand({**NESTED, "GAMMA": 0.5})
    assert {f.section: f.status for f in findings if f.key == "GAMMA"} == {"": "read, not used", "ALG": "used"}


def test_a_slip_of_the_pen_is_told_with_the_key_that_was_meant() -> None:
    values = changed(ALG={"GAMA": 0.9}, MODEL={"BATCHSIZE": 3}, ENV={"SLEEP_TIME_AT_REST": 1})
    _, findings = understand(values)
    told = {f.key: f.note for f in findings if f.status == "unknown"}
    assert {k: v.rpartition("'")[0].rpartition("'")[2] for k, v in told.items()} == {
        "GAMA": "GAMMA", "BATCHSIZE": "BATCH_SIZE", "SLEEP_TIME_AT_REST": "SLEEP_TIME_AT_RESET"
    }  # fmt: skip
    assert recipe_of(values).unknown == (
        "ALG.GAMA (for GAMMA?)", "ENV.SLEEP_TIME_AT_REST (for SLEEP_TIME_AT_RESET?)", "MODEL.BATCHSIZE (for BATCH_SIZE?)"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (changed(ALG={"GAMMA": "much"}), "GAMMA is 'much', where a number"),
        (changed(ALG={"GAMMA": "0,99"}), "GAMMA is '0,99', where a number"),
        (changed(MODEL={"BATCH_SIZE": 512.5}), r"BATCH_SIZE is 512\.5, where a whole number"),
        (changed(MODEL={"BATCH_SIZE": True}), "BATCH_SIZE is True, where a number"),
        (changed(ALG={"LEARN_ENTROPY_COEF": "perhaps"}), "where true or false"),
        (changed(ALG={"LEARN_ENTROPY_COEF": 3}), "where true or false"),
        (changed(ALG={"BETAS_ACTOR": [0.9]}), "BETAS_ACTOR is .*, where a list of two numbers"),
        (changed(ALG={"GAMMA": 3}), "'config.json' cannot be trained with.*gamma"),
        ({**NESTED, "__VERSION__": "0.5.9"}, "of version 0.5.9; 0.6.0 or newer"),
        ({"PASSWORD": "x"}, "no __VERSION__ and none of the sections"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_key(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputFileError, match=reason):
        understand(values)


def test_a_number_that_is_none_is_told_by_the_diagnosis() -> None:
    recipe = recipe_of(changed(ALG={"GAMMA": "much"}))
    assert "GAMMA is 'much', which is not a number" in " ".join(recipe.ignored)


def test_no_key_of_tmrl_itself_is_unknown() -> None:
    keys = ("LINUX_X_OFFSET", "LINUX_Y_OFFSET", "IMG_SCALE_CHECK_ENV", "DEBUG_MODE", "SELECT_TIMEOUT_OUTBOUND", "CRC_DEBUG")
    _, findings = understand({**NESTED, **dict.fromkeys(keys, 1)})
    assert not [f.key for f in findings if f.status == "unknown"]


def rewarded(root: dict[str, Any] | None, **env: Any) -> dict[str, Any]:
    """Settings with a reward of ENV and, in the later form, one at the root beside it."""
    values = copy.deepcopy(NESTED)
    values["ENV"].update(env)
    return values if root is None else {**values, "REWARD_CONFIG": root}


def test_of_a_reward_said_twice_the_one_in_force_is_used_and_the_other_says_what_wins() -> None:
    values = rewarded({"MAX_STRAY": 20})
    uses = {(u.section, u.key): u for u in understand(values)[1]}
    assert session_of(TmrlConfig(values)).reward["max_stray"] == 20
    assert uses["REWARD_CONFIG", "MAX_STRAY"].status == "session"
    assert uses["ENV.REWARD_CONFIG", "MAX_STRAY"].status == "read, not used"
    assert uses["ENV.REWARD_CONFIG", "MAX_STRAY"].note == "REWARD_CONFIG.MAX_STRAY is there, too, and wins over it"


def test_of_the_two_bonuses_for_the_finish_one_is_taken_over() -> None:
    values = rewarded({"END_OF_TRACK": 100}, END_OF_TRACK_REWARD=5)
    uses = {u.key: u for u in understand(values)[1]}
    assert session_of(TmrlConfig(values)).reward["end_of_track"] == 5
    assert (uses["END_OF_TRACK_REWARD"].status, uses["END_OF_TRACK"].status) == ("session", "read, not used")
    assert "ENV.END_OF_TRACK_REWARD is there, too" in uses["END_OF_TRACK"].note
    alone = {u.key: u.status for u in understand(rewarded({"END_OF_TRACK": 100}))[1]}
    assert alone["END_OF_TRACK"] == "session"


def test_a_key_of_the_reward_where_nothing_reads_it_is_not_called_used() -> None:
    uses = {(u.section, u.key): u for u in understand(rewarded(None, REWARD_SCALE=2))[1]}
    assert uses["ENV", "REWARD_SCALE"].status == "read, not used"
    assert "ENV.REWARD_CONFIG alone" in uses["ENV", "REWARD_SCALE"].note


def test_a_temperature_below_nothing_is_refused() -> None:
    values = copy.deepcopy(NESTED)
    values["ALG"] = {**values.get("ALG", {}), "ALPHA": -1}
    with pytest.raises(InputFileError, match="a number from 0 up"):
        understand(values)


def test_a_key_of_ones_own_is_unknown_and_its_value_is_not_shown() -> None:
    uses = {u.key: u for u in understand({**NESTED, "MY_OWN_KEY": 1234, "WANDB_KEY": "abc"})[1]}
    assert (uses["MY_OWN_KEY"].status, uses["MY_OWN_KEY"].value) == ("unknown", "…")
    assert (uses["WANDB_KEY"].status, uses["WANDB_KEY"].value) == ("never kept", "…")
