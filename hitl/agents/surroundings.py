"""What lies beside an agent's file, or in the folder that was named in its place: said, and never taken by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data.errors import InputFileError, shown
from data.files.paths import as_typed
from hitl.agents.archives import read_whole
from hitl.agents.statistics import read_normalization
from hitl.settings import AgentSettings

SUFFIXES = (".zip", ".tmod", ".pt", ".ts", ".onnx", ".safetensors")
"""What the names of agents end with."""
WEIGHTS = (".pth", ".ckpt", ".cleanrl_model")
"""What the names of weights end with that come without their network."""
MOST = 2**24
"""Bytes of statistics that are looked into without being asked."""
_STATISTICS = re.compile(r"vec_?normali[sz]ed?|normali[sz]\w*", re.IGNORECASE)


def of_folder(folder: Path) -> str:
    """Return a sentence for a folder that was named as an agent, with an agent's file in it if there is one."""
    try:
        found = [file for pattern in ("*", "*/*") for file in sorted(folder.glob(pattern)) if file.suffix.lower() in SUFFIXES]
    except OSError:
        found = []
    said = f"'{shown(folder.name)}' is a folder, and an agent is a file"
    if not found:
        return f"{said}: it holds no file that can be one ({', '.join(SUFFIXES)})."
    best = next((file for file in found if "best" in file.stem.lower()), found[0])
    which = "it" if len(found) == 1 else f"one of the {len(found)} there"
    return f"{said}. Name {which}: --agent {as_typed(best)}."


def left_out(wanted: AgentSettings, path: Path | None, size: int, stack: int) -> str:
    """Return a sentence about statistics beside an agent's file that were not asked for; "" where there are none for it.

    ``size``: how many numbers the session shows it; ``stack``: of how many observations at once.
    """
    if path is None or wanted.normalize or path.suffix.lower() not in (".zip", ".pt", ".ts", ".onnx"):
        return ""
    try:
        found = next((file for file in _statistics_for(path) if _may_fit(file, size, stack)), None)
        if found is None or (path.suffix.lower() == ".zip" and _never_normalized(path)):
            return ""
    except OSError:
        return ""
    return (
        f"Beside the agent there are statistics, '{found.name}': if it was trained with them, it drives well only with "
        f"--agent-normalize {as_typed(found)}."
    )


def _statistics_for(path: Path) -> Iterator[Path]:
    """Yield the statistics that lie beside an agent and are not another agent's by their name, those of its own name first.

    Those of Stable-Baselines3's zoo are in a folder of the environment's name, beside ``ENV.zip`` and ``best_model.zip``; its
    own checkpoints have ``rl_model_vecnormalize_5000_steps.pkl`` beside ``rl_model_5000_steps.zip``.
    """
    beside = sorted(path.parent.iterdir())
    named = f"{path.parent.name} {path.stem}"
    folders = [path.parent, *(folder for folder in beside if folder.is_dir() and folder.name in named)]
    other = {file.stem.lower() for file in beside if file.suffix.lower() in SUFFIXES} - {path.stem.lower()}
    found = [file for folder in folders for file in sorted(folder.glob("*.pkl")) if "normal" in file.name.lower()]
    yield from sorted((f for f in found if _whose(f) not in other), key=lambda f: _whose(f) != path.stem.lower())


def _whose(statistics: Path) -> str:
    """Return the name of the agent that a file of statistics is named after, "" where it is after none."""
    return re.sub(r"[_-]{2,}", "_", _STATISTICS.sub("", statistics.stem)).strip("_-").lower()


def _may_fit(file: Path, size: int, stack: int) -> bool:
    try:
        return file.stat().st_size <= MOST and len(read_normalization(file).mean) in (size, size * stack)
    except InputFileError:  # they are none, or of rewards alone
        return False


def _never_normalized(archive: Path) -> bool:
    """Tell whether an archive says that it was trained on observations as they came."""
    from hitl.agents.formats.sb3 import saw_all_as_it_came

    try:
        return saw_all_as_it_came(read_whole(archive), archive.name)
    except InputFileError:
        return False
