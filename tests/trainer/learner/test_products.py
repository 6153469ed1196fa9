"""Products by the faster of torch's two libraries: never with more rounding, and never for others' products."""

from types import SimpleNamespace

import pytest
import torch

from trainer.learner import products
from trainer.learner.products import fast_products, is_better, onednn_is_better

CPU = torch.device("cpu")
SETTING = getattr(torch.backends.mkldnn, "matmul", None)
needs_setting = pytest.mark.skipif(
    not hasattr(SETTING, "fp32_precision"), reason="this torch does not say which library makes its products"
)


@pytest.mark.parametrize(
    ("errors", "seconds", "better"),
    [
        ([2e-5, 4e-5], [2.0, 1.0], True),
        ([2e-5, 4e-5], [1.0, 1.0], False),  # as fast: MKL, as everywhere
        ([2e-5, 4e-5], [1.2, 1.0], False),  # that may be the machine's noise
        ([2e-5, 6e-2], [4.0, 1.0], False),  # it rounds to 16 bits
    ],
)
def test_only_what_is_clearly_faster_and_as_exact_is_taken(errors: list[float], seconds: list[float], better: bool) -> None:
    assert is_better(errors, seconds) is better


@needs_setting
@pytest.mark.parametrize("better", [True, False])
def test_they_are_exact_and_the_setting_is_as_before_afterwards(better: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "onednn_is_better", lambda: better)
    before = SETTING.fp32_precision  # type: ignore[union-attr]
    a, b = torch.randn(64, 300), torch.randn(300, 70)
    with fast_products(CPU):
        assert (SETTING.fp32_precision == "bf16") is better  # type: ignore[union-attr]
        fast = a @ b
    if onednn_is_better() or not better:  # elsewhere it may round
        torch.testing.assert_close(fast.double(), a.double() @ b.double(), rtol=1e-4, atol=1e-4)
    assert SETTING.fp32_precision == before  # type: ignore[union-attr]
    with pytest.raises(ZeroDivisionError), fast_products(CPU):
        raise ZeroDivisionError
    assert SETTING.fp32_precision == before  # type: ignore[union-attr]


@needs_setting
def test_products_elsewhere_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "onednn_is_better", lambda: True)
    before = SETTING.fp32_precision  # type: ignore[union-attr]
    with fast_products(torch.device("meta")):
        assert SETTING.fp32_precision == before  # type: ignore[union-attr]


def test_a_torch_without_the_setting_makes_them_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends, "mkldnn", SimpleNamespace(is_available=lambda: True))
    onednn_is_better.cache_clear()
    try:
        assert not onednn_is_better()
        with fast_products(CPU):
            pass
    finally:
        onednn_is_better.cache_clear()
