"""The same checks inside the trainer, for less than a hundredth of its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields

import torch

from data.words import number_of
from trainer.config import Times, TrainConfig
from trainer.diagnosis import probe
from trainer.diagnosis.case import Case, Check
from trainer.diagnosis.catalogue import FAULTS
from trainer.diagnosis.checks.history import batch_checks, critic_checks, policy_checks, target_checks
from trainer.diagnosis.finding import CheckResult, Finding, in_order
from trainer.diagnosis.history import from_rows
from trainer.diagnosis.recipe import from_settings
from trainer.learner.learner import Learner
from trainer.replay.batch import Batch

SHARE = 0.008
"""Share of the trainer's time that the checks may take."""
EVERY_S = 5.0
FIRST_S = 0.08
"""Assumed cost of the first look, which waits until there is time for it."""
MOST_ROWS = 256
MOST_LONGER = 0.1
"""Share of a batch's rows that may have returns of more than n steps."""
PROBED = 128
"""Rows of a batch that the critic is asked about; a look then costs about as much as an update."""
TWICE = 2
"""A fault is reported once this many looks in a row have found it, and is over once as many have not: one odd batch proves
nothing."""
AGAIN_S = 600.0
"""A fault that comes and goes is reported at most this often (s)."""
CHECKS: tuple[Check, ...] = (
    critic_checks.ignores_actions,
    critic_checks.identical_twins,
    target_checks.discount_power,
    target_checks.at_clip,
    critic_checks.exploded,
    policy_checks.uniform_policy,
    policy_checks.temperature,
    batch_checks.composition,
    batch_checks.share_drift,
    batch_checks.gradients,
    critic_checks.distinguishes,
    critic_checks.twins,
    policy_checks.stuck,
)
"""What can be judged while training; how the drives go is judged by ``hitl diagnose``."""


def wrong_discounts(batch: Batch, times: Sequence[Times]) -> Finding | None:
    """Look at every discount of a batch: gamma to the power of 1 to n, or 0 after a terminal step, and nothing else.

    Before a standstill returns are longer, and where the driver changes in it they are bootstrapped: in a few rows at most.
    ``times``: of each rate at which was driven.
    """

    def off(longest: Sequence[int]) -> torch.Tensor:
        powers = [t.gamma ** torch.arange(1, most + 1, dtype=torch.float64) for t, most in zip(times, longest, strict=True)]
        allowed = torch.cat((torch.zeros(1, dtype=torch.float64), *powers)).to(batch.discount.device)
        return (batch.discount.double()[:, None] - allowed).abs().min(1).values > 1e-5

    wrong = off([max(t.n_step, t.stalled_steps) for t in times])
    longer = off([t.n_step for t in times])
    if float(longer.float().mean()) > MOST_LONGER:
        wrong = longer
    if not bool(wrong.any()):
        return None
    value = float(batch.discount[wrong][0])
    text = f"{float(wrong.float().mean()):.0%} of a batch have another discount, such as {value:.5f}"
    sentence = f"Targets are bootstrapped with something else than gamma to the power of 1 to {max(t.n_step for t in times)}."
    return Finding(sentence, (text,), 0.99, fault="discount-power", source="batch")


def terminals_missing(batch: Batch, seen: list[int], ended: int) -> Finding | None:
    """Count the rows and the terminal rows of all batches looked at; ``seen`` holds both counts and is added to."""
    seen[0] += len(batch)
    seen[1] += int((batch.discount == 0).sum())
    if ended < 20 or seen[0] < 20_000 or seen[1]:
        return None
    text = f"none of {seen[0]:,} rows ends an episode, though {number_of(ended, 'episode')} in the replay ended"
    sentence = "Terminal steps never reach the critic, so it does not learn what ends an episode."
    return Finding(sentence, (text,), 0.95, fault="terminal-dropped", source="batch")


