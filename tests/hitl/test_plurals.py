"""Counted things are written by `number_of`, which knows that one is not several."""

from __future__ import annotations

import re

import pytest

from tests.support.places import ROOT

COUNTED = (
    "steps|updates|takeovers|laps|episodes|drives|corners|checkpoints|rows|columns|sessions|segments|tries|samples|frames|"
    "workers|events|files|runs|notes|checks|failures|evaluations|observations|points"
)
PLAIN = re.compile(r"\{([^{}]+?)(?::[,d]*)?\} (?:[a-z']+ )?(" + COUNTED + r")\b")
COUNT = re.compile(r"[a-z_.]*(?:count|number|len\(.*\)|steps|updates|laps|episodes|total|found|failed|gone|ended|lost|rows)")
ALWAYS_SEVERAL = (  # it is said why, where it stands
    "more than {MAX_SAMPLES}", "{len(names)} values", "{len(found)} tracks are called", "{len(on)} tracks have",
    "Of the {count} episodes", "{len(laps)} laps, and none", "None of the {all_laps} laps", "export fewer of them",
    "of {len(known)} episodes were", "newest {len(last)} episodes", "{len(newest)} drives",
)  # fmt: skip


@pytest.mark.parametrize("package", ["data", "hitl", "takeover_ui", "trainer"])
def test_one_of_a_thing_is_not_several(package: str) -> None:
    wrong = []
    for path in sorted(p for p in (ROOT / package).rglob("*") if p.suffix in (".py", ".toml")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            counts = [m[1] for m in PLAIN.finditer(line) if COUNT.fullmatch(m[1])]
            if counts and not any(known in line for known in ALWAYS_SEVERAL):
                wrong.append(f"{path.name}:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)


def test_the_rule_finds_what_it_is_for() -> None:
    assert PLAIN.search('f"{len(found)} takeovers"')
    assert PLAIN.search('f"{beat.updates:,} more updates"')
    assert not PLAIN.search("""f"{number_of(len(found), 'takeover')} of yours\"""")
