"""From what ``--agent`` names to an agent that can drive a session, or a sentence that says why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from data.errors import CheckpointError, InputFileError, StoreError, UsageError, shown
from data.files.paths import user_path
from data.words import number_of
from hitl.agents.actions import Actions, Continuous, Table
from hitl.agents.agent import Agent, AgentIdentity, AgentNetwork
from hitl.agents.archives import read_whole, sha256_of
from hitl.agents.own_code import PYTHON
from hitl.agents.preprocessing import Normalization, Preprocessing
from hitl.agents.statistics import read_actions, read_normalization
from hitl.agents.surroundings import SUFFIXES, WEIGHTS, of_folder
from hitl.home import Home
from hitl.settings import AgentSettings

PAD = "pad:"
"""What the name of another program's pad begins with: such an agent can be watched, and not be opened."""
NEXT = "next"
"""The name of whichever pad is plugged in next."""
NumberNames = tuple[str, ...]


def open_agent(wanted: AgentSettings, home: Home, observation_names: NumberNames, action_names: NumberNames) -> Agent:
    """Return the agent that ``wanted`` names, ready to drive a session with these observations and actions.

    Raises:
        InputFileError: a file cannot be used, or does not fit the session; the sentence has both sides' numbers.
        CheckpointError, StoreError: no such checkpoint.
        DeviceError: a package that the format needs is missing.
        UsageError: an option does not go with this agent.
    """
    return _Opening(wanted, home, observation_names, action_names).agent()


def file_of(wanted: AgentSettings, home: Home) -> Path | None:
    """Return the file that ``wanted`` names, a checkpoint's included; None for ``module:callable``. Raises as `open_agent`."""
    if wanted.use.startswith(PAD):
        raise InputFileError(
            f"Of '{shown(wanted.use)}' only its pad is known: it drives in `hitl play`, and can be asked for nothing else."
        )
    path = user_path(wanted.use)
    for found in (path, path.with_name(f"{path.name}.zip")):  # as Stable-Baselines3's own load takes it
        if found.is_file():
            return found
    if path.suffix.lower() in (*SUFFIXES, *WEIGHTS) and path.suffix.lower() != ".safetensors" and not path.is_dir():
        named = "which --agent or settings.toml names: check the path"
        raise InputFileError(f"There is no file '{shown(path.name)}' there, {named}.")
    if PYTHON.fullmatch(wanted.use):
        return None
    from hitl.drivers.policy import find_checkpoint

    try:
        record = find_checkpoint(home, wanted.use)
    except (CheckpointError, StoreError):
        if path.is_dir():
            raise InputFileError(of_folder(path)) from None
        raise
    path = home.checkpoints / record.name
    if path.name != record.name or path.suffix != ".safetensors":  # the home may come from elsewhere, and name a program there
        raise CheckpointError(f"'{shown(record.name)}' is not the name of a checkpoint's file: name another one.")
    if not path.is_file():
        raise CheckpointError(f"The file of '{path.name}' is gone by now: `hitl checkpoints` says which ones are there.")
    return path


