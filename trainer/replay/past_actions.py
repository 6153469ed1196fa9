"""Which numbers of an observation are past actions, found from what was driven, and how the actor learns not to lean on them.

Games with a delay show what was done a moment ago, as rtgym does at the end of each observation. An actor that clones a human
then finds that the best guess of an action is the one before: it learns to go on with what it does. It repeats a takeover step
for step once the brake is on, but never begins to brake (de Haan, Jayaraman and Levine 2019; Wen et al. 2020, "copycat agents").
The remedy is ChauffeurNet's (Bansal, Krizhevsky and Ogale 2019): in some rows the past is left out. Here it is another row's.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from trainer.replay.batch import Batch, Moments

LAGS = tuple(range(1, 9))
"""Steps ago."""
REACH = LAGS[-1] + 1
"""Steps that are looked at again with those that follow them."""
FIRST, MOST = 500, 16_000
"""Steps after which past actions are looked for, again after twice as many, and so on; after the last, no more are looked at."""
MANY = 500  # numbers of an observation from which fewer steps are looked at: else it would take seconds
LEAST = 50  # changes of an action that must have been seen
SHARE = 0.75
"""Of them that a number follows: a pedal that is let go and pressed at once does not follow each time, nor do odd imports."""
CLOSE = 1e-3
ALIKE = 0.999
"""Squared correlation of two moves from which they are one in two units: a wheel in degrees, a pedal from 0 to 255."""
AT_ONCE = 1_000_000  # comparisons of a number with an action: a long episode of large observations would take gigabytes


class PastActions:
    """Looks at steps until it knows which numbers of an observation are past actions."""

    def __init__(self, observation_size: int, action_size: int, device: torch.device, picture: int = 0) -> None:
        """``picture``: so many numbers at the end of the observation are one."""
        self._device, self._picture = device, picture
        self._followed = np.zeros((len(LAGS), 3 * action_size, observation_size - picture), np.int64)
        self._changes = np.zeros((len(LAGS), 3 * action_size), np.int64)
        self._products = np.zeros(self._followed.shape)  # of an action's moves and a number's; then the squares of each
        self._squares = np.zeros(self._changes.shape), np.zeros((len(LAGS), observation_size - picture))
        self._most = max(2 * FIRST, MOST * MANY // max(MANY, observation_size - picture))
        self._steps, self._next = 0, FIRST
        self.columns: Tensor | None = None
        """(O,) bool, on the learner's device: the past actions; None where there are none, or it is not known yet."""

    @property
    def looks(self) -> bool:
        """Whether more steps are looked at."""
        return self._steps < self._most

    def note(self, observation: np.ndarray, executed: np.ndarray, t: np.ndarray, known: int = 0) -> None:
        """Look at steps of one episode: what was seen (T, O), without a picture, then done (T, A), and their places in it (T,).

        The first ``known`` were given before. It is the same however finely the steps come: a run that is resumed reads at once
        what came second by second.
        """
        most = max(64, AT_ONCE // max(1, self._followed[0].size))
        while known < len(executed) and self.looks:
            stop = min(len(executed), known + most, known + self._next - self._steps)
            part = slice(max(0, known - REACH), stop)
            self._count(observation[part], np.asarray(executed[part], np.float32), t[part], known - part.start)
            self._steps += stop - known
            known = stop
            if self._steps >= self._next:
                self._next = min(2 * self._next, self._most)
                self._look()

    def _count(self, observation: np.ndarray, executed: np.ndarray, t: np.ndarray, known: int) -> None:
        # An action as it is, and the halves that a game makes of one: accelerator and brake.
        done = np.concatenate((executed, np.maximum(executed, 0.0), np.maximum(-executed, 0.0)), 1)
        seen_moves, moves = np.diff(observation.astype(np.float64), axis=0), np.diff(done.astype(np.float64), axis=0)
        moved = np.abs(moves) > CLOSE  # a constant would follow anything that stands still
        for k, lag in enumerate(LAGS):
            begin = max(0, known - lag - 1)
            if begin + lag + 1 >= len(done):
                continue
            near = np.abs(observation[begin + lag :, None, :] - done[begin:-lag, :, None]) < CLOSE
            joined = t[begin + lag + 1 :] - t[begin : -lag - 1] == lag + 1
            now = moved[begin : len(moved) - lag] & joined[:, None]
            # At that moment, and not before: a key that is held is in the action of the moment, too.
            self._followed[k] += (near[1:] & near[:-1] & now[..., None]).sum(0)
            self._changes[k] += now.sum(0)
            move, seen_move = moves[begin : len(moves) - lag][joined], seen_moves[begin + lag :][joined]
            self._products[k] += move.T @ seen_move
            for squares, those in zip(self._squares, (move, seen_move), strict=True):
                squares[k] += np.square(those).sum(0)

    def _look(self) -> None:
        share = self._followed / np.maximum(self._changes, 1)[..., None]
        both = self._squares[0][..., None] * self._squares[1][:, None]
        alike = (both > 0.0) & (np.square(self._products) >= ALIKE * both)
        found = (((share >= SHARE) | alike) & (self._changes >= LEAST)[..., None]).any((0, 1))
        columns = torch.from_numpy(np.append(found, np.zeros(self._picture, bool))).to(self._device)
        if not found.any():
            self.columns = None
        elif self.columns is None or not torch.equal(columns, self.columns):
            self.columns = columns


def with_past_of_others(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Return the batch with what its actor is shown: in a share of the human's rows, the past actions of another row.

    For a network with a memory these are whole sequences, with the action before that each of their steps comes with. The critics
    see what was there: what the game does next depends on it.
    """
    if not share:
        return batch
    human = batch.cloned & batch.human
    if isinstance(batch.observation, Moments):
        return replace(batch, shown=_other_past(batch.observation, human, batch.past_actions, share, generator))
    if batch.past_actions is None:
        return batch
    other, chosen = _others(human, share, generator)
    there = batch.observation.index_select(0, other)
    return replace(batch, shown=torch.where((human & chosen)[:, None] & batch.past_actions, there, batch.observation))


def _others(like: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return another place for each of so many as in ``like`` (N,), and which of them are chosen (N,) bool."""
    count, device = len(like), like.device
    other = torch.randint(count, (count,), generator=generator, device=device)
    return other, torch.rand(count, generator=generator, device=device) < share


def _other_past(
    now: Moments, human: Tensor, past: Tensor | None, share: float, generator: torch.Generator
) -> Moments:
    """Return moments in which a share of the sequences that hold a row of the human's have the past actions of another one."""
    sequences, size = now.sequences, now.observation.shape[1]
    count, inputs = sequences.steps.shape[1:]
    helped = torch.zeros(count, dtype=torch.int64, device=human.device).index_add_(0, now.index % count, human.long()) > 0
    other, chosen = _others(helped, share, generator)
    other = torch.where(other == torch.arange(count, device=human.device), (other + 1) % count, other)  # they are few
    columns = torch.arange(inputs, device=human.device) >= size
    if past is not None:
        columns[:size] |= past
    changed = (helped & chosen)[:, None] & columns

    def shown(steps: Tensor) -> Tensor:
        return torch.where(changed, steps.index_select(1, other), steps)

    steps = shown(sequences.steps)
    seen = steps.view(-1, inputs).index_select(0, now.index)[:, :size]
    return Moments(replace(sequences, burn_in=shown(sequences.burn_in), steps=steps), now.index, seen)
