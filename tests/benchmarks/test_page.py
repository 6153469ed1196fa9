"""The page of the benchmarks: it names each of them."""

import re

from tests.support.places import BENCHMARKS

PAGE = (BENCHMARKS / "README.md").read_text(encoding="utf-8")


def test_every_script_is_named_and_every_named_one_is_there() -> None:
    named = set(re.findall(r"`(\w+\.(?:py|toml))`", PAGE))
    assert named == {path.name for pattern in ("*.py", "*.toml") for path in BENCHMARKS.glob(pattern)}
