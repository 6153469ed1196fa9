import argparse
import dataclasses
import functools
import json
from pathlib import Path

import pytest
import torch

from data.errors import InputFileError, UsageError
from data.reading.new_steps import NewSteps
from tests.support.batches import ACT, OBS, random_episode
from trainer.config import BARE, TrainConfig
from trainer.learner.tqc import TQC
from trainer.presets import PRESETS
from trainer.replay.replay import Replay
from trainer.retired import RETIRED, unknown_settings, without_retired
from trainer.tmrl.config import read, settings_of
from trainer.tmrl.keys import DIRECT, KEPT, NOT_USED, TOGETHER
from trainer.tmrl.reader import TmrlConfig
from trainer.updates.update_budget import UpdateBudget


def understand(values):
    return settings_of(TmrlConfig(values))


RUN_L = {
    "__VERSION__": "0.6.0",
    "RUN_NAME": "my run",
    "PASSWORD": "hunter2",
    "WANDB_KEY": "abc123",
    "MODEL": {
        "MAX_EPOCHS": 10000,
        "ROUNDS_PER_EPOCH": 10,
        "TRAINING_STEPS_PER_ROUND": 300,
        "MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP": 6,
        "ENVIRONMENT_STEPS_BEFORE_TRAINING": 5000,
        "UPDATE_MODEL_INTERVAL": 1000,
        "MEMORY_SIZE": 1000000,
        "BATCH_SIZE": 512,
        "SCHEDULER": {"NAME": "", "T_0": 100, "T_mult": 2, "eta_min": 1e-6, "last_epoch": -1},
        "RNN_SIZES": [64],
        "API_MLP_SIZES": [256, 256],
        "MLP_LAYERNORM": True,
        "USE_RESIDUAL_SOPHY": True,
        "RESIDUAL_MLP_HIDDEN_DIM": 256,
        "RESIDUAL_MLP_NUM_BLOCKS": 3,
    },
    "ALG": {
        "ALGORITHM": "TQC",
        "LEARN_ENTROPY_COEF": False,
        "LR_ACTOR": 1e-5,
        "LR_CRITIC": 5e-5,
        "LR_ENTROPY": 5e-5,
        "GAMMA": 0.9925,
        "POLYAK": 0.995,
        "TARGET_ENTROPY": -3,
        "ALPHA": 0.01,
        "TOP_QUANTILES_TO_DROP": 8,
        "QUANTILES_NUMBER": 25,
        "N_STEPS": 3,
        "OPTIMIZER_ACTOR": "adam",
        "BETAS_ACTOR": [0.997, 0.997],
        "BETAS_CRITIC": [0.997, 0.997],
        "GRAD_CLIP_ACTOR": 1,
        "GRAD_CLIP_CRITIC": 1,
        "BACKUP_CLIP_RANGE": 100,
        "NUMBER_OF_POINTS": 10,
    },
    "PLAYER_RUNS": {"ONLINE_INJECTION": True, "SOURCE_PATH": "C:/Users/me", "DEMO_SAMPLING_WEIGHT": 1.15},
    "ENV": {"INIT_GAS_BIAS": 0.8, "REWARD_CONFIG": {"MAX_STRAY": 50}},
    "SOMETHING_ELSE": 1,
}


def test_the_reference_run_is_the_preset() -> None:
    config, findings = understand(RUN_L)
    preset = PRESETS["run_l"]
    different = {k for k, v in preset.to_dict().items() if v != config.to_dict()[k]}
    assert different <= {"metrics_every"}
    status = {f.key: f.status for f in findings}
    assert status["NUMBER_OF_POINTS"] == "changed"
    assert "3.5 m" in next(f.note for f in findings if f.key == "NUMBER_OF_POINTS")
    assert status["RNN_SIZES"] == "read, not used"
    assert status["SOMETHING_ELSE"] == "unknown"
    assert status["MAX_STRAY"] == "session"
    shown = json.dumps([str(f) for f in findings])
    for secret in ("hunter2", "abc123", "C:/Users"):
        assert secret not in shown
        assert secret not in json.dumps(config.to_dict())


def test_keys_that_are_not_there_have_their_own_defaults() -> None:
    config, _ = understand({"__VERSION__": "0.6.0", "ALG": {"ALGORITHM": "TQC"}})
    assert (config.lr_actor, config.gamma, config.quantiles, config.dropped, config.utd) == (1e-5, 0.995, 1, 1, 4.0)


