import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from data.errors import TrainingError
from data.recording.recorder import Recorder
from data.store import Store
from data.tables.checkpoints import Evaluation
from data.words import about
from hitl.cli import main
from hitl.commands.train import _lines
from hitl.home import Home
from hitl.screens.training.stopping import stop
from hitl.screens.training.train_terminal import draw
from hitl.screens.training.train_words import facts_of, progress
from tests.support.daemon_runs import SMALL, drive, newest, wait_for
from tests.support.in_use import in_use
from tests.support.recorded import NO_WEIGHTS, session_info, step_row
from trainer.checkpoints.verdicts import Verdict
from trainer.daemon.control import trainer_lock
from trainer.daemon.daemon import Daemon
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import NAME, Heartbeat, read_heartbeat, write_heartbeat
from trainer.daemon.reporting import FROM_WORKERS, HERE
from trainer.daemon.wish import Wish

TINY = [
    "--set",
    "hidden=8",
    "--set",
    "quantiles=3",
    "--set",
    "drop_per_critic=1",
    "--set",
    "batch_size=8",
    "--set",
    "utd=1",
]


@pytest.mark.realtime
def test_behind_looked_at_paused_and_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = ["--home", str(tmp_path)]
    drive(tmp_path / "store.sqlite")
    assert main(["train", "status", *home]) == 1
    assert main(["train", "--background", *home, *TINY, "--set", "warmup_steps=10", "--seed", "3"]) == 0
    try:
        assert main(["train", "--background", *home]) == 7
        assert "already at work" in capsys.readouterr().err
        wait_for(lambda: (b := read_heartbeat(tmp_path)) is not None and b.state == "idle")
        assert main(["train", "status", *home]) == 0
        out = capsys.readouterr().out
        assert "190" in out
        assert "1.00 for each step" in out
        assert "idle (every update for what was driven is done)" in out
        assert main(["train", "pause", *home]) == 0
        wait_for(lambda: (b := read_heartbeat(tmp_path)) is not None and b.state == "paused")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "in use")))
            assert main(["train", "resume", *home]) == 7, "it is not said that training goes on"
        assert main(["train", "resume", *home]) == 0
        wait_for(lambda: (b := read_heartbeat(tmp_path)) is not None and b.state == "idle")
    finally:
        assert main(["train", "stop", *home]) == 0
    assert newest(tmp_path).updates == 190
    assert newest(tmp_path).config["seed"] == 3
    assert main(["train", "status", *home]) == 1
    assert main(["train", "pause", *home]) == 7


@pytest.mark.realtime
def test_a_trainer_that_waits_says_for_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path)]

    def status() -> str:
        assert main(["train", "status", *home]) == 0
        return " ".join(capsys.readouterr().out.split())

    assert main(["train", "--background", *home, *TINY, "--set", "warmup_steps=500"]) == 0
    try:
        wait_for(lambda: (b := read_heartbeat(tmp_path)) is not None and b.state == "waiting")
        capsys.readouterr()
        assert f"waiting for the first steps: `hitl play --home {tmp_path}` drives" in status()
        drive(tmp_path / "store.sqlite")
        wait_for(lambda: (b := read_heartbeat(tmp_path)) is not None and b.online_steps > 0 and b.state == "waiting")
        missing = 500 - newest_steps(tmp_path)
        assert f"waiting for {missing} more driven steps: learning begins after 500 (warmup_steps)" in status()
    finally:
        assert main(["train", "stop", *home]) == 0
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.doing == "stopped"


def test_what_is_waited_for_is_printed_where_there_is_no_terminal_each_once(capsys: pytest.CaptureFixture[str]) -> None:
    show = _lines(None)

    def tell(state: str, detail: str = "") -> str:
        show(Heartbeat(pid=1, state=state, detail=detail), Watch())
        return capsys.readouterr().out

    assert tell("starting") == "starting\n", "what a run has done before is not known yet"
    assert "for the first steps" in tell("waiting", f"for the first steps: {HERE}")
    assert "257 more" in tell("waiting", "for 257 more driven steps")
    assert tell("waiting", "for 256 more driven steps") == "", "the same, and a minute has not passed"
    assert tell("training").startswith("training")
    assert tell("idle").startswith("idle")
    assert tell("training") == ""
    assert tell("stopped").startswith("stopped")


