"""Advanced indexing, gather, masks, nonzero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.conversion.harness import check as check_program
from tests.symbolics.harness import check, refuses

X = torch.arange(24.0).reshape(2, 3, 4)
NAN = float("nan")


@st.composite
def indexed(draw: st.DrawFn) -> tuple[list[int], list[Any]]:
    """A shape and an index for it: slices, masks, and integers that are broadcast together."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    common = draw(st.lists(st.integers(0, 3), max_size=2))
    index: list[Any] = []
    count = draw(st.one_of(st.none(), st.integers(0, 4)))
    while len(index) < len(shape) and draw(st.integers(0, 5)):
        size = shape[len(index)]
        kind = draw(st.sampled_from(["slice", "ints", "ints", "mask"]))
        if kind == "slice":
            index.append(slice(None))
        elif kind == "mask" and count is None and not common:
            index.append(torch.tensor(draw(st.lists(st.booleans(), min_size=size, max_size=size))))
            count = -1
        else:
            own = [draw(st.sampled_from([1, d])) for d in common][
                draw(st.integers(0, len(common))) :
            ]
            elements = draw(
                st.lists(
                    st.integers(-size, size - 1),
                    min_size=int(torch.Size(own).numel()),
                    max_size=int(torch.Size(own).numel()),
                )
            )
            index.append(torch.tensor(elements, dtype=torch.int64).reshape(own))
    return shape, index or [slice(None)]


def spread(index: list[Any], tensors: tuple[Tensor, ...]) -> tuple[Any, ...]:
    """The index with its tensors replaced by others."""
    rest = iter(tensors)
    return tuple(next(rest) if isinstance(i, Tensor) else i for i in index)


@settings(max_examples=80, deadline=None)
@given(indexed(), st.booleans())
def test_index_and_index_put(case: tuple[list[int], list[Any]], dynamic: bool) -> None:
    """What is picked, what is replaced, and what is added up, for the same index."""
    shape, index = case
    x = torch.arange(float(torch.Size(shape).numel())).reshape(shape)
    tensors = [i for i in index if isinstance(i, Tensor)]

    def function(x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        at = spread(index, tensors)
        filled = x.clone()
        filled[at] = -1.0
        added = x
        if tensors:
            places = [i if isinstance(i, Tensor) else None for i in at]
            values = torch.ops.aten.index(x, places) + 1
            added = torch.ops.aten.index_put(x, places, values, True)
        return x[at] * 1, filled, added

    check(function, x, *tensors, opsets=(20,), dynamic=dynamic)


PICKED: list[Callable[[Tensor], Any]] = [
    lambda x: x[torch.tensor([1, -1, 0])],
    lambda x: x[:, torch.tensor([[1], [0]])],
    lambda x: x[torch.tensor([1, 0]), :, torch.tensor([[-1], [0]])],
    lambda x: x[..., torch.tensor([2, 0]), torch.tensor([1, -1])],
    lambda x: x[x > 5],
    lambda x: x[:, x[0] > 5],
    lambda x: x[x[..., 0] > 5, torch.tensor(0)],
    lambda x: x[torch.tensor(0), torch.tensor(1)],
    lambda x: x[torch.tensor([], dtype=torch.int64)],
    lambda x: x[:, None, torch.tensor([0, 1])],
    lambda x: x[x[:, 0, 0].gt(3).to(torch.uint8)],
    lambda x: x.index_select(1, torch.tensor([2, 0])),
    lambda x: x.index_select(-1, torch.tensor(1, dtype=torch.int32)),
    lambda x: x.gather(1, torch.tensor([[[0, 2], [1, 1]]])),
    lambda x: x.take(torch.tensor([[0, -1], [5, 5]])),
    lambda x: (x.take_along_dim(x.argmax(1, True), 1), x.take_along_dim(torch.tensor([3, 9]))),
    lambda x: (x.masked_select(x > 4), x.masked_select(x[0, 0] > 1)),
    lambda x: (x.nonzero(), (x > 5).argwhere(), x.nonzero(as_tuple=True), torch.where(x > 3)),
    lambda x: (x[x.sum() > 3], x[:, x.sum() < 3], x[0, 0, 1][x[0, 0, 1] > 0]),
    lambda x: torch.nonzero_static(x, size=30, fill_value=7),
    lambda x: torch.isin(x, x[0, 0]),
    lambda x: (torch.isin(x, 3), torch.isin(x, x[0, :0], invert=True)),
]


@pytest.mark.parametrize("function", PICKED)
def test_picked(function: Callable[[Tensor], Any]) -> None:
    check(function, X)
    check(function, X, opsets=(11, 20), dynamic=True, calls=[(torch.rand(3, 3, 4) * 9,)])


def test_picked_by_a_range_of_sizes() -> None:
    """onnxruntime makes a Slice of it, where negative bounds mean something else."""

    def function(x: Tensor, n: int) -> list[Tensor]:
        size = x.size(0)
        return [
            x[torch.arange(size - 1, -1, -1)],
            x.index_select(1, torch.arange(x.size(1) - 1, -1, -1)),
            x[torch.arange(-size, 0)],
            x[torch.arange(-1, -1 - size, -1)],
            x[torch.arange(0, -size, -1)],
            x[torch.arange(1, size)],
            x[torch.arange(n, 2)],
            x[torch.arange(n + 2, n, -1)],
        ]

    check_program(function, (X, -1), (X, -2), (X[:, :1], -1), (X[:, :0], -2), dynamic=True)


@pytest.mark.parametrize("value", [0, 2.0, True, [0, NAN, 1], [[0, 2], [1, 0]], [[], []]])
def test_nonzero(value: Any) -> None:
    check(lambda x: (x.nonzero(), *x.nonzero(as_tuple=True)), torch.tensor(value))


def test_scalars() -> None:
    index = torch.tensor(0)
    check(lambda x, i: (x.gather(0, i), x.take(i), x.index_select(0, i)), torch.tensor(2.0), index)
    check(lambda x: (x.nonzero(), x.masked_select(x > 0)), torch.tensor(1.0))


def test_one_hot() -> None:
    one_hot = torch.nn.functional.one_hot
    check(lambda x: (one_hot(x), one_hot(x, 5)), torch.tensor([[0, 2], [1, 1]]), dynamic=True)
    check(lambda x: one_hot(x, 4), torch.tensor(2))

    def out_of_range(x: Tensor) -> Tensor:
        return one_hot(torch.tensor([0, 4]), 3) + x

    refuses(out_of_range, torch.ones(3, dtype=torch.int64), mode="script", match="class that is")
    check(lambda x: one_hot(x, 4), torch.zeros(0, 2, dtype=torch.int64))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float16, torch.float64])
