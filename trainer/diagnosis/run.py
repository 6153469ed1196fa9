"""All checks on one case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from trainer.diagnosis.case import Case, Check
from trainer.diagnosis.checks import (
    batch_checks,
    critic_checks,
    demo_checks,
    evaluation_checks,
    place_checks,
    policy_checks,
    probe_checks,
    return_checks,
    reward_checks,
    road_checks,
    state_checks,
)
from trainer.diagnosis.finding import Finding, Lacking, Outcome, Report, Sound


class _Family(Protocol):  # a module of checks
    CHECKS: tuple[Check, ...]


FAMILIES: Sequence[_Family] = (
    critic_checks,
    policy_checks,
    batch_checks,
    evaluation_checks,
    return_checks,
    road_checks,
    reward_checks,
    state_checks,
    demo_checks,
    place_checks,
    probe_checks,
)


def outcomes(case: Case) -> list[Outcome]:
    """Return what every check says of the case."""
    found: list[Outcome] = []
    for family in FAMILIES:
        for check in family.CHECKS:
            answer = check(case)
            if answer is None:
                continue
            found.extend([answer] if isinstance(answer, Finding | Sound | Lacking) else answer)
    return found


def diagnose(cases: Iterable[Case]) -> Report:
    """Return the report on some cases (several when several histories were given)."""
    found: list[Outcome] = []
    looked_at: list[str] = []
    for case in cases:
        found += outcomes(case)
        looked_at += [text for text in case.looked_at if text not in looked_at]
    return Report.of(found, looked_at)
