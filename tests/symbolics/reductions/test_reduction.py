"""Sums, products, extremes and truth values, against eager PyTorch."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check

NAN, INF = float("nan"), float("inf")
SPECIAL = torch.tensor([[1, NAN, 3, INF, -2], [3, 3, -INF, 2, 3], [INF, NAN, INF, NAN, 1]])
INTS = torch.tensor([[3, -1, 3], [0, 2**40 + 1, 2**52]])
INPUTS = {
    "special": SPECIAL,
    "ints": INTS,
    "int8": torch.tensor([[100, 100], [-3, 0]], dtype=torch.int8),
    "bools": torch.tensor([[True, False], [False, False]]),
    "half": torch.tensor([[60000.0, 60000.0], [0.5, -1.0]], dtype=torch.float16),
    "double": torch.tensor([[0.1, 0.2]], dtype=torch.float64),
    "scalar": torch.tensor(3.0),
}
WHOLE = [torch.sum, torch.prod, torch.amax, torch.min, torch.any, torch.all, torch.count_nonzero]
FLOAT_ONLY = [torch.mean, torch.nansum, torch.nanmean]


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("function", WHOLE, ids=lambda f: f.__name__)
def test_whole(function, name) -> None:
    """A reduction of everything, at the lowest, the default and the newest target."""
    check(function, INPUTS[name])


@pytest.mark.parametrize("function", FLOAT_ONLY, ids=lambda f: f.__name__)
def test_whole_floats(function) -> None:
    check(function, SPECIAL)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, -1])
@pytest.mark.parametrize(
    "function",
    [torch.sum, torch.amax, torch.amin, torch.max, torch.min, torch.argmax, torch.argmin,
     torch.any, torch.all, torch.logsumexp],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_one_dim(function, dim, keepdim) -> None:
    """NaN wins every extreme, and its first index; ties give the first index."""
    check(lambda x: function(x, dim, keepdim), SPECIAL, opsets=(13, 20))
    check(lambda x: function(x, dim, keepdim), INTS, opsets=(20,))
    check(lambda x: function(x, dim, keepdim), torch.tensor(2.0), opsets=(20,))


@pytest.mark.parametrize("dim", [[], None, [0, 2], (1,)])
def test_lists_of_dims(dim) -> None:
    x = torch.arange(24.0).reshape(2, 3, 4)
    check(lambda x: (x.sum(dim), x.mean(dim, keepdim=True)), x)
    if dim is not None:
        check(lambda x: (x.amax(dim), torch.any(x, dim=dim), torch.all(x, dim=dim)), x)


def test_nothing_to_reduce() -> None:
    """Sums of nothing are 0, products 1, means NaN; `any` is false, `all` true."""
    x = torch.zeros(2, 0)
    check(lambda x: (x.sum(1), x.prod(1), x.mean(1), x.any(1), x.all(1), x.logsumexp(1)), x)
    check(lambda x: (x.mean(1), x.sum(-1)), torch.ones(2, 3), dynamic=True, calls=[(x,)])


def test_half_mean() -> None:
    """The sum of halves may overflow where their mean does not."""
    check(torch.mean, INPUTS["half"])


def test_dtypes() -> None:
    ints = torch.tensor([200, 100], dtype=torch.uint8)
    check(lambda x: (x.sum(dtype=torch.uint8), x.sum(), x.prod(dtype=torch.float64)), ints)
    check(lambda x: (x.mean(dtype=torch.float32), x.any()), ints)


def test_arguments_of_everything() -> None:
    x = torch.tensor([[1.0, 7.0], [7.0, NAN]])
    check(lambda x: (x.argmax(), x.argmin(keepdim=True), *torch.aminmax(x, dim=0)), x)


def test_other_and_trace() -> None:
    check(torch.max, SPECIAL, torch.tensor([0.0, 1, NAN, 2, 3]))
    check(lambda x: (x.trace(), x[:2].trace(), x[:, :1].trace()), INTS, dynamic=True)
