"""Help on request in a session: the risk of the agent's own driving, from its checkpoint's critics and its stored failures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.errors import StoreError
from data.numbers import usable_rows
from data.reading.new_steps import Layout
from data.store import Store
from hitl.drivers.policy import NetworkPolicy
from hitl.home import Home
from hitl.session.risk import MOST_S, Asker, Attempt, RiskLevel, RiskModel, calibrate, critic_numbers, features, fit

NEWEST = 120  # episodes that it is fitted to: the agent fails today as it drives today
LEAST_RISK = 0.25  # below which it never asks: of an agent that no longer fails, any threshold would keep to the budget
REFIT = 25  # episodes after which it is fitted again
ATTEMPTS = ("drive", "evaluation")  # purposes of episodes in which the agent tries the whole road


class PolicyForesight:
    """Judges each step with the predictor; asks at most ``per_minute`` times a minute of the agent's driving, on average.

    The risk is None until the store holds a few failures of the agent on this track.
    """

    def __init__(
        self, home: Home, policy: NetworkPolicy, track: str, layout: Layout, per_minute: float, hz: float, env: str | None = None
    ) -> None:
        """``layout``: the names of what the policy sees and does; ``env``: the game, None for any."""
        self._home, self._policy, self._track, self._layout, self._env = home, policy, track, layout, env
        self._per_minute, self._hz = per_minute, hz
        self._episodes = 0
        self._fitted: tuple[int | None, int | None] | None = None
        self.model: RiskModel | None = None
        self._asker = Asker(float("inf"), hz)
        self._level = RiskLevel()

    def begin(self) -> None:
        """An episode begins: fit again, now and then."""
        if self._episodes % REFIT == 0 and (known := self._known()) != self._fitted:
            self._fitted = known
            self._refit()
        elif self.model is not None and not self._policy.can_judge():  # the new checkpoint cannot be read
            self.model = None
        self._episodes += 1
        self._asker.begin()
        self._level = RiskLevel()

    def _known(self) -> tuple[int | None, int | None]:
        """Return the newest attempt and the checkpoint. Practice adds no attempt, so it must not pay for the same fit again."""
        with Store(self._home.store_path, read_only=True) as store:
            newest = store.episodes(
                self._track, purpose=ATTEMPTS, closed=False, newest=1, layout=self._layout, env=self._env
            )
        return newest[0].id if newest else None, self._policy.checkpoint_id

    def _refit(self) -> None:
        """Fit the predictor to the newest attempts in the store, and set the threshold by the budget."""
        self.model = None
        if not self._policy.can_judge():
            return
        try:
            attempts = stored_attempts(self._home, self._policy, self._track, self._layout, self._hz, self._env)
        except StoreError:  # no help is asked for until the store can be read again
            return
        self.model = fit(attempts, self._hz)
        if self.model is not None:
            risks = [self.model.risk(a.features) for a in attempts]
            minutes = sum(len(r) for r in risks) / self._hz / 60.0
            threshold = calibrate(risks, self._per_minute * minutes, self._hz)
            self._asker = Asker(max(threshold, LEAST_RISK), self._hz)

    def step(
        self, observation: NDArray[np.float32], proposed: NDArray[np.float32], agent: bool
    ) -> tuple[float | None, bool]:
        """Return (risk from 0 to 1 or None, whether help is asked for). ``agent``: the agent drove the last step."""
        if self.model is None:
            return None, False
        quantiles = self._policy.quantiles_now(observation, proposed)
        row = np.concatenate([observation.astype(np.float64), self._level(critic_numbers(quantiles)[0])])
        risk = float(self.model.risk(row[None])[0])
        return risk, self._asker.step(risk, agent)[0]


def stored_attempts(
    home: Home, policy: NetworkPolicy, track: str, layout: Layout, hz: float, env: str | None = None
) -> list[Attempt]:
    """Return the newest attempts of the agent on a track, judged by the policy's critics.

    An episode counts up to four seconds before its first takeover: where the agent would have ended up without it is not known.
    """
    found: list[Attempt] = []
    with Store(home.store_path, read_only=True) as store:
        for episode in reversed(store.episodes(track, purpose=ATTEMPTS, newest=NEWEST, layout=layout, env=env)):
            drive = store.steps(episode, columns=("t", "driver", "observation", "proposed"))
            if not store.has_all(drive):
                continue  # of what was pruned, steps here and there are left
            human = np.flatnonzero(drive.human)
            failed = not len(human) and episode.failed
            alone = drive[: max(0, human[0] - round(MOST_S * hz)) if len(human) else len(drive)]
            seen, did = alone.observation, alone.proposed
            if not len(alone) or seen.shape[1] != policy.observation_size:
                continue
            good = usable_rows(seen, did)
            if good.any():
                seen, did = seen[good], did[good]
                found.append(Attempt(features(seen, policy.quantiles(seen, did)), failed))
    return found