def test_a_trainer_of_workers_names_them_and_not_a_session_here(tmp_path: Path) -> None:
    said: set[str] = set()
    daemon = Daemon(tmp_path, Wish(SMALL), show=lambda beat, _: said.add(beat.doing), source=FROM_WORKERS)
    daemon.stop = lambda: any(text.startswith("waiting") for text in said)
    daemon.run()
    (waits,) = (text for text in said if text.startswith("waiting"))
    assert "hitl worker drives, on each player's machine" in waits
    assert "hitl play" not in waits


def newest_steps(home: Path) -> int:
    beat = read_heartbeat(home)
    assert beat is not None
    return beat.online_steps


@pytest.mark.parametrize(
    ("argv", "code", "sentence"),
    [
        (["--preset", "best"], 2, "no preset 'best'"),
        (["--set", "gama=1"], 2, "unknown setting 'gama'. Did you mean 'gamma'?"),
        (["--set", "gamma"], 2, "not of the form"),
        (["--set", "polyak=much"], 2, "polyak must be a number from 0 to 1, for example polyak=0.995, not \"much\""),
        (["--set", "drop_pool=50"], 2, "leaves none"),
        (["--init", "nothing.safetensors"], 5, "no file 'nothing.safetensors' there, which --init names"),
        (["--agent", "nothing.zip"], 3, "no file 'nothing.zip' there, which --agent or settings.toml names"),
        (["--log", "tensorbord"], 2, "no metrics log 'tensorbord'"),
        (["--tmrl-config", "nothing.json"], 3, "cannot be read"),
    ],
)
def test_bad_input_is_a_sentence_and_a_code(
    argv: list[str], code: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--home", str(tmp_path), *argv]) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir()), "and nothing was made"


def test_config_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path)]
    assert main(["config", "show", *home, "--preset", "run_l", "--set", "utd=2", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)["train"]
    assert values["utd"] == {"value": 2.0, "from": "command line"}
    assert values["network"] == {"value": "residual", "from": "preset run_l"}
    assert values["critics"] == {"value": 2, "from": "default"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"__VERSION__": "0.6.0", "PASSWORD": "hunter2", "ALG": {"GAMMA": 0.9}}))
    assert main(["config", "show", str(path), "--json"]) == 0
    text = capsys.readouterr().out
    assert "hunter2" not in text
    assert json.loads(text)["settings"]["gamma"] == 0.9
    assert main(["config", "show", str(path)]) == 0
    text = capsys.readouterr().out
    assert "hunter2" not in text
    assert "GAMMA 0.9: gamma" in text


def test_the_view_shows_rates_and_evaluations() -> None:
    watch = Watch()
    watch.best = Verdict(7, 20, 0.9, 0.7, 0.97, 88.0)
    watch.names, watch.track = {7: "000000700-ab.safetensors"}, "default"
    watch.evaluations = [
        Evaluation(k, 20, 50.0, 2 * k, {"hairpin": k * k}, "", "", track="default") for k in (0, 2, 4)
    ]
    watch.judged = [Verdict(6, 20, 0.1, 0.03, 0.3, 50.0), watch.best, Verdict(9, 20, 0.0, 0.0, 0.16, 40.0)]
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(
        draw(
            Heartbeat(
                state="training", updates=1234, updates_per_second=99.0, problem="a full disk", finding="Blind critic."
            ),
            watch,
        )
    )
    text = console.export_text()
    numbers = "1,234", "99 a second", "000000700-ab *", "90%", "70%–97%", "88.0"
    for part in ("training", *numbers, "a full disk", "! Blind critic."):
        assert part in text
    assert "passes alone on the default track" in text
    assert re.search(r"hairpin +▁▂▇  16 of 20", text)
    assert re.search(r"finish +▁▂▄  8 of 20", text)


