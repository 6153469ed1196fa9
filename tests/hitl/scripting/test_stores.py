"""The store's plain verbs: what is found, read, judged, carried out and brought in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.errors import NoStoreError, UsageError
from data.recording.recorder import Recorder
from hitl import Store
from tests.support.recorded import drive, session_info


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder, takeover=(5, 15))
        drive(recorder, takeover=(4, 14), corner="esses")
        drive(recorder, takeover=None)
    return tmp_path


def test_takeovers_are_found_read_judged_and_undone(home: Path) -> None:
    with Store(home) as store, Store(home / "store.sqlite", read_only=True) as beside:
        assert [t.corner for t in store.takeovers()] == ["hairpin", "esses"]
        (takeover,) = store.takeovers("hairpin", outcome="cleared", verdict=("unreviewed", "good"))
        assert store.takeovers(outcome="failed") == store.laps() == []
        steps = store.steps(takeover)
        assert steps["t"].tolist() == list(range(5, 15))
        assert steps["executed", "steer"].tolist() == steps.executed[:, 1].tolist()
        assert steps["observation", "yaw"].tolist() == list(range(5, 15))
        assert len(steps[steps["speed"] > 100.0]) == 0
        assert store.label([takeover.id], verdict="star", trim=(2, 3)) == 1
        (now,) = beside.takeovers(verdict="star")
        assert beside.steps(now)["t"].tolist() == list(range(7, 12))
        assert store.steps(now, first=1, stop=3, columns=("t",))["t"].tolist() == [8, 9]
        assert store.undo() == [takeover.id]
        assert beside.takeovers(verdict="star") == []
        assert "60 steps" in repr(store)


def test_a_wrong_name_gets_a_suggestion(home: Path) -> None:
    with Store(home) as store:
        steps = store.steps(1, columns=("speed", "executed"))
        with pytest.raises(UsageError, match=r"no column 'sped'; there are speed, executed. Did you mean 'speed'"):
            steps["sped"]
        with pytest.raises(UsageError, match=r"no number 'ster'.*Did you mean 'steer'"):
            steps["executed", "ster"]
        with pytest.raises(UsageError, match="Did you mean 'minari'"):
            store.export_to(home / "out", "minary")
    with pytest.raises(NoStoreError):
        Store(home / "elsewhere", create=False)
    assert not (home / "elsewhere").exists()


@pytest.mark.parametrize("form", ["minari", "store", "player-run"])
def test_what_is_carried_out_comes_in_again(form: str, home: Path, tmp_path: Path) -> None:
    if form == "minari":
        pytest.importorskip("minari")
    out = tmp_path / ("out.sqlite" if form == "store" else "out")
    with Store(home) as store:
        made = store.export_to(out, form, corner="hairpin")
        expected = store.steps(store.takeovers("hairpin")[0])
        assert (made.episodes, made.left_out) == (1, ())
    with Store(tmp_path / "other") as other:
        came = other.import_from(out)
        assert (came.segments, came.present, came.refused) == (1, 0, [])
        (takeover,) = other.takeovers()
        np.testing.assert_array_equal(other.steps(takeover)["executed"], expected["executed"])
        assert other.import_from(out).present == 1
    with Store(home) as store, pytest.raises(UsageError, match="Nothing to export"):
        store.export_to(tmp_path / "nothing", form, corner="nowhere")
