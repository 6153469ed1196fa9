import json
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from hitl.cli import main
from hitl.screens.train_terminal import draw
from tests.support.daemon_runs import drive, newest, wait_for
from trainer.checkpoints.verdicts import Verdict
from trainer.daemon.control import trainer_lock
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import Heartbeat, read_heartbeat, write_heartbeat

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
        assert "1.00 updates each" in out
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
        assert "waiting for the first steps: `hitl play` drives" in status()
        drive(tmp_path / "store.sqlite")
        wait_for(lambda: (b := read_heartbeat(tmp_path)) is not None and b.online_steps > 0 and b.state == "waiting")
        missing = 500 - newest_steps(tmp_path)
        assert f"waiting for {missing} more driven steps: learning begins after 500 (warmup_steps)" in status()
    finally:
        assert main(["train", "stop", *home]) == 0
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.doing == "stopped"


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
        (["--init", "nothing.safetensors"], 5, "cannot be read"),
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
    assert "ALG.GAMMA" in text


def test_the_view_shows_rates_and_evaluations() -> None:
    watch = Watch()
    watch.best = Verdict(7, 20, 0.9, 0.7, 0.97, 88.0)
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
    for part in ("training", "1,234", "99/s", "7 *", "90%", "70%–97%", "88.0", "a full disk", "! Blind critic."):
        assert part in text


def test_status_tells_what_the_trainer_finds_in_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with trainer_lock(tmp_path / "store.sqlite"):
        write_heartbeat(tmp_path, Heartbeat(state="training", finding="The critic tells no actions apart."))
        assert main(["train", "status", "--home", str(tmp_path)]) == 0
        assert re.search("^finding +The critic tells no actions apart.$", capsys.readouterr().out, re.M)
        write_heartbeat(tmp_path, Heartbeat(state="training"))
        assert main(["train", "status", "--home", str(tmp_path)]) == 0
        assert "finding" not in capsys.readouterr().out


def test_a_broken_heartbeat_is_not_read(tmp_path: Path) -> None:
    assert read_heartbeat(tmp_path) is None
    write_heartbeat(tmp_path, Heartbeat(updates=5))
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.updates == 5
    assert beat.checkpoint_age_s is None
    (tmp_path / "trainer.json").write_text('{"updates": ')
    assert read_heartbeat(tmp_path) is None
