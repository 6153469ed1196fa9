"""All checks on one case."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from trainer.diagnosis.case import Case
from trainer.diagnosis.finding import Diagnosis, Outcome

_CHECKS = "trainer.diagnosis.checks"
FAMILIES: dict[str, str] = {
    "player": f"{_CHECKS}.player_checks",
    "critic": f"{_CHECKS}.critic_checks",
    "target": f"{_CHECKS}.target_checks",
    "policy": f"{_CHECKS}.policy_checks",
    "batch": f"{_CHECKS}.batch_checks",
    "evaluation": f"{_CHECKS}.evaluation_checks",
    "return": f"{_CHECKS}.return_checks",
    "collector": f"{_CHECKS}.collector_checks",
    "road": f"{_CHECKS}.road_checks",
    "reward": f"{_CHECKS}.reward_checks",
    "state": f"{_CHECKS}.state_checks",
    "demo": f"{_CHECKS}.demo_checks",
    "place": f"{_CHECKS}.place_checks",
}
"""Modules of checks, each with its ``CHECKS``, imported when something is diagnosed. `docs/extending.md` says how to add one."""


def diagnose(cases: Iterable[Case]) -> Diagnosis:
    """Return the report on some cases (several when several histories were given)."""
    found: list[Outcome] = []
    looked_at: list[str] = []
    for case in cases:
        for family in FAMILIES.values():
            for check in import_module(family).CHECKS:
                found += check(case)
        looked_at += [text for text in case.looked_at if text not in looked_at]
    return Diagnosis.of(found, looked_at)
