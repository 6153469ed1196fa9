"""The planted faults of the benchmark are the tests' as well."""

from __future__ import annotations

import sys

from tests.support.places import BENCHMARKS

sys.path.insert(0, str(BENCHMARKS))
