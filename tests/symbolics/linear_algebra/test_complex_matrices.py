"""QR factors, singular values and Hermitian eigenvalues of complex matrices, against LAPACK's.

Vectors are determined up to a number of length 1; products and orthonormality are not.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, linalg

from tests.symbolics.harness import check

SHAPES = [(4, 4), (5, 3), (3, 5), (2, 3, 3), (1, 1)]
SQUARES = [shape for shape in SHAPES if shape[-1] == shape[-2]]


def numbers(*shape: int) -> Tensor:
    return torch.randn(
        shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(sum(shape))
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_qr(shape: tuple[int, ...]) -> None:
    """What is on R's diagonal is real, with LAPACK's sign."""
    a = numbers(*shape)
    check(lambda a: (*linalg.qr(a), *linalg.qr(a, mode="complete")), a, opsets=(13, 20))
    check(torch.geqrf, a, opsets=(20,))


def svd(a: Tensor) -> tuple[Tensor, ...]:
    u, s, vh = linalg.svd(a, full_matrices=False)
    return s, u.mH @ u, vh @ vh.mH, (u * s.unsqueeze(-2)) @ vh


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values(shape: tuple[int, ...]) -> None:
    a, b = numbers(*shape), numbers(*shape[:-1], 2)
    check(svd, a, opsets=(13, 20), atol=1e-7)
    check(lambda a: (linalg.svdvals(a), linalg.pinv(a), linalg.matrix_rank(a)), a, opsets=(20,))
    check(lambda a, b: tuple(linalg.lstsq(a, b, driver="gels")), a, b, opsets=(20,))
    check(lambda a: (linalg.matrix_norm(a, 2), linalg.matrix_norm(a, "nuc")), a, opsets=(20,))


def test_lower_rank() -> None:
    """What is left of columns that were equal counts as nothing."""
    v = numbers(4, 1).to(torch.complex64)
    for a in (v @ v.mH, torch.zeros(3, 3, dtype=torch.complex64)):
        check(svd, a, opsets=(20,), rtol=1e-3, atol=1e-4)
        check(lambda a: (linalg.pinv(a), linalg.matrix_rank(a)), a, opsets=(20,), rtol=1e-3)


@pytest.mark.parametrize("shape", SQUARES)
def test_hermitian(shape: tuple[int, ...]) -> None:
    """One triangle is looked at, and of the diagonal the real parts."""

    def facts(a: Tensor) -> tuple[Tensor, ...]:
        values, v = linalg.eigh(a)
        return values, v.mH @ v, (v * values.unsqueeze(-2)) @ v.mH

    a = numbers(*shape)
    for hermitian in (a + a.mH, torch.eye(3) * (2 + 0j)):
        check(facts, hermitian, opsets=(13, 20), atol=1e-6)
    check(lambda a: (linalg.eigvalsh(a), linalg.eigvalsh(a, UPLO="U")), a, opsets=(20,))
    check(lambda a: linalg.pinv(a + a.mH, hermitian=True), a, opsets=(20,))