class _Opening:
    """One agent on its way."""

    def __init__(self, wanted: AgentSettings, home: Home, observation_names: NumberNames, action_names: NumberNames) -> None:
        self._wanted, self._observations, self._names = wanted, observation_names, action_names
        self._path = file_of(wanted, home)
        self._name = self._path.name if self._path is not None else wanted.use
        self._stack, self._repeat_first = wanted.stack, False
        self._table: Actions | None = None
        self._sums: dict[str, Any] = {}

    def agent(self) -> Agent:
        if self._wanted.actions:
            path = user_path(self._wanted.actions)
            self._table = Table(read_actions(path, self._names), self._names)
            self._sums["actions"] = sha256_of(read_whole(path))
        kind, sha256, network, actions = self._program() if self._path is None else self._of_file(self._path)
        shown_ = self._preprocessing(network)
        settings = self._sums | ({"stack": self._stack} if self._stack > 1 else {})
        settings |= {"range": list(self._wanted.range)} if self._wanted.range else {}
        return Agent(AgentIdentity(kind, self._name, sha256, settings), network, shown_, actions)

    def _of_file(self, path: Path) -> tuple[str, str, AgentNetwork, Actions]:
        formats: dict[str, Callable[[bytes], tuple[str, AgentNetwork, Actions]]] = {
            ".zip": self._sb3, ".tmod": self._tmrl, ".pt": self._torchscript, ".ts": self._torchscript, ".onnx": self._onnx,
        }  # fmt: skip
        suffix = path.suffix.lower()
        if suffix == ".tcpt":
            raise InputFileError(
                f"'{shown(path.name)}' is what tmrl's trainer goes on from: give the agent that it wrote for its workers, "
                "a .tmod in TmrlData/weights."
            )
        if suffix in WEIGHTS:
            raise InputFileError(
                f"'{shown(path.name)}' holds weights alone, as it seems, and not how its network is built: save it as "
                "TorchScript (`torch.jit.script(actor).save(\"actor.pt\")`), or give your own code as module:callable."
            )
        if suffix not in SUFFIXES:
            raise InputFileError(
                f"'{shown(path.name)}' is no agent that is known here: give a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file, "
                "a checkpoint, or module:callable."
            )
        data = read_whole(path)
        kind, network, actions = formats[suffix](data) if suffix in formats else self._checkpoint(path)
        return kind, sha256_of(data), network, actions

    # -- the formats

    def _sb3(self, data: bytes) -> tuple[str, AgentNetwork, Actions]:
        from hitl.agents.formats import sb3

        model = sb3.read(data, self._name)
        self._no_range()
        shape = model.observation.shape
        if len(shape) == 2 and shape[1] == len(self._observations):  # Gymnasium's own stack of observations
            self._stack, self._repeat_first = shape[0], True
        if isinstance(model.actions, int):
            return model.algorithm, model.network, self._chosen(model.actions)
        low, high = model.actions.low, model.actions.high
        self._check_count(len(low))
        return model.algorithm, model.network, Continuous(
            self._names, low, high, squashed=model.squashed, clips=not model.squashed
        )

    def _tmrl(self, data: bytes) -> tuple[str, AgentNetwork, Actions]:
        from hitl.agents.formats import tmrl

        self._no_range()
        self._no_table()
        return "tmrl", tmrl.read(data, self._name), self._within(-1.0, 1.0)

    def _torchscript(self, data: bytes) -> tuple[str, AgentNetwork, Actions]:
        from hitl.agents.formats.programs import TorchScriptNetwork

        return "TorchScript", TorchScriptNetwork(data, self._name), self._table or self._stated()

    def _onnx(self, data: bytes) -> tuple[str, AgentNetwork, Actions]:
        from hitl.agents.formats.programs import OnnxNetwork

        return "ONNX", OnnxNetwork(data, self._name), self._table or self._stated()

    def _checkpoint(self, path: Path) -> tuple[str, AgentNetwork, Actions]:
        from hitl.agents.formats.checkpoint import CheckpointNetwork, check_names

        self._no_range()
        self._no_table()
        network = CheckpointNetwork(path)
        check_names(network.meta, self._name, self._observations, self._names)
        return "checkpoint", network, self._within(-1.0, 1.0)

    def _program(self) -> tuple[str, str, AgentNetwork, Actions]:
        from hitl.agents.formats.programs import PythonNetwork

        network = PythonNetwork(self._wanted.use)
        return "Python", network.sha256(self._wanted.use), network, self._of_space(network.action_space)

    # -- what it is shown, and what its answers stand for

    def _of_space(self, space: Any) -> Actions:
        """Return what a model's answers stand for by its own space; by what is typed where that says nothing of it."""
        if isinstance(space, spaces.Discrete):
            return self._chosen(int(space.n))
        if not isinstance(space, spaces.Box) or len(space.shape) != 1 or self._wanted.range:
            return self._table or self._stated()
        self._check_count(len(space.low))
        if not space.is_bounded():
            return self._stated()
        return Continuous(self._names, space.low.astype(np.float32), space.high.astype(np.float32))

    def _chosen(self, count: int) -> Actions:
        if self._table is None:
            raise InputFileError(
                f"The agent '{self._name}' chooses one of {count} actions, and this session has {len(self._names)} action "
                f"numbers ({', '.join(self._names)}): give a table of {number_of(count, 'row')} with --actions FILE."
            )
        return self._table

    def _check_count(self, count: int) -> None:
        self._no_table()
        if count != len(self._names):
            raise InputFileError(
                f"The agent '{self._name}' has {count} action numbers, and this session has {len(self._names)} "
                f"({', '.join(self._names)}): use the environment that it was trained in."
            )

    def _stated(self) -> Continuous:
        return self._within(*(self._wanted.range or (-1.0, 1.0)), assumed=not self._wanted.range)

    def _within(self, low: float, high: float, *, assumed: bool = True) -> Continuous:
        size = len(self._names)
        return Continuous(self._names, np.full(size, low, np.float32), np.full(size, high, np.float32), assumed=assumed)

    def _no_range(self) -> None:
        if self._wanted.range:
            raise UsageError(f"'{self._name}' states the range of its actions itself: omit --agent-range.")

    def _no_table(self) -> None:
        if self._table is not None:
            raise UsageError(f"'{self._name}' does not choose from a table, its actions are numbers: omit --actions.")

    def _preprocessing(self, network: AgentNetwork) -> Preprocessing:
        size, stack = len(self._observations), self._stack
        if network.inputs is not None and network.inputs != size * stack:
            frames, rest = divmod(network.inputs, size)
            stacked = f" in a stack of {stack}" if stack > 1 else ""
            cure = (
                f"if it was trained with {frames} stacked observations, add --agent-stack {frames}"
                if not rest and frames > 1
                else "use the environment and the settings that it was trained with"
            )
            raise InputFileError(
                f"The agent '{self._name}' takes {network.inputs} numbers, and this session shows it {size}{stacked}: {cure}."
            )
        normalization: Normalization | None = None
        if self._wanted.normalize:
            path = user_path(self._wanted.normalize)
            normalization = read_normalization(path)
            self._sums["normalize"] = sha256_of(read_whole(path))
            if len(normalization.mean) not in (size, size * stack):
                raise InputFileError(
                    f"The statistics '{path.name}' are of {len(normalization.mean)} numbers, and this session shows the agent "
                    f"{size}{f' in a stack of {stack}' if stack > 1 else ''}: take those that were saved with this agent."
                )
        return Preprocessing(size, stack, normalization, repeat_first=self._repeat_first)
