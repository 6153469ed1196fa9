"""Puts together what the diagnosis looks at: reads each source and adds the facts about roads that only this side knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.errors import CheckpointError, InputFileError, UsageError
from data.reading.unusable import unusable
from data.store import Store
from data.words import number_of, track_words
from hitl.diagnosis.roads import facts, line_facts
from hitl.games.registry import UNTOLD
from hitl.road.known_tracks import stored_track
from hitl.task.details import FRAME, STEADY
from trainer.daemon.heartbeat import read_heartbeat
from trainer.diagnosis.case import Case, RoadFacts
from trainer.diagnosis.drives import Drives
from trainer.diagnosis.drives import from_store as drives_from_store
from trainer.diagnosis.history import from_store, joined, read_histories
from trainer.diagnosis.recipe import Recipe, from_settings, read_recipe

if TYPE_CHECKING:
    from trainer.diagnosis.probe import Probe

BOUNDED = STEADY | set(FRAME) | {"steer", "gas", "brake", "remaining"}
"""Our observations that often lie at an end of their range, or never change, which is no fault; so do the actions about to act
(``pending_…``)."""


def cases(
    home: Path | None,
    histories: Sequence[Path] = (),
    config: Path | None = None,
    line: str | None = None,
    player_runs: Path | None = None,
) -> list[Case]:
    """Return one case for the home folder and one for each foreign history.

    Config, line and player runs belong to the foreign histories, or make a case of their own. Raises HitlError for what cannot
    be read.
    """
    found = [of_home(home, alone=not (histories or config or line or player_runs))] if home is not None else []
    recipe = read_recipe(config) if config is not None else None
    road = line_facts(line) if line is not None else None
    drives, given = None, []
    if recipe is not None:
        given.append(f"config {recipe.name}")
    if road is not None:
        given.append(f"line {road.name}: {road.length_m:,.0f} m of road, a point every {road.spacing_m:.2f} m")
    if player_runs is not None:
        from hitl.diagnosis.player_runs import read_player_runs

        drives, told = read_player_runs(player_runs, line, recipe)
        given.append(told)
    for history in joined([history for path in histories for history in read_histories(path)]):
        rows, columns = number_of(len(history), "row"), number_of(len(history.columns), "column")
        text = f"history {history.name}: {rows}, {columns}"
        found.append(Case(history, recipe, road, drives, looked_at=[text, *given]))
    if not histories and given:
        found.append(Case(recipe=recipe, road=road, drives=drives, looked_at=given))
    return found


def of_home(root: Path, *, alone: bool = False) -> Case:
    """Return the case of a home folder: its metrics, its drives, its newest checkpoint, its road.

    ``alone``: nothing else is looked at. Raises StoreError, and then UsageError where no agent has driven or learned, nor can.
    """
    with Store.open_existing(root / "store.sqlite") as store:
        if alone:
            _require_agent(store)
        history = from_store(store)
        drives = drives_from_store(store, BOUNDED, UNTOLD)
        newest = store.latest_checkpoint()
        recipe = _recipe(newest.config if newest else None, drives)
        road = _road(store, drives)
        probe = _probe(store, root / "checkpoints", drives)
        steps, driven = store.count_steps(), store.glance().steps
        no_use = unusable(store.conn)
    where = f", {number_of(len(drives.episodes), 'episode')} on {track_words(drives.track)}" if drives else ""
    # Evaluations and what was pruned have no steps any more, and `hitl` counts them all the same.
    kept = f" ({steps:,} of them kept)" if steps < driven else ""
    looked_at = [f"home: {number_of(driven, 'step')}{kept}{where}"]
    if history is not None:
        looked_at.append(f"metrics: {number_of(len(history), 'row')}")
    if probe is not None:
        looked_at.append(f"critic of {probe.name}")
    return Case(history, recipe, road, drives, probe, no_use if steps else None, looked_at, _owed(root))


def _owed(root: Path) -> tuple[int, float]:
    """Return the updates that the trainer said last that it owes, and how long (s) it needs for them."""
    beat = read_heartbeat(root)
    if beat is None or beat.owed_updates <= 0:
        return 0, 0.0
    return beat.owed_updates, beat.owed_updates / beat.updates_per_second if beat.updates_per_second > 0 else 0.0


def _require_agent(store: Store) -> None:
    """Raise UsageError for a store that holds nothing but laps that do not count: what is wrong there is no agent's fault."""
    laps, rule = store.segments(kind="lap"), store.rule()
    if not laps or any(rule.judge(s).counts for s in laps) or store.checkpoints():
        return
    if any(e.purpose != "lap" for e in store.episodes()):
        return
    some = "1 lap, and it does not count" if len(laps) == 1 else f"{len(laps)} laps, and none of them counts"
    raise UsageError(
        f"There is no agent to diagnose yet: this home folder holds {some} (`hitl segments` says why). An agent learns from laps "
        "that are finished: drive a few with `hitl play --lap`, then start `hitl train`."
    )


def lookahead_m(names: Sequence[str]) -> float | None:
    """Return how far ahead (m) an observation with these names sees the road; None when they do not say."""
    reach = [float(m[1]) for n in names if (m := re.fullmatch(r"ahead_([0-9.]+)m_[xy]", n))]
    return max(reach) if reach else None


def _recipe(config: dict[str, object] | None, drives: Drives | None) -> Recipe | None:
    if config is None and drives is None:
        return None
    names = drives.observation_names if drives else ()
    reward = drives.reward_settings if drives else None
    return from_settings(config or {}, reward, drives.hz if drives else 20.0, lookahead_m(names))


def _road(store: Store, drives: Drives | None) -> RoadFacts | None:
    """Return the road's figures with the speeds and the braking that were really driven on it."""
    if drives is None:
        return None
    try:
        track = stored_track(store, drives.track)
    except InputFileError:  # an older store, which kept the name alone
        return None
    track = replace(track, corners=drives.corners or track.corners)
    joined = drives.joined
    lost = -np.diff(drives.speed)[joined] * drives.hz
    turn = np.abs(np.diff(drives.heading))[joined] * drives.hz * drives.speed[:-1][joined]
    lost, turn = lost[np.isfinite(lost) & (lost > 3.0)], turn[np.isfinite(turn)]
    known = np.isfinite(drives.speed)
    if known.sum() < 200:
        return facts(track)
    return facts(
        track,
        top=max(5.0, float(np.quantile(drives.speed[known], 0.99))),
        braking=max(4.0, float(np.quantile(lost, 0.75))) if len(lost) >= 20 else 8.0,
        grip=max(5.0, float(np.quantile(turn, 0.95))) if len(turn) else None,
    )


def _probe(store: Store, folder: Path, drives: Drives | None) -> Probe | None:
    """Ask the newest checkpoint that can be read and fits the drives."""
    kept = [record for record in store.checkpoints()[:5] if (folder / record.name).exists()]
    if drives is None or not kept:
        return None
    from trainer.diagnosis.probe import batch_of, learner_of, look

    for record in kept:
        try:
            learner = learner_of(folder / record.name, record.sha256)
        except CheckpointError:
            continue
        if learner.observation_size != drives.observation.shape[1]:
            return None
        batch = batch_of(drives, learner.config.times(drives.hz).gamma)
        return look(learner, batch, record.name) if batch is not None else None
    return None
