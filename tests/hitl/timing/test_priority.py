"""Who runs first: what may be raised is raised for the threads that a tick waits for, and taken back; nothing is inherited."""

import os
import subprocess
import sys
import threading

import pytest

from hitl.timing import priority
from hitl.timing.clocks import punctual

pytestmark = pytest.mark.realtime

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has these classes")


def allowed() -> bool:
    undo = priority.real_time(threading.get_native_id())
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
    assert os.sched_getscheduler(0) == before


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
def test_without_the_right_a_thread_asks_for_short_turns_and_nothing_fails(monkeypatch):
    asked = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda *a: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
    monkeypatch.setattr(priority, "_set_turn", lambda tid, ns, flags: asked.append((tid, ns)) or True)
    undo = priority.go_first()
    me = threading.get_native_id()
    assert asked[-1] == (me, priority.TURN_NS)
    undo()
    assert asked[-1] == (me, 0)
    assert priority.real_time(me) is None


@linux
def test_what_the_system_does_not_know_is_left_undone(monkeypatch):
    assert not priority._set_turn(2**22 - 1, priority.TURN_NS, 0)  # no such thread
    monkeypatch.setattr(priority, "CALLS", {})
    assert not priority._set_turn(threading.get_native_id(), priority.TURN_NS, 0)


def test_other_systems_need_nothing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    priority.go_first()()
    priority.thread_goes_first()


allowed_before = sys.platform.startswith("linux") and allowed()
