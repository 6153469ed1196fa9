"""The recurrent network: an LSTM in front of the mlp, trained over sequences with burn-in (R2D2, Kapturowski et al. 2019).

The actor has one LSTM and the critics share another one (Ni et al. 2022, "Recurrent model-free RL can be a strong baseline for
many POMDPs": apart from each other, and with the action executed before as an input). What is seen now also goes straight to the
heads. An episode begins with an empty memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.config import TrainConfig
from trainer.networks.encoded import EncodedEnsemble
from trainer.networks.mlp import mlp
from trainer.networks.registry import Shape
from trainer.replay.batch import Moments, Sequences, Sight

RecurrentState = tuple[Tensor, Tensor]
"""Hidden and cell state of an LSTM, (layers, S, H) each."""


class RecurrentEnsemble(EncodedEnsemble):
    """Takes ``Moments``; observations (B, O + A) alone are taken as the first of their episodes."""

    def __init__(self, config: TrainConfig, shape: Shape) -> None:
        super().__init__()
        self.observations, self.acted = shape.inputs - shape.actions, shape.executed
        self.encoder: nn.LSTM = nn.LSTM(self.observations + self.acted, config.rnn_size, config.rnn_layers)
        self.head = mlp(config, shape, shape.inputs + config.rnn_size)

    def parts(self, x: Sight) -> tuple[Tensor, Tensor, Tensor]:
        """See ``EncodedEnsemble.parts``."""
        if not isinstance(x, Moments):
            seen = x[:, : self.observations]
            x = Moments(beginning(seen, self.acted), torch.arange(len(seen), device=seen.device), seen, x[:, self.observations :])
        out, _ = self.encoder(x.sequences.steps, self.warm(x.sequences))
        features = out.reshape(-1, out.shape[2]).index_select(0, x.index)
        action = x.observation[:, :0] if x.action is None else x.action
        return x.observation, features, action

    @torch.no_grad()
    def warm(self, sequences: Sequences) -> RecurrentState:
        """Return the state with which the learned steps begin: what the burn-in leaves behind, nothing where there is none."""
        count = sequences.steps.shape[1]
        shape = (self.encoder.num_layers, count, self.encoder.hidden_size)
        h, c = sequences.steps.new_zeros(shape), sequences.steps.new_zeros(shape)
        some = sequences.lengths.nonzero()[:, 0]
        if len(some) and int(sequences.lengths.min()) == len(sequences.burn_in):
            _, (h, c) = self.encoder(sequences.burn_in)
        elif len(some):
            where = some.to(h.device)
            packed = nn.utils.rnn.pack_padded_sequence(
                sequences.burn_in.index_select(1, where), sequences.lengths[some], enforce_sorted=False
            )
            _, (last_h, last_c) = self.encoder(packed)
            h.index_copy_(1, where, last_h)
            c.index_copy_(1, where, last_c)
        return h, c


def beginning(observation: Tensor, acted: int) -> Sequences:
    """Return (B, O) observations as B sequences of one step, each the first of its episode."""
    inputs = torch.cat((observation, observation.new_zeros(len(observation), acted)), 1)
    none = torch.zeros(len(observation), dtype=torch.int64)
    return Sequences(inputs.new_zeros(0, *inputs.shape), none, inputs[None])


def whole_episode(observation: Tensor, executed: Tensor) -> Moments:
    """Return the T consecutive steps of an episode from its beginning, observations (T, O) and what was executed (T, A)."""
    before = torch.cat((torch.zeros_like(executed[:1]), executed[:-1]))
    steps = torch.cat((observation, before), 1)[:, None]
    sequences = Sequences(steps[:0], torch.zeros(1, dtype=torch.int64), steps)
    return Moments(sequences, torch.arange(len(observation)), observation)


@dataclass
class Memory:
    """What a network remembers of the episode that is running.

    ``look`` may be asked again and again in one step (a pause): only ``stepped`` moves it on.
    """

    body: RecurrentEnsemble
    state: RecurrentState | None = None
    before: Tensor | None = None
    """(1, A) the action executed last."""
    _ahead: RecurrentState | None = None

    @torch.no_grad()
    def look(self, observation: Tensor, action: Tensor | None = None) -> Tensor:
        """Return the heads' outputs (E, 1, N) for an observation (1, O), with the actions (1, A) of a critic."""
        before = observation.new_zeros(1, self.body.acted) if self.before is None else self.before
        out, self._ahead = self.body.encoder(torch.cat((observation, before), 1)[None], self.state)
        parts = [observation, out[0]] if action is None else [observation, out[0], action]
        return self.body.head(torch.cat(parts, 1))

    def stepped(self, executed: Tensor) -> None:
        """The step was made, with this action (1, A)."""
        self.state, self.before = self._ahead, executed
