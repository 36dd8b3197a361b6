"""Square roots of matrices, which came with PyTorch 2.14: beside decompositions that give them."""

import numpy as np
import pytest
import torch

from tests.symbolics.handwritten import compare, results_of

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("opset", [11, 20])
@pytest.mark.parametrize("shape", [(3, 3), (2, 1, 4, 4), (1, 1), (0, 0), (2, 0, 0)])
def test_of_symmetric_matrices(shape: tuple[int, ...], opset: int) -> None:
    factor = RNG.normal(size=shape).astype(np.float32)
    square = factor @ factor.swapaxes(-1, -2)
    # Of the upper triangle nothing is read.
    given = square + np.triu(np.ones(shape, np.float32), 1)
    values, vectors = torch.linalg.eigh(torch.tensor(square))
    root = vectors @ torch.diag_embed(values.clamp(min=0).sqrt()) @ vectors.mT
    compare(results_of("torch.linalg_matrix_sqrth(a)", "Tensor", given, opset=opset), [root])


def test_eigenvalues_below_zero_count_as_zero() -> None:
    given = np.array([[1.0, 2.0], [2.0, 1.0]])
    root = torch.full((2, 2), 0.75**0.5, dtype=torch.float64)
    compare(results_of("torch.linalg_matrix_sqrth(a)", "Tensor", given), [root])


@pytest.mark.parametrize("shape", [(4, 3), (3, 3), (2, 5, 2), (2, 0), (0, 0)])
def test_polar(shape: tuple[int, ...]) -> None:
    """The first is the nearest matrix of orthonormal columns."""
    given = RNG.normal(size=shape).astype(np.float32)
    u, s, vh = torch.linalg.svd(torch.tensor(given), full_matrices=False)
    wanted = [u @ vh, vh.mT @ torch.diag_embed(s) @ vh]
    compare(results_of("torch.linalg_polar(a)", "Tuple[Tensor, Tensor]", given), wanted)


def test_polar_of_complex_numbers() -> None:
    given = RNG.normal(size=(3, 2, 2)).astype(np.float32)
    matrix = torch.view_as_complex(torch.tensor(given))
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    polar = "torch.linalg_polar(torch.view_as_complex(a))"
    for part, wanted in enumerate((u @ vh, vh.mH @ torch.diag_embed(s).to(vh.dtype) @ vh)):
        found = results_of(f"torch.view_as_real(({polar})[{part}])", "Tensor", given)
        compare(found, [torch.view_as_real(wanted)])
