"""Player runs of the old tool as drives for the diagnosis: as recorded, and with the reward of today's settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.errors import InputFileError
from data.exchange.importing import EpisodeRefusedError
from data.exchange.player_runs import ACTIONS, PlayerRun, find_runs, read_player_run
from data.exchange.relayout import plain_names
from data.reading.drives import EpisodeSummary
from data.words import number_of
from hitl.player_runs.rebuild import OldRuns
from hitl.player_runs.road import SPEED_SCALE, old_names
from hitl.road.track import load_track
from hitl.task.driving_task import TaskSettings
from trainer.diagnosis.drives import Drives
from trainer.diagnosis.recipe import Recipe

MOST_RUNS = 60
BOUNDED = ("steer", "gas", "brake", "gear", "failures", "steer_left", "steer_right", "slip_left", "slip_right")
"""Numbers of the old observation that often lie at an end of their range, which is no fault."""


def read_player_runs(path: Path, line: str | None, recipe: Recipe | None) -> tuple[Drives, str]:
    """Return the runs of a folder as demos, and a sentence about them. Raises InputFileError when none can be read."""
    if not path.exists():
        raise InputFileError(f"There is no {path.name}: check the path of the player runs.")
    runs, refused = _read(path)
    if not runs:
        reason = f" ({refused[0]})" if refused else ""
        raise InputFileError(
            f"No player run could be read in {path.name}{reason}: give the folder of their .pkl files."
        )
    hz = recipe.hz if recipe is not None else 20.0
    names = old_names(runs[0].observation) or plain_names(runs[0].observation.shape[1])
    count = [len(r) for r in runs]
    index = np.repeat(np.arange(len(runs)), count)
    actions = np.concatenate([r.action for r in runs])
    observation = np.concatenate([r.observation for r in runs])
    unknown = np.full(len(index), np.nan)
    speed = observation[:, names.index("speed")] * SPEED_SCALE if "speed" in names else unknown
    drives = Drives(
        observation=observation,
        executed=actions,
        proposed=actions,
        driver=np.ones(len(index), np.uint8),
        demo=np.ones(len(index), bool),
        reward=np.concatenate([r.reward for r in runs]).astype(np.float64),
        progress=unknown,
        x=unknown,
        y=unknown,
        speed=np.asarray(speed, np.float64),
        heading=unknown,
        episode=index.astype(np.int64),
        t=np.concatenate([np.arange(n) for n in count]),
        checkpoint_id=np.full(len(index), -1),
        episodes=[EpisodeSummary(i, 0, "", "lap", "", n, float(r.reward.sum()), n, 0.0, None, "", hz)
                  for i, (r, n) in enumerate(zip(runs, count, strict=True))],
        observation_names=names,
        action_names=ACTIONS,
        hz=hz,
        repaid=_repaid(runs, line, recipe) if line is not None and recipe is not None else (),
        bounded=frozenset(n for n in names if n in BOUNDED or n.startswith("past_")),
        name="player runs",
    )  # fmt: skip
    told = f"player runs: {len(runs)} with {number_of(len(index), 'sample')}" + (f", {len(refused)} refused" if refused else "")
    return drives, told


def _read(path: Path) -> tuple[list[PlayerRun], list[str]]:
    runs: list[PlayerRun] = []
    refused = []
    for file in list(find_runs(path))[:MOST_RUNS]:
        try:
            run = read_player_run(file)
        except (EpisodeRefusedError, InputFileError) as error:
            refused.append(f"{file.name}: {error}")
            continue
        if runs and run.observation.shape[1] != runs[0].observation.shape[1]:
            refused.append(f"{file.name}: other observations than the first run's")
        else:
            runs.append(run)
    return runs, refused


def _repaid(runs: list[PlayerRun], line: str, recipe: Recipe) -> tuple[tuple[float, float], ...]:
    """Return (recorded, today's) return of each run that can be driven again on the line."""
    if recipe.reward is None:
        return ()
    rebuild = OldRuns(load_track(line), TaskSettings(reward=recipe.reward, hz=recipe.hz))
    found = []
    for run in runs[:10]:
        try:
            data = rebuild(run).data
        except EpisodeRefusedError:
            continue
        found.append((float(run.reward[1 : len(data) + 1].sum()), float(np.sum(data.reward))))
    return tuple(found)
