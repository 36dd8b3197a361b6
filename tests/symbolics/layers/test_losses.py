"""Loss functions of regression and of yes-or-no questions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from tests.symbolics.harness import check, refuses

X, Y = torch.randn(3, 4), torch.randn(3, 4)
SIGNS = torch.tensor([1.0, -1.0, 1.0, -1.0]).repeat(3, 1)
P, Q = X.sigmoid(), Y.sigmoid()
REDUCTIONS = ["none", "mean", "sum"]

CASES = {
    "mse": (F.mse_loss, (X, Y), {}),
    "l1": (F.l1_loss, (X, Y), {}),
    "smooth l1": (F.smooth_l1_loss, (X, Y), {"beta": 0.7}),
    "smooth l1, 0": (F.smooth_l1_loss, (X, Y), {"beta": 0.0}),
    "huber": (F.huber_loss, (X, Y), {"delta": 0.7}),
    "bce": (F.binary_cross_entropy, (P, Q), {}),
    "bce weighted": (lambda a, b, **k: F.binary_cross_entropy(a, b, Q, **k), (P, Q), {}),
    "bce edges": (F.binary_cross_entropy, (torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0])), {}),
    "bce logits": (F.binary_cross_entropy_with_logits, (X * 30, Q), {}),
    "bce logits weighted": (
        lambda a, b, **k: F.binary_cross_entropy_with_logits(a, b, P, pos_weight=P[0], **k),
        (X, Q),
        {},
    ),
    "kl": (F.kl_div, (P.log(), Q), {}),
    "kl of zero": (F.kl_div, (P.log(), Q.round()), {}),
    "kl of logarithms": (F.kl_div, (P.log(), Q.log()), {"log_target": True}),
    "soft margin": (F.soft_margin_loss, (X, SIGNS), {}),
    "hinge": (F.hinge_embedding_loss, (X, SIGNS), {"margin": 0.5}),
    "ranking": (lambda a, b, **k: F.margin_ranking_loss(a, b, SIGNS, **k), (X, Y), {"margin": 0.1}),
    "poisson": (F.poisson_nll_loss, (X, Q * 5), {"full": True}),
    "poisson plain": (F.poisson_nll_loss, (P, Q * 5), {"log_input": False}),
    "gaussian": (lambda a, b, **k: F.gaussian_nll_loss(a, b, P, **k), (X, Y), {"full": True}),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", CASES)
def test_losses(name: str, reduction: str) -> None:
    function, inputs, options = CASES[name]
    check(lambda a, b: function(a, b, reduction=reduction, **options), *inputs, opsets=(13, 20))


def test_sizes_may_vary() -> None:
    check(F.mse_loss, X, Y, dynamic=True, calls=[(X[:2], Y[:2]), (X[:0], Y[:0])])


@pytest.mark.parametrize("loss", [F.huber_loss, F.soft_margin_loss])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_losses_of_the_dtype_of_the_input(loss: Any, reduction: str) -> None:
    """A target of another dtype takes no part in the result's, as it does in other losses."""
    for dtype in (torch.float16, torch.float64):
        check(lambda a, b: loss(a, b, reduction=reduction), X, SIGNS.to(dtype), opsets=(20,))


def test_triplets_of_bytes() -> None:
    """Differences wrap around before they become floats."""
    a, b, c = torch.randint(0, 255, (3, 5, 10), dtype=torch.uint8)
    check(F.triplet_margin_loss, a, b, c, opsets=(13, 20))


def normalized(x: torch.Tensor, eps: float) -> torch.Tensor:
    return F.layer_norm(x, [3], eps=eps)


def test_numbers_that_must_be_known() -> None:
    """A number of run time where one is computed with: an error, and one that says so."""
    x = torch.randn(3)
    refuses(normalized, x, 1.0, mode="script", match="a float is only known at run time")
