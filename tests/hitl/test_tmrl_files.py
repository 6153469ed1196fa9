"""Files that lie in a tmrl user's folders and are no laps and no agents: each is named for what it is, with what to do."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputFileError
from hitl.agents.archives import tensors_of
from hitl.cli import main
from hitl.home import Home

SAMPLE = (np.zeros(3, np.float32), [np.zeros(4, np.float32)], 0.0, False, False, {})


def refused(tmp_path: Path, name: str, data: bytes, capsys: pytest.CaptureFixture[str]) -> str:
    """What `hitl import` says of a file, which it does not take."""
    (tmp_path / name).write_bytes(data)
    assert main(["import", "--home", str(tmp_path / "home"), str(tmp_path / name), "--keep-observations"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "1 was refused:" in said
    return said.partition("1 was refused: ")[2]


def test_the_replay_memory_of_its_trainer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = 20
    memory = [list(range(rows)), *([[0.0] * rows] * 8)]
    said = refused(tmp_path, "data.pkl", pickle.dumps(memory), capsys)
    assert said.startswith("data.pkl: it is the replay memory of tmrl's trainer")
    assert "hitl play --env tmrl" in said


def test_a_maps_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(tmp_path, "reward.pkl", pickle.dumps(np.zeros((50, 3))), capsys)
    assert said.startswith("reward.pkl: it is a map's line")
    assert "--track" in said


def test_actions_that_are_no_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = (np.full(3, np.nan, np.float32), *SAMPLE[1:])
    said = refused(tmp_path, "nan.pkl", pickle.dumps([SAMPLE, bad, SAMPLE]), capsys)
    assert said.startswith("nan.pkl: its actions are not all numbers")
    far = (np.full(3, 7, np.float32), *SAMPLE[1:])
    assert "leave the range -1 to 1" in refused(tmp_path, "far.pkl", pickle.dumps([SAMPLE, far, SAMPLE]), capsys)


def test_a_cut_file_is_named_once_and_an_empty_one_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = pickle.dumps([SAMPLE] * 5)
    assert refused(tmp_path, "cut.pkl", whole[: len(whole) // 2], capsys).startswith("cut.pkl: cannot be used:")
    assert refused(tmp_path, "none.pkl", b"", capsys).startswith("none.pkl: cannot be used: it is empty")


def test_what_its_trainer_goes_on_from_is_no_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run_t.tcpt").write_bytes(b"PK")
    how = ["--agent", str(tmp_path / "run_t.tcpt"), "--headless", "--pad", "none", "--episodes", "1"]
    assert main(["play", "--env", "box2d", "--home", str(Home(tmp_path / "home").root), *how]) == 3
    assert "give the agent that it wrote for its workers, a .tmod" in " ".join(capsys.readouterr().err.split())


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit",)


def test_weights_that_are_empty_and_those_that_run_code() -> None:
    with pytest.raises(InputFileError, match=r"'a\.tmod' is empty"):
        tensors_of(b"", "a.tmod")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputFileError, match="without running what is in it"):
            tensors_of(pickle.dumps({"a": Evil()}, protocol=4), "evil.tmod")