def test_flat_layout_and_other_algorithms() -> None:
    config, _ = understand({"__VERSION__": "0.6.0", "BATCH_SIZE": 128, "ALG": {"ALGORITHM": "SAC", "GAMMA": 0.99}})
    assert (config.batch_size, config.quantiles, config.dropped, config.gamma) == (128, 1, 1, 0.99)
    redq, findings = understand(
        {"__VERSION__": "0.6.1", "ALG": {"ALGORITHM": "REDQSAC", "REDQ_N": 5, "REDQ_M": 2, "QUANTILES_NUMBER": 25}}
    )
    assert (redq.critics, redq.target_critics, redq.dropped, redq.actor_every) == (5, 2, 1, 20)
    assert {f.key: f.status for f in findings}["QUANTILES_NUMBER"] == "changed"


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for text, sentence in (
        ("{", "cannot be read"),
        ("[]", "not a table"),
        ('{"__VERSION__": "0.5.3"}', "0.6.0"),
        ("{}", "0.6.0"),
        ('{"__VERSION__": "0.6.0", "ALG": {"GAMMA": "much"}}', "wrong kind"),
    ):
        path.write_text(text)
        with pytest.raises(InputFileError, match=sentence):
            read(path)
    with pytest.raises(InputFileError, match="cannot be read"):
        read(tmp_path / "none.json")


OTHER = {  # a value that differs from the default, for each key that is one setting or works with others
    "BETAS_ACTOR": [0.5, 0.9],
    "BETAS_CRITIC": [0.5, 0.9],
    "LEARN_ENTROPY_COEF": True,
    "ONLINE_INJECTION": True,
    "API_MLP_SIZES": [64, 64, 64],
    "ALGORITHM": "TQC",
    "GAMMA": 0.5,
    "POLYAK": 0.5,
    "N_STEPS": 5,
    "RNN_SIZES": [48],
    "RNN_LENS": [2],
    "R2D2_REWIND": 0.2,
    "CNN_FILTERS": [8, 8],
}


@pytest.mark.parametrize("key", [*DIRECT, *TOGETHER, *KEPT])
def test_every_key_changes_a_setting_or_is_named_as_unused(key: str) -> None:
    assert key not in NOT_USED
    base = {
        "__VERSION__": "0.6.0",
        "ALGORITHM": "REDQSAC" if key.startswith("REDQ") else "TQC",
        "USE_RESIDUAL_SOPHY": key.startswith("RESIDUAL"),
        "USE_FROZEN_EFFNET": key.startswith("FROZEN"),
        "QUANTILES_NUMBER": 9,
    }
    if key == "ALGORITHM":
        base[key] = "SAC"
    changed = {**base, key: OTHER.get(key, True if key.startswith(("USE", "MLP")) else 3)}
    assert understand(changed)[0] != understand(base)[0]


KEYS = """
MODEL: MAX_EPOCHS ROUNDS_PER_EPOCH TRAINING_STEPS_PER_ROUND MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP
    ENVIRONMENT_STEPS_BEFORE_TRAINING UPDATE_MODEL_INTERVAL UPDATE_BUFFER_INTERVAL SAVE_MODEL_EVERY MEMORY_SIZE BATCH_SIZE
    SCHEDULER NOISY_LINEAR_CRITIC NOISY_LINEAR_ACTOR OUTPUT_DROPOUT RNN_DROPOUT CNN_FILTERS CNN_OUTPUT_SIZE RNN_LENS RNN_SIZES
    API_MLP_SIZES API_LAYERNORM MLP_LAYERNORM USE_RESIDUAL_MLP USE_RESIDUAL_SOPHY RESIDUAL_MLP_HIDDEN_DIM
    RESIDUAL_MLP_NUM_BLOCKS USE_FROZEN_EFFNET FROZEN_EFFNET_EMBED_DIM FROZEN_EFFNET_WIDTH_MULT
ALG: ALGORITHM LEARN_ENTROPY_COEF LR_ACTOR LR_CRITIC LR_ENTROPY GAMMA POLYAK TARGET_ENTROPY ALPHA REDQ_N REDQ_M
    REDQ_Q_UPDATES_PER_POLICY_UPDATE TOP_QUANTILES_TO_DROP QUANTILES_NUMBER N_STEPS R2D2_REWIND OPTIMIZER_ACTOR OPTIMIZER_CRITIC
    BETAS_ACTOR BETAS_CRITIC L2_ACTOR L2_CRITIC ADAM_EPS GRAD_CLIP_ACTOR GRAD_CLIP_CRITIC BACKUP_CLIP_RANGE CLIPPING_WEIGHTS
    CLIP_WEIGHTS_VALUE ACTOR_WEIGHT_DECAY CRITIC_WEIGHT_DECAY NUMBER_OF_POINTS POINTS_DISTANCE SPEED_BONUS SPEED_MIN_THRESHOLD
    SPEED_MEDIUM_THRESHOLD
PLAYER_RUNS: ONLINE_INJECTION SOURCE_PATH CONSUME_ON_READ MAX_FILES_PER_UPDATE DEMO_INJECTION_REPEAT DEMO_SAMPLING_WEIGHT
    DEMO_WEIGHT_DECAY_SAMPLES DEMO_MIN_BATCH_FRACTION DEMO_MAX_BATCH_FRACTION
"""
"""Every key that the trainer's sections of such a file have."""


