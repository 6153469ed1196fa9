"""Where the agent loses time: its tries in each corner's stretch, against faster laps: its own, the human's, another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from data.errors import UsageError
from data.reading.drives import Drive, EpisodeSummary
from data.records import HUMAN, REPLAY, Corner
from data.store import Store
from hitl.road.corner_stats import RECENT
from hitl.road.laps import CRASH_S, Stretch, corner_times, stretches, time_at

COLUMNS = ("t", "driver", "progress")
PURPOSES = ("drive", "practice", "evaluation")
NEWEST = 100  # episodes that are looked at, and as many without help


@dataclass(frozen=True, slots=True)
class TimeLost:
    """A corner's stretch: the agent's newest tries there and what faster laps need, seconds; None where not known."""

    corner: str
    tries: int
    failed: int
    agent: float | None
    """Mean over the tries that came through."""
    laps: Mapping[str, float] = field(default_factory=dict)
    """What each lap needs that it is compared with: the agent's ``best``, the ``human``'s (without one the
    ``scripted`` driver's), the ``reference``."""

    def against(self, lap: str) -> float | None:
        """Return what the agent's tries lose there against a lap."""
        return None if self.agent is None or lap not in self.laps else self.agent - self.laps[lap]

    @property
    def lost(self) -> float | None:
        """What a try loses there on average against the fastest of the laps: a failure counts as ``CRASH_S``.

        None where nothing was tried, or where only failures could tell and there is none.
        """
        if not self.tries:
            return None
        share = self.failed / self.tries
        slow = max(0.0, self.agent - min(self.laps.values())) if self.agent is not None and self.laps else None
        if slow is None and not self.failed:
            return None
        return share * CRASH_S + (1.0 - share) * (slow or 0.0)


def fastest_laps(store: Store, track: str, env: str | None = None) -> dict[str, EpisodeSummary]:
    """Return the fastest recorded lap of the ``human``, the ``scripted`` driver and the ``agent`` alone, where there is one.

    The agent is the one that this home tells about: laps by other imported checkpoints are another one's.
    """
    finished = [e for e in store.episodes(track, env=env) if e.lap_s is not None and e.purpose != "practice"]
    strange = store.strange_checkpoints()
    drivers = {session.id: session.driver for session in store.sessions(track)}
    laps_by = {e.id: drivers[e.session_id] for e in finished if e.purpose == "lap"}
    groups = {
        "human": [e for e in finished if e.id in laps_by and laps_by[e.id] not in ("scripted", REPLAY)],
        "scripted": [e for e in finished if laps_by.get(e.id) == "scripted"],
        "agent": [e for e in finished if e.purpose != "lap" and not e.human_steps and e.checkpoint_id not in strange],
    }
    return {who: min(laps, key=lambda e: e.lap_s or 0.0) for who, laps in groups.items() if laps}


def stored_time_lost(
    store: Store, track: str, corners: Iterable[Corner], reference: int | None = None, since: str | None = None,
    env: str | None = None,
) -> list[TimeLost]:
    """Return where the agent loses time on a track, the corner that costs most first.

    ``reference``: the number of an episode, a finished lap, that is compared with as well; ``since``: only tries since then;
    ``env``: only those in this game.
    Raises UsageError where the reference is no such lap.
    """
    spans, fastest = stretches(corners), fastest_laps(store, track, env)
    other = "human" if "human" in fastest else "scripted"
    compared = {"best": fastest.get("agent"), other: fastest.get(other)}
    if reference is not None:
        compared["reference"] = _reference(store, track, reference)
    laps = {
        name: corner_times(store.steps(lap, columns=COLUMNS), spans) for name, lap in compared.items() if lap is not None
    }
    newest = store.lately(track, NEWEST, PURPOSES, since=since, imported=False, env=env)
    drives = (store.steps(e, columns=COLUMNS) for e in newest if e.length)
    return time_lost(drives, spans, laps)


def _reference(store: Store, track: str, number: int) -> EpisodeSummary:
    found = store.episodes(track, ids=[number])
    if not found or found[0].lap_s is None:
        raise UsageError(f"Episode {number} is no finished lap on '{track}': `hitl browse` lists them with their numbers.")
    return found[0]


def time_lost(
    drives: Iterable[Drive], spans: Iterable[Stretch], laps: Mapping[str, Mapping[str, float]]
) -> list[TimeLost]:
    """Return where the agent loses time, the corner that costs most first. ``drives``: oldest first, with ``COLUMNS``.

    ``laps``: the seconds of each compared lap, by corner.
    """
    ordered = list(spans)
    tries: dict[str, list[float | None]] = {s.corner: [] for s in ordered}
    for drive in drives:
        for corner, seconds in _tries(drive, ordered):
            tries[corner].append(seconds)
    found = []
    for name, seen in tries.items():
        newest = seen[-RECENT:]
        through = [seconds for seconds in newest if seconds is not None]
        known = {lap: times[name] for lap, times in laps.items() if name in times}
        found.append(TimeLost(name, len(newest), len(newest) - len(through), fmean(through) if through else None, known))
    return sorted(found, key=lambda one: -1.0 if one.lost is None else one.lost, reverse=True)


def _tries(drive: Drive, spans: list[Stretch]) -> Iterator[tuple[str, float | None]]:
    """Yield (corner, seconds; None for a failure) of the stretches that the agent drove alone."""
    times = corner_times(drive, spans)
    for stretch in spans:
        end_m = float("inf") if stretch.to_m is None else stretch.to_m
        inside = (drive.progress >= stretch.from_m) & (drive.progress < end_m)
        if not inside.any() or (drive.driver[inside] == HUMAN).any():
            continue
        if stretch.corner in times:
            yield stretch.corner, times[stretch.corner]
        elif drive.episode.failed and drive.farthest < end_m and time_at(drive, stretch.from_m) is not None:
            yield stretch.corner, None
