"""What else can be made of a human's takeovers: five published rules, each in the form its paper gives.

All begin with the stalled agent's actor, on the same network, and drive the same steps with the same number of updates of the
same batch. What the paper prescribes differently (learning rates, ensembles, returns, how rows are drawn) stands in ``settings``.
What an opponent's form has no use for, such as optimiser moments of another loss or critics of another quantity, starts anew.
Takeovers that failed stay, and no averaged actor is kept: no paper knows of either.

``OPPONENTS[name].settings`` goes on top of the ``hitl`` preset; ``make`` and ``make_replay`` are ``Lockstep``'s ``make_learner``
and ``make_replay``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data.reading.new_steps import NewSteps
from trainer.config import TrainConfig
from trainer.learner.flat import FlatParameters
from trainer.learner.learner import Learner
from trainer.learner.tqc import TQC
from trainer.networks.actor_critic import LOG_STD_MIN, Actor
from trainer.replay.batch import Batch, beside
from trainer.replay.replay import Replay


class _AgainstTheRest(Replay):
    """Takeovers in the demo half (with ``lap_priority`` 0), everything else in the other: laps and the agent's own steps.

    What a stalled run drove while it was learning is left out: the paper's robot clones what its policy of that round did.
    """

    def __init__(self, observation_size: int, action_size: int, config: TrainConfig) -> None:
        super().__init__(observation_size, action_size, config)
        self._stalled: set[int] = set()

    def add(self, new: NewSteps) -> int:
        """Take in new steps; see ``Replay.add``."""
        self._stalled |= {id_ for id_, session in new.sessions.items() if session.kind == "stall"}
        return super().add(new)

    def _is_online(self, episode: Any) -> bool:
        record = episode.record
        if record is not None and record.purpose == "lap":
            return True
        return super()._is_online(episode) and (record is None or record.session_id not in self._stalled)

    def _enlist(self, rows: np.ndarray) -> None:
        super()._enlist(rows[self.table.array[rows, self.table.columns.takeover] < 0.5])


def _last_layer(body: torch.nn.Module) -> tuple[Tensor, Tensor]:
    """Return weight (E, H, O) and bias (E, 1, O)."""
    weight, bias = list(body.parameters())[-2:]
    return weight.data, bias.data


def _without_noise(actor: Actor) -> None:
    """Make an actor drive with its mean whoever asks: the spread is held at its least, about 2e-9."""
    weight, bias = _last_layer(actor.body)
    weight[..., actor.action_size :], bias[..., actor.action_size :] = 0.0, LOG_STD_MIN


class _NewOptimisers(TQC):
    """Takes networks over from a stalled run, and nothing of its optimisers or counters."""

    def load(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Take the networks of a checkpoint."""
        self.load_networks(tensors)


class Cloning(_NewOptimisers):
    """Behaviour cloning: ``mean |tanh(mean(o)) - a|^2`` over the rows drawn, whoever drove. Nothing else is learned."""

    def load_networks(self, tensors: dict[str, Tensor]) -> None:
        """Take the actor; the critics are of no use here."""
        super().load_networks({k: v for k, v in tensors.items() if k.startswith("actor.")})
        _without_noise(self.actor)

    @torch.no_grad()
    def update(self, batch: Batch) -> None:
        """Learn from one batch."""
        self.updates += 1
        self.actor_flat.zero()
        tape = self.actor.run(batch.observation)
        everyone = replace(batch, cloned=torch.ones_like(batch.cloned))
        gradient = torch.zeros_like(tape.out)
        _, gradient[0, :, : self.action_size] = self._cloning(everyone, tape.out[0], tape.out)
        tape.back(gradient)
        self.actor_flat.clip(self.config.grad_clip_actor)
        self.actor_optimiser.step(self.lr(self.config.lr_actor))


