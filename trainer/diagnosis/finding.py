"""What a check can say: something is wrong, something was looked at and is sound, or the data cannot show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from trainer.diagnosis.advice import MATHEMATICS, elsewhere
from trainer.diagnosis.catalogue import FAULTS, consequences

PROBABLE = 0.5
"""How sure a finding must be to count as the cause of another."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is wrong."""

    fault: str = field(default="", kw_only=True)
    """Its name in the catalogue; a check fills it in, as it does ``source``."""
    sentence: str
    """What is wrong, in one sentence."""
    evidence: tuple[str, ...]
    """The figures that show it."""
    sure: float
    """0 to 1: how sure it is that this is the fault and not something that looks like it."""
    change: str = ""
    """What to change; the catalogue's advice when left out."""
    level: str = ""
    """``fault`` (learning cannot work), ``warning`` (it is held back), ``note``; the catalogue's when left out."""
    picture: str = ""
    """A drawing in characters, several lines; empty for none."""
    data: dict[str, Any] = field(default_factory=dict)
    """Numbers for programs."""
    source: str = field(default="", kw_only=True)
    """What it was found in."""
    foreign: bool = field(default=False, kw_only=True)
    """Whether that is another program's run: its user cannot set what ours has settings for."""

    @property
    def weight(self) -> float:
        """0 to 100: what it costs the learning, times how sure it is."""
        return FAULTS[self.fault].weight * self.sure * (0.3 if self.rank == "note" else 1.0)

    @property
    def rank(self) -> str:
        """The level in force."""
        return self.level or FAULTS[self.fault].level

    @property
    def players(self) -> bool:
        """Whether it is about the player's own driving, or fixed by driving."""
        return FAULTS[self.fault].player and not self.foreign

    @property
    def advice(self) -> str:
        """What to change, for the one who reads it: the user of another trainer has other settings than ours."""
        return self.change or (elsewhere(self.fault) if self.foreign else "") or FAULTS[self.fault].fix

    def brings_about(self, other: Finding) -> bool:
        """Whether another finding can be a consequence of this one, which must be probable and as bad as the fault can be."""
        full = self.rank == FAULTS[self.fault].level != "note"
        return full and self.sure >= PROBABLE and other.fault in consequences(self.fault)

    @property
    def mathematics(self) -> str:
        """The same for whoever programs a trainer; empty where there is nothing to compute."""
        return MATHEMATICS.get(self.fault, "")


@dataclass(frozen=True, slots=True)
class Sound:
    """A check that found nothing wrong, with the figures it looked at."""

    fault: str = field(default="", kw_only=True)
    text: str
    source: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class Lacking:
    """A check that could not be made, and what it would need."""

    fault: str = field(default="", kw_only=True)
    needs: str
    source: str = field(default="", kw_only=True)


CheckResult = Finding | Sound | Lacking
FOUND, UNCLEAR, SOUND = "found", "could not tell", "sound"
"""The three answers of a diagnosis."""
NO_RUN = "a history of the run (--wandb FILE) or its home folder (--home DIR), with its returns"
DECIDE = ("return-collapsed", "return-plateau")
"""What must have been looked at, and be sound, before a run is called so: only the return shows that a run learns."""


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings of different faults, the one to fix first in front: the player's own driving, then the heaviest.

    A cause counts as much as anything that it brings about, and stands before it.
    """
    found = list(findings)

    def place(f: Finding) -> tuple[bool, float, int, float]:
        driving, weight = max((g.players, g.weight) for g in found if g is f or f.brings_about(g))
        return not driving, -weight, sum(g.brings_about(f) for g in found), -f.weight

    return sorted(found, key=place)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found, the one to fix first in front."""

    findings: tuple[Finding, ...]
    sound: tuple[Sound, ...]
    lacking: tuple[Lacking, ...]
    looked_at: tuple[str, ...] = ()
    """What was given, one sentence each."""
    undecided: tuple[Lacking, ...] = ()
    """What is missing to tell whether each given run learns."""

    @classmethod
    def of(cls, outcomes: list[CheckResult], looked_at: list[str] | None = None) -> Diagnosis:
        """Sort outcomes; of several findings of one fault the heaviest is kept, with the others' evidence."""
        best: dict[str, Finding] = {}
        for finding in sorted((o for o in outcomes if isinstance(o, Finding)), key=lambda f: -f.weight):
            first = best.setdefault(finding.fault, finding)
            if first is not finding:
                where = f" ({finding.source})" if finding.source not in ("", first.source) else ""
                more = tuple(e + where for e in finding.evidence if e not in first.evidence)
                best[finding.fault] = replace(first, evidence=first.evidence + more)
        findings = in_order(best.values())
        sound = {o.fault + o.source: o for o in outcomes if isinstance(o, Sound) and o.fault not in best}
        answered = set(best) | {o.fault for o in sound.values()}
        lacking = {o.fault: o for o in outcomes if isinstance(o, Lacking) and o.fault not in answered}
        told = {(o.fault, o.source) for o in outcomes if not isinstance(o, Lacking)}
        undecided = {
            (o.fault, o.source): o
            for o in outcomes
            if isinstance(o, Lacking) and o.fault in DECIDE and (o.fault, o.source) not in told
        }
        return cls(
            tuple(findings), tuple(sound.values()), tuple(lacking.values()), tuple(looked_at or ()), tuple(undecided.values())
        )

    @property
    def answer(self) -> str:
        """``found``, ``could not tell`` or ``sound``: the last only where every run's return was looked at and is sound."""
        if self.above_notes:
            return FOUND
        seen = {s.fault for s in self.sound}
        return SOUND if not self.undecided and seen.issuperset(DECIDE) else UNCLEAR

    def causes(self, finding: Finding) -> tuple[Finding, ...]:
        """Return the findings that a finding can be a consequence of; the first to fix in front."""
        return tuple(f for f in self.findings if f.brings_about(finding))

    @property
    def needs(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What would tell more, each with the faults that could then be looked for; what decides comes first."""
        found: dict[str, dict[str, None]] = {}
        for o in (*self.undecided, *self.lacking):
            found.setdefault(o.needs, {})[o.fault] = None
        if self.answer == UNCLEAR and not self.undecided:
            found = {NO_RUN: dict.fromkeys(DECIDE), **found}
        return tuple((needs, tuple(faults)) for needs, faults in found.items())

    @property
    def above_notes(self) -> tuple[Finding, ...]:
        """The findings that are more than notes."""
        return tuple(f for f in self.findings if f.rank != "note")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "answer": self.answer,
            "looked_at": list(self.looked_at),
            "findings": [
                asdict(f)
                | {"level": f.rank, "weight": round(f.weight, 1), "change": f.advice, "mathematics": f.mathematics}
                | {"sure": round(f.sure, 2), "comes_from": [cause.fault for cause in self.causes(f)]}
                for f in self.findings
            ],
            "sound": [asdict(s) for s in self.sound],
            "lacking": [asdict(s) for s in self.lacking],
            "needs": [{"needs": needs, "for": list(faults)} for needs, faults in self.needs],
        }
