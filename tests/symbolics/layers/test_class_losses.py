"""Loss functions over classes and vectors."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.symbolics.harness import check

REDUCTIONS = ["none", "mean", "sum"]
SCORES, CLASSES = torch.randn(4, 5), torch.tensor([0, 4, -100, 2])
WEIGHT = torch.rand(5)
IMAGE, LABELS = torch.randn(2, 5, 3, 2), torch.randint(0, 5, (2, 3, 2))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nll(reduction: str) -> None:
    check(lambda x, t: F.nll_loss(x, t, reduction=reduction), SCORES, CLASSES)
    check(lambda x, t, w: F.nll_loss(x, t, w, reduction=reduction), SCORES, CLASSES, WEIGHT)
    check(lambda x, t: F.nll_loss(x, t, ignore_index=2, reduction=reduction), IMAGE, LABELS)
    check(lambda x, t: F.nll_loss(x, t, reduction=reduction), SCORES[0], torch.tensor(3))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy(reduction: str, smoothing: float) -> None:
    def loss(x: torch.Tensor, t: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
        return F.cross_entropy(x, t, w, reduction=reduction, label_smoothing=smoothing)

    check(loss, SCORES, CLASSES, opsets=(9, 13, 20, 26))
    check(loss, SCORES, CLASSES, WEIGHT)
    check(loss, IMAGE, LABELS, WEIGHT)
    check(loss, SCORES, torch.rand(4, 5), WEIGHT)
    check(loss, SCORES[0], torch.tensor(1))


def test_sizes_may_vary() -> None:
    calls = [(torch.randn(7, 3), torch.tensor([0, 1, 2, 0, 1, 2, -100]))]
    check(F.cross_entropy, SCORES, CLASSES, dynamic=True, calls=calls)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_margins(reduction: str) -> None:
    classes = torch.tensor([0, 4, 1, 2])
    check(lambda x, t: F.multi_margin_loss(x, t, reduction=reduction), SCORES, classes)
    check(
        lambda x, t, w: F.multi_margin_loss(x, t, 2, 0.5, w, reduction=reduction),
        SCORES,
        classes,
        WEIGHT,
    )
    labels = torch.tensor([[1, 3, -1, 0, 2], [-1, 0, 1, 2, 3], [0, 1, 2, 3, 4], [2, 2, -1, -1, 4]])
    check(lambda x, t: F.multilabel_margin_loss(x, t, reduction=reduction), SCORES, labels)
    check(lambda x, t: F.multilabel_margin_loss(x, t, reduction=reduction), SCORES[0], labels[0])
    check(
        lambda x, t: F.multilabel_soft_margin_loss(x, t, reduction=reduction),
        SCORES,
        SCORES.sigmoid(),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_vectors(reduction: str) -> None:
    a, b, c = torch.randn(3, 4), torch.randn(3, 4), torch.randn(3, 4)
    sign = torch.tensor([1.0, -1.0, 1.0])
    check(lambda x, y, t: F.cosine_embedding_loss(x, y, t, 0.1, reduction=reduction), a, b, sign)
    # A bool target is never -1.
    alike, settings = sign > 0, {"reduction": reduction}
    check(lambda x, y, t: F.cosine_embedding_loss(x, y, t, **settings), a[:, :1], b, alike)
    check(lambda x, t: F.hinge_embedding_loss(x, t, **settings), a, alike[:, None])
    check(lambda x, y, z: F.triplet_margin_loss(x, y, z, reduction=reduction), a, b, c)
    check(
        lambda x, y, z: F.triplet_margin_loss(x, y, z, 0.5, 1, swap=True, reduction=reduction),
        a,
        b,
        c,
    )
