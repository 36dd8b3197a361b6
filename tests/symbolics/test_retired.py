"""Operators that today's PyTorch lacks: programs written by hand, beside what replaced them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.symbolics.handwritten import compare, results_of

R = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
PAIRS = np.random.default_rng(1).normal(size=(2, 3, 5, 2)).astype(np.float32)
SYMMETRIC = R[:, :, :3] + R[:, :, :3].swapaxes(1, 2)
LOW_RANK = R[0][:, :2] @ R[1][:2]
MASK = np.array([[True, False, True], [False, False, False], [True, True, True]])


def complex_of(x: torch.Tensor) -> torch.Tensor:
    return torch.view_as_complex(x)


def pairs(x: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(x)


TRANSFORMS: dict[str, tuple[np.ndarray, Callable[[torch.Tensor], torch.Tensor]]] = {
    "torch.fft(a, 1)": (PAIRS, lambda a: pairs(torch.fft.fft(complex_of(a)))),
    "torch.fft(a, 2, True)": (
        PAIRS,
        lambda a: pairs(torch.fft.fftn(complex_of(a), dim=(-2, -1), norm="ortho")),
    ),
    "torch.ifft(a, 2)": (PAIRS, lambda a: pairs(torch.fft.ifftn(complex_of(a), dim=(-2, -1)))),
    "torch.ifft(a, 1, True)": (
        PAIRS,
        lambda a: pairs(torch.fft.ifft(complex_of(a), norm="ortho")),
    ),
    "torch.rfft(a, 2)": (R, lambda a: pairs(torch.fft.rfftn(a, dim=(-2, -1)))),
    "torch.rfft(a, 1, True, False)": (
        R,
        lambda a: pairs(torch.fft.fft(a + 0j, norm="ortho")),
    ),
    "torch.irfft(a, 1)": (PAIRS, lambda a: torch.fft.irfft(complex_of(a))),
    "torch.irfft(a, 2, True, True, [3, 9])": (
        PAIRS,
        lambda a: torch.fft.irfftn(complex_of(a), s=(3, 9), dim=(-2, -1), norm="ortho"),
    ),
}


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("call", TRANSFORMS)
def test_transforms_of_pairs(call: str, opset: int) -> None:
    """Complex numbers were a last dim of two."""
    given, wanted = TRANSFORMS[call]
    compare(results_of(call, "Tensor", given, opset=opset), [wanted(torch.tensor(given))])


def test_irfft_of_all_of_a_spectrum() -> None:
    """Not `onesided`: there are as many real numbers as pairs."""
    signal = torch.tensor(R)
    spectrum = pairs(torch.fft.fft(signal + 0j)).numpy()
    compare(results_of("torch.irfft(a, 1, False, False)", "Tensor", spectrum), [signal])


def test_linear_algebra() -> None:
    """symeig, matrix_rank and solve."""
    both = "Tuple[Tensor, Tensor]"
    values, vectors = results_of("torch.symeig(a, True)", both, SYMMETRIC)
    compare([values], [torch.linalg.eigvalsh(torch.tensor(SYMMETRIC))])
    np.testing.assert_allclose(SYMMETRIC @ vectors, vectors * values[:, None], atol=1e-5)
    values, nothing = results_of("torch.symeig(a, False, False)", both, R[:, :, :3])
    compare([values], [torch.linalg.eigvalsh(torch.tensor(R[:, :, :3]), "L")])
    assert nothing.shape == (0,)
    assert results_of("torch.matrix_rank(a)", "Tensor", LOW_RANK)[0] == 2
    assert results_of("torch.matrix_rank(a, 1e10)", "Tensor", LOW_RANK)[0] == 0
    solution, lu = results_of("torch.solve(a, b)", both, R, SYMMETRIC)
    matrix = torch.tensor(SYMMETRIC)
    compare([solution], [torch.linalg.solve(matrix, torch.tensor(R))])
    compare([lu], [torch.linalg.lu_factor(matrix)[0]])


def test_attention_with_its_weights() -> None:
    """A row that hides everything is NaN; today it is zero."""
    call = "torch._scaled_dot_product_attention(a, a, a, b)"
    found = results_of(call, "Tuple[Tensor, Tensor]", R, MASK)
    scores = torch.tensor(R / 2) @ torch.tensor(R).mT
    weights = scores.masked_fill(~torch.tensor(MASK), -torch.inf).softmax(-1)
    compare(found, [weights @ torch.tensor(R), weights])
    call = "torch._scaled_dot_product_attention(a, a, a, None, 0., True, True)"
    found = results_of(call, "Tuple[Tensor, Tensor]", R)
    compare(
        found[:1],
        [torch.nn.functional.scaled_dot_product_attention(*[torch.tensor(R)] * 3, is_causal=True)],
    )