@pytest.mark.parametrize("key", [word for word in KEYS.split() if not word.endswith(":")])
def test_no_key_is_dropped_without_a_word(key: str) -> None:
    """A key is one of those shown above to change a setting, or a reason is given why it changes none here."""
    (finding,) = understand({"__VERSION__": "0.6.0", "ALG": {key: OTHER.get(key, 1)}})[1]
    assert finding.note
    if key not in DIRECT and key not in TOGETHER:
        assert finding.status in ("read, not used", "session", "not carried over", "changed", "never kept")
        assert " " in finding.note


def test_keys_of_another_network_are_kept_and_said_to_wait() -> None:
    model = {"RNN_SIZES": [64, 32], "RNN_LENS": [1, 2], "RNN_DROPOUT": 0.1, "CNN_FILTERS": [8, 16], "CNN_OUTPUT_SIZE": 99}
    values = {"__VERSION__": "0.6.0", "MODEL": model, "ALG": {"R2D2_REWIND": 0.75}, "ENV": {"IMG_HIST_LEN": 4}}
    config, findings = understand(values)
    said = {f.key: (f.status, f.note) for f in findings}
    assert (config.network, config.rnn_size, config.rnn_layers, config.burn_in) == ("mlp", 64, 3, 60)
    assert said["RNN_SIZES"] == ("changed", "all recurrent layers get the widest size, 64")
    assert said["RNN_LENS"][0] == said["R2D2_REWIND"][0] == said["CNN_FILTERS"][0] == "read, not used"
    assert "--set network=recurrent" in said["R2D2_REWIND"][1]
    assert said["RNN_DROPOUT"][0] == "read, not used"
    assert said["IMG_HIST_LEN"][0] == "not carried over"
    config, findings = understand({**values, "ENV": {"USE_IMAGES": True}})
    said = {f.key: (f.status, f.note) for f in findings}
    assert (config.network, config.cnn_filters, config.cnn_output) == ("cnn", (8, 16), 99)
    assert said["CNN_FILTERS"] == ("used", "cnn_filters")
    assert said["USE_IMAGES"] == ("used", "network")
    assert said["RNN_LENS"][0] == "read, not used"


def moved(new: NewSteps, metres: float) -> NewSteps:
    new.segments = {k: dataclasses.replace(s, moved=metres) for k, s in new.segments.items()}
    return new


@functools.cache
def fingerprint(config: TrainConfig) -> tuple:
    """All that a few updates come to: weights, what was drawn, updates owed."""
    replay = Replay(OBS, ACT, config)
    for i in range(1, 6):
        driver = torch.zeros(40, dtype=torch.uint8).numpy()
        driver[5:15] = 1
        replay.add(moved(random_episode(i, driver=driver), float(i)))
    begun_before = torch.zeros(40, dtype=torch.uint8).numpy()
    begun_before[1:30] = 1
    replay.add(random_episode(12, driver=begun_before))
    replay.add(random_episode(6, purpose="lap"))
    replay.add(random_episode(7, purpose="evaluation"))
    new = random_episode(8, purpose="lap")
    for id_, segment in list(new.segments.items()):
        new.segments[id_] = dataclasses.replace(segment, verdict="star")
    replay.add(new)
    new = random_episode(9)
    new.episodes[9] = dataclasses.replace(new.episodes[9], reason="finish")
    replay.add(new)
    new = random_episode(10, driver=driver)
    for id_, segment in list(new.segments.items()):
        new.segments[id_] = dataclasses.replace(segment, outcome="failed")
    replay.add(new)
    new = random_episode(11)
    new.episodes[11] = dataclasses.replace(new.episodes[11], reason="stalled")
    replay.add(new)
    learner = TQC(OBS, ACT, config)
    learner.note_demo_count(replay.human_rows)
    budget = UpdateBudget(config.utd, config.warmup_steps, config.max_debt_steps * config.utd, lap_utd=config.lap_utd)
    learner.clone_first(budget.count_laps(replay.new_laps(0)))
    generator = torch.Generator().manual_seed(0)
    for batch in replay.sample_many(4, config.batch_size, generator):
        learner.env_steps += 10
        learner.update(batch)
    budget.count_steps(15_000)
    return (
        tuple(float(v.double().abs().sum()) for v in learner.tensors().values()),
        replay.demo_rows,
        replay.online_rows,
        replay.demo_rows_drawn,
        replay.demo_sampling_weight(),
        budget.owed,
    )


