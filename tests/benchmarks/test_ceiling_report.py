"""What the report makes of numbers whose answer is known."""

import importlib
import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.places import BENCHMARKS as FOLDER

pytest.importorskip("scipy")


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module("ceiling_report")
    for name in set(sys.modules) - before:  # `common` is a name that others use too
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == FOLDER:
            del sys.modules[name]


@pytest.fixture
def numbers(report: Any) -> Any:
    return sys.modules["ceiling_numbers"]


def arm(steps: list[int | None], passes: int = 19) -> dict[str, Any]:
    n = len(steps)
    curve = [
        {"steps": at, "passes": 0 if step is None or at < step else passes, "others": 20 if at == 0 else 18}
        for step in steps
        for at in (0, 1000, 2000)
    ]
    return {
        "steps_to_90": steps,
        "held": [None if s is None else 0.95 for s in steps],
        "human_seconds": [20.0] * n,
        "final_return": [100.0 + i for i in range(n)],
        "finished_laps": [10] * n,
        "lap_seconds": [float("nan"), *[13.0] * (n - 1)],
        "curves": [curve[3 * i : 3 * i + 3] for i in range(n)],
        "seeds": list(range(n)),
    }


def run(numbers: Any, **arms: dict[str, Any]) -> Any:
    return numbers.Run("default", 2000, arms, [0, 1, 2, 3])


def test_the_middle_half_counts_and_the_interval_holds_it(numbers: Any) -> None:
    assert float(numbers.iqm(np.array([0.0, 1.0, 3.0, 1000.0]))) == 2.0
    found = numbers.estimate([[0.0, 1.0, 3.0, 1000.0]])
    assert found.middle == 2.0
    assert found.low <= 2.0 <= found.high
    assert numbers.estimate([[5.0]]).text() == "5"  # one seed has no interval
    assert numbers.estimate([[None, float("nan")]]).text() == "–"


def test_files_of_one_track_are_put_together(numbers: Any) -> None:
    first = run(numbers, takeover=arm([400, None]))
    others = {**arm([500]), "seeds": [7]}
    joined = first.joined(numbers.Run("default", 3000, {"takeover": others, "laps": arm([None, 800])}, [7]))
    assert joined.steps("takeover") == {0: 400, 1: 3000, 7: 500}
    assert joined.steps("laps") == {0: 3000, 1: 800}
    assert joined.seeds == [0, 1, 2, 3, 7]
    again = joined.joined(first)  # the same seeds once more
    assert again.steps("takeover") == joined.steps("takeover")
    short = first.joined(numbers.Run("default", 900, {"laps": arm([None])}, [0]))
    assert (short.steps("laps"), short.steps("takeover")) == ({0: 900}, {0: 400, 1: 2000})


def test_tracks_are_strata(numbers: Any) -> None:
    """Within each track the seeds agree, so drawing within tracks leaves nothing to chance."""
    found = numbers.estimate([[1.0] * 4, [3.0] * 4])
    assert (found.low, found.middle, found.high) == (2.0, 2.0, 2.0)


def test_an_overview_has_a_column_for_each_track(report: Any, numbers: Any) -> None:
    found = {
        "here": numbers.summary([run(numbers, takeover=arm([500] * 4), iwr=arm([700, 700, 700, None]))]),
        "there": numbers.summary([run(numbers, takeover=arm([900] * 4))]),
    }
    columns, rows = report.overview(found, "steps_to_90", ",.0f")
    assert columns == ["arm", "here", "there"]
    assert rows[0] == ["takeover", "500 (500–500)", "900 (900–900)"]
    assert rows[1][1].endswith("), 3 of 4")
    assert rows[1][2] == ""
    assert report.overview(found, "finished", ".0%")[1][0][1] == "50% (50%–50%)"