def test_a_trainer_says_how_far_it_is_in_a_players_units() -> None:
    beat = Heartbeat(state="training", updates=9_000, owed_updates=3_000, steps_behind=1_200, updates_per_second=60.0)
    share, text = progress(beat)
    assert (share, text) == (0.75, "75 % of what was driven, about 1 minute behind; learned in about 50 seconds")
    assert progress(replace(beat, hz=60.0))[1].startswith("75 % of what was driven, about 20 seconds behind;")
    assert progress(replace(beat, state="paused"))[1] == "75 % of what was driven, about 1 minute behind"
    assert progress(replace(beat, laps_learned=0.4, steps_behind=0))[1].startswith("40 % of your laps; learned in")
    assert progress(Heartbeat(updates=5)) == (1.0, "100 % of what was driven")
    assert [about(s) for s in (3, 31, 56, 130, 7_300)] == [
        "a few seconds", "about 30 seconds", "about 1 minute", "about 2 minutes", "about 2 hours",
    ]  # fmt: skip


def test_a_trainer_says_which_of_what_was_driven_asks_for_no_updates() -> None:
    beat = Heartbeat(state="training", updates=4_000, owed_updates=196_000, steps_behind=196_000, online_steps=1_432_131)
    assert dict(facts_of(beat))["driven"] == "1,432,131 steps (about 20 hours), without laps and evaluations"
    beat = replace(beat, steps_forgiven=1_232_131)
    assert progress(beat)[1] == "2 % of the updates that are asked for, about 3 hours behind"
    more = "; about 17 hours of these ask for no updates (max_debt_steps)"
    assert dict(facts_of(beat))["driven"] == f"1,432,131 steps (about 20 hours), without laps and evaluations{more}"


