"""Finding positions and counting: `searchsorted`, `bucketize`, `bincount`."""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.loops import loop
from exporter.onnx_graph.symbolic import Dim, sym_max, sym_min
from exporter.onnx_graph.values import Number, SymScalar, Tensor
from symbolics.registry import Raised, symbolic
from symbolics.rules import DOUBLE, FLOAT, INT64, D, is_bool, promote

__all__ = ["positions", "tallied"]

# Up to this many boundaries every one is compared; beyond, the halving search reads fewer.
FEW_BOUNDARIES = 128


def positions(
    g: Builder, boundaries: Tensor, values: Tensor, *, right: bool, out_int32: bool
) -> Tensor:
    """Where each value belongs in ascending boundaries: before equal ones, or behind if `right`.

    A boundary lies left of a value unless it is at least as large (`right`: larger), so that NaN
    comes last. The boundaries are one row for all values, or a row for each row of values.
    """
    boundaries, values = promote(g, boundaries, values)
    if is_bool(values.dtype):
        boundaries, values = g.cast(boundaries, D.INT32), g.cast(values, D.INT32)
    count = g.size(boundaries, -1)
    if isinstance(count, int) and count <= FEW_BOUNDARIES:
        found = _compared(g, boundaries, values, right)
    else:
        found = _halved(g, boundaries, values, right)
    return g.cast(found, D.INT32 if out_int32 else INT64)


def _is_left(g: Builder, boundary: Tensor, value: Tensor, right: bool) -> Tensor:
    return g.Not((g.Greater if right else g.GreaterOrEqual)(boundary, value))


def _compared(g: Builder, boundaries: Tensor, values: Tensor, right: bool) -> Tensor:
    """The number of boundaries that lie left."""
    if boundaries.require_rank() > 1:
        boundaries = g.Unsqueeze(boundaries, axes=[-2])
    left = _is_left(g, boundaries, g.Unsqueeze(values, axes=[-1]), right)
    axis = left.require_rank() - 1
    return g.ReduceSum(g.cast(left, INT64), axes=[axis], keepdims=False)


def _halved(g: Builder, boundaries: Tensor, values: Tensor, right: bool) -> Tensor:
    """The halving search for all values at once: 63 trips do for any count, and `count` itself.

    `low` and `high` enclose the position. A trip whose interval is empty changes nothing.
    """
    count = g.size(boundaries, -1)
    rowwise = boundaries.require_rank() > 1
    zero = g.Expand(g.constant(0, INT64), g.shape(values))

    def step(_: Tensor, states: list[Tensor]) -> list[Tensor]:
        low, high = states
        middle = g.Div(g.Add(low, high), 2)
        index = g.Min(middle, g.constant(count - 1, INT64))
        if rowwise:
            boundary = g.GatherElements(boundaries, index, axis=-1)
        else:
            boundary = g.Gather(boundaries, index, axis=0)
        open_ = g.Less(low, high)
        left = g.And(open_, _is_left(g, boundary, values, right))
        stays = g.Or(left, g.Not(open_))
        return [g.Where(left, g.Add(middle, 1), low), g.Where(stays, high, middle)]

    trips = count.bit_length() if isinstance(count, int) else sym_min(count, 63)
    return loop(g, trips, step, [zero, g.Add(zero, g.constant(count, INT64))])[0]


@symbolic(
    "aten::searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor"
)
def searchsorted_tensor(
    g: Builder,
    sorted_sequence: Tensor,
    self: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value belongs in the last dim of `sorted_sequence`, taken in `sorter`'s order."""
    if sorter is not None:
        sorted_sequence = g.GatherElements(sorted_sequence, sorter, axis=-1)
    right = right or side == "right"
    return positions(g, sorted_sequence, self, right=right, out_int32=out_int32)


@symbolic(
    "aten::searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor"
)
def searchsorted_scalar(
    g: Builder,
    sorted_sequence: Tensor,
    self: Number,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where a number belongs in `sorted_sequence`."""
    value = g.constant(self, _scalar_dtype(sorted_sequence, self))
    return searchsorted_tensor(
        g, sorted_sequence, value, out_int32=out_int32, right=right, side=side, sorter=sorter
    )


def _scalar_dtype(boundaries: Tensor, value: Number) -> D:
    """The boundaries' dtype, or double for a float among ints."""
    is_number = isinstance(value, (float, SymScalar))
    if is_number and boundaries.dtype not in (D.FLOAT16, D.BFLOAT16, FLOAT, DOUBLE):
        return DOUBLE
    return boundaries.dtype


@symbolic(
    "aten::bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor"
)
def bucketize_tensor(
    g: Builder, self: Tensor, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The bucket of each value; `right` closes buckets on their left, against what it says."""
    return positions(g, boundaries, self, right=right, out_int32=out_int32)


@symbolic(
    "aten::bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor"
)
def bucketize_scalar(
    g: Builder, self: Number, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The bucket of a number."""
    value = g.constant(self, _scalar_dtype(boundaries, self))
    return positions(g, boundaries, value, right=right, out_int32=out_int32)


# ---------------------------------------------------------------- counting


def tallied(g: Builder, index: Tensor, weights: Tensor, bins: Dim) -> Tensor:
    """The sum of the weights of each index from 0 to bins - 1; both are 1-D."""
    zeros = g.Expand(g.constant(0, weights.dtype), [bins])
    return g.ScatterElements(zeros, index, weights, axis=0, reduction="add")


@symbolic("aten::bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor")
def bincount(g: Builder, self: Tensor, weights: Tensor | None = None, minlength: Dim = 0) -> Tensor:
    """How often each number from 0 to the largest occurs, or the sum of its weights.

    Weights other than float32 are summed as doubles. No numbers at all give `minlength` zeros.
    """
    if self.rank not in (None, 1):
        raise Raised(f"bincount of a tensor with {self.rank} dims, not 1")
    index = g.cast(self, INT64)
    # The -1 stands for the largest of no numbers.
    largest = g.ReduceMax(g.Concat(index, [-1], axis=0), axes=[0], keepdims=False)
    bins = sym_max(g.integer(largest) + 1, minlength)
    if weights is None:
        ones = g.Expand(g.constant(1, INT64), g.shape(index))
        return tallied(g, index, ones, bins)
    weights = weights if weights.dtype == FLOAT else g.cast(weights, DOUBLE)
    return tallied(g, index, weights, bins)
