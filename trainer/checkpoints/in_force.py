"""The layout that a home's run learns from: the one of its newest checkpoint, whatever has been driven since."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from data.demos import DemoRule, RunRule
from data.reading.drives import sessions_of
from data.reading.layouts import driven_layout
from data.reading.new_steps import Layout
from trainer.checkpoints.meta import CheckpointMeta
from trainer.checkpoints.packed import header_of

if TYPE_CHECKING:
    from data.store import Store


def description_of(path: Path) -> CheckpointMeta | None:
    """Return what a checkpoint file says of itself, without reading its weights; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.read(8)
            head = size + file.read(min(int.from_bytes(size, "little"), 1 << 24))
        return CheckpointMeta.from_json(json.loads(header_of(head)[0]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def learned_layout(store: Store) -> Layout | None:
    """Return the layout that a trainer of this home would go on with; None where it would take that of what was driven last.

    As the trainer does: the newest checkpoint that can be read counts, unless it knows nothing but laps and something else is
    driven.
    """
    for record in store.checkpoints():
        meta = description_of(store.path.parent / "checkpoints" / record.name)
        if meta is None:
            continue
        names = tuple(meta.observation_names), tuple(meta.action_names)
        only_laps = record.of_run and not meta.env_steps
        return None if only_laps and driven_layout(store.conn, live=True) not in (None, names) else names
    return None


def rule_of_run(store: Store) -> DemoRule:
    """Return what counts in this home's run: by ``Store.rule``, and of what was driven with the numbers that the run knows."""
    layout, rule = learned_layout(store) or driven_layout(store.conn), store.rule()
    if layout is None:
        return rule
    return RunRule(**asdict(rule), apart=frozenset(s.id for s in store.sessions()) - sessions_of(store.conn, layout))
