"""The policy: what drives when the human does not, with weights taken from checkpoints between episodes."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.errors import CheckpointError, StoreError, shown
from data.store import Store
from data.suggest import did_you_mean
from data.tables.checkpoints import CheckpointRecord
from data.words import number_of
from hitl.drivers.held_weights import HeldWeights
from hitl.home import Home
from hitl.protocols import FrozenAgent

if TYPE_CHECKING:
    import torch

    from trainer.checkpoints.meta import CheckpointMeta
    from trainer.networks.actor_critic import Actor, Critics


class NetworkPolicy:
    """Drives with an actor, and asks the critics what they expect; both may remember the running episode."""

    def __init__(self, observation_size: int, seed: int) -> None:
        self.observation_size = observation_size
        self.checkpoint_id: int | None = None
        self.fixed = False  # True: keep the weights that are in force
        self._seed = seed
        self._actor: Actor | None = None  # that drives the running episode
        self._newest: Actor | None = None
        self._proven: Actor | None = None
        self._critics: Critics | None = None
        self._drive: bool | None = None  # of the running drive: whether it is without noise
        self.frozen: FrozenAgent | None = None
        """Another agent, which drives outside of ``zones``."""
        self.zones: Sequence[tuple[float, float]] = ()
        """From and to, in metres along the track: where this agent drives beside a frozen one."""
        self.track = ""
        """Its name: zones are a track's."""
        self._progress = 0.0
        self._holding = HeldWeights()
        self._held: Actor | None = None  # that drives the running drive in place of the newest
        self._newest_id: int | None = None  # of the checkpoint that then does not drive
        self._forget()

    @functools.cached_property
    def _torch(self) -> ModuleType:
        import torch

        return torch

    @functools.cached_property
    def _noise(self) -> torch.Generator:
        noise: torch.Generator = self._torch.Generator().manual_seed(self._seed)
        return noise

    def act(self, observation: NDArray[np.float32], deterministic: bool) -> NDArray[np.float32]:
        """Return the action (A,) for an observation (O,).

        With noise it is the newest weights' action. Without, it is that of weights that have passed a trial, where there are any.
        """
        if self.frozen is not None:
            theirs = self.frozen.act(observation, True)  # in a zone, too: it may remember what it saw
            if not self.takes_over:
                return theirs
        driving = self._proven if deterministic and self._proven is not None else self._newest
        if self._held is not None:
            driving = self._held
        if driving is not self._actor:
            self._actor = driving
            self._forget()
        assert self._actor is not None
        batch, noise = self._torch.from_numpy(observation)[None], None if deterministic else self._noise
        action = self._actor.act(batch, deterministic, noise, self._memory)
        if self._critics_memory is not None:
            self._critics_memory.look(batch, action)
        return action[0].numpy()

    def would(self, observation: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return what drives now would do without noise where it sees that (O,); nothing of the drive changes by it.

        None where that is not known: it drives beside another agent, remembers the episode, or has learned nothing yet.
        """
        if self._actor is None or self._memory is not None or self.frozen is not None:
            return None
        return self._actor.act(self._torch.from_numpy(observation)[None], True)[0].numpy()

    @property
    def takes_over(self) -> bool:
        """Whether the car is where this agent drives beside a frozen one."""
        return any(low <= self._progress <= high for low, high in self.zones)

    def at(self, progress: float) -> None:
        """The car is at this metre."""
        self._progress = progress

    def _take(self, newest: Actor, proven: Actor | None, critics: Critics | None) -> None:
        self._actor = self._newest = newest
        self._proven, self._critics = proven, critics

    def drive_begins(self, deterministic: bool) -> None:
        """A drive begins; where newer weights have fallen, those before drive it without noise (see ``HeldWeights``)."""
        self._drive = deterministic
        if deterministic and self._holding.in_force and self._proven is None and not self.fixed:
            self._held, self._newest_id = self._holding.held, self.checkpoint_id
            self.checkpoint_id = self._holding.checkpoint_id

    def drive_ended(self, share: float) -> None:
        """The agent came so far in the drive (0 to 1 of the lap), without help."""
        if self._held is not None:
            self._holding.drove_held(share)
        elif self.frozen is not None and not self.zones:
            pass  # the other agent drove all of it
        elif self._drive is not None and self._newest is not None and self._proven is None and not self.fixed:
            self._holding.drove_newest(self._newest, self.checkpoint_id, share, self._drive)

    def stepped(self, executed: NDArray[np.float32]) -> None:
        """A step was made with this action (A,), whoever drove: the networks' memories take it in."""
        if self.frozen is not None:
            self.frozen.stepped(executed)
        if self._memory is None:  # critics remember only where the actor does
            return
        action = self._torch.tensor(executed, dtype=self._torch.float32)[None]
        self._memory.stepped(action)
        if self._critics_memory is not None:
            self._critics_memory.stepped(action)

    def begin_episode(self) -> None:
        """Memories begin empty."""
        self._end_drive()
        self._forget()
        if self.frozen is not None:
            self.frozen.begin_episode()

    def _end_drive(self) -> None:
        if self._held is not None:
            self.checkpoint_id = self._newest_id
        self._drive = self._held = None

    def can_judge(self) -> bool:
        """Tell whether there are critics to ask."""
        return self._critics is not None

    def quantiles(self, observations: NDArray[np.float32], actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the critics' quantiles (E, B, N) of the consecutive steps of an episode, from its first one on.

        Observations (B, O) and actions (B, A). Only once ``can_judge`` said yes.
        """
        from trainer.networks.recurrent import whole_episode
        from trainer.replay.batch import beside

        assert self._critics is not None
        torch = self._torch
        seen, did = (torch.from_numpy(x.astype(np.float32, copy=False)) for x in (observations, actions))
        with torch.no_grad():
            sight = seen if self._critics_memory is None else whole_episode(seen, did)
            return self._critics(beside(sight, did)).numpy()

    def quantiles_now(self, observation: NDArray[np.float32], action: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the critics' quantiles (E, 1, N) of what is seen (O,) and proposed (A,) in the running episode."""
        if self._critics_memory is None:
            return self.quantiles(observation[None], action[None])
        with self._torch.no_grad():
            seen, did = (self._torch.from_numpy(x)[None] for x in (observation, action))
            return self._critics_memory.look(seen, did).numpy()

    def _forget(self) -> None:
        self._memory = self._critics_memory = None
        if self._actor is not None:
            from trainer.networks.actor_critic import remember

            self._memory = remember(self._actor)
            self._critics_memory = remember(self._critics) if self._critics is not None else None


class ActorPolicy(NetworkPolicy):
    """Drives with one actor, whatever is learned meanwhile."""

    def __init__(self, actor: Actor, seed: int) -> None:
        super().__init__(actor.observation_size, seed)
        self._take(actor, None, None)


NEWEST = 50  # checkpoints looked at: of older ones only the evaluated are kept
FELL = (
    "The newest weights came less far than earlier ones that drove the lap. Until they come as far again, every drive without "
    "noise is by the earlier ones."
)
NO_CHECKPOINT = "This home folder has no checkpoint yet: train first (`hitl train`)."


def find_checkpoint(home: Home, which: str, track: str | None = None) -> CheckpointRecord:
    """Return a checkpoint: ``best`` (of ``track``, if any), ``latest``, a number or a name. Raises CheckpointError."""
    with Store(home.store_path, read_only=True) as store:
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
            raise CheckpointError(NO_CHECKPOINT)
        names = [Path(r.name).stem for r in records]
        raise CheckpointError(
            f"There is no checkpoint '{shown(which)}' in this home folder: give best, latest, a number or a file's name; the "
            f"newest is '{names[0]}'.{did_you_mean(which, ['best', 'latest', *names])}"
        )
    return record


class CheckpointPolicy(NetworkPolicy):
    """Acts by the newest checkpoint of a home folder, or by one that is pinned, on the CPU.

    ``observation_names`` and ``action_names`` say what the session sees and does: a checkpoint made for anything else is
    refused with CheckpointError. While a home has no checkpoint yet, actions are uniformly random.

    ``ready``: torch is loaded now and not with the first checkpoint. That takes seconds, for which a game in real time goes on.
    """

    is_ready = False

    def __init__(
        self,
        home: Home,
        observation_names: tuple[str, ...],
        action_names: tuple[str, ...],
        *,
        seed: int = 0,
        ready: bool = True,
    ) -> None:
        super().__init__(len(observation_names), seed)
        if ready:
            self._make_ready()
        self._home = home
        self._names, self._actions = observation_names, action_names
        self._rng = np.random.default_rng(seed)
        self._loaded: tuple[dict[str, torch.Tensor], CheckpointMeta] | None = None  # what critics can be made of
        self.checkpoint_name = ""
        self.updates = 0
        self.problem = ""
        self.refused = False
        """Whether a checkpoint that is there cannot drive here."""
        self.unread = 0
        """How many checkpoints there are, where none of them could be read."""
        self.notices: list[str] = []
        """Sentences for the player; whoever says them empties it."""
        self._could_read = False
        self._settings: list[str] = []  # names in the checkpoint that drives, about which the player was told already
        self.on_load: Callable[[Mapping[str, str]], None] = lambda tracks: None  # called with the tracks of new weights

    def act(self, observation: NDArray[np.float32], deterministic: bool) -> NDArray[np.float32]:
        """Return the action (A,) for an observation (O,)."""
        if self._newest is None and self.frozen is None:
            return self._rng.uniform(-1, 1, len(self._actions)).astype(np.float32)
        return super().act(observation, deterministic)

    def drive_ended(self, share: float) -> None:
        """The agent came so far in the drive (0 to 1 of the lap), without help."""
        before = self._holding.in_force
        super().drive_ended(share)
        if self._holding.in_force and not before:
            self.notices.append(FELL)

    def can_judge(self) -> bool:
        """Make the critics of the checkpoint that drives, if they are not there yet; False where there are none."""
        if self._critics is None and self._loaded is not None:
            from trainer.checkpoints.files import critics_of
            from trainer.networks.actor_critic import remember

            try:
                self._critics = critics_of(*self._loaded)
            except CheckpointError as error:
                self.problem = str(error)
                return False
            self._critics_memory = remember(self._critics)
        return self._critics is not None

    def begin_episode(self) -> None:
        """Take a newer checkpoint if there is one; one that cannot be read is skipped. Memories begin empty."""
        self._end_drive()
        if not self.fixed:
            self._take_newest()
        super().begin_episode()

    def _take_newest(self) -> None:
        try:
            with Store(self._home.store_path, read_only=True) as store:
                records = store.checkpoints(limit=NEWEST)
        except StoreError as error:  # it is locked, or the disk is in trouble: the weights in force go on driving
            self.problem = str(error)
            return
        problems: list[str] = []
        self._could_read = False
        for record in records:
            if record.id == self.checkpoint_id:
                break
            try:
                self._load(self._home.checkpoints / record.name, record.id)
            except CheckpointError as error:
                problems.append(str(error))  # half-written or altered: take the one before it
            else:
                break
        self.problem, self.refused = problems[0] if problems else "", bool(problems)
        self.unread = len(problems) if problems and self._newest is None and not self._could_read else 0

    def _make_ready(self) -> None:
        if not self.is_ready:
            self.is_ready = True
            importlib.import_module("trainer.checkpoints.files")  # and all that networks are made of
            from trainer.torch_threads import use_threads

            use_threads(1)  # a session's networks are small, and the trainer wants the other core

    def pin(self, which: str, track: str | None = None) -> None:
        """Drive with one checkpoint from now on, whatever comes: see `find_checkpoint`. Raises CheckpointError."""
        record = find_checkpoint(self._home, which, track)
        self._load(self._home.checkpoints / record.name, record.id)
        self.fixed = True

    def _load(self, path: Path, checkpoint_id: int) -> None:
        self._make_ready()
        from trainer.checkpoints.files import actor_of, has_proven, load, newest_actor_of
        from trainer.retired import unknown_settings

        tensors, meta = load(path)
        self._could_read = True
        newest = newest_actor_of(tensors, meta)
        proven = actor_of(tensors, meta) if has_proven(tensors) else None
        for kind, expected, found in (
            ("observation", self._names, tuple(meta.observation_names)),
            ("action", self._actions, tuple(meta.action_names)),
        ):
            if expected != found:
                numbers = number_of(len(found), f"{kind} number")
                from hitl.last_driven import games_with

                games = games_with(self._home, meta.observation_names, meta.action_names)
                named = f" It fits what was driven here with --env {' and with --env '.join(games)}." if games else ""
                raise CheckpointError(
                    f"The checkpoint '{path.name}' was trained for {numbers} and this session has "
                    f"{len(expected)} (or other ones): use the environment and the settings it was trained with.{named}"
                )
        if not (meta.drives_alone if self.frozen is None else meta.config.get("frozen_agent")):
            raise CheckpointError(
                f"The checkpoint '{path.name}' has learned to drive alone, and not beside another agent: give that agent a home "
                "folder of its own with --home."
                if self.frozen is not None
                else f"The checkpoint '{path.name}' has learned to take over from another agent, and cannot drive alone: name "
                "that agent with --agent."
            )
        self.zones = [] if self.frozen is None else meta.zones_on(self.track)
        judged, self.updates = self._critics is not None, meta.updates
        self._take(newest, proven, None)
        self.checkpoint_id, self.checkpoint_name = checkpoint_id, path.name
        if (said := unknown_settings(path.name, meta.config)) and sorted(meta.config) != self._settings:
            self.notices.append(said)
        self._settings = sorted(meta.config)
        self.on_load(meta.tracks)
        self._loaded, self.problem = (tensors, meta), ""
        self._forget()
        if judged:
            self.can_judge()