class RLPD(_NewOptimisers):
    """SAC with an ensemble (Ball et al. 2023): TQC with one quantile a critic and squared errors.

    A stalled run's critics become the ensemble's first guess: each member is one of them with the mean of a resample of its
    quantiles as its value, so that the members differ.
    """

    def load_networks(self, tensors: dict[str, Tensor]) -> None:
        """Take actor and critics, whatever their number and their quantiles."""
        super().load_networks({k: v for k, v in tensors.items() if k.startswith("actor.")})
        names = [name for name, _ in self.critics.named_parameters()]
        if f"critics.{names[0]}" not in tensors:
            return
        with torch.no_grad():
            for name, own in self.critics.named_parameters():
                theirs = tensors[f"critics.{name}"]
                members = theirs[torch.arange(len(own)) % len(theirs)]
                if name in names[-2:]:
                    g = torch.Generator().manual_seed(self.config.seed)  # the same resample for weight and bias
                    count = members.shape[-1]
                    picks = torch.randint(count, (len(own), own.shape[-1], count), generator=g)
                    members = torch.stack([m[..., p].mean(-1) for m, p in zip(members, picks, strict=True)])
                own.copy_(members)
            self.targets.load_state_dict(self.critics.state_dict())


class _NewCritics(RLPD):
    """Critics of another quantity than the stalled run's: they start anew, and the actor waits until they know something.

    Both papers begin with an actor that knows nothing; one that can drive would forget it within some hundred updates.
    """

    WAIT = 1000  # updates of the critics alone

    def load_networks(self, tensors: dict[str, Tensor]) -> None:
        """Take the actor alone."""
        super().load_networks({k: v for k, v in tensors.items() if k.startswith("actor.")})

    def _actor_step(self, batch: Batch, *rest: Any) -> None:
        if self.updates > self.WAIT:
            super()._actor_step(batch, *rest)
        else:
            self.actor_optimiser.reset()  # it has counted a step that is not made


class RLIF(_NewCritics):
    """The intervention is the reward: -1 for the agent's step that made the human take over, 0 for every other step."""

    def update(self, batch: Batch) -> None:
        """Learn from one batch, whose own reward is not looked at."""
        super().update(replace(batch, reward=-batch.before_takeover.float()))


class PVP(_NewCritics):
    """TD3 without rewards, with a proxy value: where the human drove, Q of their action is 1 and of the agent's proposal -1.

    The critics' loss is ``1/2 (Q(o, a) - y)^2 + h (Q(o, a) - 1)^2 + h (Q(o, a_agent) + 1)^2``, summed over the critics, with
    ``y = discount min Q'(o', a')`` and h = 1 in human-driven steps. (The authors' code leaves ``y`` out in the first of these.)
    The actor goes up the first critic's value on every second update. In a lap no agent was at hand whose action the human
    refused: the proposal is what the actor would do now. With the proposals that were recorded, an untrained agent's, the actor
    runs past the human's action to the end of the scale, where nothing holds it.
    """

    SMOOTHING, SMOOTHING_CLIP = 0.2, 0.5  # of the target action (Fujimoto et al. 2018)

    def __init__(self, observation_size: int, action_size: int, config: TrainConfig) -> None:
        super().__init__(observation_size, action_size, config)
        self.slow_actor = copy.deepcopy(self.actor)
        self.slow_flat = FlatParameters(self.slow_actor, trainable=False)

    def load_networks(self, tensors: dict[str, Tensor]) -> None:
        """Take the actor alone; it drives without noise, as the authors' does."""
        super().load_networks(tensors)
        _without_noise(self.actor)
        self.slow_actor.load_state_dict(self.actor.state_dict())

    @torch.no_grad()
    def update(self, batch: Batch) -> None:
        """Learn from one batch, whose reward is not looked at."""
        c = self.config
        self.updates += 1
        noise = (self._noise(batch) * self.SMOOTHING).clamp_(-self.SMOOTHING_CLIP, self.SMOOTHING_CLIP)
        following = (self.slow_actor.act(batch.next_observation) + noise).clamp_(-1, 1)
        least = self.targets(beside(batch.next_observation, following)).amin((0, 2))
        y = (batch.discount * least)[None, :, None]
        lap = (batch.human & ~batch.takeover)[:, None]
        refused = torch.where(lap, self.actor.act(batch.observation), batch.proposed)
        pair, other_pair = batch.pair, beside(batch.observation, refused)
        assert isinstance(pair, Tensor)
        assert isinstance(other_pair, Tensor)  # the benchmark's networks remember nothing
        tape = self.critics.run(torch.cat((pair, other_pair)))
        rows = len(batch)
        executed, other = tape.out[:, :rows], tape.out[:, rows:]
        human = batch.human.to(y.dtype)[None, :, None]
        gradient = torch.cat((executed - y + 2 * human * (executed - 1), 2 * human * (other + 1)), 1)
        self.critic_flat.zero()
        tape.back(gradient / rows)
        self.critic_flat.clip(c.grad_clip_critic)
        self.critic_optimiser.step(self.lr(c.lr_critic))
        if self.updates % c.actor_every == 0:
            if self.updates > self.WAIT:
                self._up(batch)
            self.target_flat.values.lerp_(self.critic_flat.values, 1 - c.polyak)
            self.slow_flat.values.lerp_(self.actor_flat.values, 1 - c.polyak)

    def _up(self, batch: Batch) -> None:
        """Move the actor once along the slope of the first critic."""
        c = self.config
        self.actor_flat.zero()
        tape = self.actor.run(batch.observation)
        action = tape.out[0, :, : self.action_size].tanh()
        critics = self.critics.run(beside(batch.observation, action))
        up = torch.zeros_like(critics.out)
        up[0] = -1.0 / len(batch)
        slope = critics.back(up, inputs=True, parameters=False)
        assert slope is not None
        head = torch.zeros_like(tape.out)
        head[0, :, : self.action_size] = slope[:, self.observation_size :] * (1 - action * action)
        tape.back(head)
        self.actor_flat.clip(c.grad_clip_actor)
        self.actor_optimiser.step(self.lr(c.lr_actor))


