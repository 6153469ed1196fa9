"""How the suite runs: two tests at a time where pytest-xdist is installed, those in real time one after the other."""

from __future__ import annotations

import importlib.util
import os

import pytest

SLOW_S = 5.0  # s beyond which a test that is not `realtime` is named in the summary


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Use two processes for runs of whole folders; `-n 0`, `--pdb` and single files stay in one."""
    if hasattr(config, "workerinput"):
        return  # this is one of the two
    whole = all(os.path.isdir(argument.partition("::")[0]) for argument in config.args)
    option = config.option
    if importlib.util.find_spec("xdist") and whole and getattr(option, "numprocesses", 0) is None and not option.usepdb:
        option.numprocesses, option.dist = 2, "loadgroup"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process run all real-time tests, and each other file stay whole, because of its fixtures."""
    for item in items:
        group = "realtime" if item.get_closest_marker("realtime") else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_configure(config: pytest.Config) -> None:
    """Make xdist's mark known where it is not installed."""
    config.addinivalue_line("markers", "xdist_group(name): tests of one group run in one process")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that take long without being `realtime`."""
    reports = [r for group in terminalreporter.stats.values() for r in group if isinstance(r, pytest.TestReport)]
    took: dict[str, float] = {}
    for report in reports:
        if "realtime" not in report.keywords:
            took[report.nodeid] = took.get(report.nodeid, 0.0) + report.duration
    slow = sorted(((s, name) for name, s in took.items() if s > SLOW_S), reverse=True)
    if slow:
        terminalreporter.section(f"over {SLOW_S:.0f} s without being marked realtime")
        for seconds, name in slow:
            terminalreporter.write_line(f"{seconds:6.1f} s  {name}")
