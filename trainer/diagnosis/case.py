"""What is looked at: any of a history, a recipe, a road, recorded drives, and a learner's networks; and what a check is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Protocol, TypeVar

from data.records import Corner
from trainer.diagnosis.finding import CheckResult, Finding, Lacking, Sound

if TYPE_CHECKING:
    from trainer.diagnosis.drives import Drives
    from trainer.diagnosis.history import History
    from trainer.diagnosis.probe import Probe
    from trainer.diagnosis.recipe import Recipe


@dataclass(slots=True)
class RoadFacts:
    """What the checks need to know of a road and of braking on it; whoever knows roads works it out. In metres and m/s."""

    name: str
    length_m: float
    spacing_m: float
    """Between two recorded points."""
    artefact_m: float = 0.0
    """Length of what was recorded behind the road's end."""
    artefact_points: int = 0
    heading_outside: float | None = None
    """Share of the road whose direction in world axes lies beyond plus or minus one radian; None where that is unknown."""
    top_speed: float = 0.0
    braking_m: float = 0.0
    """Longest braking on the road: from the speed of arrival down to that of the corner."""
    braking_from: float = 0.0
    """Speed at which that braking begins."""
    braking_to_s: float = 0.0
    """Where it ends, along the road."""
    assumed: str = ""
    """What the speeds and the braking rest on."""
    driven: bool = False
    """Whether they were driven; else they are guessed."""
    corner_seconds: dict[str, float] = field(default_factory=dict)
    """How long each corner takes a good driver, from the braking point to the exit."""
    corners: tuple[Corner, ...] = ()

    def corner_at(self, metres: float, near: float = 40.0) -> str:
        """Return the name of the corner at a place, or of one that begins within ``near`` metres behind it."""
        return next((c.name for c in self.corners if c.from_m - near <= metres <= c.to_m), "")


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
    owed: tuple[int, float] = (0, 0.0)
    """Updates that our trainer has yet to do for what it has read, and the seconds that they take it (0: not known)."""

    @property
    def has_road(self) -> bool:
        """Whether there is a road, as far as is known: else nothing is asked that only a car on one can do."""
        return self.road is not None or self.drives is None or self.drives.has_road

    @property
    def foreign(self) -> bool:
        """Whether another program's run is looked at, and so a reader who cannot change our settings to help it."""
        if self.history is not None:
            return not self.history.ours
        return self.probe is None and (self.drives is None or self.drives.name != "store")

    def in_its_words(self, text: str) -> str:
        """Return a text with the history's columns under the names that the file has for them."""
        called = self.history.called if self.history is not None else {}
        if not called or not any(ours in text for ours in called):
            return text
        names = "|".join(map(re.escape, sorted(called, key=len, reverse=True)))
        return re.sub(rf"(?<![\w/])({names})(?![\w/])", lambda m: called[m[1]], text)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Subject = TypeVar("Subject", bound=_Named)
Answer = CheckResult | Iterable[CheckResult] | None
"""What the function behind a check returns; None where the check does not apply."""
Look = Callable[[Subject, Case], Answer]
"""Such a function, of one part of the case."""
Check = Callable[[Case], list[CheckResult]]


_NO_NUMBER = re.compile(r"(?<![\w/])[+-]?(nan|inf)(?![\w/])")


BROKEN = "a check that"
"""How it begins what is lacking where a check of ours fails on a case."""


def _answered(look: Callable[[], Answer], name: str) -> list[CheckResult]:
    """Return a check's answer. One that fails on odd figures takes nothing else with it, least of all a training of hours."""
    try:
        answer = look()
        found: list[CheckResult] = [answer] if isinstance(answer, Finding | Sound | Lacking) else list(answer or ())
        if wrong := [o for o in found if not isinstance(o, Finding | Sound | Lacking)]:
            given = type(wrong[0]).__name__
            return [Lacking(f"{BROKEN} answers with a Finding, Sound, Lacking or None, and not with {given} (`{name}`)")]
        return found
    except Exception as error:
        return [Lacking(f"{BROKEN} does not fail ({type(error).__name__} in `{name}`): please report this")]


def _signed(outcomes: Iterable[CheckResult], fault: str, source: str, case: Case) -> list[CheckResult]:
    """Return outcomes; each says which fault it is about and what it was found in.

    Columns are named as the file names them, and what rests on figures that are no numbers is not sound.
    """
    found: list[CheckResult] = []
    for o in outcomes:
        fault_, source_ = o.fault or fault, o.source or source
        if isinstance(o, Finding):
            evidence = tuple(map(case.in_its_words, o.evidence))
            sentence = case.in_its_words(o.sentence)
            found.append(
                replace(o, fault=fault_, source=source_, sentence=sentence, evidence=evidence, foreign=case.foreign)
            )
        elif isinstance(o, Sound) and _NO_NUMBER.search(o.text):
            needs = f"rows with numbers in all of its columns ({case.in_its_words(o.text)})"
            found.append(Lacking(needs, fault=fault_, source=source_))
        elif isinstance(o, Sound):
            found.append(replace(o, fault=fault_, source=source_, text=case.in_its_words(o.text)))
        else:
            found.append(replace(o, fault=fault_, source=source_, needs=case.in_its_words(o.needs)))
    return found


def case_check(fault: str) -> Callable[[Callable[[Case], Answer]], Check]:
    """Make a check of a function of the whole case. Its outcomes are about ``fault`` unless they name another."""

    def decorate(look: Callable[[Case], Answer]) -> Check:
        return wraps(look)(lambda case: _signed(_answered(lambda: look(case), look.__name__), fault, "", case))

    return decorate


def _check_of(part: Callable[[Case], Subject | None]) -> Callable[[str], Callable[[Look[Subject]], Check]]:
    """Return a decorator like ``case_check``, for functions of one part and the case: asked only where that part was given."""

    def with_fault(fault: str) -> Callable[[Look[Subject]], Check]:
        def decorate(look: Look[Subject]) -> Check:
            @wraps(look)
            def check(case: Case) -> list[CheckResult]:
                subject = part(case)
                if subject is None:
                    return []
                return _signed(_answered(lambda: look(subject, case), look.__name__), fault, subject.name, case)

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
