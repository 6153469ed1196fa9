"""The files beside an agent: statistics that it was normalised with, and the table of its actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import InputFileError, shown
from data.exchange.unpickle import Holder, loads_restricted
from data.files.packed import arrays_of
from data.files.text_files import read_json, read_rows
from data.numbers import MOST
from data.words import number_of
from hitl.agents.archives import read_whole
from hitl.agents.preprocessing import Normalization

_SB3 = "stable_baselines3.common"
_CLASSES = (
    f"{_SB3}.vec_env.vec_normalize VecNormalize",
    f"{_SB3}.running_mean_std RunningMeanStd",
    *(f"{gym}.spaces.{name}" for gym in ("gymnasium", "gym") for name in ("box Box", "discrete Discrete", "dict Dict")),
    "collections OrderedDict",
    # A space that was seeded holds its generator.
    "numpy.random._pickle __generator_ctor",
    "numpy.random._pickle __bit_generator_ctor",
    *(f"numpy.random.{name}" for name in ("_pcg64 PCG64", "_mt19937 MT19937", "bit_generator SeedSequence")),
    *(f"numpy.random.bit_generator {name}" for name in ("__pyx_unpickle_SeedSequence", "SeedlessSeedSequence")),
)
"""What a pickled ``VecNormalize`` is made of. Nothing of it is run; only its numbers are looked at."""
MOST_STATISTICS = 64 * 2**20
"""Bytes of statistics, unpacked; those of the largest picture have a quarter of that."""
MOST_ROWS = 10_000
"""Rows of a table of actions; real ones have up to some hundred."""


def read_normalization(path: Path) -> Normalization:
    """Read statistics: a pickled ``VecNormalize``, or ``mean`` and ``var`` (perhaps ``epsilon`` and ``clip``) as .npz or JSON.

    Raises InputFileError.
    """
    data = read_whole(path)
    try:
        if path.suffix.lower() == ".json":
            found = read_json(path)
        elif data[:2] == b"PK":
            found = arrays_of(data, MOST_STATISTICS, ("mean", "var", "epsilon", "clip"))
        else:
            found = _vec_normalize(data)
        return _normalization(found)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputFileError(
            f"The statistics '{path.name}' cannot be used ({shown(error, 120)}): give what `VecNormalize.save` wrote, or "
            "mean and var as .npz or .json."
        ) from error


def _vec_normalize(data: bytes) -> dict[str, Any]:
    pickled = loads_restricted(data, _CLASSES)
    state = pickled.state if isinstance(pickled, Holder) else {}
    if not state.get("norm_obs", True):  # first of all: such a one holds no statistics of observations
        raise ValueError("it normalised rewards only, so the agent needs no --agent-normalize")
    if "obs_rms" not in state:
        raise ValueError("it is not a VecNormalize")
    if not isinstance(rms := state["obs_rms"], Holder):
        raise ValueError("it holds statistics of several observations, and a session has one")
    more = {name: state[key] for name, key in (("epsilon", "epsilon"), ("clip", "clip_obs")) if key in state}
    return {"mean": rms.state["mean"], "var": rms.state["var"], **more}


def _normalization(found: Any) -> Normalization:
    if not isinstance(found, Mapping) or "mean" not in found or "var" not in found:
        raise ValueError("there is no 'mean' and 'var' in it")
    mean, var = (np.asarray(found[name], np.float64).reshape(-1) for name in ("mean", "var"))
    if len(mean) != len(var):
        raise ValueError(f"{len(mean)} means and {len(var)} variances")
    epsilon, clip = float(found.get("epsilon", 1e-8)), float(found.get("clip", 10.0))
    if not (np.isfinite(mean).all() and np.isfinite(var).all() and (var >= 0).all() and epsilon > 0 and clip > 0):
        raise ValueError("a mean is not finite, or a variance is negative or not finite")
    return Normalization(mean, var, epsilon, clip)


def read_actions(path: Path, names: Sequence[str]) -> NDArray[np.float32]:
    """Read a table of actions (N, A), one row for each choice of a discrete agent, by the session's action ``names``.

    CSV, with a first line of names in any order or without one; JSON, a list of lists or of objects. Raises InputFileError.
    """
    try:
        rows = _json_rows(path, names) if path.suffix.lower() == ".json" else _csv_rows(path, names)
        table = np.array(rows, np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise InputFileError(f"The table of actions '{path.name}' cannot be used: {shown(error, 160)}.") from error
    if not len(table) or np.abs(table).max() > 1.0 or not np.isfinite(table).all():
        held = f"{number_of(len(table), 'row')}, with numbers of up to {_most(table):g}"
        raise InputFileError(
            f"The table of actions '{path.name}' holds {held}: give at least one row, and numbers from -1 to 1 (a pedal: 0 is "
            "released, 1 pressed)."
        )
    return table.astype(np.float32)


def _most(table: NDArray[np.float64]) -> float:
    return float(np.nan_to_num(np.abs(table), nan=MOST, posinf=MOST).max(initial=0.0))


def _json_rows(path: Path, names: Sequence[str]) -> list[list[float]]:
    found = read_json(path)
    if not isinstance(found, list):
        raise ValueError("it is not a list of rows")
    rows = []
    for number, row in enumerate(found[: MOST_ROWS + 1], 1):
        cells = [row[name] for name in names] if isinstance(row, Mapping) and set(row) == set(names) else row
        rows.append(_row(cells, names, f"row {number}"))
    return _few(rows)


def _csv_rows(path: Path, names: Sequence[str]) -> list[list[float]]:
    rows: list[list[float]] = []
    order = list(range(len(names)))
    for number, cells in read_rows(path):
        if not any(cells) or cells[0].startswith("#"):
            continue
        if not rows and set(cells) == set(names):
            order = [cells.index(name) for name in names]
            continue
        rows.append(_row([cells[k] for k in order] if len(cells) == len(names) else cells, names, f"line {number}"))
        if len(rows) > MOST_ROWS:
            break
    return _few(rows)


def _row(cells: Any, names: Sequence[str], where: str) -> list[float]:
    if not isinstance(cells, list) or len(cells) != len(names):
        count = f"{len(cells)} numbers" if isinstance(cells, list) else "other names"
        raise ValueError(f"{where} has {count}, and this session has {len(names)} action numbers ({', '.join(names)})")
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        raise ValueError(f"{where} holds '{shown(cells, 40)}', and not {len(names)} numbers ({', '.join(names)})") from None


def _few(rows: list[list[float]]) -> list[list[float]]:
    if len(rows) > MOST_ROWS:
        raise ValueError(f"it has more than {MOST_ROWS:,} rows")
    return rows
