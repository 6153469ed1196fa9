"""Episodes that a script gives as arrays: taken in as they are, or refused with a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import UsageError
from hitl import SymmetricReplay

N, O, A = 6, 3, 2  # noqa: E741


def episode(**changes: Any) -> dict[str, Any]:
    """The arguments of an episode that is good, but for the changes."""
    good = {
        "observation": np.zeros((N + 1, O)), "executed": np.zeros((N, A)), "reward": np.ones(N), "terminated": True,
        "driver": np.arange(N) >= 3,
    }  # fmt: skip
    return good | changes


def replay(**settings: Any) -> SymmetricReplay:
    settings = {"takeover_min_s": 0.0, "takeover_held_s": 0.0, "n_step": 1} | settings
    return SymmetricReplay(observation_size=O, action_size=A, config="plain", batch_size=16, **settings)


def with_value(shape: tuple[int, ...], value: float) -> np.ndarray:
    values = np.zeros(shape)
    values[1] = value
    return values


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"observation": np.zeros((N, O))}, r"`observation` has shape \(6, 3\), and must have \(7, 3\) for 6 rewards"),
        ({"executed": np.zeros(N)}, r"`executed` has shape \(6,\), and must have \(6, 2\)"),
        ({"proposed": np.zeros((N, 1))}, r"`proposed` has shape \(6, 1\), and must have \(6, 2\)"),
        ({"reward": np.ones((N, 1))}, r"`reward` has shape \(6, 1\), and must be one number for each step"),
        ({"reward": 1.0}, r"`reward` has shape \(\), and must be one number for each step"),
        ({"reward": []}, r"The episode has no step"),
        ({"driver": np.zeros(N + 1)}, r"`driver` has shape \(7,\), and must have \(6,\)"),
        ({"driver": np.full(N, 2)}, r"`driver` is 0 where the agent drove and 1 where the human did, not 2"),
        ({"driver": np.full(N, 0.5)}, r"`driver` is 0 where .*, not 0\.5"),
        ({"driver": ["human"] * N}, r"`driver` is 0 where .*, not human"),
        ({"reward": with_value((N,), np.nan)}, r"`reward` holds nan in step 1"),
        ({"observation": with_value((N + 1, O), np.inf)}, r"`observation` holds inf in step 1"),
        ({"observation": with_value((N + 1, O), 1e300)}, r"`observation` holds inf in step 1"),
        ({"executed": with_value((N, A), np.nan)}, r"`executed` holds nan in step 1"),
        ({"executed": with_value((N, A), 5.0)}, r"`executed` holds 5 in step 1: actions are numbers from -1 to 1"),
        ({"proposed": with_value((N, A), -1.01)}, r"`proposed` holds -1\.01 in step 1"),
        ({"executed": "left"}, r"`executed` is not an array of numbers"),
        ({"terminated": 2}, r"`terminated` is True or False for the whole episode, not 2"),
        ({"terminated": None}, r"`terminated` is True or False .*, not None"),
        ({"terminated": np.zeros(N, bool)}, r"`terminated` is .*: of an array .*, that is the last one"),
        ({"segments": [("takover", 0, 3)]}, r"no kind of segment 'takover'.*Did you mean 'takeover'"),
        ({"segments": [("takeover", 3, 0)]}, r"from step 3 to before 0 does not lie in an episode of 6"),
        ({"segments": [("takeover", 3, 7)]}, r"from step 3 to before 7 does not lie"),
        ({"segments": [("takeover", -2, 3)]}, r"from step -2 to before 3 does not lie"),
        ({"segments": [("takeover", 0)]}, r"A segment is \(kind, first step, step after the last\)"),
        ({"segments": [("takeover", 0.5, 3)]}, r"A segment is \(kind, first step, step after the last\)"),
    ],
)
def test_what_is_no_episode_is_refused_with_a_sentence(changes: dict[str, Any], said: str) -> None:
    arrays = replay()
    with pytest.raises(UsageError, match=said):
        arrays.add_episode(**episode(**changes))
    assert arrays.online_rows == 0
    assert arrays.add_episode(**episode()) == N  # and it goes on


@pytest.mark.parametrize(
    "changes",
    [
        {"executed": np.full((N, A), 1.0 + 1e-6)},
        {"terminated": np.bool_(True)},
        {"terminated": 0},
        {"driver": [0, 0, 0, 1, 1, 1], "reward": [1] * N},
        {"driver": np.float32([0, 0, 0, 1, 1, 1])},
        {"driver": None, "segments": [("takeover", np.int64(3), N)]},
        {"driver": None, "lap": True},
        {"proposed": np.full((N, A), -1, np.int64)},
    ],
)
def test_what_is_one_is_taken_whatever_its_types(changes: dict[str, Any]) -> None:
    arrays = replay()
    arrays.add_episode(**episode(**changes))
    assert arrays.online_rows + arrays.demo_rows > 0


def test_more_than_a_thousand_takeovers_in_one_episode_all_count() -> None:
    arrays, n = replay(), 2400
    for _ in range(2):
        arrays.add_episode(np.zeros((n + 1, O)), np.zeros((n, A)), np.ones(n), terminated=True, driver=np.arange(n) % 2)
    assert arrays.demo_rows == n


def test_a_replay_of_a_store_takes_no_arrays(tmp_path: Path) -> None:
    with SymmetricReplay(tmp_path) as stored, pytest.raises(UsageError, match="takes its episodes from a store"):
        stored.add_episode(**episode())
