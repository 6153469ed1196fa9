"""What the diagnosis says of the player's own driving, and that it says so first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.reading.episodes import EpisodeData, EpisodeWriter, SegmentData
from data.store import Store
from hitl.cli import main
from tests.support.daemon_runs import info
from trainer.diagnosis.case import Case
from trainer.diagnosis.catalogue import FAULTS
from trainer.diagnosis.checks.drives.player_checks import CHECKS
from trainer.diagnosis.drives import from_store
from trainer.diagnosis.finding import Diagnosis, Finding, Sound

Driven = tuple[SegmentData, str]
"""A takeover or a lap in an episode of 100 steps, and why that episode ended."""


def at_start(steps: int) -> Driven:
    return SegmentData("takeover", 0, steps, "pad"), "finish"


def at_bend(outcome: str, trigger: str = "pad") -> Driven:
    return SegmentData("takeover", 40, 90, trigger, "[red]bend", outcome=outcome), "off_road" if outcome == "failed" else "finish"


def lap(outcome: str, steps: int = 100, verdict: str = "unreviewed") -> Driven:
    driven = SegmentData("lap", 0, steps, "pad", outcome=outcome, verdict=verdict)
    return driven, "off_road" if outcome == "failed" else "finish"


def fill(root: Path, *driven: Driven) -> Path:
    """Write a home whose player has driven these."""
    places = np.arange(100.0)
    with Store(root / "store.sqlite") as store:
        session = store.start_session(info())
        store.upsert_corner("default", "[red]bend", 40.0, 60.0, "track")
        with EpisodeWriter(store.conn, session) as writer:
            for segment, reason in driven:
                human = np.zeros(100, int)
                human[segment.start : segment.stop] = 1
                columns = {"progress": places, "x": places, "y": 0 * places, "speed": 20.0 + 0 * places}
                rows = np.zeros((100, 3), np.float32)
                writer.add(
                    EpisodeData(
                        rows, rows[:, :2], np.ones(100), driver=human, terminated=np.arange(100) == 99, columns=columns,
                        purpose="lap" if segment.kind == "lap" else "drive", reason=reason, segments=[segment],
                    )
                )  # fmt: skip
    return root


def found(root: Path) -> list[Finding]:
    with Store(root / "store.sqlite", create=False) as store:
        drives = from_store(store)
    case = Case(drives=drives)
    return list(Diagnosis.of([outcome for check in CHECKS for outcome in check(case)]).findings)


@pytest.mark.parametrize(
    ("driven", "sentence", "rank"),
    [
        (
            [at_start(12)] * 4 + [at_bend("cleared")] * 2,
            "4 of your 6 takeovers lasted under a second at the start line: the agent learns nothing from them.",
            "warning",
        ),
        ([at_start(3)] * 3 + [at_bend("cleared")] * 9, "3 of your 12 takeovers lasted under a second at the start line", "note"),
        ([at_bend("failed")] * 4 + [at_bend("cleared")], "4 of your newest 5 takeovers at [red]bend ended off", "warning"),
        ([lap("failed")] * 3 + [lap("cleared")], "3 of your 4 laps did not reach the finish", "warning"),
        ([lap("failed", 60)] * 2 + [lap("failed")] * 2, "4 of your 4 laps did not reach the finish", "warning"),
        ([lap("failed", verdict="bad")] * 3 + [lap("cleared")], "3 of your 4 laps did not reach the finish", "warning"),
    ],
)
def test_the_players_own_faults(tmp_path: Path, driven: list[Driven], sentence: str, rank: str) -> None:
    (finding,) = found(fill(tmp_path, *driven))
    assert finding.sentence.startswith(sentence)
    assert (finding.rank, finding.players) == (rank, True)


@pytest.mark.parametrize(
    "driven",
    [
        [at_start(12)] * 2 + [at_bend("cleared")],
        [at_bend("failed")] * 3 + [at_bend("cleared")] * 3,
        [at_bend("failed", "scripted")] * 6,
        [lap("failed")] + [lap("cleared")] * 3,
        [lap("failed", verdict="good")] * 4,
    ],
)
def test_what_is_no_fault_of_the_players(tmp_path: Path, driven: list[Driven]) -> None:
    assert found(fill(tmp_path, *driven)) == []


def test_only_a_lap_that_was_driven_to_the_finish_reached_it(tmp_path: Path) -> None:
    with Store(fill(tmp_path, *[lap("failed", 60), lap("unclear"), lap("cleared")]) / "store.sqlite", create=False) as store:
        drives = from_store(store)
    sound = [outcome for check in CHECKS for outcome in check(Case(drives=drives)) if isinstance(outcome, Sound)]
    assert [s.text for s in sound] == ["1 of your 3 laps reached the finish"]


def test_they_come_first_however_heavy_the_others_are() -> None:
    heavy, own = Finding("q", (), 1.0, fault="critic-ignores-actions"), Finding("y", (), 0.1, fault="takeovers-fail")
    assert [f.fault for f in Diagnosis.of([heavy, own]).findings] == [own.fault, heavy.fault]
    assert {name for name, fault in FAULTS.items() if fault.player} >= {"takeovers-fail", "failures-in-one-corner"}


def test_figures_and_names_of_checks_are_told_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(fill(tmp_path, *[at_bend("failed")] * 4))]
    assert main(["diagnose", *home]) == 1
    plain = capsys.readouterr().out
    assert "4 of your newest 4 takeovers at [red]bend ended off the road" in plain
    assert '--practice "[red]bend"' in " ".join(plain.split())
    assert "on the default track" in plain
    assert "--all also lists" in plain
    jargon = "takeovers-fail", "% sure", "evaluation-missing", "median"
    assert not [word for word in jargon if word in plain]
    assert main(["diagnose", *home, "--all"]) == 1
    everything = capsys.readouterr().out
    assert [word for word in jargon if word not in everything] == []
