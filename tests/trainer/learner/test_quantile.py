import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from trainer.learner import plain as paper
from trainer.learner.quantile import midpoints, quantile_huber


def plain(z: torch.Tensor, y: torch.Tensor, tau: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    each = paper.quantile_huber(z, y, tau)
    return (each if weight is None else each * weight).mean()


@pytest.mark.parametrize("method", ["stream", "prefix", "pairs"])
@settings(max_examples=examples(60), deadline=None)
@given(
    seed=st.integers(0, 10**6),
    critics=st.integers(1, 4),
    rows=st.integers(1, 5),
    width=st.integers(1, 9),
    count=st.integers(1, 12),
    spread=st.sampled_from([0.1, 1.0, 30.0]),
    offset=st.sampled_from([0.0, -50.0, 200.0]),
    weighted=st.booleans(),
)
def test_loss_and_gradient_are_those_of_the_plain_form(
    method: str,
    seed: int,
    critics: int,
    rows: int,
    width: int,
    count: int,
    spread: float,
    offset: float,
    weighted: bool,
) -> None:
    g = torch.Generator().manual_seed(seed)
    z = (torch.randn(critics, rows, width, generator=g, dtype=torch.float64) * spread + offset).requires_grad_()
    y = (torch.randn(rows, count, generator=g, dtype=torch.float64) * spread + offset).sort(1).values
    tau = midpoints(width, torch.float64)
    weight = torch.rand(rows, generator=g, dtype=torch.float64) if weighted else None
    expected = plain(z, y, tau, weight)
    (gradient,) = torch.autograd.grad(expected, z)
    loss, ours = quantile_huber(z.detach(), y, tau, weight=weight, method=method)
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(ours, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["stream", "prefix", "pairs"])
def test_targets_exactly_on_a_prediction_and_on_the_knots(method: str) -> None:
    z = torch.tensor([[[0.0, 1.0, 2.0]]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[-1.0, 0.0, 1.0, 1.0, 2.0, 3.0]], dtype=torch.float64)
    tau = midpoints(3, torch.float64)
    (gradient,) = torch.autograd.grad(plain(z, y, tau), z)
    torch.testing.assert_close(quantile_huber(z.detach(), y, tau, method=method)[1], gradient)


def test_single_precision_keeps_its_digits_far_from_zero() -> None:
    z = torch.randn(2, 64, 25) * 5 + 100
    y = (torch.randn(64, 46) * 5 + 100).sort(1).values
    tau = midpoints(25)
    exact = quantile_huber(z.double(), y.double(), tau.double())[1].float()
    for method in ("stream", "prefix", "pairs"):
        ours = quantile_huber(z, y, tau, method=method)[1]
        assert float((ours - exact).abs().max()) < 2e-5 * float(exact.abs().max())
