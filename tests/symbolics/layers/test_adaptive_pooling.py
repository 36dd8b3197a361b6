"""Pooling to a given size agrees with PyTorch, also where the sizes do not divide."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.symbolics.harness import check

torch.manual_seed(0)
X = torch.randn(2, 3, 7, 10)


@pytest.mark.parametrize("outputs", [1, 2, 3, 5, 7, 9, (None, 5), (7, 10), (1, 4)])
def test_average(outputs: object) -> None:
    """Windows that overlap, that are alike, that are single elements; None keeps a size."""

    def pool(x: torch.Tensor) -> torch.Tensor:
        return F.adaptive_avg_pool2d(x, outputs)

    check(pool, X, opsets=(13, 20))
    check(pool, X, opsets=(20,), dynamic=True)


@pytest.mark.parametrize("outputs", [1, 2, 3, 5, 7, 9, (None, 5)])
def test_maximum(outputs: object) -> None:
    """The positions are those of the first of the largest."""
    image = torch.randint(0, 4, X.shape).float()

    def pool(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return F.adaptive_max_pool2d(x, outputs, return_indices=True)

    check(pool, image, opsets=(13, 20))
    check(pool, image, opsets=(20,), dynamic=True)


def test_a_dynamic_size() -> None:
    """One model pools images of any size."""
    calls = [(torch.randn(1, 3, n, n + 3),) for n in (4, 6, 13)]
    check(lambda x: F.adaptive_avg_pool2d(x, (4, 6)), X, opsets=(20,), dynamic=True, calls=calls)
    check(lambda x: F.adaptive_max_pool2d(x, (4, 6)), X, opsets=(20,), dynamic=True, calls=calls)


def pooled(x: torch.Tensor, rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    sizes = [rows, columns]
    return F.adaptive_avg_pool2d(x, sizes), F.adaptive_max_pool2d(x, sizes)


def test_output_sizes_of_run_time() -> None:
    """Also none at all."""
    calls = [(X, rows, columns) for rows, columns in ((7, 10), (2, 11), (0, 3), (3, 0))]
    bound = torch.jit.script(pooled)
    check(bound, X, 3, 4, mode="script", opsets=(20,), dynamic=True, calls=calls)


def test_infinity_stays_in_its_window() -> None:
    """A product with zero would spread it."""
    x = X.clone()
    x[0, 0, 0, 0] = torch.inf
    check(lambda x: F.adaptive_avg_pool2d(x, (3, 4)), x, opsets=(20,))


@pytest.mark.parametrize("dims", [1, 3])
def test_other_ranks(dims: int) -> None:
    """With and without a batch dim."""
    x = torch.randn(2, 3, *(7, 5, 6)[:dims])
    average = getattr(F, f"adaptive_avg_pool{dims}d")
    largest = getattr(F, f"adaptive_max_pool{dims}d")
    for outputs in (1, 3, 4):
        check(lambda x, o=outputs: (average(x, o), largest(x, o)), x, opsets=(20,))
        check(lambda x, o=outputs: (average(x, o), largest(x, o)), x[0].double(), opsets=(20,))


def test_unpooling() -> None:
    """Zeros between the maxima."""
    values, where = F.max_pool2d(X, 2, return_indices=True)
    check(lambda v, i: F.max_unpool2d(v, i, 2, output_size=(7, 10)), values, where)
    values, where = F.max_pool3d(X[None], 2, return_indices=True)
    unpool = torch.ops.aten.max_unpool3d
    check(lambda v, i: unpool(v, i, [3, 7, 10], [2] * 3, [0] * 3), values, where, opsets=(20,))


@pytest.mark.parametrize("dims", [2, 3])
def test_fractional(dims: int) -> None:
    """The same samples give the same windows."""
    x = torch.randn(2, 3, *(6, 7, 8)[:dims])
    pool = getattr(F, f"fractional_max_pool{dims}d")
    samples = torch.rand(2, 3, dims)
    outputs = (4, 1, 5)[:dims]

    def drawn(x: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return pool(x, 2, outputs, return_indices=True, _random_samples=s)

    check(drawn, x, samples)


def test_fractional_of_a_part_of_a_run_time_size() -> None:
    def drawn(x: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return F.fractional_max_pool2d_with_indices(
            x, 2, None, (0.5, 0.3), return_indices=True, _random_samples=s
        )

    x, y = torch.randn(2, 3, 8, 7), torch.randn(1, 3, 4, 12)
    samples = torch.rand(2, 3, 2)
    calls = [(y, samples[:1]), (x, samples * 0.99)]
    check(drawn, x, samples, mode="script", opsets=(20,), dynamic=True, calls=calls)
