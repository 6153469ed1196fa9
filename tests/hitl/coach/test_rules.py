"""What the coach says has a cause, is said once, and follows from what was driven alone: on any course of events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from data.demos import DemoRule, Reason, Why
from data.records import Corner
from data.statistics import wilson
from hitl.coach.learned import GOAL, IN_A_ROW, NEWEST, TREND_FROM, Attempts
from hitl.coach.rules import FAILURES, TAUGHT, Coach, Ended, Said
from hitl.coach.speeds import Speeds
from takeover_ui.language import LANGUAGES
from trainer.presets import PRESETS

CORNER = Corner("hairpin", 100.0, 150.0)
passes = st.lists(st.booleans(), max_size=40)
NAMES = ("cleared", "failed", "unclear")


def names(said: list[Said]) -> list[str]:
    return [one.name for one in said]


@given(passes)
def test_the_bar_is_full_exactly_when_the_agent_has_it(tries: list[bool]) -> None:
    progress = Attempts("hairpin")
    for k, passed in enumerate(tries):
        progress.tried(passed, 10.0 * k)
    now = progress.now()
    assert now.has_it == (len(tries) >= IN_A_ROW and all(tries[-IN_A_ROW:]))
    assert 0.0 <= now.share <= 1.0
    assert (now.passes, now.of) == (sum(tries[-NEWEST:]), len(tries[-NEWEST:]))
    assert (now.low, now.high) == wilson(now.passes, now.of)
    assert now.share >= min(0.99, now.low / GOAL) - 1e-9


@given(passes)
def test_one_more_pass_never_shortens_the_bar_by_itself(tries: list[bool]) -> None:
    progress = Attempts("hairpin", tries)
    before = progress.now().share
    progress.tried(True, 1.0)
    if len(tries) < NEWEST:
        assert progress.now().share >= before - 1e-9


@given(passes, st.floats(5.0, 60.0))
def test_an_estimate_needs_a_trend_and_ends_with_the_way(tries: list[bool], apart: float) -> None:
    progress = Attempts("hairpin")
    for k, passed in enumerate(tries):
        progress.tried(passed, apart * k)
    left = progress.now().left_s
    if progress.now().has_it:
        assert left == 0.0
    elif len(tries) < TREND_FROM or not any(tries):
        assert left is None
    assert left is None or left >= 0.0


def test_a_steady_climb_is_estimated_by_its_pace() -> None:
    progress = Attempts("hairpin", [False] * 6)
    for k, passed in enumerate([False, False, True, True, True]):
        progress.tried(passed, 20.0 * k)
    left = progress.now().left_s
    assert left is not None
    assert 5.0 < left < 120.0


@st.composite
def events(draw: st.DrawFn) -> list[tuple[str, Any]]:
    alone = st.tuples(st.just("alone"), st.tuples(st.booleans(), st.integers(0, 3)))
    taken = st.tuples(st.just("ended"), st.sampled_from(NAMES))
    return draw(st.lists(alone | taken, max_size=60))


@given(events())
def test_what_is_said_follows_from_what_happened(course: list[tuple[str, Any]]) -> None:
    coach, tries, row, failed, said, enough = Coach([CORNER]), list[bool](), 0, 0, list[str](), False
    for k, (what, how) in enumerate(course):
        if what == "alone":
            passed, weights = how
            new = names(coach.alone("hairpin", passed, weights, 5.0 * k) + coach.drove(failed=not passed))
            tries.append(passed)
            had = len(tries) > IN_A_ROW and all(tries[-IN_A_ROW - 1 : -1])
            assert ("coach_has_it" in new) == (len(tries) >= IN_A_ROW and all(tries[-IN_A_ROW:]) and not had)
            if "coach_enough" in new:
                assert not passed
                assert coach.enough("hairpin")
                assert not enough, "told again only after the agent has passed it once"
            enough = (enough or "coach_enough" in new) and not passed
            if coach.enough("hairpin"):
                assert coach.offered("hairpin", "zone", None, 1e6) == []
                assert "coach_done" not in new
            row = 0
        else:
            new = names(coach.ended(Ended(k, "hairpin", 3.0, how, until_m=120.0)))
            row, failed = (row + 1 if how == "cleared" else 0), (failed + 1 if how == "failed" else 0)
            assert ("coach_let_try" in new) == (row > 0 and row % TAUGHT == 0)
            assert (coach.practice == "hairpin") == (failed >= FAILURES)
            if coach.practice:
                coach.practice, failed = "", 0
            row = 0 if "coach_let_try" in new else row
            assert new[0] == {"cleared": "coach_cleared", "failed": "coach_failed", "unclear": "coach_counted"}[how]
        said += new
    assert said.count("coach_done") <= 1


def test_enough_is_said_after_three_takeovers_that_changed_nothing_with_newer_weights() -> None:
    coach = Coach([CORNER], {"hairpin": [False] * 10})
    said: list[str] = []
    for weights in range(4):
        coach.ended(Ended(weights, "hairpin", 3.0, "cleared"))
        said += names(coach.alone("hairpin", False, weights, 20.0 * weights))
    assert said == ["coach_enough"]
    stays = Coach([CORNER])
    for k in range(6):  # the weights are the same: nothing was learned from them yet, so nothing is known
        stays.ended(Ended(k, "hairpin", 3.0, "cleared"))
        assert names(stays.alone("hairpin", False, 7, 20.0 * k)) == []
    held = Coach([CORNER])
    for k, weights in enumerate([3, 4, 3, 4, 3, 4, 3, 4]):  # held weights and the newest in turn: newer only once
        held.ended(Ended(k, "hairpin", 3.0, "cleared"))
        assert "coach_enough" not in names(held.alone("hairpin", False, weights, 20.0 * k))


def test_help_is_called_for_with_its_cause_and_not_twice_in_a_breath() -> None:
    coach = Coach([CORNER], {"hairpin": [True, False, False]})
    (said,) = coach.offered("hairpin", "zone", None, 10.0)
    assert (said.name, said.values) == ("coach_help", {"corner": "hairpin", "failed": 2, "n": 3})
    assert coach.offered("hairpin", "zone", None, 12.0) == []
    assert names(coach.offered("hairpin", "asked-for", 0.8, 30.0)) == ["coach_help_risk"]
    assert coach.offered("elsewhere", "zone", None, 10.0) == []
    assert Coach([CORNER], {"hairpin": [True] * 3}).offered("hairpin", "zone", None, 0.0) == []


def test_a_takeover_that_does_not_count_says_why_in_every_language() -> None:
    (said,) = Coach([CORNER]).ended(Ended(1, "hairpin", 0.2, "unclear", Reason(Why.SHORT, "0.20 s")))
    keyed = replace(said, values={**said.values, "key": "Enter"})
    texts = {code: keyed.text(words) for code, words in LANGUAGES.items()}
    assert texts["en"] == "That one did not count: too short (0.20 s). Enter keeps it all the same, except in a pause."
    assert "zu kurz (0,20 s)" in texts["de"]
    assert "za krótko (0,20 s)" in texts["pl"]


def test_a_failed_one_is_good_until_a_metre_and_the_speed_says_what_to_change() -> None:
    (said,) = Coach([CORNER]).ended(Ended(1, "hairpin", 3.1, "failed", counted_s=2.1, until_m=168.0))
    assert said.text(LANGUAGES["en"]) == "Good until 168 m: these 2.1 s count, what came after does not."
    speeds = Speeds()
    for metre in range(60, 150):
        speeds.step(float(metre), 10.0)
    speeds.passed(CORNER)
    speeds.begin()
    for metre in range(60, 130):
        speeds.step(float(metre), 20.0)
    assert names(speeds.advice(129.0, 20.0)) == ["coach_brake"]
    speeds.begin()
    for metre in range(60, 130):
        speeds.step(float(metre), 10.5)
    assert names(speeds.advice(129.0, 10.5)) == ["coach_steer"]
    assert Speeds().advice(129.0, 20.0) == []


def test_every_sentence_has_a_text_with_its_values() -> None:
    coach = Coach([CORNER], {"hairpin": [False]})
    said = coach.offered("hairpin", "zone", None, 0.0) + Coach([CORNER]).offered("hairpin", "zone", None, 0.0)
    said += coach.offered("hairpin", "asked-for", 0.5, 50.0)
    for k in range(3):
        said += coach.ended(Ended(k, "hairpin", 2.0, "cleared")) + coach.ended(Ended(k, "", 2.0, "unclear"))
        said += coach.ended(Ended(k, "hairpin", 2.0, "failed", counted_s=1.0))
        said += coach.alone("hairpin", False, k, 9.0 * k)
    for k in range(6):
        said += coach.alone("hairpin", True, 9, 50.0 + k) + coach.drove(failed=k < 5)
    assert {"coach_has_it", "coach_done", "coach_counted", "coach_failed_part"} <= set(names(said))
    for words in LANGUAGES.values():
        assert all(one.text(words) for one in said)


def test_in_a_run_with_one_replay_a_takeover_is_not_said_to_count_as_a_demo() -> None:
    """Its weight in the demo half is 0: as `hitl segments` says."""
    assert DemoRule.of(PRESETS["run_l"].to_dict()).ordinary
    assert not DemoRule.of({"one_replay": True, "bc_weight": 1.0}).ordinary, "it is cloned"
    assert not DemoRule().ordinary
    coach, said = Coach([CORNER], ordinary=True), list[Said]()
    for outcome, reason in (("cleared", None), ("unclear", None), ("failed", None), ("unclear", Reason(Why.SHORT, "0.20 s"))):
        said += coach.ended(Ended(1, "hairpin", 3.1, outcome, reason, counted_s=2.1, until_m=168.0))
    assert names(said) == ["coach_ordinary_cleared", *["coach_ordinary"] * 3]
    for words in LANGUAGES.values():
        assert all(one.text(words) for one in said)


def test_what_was_measured_counts_and_nothing_is_said() -> None:
    coach = Coach([CORNER], {"hairpin": [False] * NEWEST})
    assert names(coach.offered("hairpin", "zone", None, 100.0)) == ["coach_help"]
    coach.measured("hairpin", [True] * NEWEST, 101.0)
    assert coach.learned("hairpin").has_it  # type: ignore[union-attr]
    assert coach.offered("hairpin", "zone", None, 200.0) == [], "it has just passed ten times alone"
    coach.measured("chicane", [True], 201.0)
