"""How the suite runs: three tests at a time where pytest-xdist is installed, two of them at most in real time."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections import Counter
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # networks this small only wait for each other's threads
sys.dont_write_bytecode = False  # else each of the three rewrites every test module in every run: 9 s of its processor
if any(os.environ.get(name) for name in ("WINFS", "WINCLOCK", "WINCP", "WINVENV")):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "support", "windows"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (sys.path[0], os.environ.get("PYTHONPATH"))))
    import windows_rules

    windows_rules.install()
SLOW_S = 5.0  # s beyond which a test that is not `realtime` is named in the summary


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Use three processes for runs of whole folders; `-n 0`, `--pdb` and single files stay in one.

    Three keep two cores busy: tests in real time mostly wait.
    """
    if hasattr(config, "workerinput"):
        return  # this is one of the three
    whole = all(os.path.isdir(argument.partition("::")[0]) for argument in config.args)
    option = config.option
    if importlib.util.find_spec("xdist") and whole and getattr(option, "numprocesses", 0) is None and not option.usepdb:
        option.numprocesses, option.dist = 3, "loadscope"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep each file whole, and let files that hold real-time tests run one after the other: games here, the others there.

    These are begun first, then what took longest in earlier runs, so that the processes end together.
    xdist's own `loadgroup` does not see groups with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    @functools.cache
    def group(file: str) -> str:
        if "mark.realtime" not in (config.rootpath / file).read_text(encoding="utf-8"):
            return file
        return "games in real time" if file.startswith("tests/hitl/games/") else "others in real time"

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

        def _assign_work_unit(self, node: Any) -> None:
            self.workqueue.move_to_end(max(self.workqueue, key=length), last=False)
            super()._assign_work_unit(node)

    seconds = _seconds_noted(config)

    def length(scope: str) -> tuple[bool, float]:
        return scope.endswith("in real time"), seconds.get(scope, 0.0)

    return Grouped(config, log)


def _seconds_noted(config: pytest.Config) -> dict[str, float]:
    """Return how long each file took in earlier runs of whole folders."""
    cache = getattr(config, "cache", None)
    return cache.get("hitl/seconds", {}) if cache else {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the tests that take long without being `realtime`, and note how long each file took."""
    reports = [r for group in terminalreporter.stats.values() for r in group if isinstance(r, pytest.TestReport)]
    took, of_files = Counter[str](), Counter[str]()
    for report in reports:
        of_files[report.nodeid.partition("::")[0]] += report.duration
        if "realtime" not in report.keywords:
            took[report.nodeid] += report.duration
    if getattr(config.option, "numprocesses", None) and getattr(config, "cache", None):
        config.cache.set("hitl/seconds", _seconds_noted(config) | of_files)
    slow = sorted(((s, name) for name, s in took.items() if s > SLOW_S), reverse=True)
    if slow:
        terminalreporter.section(f"over {SLOW_S:.0f} s without being marked realtime")
        for seconds, name in slow:
            terminalreporter.write_line(f"{seconds:6.1f} s  {name}")