BASE = BARE.with_values(
    hidden=8, quantiles=5, drop_per_critic=1, batch_size=64, bc_weight=1.0, demo_copies=0.5
).with_values(critics=3, learn_alpha=True, own_finishes=1, recent_steps=50)
AVERAGED = {"actor_average_growth": 0.9, "actor_average_most": 0.6}
RECENT = {"recent_steps": 30, "recent_drives": 3}
LAPS_FIRST = {"q_warmup_updates": 2, "q_after_laps": 0.5}
ONE = BASE.with_values(one_replay=True, demo_fraction=0.0, demo_weight=2.0)
LEARNING = {
    "network": "simba", "hidden": 9, "layers": 1, "layer_norm_critic": False, "layer_norm_actor": False, "init_gas_bias": 0.5,
    "critics": 2, "quantiles": 6, "drop_per_critic": 2, "drop_pool": 1, "target_critics": 2, "gamma": 0.9, "n_step": 1,
    "polyak": 0.9, "actor_average": 0.9, "alpha": 0.2, "learn_alpha": False, "target_entropy": -7.0, "backup_clip": 0.1,
    "lr_actor": 1e-2, "lr_critic": 1e-2, "lr_alpha": 1e-2, "betas_actor": (0.5, 0.9), "betas_critic": (0.5, 0.9),
    "weight_decay_actor": 0.5, "grad_clip_actor": 1e-9, "grad_clip_critic": 1e-9,
    "batch_size": 32, "utd": 2.0, "actor_every": 2, "warmup_steps": 0,
    "max_debt_steps": 10, "demo_fraction": 0.2, "takeover_priority": 9.0, "lap_priority": 9.0, "star_priority": 9.0,
    "demo_copies": 0.1, "one_replay": True, "handover_cost": 3.0, "skip_before_takeover_s": 0.2,
    "human_weight": 3.0, "iwr_weight": 3.0, "bc_weight": 2.0, "bc_q_filter": True, "hand_delay_s": 0.1,
    "seed": 3, "entropy_per_action": 3.0, "stop_at_driver_change": False,
    "takeovers_online": False, "log_std_max": -1.0, "recent_fraction": 0.5, "own_finishes": 0,
    "stalled_steps": 10, "takeover_min_s": 0.6, "takeover_min_m": 3.5, "takeover_held_s": 2.0,
    "takeover_fraction": 0.9, "lap_utd": 0.03, "scale_observations": True, "horizon_s": 0.5, "n_step_s": 0.05, "stalled_s": 0.5,
    "q_weight": 0.3,
}  # fmt: skip
ONE_REPLAY = {"demo_weight": 9.0}
FAILED = {"failed_takeovers": False, "failed_cut_s": 0.2}
RECURRENT = {"rnn_size": 9, "rnn_layers": 2, "sequence": 8, "burn_in": 0}
PICTURES = {"image": (1, 2, 1), "cnn_filters": (3,), "cnn_output": 5, "image_shift": 4, "shared_encoder": True}
DAEMON = {
    "checkpoint_seconds", "checkpoint_seconds_max", "checkpoint_updates", "keep_checkpoints", "metrics_every",
    "threads", "explosion", "capacity", "frozen_effnet", "critic_loss", "learner", "scale_rewards", "kind_fraction",
    "failed_laps", "frozen_agent", "frozen_before_s", "frozen_after_s", "frozen_teaches", "frozen_bound",
    "finishes_kept", "own_prefixes", "past_action_dropout",
}  # fmt: skip
"""Tested with the daemon, the replay, the learner and the networks for pictures."""


