"""Writing to elements that tensors point at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx_ir as ir
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.conversion.harness import check as check_program
from tests.symbolics.harness import captured, check, export, loaded, refuses, run

X = torch.arange(24.0).reshape(2, 3, 4)
NAN = float("nan")
DTYPES = [torch.float32, torch.int64, torch.float16, torch.uint8]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["sum", "prod", "mean", "amax", "amin"]),
    st.booleans(),
    st.lists(st.integers(0, 2), min_size=1, max_size=6),
    st.sampled_from(DTYPES),
    st.booleans(),
)
def test_reductions(
    reduce: str, include_self: bool, places: list[int], dtype: torch.dtype, dynamic: bool
) -> None:
    """Of elements and of slices; places come repeatedly, or not at all."""
    x = torch.tensor([[5, 2], [7, 3], [1, 8]]).to(dtype)
    source = (torch.arange(2 * len(places)).reshape(-1, 2) * 3 - 4).to(dtype)
    index = torch.tensor(places)

    def function(x: Tensor, index: Tensor, source: Tensor) -> Any:
        columns = index[:, None].expand(-1, 2)
        scattered = x.scatter_reduce(0, columns, source, reduce, include_self=include_self)
        if reduce == "sum":
            return scattered
        return scattered, x.index_reduce(0, index, source, reduce, include_self=include_self)

    check(function, x, index, source, opsets=(20,), dynamic=dynamic)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_added_up(dtype: torch.dtype) -> None:
    """Where onnxruntime's kernels have no reductions of them."""

    def function(x: Tensor, i: Tensor) -> Any:
        x = x.to(dtype)
        bags = torch.nn.functional.embedding_bag(i, x[:, None], torch.tensor([0, 2, 2]), mode="sum")
        return bags.float(), torch.histc(x, 4).float(), x.scatter_add(0, i, x[:4]).float()

    check(function, torch.arange(5.0), torch.tensor([1, 4, 1, 0]))


def test_nan_wins_comparisons() -> None:
    x, source = torch.tensor([1.0, NAN, 3.0, 4.0]), torch.tensor([NAN, 5.0, 9.0, 2.0])
    index = torch.tensor([0, 1, 2, 2])
    for reduce in ("amax", "amin"):
        for include_self in (True, False):
            check(
                lambda x, i, s, r=reduce, own=include_self: x.scatter_reduce(
                    0, i, s, r, include_self=own
                ),
                x,
                index,
                source,
            )


SCATTERED: list[Callable[[Tensor], Any]] = [
    lambda x: x.scatter(1, torch.tensor([[[0, 2], [1, 0]]]), -x),
    lambda x: x.scatter(-1, torch.tensor([[[3]], [[1]]]), 5),
    lambda x: x.scatter(2, torch.zeros(0, 2, 3, dtype=torch.int64), x),
    lambda x: x.scatter(1, torch.tensor([[[0, 0], [0, 2]]]), x + 1, reduce="multiply"),
    lambda x: x.scatter(1, torch.tensor([[[0, 0], [0, 2]]]), 2.0, reduce="add"),
    lambda x: x.scatter_add(0, torch.tensor([[[1, 1, 0, 0]]]), x),
    lambda x: x.index_copy(1, torch.tensor([2, 0]), -x[:, :2]),
    lambda x: x.index_add(0, torch.tensor([0, 0]), x[:2], alpha=2),
    lambda x: x.index_add(2, torch.tensor([0, 0, 1]), x[..., :3]),
    lambda x: x.index_fill(2, torch.tensor([-1, 0, -1]), 7),
    lambda x: x.index_fill(0, torch.tensor([1]), torch.tensor(3)),
    lambda x: (
        x.put(torch.tensor([[1, -1]]), x[0, 0, :2]),
        x.put(torch.tensor([1, 1]), x[0, 0, :2], True),
    ),
    lambda x: (x.masked_scatter(x > 5, -x), x.masked_scatter(x[0, 0] > 1, -x)),
    lambda x: x.index_put((x > 5,), torch.tensor(0.0)),
    lambda x: x.index_put((x > 5,), -x[x > 5]),
    lambda x: x.index_put((x[..., 0] > 5,), -x[0, 0]),
    lambda x: x.index_put((torch.tensor([1, 1]), torch.tensor([0, 0])), x[0, :2], True),
]


@pytest.mark.parametrize("function", SCATTERED)
def test_scattered(function: Callable[[Tensor], Any]) -> None:
    check(function, X)
    check(function, X, opsets=(11, 20), dynamic=True, calls=[(torch.rand(3, 3, 4) * 9,)])


EMPTY = [((0, 0, 3), (0, 3, 0)), ((0, 3, 3), (0, 3, 3)), ((2, 3, 2), (3, 0, 4))]


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_an_index_without_elements_may_be_larger(dim: int) -> None:
    """In the dims that it does not index, in which another one may not."""

    def function(x: Tensor, i: Tensor) -> Any:
        source = i.to(x.dtype)
        reduced = x.scatter_reduce(dim, i, source, "mean", include_self=False)
        return x.gather(dim, i), x.scatter(dim, i, 2), x.scatter_add(dim, i, source), reduced

    calls = [(torch.ones(x), torch.zeros(i, dtype=torch.int64)) for x, i in EMPTY]
    first = torch.ones(2, 3, 2), torch.tensor([[[1], [0]]])
    check(function, *first, dynamic=True, calls=calls, opsets=(14, 20))
    for call in calls:
        check(function, *call, opsets=(14, 20))


