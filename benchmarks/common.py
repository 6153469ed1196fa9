"""What the benchmarks share: a table for people, and a JSON file in one shape for programs."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "torch", "gymnasium", "rtgym", "sqlite-utils", "sb3-contrib", "stable-baselines3")
_BEGIN = time.perf_counter()


@dataclass
class Stopwatch:
    """Seconds since it was started, and after the block the seconds it took."""

    begin: float = field(default_factory=time.perf_counter)
    taken: float | None = None

    @property
    def seconds(self) -> float:
        """Wall time."""
        return time.perf_counter() - self.begin if self.taken is None else self.taken


@contextlib.contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Measure the wall time of a block."""
    watch = Stopwatch()
    try:
        yield watch
    finally:
        watch.taken = time.perf_counter() - watch.begin


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with ``--json FILE``."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    return made


def versions() -> dict[str, str]:
    """Return the versions of Python, SQLite and the packages that matter, where installed."""
    import sqlite3

    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return the number of cores this process may use, and the device torch would train on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device = "cpu"
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"cores": cores, "device": device}


def commit() -> str:
    """Return the commit that ran, marked when the tree had changes; empty outside a checkout."""
    try:
        root = Path(__file__).parent
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
            cwd=root,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def write_report(
    path: str | Path | None, figures: Mapping[str, Any], seeds: Sequence[int] = (), wall_seconds: float | None = None
) -> None:
    """Write ``{"figures", "seeds", "versions", "machine", "commit", "wall_seconds"}``; nothing when ``path`` is None.

    ``wall_seconds`` defaults to the time since this module was imported.
    """
    if path is None:
        return
    report = {
        "figures": dict(figures),
        "seeds": list(seeds),
        "versions": versions(),
        "machine": machine(),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - _BEGIN if wall_seconds is None else wall_seconds, 3),
    }
    Path(path).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def run_jobs(
    run: Callable[[Any], dict[str, Any]], jobs: Sequence[Any], at_once: int, path: str | Path | None, seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Run jobs in processes of their own; return their results. Each is printed as it comes, and all so far are in the report."""
    results: list[dict[str, Any]] = []
    with stopwatch() as watch, multiprocessing.get_context("spawn").Pool(at_once) as pool:
        for result in pool.imap_unordered(run, jobs, 1):
            results.append(result)
            print(json.dumps(result), flush=True)
            write_report(path, {"runs": results}, seeds, watch.seconds)
    return results


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; the first column to the left, numbers to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console = Console()
    console.width = console.width if console.is_terminal else 160  # a file has no width
    console.print(table)
