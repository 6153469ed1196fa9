"""`hitl report` from a store to a page."""

from pathlib import Path

import pytest

from data.errors import HitlError
from data.reading.drives import EpisodeSummary
from data.reading.episodes import EpisodeWriter
from data.records import SessionInfo
from data.store import Store
from hitl.commands.report import main
from hitl.screens.before_after import before_and_after, evaluation_laps
from hitl.screens.stored.report import stored_report
from hitl.screens.stored.scene import stored_scene
from takeover_ui.report.contents import Report
from takeover_ui.report.page import render
from tests.support import sample_screens as samples
from tests.support import sample_stores as stores


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("home")
    stores.fill(root / "store.sqlite")
    return root


def test_a_whole_store_becomes_a_report(home: Path) -> None:
    with Store(home / "store.sqlite", read_only=True) as store:
        report = stored_report(store)
    corner = samples.scene().corners[0]
    assert report.corner == corner
    assert report.before is not None
    assert report.after is not None
    assert (sum(report.before.passed), len(report.before.passed)) == (0, 3)
    assert (sum(report.after.passed), len(report.after.passed)) == (3, 3)
    assert [(e.agent_steps, e.passes) for e in report.evaluations] == [(1_000, 0), (4_000, 3)]
    assert report.takeovers == 4
    assert report.takeover_seconds == pytest.approx(sum(e.human_seconds for e in report.episodes))
    assert [line.kind for line in report.lines if line.kind != "human"] == ["before"] * 3 + ["after"] * 3
    assert all(line.failed == (line.kind == "before") for line in report.lines)
    assert report.ceiling == pytest.approx(sum(e.total for e in report.episodes[:6]) / 6)
    assert len(report.failures) == 9
    row = report.corners[0]
    assert (row.takeovers, row.cleared, row.attempts, row.passed) == (4, 4, 12, 3)
    assert report.verdicts == {"unreviewed": 6, "good": 0, "star": 0, "bad": 0}


def _evaluated(path: Path, *groups: tuple[str, bool]) -> Report:
    """Fill a store with evaluations ("old" or "new" checkpoint, passed or not) and, as "help", takeovers; report on it."""
    scene = samples.scene()
    info = SessionInfo("play", "box2d", "default", 20.0, ("a", "b", "c"), scene.action_names, driver="pad")
    with Store(path) as store:
        ids = {
            n: store.add_checkpoint(f"{n}.safetensors", n * 16, u, u, "periodic", {})
            for n, u in (("old", 5), ("new", 9))
        }
        for name, from_m, to_m in scene.corners:
            store.upsert_corner("default", name, from_m, to_m, "track")
        session = store.start_session(info)
        for seed, (name, passed) in enumerate(groups):
            with EpisodeWriter(store.conn, session) as writer:
                if name == "help":
                    writer.add(stores.episode(seed, blunder=False, takeover=True, checkpoint=ids["old"]))
                else:
                    writer.add(stores.episode(seed, blunder=not passed, purpose="evaluation", checkpoint=ids[name]))
        store.conn.execute(
            "UPDATE episodes SET checkpoint_id = (SELECT max(checkpoint_id) FROM steps WHERE episode_id = episodes.id)"
        )
        # Each of them a second after the one before, and a checkpoint as it is first evaluated.
        store.conn.execute("UPDATE episodes SET started = printf('2026-01-01T00:00:%02dZ', id)")
        store.conn.execute("UPDATE segments SET started = printf('2026-01-01T00:00:%02dZ', episode_id)")
        first = "SELECT min(started) FROM episodes WHERE purpose = 'evaluation' AND checkpoint_id = checkpoints.id"
        store.conn.execute(f"UPDATE checkpoints SET created = coalesce(({first}), created)")
        return stored_report(store)


