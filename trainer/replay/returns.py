"""n-step returns within one episode, and which steps may be used at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import AGENT, HUMAN


@dataclass(slots=True)
class Returns:
    """For each of n steps; only the first ``settled`` are final."""

    reward: np.ndarray
    """(n,) discounted sum of the rewards used."""
    discount: np.ndarray
    """(n,) gamma to the power of the steps used; 0 where one of them terminated the episode."""
    successor: np.ndarray
    """(n,) index of the step whose observation follows; n is the episode's last observation, -1 none: not usable. A terminated
    step needs none: where nothing was seen after it, its own index stands there, beside the discount 0."""
    before_takeover: np.ndarray
    """(n,) bool: the last agent step before the human's first."""
    skipped: np.ndarray
    """(n,) bool: an agent step so shortly before a takeover that it is not to be drawn."""
    settled: int


def n_step_returns(
    reward: np.ndarray,
    driver: np.ndarray,
    terminated: np.ndarray,
    t: np.ndarray,
    *,
    complete: bool,
    has_last: bool,
    gamma: float,
    n_step: int,
    handover_cost: float = 0.0,
    skip: int = 0,
    stop_at_change: bool = True,
    to_end: int = 0,
) -> Returns:
    """Return the n-step returns of consecutive steps of an episode (its tail, from any step to the newest).

    A return stops where the episode ends, where ``t`` has a gap, and where the driver changes: otherwise an agent's
    blunder would be paid for by the human's rescue. It bootstraps at what follows the last step used, time limits
    included. ``complete``: no more steps will come; ``has_last``: the observation after the last step is known. A step
    whose successor is not known is not used, and no return reaches over it, unless it terminated the episode: nothing is
    bootstrapped there, so its reward counts all the same. Without ``stop_at_change`` a change of driver is
    passed over like any other step. ``to_end``: the returns of so many of the agent's last steps go on to the episode's
    end (where nothing else stops them), however many steps that is.
    """
    n = len(reward)
    index = np.arange(n)
    joined = np.zeros(n, bool)
    joined[:-1] = t[1:] == t[:-1] + 1
    follows = np.where(joined, index + 1, -1)
    if complete and has_last and n:
        follows[-1] = n
    own = terminated & (follows < 0)
    own[n - 1 :] &= complete  # until then what was seen after it may still come
    follows = np.where(own, index, follows)
    changes = np.zeros(n, bool)
    changes[:-1] = joined[:-1] & (driver[1:] != driver[:-1])
    before = np.zeros(n, bool)
    before[:-1] = changes[:-1] & (driver[:-1] == AGENT) & (driver[1:] == HUMAN)
    stops = changes if stop_at_change else np.zeros(n, bool)
    paid = reward.astype(np.float64) - handover_cost * before

    total = np.zeros(n)
    discount = np.ones(n)
    successor = np.full(n, -1, np.int64)
    running = np.ones(n, bool)
    open_end = np.zeros(n, bool)  # the return would go on with steps that may still come
    at = index.copy()
    reach = np.where((index >= n - to_end) & (driver == AGENT), max(n_step, to_end), n_step)
    for k in range(max(n_step, to_end)):
        usable = running & (follows[at] >= 0) & (k < reach)
        if not complete:
            open_end |= running & (at == n - 1) & (k < reach)
        running = usable
        total[usable] += gamma**k * paid[at[usable]]
        discount[usable] *= gamma
        successor[usable] = follows[at[usable]]
        over = usable & terminated[at]
        discount[over] = 0.0
        running = usable & ~over & ~stops[at] & (follows[at] < n)
        at = np.where(running, at + 1, at)
        if not running.any():
            break
    settled_mask = ~open_end
    skipped = np.zeros(n, bool)
    if skip:
        # Steps until the next human step; agent steps wait until that is known to be more than ``skip``.
        human_at = np.where(driver == HUMAN, index, 2 * n + skip)
        ahead = np.minimum.accumulate(human_at[::-1])[::-1]
        agent = driver == AGENT
        skipped = agent & (ahead - index <= skip)
        if not complete:
            settled_mask &= ~(agent & (ahead >= 2 * n) & (index + skip >= n))
    settled = n if settled_mask.all() else int(np.argmin(settled_mask))
    return Returns(total, discount, successor, before, skipped, settled)