def test_a_run_from_before_follows_q_in_full() -> None:
    before = TrainConfig().to_dict() | {"critics_trusted_after": 30_000}
    del before["q_after_laps"], before["q_warmup_updates"]
    config = TrainConfig.from_dict(before)
    assert (config.q_after_laps, config.q_warmup_updates) == (1.0, 30_000)
    assert unknown_settings("x", before) == ""


def test_what_is_set_in_seconds_is_the_same_at_twenty_hertz_as_it_was_in_steps() -> None:
    assert TrainConfig().times(20.0) == (0.9925, 3, 40)
    expected = {"hitl": (0.9925, 3, 40), "plain": (0.99, 2, 40), "rlpd": (0.99, 1, 0), "run_l": (0.9925, 3, 0)}
    assert {name: preset.times(20.0) for name, preset in PRESETS.items()} == expected
    before = TrainConfig.from_dict({**TrainConfig().to_dict(), "gamma": 0.9925, "n_step": 3, "stalled_steps": 40})
    assert fingerprint(before) == fingerprint(TrainConfig())


@pytest.mark.parametrize("hz", [10.0, 60.0])
def test_the_same_seconds_are_more_steps_of_a_faster_game(hz: float) -> None:
    times = TrainConfig().times(hz)
    assert 1 / (1 - times.gamma) / hz == pytest.approx(20 / 3)
    assert times.n_step == {10.0: 2, 60.0: 9}[hz]
    assert times.stalled_steps == 2 * hz
    written = TrainConfig.from_dict({"gamma": 0.95, "n_step": 5, "stalled_steps": 7})  # by an earlier version, in its steps
    assert written.times(hz) == (0.95, 5, 7)
    assert TrainConfig(network="recurrent").times(hz) == TrainConfig().times(20.0)


def test_a_time_that_is_set_replaces_its_steps() -> None:
    assert PRESETS["plain"].with_values(horizon_s=10.0, n_step_s=0.1).times(10.0)[:2] == (0.99, 1)
    assert PRESETS["hitl"].with_values(gamma=0.9, stalled_steps=3).times(60.0) == (0.9, 9, 3)
    assert PRESETS["hitl"].with_values(horizon_s=1.0, gamma=0.9).times(60.0).gamma == 0.9


def test_every_setting_is_accounted_for() -> None:
    groups = (LEARNING, AVERAGED, RECENT, LAPS_FIRST, ONE_REPLAY, FAILED, RECURRENT, PICTURES, DAEMON)
    assert set(TrainConfig().to_dict()) == set().union(*groups)
    assert not set(RETIRED) & set(TrainConfig().to_dict())


@pytest.mark.parametrize("name", LEARNING)
def test_every_setting_does_something(name: str) -> None:
    assert fingerprint(BASE.with_values(**{name: LEARNING[name]})) != fingerprint(BASE)


@pytest.mark.parametrize("name", AVERAGED)
def test_every_setting_of_the_average_does_something(name: str) -> None:
    base = BASE.with_values(actor_average=0.4, actor_average_growth=0.7)
    assert fingerprint(base.with_values(**{name: AVERAGED[name]})) != fingerprint(base)


@pytest.mark.parametrize("name", RECENT)
def test_every_setting_of_the_newest_steps_does_something(name: str) -> None:
    base = BASE.with_values(recent_fraction=0.5)
    assert fingerprint(base.with_values(**{name: RECENT[name]})) != fingerprint(base)


@pytest.mark.parametrize("name", LAPS_FIRST)
def test_every_setting_of_what_laps_show_first_does_something(name: str) -> None:
    base = BASE.with_values(lap_utd=0.03, q_warmup_updates=3)  # one update or two
    assert fingerprint(base.with_values(**{name: LAPS_FIRST[name]})) != fingerprint(base)


@pytest.mark.parametrize("name", FAILED)
def test_every_setting_of_failed_takeovers_does_something(name: str) -> None:
    base = BASE.with_values(failed_takeovers=True, failed_cut_s=0.0)
    assert fingerprint(base.with_values(**{name: FAILED[name]})) != fingerprint(base)


@pytest.mark.parametrize("name", ONE_REPLAY)
def test_every_setting_of_the_one_replay_does_something(name: str) -> None:
    assert fingerprint(ONE.with_values(**{name: ONE_REPLAY[name]})) != fingerprint(ONE)


