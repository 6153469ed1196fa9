"""Exports of a chart of WandB's page: one metric of one run or several, under the names that the page shows."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.diagnosis.stats import Array

_PART, _EDGES = " - ", ("__MIN", "__MAX")


def runs_of(columns: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """Return each run's columns under the metrics' own names; empty unless the table is the export of a chart.

    A chart has one axis, and for each curve "run - metric" with the least and the greatest of what the point stands for.
    """
    curves = [name for name in columns if _PART in name]
    axes = [name for name in columns if _PART not in name]
    if not curves or len(axes) > 1:
        return {}
    found: dict[str, dict[str, Array]] = {}
    for name in curves:
        if not name.endswith(_EDGES):
            run, _, metric = name.rpartition(_PART)
            found.setdefault(run, {axis: columns[axis] for axis in axes})[metric] = columns[name]
    return found