def test_before_is_the_last_evaluation_without_help_and_after_the_most_recent_one(tmp_path: Path) -> None:
    def told(name: str, *groups: tuple[str, bool]) -> list[tuple[int, int, int | None, str] | None]:
        report = _evaluated(tmp_path / name, *groups)
        return [s and (sum(s.passed), len(s.passed), s.updates, s.rule) for s in (report.before, report.after)]

    bad, good, older = ("old", False), ("new", True), ("old", True)
    last, recent = "rule_last_takeover", "rule_recent"
    assert told("plain", bad, bad, ("help", True), good) == [(0, 2, 5, last), (1, 1, 9, recent)]
    # The best checkpoint may be an older one, evaluated once more: what was measured last counts.
    assert told("again", bad, ("help", True), good, older, older) == [(0, 1, 5, last), (2, 2, 5, recent)]
    assert told("no help", bad, good, good) == [(0, 1, 5, "rule_first"), (2, 2, 9, recent)]
    # What was first measured after help has learned from it, and says nothing of before.
    assert told("late", ("help", True), bad, good) == [None, (1, 1, 9, recent)]
    assert told("one", bad, bad) == [None, (0, 2, 5, recent)]
    assert told("none", ("help", True)) == [None, None]


def test_tries_at_a_corner_are_no_points_of_the_return_curve(tmp_path: Path) -> None:
    from hitl.home import Home
    from hitl.session.setup import SessionSetup
    from hitl.session_options import SessionOptions

    with SessionSetup(Home(tmp_path), SessionOptions()) as rig:
        for purpose in ("drive", "practice", "drive"):
            rig.session.episode(purpose, seed=0, until_m=6.0)
        rig.written()
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        report = stored_report(store)
        lengths = [length for (length,) in store.conn.execute("SELECT length FROM episodes ORDER BY id")]
    assert [e.agent_steps for e in report.episodes] == [lengths[0], sum(lengths)]  # but the agent has driven them


def test_the_command_writes_the_page(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(home)]) == 0
    told = capsys.readouterr().out
    assert "report.html" in told
    assert "replaces" not in told
    page = (home / "report.html").read_text(encoding="utf-8")
    assert "0 of 3" in page
    assert "3 of 3" in page
    assert str(home) not in page
    assert "Before: the last evaluation before the first takeover. After: the most recent evaluation." in page
    assert main(["--home", str(home)]) == 0
    assert "replaces the earlier one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--corner", "nowhere"], "no corner 'nowhere'"),
        (["--track", "chicane"], "Nothing was driven"),
        (["--since", "2099-01-01"], "No episode"),
        (["--session", "77"], "no session 77"),
        (["--since", "soon"], "is not a date"),
    ],
)
def test_what_is_not_there_is_one_sentence(home: Path, options: list[str], words: str) -> None:
    with pytest.raises(HitlError, match=words):
        main(["--home", str(home), *options])


def test_a_missing_store_or_an_unwritable_page_is_one_sentence(home: Path, tmp_path: Path) -> None:
    with pytest.raises(HitlError):
        main(["--home", str(tmp_path)])
    with pytest.raises(HitlError, match=r"its folder does not exist. Make it first, or name another file"):
        main(["--home", str(home), "--output", str(tmp_path / "no" / "folder" / "r.html")])


