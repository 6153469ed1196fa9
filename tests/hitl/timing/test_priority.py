"""Who runs first: what may be raised is raised for the threads that a tick waits for, and taken back; nothing is inherited."""

import os
import platform
import subprocess
import sys
import threading
import types

import pytest

from hitl.timing import priority
from hitl.timing.clocks import punctual
from tests.support.places import ROOT

pytestmark = pytest.mark.realtime

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has these classes")


def allowed() -> bool:
    undo = priority.real_time()
    if undo is None:
        return False
    undo()
    return True


@linux
def test_the_driving_thread_goes_first_where_the_user_may_and_only_while_it_drives():
    before = os.sched_getscheduler(0)
    with punctual():
        during = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
        assert during == (os.SCHED_RR if allowed_before else before)
        assert priority.goes_first() == allowed_before
    assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == before & ~os.SCHED_RESET_ON_FORK


@linux
def test_threads_and_programs_started_meanwhile_are_ordinary():
    seen = []
    with punctual():
        thread = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))
        thread.start()
        thread.join()
        asked = subprocess.run(
            [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"], capture_output=True, text=True, check=True
        )
    assert seen == [os.SCHED_OTHER]
    assert int(asked.stdout) == os.SCHED_OTHER


@linux
def test_without_the_right_nothing_changes_and_nothing_fails(monkeypatch):
    monkeypatch.setattr(os, "sched_setscheduler", lambda *a: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
    before = os.sched_getscheduler(0)
    assert priority.real_time() is None
    priority.raise_priority()()
    assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == before & ~os.SCHED_RESET_ON_FORK


SEEN = """
import ctypes, os, sys, threading
from hitl.timing import priority

def turn():
    found = ctypes.create_string_buffer(48)
    ctypes.CDLL(None).syscall(priority._CALLS[priority.platform.machine()][1], 0, found, 48, 0)
    return priority._ATTRIBUTES.unpack(found.raw)[5]

os.sched_setscheduler = lambda *a: (_ for _ in ()).throw(PermissionError(1, "not permitted"))
seen, before = [], turn()
undo = priority.thread_first()
thread = threading.Thread(target=lambda: seen.append(turn()))
thread.start()
thread.join()
print(before, turn(), *seen)
if undo is not None:
    undo()
print(turn(), os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
"""


@linux
@pytest.mark.skipif(platform.machine() not in priority._CALLS, reason="the numbers of its calls are not known")
def test_an_ordinary_user_s_thread_asks_for_short_turns_where_linux_has_them():
    said = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    before, during, of_a_thread, after, policy = map(int, said)
    assert (of_a_thread, after, policy) == (before, before, os.SCHED_OTHER)
    assert during == (priority.TURN_NS if before else 0)  # Linux before 6.12 tells of none, and nothing is asked for


@linux
@pytest.mark.parametrize("refused", [0, 1])
def test_where_short_turns_are_refused_nothing_changes(monkeypatch, refused):
    """A container may forbid either call."""
    answers = []

    class Call:
        def __call__(self, number, thread, content, *rest):
            answers.append(number.value)
            if len(answers) > refused:
                return -1
            content.raw = priority._ATTRIBUTES.pack(48, os.SCHED_OTHER, 0, 0, 0, 3_000_000, 0, 0)
            return 0

    monkeypatch.setattr(priority.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(priority.ctypes, "CDLL", lambda *a, **k: types.SimpleNamespace(syscall=Call()))
    assert priority.short_turns() is None
    assert answers == [315, 314][: refused + 1]


def test_windows_raises_the_process_and_takes_it_back(monkeypatch):
    asked = []

    class Process:
        def nice(self, value=None):
            return [32, *asked][-1] if value is None else asked.append(value)

    monkeypatch.setattr(sys, "platform", "win32")
    classes = {"ABOVE_NORMAL_PRIORITY_CLASS": 0x8000, "HIGH_PRIORITY_CLASS": 0x80}
    monkeypatch.setitem(sys.modules, "psutil", types.SimpleNamespace(Process=Process, **classes))
    assert not priority.goes_first()
    undo = priority.raise_priority()
    assert priority.goes_first()
    assert priority.real_time() is None  # threads have no class of their own there
    undo()
    assert asked == [0x8000, 32]


def test_other_systems_need_nothing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    priority.raise_priority()()
    assert priority.real_time() is None
    assert priority.short_turns() is None


allowed_before = sys.platform.startswith("linux") and allowed()
