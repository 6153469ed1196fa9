import math

import pytest
import torch
from torch import nn

from tests.support.batches import TINY, numeric
from trainer.daemon.process_tuning import flushing_denormals
from trainer.learner.flat import FlatOptimiser, FlatParameters
from trainer.networks.actor_critic import Actor, Critics, Squash
from trainer.networks.mlp import MlpEnsemble


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("shared", [True, False])
@torch.no_grad()
def test_hand_written_backward(layer_norm: bool, shared: bool) -> None:
    torch.manual_seed(0)
    net = MlpEnsemble(3, 4, 2, 6, 2, layer_norm).double()
    flat = FlatParameters(net)
    x = torch.randn((5, 4) if shared else (3, 5, 4), dtype=torch.float64)
    g = torch.randn((3, 5, 2), dtype=torch.float64)
    for _ in range(2):  # the second time in used memory
        flat.zero()
        g_x = net.run(x).back(g, inputs=True)
    assert g_x is not None
    torch.testing.assert_close(g_x, numeric(lambda: (net(x) * g).sum(), x), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(flat.gradient, numeric(lambda: (net(x) * g).sum(), flat.values), rtol=1e-5, atol=1e-7)


@torch.no_grad()
def test_two_passes_may_be_open_at_once() -> None:
    net = MlpEnsemble(2, 4, 2, 6, 2)
    flat = FlatParameters(net)
    x, y, g = torch.randn(5, 4), torch.randn(5, 4), torch.randn(2, 5, 2)
    net.run(x).back(g)
    net.run(y).back(g)
    expected = flat.gradient.clone()
    flat.zero()
    first, second = net.run(x), net.run(y)
    net(torch.randn(5, 4))
    first.back(g)
    second.back(g)
    torch.testing.assert_close(flat.gradient, expected)


def test_ensemble_is_so_many_ordinary_networks() -> None:
    torch.manual_seed(0)
    net = MlpEnsemble(2, 4, 3, 8, 2, True)
    x = torch.randn(5, 4)
    for e in range(2):
        h = x
        for i in range(2):
            h = h @ getattr(net, f"weight{i}")[e] + getattr(net, f"bias{i}")[e]
            h = nn.functional.layer_norm(
                h, (8,), getattr(net, f"gain{i}")[e, 0], getattr(net, f"shift{i}")[e, 0]
            ).relu()
        h = h @ net.weight2[e] + net.bias2[e]
        torch.testing.assert_close(net(x)[e], h)
    torch.testing.assert_close(net(x, members=torch.tensor([1])), net(x)[1:])


@torch.no_grad()
def test_squashed_sample_and_the_textbook_density() -> None:
    head = torch.randn(6, 4, dtype=torch.float64)
    noise = torch.randn(6, 2, dtype=torch.float64)
    squash = Squash(head, noise)
    mean, log_std = head.chunk(2, -1)
    u = mean + log_std.exp() * noise
    normal = torch.distributions.Normal(mean, log_std.exp())
    expected = (normal.log_prob(u) - torch.log(1 - u.tanh() ** 2)).sum(-1)
    torch.testing.assert_close(squash.log_density, expected)


def test_log_std_is_held_and_may_only_come_back_in() -> None:
    head, noise, one = torch.tensor([[0.0, 5.0]]), torch.tensor([[0.1]]), torch.ones(1, 1)
    squash = Squash(head, noise)
    assert float(squash.action) == pytest.approx(math.tanh(0.1 * math.exp(2)))
    assert float(squash.back(-one, one[0, 0])[0, 1]) == 0  # would go farther out
    assert float(squash.back(one, one[0, 0])[0, 1]) > 0
    narrow = Squash(head, noise, -1.0)
    assert float(narrow.action) == pytest.approx(math.tanh(0.1 * math.exp(-1)))
    assert float(Squash(torch.tensor([[0.0, -30.0]]), noise).back(one, -one[0, 0])[0, 1]) == 0


def test_flat_adam_is_torch_adam() -> None:
    for kwargs in ({}, {"weight_decay": 0.1}):
        torch.manual_seed(0)
        ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
        theirs.load_state_dict(ours.state_dict())
        flat = FlatParameters(ours)
        optimiser = FlatOptimiser(flat, betas=(0.9, 0.99), **kwargs)
        kind = torch.optim.AdamW if "weight_decay" in kwargs else torch.optim.Adam
        reference = kind(theirs.parameters(), lr=1e-2, betas=(0.9, 0.99), weight_decay=sum(kwargs.values()))
        for step in range(5):
            x = torch.randn(4, 3)
            flat.zero()
            ours(x).square().sum().backward()
            reference.zero_grad()
            theirs(x).square().sum().backward()
            if step == 3:
                norm = flat.clip(0.5)
                torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(theirs.parameters(), 0.5))
            optimiser.step(1e-2)
            reference.step()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_actor_acts_within_bounds_and_greedily() -> None:
    actor = Actor(4, 2, TINY.with_values(init_gas_bias=3.0))
    x = torch.randn(7, 4)
    greedy = actor.act(x)
    torch.testing.assert_close(greedy, actor.act(x, deterministic=True))
    assert float(greedy[:, 0].mean()) > 0.9
    sample = actor.act(x, deterministic=False, generator=torch.Generator().manual_seed(0))
    assert float((sample - greedy).abs().max()) > 0.01
    assert float(sample.abs().max()) <= 1


@pytest.mark.parametrize("network", ["mlp", "residual", "simba"])
def test_every_network_fits_a_function_a_linear_one_cannot(network: str) -> None:
    config = TINY.with_values(network=network, hidden=32, critics=2, quantiles=3, drop_per_critic=1)
    torch.manual_seed(0)
    critics = Critics(10, 2, config)
    flat = FlatParameters(critics)
    optimiser = FlatOptimiser(flat)
    before = flat.values.clone()

    def error(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return z - (x[:, 0] * x[:, 10])[:, None]  # observation times action

    for _ in range(500):
        x = torch.rand(64, 12) * 2 - 1
        flat.zero()
        tape = critics.run(x)
        tape.back(2 * error(x, tape.out) / tape.out.numel())
        optimiser.step(5e-3)
    x = torch.rand(256, 12) * 2 - 1
    assert float(error(x, critics(x)).square().mean()) < 0.05  # a constant: 0.11
    assert float((flat.values != before).float().mean()) > 0.99  # every parameter takes part
    torch.testing.assert_close(critics(x, members=torch.tensor([1])), critics(x)[1:])


def test_averages_of_weights_without_a_gradient_end_at_zero() -> None:
    """Not in numbers next to zero, on which processors are slow."""
    flat = FlatParameters(nn.Linear(3, 2))
    optimiser = FlatOptimiser(flat)
    flat.gradient.fill_(1.0)
    optimiser.step(1e-3)
    flat.zero()
    with flushing_denormals():
        for _ in range(1000):
            optimiser.step(1e-3)
    assert not optimiser.first.any()
    assert torch.tensor(1e-39).mul(1.0) > 0  # and outside of the block all numbers count again
