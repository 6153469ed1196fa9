"""What takeovers and drives can be exported to: the word behind ``hitl export``. `docs/extending.md` says how to add one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from data.extras import Additions, code_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from data.exchange.portable import Portable
    from data.store import Store


class Exporter(NamedTuple):
    """How to export in one format."""

    text: str
    """What it makes, for ``hitl export --help``."""
    write: str
    """``module:function``, imported when it is asked for. The function takes (path, `Chosen`); nothing is at the path yet."""


def _of_package(point: EntryPoint) -> Exporter:
    package = point.dist.name if point.dist is not None else "an installed package"
    return Exporter(f"by {package}", code_of(point))


EXPORTERS: Additions[Exporter] = Additions("hitl.exporters", {
    "minari": Exporter("a Minari dataset (a new folder)", "data.exchange.datasets.minari:write_minari"),
    "player-run": Exporter("player runs that tmrl's old tool reads (a new folder)", "data.exchange.exporters:write_player_runs"),
    "store": Exporter("one SQLite file with the chosen segments", "data.exchange.exporters:write_store"),
    "parquet": Exporter("Parquet tables of all drives, with filters of those with a chosen segment (a new folder)",
                        "data.exchange.exporters:write_tables"),
    "trackmaniarl": Exporter("TrackmaniaRL's demonstrations: finished laps and drives (a new folder)",
                             "data.exchange.trackmaniarl.writing:write_demonstrations"),
    "lerobot": Exporter("a LeRobotDataset, layout v3.0 (a new folder)", "data.exchange.datasets.lerobot:write_lerobot"),
}, _of_package)  # fmt: skip
"""The formats; an installed package adds its own by the entry point ``hitl.exporters``."""


WHOLE = ("parquet", "trackmaniarl")
"""The formats of which each item is a whole drive."""


@dataclass
class Chosen:
    """What is to be exported. Iterating gives every episode once, with its steps, and counts what was given."""

    store: Store
    segments: list[int] | None
    """Ids of segments, each an episode of its own; None: whole drives."""
    episodes: list[int] | None = None
    """Ids of whole drives; None: all."""
    geometry: tuple[str, str] = ("", "")
    """The map's uid and the SHA-256 of its geometry file, for formats that name them."""
    shown: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """By segment, the steps of its episode that the agent is shown; one that is not among them is only trimmed."""
    count: int = field(default=0, init=False)
    steps: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Portable]:
        from data.exchange.portable import segment_episodes, whole_episodes

        conn, ids = self.store.conn, self.segments
        for item in whole_episodes(conn, self.episodes) if ids is None else segment_episodes(conn, ids, self.shown):
            self.count += 1
            self.steps += len(item.data)
            yield item


def write_player_runs(folder: Path, chosen: Chosen) -> None:
    """Write one file for each episode."""
    from data.exchange.player_runs import write_player_run

    for item in chosen:
        write_player_run(folder, item)


def write_store(path: Path, chosen: Chosen) -> None:
    """Write a store of its own."""
    from data.exchange.merge import merge
    from data.store import Store

    with Store(path) as target:
        # Where nothing was filtered, the store tells of the agent's tries what this one does.
        tries = chosen.segments is not None and chosen.episodes is None
        summary = merge(target.conn, path, chosen.store.path, segments=chosen.segments, copy=True, tries=tries)
        target.conn.execute("PRAGMA journal_mode = DELETE")  # one file, whatever is done with it
    chosen.count, chosen.steps = summary.episodes, summary.steps


def write_tables(folder: Path, chosen: Chosen) -> None:
    """Write Parquet tables of whole drives."""
    from data.exchange.parquet import write_parquet

    written = write_parquet(chosen.store.conn, folder, chosen.episodes)
    chosen.count = written["episodes.parquet"]
    chosen.steps = sum(rows for name, rows in written.items() if name.startswith("steps"))
