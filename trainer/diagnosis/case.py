"""What is looked at: any of a history, a recipe, a road, recorded drives, and a learner's networks; and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Protocol, TypeVar

from trainer.diagnosis.finding import Finding, Lacking, Outcome, Sound

if TYPE_CHECKING:
    from trainer.diagnosis.drives import Drives
    from trainer.diagnosis.history import History
    from trainer.diagnosis.probe import Probe
    from trainer.diagnosis.recipe import Recipe
    from trainer.diagnosis.road import RoadFacts


@dataclass(slots=True)
class Case:
    """All that is known of one run; whatever is None was not given."""

    history: History | None = None
    recipe: Recipe | None = None
    road: RoadFacts | None = None
    drives: Drives | None = None
    probe: Probe | None = None
    unusable: tuple[int, Mapping[str, int]] | None = None
    """Steps of the store that cannot be learned from, and how many by each number's name."""
    looked_at: list[str] = field(default_factory=list)
    """What was given, one sentence each."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Subject = TypeVar("Subject", bound=_Named)
Answer = Outcome | Iterable[Outcome] | None
"""What the function behind a check returns; None where the check does not apply."""
Look = Callable[[Subject, Case], Answer]
"""Such a function, of one part of the case."""
Check = Callable[[Case], list[Outcome]]


def _signed(answer: Answer, fault: str, source: str) -> list[Outcome]:
    """Return the outcomes of an answer; each says which fault it is about and what it was found in."""
    outcomes = [answer] if isinstance(answer, Finding | Sound | Lacking) else answer or ()
    return [replace(o, fault=o.fault or fault, source=o.source or source) for o in outcomes]


def case_check(fault: str) -> Callable[[Callable[[Case], Answer]], Check]:
    """Make a check of a function of the whole case. Its outcomes are about ``fault`` unless they name another."""

    def decorate(look: Callable[[Case], Answer]) -> Check:
        return wraps(look)(lambda case: _signed(look(case), fault, ""))

    return decorate


def _check_of(part: Callable[[Case], Subject | None]) -> Callable[[str], Callable[[Look[Subject]], Check]]:
    """Return a decorator like ``case_check``, for functions of one part and the case: asked only where that part was given."""

    def with_fault(fault: str) -> Callable[[Look[Subject]], Check]:
        def decorate(look: Look[Subject]) -> Check:
            @wraps(look)
            def check(case: Case) -> list[Outcome]:
                subject = part(case)
                return [] if subject is None else _signed(look(subject, case), fault, subject.name)

            return check

        return decorate

    return with_fault


drives_check = _check_of(lambda case: case.drives)
recipe_check = _check_of(lambda case: case.recipe)
road_check = _check_of(lambda case: case.road)
probe_check = _check_of(lambda case: case.probe)
history_check = _check_of(lambda case: case.history)


def column_check(fault: str, *columns: str) -> Callable[[Look[History]], Check]:
    """Make a ``history_check`` that asks the function only where the history has all these columns."""

    def decorate(look: Look[History]) -> Check:
        @wraps(look)
        def check(history: History, case: Case) -> Answer:
            lost = history.missing(*columns)
            needs = f"the column{'s' if len(lost) > 1 else ''} {', '.join(lost)}"
            return Lacking(needs) if lost else look(history, case)

        return history_check(fault)(check)

    return decorate
