"""A session in a home with laps and no checkpoint: when it waits for a trainer, and what it says."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data.store import Store
from hitl import cli, trainer_process
from hitl.coach.rules import in_english
from hitl.drivers.human import HumanDriver
from hitl.drivers.wheel import ways_out
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.trainer_process import TakingTurns, TrainerProcess, wait_for_laps
from tests.support.daemon_runs import ACTIONS, NAMES
from tests.trainer.daemon.test_laps_first import record_laps
from trainer.daemon import control
from trainer.daemon.control import trainer_lock
from trainer.daemon.heartbeat import Heartbeat, write_heartbeat

LEARNING = "The trainer is learning from the 2 laps in this home folder: "
RANDOM = "The agent has learned nothing yet and drives at random."


class Rig:
    """A session's set-up whose policy finds a checkpoint at the given look."""

    def __init__(self, root: Path, found_at: int | None, problem: str = "", refused: bool | None = None) -> None:
        self.home, self.policy, self.looks, self.found_at = Home(root), self, 0, found_at
        self.world, self.has_line = self, True
        self.session, self.coaching, self.unread = self, None, 0
        self.checkpoint_name, self.problem = "", problem
        self.refused = bool(problem) if refused is None else refused
        self.observation_names: tuple[str, ...] = NAMES
        self.action_names = ACTIONS

    def begin_episode(self) -> None:
        self.looks += 1
        if self.looks == self.found_at:
            self.checkpoint_name = "000000100-abcdef.safetensors"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    record_laps(tmp_path / "store.sqlite", 2, 20)
    return tmp_path


@pytest.fixture
def trainer(home: Path) -> Iterator[None]:
    with trainer_lock(home / "store.sqlite"):
        yield


def beat(home: Path, state: str, age: float = 0.0, laps: float = 0.0) -> None:
    write_heartbeat(home, Heartbeat(state=state, at=time.time() - age, ticks=time.monotonic() - age, laps_learned=laps))


def said(rig: Rig) -> tuple[bool, list[str]]:
    texts: list[str] = []
    return wait_for_laps(rig, in_english(lambda level, text: texts.append(text)), lambda: False), texts  # type: ignore[arg-type]


def test_an_agent_with_a_checkpoint_drives_and_nothing_is_said(home: Path) -> None:
    assert said(Rig(home, 1)) == (True, [])


def test_where_no_checkpoint_can_be_read_that_is_said_and_what_helps(home: Path) -> None:
    rig = Rig(home, None, "The checkpoint 'x' is damaged: it was only half written: choose another.")
    rig.unread = 3
    _, (text,) = said(rig)
    assert text.startswith("None of the checkpoints here can be read, so the agent drives at random. Put the folder")
    assert "choose another" not in text
    assert "`hitl train --fresh` learns anew" in text


def test_without_a_trainer_the_player_is_told_what_to_type(home: Path) -> None:
    drives, (text,) = said(Rig(home, None))
    assert drives
    assert text.startswith(RANDOM)
    assert "`hitl train` learns from the 2 laps in this home folder" in text


@pytest.mark.usefixtures("trainer")
@pytest.mark.parametrize("state", ["starting", "training", "stopped", "failed"])
def test_it_waits_for_a_trainer_at_work_or_just_starting(home: Path, state: str) -> None:
    beat(home, state)  # "stopped", "failed": what the trainer before left behind
    rig, began = Rig(home, 4), time.monotonic()
    drives, (text,) = said(rig)
    assert drives
    assert rig.looks == 4
    assert time.monotonic() - began >= 0.3, "it looks a few times a second"
    assert text.startswith(f"{LEARNING}0 %. ")


@pytest.mark.usefixtures("trainer")
def test_how_far_it_is_is_told_every_tenth(home: Path) -> None:
    rig, texts, shares = Rig(home, None), [], [0.0, 0.04, 0.12, 0.19, 0.31]

    def look() -> None:
        rig.checkpoint_name = "" if shares else "000000100-abcdef.safetensors"
        beat(home, "training", laps=shares.pop(0) if shares else 1.0)

    rig.begin_episode = look  # type: ignore[method-assign]
    assert wait_for_laps(rig, in_english(lambda level, text: texts.append(text)), lambda: False)  # type: ignore[arg-type]
    assert [text.removeprefix(LEARNING)[:4] for text in texts] == ["0 %.", "10 %", "30 %"]


