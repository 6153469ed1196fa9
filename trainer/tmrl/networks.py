"""The keys of a ``config.json`` that say what the networks are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.config import TrainConfig
from trainer.tmrl.keys import KEPT


def set_network(flat: Mapping[str, Any], set_: dict[str, Any], changed: dict[str, str]) -> None:
    """Add the networks' settings to ``set_``, and a note to ``changed`` for each key whose meaning is another one here."""
    _recurrent(flat, set_, changed)
    _pictures(flat, set_)
    if flat.get("USE_RESIDUAL_SOPHY") or flat.get("USE_RESIDUAL_MLP"):
        set_["network"] = "residual"
        set_["hidden"] = int(flat.get("RESIDUAL_MLP_HIDDEN_DIM", 256))
        set_["layers"] = int(flat.get("RESIDUAL_MLP_NUM_BLOCKS", 6))
        if not flat.get("USE_RESIDUAL_SOPHY"):
            changed["USE_RESIDUAL_MLP"] = "built as the residual network of USE_RESIDUAL_SOPHY: there is one kind here"
        return
    if flat.get("USE_IMAGES"):
        set_["network"] = "cnn"
    sizes = [int(size) for size in flat.get("API_MLP_SIZES", [256, 256])]
    set_["hidden"], set_["layers"] = max(sizes), len(sizes)
    if len(set(sizes)) > 1:
        changed["API_MLP_SIZES"] = f"all layers get the widest size, {max(sizes)}"
    set_["layer_norm_actor"] = set_["layer_norm_critic"] = bool(flat.get("MLP_LAYERNORM", False))


def _recurrent(flat: Mapping[str, Any], set_: dict[str, Any], changed: dict[str, str]) -> None:
    if "RNN_SIZES" in flat:
        sizes = [int(size) for size in flat["RNN_SIZES"]]
        set_["rnn_size"] = max(sizes)
        if len(set(sizes)) > 1:
            changed["RNN_SIZES"] = f"all recurrent layers get the widest size, {max(sizes)}"
    if "RNN_LENS" in flat:
        set_["rnn_layers"] = sum(int(length) for length in flat["RNN_LENS"])
    if "R2D2_REWIND" in flat:
        # The share of a stretch that is only rewound over: the rest is learned from.
        share = min(max(float(flat["R2D2_REWIND"]), 0.0), 0.9)
        set_["burn_in"] = round(TrainConfig().sequence * share / (1 - share))


def _pictures(flat: Mapping[str, Any], set_: dict[str, Any]) -> None:
    if "CNN_FILTERS" in flat:
        set_["cnn_filters"] = tuple(int(n) for n in flat["CNN_FILTERS"])
    if "CNN_OUTPUT_SIZE" in flat:
        set_["cnn_output"] = int(flat["CNN_OUTPUT_SIZE"])
    if flat.get("USE_FROZEN_EFFNET"):
        set_["frozen_effnet"] = True
        set_["cnn_output"] = int(flat.get("FROZEN_EFFNET_EMBED_DIM", 256))


def note(key: str, network: str) -> tuple[bool, str]:
    """Return whether one of ``KEPT`` is used by that network, and what is to be said of it."""
    setting, kind = KEPT[key]
    if network == kind:
        return True, setting
    why = "no key of a config.json asks for a recurrent network" if kind == "recurrent" else "USE_IMAGES is not what is built"
    return False, f"kept as {setting}, for the network '{kind}': {why}; --set network={kind} does"
