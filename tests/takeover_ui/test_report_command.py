"""`hitl report` from a store to a page."""

from pathlib import Path

import pytest

from data.errors import HitlError
from data.store import Store
from hitl.commands.report import collect, main
from hitl.screens.stored_scene import stored_scene
from tests.takeover_ui import samples, stores


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("home")
    stores.fill(root / "store.sqlite")
    return root


def test_a_whole_store_becomes_a_report(home: Path) -> None:
    with Store.open(home / "store.sqlite", read_only=True) as store:
        report = collect(store)
    corner = samples.scene().corners[0]
    assert report.corner == corner
    assert report.before is not None
    assert report.after is not None
    assert (report.before.corner_passes, report.before.episodes) == (0, 3)
    assert (report.after.corner_passes, report.after.episodes) == (3, 3)
    assert [(e.agent_steps, e.passes) for e in report.evaluations] == [(1_000, 0), (4_000, 3)]
    assert report.takeovers == 4
    assert report.takeover_seconds == pytest.approx(sum(e.human_seconds for e in report.episodes))
    assert [line.kind for line in report.lines if line.kind != "human"] == ["before"] * 3 + ["after"] * 3
    assert all(line.failed == (line.kind == "before") for line in report.lines)
    assert report.ceiling == pytest.approx(sum(e.total for e in report.episodes[:6]) / 6)
    assert len(report.failures) == 9
    row = report.corners[0]
    assert (row.takeovers, row.cleared, row.reached, row.passed) == (4, 4, 12, 3)
    assert report.judged == {"unreviewed": 6, "good": 0, "star": 0, "bad": 0}


def test_tries_at_a_corner_are_no_points_of_the_return_curve(tmp_path: Path) -> None:
    from hitl.home import Home
    from hitl.session.setup import SessionSetup
    from hitl.session_options import SessionOptions

    with SessionSetup(Home(tmp_path), SessionOptions()) as rig:
        for purpose in ("drive", "practice", "drive"):
            rig.session.episode(purpose, seed=0, until_m=6.0)
        rig.written()
    with Store.open(tmp_path / "store.sqlite", read_only=True) as store:
        report = collect(store)
        lengths = [length for (length,) in store.conn.execute("SELECT length FROM episodes ORDER BY id")]
    assert [e.agent_steps for e in report.episodes] == [lengths[0], sum(lengths)]  # but the agent has driven them


def test_the_command_writes_the_page(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(home)]) == 0
    assert "report.html" in capsys.readouterr().out
    page = (home / "report.html").read_text(encoding="utf-8")
    assert "0 of 3" in page
    assert "3 of 3" in page
    assert str(home) not in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--corner", "nowhere"], "no corner 'nowhere'"),
        (["--track", "chicane"], "Nothing was driven"),
        (["--since", "2099-01-01"], "No episode"),
        (["--session", "77"], "No episode"),
        (["--since", "soon"], "is no date"),
    ],
)
def test_what_is_not_there_is_one_sentence(home: Path, options: list[str], words: str) -> None:
    with pytest.raises(HitlError, match=words):
        main(["--home", str(home), *options])


def test_a_missing_store_or_an_unwritable_page_is_one_sentence(home: Path, tmp_path: Path) -> None:
    with pytest.raises(HitlError):
        main(["--home", str(tmp_path)])
    with pytest.raises(HitlError, match="cannot be written"):
        main(["--home", str(home), "--output", str(tmp_path / "no" / "folder" / "r.html")])


def test_a_track_without_its_file_is_drawn_from_its_longest_drive(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    stores.fill(path, takeovers=1)
    with Store.open(path) as store:
        store.conn.execute("UPDATE sessions SET track = 'my own track'")
        scene = stored_scene(store)
        assert scene.track == "my own track"
        assert scene.length == pytest.approx(samples.scene().length, rel=0.03)
        report = collect(store)
    assert report.episodes
