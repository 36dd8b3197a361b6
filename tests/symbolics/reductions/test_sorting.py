"""Sorting with NaN and ties, medians, quantiles, searching, counting, unique."""

from __future__ import annotations

import warnings

import pytest
import torch

from tests.symbolics.harness import check

NAN, INF = float("nan"), float("inf")
SPECIAL = torch.tensor([[1, NAN, 3, INF, -2], [3, 3, -INF, 2, 3], [INF, NAN, INF, NAN, 1]])
INTS = torch.tensor([[3, -1, 3, 2**53 + 1, 2**53], [0, 2, 0, 2, 0]])


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    "x",
    [SPECIAL, SPECIAL.double(), SPECIAL.half(), INTS, INTS.to(torch.int8), INTS > 0,
     torch.tensor(1.0), torch.zeros(2, 0)],
    ids=["float", "double", "half", "int64", "int8", "bool", "scalar", "empty"],
)  # fmt: skip
def test_sort(x, descending) -> None:
    """NaN is the largest, equal elements keep their order."""
    check(lambda x: torch.sort(x, descending=descending), x, opsets=(13, 20))
    check(lambda x: torch.argsort(x, dim=0, stable=True, descending=descending), x, opsets=(20,))


def test_topk() -> None:
    x = torch.tensor([[5.0, NAN, 1, 7], [2, -INF, INF, 0]])
    check(lambda x: (*x.topk(2), *x.topk(3, largest=False), *x.topk(1, dim=0)), x)

    def some(x: torch.Tensor, k: int) -> torch.Tensor:
        return x.topk(k)[0]

    check(some, x, 2, mode="script", calls=[(x, 0), (x, 4)])


def test_order_statistics() -> None:
    x = torch.tensor([[5.0, NAN, 1, 7, 2], [2, -INF, INF, 0, 9]])
    check(lambda x: (x.median(), *x.median(1), x.nanmedian(), *x.nanmedian(1, keepdim=True)), x)
    calls = [(torch.randn(size),) for size in ((0, 3), (2, 0), (1, 1))]
    for function in (torch.median, torch.nanmedian):
        check(function, torch.randn(3, 4), opsets=(20,), dynamic=True, calls=calls)
        check(function, torch.zeros(0, 3), opsets=(20,))
    check(lambda x: (*x.kthvalue(2), *x.median(0)), torch.tensor([[4, 1, 9], [3, 0, 8]]))
    check(lambda x: (*x.mode(), *x.mode(0, keepdim=True)), INTS)


@pytest.mark.parametrize("function", [torch.quantile, torch.nanquantile])
@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles(interpolation, function) -> None:
    x, q = torch.tensor([[5.0, NAN, 1, 7], [2, -3, 8, 0]]), torch.tensor([0.1, 0.5, 0.9])
    options = {"interpolation": interpolation}
    check(lambda x, q: function(x, q, 1, **options), x, q, opsets=(20,))
    check(lambda x: function(x, 0.3, keepdim=True, **options), x, opsets=(20,))


@pytest.mark.parametrize("correction", [None, 0, 1, 1.5, 10])
def test_variances(correction) -> None:
    x = torch.randn(2, 3, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(lambda x: torch.var(x, 2, correction=correction), x)
        check(lambda x: torch.std_mean(x, [0, 1], correction=correction, keepdim=True), x)


def test_variance_of_half_and_dynamic() -> None:
    check(lambda x: (x.std(), x.var(0)), torch.randn(4, 5).half())
    check(lambda x: x.var(1), torch.randn(2, 3), dynamic=True, calls=[(torch.randn(3, 7),)])
    check(lambda x: (torch.cov(x), torch.corrcoef(x)), torch.randn(3, 5))
    check(lambda x: (torch.cov(x), torch.corrcoef(x)), torch.randn(1, 5))
    points, weights = torch.randn(3, 5, dtype=torch.complex64), torch.rand(5)
    check(lambda x: (torch.cov(x), torch.corrcoef(x)), points, opsets=(13, 20))
    check(lambda x, w: torch.cov(x, aweights=w), points, weights, opsets=(20,))
    # The covariance of one row is a number, and how many there are may be known at run time.
    calls = [(torch.randn(n, m),) for n, m in ((1, 5), (4, 7), (1, 2))]
    for function in (torch.cov, torch.corrcoef):
        check(function, torch.randn(3, 5), opsets=(20,), dynamic=True, calls=calls)


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("count", [5, 300])
def test_searching(count, right) -> None:
    """Few boundaries are compared, many searched by halves."""
    edges = torch.linspace(-2, 2, count).round(decimals=1)
    values = torch.tensor([[-3.0, -2, 0, NAN], [1.0, 2, INF, 0.05]])
    check(lambda e, v: torch.searchsorted(e, v, right=right), edges, values)
    check(lambda e, v: torch.bucketize(v, e, out_int32=True, right=right), edges, values)
    rows = torch.stack([edges, edges + 1])
    check(lambda e, v: torch.searchsorted(e, v, right=right), rows, values, dynamic=True)


def test_counting() -> None:
    x = torch.tensor([0, 3, 3, 1])
    check(lambda x: torch.bincount(x, minlength=2), x, dynamic=True, calls=[(x[:0],), (x * 3,)])
    check(lambda x, w: torch.bincount(x, w), x, torch.rand(4))


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.uint8, torch.bool])
def test_unique(dtype) -> None:
    x = torch.tensor([[1, 0, 1], [1, 0, 1], [0, 0, 2]]).to(dtype)
    check(lambda x: torch.unique(x, return_inverse=True, return_counts=True), x)
    check(lambda x: torch.unique(x, dim=0), x)
    check(lambda x: torch.unique_consecutive(x, return_inverse=True, return_counts=True), x)
    check(lambda x: torch.unique_consecutive(x, dim=0, return_counts=True), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_each_nan_is_unique(dtype: torch.dtype) -> None:
    """NaN come last, in the order in which they are found."""
    x = torch.tensor([NAN, 2, 0, -0.0, NAN, INF, 2, -INF]).to(dtype)
    check(
        lambda x: torch.unique(x, return_inverse=True, return_counts=True),
        x.reshape(2, 4),
        dynamic=True,
        calls=[(x[:1, None],), (x[1:4, None],), (x[:0, None],)],
    )