def test_seeds_that_never_got_there_are_counted_and_cost_the_budget(numbers: Any) -> None:
    found = numbers.summary([run(numbers, takeover=arm([500, 500, 1000, 1000]), other=arm([500, None, None, None]))])
    assert found["takeover"]["reached"] == (4, 4)
    assert found["takeover"]["steps_to_90"].bound == ""
    assert found["other"]["reached"] == (1, 4)
    assert found["other"]["steps_to_90"].text(",.0f").startswith("≥ 2,000")


def test_ratios_are_paired_by_seed_and_say_when_they_are_bounds(numbers: Any) -> None:
    base = arm([2000, 1000, 400, 2000])
    runs = [run(numbers, **{"continue": base, "takeover": arm([1000, 500, 200, 1000])})]
    assert numbers.ratio(runs, "takeover", "continue").text(".1f") == "2.0 (2.0–2.0)"
    assert numbers.ratio(runs, "continue", "continue").text() == "–"
    never = {"continue": arm([None] * 4), "takeover": arm([1000] * 4), "worse": arm([None] * 4), "laps": arm([500] * 4)}
    assert numbers.ratio([run(numbers, **never)], "takeover", "continue").text(".1f").startswith("≥ 2.0")
    assert numbers.ratio([run(numbers, **never)], "worse", "laps").text(".1f").startswith("≤ 0.2")
    assert numbers.ratio([run(numbers, **never)], "worse", "continue").bound == "≷"
    part = {"seeds": [1], **{k: v[1:2] for k, v in arm([500] * 4).items() if k != "seeds"}}
    assert numbers.ratio([run(numbers, **{"continue": base, "takeover": part})], "takeover", "continue").middle == 2.0


def test_other_corners_are_compared_with_the_stalled_agents(numbers: Any) -> None:
    assert numbers.summary([run(numbers, takeover=arm([500] * 4))])["takeover"]["others"].text("+.0%") == "-10% (-10%–-10%)"


def test_reads_a_file_prints_tables_and_draws(
    report: Any, numbers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = {"continue": arm([None] * 4), "takeover": arm([500] * 4), "hil_serl": arm([1500, 1000, 1000, None])}
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, track in zip(files, ("default", "somewhere/bend.toml"), strict=True):
        figures = {"track": track, "budget_steps": 2000, "arms": arms}
        file.write_text(json.dumps({"figures": figures, "seeds": [0, 1, 2, 3]}))
    monkeypatch.setattr(numbers, "RESAMPLES", 100)
    argv = ["report", *map(str, files), "--markdown", "--pictures", str(tmp_path), "--json", str(tmp_path / "out.json")]
    monkeypatch.setattr(sys, "argv", argv)
    report.main()
    printed = capsys.readouterr().out
    assert "all tracks, getting there" in printed
    assert "| `takeover` | 4/4 | 500 (500–500) | 95% (95%–95%) | 20 (20–20) |" in printed
    assert "| `takeover` | 4/4 | ≥ 4.0 (4.0–4.0) | – | – | – | – | – | – | 2.5 (2.0–" in printed
    assert "the best published rule is hil_serl" in printed
    drawn = sorted(p.name for p in tmp_path.glob("*.svg"))
    names = ("", "_arms", "_others", "_steps")
    assert drawn == sorted(f"ceiling_{track}{n}.svg" for track in ("default", "bend") for n in names)
    for path in tmp_path.glob("*.svg"):
        text = " ".join(ET.parse(path).getroot().itertext())
        assert "nan" not in path.read_text()
        assert "hil_serl" in text or "_arms" in path.name
    written = json.loads((tmp_path / "out.json").read_text())["figures"]
    assert written["bend"]["takeover"]["steps_to_90"] == [500.0, 500.0, 500.0, ""]


def test_every_number_becomes_json(report: Any, numbers: Any) -> None:
    found = numbers.summary([run(numbers, takeover=arm([500] * 4))])
    json.dumps(report.plain(found), allow_nan=False)
    assert report.table(found, "at the end")[1][0][0] == "takeover"