@pytest.mark.usefixtures("trainer")
@pytest.mark.parametrize(("state", "age"), [("waiting", 0.0), ("idle", 0.0), ("paused", 0.0), ("training", 100.0)])
def test_it_does_not_wait_for_one_that_waits_itself_or_is_silent(home: Path, state: str, age: float) -> None:
    beat(home, state, age)
    drives, (text,) = said(Rig(home, None))
    assert drives
    assert text == f"{RANDOM} The trainer waits or is paused: `hitl train status` says more."


@pytest.mark.usefixtures("trainer")
def test_it_does_not_wait_for_checkpoints_that_it_cannot_use(home: Path) -> None:
    beat(home, "training")
    _, (text,) = said(Rig(home, None, "The checkpoint was trained for 3 observation numbers."))
    assert text.startswith(f"The checkpoint was trained for 3 observation numbers. {RANDOM}")


@pytest.mark.usefixtures("trainer")
def test_a_trainer_that_never_speaks_is_waited_for_only_so_long(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_process, "START_S", 0.3)
    _, texts = said(Rig(home, None))
    assert [text.startswith(start) for text, start in zip(texts, (LEARNING, RANDOM), strict=True)] == [True, True]


@pytest.mark.usefixtures("trainer")
def test_the_player_may_leave_meanwhile_by_one_short_press(home: Path) -> None:
    beat(home, "training")
    pressed, texts = iter([False, False, True]), []  # a press is seen once, and by whom asks
    assert not wait_for_laps(Rig(home, None), in_english(lambda level, text: texts.append(text)), lambda: next(pressed, False))  # type: ignore[arg-type]
    assert [text.startswith(LEARNING) for text in texts] == [True]


def test_a_pad_s_quit_button_is_heard_between_episodes_and_one_press_once(tmp_path: Path) -> None:
    class Pad:
        name, down = "pad", frozenset({"quit"})

        def read(self) -> PadState:
            return PadState(buttons=self.down)

    pad = Pad()
    with SessionSetup(Home(tmp_path), SessionOptions(), human=lambda track: HumanDriver(pad)) as rig:  # type: ignore[arg-type]
        session = rig.session
        assert not session.asked_to_leave(), "it was down already"
        pad.down = frozenset()
        assert not session.asked_to_leave()
        assert not session.leaving
        pad.down = frozenset({"quit"})
        assert session.asked_to_leave()
        assert not session.asked_to_leave()
        assert session.leaving


@pytest.mark.usefixtures("trainer")
def test_the_player_is_told_which_keys_and_buttons_leave(home: Path) -> None:
    window: Any = SimpleNamespace(hears_keys=True)
    parts = (SimpleNamespace(map=SimpleNamespace(buttons={"quit": ("guide",)})), SimpleNamespace())
    wheel: Any = SimpleNamespace(pad=SimpleNamespace(parts=parts))
    keys: Any = SimpleNamespace(pad=SimpleNamespace())
    assert ways_out(wheel, window) == "Escape, guide or Ctrl+C"
    assert ways_out(keys, window) == "Escape or Ctrl+C"
    assert ways_out(keys, SimpleNamespace(hears_keys=False)) == "Ctrl+C"  # type: ignore[arg-type]
    parts[0].device = None  # not plugged in
    assert ways_out(wheel, window) == "Escape or Ctrl+C"
    assert ways_out(None, None) == "Ctrl+C"
    beat(home, "training")
    texts: list[str] = []
    wait_for_laps(Rig(home, 3), in_english(lambda level, text: texts.append(text)), lambda: False, "guide or Ctrl+C")  # type: ignore[arg-type]
    assert texts[0].endswith("as soon as it is done; guide or Ctrl+C leaves.")


@pytest.mark.usefixtures("trainer")
def test_a_store_that_is_busy_for_a_moment_does_not_end_the_waiting(home: Path) -> None:
    beat(home, "training")
    rig = Rig(home, 4, problem="The store is in use.", refused=False)
    drives, (text,) = said(rig)
    assert (drives, rig.looks) == (True, 4)
    assert text.startswith(LEARNING)


def test_a_store_that_cannot_be_read_ends_no_session(home: Path) -> None:
    (home / "store.sqlite").write_bytes(b"no store")
    drives, _ = said(Rig(home, None))
    assert drives


@pytest.mark.usefixtures("trainer")
def test_laps_that_are_not_learned_from_are_not_waited_for(home: Path) -> None:
    beat(home, "training")
    with Store(home / "store.sqlite") as store:
        store.label([s.id for s in store.segments()], verdict="bad")
    drives, (text,) = said(Rig(home, None))
    assert drives
    assert "None of the 2 laps here is learned from (`hitl segments` says why): a lap counts when it is finished." in text


