"""How the suite runs: several tests at a time where pytest-xdist is installed, three of them at most in real time."""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import importlib.util
import os
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # networks this small only wait for each other's threads
sys.dont_write_bytecode = False  # else each of the processes rewrites every test module in every run: 9 s of its processor
MEMORY = "/dev/shm"
"""Where Linux keeps files in memory: a disk waits for every commit of every store, and for every file that goes again."""
MEMORY_BYTES = 2**30  # that must be free there: a whole run leaves far less, but containers often have 64 MB
if any(os.environ.get(name) for name in ("WINFS", "WINCLOCK", "WINCP", "WINVENV")):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "support", "windows"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (sys.path[0], os.environ.get("PYTHONPATH"))))
    import windows_rules

    windows_rules.install()
LONGEST_S = {
    "tests/hitl/games/trackmania/test_trackmania.py": 50.0,
    "tests/hitl/remote/test_processes.py": 50.0,
    "tests/hitl/test_by_pad_page.py": 40.0,
    "tests/hitl/field_kit/test_measurements.py": 35.0,
    "tests/hitl/games/tmrl/test_tmrl.py": 32.0,
    "tests/hitl/games/test_laps_meet.py": 30.0,
    "tests/hitl/games/trackmania/test_detailed.py": 30.0,
    "tests/benchmarks/test_chaos.py": 25.0,
    "tests/hitl/test_beside_page.py": 25.0,
    "tests/data/recording/test_killed.py": 22.0,
    "tests/hitl/session/test_loop.py": 20.0,
    "tests/hitl/remote/test_tmrl.py": 18.0,
    "tests/hitl/games/trackmania/test_telemetry.py": 15.0,
    "tests/trainer/daemon/test_laps_flow.py": 14.0,
    "tests/hitl/games/test_hang_guard.py": 14.0,
    "tests/trainer/daemon/test_daemon.py": 13.0,
    "tests/hitl/games/gym/test_gym_env.py": 12.0,
    "tests/hitl/test_trainer_process.py": 12.0,
    "tests/trainer/daemon/test_resume.py": 12.0,
    "tests/hitl/session/test_held_keys.py": 11.0,
    "tests/hitl/demo/test_demo.py": 11.0,
    "tests/benchmarks/test_ceiling.py": 10.0,
    "tests/hitl/screens/test_recording.py": 9.0,
    "tests/trainer/diagnosis/test_drives.py": 8.0,
    "tests/trainer/daemon/test_command.py": 8.0,
    "tests/hitl/games/trackmania/test_key_presses.py": 8.0,
    "tests/hitl/pages/test_browser.py": 8.0,
    "tests/test_examples.py": 7.0,
    "tests/trainer/updates/test_device_updates.py": 7.0,
    "tests/hitl/test_processes_anywhere.py": 7.0,
    "tests/hitl/test_background.py": 6.0,
    "tests/trainer/daemon/test_laps_first.py": 6.0,
    "tests/benchmarks/test_opponents.py": 6.0,
    "tests/hitl/agents/test_taught.py": 6.0,
    "tests/hitl/agents/test_helped_early.py": 6.0,
    "tests/trainer/networks/test_images.py": 6.0,
    "tests/takeover_ui/report/test_report.py": 5.0,
    "tests/trainer/diagnosis/test_trained.py": 5.0,
    "tests/hitl/coach/test_way_ahead.py": 5.0,
    "tests/data/recording/test_locked_stores.py": 5.0,
    "tests/data/recording/test_full_disks.py": 5.0,
    "tests/data/exchange/test_player_run_layouts.py": 4.0,
    "tests/data/reading/test_step_cache.py": 4.0,
    "tests/hitl/coach/test_rewind.py": 4.0,
    "tests/trainer/daemon/test_daemon_networks.py": 4.0,
    "tests/test_secrets.py": 4.0,
    "tests/hitl/road/test_known_tracks.py": 3.0,
    "tests/trainer/learner/test_plain.py": 3.0,
    "tests/trainer/networks/test_recurrent.py": 3.0,
    "tests/data/exchange/test_unpickle.py": 3.0,
    "tests/data/exchange/test_roundtrips.py": 3.0,
    "tests/hitl/session/test_risk.py": 3.0,
}
"""What takes longest, for a checkout in which no run has noted anything: begun last, it would be waited for at the end."""
TOGETHER = (
    ("tests/takeover_ui/review/",),
    (  # torch's own optimisers: with the first one, a process loads torch's compiler, which takes it more than a second
        *("tests/benchmarks/", "tests/hitl/agents/", "tests/hitl/scripting/test_adapters.py", "tests/test_examples.py"),
        *("tests/test_python_page.py", "tests/trainer/learner/test_sb3.py", "tests/trainer/learner/test_device.py"),
        *("tests/trainer/networks/test_networks.py", "tests/trainer/updates/test_device_updates.py"),
    ),
)
"""Folders and files that run in one process, for what is made or imported once there is so for all of them."""
AT_ONCE = 3 if hasattr(os, "nice") else 2
"""Files in real time at once: more would be late for each other. Of one room never two: they find each other's processes.

Such a test waits for three quarters of its time. The processes beside those do what only computes, and let them go first, where
they can.
"""
REAL_TIME = " in real time"
SLOW_S = 5.0  # s beyond which a test that is not `realtime` is named in the summary


