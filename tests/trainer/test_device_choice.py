"""Which device a run learns on: measured where there is a choice, refused in a sentence where it cannot be used."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from data.errors import UsageError
from hitl.commands import train
from tests.support.batches import ACT, OBS, TINY
from trainer import device
from trainer.learner.make import make_learner


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A machine with a graphics card, and how fast each device is (updates a second)."""
    speed: dict[str, Any] = {"cpu": 10.0, "cuda": 100.0}

    def measured(name: str, *_: object) -> float:
        speed.setdefault("asked", []).append(name)
        if isinstance(speed[name], Exception):
            raise speed[name]
        return speed[name]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda n: "GeForce")
    monkeypatch.setattr(device, "updates_per_second", measured)
    device.choose.cache_clear()
    yield speed
    device.choose.cache_clear()


def test_cuda_is_used_where_the_cpu_is_too_slow_and_cuda_is_faster(card: dict[str, Any]) -> None:
    chosen = device.choose("auto", OBS, ACT, TINY)
    assert chosen.name == "cuda"
    assert chosen.why == "It learns on GeForce: 10 updates a second on the CPU, 100 with CUDA."
    device.choose("auto", OBS, ACT, TINY)
    assert card["asked"] == ["cpu", "cuda"], "measured once"


@pytest.mark.parametrize(
    ("cpu", "cuda", "why"),
    [
        (1000.0, 9e9, "which does 1000 updates a second; 40 are needed"),
        (10.0, 11.0, "10 updates a second on the CPU, 11 with CUDA"),
        (10.0, RuntimeError("CUDA out of memory"), "CUDA fails here (CUDA out of memory)"),
    ],
)
def test_else_the_cpu(card: dict[str, Any], cpu: float, cuda: Any, why: str) -> None:
    card.update(cpu=cpu, cuda=cuda)
    chosen = device.choose("auto", OBS, ACT, TINY.with_values(utd=2.0))
    assert chosen.name == "cpu"
    assert why in chosen.why
    assert ("cuda" in card["asked"]) == (cpu < 40), "a processor that is fast enough leaves the card to the game"


def test_without_a_card_nothing_is_measured_and_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device, "updates_per_second", lambda *_: pytest.fail("measured"))
    device.choose.cache_clear()
    assert device.choose("auto", OBS, ACT, TINY) == device.ComputeDevice("cpu", "")
    assert device.choose("cpu", OBS, ACT, TINY) == device.ComputeDevice("cpu", "")


@pytest.mark.parametrize("network", ["mlp", "recurrent"])
def test_a_measurement_learns_from_something(network: str) -> None:
    assert device.updates_per_second("cpu", OBS, ACT, TINY.with_values(network=network, hidden=8)) > 1


@pytest.mark.parametrize(
    ("asked", "built_for", "words"),
    [
        ("cuda", None, "whl/cu"),
        ("cuda", "12.6", "driver"),
        ("cuda:1", None, "whl/cu"),
        ("cdua", None, "give auto, cpu or cuda"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--background"]])
def test_what_cannot_be_used_is_said_at_once(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, asked: str, built_for: str | None, words: str, more: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "version", SimpleNamespace(cuda=built_for))
    with pytest.raises(UsageError, match=words):
        train.main(["--device", asked, "--home", str(tmp_path), *more])
    assert not (tmp_path / "trainer.log").exists()


def test_a_run_of_another_device_goes_on_with_random_numbers_of_its_own() -> None:
    learner = make_learner(OBS, ACT, TINY)
    stored = {**learner.tensors(), "rng.learner": torch.zeros(16, dtype=torch.uint8)}  # as CUDA's generator gives it
    with pytest.raises(RuntimeError):
        learner.load(stored, learner.numbers())
    learner.load(device.for_device(stored, learner), learner.numbers())
    cut = {**stored, "rng.learner": torch.zeros(7, dtype=torch.uint8)}  # damaged, and of no device
    assert device.for_device(cut, learner) is cut
    assert device.for_device(learner.tensors(), learner)["rng.learner"].numel() == 5056