def test_checkpoints_are_listed_with_what_they_can_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path)]
    (tmp_path / "checkpoints").mkdir()
    with Store(tmp_path / "store.sqlite") as store:
        for k, name in enumerate(("a", "b", "gone", "c"), 1):
            store.add_checkpoint(f"{name}.safetensors", name, 10 * k, k, "train", {})
            if name != "gone":
                (tmp_path / "checkpoints" / f"{name}.safetensors").write_bytes(NO_WEIGHTS)
        store.upsert_corner("mine", "[red]bend", 40.0, 50.0, "track")
    with Recorder(tmp_path / "store.sqlite", session_info(kind="evaluation", track="mine")) as recorder:
        for reached in (60.0, 20.0):
            recorder.begin_episode("evaluation", checkpoint_id=1)
            recorder.step(step_row(0, progress=reached))
            recorder.end_episode("terminated", "off_road", np.zeros(4, np.float32))
    assert main(["checkpoints", *home, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["track"] == "mine"
    assert [(row["name"], row["latest"], row["episodes"]) for row in told["checkpoints"]] == [
        ("c", True, 0), ("b", False, 0), ("a", False, 2),
    ]  # fmt: skip
    assert told["checkpoints"][2]["passed"] == {"[red]bend": 1, "finish": 0}
    assert main(["checkpoints", *home]) == 0
    out = capsys.readouterr().out
    assert "c (latest)" in out
    assert re.search(r"^ 1 +a .* 1 of 2 +0 of 2", out, re.M)
    assert "[red]bend" in out
    assert "1 more was never evaluated" in out
    assert main(["train", "status", *home]) == 1, "no trainer, but what was learned is shown all the same"
    assert re.search(r"passes \[red\]bend +▅  1 of 2", capsys.readouterr().out)


def test_of_a_long_road_only_the_corner_that_fails_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path)]
    (tmp_path / "checkpoints").mkdir()
    with Store(tmp_path / "store.sqlite") as store:
        for k in (1, 2):
            store.add_checkpoint(f"{k}.safetensors", str(k), 10 * k, k, "train", {})
            (tmp_path / "checkpoints" / f"{k}.safetensors").write_bytes(NO_WEIGHTS)
        for k in range(15):
            store.upsert_corner("mine", f"corner {k + 1}", 40.0 * k + 10.0, 40.0 * k + 20.0, "track")
    with Recorder(tmp_path / "store.sqlite", session_info(kind="evaluation", track="mine")) as recorder:
        for checkpoint, reached in ((1, 605.0), (2, 600.0), (2, 175.0)):
            recorder.begin_episode("evaluation", checkpoint_id=checkpoint)
            for t, metres in enumerate(np.arange(0.0, reached + 1.0, 5.0)):
                recorder.step(step_row(t, progress=metres))
            recorder.end_episode("terminated", "off_road", np.zeros(4, np.float32))
    assert main(["checkpoints", *home]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^ 2 +2 \(latest\).* 0 of 2 +corner 5: 1 ", out, re.M), out
    assert re.search(r"^ 1 +1 .* 0 of 1 +all pass ", out, re.M), out
    assert main(["tracks", *home]) == 0
    assert re.search(r"^ mine .* 15 corners ", capsys.readouterr().out, re.M)


def test_status_tells_what_the_trainer_finds_in_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with trainer_lock(tmp_path / "store.sqlite"):
        write_heartbeat(tmp_path, Heartbeat(state="training", finding="The critic tells no actions apart."))
        assert main(["train", "status", "--home", str(tmp_path)]) == 0
        assert re.search("^finding +The critic tells no actions apart.$", capsys.readouterr().out, re.M)
        write_heartbeat(tmp_path, Heartbeat(state="training"))
        assert main(["train", "status", "--home", str(tmp_path)]) == 0
        assert "finding" not in capsys.readouterr().out


def test_of_a_trainer_that_starts_no_figures_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with trainer_lock(tmp_path / "store.sqlite"):
        write_heartbeat(tmp_path, Heartbeat(pid=os.getpid(), state="starting", at=time.time(), ticks=time.monotonic()))
        assert main(["train", "status", "--home", str(tmp_path)]) == 0
        assert capsys.readouterr().out == "state  starting: it reads the store\n"
        before = Heartbeat(pid=os.getpid() + 1, state="training", updates=5_506)
        write_heartbeat(tmp_path, before)
        assert main(["train", "status", "--home", str(tmp_path)]) == 0
        assert capsys.readouterr().out == "A trainer is starting.\n", "that is of the one before, which was killed"
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(draw(Heartbeat(state="starting"), Watch()))
    assert console.export_text().split() == ["state", "starting:", "it", "reads", "the", "store"]


def test_a_heartbeat_that_another_program_has_open_is_waited_for_and_no_trainer_that_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = Heartbeat(pid=os.getpid(), state="stopped", at=time.time(), ticks=time.monotonic())
    write_heartbeat(tmp_path, beat)
    with in_use(tmp_path / NAME):
        with trainer_lock(tmp_path / "store.sqlite"):
            assert main(["train", "status", "--home", str(tmp_path)]) == 0
        said = "A trainer is at work. How it does is in trainer.json, which cannot be read (another program has it open): close"
        assert capsys.readouterr().out.startswith(said)
        with pytest.raises(TrainingError, match=r"The trainer has ended\. trainer\.json says whether it wrote its last"):
            stop(Home(tmp_path), None)
    program = in_use(tmp_path / NAME)
    program.__enter__()
    monkeypatch.setattr("data.files.held.time.sleep", lambda seconds: program.__exit__(None, None, None))
    assert read_heartbeat(tmp_path) == beat, "it was there a moment later"


def test_status_tells_what_is_left_of_a_trainer_that_was_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(beat: Heartbeat) -> str:
        write_heartbeat(tmp_path, replace(beat, state="training"))
        assert main(["train", "status", "--home", str(tmp_path)]) == 1
        return capsys.readouterr().out

    before = "The trainer was killed at 528 updates, before it had written a checkpoint;"
    anew = f"{before} `hitl train --home {tmp_path}` begins anew"
    assert told(Heartbeat(updates=528, laps_learned=0.3)) == f"{anew}, with your laps.\n"
    assert told(Heartbeat(updates=528)) == f"{anew}.\n"
    with Store(tmp_path / "store.sqlite") as store:
        store.add_checkpoint("old.safetensors", "0", 9, 9, "train", {})
    assert told(Heartbeat(updates=528)) == f"{before} `hitl train --home {tmp_path}` goes on from old.safetensors.\n"
    own = Heartbeat(updates=528, checkpoint="old.safetensors")
    assert "killed at 528 updates; `hitl train" in (out := told(own))
    assert "goes on from its last checkpoint" in out


def test_a_broken_heartbeat_is_not_read(tmp_path: Path) -> None:
    assert read_heartbeat(tmp_path) is None
    write_heartbeat(tmp_path, Heartbeat(updates=5))
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.updates == 5
    assert beat.checkpoint_age_s is None
    (tmp_path / "trainer.json").write_text('{"updates": ')
    assert read_heartbeat(tmp_path) is None
