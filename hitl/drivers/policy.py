"""The policy: what drives when the human does not, with weights taken from checkpoints between episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import CheckpointError, StoreError, shown
from data.store import Store
from data.suggest import did_you_mean
from hitl.home import Home

if TYPE_CHECKING:
    import torch

    from trainer.networks.actor_critic import Critics


class Judgement:
    """Critics that judge an episode's steps, with what they remember of it."""

    def __init__(self, critics: Critics) -> None:
        self._critics = critics
        self.begin_episode()

    def begin_episode(self) -> None:
        """Nothing is remembered."""
        from trainer.networks.actor_critic import remember

        self._memory = remember(self._critics)

    def look(self, observation: torch.Tensor, action: torch.Tensor) -> None:
        """An action (1, A) was proposed for what is seen (1, O)."""
        if self._memory is not None:
            self._memory.look(observation, action)

    def stepped(self, executed: torch.Tensor) -> None:
        """The step was made with this action (1, A), whoever drove."""
        if self._memory is not None:
            self._memory.stepped(executed)

    def quantiles(self, observations: NDArray[np.float32], actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the critics' quantiles (E, B, N) of the consecutive steps of an episode, from its first one on.

        Observations (B, O) and actions (B, A).
        """
        import torch

        from trainer.networks.recurrent import whole_episode
        from trainer.replay.batch import beside

        seen, did = (torch.from_numpy(x.astype(np.float32, copy=False)) for x in (observations, actions))
        with torch.no_grad():
            sight = seen if self._memory is None else whole_episode(seen, did)
            quantiles: torch.Tensor = self._critics(beside(sight, did))
        return quantiles.numpy()

    def quantiles_now(self, observation: NDArray[np.float32], action: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the critics' quantiles (E, 1, N) of what is seen (O,) and proposed (A,) in the running episode."""
        if self._memory is None:
            return self.quantiles(observation[None], action[None])
        import torch

        with torch.no_grad():
            quantiles = self._memory.look(torch.from_numpy(observation)[None], torch.from_numpy(action)[None])
        return quantiles.numpy()


NEWEST = 50  # checkpoints looked at: of older ones only the evaluated are kept


class CheckpointPolicy:
    """Acts by the newest checkpoint of a home folder (or by one that is held fast), on the CPU.

    ``observation_names`` and ``action_names`` say what the session sees and does: a checkpoint made for anything else is
    refused with CheckpointError. While a home has no checkpoint yet, actions are uniformly random.
    """

    def __init__(
        self, home: Home, observation_names: tuple[str, ...], action_names: tuple[str, ...], *, seed: int = 0
    ) -> None:
        import torch

        torch.set_num_threads(1)  # a session's networks are small, and the trainer wants the other core
        self._home = home
        self._names, self._actions = observation_names, action_names
        self._rng = np.random.default_rng(seed)
        self._noise = torch.Generator().manual_seed(seed)
        self._actor: Any = None
        self._judgement: Judgement | None = None  # loaded when somebody asks for it
        self._memory: Any = None  # what the actor remembers of the running episode; None where it never does
        self._path: Path | None = None
        self.fixed = False  # True: keep the weights that are in force
        self.checkpoint_id: int | None = None
        self.checkpoint_name = ""
        self.updates = 0
        self.problem = ""
        self.notices: list[str] = []
        """Sentences for the player, each said once; who says them takes them out."""
        self._settings: list[str] = []  # names in the checkpoint that drives: what was said of them is not said again
        self.on_load: Callable[[Mapping[str, str]], None] = lambda tracks: None  # is told what new weights have learned on

    def act(self, observation: NDArray[np.float32], deterministic: bool) -> NDArray[np.float32]:
        """Return the action (A,) for an observation (O,)."""
        if self._actor is None:
            return self._rng.uniform(-1, 1, len(self._actions)).astype(np.float32)
        import torch

        batch, noise = torch.from_numpy(observation)[None], None if deterministic else self._noise
        action: torch.Tensor = self._actor.act(batch, deterministic, noise, self._memory)
        if self._judgement is not None:
            self._judgement.look(batch, action)
        return action[0].numpy()

    def stepped(self, executed: NDArray[np.float32]) -> None:
        """The step was made with this action (A,), whoever drove: what the networks remember moves on."""
        if self._memory is None:  # critics remember only where the actor does
            return
        import torch

        action = torch.tensor(executed, dtype=torch.float32)[None]
        self._memory.stepped(action)
        if self._judgement is not None:
            self._judgement.stepped(action)

    @property
    def observation_size(self) -> int:
        """Numbers in an observation."""
        return len(self._names)

    def can_judge(self) -> bool:
        """Load the critics of the checkpoint that drives, if they are not there yet; False where there are none."""
        if self._judgement is None and self._path is not None:
            from trainer.checkpoints.files import load
            from trainer.config import TrainConfig
            from trainer.networks.actor_critic import Critics

            try:
                tensors, meta = load(self._path)
                critics = Critics(len(self._names), len(self._actions), TrainConfig.from_dict(meta.config))
                prefix = "critics."
                critics.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
            except (CheckpointError, RuntimeError) as error:
                self.problem = str(error)
                return False
            self._judgement = Judgement(critics.eval().requires_grad_(False))
        return self._judgement is not None

    def quantiles(self, observations: NDArray[np.float32], actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Judgement.quantiles``; only once ``can_judge`` said yes."""
        return self._known().quantiles(observations, actions)

    def quantiles_now(self, observation: NDArray[np.float32], action: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Judgement.quantiles_now``; only once ``can_judge`` said yes."""
        return self._known().quantiles_now(observation, action)

    def _known(self) -> Judgement:
        assert self._judgement is not None
        return self._judgement

    def begin_episode(self) -> None:
        """Take the newest checkpoint of the home, if there is a newer one; one that cannot be read is passed over.

        Memories begin empty, whatever the weights.
        """
        if not self.fixed:
            self._take_newest()
        if self._actor is not None:
            from trainer.networks.actor_critic import remember

            self._memory = remember(self._actor)
            if self._judgement is not None:
                self._judgement.begin_episode()

    def _take_newest(self) -> None:
        try:
            with Store.open(self._home.store_path, read_only=True) as store:
                records = store.checkpoints(limit=NEWEST)
        except StoreError as error:  # somebody holds it, or the disk is in trouble: the weights in force go on driving
            self.problem = str(error)
            return
        problems: list[str] = []
        for record in records:
            if record.id == self.checkpoint_id:
                break
            try:
                self._load(self._home.checkpoints / record.name, record.id)
            except CheckpointError as error:
                problems.append(str(error))  # half-written or altered: the one before it will do
                continue
            break
        self.problem = problems[0] if problems else ""

    def hold(self, which: str, track: str | None = None) -> None:
        """Hold one checkpoint fast: ``best`` (on ``track``, once that is known), ``latest``, a number, or a file's name.

        Raises CheckpointError.
        """
        with Store.open(self._home.store_path, read_only=True) as store:
            records = store.checkpoints()
            best = (store.best_checkpoint(track) if track else None) or store.best_checkpoint()
        if which == "best":
            record = best or next(iter(records), None)
        elif which == "latest":
            record = next(iter(records), None)
        else:
            record = next((r for r in records if which in (str(r.id), r.name, Path(r.name).stem)), None)
        if record is None:
            if not records:
                raise CheckpointError("This home folder has no checkpoint yet: train first (`hitl train`).")
            names = [Path(r.name).stem for r in records]
            raise CheckpointError(
                f"There is no checkpoint '{shown(which)}' in this home folder: give best, latest, a number or a file's name; the "
                f"newest is '{names[0]}'.{did_you_mean(which, ['best', 'latest', *names])}"
            )
        self._load(self._home.checkpoints / record.name, record.id)
        self.fixed = True

    def _load(self, path: Path, checkpoint_id: int) -> None:
        from trainer.checkpoints.files import load_policy
        from trainer.retired import unknown_settings

        actor, meta = load_policy(path)
        for kind, expected, found in (
            ("observation", self._names, tuple(meta.observation_names)),
            ("action", self._actions, tuple(meta.action_names)),
        ):
            if expected != found:
                raise CheckpointError(
                    f"The checkpoint '{path.name}' was trained for {len(found)} {kind} numbers and this session has "
                    f"{len(expected)} (or others in their places): use the environment and the settings it was trained with."
                )
        self._actor, self.checkpoint_id, self.checkpoint_name, self.updates = (
            actor,
            checkpoint_id,
            path.name,
            meta.updates,
        )
        if (said := unknown_settings(path.name, meta.config)) and sorted(meta.config) != self._settings:
            self.notices.append(said)
        self._settings = sorted(meta.config)
        self.on_load(meta.tracks)
        self._path, judged = path, self._judgement is not None
        self._judgement = self._memory = None
        self.problem = ""
        if judged:
            self.can_judge()