def test_dtypes(dtype: torch.dtype) -> None:
    x = X.to(dtype)
    i = torch.tensor([1, 0])
    check(lambda x, i: (x[i], x[:, i, i], x[x > 1], x.gather(2, x[..., :2].long() % 4)), x, i)


def test_gather_by_an_empty_index_of_another_rank() -> None:
    """The result is as empty as the index, also where only the run tells that it is."""
    x, calls = torch.rand(5), [(torch.rand(3), torch.zeros(4, 0, dtype=torch.int64))]
    empty = torch.zeros(2, 0, dtype=torch.int64)
    check(lambda x, i: x.gather(0, i), x, empty)
    check(lambda x, i: x.gather(0, i), x, empty, opsets=(20,), dynamic=True, calls=calls)


def test_the_same_rows_of_all_columns_are_gathered_whole():
    """As graph networks pick the features of an edge's atom."""

    def picked(x, index):
        rows = x.gather(0, index.unsqueeze(-1).expand(-1, x.size(1)))
        columns = x.gather(1, index[:2].expand(x.size(0), 2))
        part = x.gather(0, index.unsqueeze(-1).expand(-1, 2))
        return rows, columns, part

    args = (torch.randn(5, 3), torch.tensor([1, 0, 2, 2]))
    # Of a slice of unknown length it is not known that it has two elements.
    for dynamic, others in ((False, 1), (True, 2)):
        result = check_program(picked, args, dynamic=dynamic)
        assert result.report.operators["GatherElements"] == others


def test_a_mask_that_does_not_fit() -> None:
    """Where a branch certainly fails, the other one is taken, as for all that raises."""

    def read(x, mask):
        return x[mask]

    def written(x, mask):
        x[mask, None] = 0
        return x

    def in_a_branch(x, mask):
        if bool(mask.any()):
            x[mask, None] = 0
        return x

    x, mask = torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.bool)
    for function, other in ((read, mask.t()), (written, mask), (read, mask[0])):
        refuses(function, x, other, mode="script", match="a mask of size")
    refuses(read, x, mask[None], mode="script", match="a mask of 3 dims")
    check(in_a_branch, x, mask, mode="script")
