"""Help on request in a session: the risk of the agent's own driving, from its checkpoint's critics and its stored failures."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data.errors import StoreError
from data.numbers import usable_rows
from data.records import DRIVING_FAULTS, HUMAN
from data.store import Store
from hitl.home import Home
from hitl.session.risk import MOST_S, Asker, Attempt, Level, RiskModel, calibrate, critic_numbers, features, fit

NEWEST = 120  # episodes that it is fitted to: the agent fails today as it drives today
REFIT = 25  # episodes after which it is fitted again


class JudgingPolicy(Protocol):
    """A policy whose critics can be asked: the newest checkpoint's, or a learner's own."""

    checkpoint_id: int | None

    @property
    def observation_size(self) -> int:
        """Numbers in an observation."""

    def can_judge(self) -> bool:
        """Whether there are critics to ask."""

    def quantiles(self, observations: NDArray[np.float32], actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``hitl.drivers.policy.Judgement``."""

    def quantiles_now(self, observation: NDArray[np.float32], action: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``hitl.drivers.policy.Judgement``."""


class PolicyForesight:
    """Judges each step with the predictor; asks at most ``per_minute`` times a minute of the agent's driving, on average.

    Until the store holds a few failures of the agent on this track it has nothing to say, and says so by None.
    """

    def __init__(self, home: Home, policy: JudgingPolicy, track: str, per_minute: float, hz: float) -> None:
        self._home, self._policy, self._track = home, policy, track
        self._per_minute, self._hz = per_minute, hz
        self._episodes = 0
        self._fitted: tuple[int | None, int | None] | None = None
        self.model: RiskModel | None = None
        self._asker = Asker(float("inf"), hz)
        self._level = Level()

    def begin(self) -> None:
        """An episode begins: fit anew, now and then."""
        if self._episodes % REFIT == 0 and (known := self._known()) != self._fitted:
            self._fitted = known
            self.refit()
        elif self.model is not None and not self._policy.can_judge():  # the new checkpoint cannot be read
            self.model = None
        self._episodes += 1
        self._asker.begin()
        self._level = Level()

    def _known(self) -> tuple[int | None, int | None]:
        """Return the newest attempt and the checkpoint: tries at a corner add none, and must not wait for the same again."""
        with Store.open(self._home.store_path, read_only=True) as store:
            (newest,) = store.conn.execute(
                """SELECT max(e.id) FROM episodes e JOIN sessions s ON s.id = e.session_id
                   WHERE s.track = ? AND e.purpose IN ('drive', 'evaluation')""",
                (self._track,),
            ).fetchone()
        return newest, self._policy.checkpoint_id

    def refit(self) -> None:
        """Fit the predictor to the newest attempts in the store, and set the threshold by the budget."""
        self.model = None
        if not self._policy.can_judge():
            return
        try:
            attempts = stored_attempts(self._home, self._policy, self._track, self._hz)
        except StoreError:  # nobody asks for help until the store can be read again
            return
        self.model = fit(attempts, self._hz)
        if self.model is not None:
            risks = [self.model.risk(a.features) for a in attempts]
            minutes = sum(len(r) for r in risks) / self._hz / 60.0
            self._asker = Asker(calibrate(risks, self._per_minute * minutes, self._hz), self._hz)

    def step(
        self, observation: NDArray[np.float32], proposed: NDArray[np.float32], agent: bool
    ) -> tuple[float | None, bool]:
        """Return (risk from 0 to 1, whether a request stands)."""
        if self.model is None:
            return None, False
        quantiles = self._policy.quantiles_now(observation, proposed)
        row = np.concatenate([observation.astype(np.float64), self._level(critic_numbers(quantiles)[0])])
        risk = float(self.model.risk(row[None])[0])
        return risk, self._asker.step(risk, agent)[0]


def stored_attempts(home: Home, policy: JudgingPolicy, track: str, hz: float, newest: int = NEWEST) -> list[Attempt]:
    """Return the newest attempts of the agent on a track, judged by the policy's critics.

    An episode counts up to its first takeover. What the agent would have come to in the four seconds before one is not
    known, so they are left out.
    """
    found: list[Attempt] = []
    with Store.open(home.store_path, read_only=True) as store:
        episodes = store.conn.execute(
            """SELECT e.id, e.reason FROM episodes e JOIN sessions s ON s.id = e.session_id
               WHERE s.track = ? AND e.purpose IN ('drive', 'evaluation') AND e.length > 0
               AND e."end" IN ('terminated', 'truncated') ORDER BY e.id DESC LIMIT ?""",
            (track, newest),
        ).fetchall()
        for episode, reason in episodes:
            rows = store.conn.execute(
                "SELECT driver, observation, proposed FROM steps WHERE episode_id = ? ORDER BY t", (episode,)
            ).fetchall()
            human = next((t for t, row in enumerate(rows) if row[0] == HUMAN), None)
            failed = human is None and reason in DRIVING_FAULTS
            stop = len(rows) if human is None else max(0, human - round(MOST_S * hz))
            observations = [np.frombuffer(row[1], "<f4") for row in rows[:stop]]
            if not observations or {len(o) for o in observations} != {policy.observation_size}:
                continue
            seen, did = np.stack(observations), np.stack([np.frombuffer(row[2], "<f4") for row in rows[:stop]])
            good = usable_rows(seen, did)
            if good.any():
                seen, did = seen[good], did[good]
                found.append(Attempt(features(seen, policy.quantiles(seen, did)), failed))
    return found
