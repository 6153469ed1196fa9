"""The rule that says what counts as a demo, how far a takeover led, and what is done about those that show nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data.demos import DemoRule, Reason, Why
from data.recording.recorder import Recorder
from data.records import AGENT, HUMAN, SegmentRecord
from data.store import Store
from data.tables.checkpoints import RUN
from hitl.cli import main
from tests.support.recorded import session_info, step_row
from trainer.config import TrainConfig

REAL = SegmentRecord(1, 1, "takeover", 40, 100, 0, 0, "unreviewed", 1.0, "cleared", True, 20.0, 30.0)


@pytest.mark.parametrize(
    ("changes", "counts", "weight"),
    [
        ({}, True, 2.0),
        ({"verdict": "star"}, True, 4.0),
        ({"priority": 3.0}, True, 6.0),
        ({"kind": "lap", "moved": None}, True, 1.0),
        ({"verdict": "bad"}, False, 0.0),
        ({"verdict": "bad", "priority": 9.0}, False, 0.0),
        ({"priority": 0.0, "verdict": "star"}, False, 0.0),
        ({"closed": False}, False, 0.0),
        ({"outcome": "failed"}, True, 2.0),
        ({"outcome": "failed", "kind": "lap"}, False, 0.0),  # only finished laps are learned from
        ({"outcome": "failed", "kind": "kept", "moved": None}, True, 1.0),
        ({"kind": "kept", "stop": 44, "moved": 3.5}, True, 1.0),  # the player chose the moment,
        ({"kind": "kept", "stop": 240, "moved": 0.1}, False, 0.0),  # but a car that stands shows nothing
        ({"outcome": "failed", "verdict": "good"}, True, 2.0),
        # Mid-corner at speed, short: it counts. Cut off at once: it does not.
        ({"stop": 47, "moved": 3.5}, True, 2.0),
        ({"stop": 44, "moved": 3.5}, False, 0.0),
        # At the start line: 0.4 to 0.9 s, 0 to 2 m, "cleared".
        *(({"start": 0, "stop": n, "moved": m}, False, 0.0) for n, m in ((8, 0.0), (12, 1.3), (18, 2.0), (18, 5.0))),
        ({"start": 0, "stop": 20, "moved": 5.0}, True, 2.0),
        *(({"start": 0, "stop": 12, "moved": 5.0, "trigger": t}, True, 2.0) for t in ("rewind", "call", "function")),
        ({"stop": 300, "moved": 1.9}, False, 0.0),  # it stood for thirteen seconds
        ({"moved": None}, True, 2.0),  # an environment without places
        ({"roadless": True, "outcome": "failed"}, False, 0.0),  # nothing tells where it went wrong
        ({"roadless": True, "outcome": "failed", "verdict": "good"}, True, 2.0),
        # The player's word stands.
        ({"stop": 44, "moved": 0.1, "verdict": "good"}, True, 2.0),
        ({"stop": 44, "moved": 0.1, "priority": 0.5}, True, 1.0),
        # A trim chooses steps; it does not make a takeover short.
        ({"trim_start": 30, "trim_stop": 28}, True, 2.0),
    ],
)
def test_what_counts_and_how_much(changes, counts, weight):
    standing = DemoRule().judge(replace(REAL, **changes))
    assert (standing.counts, standing.weight) == (counts, weight)
    assert (standing.reason is None) == counts


def test_a_failed_takeover_counts_but_for_its_end_and_in_whole_when_the_player_says_so():
    failed = replace(REAL, outcome="failed")
    assert DemoRule().judge(failed).cut_s == 1.0
    assert DemoRule().judge(replace(failed, verdict="star")).cut_s == 0.0
    assert DemoRule().judge(REAL).cut_s == 0.0
    assert DemoRule().shown_steps(REAL) == (REAL.start, REAL.stop)
    assert DemoRule().shown_steps(failed) == (failed.start, failed.stop - 20)
    assert DemoRule().shown_steps(replace(failed, trim_start=3, trim_stop=30)) == (failed.start + 3, failed.stop - 30)
    trimmed = DemoRule().judge(replace(failed, trim_start=failed.stop - failed.start - 20))
    assert (trimmed.counts, str(trimmed.reason)) == (False, "it failed, and your trim leaves nothing before that")
    assert DemoRule(failed_takeovers=False).judge(failed).reason == Reason(Why.FAILED)
    lap = replace(failed, kind="lap", start=0)
    assert DemoRule().judge(lap).reason == Reason(Why.FAILED)
    assert DemoRule(failed_laps=True).judge(lap).counts
    assert DemoRule().shown_steps(lap) == (0, lap.stop - 20)
    assert DemoRule().shown_steps(lap, moved=60) == (0, 40), "the car stood from there on"
    assert DemoRule().shown_steps(lap, moved=20) == (0, 10), "half of what is left at most"
    assert DemoRule().shown_steps(lap, moved=7) == (0, 4), "no more than half of it: of seven steps, three"
    assert DemoRule().shown_steps(lap, moved=0) == (0, 0)
    assert DemoRule().shown_steps(replace(lap, outcome="cleared"), moved=60) == (0, lap.stop)
    assert DemoRule().shown_steps(replace(failed, trim_stop=40), moved=90) == (failed.start, failed.stop - 40)
    assert DemoRule().judge(replace(failed, stop=failed.start + 20)).cut_s == 0.5, "half of it at most"


def test_the_settings_of_the_rule_are_training_settings_and_of_a_stored_run_whatever_it_holds():
    config = TrainConfig(takeover_min_m=9.0, failed_takeovers=False, failed_cut_s=2.0)
    rule = DemoRule(takeover_min_m=9.0, failed_takeovers=False, failed_cut_s=2.0)
    assert DemoRule.of(json.loads(json.dumps(config.to_dict()))) == rule
    assert DemoRule.of(TrainConfig().to_dict()) == DemoRule() == DemoRule.of({}, begins=True)
    odd = {"failed_laps": None, "takeover_min_m": "far", "star_priority": float("nan"), "one_replay": 1, "lap_priority": -1}
    assert DemoRule.of(TrainConfig().to_dict() | odd) == DemoRule()


def test_what_a_run_has_no_setting_for_counts_as_its_trainer_takes_it(tmp_path):
    earlier = {"utd": 1.0, "takeover_min_m": 9.0}
    assert DemoRule.of(earlier) == DemoRule.of(TrainConfig.from_dict(earlier).to_dict())
    with Store(tmp_path / "store.sqlite") as store:
        assert store.rule() == DemoRule(), "nothing has begun yet"
        store.add_checkpoint("0.safetensors", "0" * 64, 0, 0, RUN, earlier)
        assert store.rule() == DemoRule(takeover_min_m=9.0), "it has learned nothing, and goes on as a run of today"
        store.add_checkpoint("1.safetensors", "1" * 64, 100, 0, RUN, earlier)
        assert store.rule() == DemoRule.of(TrainConfig.from_dict(earlier).to_dict())
        assert not store.rule().failed_takeovers


def record(path, *, known=True):
    """One drive: metres 0 to 2 held over from before, a stand in mid-drive, a real one; and the same where no place is known."""
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        for t in range(100):
            if t in (0, 30, 60):
                number = recorder.begin_segment("takeover", "stick")
            if t in (15, 45, 90):
                recorder.end_segment(number, "cleared")
            metres = float(min(t, 30) + max(0, t - 45)) * known
            human = t < 15 or 30 <= t < 45 or 60 <= t < 90
            speed = 5.0 * known
            recorder.step(
                step_row(t, HUMAN if human else AGENT, progress=metres, x=-3.0 * metres, y=0.0, speed=speed, executed=np.zeros(2))
            )
        recorder.end_episode("truncated", "time", np.zeros(4))


def test_how_far_a_takeover_led_is_read_from_the_steps(tmp_path):
    record(tmp_path / "store.sqlite")
    with Store(tmp_path / "store.sqlite") as store:
        assert [s.moved for s in store.segments()] == [42.0, 0.0, 87.0]  # in the plane, too
        store.conn.execute("UPDATE steps SET x = NULL, y = NULL")
        assert [s.moved for s in store.segments()] == [14.0, 0.0, 29.0]
        store.conn.execute("UPDATE steps SET progress = NULL")
        assert [s.moved for s in store.segments()] == [None, None, None]
    record(tmp_path / "other.sqlite", known=False)
    with Store(tmp_path / "other.sqlite") as store:
        assert [s.moved for s in store.segments()] == [None, None, None]
        assert [store.rule().judge(s).reason for s in store.segments()] == [Reason(Why.HELD, "0.8 s"), None, None]


def test_a_store_is_cleaned_of_takeovers_that_show_nothing_and_it_can_be_taken_back(tmp_path, capsys):
    record(tmp_path / "store.sqlite")

    def hitl(*words):
        return main([*words, "--home", str(tmp_path)]), capsys.readouterr().out

    def verdicts():
        with Store(tmp_path / "store.sqlite") as store:
            return [s.verdict for s in store.segments()]

    status, out = hitl("segments")
    assert status == 0
    assert "Not learned from: 1 × a key still held from before, 1 × hardly moved." in " ".join(out.split())
    assert "hitl store clean" in out
    listed = json.loads(hitl("segments", "--json")[1])
    assert [(s["demo"], bool(s["why_not"])) for s in listed] == [(False, True), (False, True), (True, False)]
    status, out = hitl("store", "clean", "--dry-run")
    assert (status, verdicts()) == (0, ["unreviewed"] * 3)
    why = "(1 × a key still held from before, 1 × hardly moved)"
    assert f"2 takeovers show nothing {why}. `hitl store clean --home {tmp_path}` marks them as bad." in out
    status, out = hitl("store", "clean", "--dry-run", "--track", "hairpin")
    assert f"`hitl store clean --track hairpin --home {tmp_path}` marks them as bad." in out
    status, out = hitl("segments", "--track", "hairpin")
    assert f"`hitl store clean --track hairpin --home {tmp_path}` marks takeovers" in " ".join(out.split())
    status, out = hitl("store", "clean")
    assert (status, verdicts()) == (0, ["bad", "bad", "unreviewed"])
    assert f"Marked 2 takeovers that show nothing as bad {why}." in out
    assert "every takeover without a verdict shows something" in hitl("store", "clean")[1]
    assert hitl("label", "--undo")[0] == 0
    assert verdicts() == ["unreviewed"] * 3
    assert hitl("label", "1", "--verdict", "good")[0] == 0
    assert hitl("label", "2", "--priority", "2")[0] == 0
    assert "every takeover without a verdict shows something" in hitl("store", "clean")[1]  # the player's word stands


def test_an_export_takes_what_is_learned_from_and_says_what_it_leaves_out(tmp_path, capsys):
    record(tmp_path / "store.sqlite")

    def exported(form, name, *words):
        assert main(["export", "--home", str(tmp_path), form, str(tmp_path / name), *words]) == 0
        return capsys.readouterr().out

    out = exported("player-run", "one")
    assert out.startswith("1 episode with")
    assert "Left out, because the agent does not learn from them: 1 × a key still held from before, 1 × hardly moved" in out
    assert exported("player-run", "all", "--all").startswith("3 episodes")
    assert exported("player-run", "asked", "--outcome", "nothing").startswith("2 episodes")
    assert exported("player-run", "cleared", "--outcome", "cleared").startswith("1 episode")


def test_a_takeover_that_failed_is_listed_and_exported_as_it_is_learned_from(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    record(tmp_path / "store.sqlite")
    with Store(tmp_path / "store.sqlite") as store:
        store.db.execute("UPDATE segments SET outcome = 'failed' WHERE id = 3")
        (failed,) = store.segments(ids=[3])
        start, stop = store.rule().shown_steps(failed)
        assert start < stop < failed.stop
    home = ["--home", str(tmp_path)]
    assert main(["segments", *home]) == 0
    out = capsys.readouterr().out
    assert "in part" in out
    assert "Takeovers that failed are learned from but for their last 1 s (half of a shorter one)." in out
    assert main(["export", *home, "player-run", str(tmp_path / "runs")]) == 0
    assert f"1 episode with {stop - start} steps is in runs." in capsys.readouterr().out
    assert main(["export", *home, "player-run", str(tmp_path / "whole"), "--outcome", "failed"]) == 0
    assert f"1 episode with {failed.stop - failed.start} steps is in whole." in capsys.readouterr().out


def test_an_export_follows_the_rule_that_is_set_in_its_home(tmp_path, capsys):
    record(tmp_path / "store.sqlite")
    with Store(tmp_path / "store.sqlite") as store:
        store.db.execute("UPDATE segments SET outcome = 'failed' WHERE id = 3")
        store.add_checkpoint("a", "0" * 64, 1, 1, "train", TrainConfig(failed_takeovers=False).to_dict())
    assert main(["export", "--home", str(tmp_path), "player-run", str(tmp_path / "runs")]) == 2
    err = capsys.readouterr().err
    assert "The agent does not learn from any of these (" in err
    assert "1 × it failed" in err


def test_another_home_gets_all_but_what_was_judged_bad(tmp_path, capsys):
    record(tmp_path / "store.sqlite")
    with Store(tmp_path / "store.sqlite") as store:
        store.label([1], verdict="bad")
    for name, words, count in (("one", (), 2), ("all", ("--all",), 3)):
        assert main(["export", "--home", str(tmp_path), "store", str(tmp_path / name), *words]) == 0
        with Store(tmp_path / name) as store:
            assert len(store.segments()) == count
    assert "1 × judged bad" in capsys.readouterr().out


def test_the_rule_of_a_store_is_that_of_its_trainer(tmp_path):
    record(tmp_path / "store.sqlite")
    with Store(tmp_path / "store.sqlite") as store:
        assert [store.rule().judge(s).counts for s in store.segments()] == [False, False, True]
        store.add_checkpoint("a", "0" * 64, 1, 1, "train", TrainConfig(takeover_min_m=0.0, takeover_held_s=0.0).to_dict())
        assert [store.rule().judge(s).counts for s in store.segments()] == [True, True, True]


@pytest.mark.parametrize("verdict", ["unreviewed", "good", "bad", "star"])
@pytest.mark.parametrize(("steps", "cut_s"), [(60, 1.0), (20, 0.5)])
def test_the_end_of_a_failed_one_is_cut_by_one_rule_wherever_it_is_asked_for(verdict, steps, cut_s):
    rule = DemoRule()
    segment = replace(REAL, outcome="failed", verdict=verdict, stop=REAL.start + steps)
    said = rule.cut_s("failed", verdict, steps / segment.hz)
    assert said == (0.0 if verdict in ("good", "star") else cut_s)
    assert rule.shown_steps(segment) == (segment.start, segment.stop - round(said * segment.hz))
    assert rule.cut_s("cleared", verdict, 3.0) == rule.cut_s("unclear", verdict, 3.0) == 0.0