@pytest.mark.parametrize("name", RECURRENT)
def test_every_setting_of_the_recurrent_network_does_something(name: str) -> None:
    base = BASE.with_values(network="recurrent", rnn_size=6)
    assert fingerprint(base.with_values(**{name: RECURRENT[name]})) != fingerprint(base)


@pytest.mark.parametrize("name", PICTURES)
def test_every_setting_of_the_network_for_pictures_does_something(name: str) -> None:
    base = BASE.with_values(network="cnn", image=(1, 1, 2), cnn_output=6)
    assert fingerprint(base.with_values(**{name: PICTURES[name]})) != fingerprint(base)


def test_the_same_settings_give_the_same() -> None:
    assert fingerprint(BASE) == fingerprint(BASE)


def test_the_bare_learner_is_never_had_by_accident() -> None:
    assert TrainConfig() == PRESETS["hitl"]
    assert TrainConfig(gamma=0.9).bc_weight == 10.0
    assert BARE.bc_weight == BARE.own_finishes == 0


def test_what_a_checkpoint_does_not_name_is_what_was_done_before_there_was_a_setting_for_it() -> None:
    assert TrainConfig.from_dict({}) == BARE
    for config in (*PRESETS.values(), BARE):
        assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    old = TrainConfig.from_dict({"hidden": 64, "lr_actor": 3e-4})  # of a version without cloning, averages or own finishes
    assert (old.hidden, old.bc_weight, old.actor_average, old.own_finishes, old.log_std_max) == (64, 0.0, None, 0, 2.0)


def test_numbers_that_earlier_versions_allowed_do_not_make_a_checkpoint_useless() -> None:
    written = {**TrainConfig().to_dict(), "recent_steps": 0, "recent_fraction": 0.0, "checkpoint_updates": 0, "utd": 3}
    assert TrainConfig.from_dict(written) == TrainConfig(recent_fraction=0.0, utd=3.0)
    text = unknown_settings("a.safetensors", written)
    assert "(checkpoint_updates = 0, recent_steps = 0)" in text
    for wrong in ({"recent_steps": "0"}, {"network": "none such"}, {"utd": True}):
        with pytest.raises(UsageError):
            TrainConfig.from_dict(wrong)


def test_settings_that_are_not_known_are_named() -> None:
    assert unknown_settings("a.safetensors", BARE.to_dict()) == ""
    text = unknown_settings("a.safetensors", {**BARE.to_dict(), **{f"new_{i}": i for i in range(7)}})
    assert "'a.safetensors'" in text
    assert "new_0 = 0" in text
    assert "and 2 more" in text


def test_settings_of_earlier_versions_are_named_where_they_did_something() -> None:
    nothing = {name: usual for name, (usual, _) in RETIRED.items()}
    assert unknown_settings("a.safetensors", {**BARE.to_dict(), **nothing}) == ""
    for name in RETIRED:
        text = unknown_settings("a.safetensors", {**BARE.to_dict(), **nothing, name: 12345})
        assert f"({name} = 12345)" in text
    kept, said = without_retired({"utd": 4, "bc_loss": "mse"}, "settings.toml")
    assert kept == {"utd": 4}
    assert said == ["settings.toml: bc_loss is not a setting of this version and is ignored: cloning is by the squared error of "
                    "the greedy action."]  # fmt: skip


def test_a_time_on_the_command_line_goes_before_steps_that_are_set_in_the_home(tmp_path) -> None:
    from hitl.commands.train import _wish
    from hitl.home import Home

    (tmp_path / "settings.toml").write_text("[train]\nn_step = 5\ngamma = 0.9\n")

    def times(*pairs: str):
        return _wish(Home(tmp_path), arguments(*pairs)).config_where(True).times(20.0)

    def arguments(*pairs: str) -> argparse.Namespace:
        common = {"preset": None, "seed": None, "tmrl_config": None, "init": None, "fresh": False, "device": "cpu"}
        return argparse.Namespace(set=list(pairs), quiet=True, background=False, **common)

    assert times()[:2] == (0.9, 5)
    assert times("n_step_s=0.5")[:2] == (0.9, 10)
    assert times("n_step_s=0.5", "horizon_s=5")[:2] == (0.99, 10)
    assert times("n_step_s=0.5", "n_step=2")[:2] == (0.9, 2), "what is typed in steps goes before what is typed in seconds"


def test_a_run_from_before_clones_without_the_past_as_well() -> None:
    before = TrainConfig().to_dict()
    del before["past_action_dropout"]
    assert TrainConfig.from_dict(before).past_action_dropout == TrainConfig().past_action_dropout > 0
