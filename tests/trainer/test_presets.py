"""The table of presets is one for a whole process."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from data.errors import UsageError
from hitl import presets


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.__setitem__("plain", 3),
        lambda table: table.__delitem__("plain"),
        lambda table: table.__ior__({"plain": 3}),
        lambda table: table.update(plain=3),
        lambda table: table.setdefault("mine", 3),
        lambda table: table.pop("plain"),
        lambda table: table.popitem(),
        lambda table: table.clear(),
    ],
)
def test_no_one_changes_it(change: Callable[[Any], object]) -> None:
    before = dict(presets)
    with pytest.raises(UsageError, match=r"make settings of your own of one, for example presets\['plain'\]\.with_values"):
        change(presets)
    assert dict(presets) == before


def test_a_table_of_ones_own_can_be_made_of_it() -> None:
    mine = presets | {"mine": presets["plain"].with_values(hidden=8)}
    mine["plain"] = mine["mine"]
    assert "mine" not in presets
    assert presets["plain"] != mine["plain"]


def test_it_is_the_same_one_copied_and_in_other_processes() -> None:
    assert copy.deepcopy(presets) is presets
    assert pickle.loads(pickle.dumps(presets)) is presets