def test_where_there_is_no_road_no_lap_is_advised(tmp_path: Path) -> None:
    rig = Rig(tmp_path, None)
    rig.has_line = False
    _, (text,) = said(rig)
    assert text == f"{RANDOM} `hitl train` beside learns from what it drives, and from your takeovers."


@pytest.mark.realtime
def test_a_session_as_fast_as_it_can_and_its_trainer_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer_process, "STOP_S", 60.0)
    small = "hidden=16 quantiles=5 batch_size=16 warmup_steps=20 checkpoint_seconds=1e6 checkpoint_seconds_max=1e6"
    with TrainerProcess(Home(tmp_path).create(), *(word for pair in small.split() for word in ("--set", pair))) as trainer:
        trainer.wait_for_heartbeat()
        play = ["play", "--env", "gym:Pendulum-v1", "--headless", "--pad", "none", "--episodes", "3", "--home", str(tmp_path)]
        assert cli.main(play) == 0
    assert "3 episodes, 600 steps, return -" in capsys.readouterr().out, "there is no finish to count"
    with Store(tmp_path / "store.sqlite") as store:
        updates = {record.id: record.updates for record in store.checkpoints()}
        drove = [updates[id_] for (id_,) in store.conn.execute("SELECT checkpoint_id FROM episodes WHERE number > 0 ORDER BY id")]
    assert drove == [180, 380], "each episode was driven by what those before it taught"
    assert cli.main(["eval", "--env", "gym:Pendulum-v1", "--episodes", "2", "--home", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "updates), 2 episodes on ‘Pendulum-v1’, mean return -" in " ".join(out.split())
    assert "finished" not in out


@pytest.mark.usefixtures("trainer")
@pytest.mark.parametrize("why", ["it is paused", "the player leaves", "it is killed", "it is silent", "nothing can be written"])
def test_a_trainer_that_does_not_catch_up_holds_no_session(home: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    control.ask(home, control.PAUSE) if why == "it is paused" else None
    beat(home, "training", age=100.0 if why == "it is silent" else 0.0)
    rig, asked, texts = Rig(home, None), iter([False] * 20 + [why == "the player leaves"] * 20), []
    rig.written = lambda: True  # type: ignore[attr-defined]
    monkeypatch.setattr(trainer_process, "SLOW_S", 0.05)
    if why == "it is killed":
        alive = iter([True] * 20 + [False])
        monkeypatch.setattr(control, "running", lambda store: next(alive))
    if why == "nothing can be written":
        monkeypatch.setattr(control, "ask", lambda *_: (_ for _ in ()).throw(PermissionError(13, "in use")))
    TakingTurns(rig, texts.append).wait(lambda: next(asked))  # type: ignore[arg-type]
    assert control.catch_ups(home) == []
    assert len(texts) == (why in ("the player leaves", "it is killed")), "what takes a while is explained, once"


@pytest.mark.usefixtures("trainer")
def test_it_is_said_how_long_the_trainer_learns_before_the_next_drive(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig, asked, texts = Rig(home, None), iter([False] * 30 + [True] * 9), list[str]()
    rig.written = lambda: True  # type: ignore[attr-defined]
    monkeypatch.setattr(trainer_process, "SLOW_S", 0.03)
    monkeypatch.setattr(trainer_process, "AGAIN_S", 0.06)
    now = time.monotonic()
    write_heartbeat(home, Heartbeat(state="training", at=time.time(), ticks=now, owed_updates=900_000, updates_per_second=50.0))
    TakingTurns(rig, texts.append).wait(lambda: next(asked))  # type: ignore[arg-type]
    first, *again = texts
    assert first.startswith("The trainer learns from each episode before the next is driven: that takes about 5 hours now. ")
    assert set(again) == {"The trainer is still learning, for about 5 hours."}


@pytest.mark.parametrize("why", ["none", "of another layout"])
def test_in_a_home_without_laps_of_this_game_the_player_is_shown_the_way(home: Path, tmp_path_factory: Any, why: str) -> None:
    rig = Rig(tmp_path_factory.mktemp("empty") if why == "none" else home, None)
    if why != "none":
        rig.observation_names = ("another",)
    drives, (text,) = said(rig)
    assert drives
    assert text.startswith(RANDOM)
    assert "`hitl play --lap` for a few laps, then `hitl train`" in text
