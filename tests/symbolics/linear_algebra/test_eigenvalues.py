"""Eigenvalues of general matrices: PyTorch's, in another order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, linalg

from tests.symbolics.harness import check, refuses

TURN = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
# x^4 - 10 x^3 + 35 x^2 - 50 x + 24, whose roots are 1, 2, 3, 4.
COMPANION = torch.tensor([[10.0, -35, 50, -24], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])

# One and the same eigenvalue several times, a circle of eigenvalues, pairs, zeros.
MATRICES = {
    "one": torch.full((1, 1), 3.0),
    "identity": torch.eye(3),
    "zeros": torch.zeros(3, 3),
    "ones": torch.ones(4, 4),
    "triangle": torch.arange(16.0).reshape(4, 4).tril(),
    "Jordan block": 2 * torch.eye(3) + torch.diag(torch.ones(2), 1),
    "permutation": torch.eye(5).roll(1, 0),
    "pairs": torch.block_diag(TURN, 2 * TURN, torch.eye(2)),
    "companion": COMPANION,
    "scales": torch.tensor([[1e-6, 3.0], [1e-7, 1e3]]),
}


def invariants(w: Tensor) -> tuple[Tensor, ...]:
    """What the order makes no difference to."""
    return w.sum(-1), w.prod(-1), (w * w).sum(-1), w.abs().sort(-1)[0], w.imag.sort(-1)[0]


@pytest.mark.parametrize("name", MATRICES)
def test_values(name: str) -> None:
    """Real eigenvalues of real matrices have no imaginary part."""
    a = MATRICES[name].double()

    def function(a: Tensor) -> tuple[Tensor, ...]:
        w = linalg.eigvals(a)
        return *invariants(w), (w.imag == 0).sum(-1)

    check(function, a, opsets=(20,), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_vectors(dtype: torch.dtype) -> None:
    """A v = w v, of length 1 and independent, for each matrix of a batch."""

    def function(a: Tensor) -> tuple[Tensor, ...]:
        w, v = linalg.eig(a)
        return (
            *invariants(w),
            a.to(v.dtype) @ v - v * w.unsqueeze(-2),
            v.norm(dim=-2),
            v.det().abs(),
        )

    a = torch.randn(2, 4, 4, dtype=dtype, generator=torch.Generator().manual_seed(3))
    check(function, a, opsets=(13, 20), rtol=1e-3, atol=1e-4)
    check(linalg.eig, torch.zeros(2, 0, 0, dtype=dtype), opsets=(20,))


def test_sizes_that_must_be_known() -> None:
    refuses(linalg.eigvals, torch.randn(3, 3), match="size is only known", dynamic=True)
