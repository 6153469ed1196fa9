"""The one reader of tmrl's ``config.json``: its layouts, its nested tables and its keys.

Layouts: upstream 0.6.0 (training keys at the root), the TQCGRAB fork (sections MODEL, ALG, PLAYER_RUNS, ENV, DEBUGGER), and its
later form (REWARD_CONFIG at the root). Training takes its settings from here (`trainer.tmrl.config`), the diagnosis its recipe
(`trainer.diagnosis.recipe`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from data.errors import InputFileError, shown
from data.files.text_files import read_json
from trainer.tmrl.values import known_number

OLDEST = (0, 6, 0)
SECTIONS = ("MODEL", "ALG", "PLAYER_RUNS", "ENV", "DEBUGGER", "REWARD_CONFIG")
BOOLEANS = frozenset({
    "LEARN_ENTROPY_COEF", "ONLINE_INJECTION", "USE_IMAGES", "USE_RESIDUAL_MLP", "USE_RESIDUAL_SOPHY", "USE_FROZEN_EFFNET",
    "MLP_LAYERNORM", "API_LAYERNORM", "CUDA_TRAINING", "CUDA_INFERENCE", "RESET_TRAINING", "CONSUME_ON_READ", "IMG_GRAYSCALE",
    "NOISY_LINEAR_ACTOR", "NOISY_LINEAR_CRITIC", "CLIPPING_WEIGHTS", "VIRTUAL_GAMEPAD", "DCAC",
})  # fmt: skip
"""Keys whose values are true or false."""
ROOT = ""
# Where a key is looked for, in this order; the oldest layouts have all of them at the root.
MODEL, ALG, ENV = ("MODEL", ROOT), ("ALG", ROOT), ("ENV", ROOT)
REWARD = ("REWARD_CONFIG", "ENV.REWARD_CONFIG")


class Entry(NamedTuple):
    """One key as it is written; ``section`` is "" at the root."""

    section: str
    key: str
    value: Any


class TmrlConfig:
    """What a ``config.json`` says. Values are kept as they are written; numbers between quotes are read as numbers.

    Raises InputFileError unless these are settings of tmrl 0.6.0 or newer.
    """

    def __init__(self, values: Any, name: str = "config.json") -> None:
        _check_version(values, name)
        self.name = name
        self.has_version = "__VERSION__" in values
        self.sections = frozenset(values) & frozenset(SECTIONS)
        self.entries = tuple(_entries(values))
        """Every key, the root's first."""
        self.flat = {e.key: e.value for e in self.entries}
        """Every key once: what a section says wins over the root."""
        self.unusable: list[str] = []
        """Sentences about values that `number` was asked for and that are not numbers."""

    @classmethod
    def read(cls, path: Path) -> TmrlConfig:
        """Read a file. Raises InputFileError, also when it is larger than any such file."""
        return cls(read_json(path), path.name)

    def get(self, key: str, *sections: str, default: Any = None) -> Any:
        """Return the value as it is written in the first of these sections that has the key."""
        found = {e.section: e.value for e in self.entries if e.key == key}
        return next((found[s] for s in sections if s in found), default)

    def number(self, key: str, *sections: str, default: float | None = None) -> float | None:
        """Return a number, or ``default`` without one; a value that is not a number is noted in ``unusable``."""
        return self.usable(key, self.get(key, *sections), default)

    def usable(self, key: str, value: Any, default: float | None = None) -> float | None:
        """Return ``value`` as a number, as `number` does."""
        found = known_number(value)
        if found is None and value is not None:
            text = f"{key} is {shown(repr(value))}, which is not a number"
            if text not in self.unusable:
                self.unusable.append(text)
        return default if found is None else found

    def quoted_truths(self) -> set[str]:
        """Return the keys that are true or false, and whose value stands between quotes: tmrl takes any text for true."""
        return {k for k, v in self.flat.items() if k in BOOLEANS and isinstance(v, str)}


def _check_version(values: Any, name: str) -> None:
    """Refuse, with the true reason, what is older; a file without a version passes when it has one of the sections."""
    if not isinstance(values, dict):
        raise InputFileError(f"The configuration '{name}' is not a table of settings: give a tmrl config.json.")
    version = values.get("__VERSION__")
    if version is None:
        if not any(isinstance(values.get(section), dict) for section in ("ALG", "MODEL", "ENV")):
            raise InputFileError(
                f"The configuration '{name}' has no __VERSION__ and none of the sections ALG, MODEL and ENV, as those of tmrl "
                "0.6.0 or newer do: give the config.json of the run."
            )
        return
    numbers = tuple(int(part) for part in re.findall(r"\d{1,9}", str(version))[:3])
    if numbers + (0,) * (3 - len(numbers)) < OLDEST or not numbers:
        raise InputFileError(
            f"The configuration '{name}' is of version {shown(version, 20) or 'unknown'}; 0.6.0 or newer is needed: let tmrl "
            "write it anew."
        )


def _entries(values: Mapping[str, Any]) -> Iterator[Entry]:
    for key, value in values.items():
        if key != "__VERSION__" and not (key in SECTIONS and isinstance(value, Mapping)):
            yield Entry(ROOT, key, value)
    for section in SECTIONS:
        table = values.get(section)
        for key, value in table.items() if isinstance(table, Mapping) else ():
            if key == "REWARD_CONFIG" and isinstance(value, Mapping):
                yield from (Entry(f"{section}.{key}", k, v) for k, v in value.items())
            else:
                yield Entry(section, key, value)