def few(batch: Batch, count: int) -> Batch:
    """Return about ``count`` rows of a batch, spread over it, so that the share of demos is the same."""
    stride = max(1, len(batch) // count)
    parts = {f.name: getattr(batch, f.name) for f in fields(Batch)}
    return Batch(**{name: part if part is None else part[::stride] for name, part in parts.items()})  # type: ignore[arg-type]


class LiveChecks:
    """Looks at the learner now and then, but not while the looks have used up their share of the time."""

    def __init__(
        self, config: TrainConfig, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self.every_s, self._clock = every_s, clock
        self._began = self._looked_at = clock()
        self.spent_s = 0.0
        self.looks = 0
        self._cost = FIRST_S  # s of the most expensive recent look: the next one must fit as well
        self._rows: list[dict[str, float]] = []
        self._terminals = [0, 0]
        self._streaks: dict[str, int] = {}  # looks in a row that found a fault; below 0, that did not
        self._told: dict[str, float] = {}
        self._gone: list[str] = []
        self.standing: dict[str, Finding] = {}
        """What is wrong now, by fault."""

    @property
    def share(self) -> float:
        """Share of the time since the start that the checks took."""
        return self.spent_s / max(1e-9, self._clock() - self._began)

    @property
    def sentence(self) -> str:
        """The standing finding to fix first in one sentence, empty when all is well."""
        top = self._top
        return "" if top is None else f"{top.sentence} ({top.fault}: `hitl diagnose`)"

    @property
    def title(self) -> str:
        """The same in a few words."""
        return "" if self._top is None else FAULTS[self._top.fault].title

    @property
    def _top(self) -> Finding | None:
        return next(iter(in_order(self.standing.values())), None)

    def gone(self) -> list[str]:
        """Return the reported faults that no longer hold, each once."""
        gone, self._gone = self._gone, []
        return gone

    def look(
        self,
        learner: Learner,
        batch: Batch,
        metrics: Mapping[str, float],
        ended: int = 0,
        rates: Collection[float] = (20.0,),
    ) -> list[Finding]:
        """Take in a row of metrics and, when it is time, look; return what has just been found wrong.

        ``batch``: rows just learned from; ``ended``: terminated episodes in the replay; ``rates``: steps in a second there, one
        or more.
        """
        began = self._clock()
        if began - self._looked_at < self.every_s or self.spent_s + self._cost > SHARE * (began - self._began):
            return []
        self._looked_at = began
        self._rows.append({**metrics, "updates": float(learner.updates)})
        if len(self._rows) > MOST_ROWS:
            del self._rows[:-1:2]
        found, news = self._all(learner, batch, ended, rates), []
        for fault in {**self._streaks, **found}:
            before = self._streaks.get(fault, 0)
            streak = self._streaks[fault] = max(before, 0) + 1 if fault in found else min(before, 0) - 1
            if streak <= -TWICE and self.standing.pop(fault, None) is not None:
                self._gone.append(fault)
            elif fault in found and (streak >= TWICE or fault in self.standing):
                new = fault not in self.standing
                self.standing[fault] = found[fault]
                if new and began - self._told.get(fault, -AGAIN_S) >= AGAIN_S:
                    self._told[fault] = began
                    news.append(found[fault])
        cost = self._clock() - began
        self.spent_s, self._cost, self.looks = self.spent_s + cost, max(0.9 * self._cost, cost), self.looks + 1
        return in_order(news)

    def _all(self, learner: Learner, batch: Batch, ended: int, rates: Collection[float]) -> dict[str, Finding]:
        """Return the heaviest finding of each fault, without notes."""
        recipe = from_settings(self._config.to_dict(), None, max(rates), None)
        if len(rates) > 1:
            recipe.gamma = None  # each rate has its own
        case = Case(
            history=from_rows(self._rows, "metrics", ours=True),
            recipe=recipe,
            probe=probe.look(learner, few(batch, PROBED), "the critic in training"),
        )
        outcomes: list[CheckResult | None] = [outcome for check in CHECKS for outcome in check(case)]
        times = [self._config.times(hz) for hz in rates]
        outcomes += [wrong_discounts(batch, times), terminals_missing(batch, self._terminals, ended)]
        found = [o for o in outcomes if isinstance(o, Finding) and o.rank != "note"]
        return {f.fault: f for f in sorted(found, key=lambda f: f.weight)}