def test_scalars() -> None:
    x, i = torch.tensor(1.0), torch.tensor(0)
    check(lambda x, i: (x.scatter(0, i, 5), x.scatter(0, i, x * 3), x.index_fill(0, i, 7)), x, i)
    check(lambda x, i: (x.index_add(0, i, x), x.index_copy(0, i, x * 2)), x, i)
    check(lambda x: x.masked_scatter(x > 0, -x), x)


def test_bools_are_added_as_a_logical_or() -> None:
    x = X > 11
    i = torch.tensor([0, 0])
    check(lambda x, i: (x.index_add(1, i, x[:, 1:]), x.index_put((i,), x, True)), x, i)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (7, 3), (2, 5), (3, 3, 3)])
def test_fill_diagonal(shape: tuple[int, ...], wrap: bool) -> None:
    """An operator that PyTorch only has in place."""
    more = [(torch.rand([size * 2 for size in shape]),)]
    function = lambda x: x.clone().fill_diagonal_(7, wrap)  # noqa: E731
    check(function, torch.rand(shape))
    check(function, torch.rand(shape), opsets=(20,), dynamic=True, calls=more)


INTO_SLICES: list[Callable[[Tensor, Tensor, Tensor], Tensor]] = [
    lambda x, i, s: x.index_add(1, i, s),
    lambda x, i, s: x.index_copy(1, i, s),
    lambda x, i, s: x.index_reduce(1, i, s, "amax"),
]


@pytest.mark.parametrize("program", INTO_SLICES)
@pytest.mark.parametrize("opset", [9, 15, 20])
def test_a_negative_index_of_a_slice_fails(
    program: Callable[..., Tensor], opset: int, tmp_path: Path
) -> None:
    """PyTorch counts these from the front alone."""
    source = -torch.ones(2, 2, 4)
    inputs = (X, torch.tensor([0, 2]), source)
    export(captured(program, inputs, "trace"), inputs, tmp_path / "m.onnx", opset, False)
    session = loaded(tmp_path / "m.onnx")
    assert torch.equal(torch.from_numpy(run(session, list(inputs))[0]), program(*inputs))
    for places in ([0, -1], [-3, 0], [0, 3], [-4, 1]):
        with pytest.raises((IndexError, RuntimeError)):
            program(X, torch.tensor(places), source)
        with pytest.raises(Exception, match="ONNXRuntimeError"):
            run(session, [X, torch.tensor(places), source])


def test_a_branch_with_an_index_of_other_dims_is_dropped() -> None:
    def program(x: Tensor, i: Tensor, wrong: bool) -> Tensor:
        return x.scatter_reduce(0, i, x, "sum") if wrong else x + 1

    check(program, X, torch.tensor([0, 1]), False, mode="script", opsets=(20,))


def added_at(x, source, index):
    result = torch.zeros(5, 3)
    result.index_add_(0, index, source)
    result[index] += source * 0
    columns = torch.zeros(3, 5).index_add(1, index, source.t())
    result.index_put_([index, index % 3], source[:, 0], accumulate=True)
    bags = torch.nn.functional.embedding_bag(index, x, torch.tensor([0, 1]), mode="sum")
    x = x.detach().requires_grad_(True)
    picked = x[index] * source
    gradient = torch.autograd.grad([picked.sum()], [x])[0]
    assert gradient is not None
    return result, columns, bags, gradient


def test_updates_that_meet_are_not_left_to_threads():
    """Onnxruntime's ScatterND loses some, where it has several threads and enough to do."""
    args = (torch.randn(5, 3), torch.randn(7, 3), torch.tensor([0, 2, 2, 4, 0, 2, 1]))
    for opset in (16, 18, 20):
        result = check_program(added_at, args, opset_version=opset)
        for node in ir.traversal.RecursiveGraphIterator(result.model.graph):
            if node.op_type == "ScatterND":
                assert node.attributes.get_string("reduction", "none") == "none"


@pytest.mark.parametrize("places", [[2, 0, 2, 2, 0, 4], [1, 1], [0, 0, 1, 2, 3, 4, 4], [3, 0, 3]])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_slices_added_at_few_known_places(places, dim):
    """Sums of them, for infinities too; a gradient is picked."""

    class Added(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("index", torch.tensor(places))
            self.dim = dim

        def forward(self, x, source):
            added = x.index_add(self.dim, self.index, source)
            source = source.detach().requires_grad_(True)
            power = (x * 0).nan_to_num(0.0, 0.0, 0.0).index_add(self.dim, self.index, source)
            gradient = torch.autograd.grad([(power.tanh() * x).sum()], [source])[0]
            assert gradient is not None
            return added, gradient

    sizes = [9, 9, 9]
    sizes[dim] = 5
    x = torch.randn(sizes)
    sizes[dim] = len(places)
    source = torch.randn(sizes)
    source[0, 0, 0] = float("inf")
    for dynamic in (False, True):
        check_program(Added(), (x, source), dynamic=dynamic)
    result = check_program(Added(), (x, source))
    assert "ScatterElements" not in result.report.operators


def test_the_largest_of_complex_numbers() -> None:
    """There is none, which PyTorch only notices where there are elements."""

    def largest(x: Tensor, i: Tensor) -> Tensor:
        return x.scatter_reduce(0, i, x, "amax")

    x, i = torch.randn(3, 2, dtype=torch.complex64), torch.zeros(0, 2, dtype=torch.int64)
    refuses(largest, x, i, match="no order", dynamic=True)
