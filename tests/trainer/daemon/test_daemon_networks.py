"""Every kind of network through the daemon: killed and gone on with, the same to the last bit."""

from pathlib import Path

import pytest
import torch

from tests.support.daemon_runs import ACTIONS, NAMES, SMALL, drive, newest, state, train
from trainer.checkpoints.files import load_policy

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
