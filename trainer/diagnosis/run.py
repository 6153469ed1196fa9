"""All checks on one case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from data.errors import UsageError, shown
from data.extras import imported_whole
from data.suggest import did_you_mean
from trainer.diagnosis.case import Case, Check
from trainer.diagnosis.catalogue import FAULTS
from trainer.diagnosis.finding import CheckResult, Diagnosis, Finding, Lacking, Sound

_CHECKS = "trainer.diagnosis.checks"
FAMILIES: dict[str, str] = {
    "player": f"{_CHECKS}.drives.player_checks",
    "critic": f"{_CHECKS}.history.critic_checks",
    "target": f"{_CHECKS}.history.target_checks",
    "policy": f"{_CHECKS}.history.policy_checks",
    "batch": f"{_CHECKS}.history.batch_checks",
    "evaluation": f"{_CHECKS}.history.evaluation_checks",
    "return": f"{_CHECKS}.history.return_checks",
    "collector": f"{_CHECKS}.history.collector_checks",
    "start": f"{_CHECKS}.drives.start_checks",
    "road": f"{_CHECKS}.road_checks",
    "reward": f"{_CHECKS}.reward_checks",
    "state": f"{_CHECKS}.drives.state_checks",
    "demo": f"{_CHECKS}.drives.demo_checks",
    "place": f"{_CHECKS}.drives.place_checks",
}
"""Modules of checks, each with its ``CHECKS``, imported when something is diagnosed. `docs/extending.md` says how to add one."""


def diagnose(cases: Iterable[Case]) -> Diagnosis:
    """Return the report on some cases (several when several histories were given).

    Raises UsageError for checks that somebody has added and that cannot be used.
    """
    found: list[CheckResult] = []
    looked_at: list[str] = []
    checks = [check for family in FAMILIES for check in checks_of(family)]
    for case in cases:
        for check in checks:
            found += [o for o in _known(check(case), check) if case.has_road or not FAULTS[o.fault].road]
        looked_at += [text for text in case.looked_at if text not in looked_at]
    return Diagnosis.of(found, looked_at)


def checks_of(family: str) -> tuple[Check, ...]:
    """Return the checks of a family of `FAMILIES`. Raises UsageError where its module cannot be used."""
    what = f"The checks '{shown(family)}'"
    found = getattr(imported_whole(what, FAMILIES[family]), "CHECKS", None)
    checks: tuple[Any, ...] = tuple(found) if isinstance(found, Iterable) else (None,)
    if not all(map(callable, checks)):
        raise UsageError(f"{what} cannot be used: '{shown(FAMILIES[family])}' needs its functions in CHECKS = (…,).")
    return checks


def _known(answer: Any, check: Check) -> list[CheckResult]:
    """Return what a check has answered. Raises UsageError where that cannot go into a report."""
    name = shown(getattr(check, "__name__", check))
    if not isinstance(answer, list) or not all(isinstance(o, Finding | Sound | Lacking) for o in answer):
        raise UsageError(
            f"The check `{name}` answers with {type(answer).__name__}: decorate it (`@case_check(\"fault\")` and the others of "
            "trainer/diagnosis/case.py), and return a Finding, Sound, Lacking or None."
        )
    for fault in (o.fault for o in answer if o.fault not in FAULTS):
        raise UsageError(
            f"The check `{name}` is about '{shown(fault)}', which the catalogue does not have: add FAULTS['{shown(fault)}'] = "
            f"Fault(…) to its module.{did_you_mean(fault, FAULTS)}"
        )
    return answer
