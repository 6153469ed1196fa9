"""Every kind of network through the daemon: killed and gone on with, the same to the last bit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from data.errors import UsageError
from hitl.cli import main
from hitl.home import Home
from hitl.settings import load
from tests.support.daemon_runs import ACTIONS, NAMES, SMALL, drive, newest, state, train
from trainer.checkpoints.files import load_policy
from trainer.daemon.daemon import Daemon
from trainer.daemon.wish import Wish

KINDS = {
    "recurrent": {"rnn_size": 6, "rnn_layers": 2, "sequence": 4, "burn_in": 3},
    "cnn": {"image": (1, 1, 2), "cnn_filters": (3,), "cnn_output": 4},
}


@pytest.mark.parametrize("network", KINDS)
def test_interrupted_and_uninterrupted_agree_bit_for_bit(tmp_path: Path, network: str) -> None:
    config = SMALL.with_values(
        network=network, bc_weight=3.0, learn_alpha=True, actor_average=0.99, utd=0.5, **KINDS[network]
    )
    results = []
    for cuts in ([], [9, 10, 20]):
        root = tmp_path / f"home{len(cuts)}"
        root.mkdir()
        drive(root / "store.sqlite", 30, 3)
        for cut in cuts:
            train(root, cut, config)
        results.append(train(root, None, config))
    one, other = results
    assert one.training.learner.updates == other.training.learner.updates == 35
    for name, value in state(one).items():
        assert torch.equal(value, state(other)[name]), name
    actor, meta = load_policy(root / "checkpoints" / newest(root).name)
    assert (meta.observation_names, meta.action_names) == (NAMES, ACTIONS)
    seen = torch.randn(5, 3)
    assert torch.equal(actor.act(seen), other.training.learner.average.act(seen))


@pytest.mark.parametrize(
    ("begun", "asked"),
    [
        ({}, {"network": "cnn"}),
        ({}, {"network": "cnn", "image": [1, 2, 2]}),
        ({}, {"network": "recurrent"}),
        ({"frozen_agent": True}, {"network": "recurrent"}),
        ({"network": "recurrent", **KINDS["recurrent"]}, {"network": "mlp", "frozen_agent": True}),
        ({"network": "cnn", **KINDS["cnn"]}, {"network": "mlp"}),
    ],
)
def test_a_run_keeps_its_networks_whatever_others_are_asked_for(
    tmp_path: Path, begun: dict[str, Any], asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    drive(tmp_path / "store.sqlite", 40, 2)
    before = train(tmp_path, 5, SMALL.with_values(**begun)).training.config
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in asked.items())
    (tmp_path / "settings.toml").write_text(f"[train]\n{''.join(lines)}")
    said: list[str] = []
    daemon = Daemon(tmp_path, Wish.of(load(Home(tmp_path)).train), say=said.append)
    daemon.stop = lambda: daemon.training is not None
    daemon.run()
    assert daemon.training.config == before
    assert any(text.startswith("The networks keep the shape") and "network" in text for text in said)
    assert main(["config", "show", "--home", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["train"]
    for name in asked:
        assert told[name] == {"value": daemon.training.config.to_dict()[name], "from": "this run"}
    with pytest.raises(UsageError, match=f"has network = {before.network}, so it cannot go on with another"):
        train(tmp_path, 6, Wish.of({}).config.with_values(network=asked["network"]), insisted=frozenset({"network"}))
