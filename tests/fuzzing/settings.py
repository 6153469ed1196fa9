"""Readers of settings and field kits: tmrl's config.json, settings.toml, pads.toml."""

# ruff: noqa: PT018 (an assertion is one thing that is asked of an answer)

from __future__ import annotations

import functools
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzzing.harness import Reader
from tests.fuzzing.mutate import dump_json, finite, mutate_text, mutate_value


@functools.cache
def config_json() -> dict[str, Any]:
    """Return a config.json as the forks write it."""
    from trainer.tmrl.keys import DEFAULTS, DIRECT

    alg = {key: DEFAULTS.get(key, 1) for key in DIRECT}
    alg |= {
        "ALGORITHM": "TQC", "QUANTILES_NUMBER": 25, "OPTIMIZER_ACTOR": "adam", "OPTIMIZER_CRITIC": "adam",
        "BETAS_ACTOR": [0.9, 0.999], "BETAS_CRITIC": [0.9, 0.999], "GAMMA": 0.99, "LEARN_ENTROPY_COEF": True,
    }  # fmt: skip
    return {
        "__VERSION__": "0.6.0",
        "PASSWORD": "planted-secret",
        "WANDB_KEY": "planted-key",
        "PORT": 55555,
        "PUBLIC_IP_SERVER": "10.0.0.1",
        "MODEL": {
            "BATCH_SIZE": 256, "MEMORY_SIZE": 1e6, "API_MLP_SIZES": [256, 256], "MAX_EPOCHS": 100,
            "ROUNDS_PER_EPOCH": 10, "TRAINING_STEPS_PER_ROUND": 200,
            "SCHEDULER": {"NAME": "CosineAnnealingWarmRestarts", "T_0": 10, "T_mult": 2},
        },
        "ALG": alg,
        "ENV": {
            "RTGYM_INTERFACE": "TQCGRAB", "SEED": 3, "RTGYM_CONFIG": {"time_step_duration": 0.05},
            "REWARD_CONFIG": {"MAX_STRAY": 100, "MIN_STEPS": 70}, "END_OF_TRACK_REWARD": 100.0,
        },
        "PLAYER_RUNS": {"DEMO_INJECTION_REPEAT": 1, "ONLINE_INJECTION": True},
    }  # fmt: skip


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
        from hitl.settings_desk.files import dumps

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


KIT = {
    "format": "hitl-field-kit", "version": 1, "hitl": "0.1.0", "env": "trackmania",
    "measurements": [
        {"name": "clock", "state": "done", "wall_s": 20.1, "problem": "", "figures": {"late_ms_p99": 1.5, "goes_first": True}},
        {"name": "pad", "state": "done", "figures": {"name": "Red Pad", "controls": ["leftx"], "control_at_rest": [None]}},
        {"name": "steering", "state": "missing", "wall_s": 0.0, "problem": "it needs telemetry"},
    ],
}  # fmt: skip


def _make_kit(rng: Random) -> bytes:
    return mutate_text(rng, json.dumps(KIT)) if rng.random() < 0.4 else dump_json(mutate_value(rng, KIT, 5))


def _use_kit(data: bytes, folder: Path) -> None:
    import msgspec

    from hitl.console import console
    from hitl.field_kit.kit import read
    from hitl.field_kit.record import shown_kit

    (folder / "kit.json").write_bytes(data)
    kit = read(folder / "kit.json")
    with console(file=io.StringIO(), width=100) as out:
        out.print(shown_kit(kit))
    values = [v for m in kit.measurements for f in m.figures.values() for v in (f if isinstance(f, list) else [f])]
    assert finite([v for v in values if type(v) is float]), "a figure is not finite"
    assert msgspec.json.encode(kit)


READERS = (
    Reader("field-kit.json", _make_kit, _use_kit, lambda: json.dumps(KIT).encode()),
    Reader("config.json", _make_config, _use_config, lambda: json.dumps(config_json()).encode()),
    Reader("settings.toml", _make_settings(SETTINGS), _use_settings, SETTINGS.encode),
    Reader("pads.toml", _make_settings(PADS), _use_pads, PADS.encode),
)