@dataclass(frozen=True)
class Opponent:
    """A published rule as an arm: learner, settings on top of the ``hitl`` preset, and how its rows are drawn."""

    text: str
    make: Callable[[int, int, TrainConfig], Learner]
    settings: dict[str, Any] = field(default_factory=dict)
    make_replay: Callable[[int, int, TrainConfig], Replay] = Replay


WITHOUT_OURS: dict[str, Any] = {
    "actor_average": None,
    "recent_fraction": 0.0,
    "own_finishes": 0,
    "stalled_steps": 0,
    "log_std_max": 2.0,
    "lr_actor": 3e-4,
    "bc_weight": 0.0,
    "past_action_dropout": 0.0,
}
"""Without what our recipe adds to RLPD and TQC: where the stalled run, ``rlpd`` and the opponents begin."""

_EVEN = WITHOUT_OURS | {
    "takeover_priority": 1.0,
    "star_priority": 1.0,
    "failed_takeovers": True,
    "failed_cut_s": 0.0,
    "demo_copies": 1e9,
    "n_step": 1,
}
_RLPD = _EVEN | {
    "critics": 10,
    "quantiles": 1,
    "target_critics": 2,
    "drop_per_critic": 0,
    "drop_pool": 1,
    "critic_loss": "mse",
    "learn_alpha": True,
    "entropy_per_action": 0.5,
    "actor_every": 2,
}
"""Ball et al. 2023, with the updates, the batch and the network of every other arm, and the stalled run's temperature to begin
with. One actor update for two of the critics, as HIL-SERL's code does."""

OPPONENTS: dict[str, Opponent] = {
    "hg_dagger": Opponent(
        "HG-DAgger: cloning of laps and takeovers, no RL (Kelly et al. 2019)",
        Cloning,
        _EVEN | {"demo_fraction": 1.0},
    ),
    "iwr": Opponent(
        "IWR: cloning, takeovers as likely as laps and own steps together (Mandlekar et al. 2020)",
        Cloning,
        _EVEN | {"demo_fraction": 0.5, "lap_priority": 0.0},
        _AgainstTheRest,
    ),
    "rlif": Opponent("RLIF: the takeover is the only reward, -1, on RLPD (Luo et al. 2023)", RLIF, _RLPD),
    "pvp": Opponent(
        "PVP: proxy values of the human's and the agent's action, TD3, no reward (Peng et al. 2023)",
        PVP,
        _EVEN
        | {"quantiles": 1, "drop_per_critic": 0, "actor_every": 2, "gamma": 0.99, "takeovers_online": False}
        | {"lr_actor": 1e-4, "lr_critic": 1e-4},
    ),
    "hil_serl": Opponent(
        "HIL-SERL: takeovers into both halves, RLPD with the reward, no cloning (Luo et al. 2024)", RLPD, _RLPD
    ),
}
"""By the name of the arm."""
