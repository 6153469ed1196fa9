"""In which order findings are told: what is to be fixed first stands first, and a cause before what it brings about."""

from __future__ import annotations

import itertools

import pytest

from trainer.diagnosis.catalogue import FAULTS, consequences
from trainer.diagnosis.finding import Diagnosis, Finding


def found(fault: str, sure: float = 0.9, level: str = "") -> Finding:
    return Finding("It is so.", ("1",), sure, fault=fault, level=level)


def order(*findings: Finding) -> list[str]:
    return [f.fault for f in Diagnosis.of(list(findings)).findings]


def test_no_fault_brings_itself_about_and_each_that_is_named_is_known() -> None:
    for fault in FAULTS:
        assert fault not in consequences(fault) <= set(FAULTS), fault


@pytest.mark.parametrize(("cause", "brought"), [(c, b) for c in FAULTS for b in sorted(consequences(c))])
def test_a_cause_is_named_before_what_it_brings_about_whatever_they_weigh(cause: str, brought: str) -> None:
    if FAULTS[cause].level == "note":
        pytest.skip("a note is the cause of nothing")
    assert order(found(brought, 1.0), found(cause, 0.5)) == [cause, brought]


def test_the_cause_stands_as_high_as_what_it_brings_about() -> None:
    """Between the two there is no third: it would be fixed in vain."""
    assert order(found("uniform-policy"), found("demo-units"), found("gradients-zero")) == [
        "gradients-zero", "uniform-policy", "demo-units",
    ]  # fmt: skip


def test_more_driving_is_advised_after_what_makes_driving_useless() -> None:
    assert order(found("demos-uncovered"), found("finish-unpaid"))[0] == "finish-unpaid"
    assert order(found("takeovers-fail"), found("finish-unpaid"))[0] == "takeovers-fail", "the reward is not why these fail"


@pytest.mark.parametrize("cause", [found("gradients-zero", 0.4), found("gradients-zero", 0.9, "warning")])
def test_what_is_hardly_sure_or_a_lesser_case_is_the_cause_of_nothing(cause: Finding) -> None:
    both = Diagnosis.of([found("uniform-policy"), cause])
    assert both.findings[0].fault == "uniform-policy"
    assert both.causes(both.findings[0]) == ()


def test_the_order_does_not_depend_on_the_checks_order() -> None:
    some = [found(f) for f in ("uniform-policy", "gradients-zero", "actions-saturated", "return-plateau", "evaluation-missing")]
    assert len({tuple(order(*way)) for way in itertools.permutations(some)}) == 1


def test_each_finding_names_its_causes() -> None:
    report = Diagnosis.of([found("uniform-policy"), found("gradients-zero"), found("return-plateau")])
    assert {f["fault"]: f["comes_from"] for f in report.to_dict()["findings"]} == {
        "gradients-zero": [],
        "uniform-policy": ["gradients-zero"],
        "return-plateau": ["gradients-zero", "uniform-policy"],
    }