def _choose_temporary_root() -> None:
    """Let the tests' own folders lie in memory where there is enough of it; the option ``--basetemp`` and the variable win."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(MEMORY).free >= MEMORY_BYTES and os.access(MEMORY, os.W_OK):
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


_choose_temporary_root()
gc.disable()  # until all is collected: what is imported stays, and to look through it again and again takes a tenth of the time


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure() -> None:
    """Collect what the tests left behind once: pytest does it twice more, and each time looks through all that is there."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """Let the garbage collector look only at what the tests make, and have Hypothesis's settings for all that use it."""
    gc.freeze()
    gc.set_threshold(10_000)  # every 700 objects, it would take 3 % of the time
    gc.enable()
    if "hypothesis" in sys.modules:
        importlib.import_module("tests.support.examples")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Use four processes for runs of whole folders; `-n 0`, `--pdb` and single files stay in one.

    Four keep two cores busy: tests in real time mostly wait. Without these there is one more than there are cores, and six at
    most: some wait for programs that they have started.
    """
    if worker := getattr(config, "workerinput", None):  # this is one of the four
        if worker["workercount"] > AT_ONCE and hasattr(os, "nice") and not _in_real_time(worker["workerid"]):
            os.nice(5)
        return
    whole = all(os.path.isdir(argument.partition("::")[0]) for argument in config.args)
    option = config.option
    if importlib.util.find_spec("xdist") and whole and getattr(option, "numprocesses", 0) is None and not option.usepdb:
        option.numprocesses, option.dist = AT_ONCE + 1, "loadscope"
        if option.markexpr == "not realtime":
            option.numprocesses = min(max(os.cpu_count() or 2, 2) + 1, 6)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep each file whole, and no more than ``AT_ONCE`` in real time at once, of which no two are of one room of the tests.

    Those are begun first, then what took longest in earlier runs, so that the processes end together. Those in real time stay in
    the processes that no one has told to let others go first. xdist's own `loadgroup` does not see groups with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    @functools.cache
    def in_real_time(file: str) -> set[str]:
        return _marked_realtime((config.rootpath / file).read_text(encoding="utf-8"))

    @functools.cache
    def looks_through_the_source(file: str) -> bool:
        """Whether a test reads what another one has read and parsed already, where both run in one process."""
        text = (config.rootpath / file).read_text(encoding="utf-8")
        return "from tests.support.source import" in text or "from tests.support.advice import" in text

    @functools.cache
    def scope_of(test: str) -> str:
        file, *names = test.split("::")
        if in_real_time(file) & {"", *names}:
            return file + REAL_TIME
        if looks_through_the_source(file):
            return "the packages' source"
        return next((group[0] for group in TOGETHER if file.startswith(group)), file)

    seconds, files = LONGEST_S | _seconds_noted(config), defaultdict[str, set[str]](set)

    def length(scope: str) -> float:
        return sum(seconds.get(file, 0.0) for file in files[scope])

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            scope = scope_of(nodeid.partition("[")[0])
            files[scope].add(nodeid.partition("::")[0])
            return scope

        def _assign_work_unit(self, node: Any) -> None:
            def may_be_in_real_time(one: Any) -> bool:
                """Any may where none is left that should: what crashed is replaced by one with a higher number."""
                return _in_real_time(one.gateway.id) or not any(_in_real_time(n.gateway.id) for n in self.assigned_work)

            rooms = {
                other: {_room(scope) for scope, unit in work.items() if scope.endswith(REAL_TIME) and not all(unit.values())}
                for other, work in self.assigned_work.items()
                if other is not node
            }
            waiting = [scope for scope in self.workqueue if scope.endswith(REAL_TIME)]
            if sum(map(bool, rooms.values())) >= AT_ONCE or not may_be_in_real_time(node):
                waiting = []
            free = [scope for scope in waiting if not any(_room(scope) in taken for taken in rooms.values())]
            if free:
                left = Counter[str]()  # what runs one after the other longest is begun first
                for scope in waiting:
                    left[_room(scope)] += length(scope) + 0.01
                chosen = max(free, key=lambda scope: (left[_room(scope)], length(scope)))
            elif others := [scope for scope in self.workqueue if not scope.endswith(REAL_TIME)]:
                chosen = max(others, key=length)
            else:
                node.shutdown()  # the others do what is left in real time
                return
            self.workqueue.move_to_end(chosen, last=False)
            super()._assign_work_unit(node)

        def remove_node(self, node: Any) -> str | None:
            """Let the others do what a process left when it ended in mid-test, but not that test: it would end them, too."""
            work = self.assigned_work.pop(node)
            crashed = next((test for unit in work.values() for test, done in unit.items() if not done), None)
            if crashed is not None:
                for scope, unit in work.items():
                    if left := {test: False for test, done in unit.items() if not done and test != crashed}:
                        self.workqueue[scope] = left
                for other in self.assigned_work:
                    self._reschedule(other)
            return crashed

    return Grouped(config, log)


def _in_real_time(worker: str) -> bool:
    """Tell whether a process, `gw0` or another, is one of those for tests in real time."""
    return int(worker.removeprefix("gw")) < AT_ONCE


def _room(scope: str) -> str:
    """Return the room of the tests that a file is in: `tests/hitl/games/tmrl`, for one."""
    return scope.rpartition("/")[0]


@pytest.fixture(autouse=True)
def _modules_are_found_as_before() -> Iterator[None]:
    """A module of the current folder that is named by a command leaves that folder among those that are searched."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture(autouse=True)
def _pads_are_read_anew() -> None:
    """In a process of their own, a review and a session never meet; here one shuts down what the other has cached."""
    module = sys.modules.get("hitl.pads.devices")
    if module is not None and not module.sdl_controller.get_init():
        module.devices.cache_clear()


def _marked_realtime(source: str) -> set[str]:
    """Return the names of the functions and classes that are marked `realtime`, or an empty name where the whole file is."""
    if "mark.realtime" not in source:
        return set()
    statements = list(ast.walk(ast.parse(source)))
    if any(isinstance(s, ast.Assign) and "mark.realtime" in ast.unparse(s) for s in statements):
        return {""}
    named = (s for s in statements if isinstance(s, ast.FunctionDef | ast.ClassDef))
    return {s.name for s in named if any("mark.realtime" in ast.unparse(mark) for mark in s.decorator_list)}


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