def test_a_track_without_its_file_is_drawn_from_its_longest_drive(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    stores.fill(path, takeovers=1)
    with Store(path) as store:
        store.conn.execute("UPDATE sessions SET track = 'my own track'")
        scene = stored_scene(store)
        assert scene.track == "my own track"
        assert scene.length == pytest.approx(samples.scene().length, rel=0.03)
        report = stored_report(store)
    assert report.episodes


def test_a_demo_without_any_takeover_is_compared_with_the_evaluation_before_its_first_drive() -> None:
    """Not with the first evaluation of the run that made the agent."""

    laps = [lap(1, 1, 1), lap(2, 2, 2), lap(4, 2, 3)]  # of the run that made the agent; the demo's before and after
    (before, rule), (after, _) = before_and_after(laps, None, 2)
    assert ([e.id for e in before], [e.id for e in after]) == ([2], [4])
    assert rule == "rule_last_demo"
    (before, rule), _ = before_and_after(laps, None, 0)
    assert ([e.id for e in before], rule) == ([1], "rule_first")


def test_laps_of_an_evaluation_that_was_skipped_part_way_do_not_count() -> None:
    whole = [lap(k, 1, 5, seed=100 + k) for k in range(3)]
    skipped = [lap(10, 1, 5, seed=500), lap(11, 1, 5, seed=501), lap(12, 1, 5, seed=502, reason="stopped")]
    between = lap(11, 2, 5, seed=7)  # of another session, at the same time
    assert evaluation_laps([*whole, *skipped, between]) == [*whole, between]
    assert evaluation_laps([lap(1, 1, 5, seed=1), lap(2, 1, 5, seed=2, reason="env_lost"), lap(3, 1, 5, seed=3)]) == [
        lap(1, 1, 5, seed=1),
        lap(3, 1, 5, seed=3),
    ], "a lap that the game lost is left out, and the evaluation went on"


def lap(number: int, session: int, checkpoint: int, *, seed: int | None = None, reason: str = "finish") -> EpisodeSummary:
    return EpisodeSummary(number, session, "t", "evaluation", reason, 9, 1.0, 0, 5.0, checkpoint, "", 20.0, seed=seed)


def test_what_was_not_measured_after_the_help_is_not_there() -> None:
    (before, rule), (after, _) = before_and_after([lap(1, 1, 1), lap(2, 2, 2)], 2, 0)
    assert ([e.id for e in before], after) == ([2], [])
    assert rule == "rule_last_takeover"


def test_the_first_sentence_counts_the_help_there_up_to_the_evaluation_that_it_is_about(tmp_path: Path) -> None:
    bad, good, helped = ("old", False), ("new", True), ("help", True)
    report = _evaluated(tmp_path / "store.sqlite", bad, helped, helped, good, helped, helped, helped)
    assert "in 1 of 1 after 2 takeovers" in render(report)
    assert (report.takeovers, report.corners[0].takeovers) == (5, 5)
    with Store(tmp_path / "store.sqlite") as store:
        store.conn.execute("UPDATE segments SET corner = NULL WHERE id IN (1, 3)")
        report = stored_report(store)
        assert "in 1 of 1 after 1 takeover," in render(report)
        store.conn.execute("UPDATE segments SET corner = NULL WHERE id < 3")
        assert "in 1 of 1 without help there" in render(stored_report(store))
    path = tmp_path / "earlier.sqlite"
    assert "after 3 takeovers" in render(_evaluated(path, bad, helped, helped, helped, good))
    with Store(path) as store:
        store.conn.execute("UPDATE checkpoints SET created = '2026-01-01T00:00:02Z' WHERE name = 'new.safetensors'")
        assert "in 1 of 1 after 1 takeover," in render(stored_report(store)), "these weights are of before the other two"


def test_the_first_sentence_and_the_table_count_the_same(tmp_path: Path) -> None:
    _evaluated(tmp_path / "store.sqlite", *[("help", True)] * 4)
    with Store(tmp_path / "store.sqlite") as store:
        store.conn.execute("UPDATE segments SET corner = 'elsewhere' WHERE id = 2")
        (session,) = store.sessions()
        report = stored_report(store, session=session.id)
        row = report.corners[0]
        assert (row.takeovers, round(row.human_seconds, 3)) == (3, round(report.told_seconds, 3))
        assert f"3 takeovers at “hairpin” on the default track: {row.human_seconds:.0f} seconds of help." in render(report)
        store.conn.execute("UPDATE segments SET corner = NULL, verdict = 'super'")
        report = stored_report(store)
        assert "4 takeovers at the default track" in render(report)
        assert report.verdicts["unreviewed"] == 4
