"""Packed sequences: the elements of sequences of different lengths in a row, by time.

`data` holds, for each time step, the elements of those sequences that are not over yet; sequences
are sorted by length, the longest first, so these are the first `batch_sizes[t]` ones. ONNX works on
padded sequences and their lengths. Both ways are closed forms, with the lengths known at run time:

    valid[t, b] = t < lengths[b]                    = b < batch_sizes[t]
    data        = the elements of padded where valid, row by row
    padded[t, b] = data[batch_sizes[0] + ... + batch_sizes[t - 1] + b] where valid

What packing started from is remembered, so that packing, a layer and unpacking leave nothing but
the layer in the graph.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.registry import symbolic
from symbolics.rules import INT64

__all__ = ["Packed", "packed_like", "padded_sequence"]


@dataclass(frozen=True)
class Packed:
    """Sequences as [time, batch, ...], their lengths, and which elements are theirs: [time, batch]."""

    padded: Tensor
    lengths: Tensor
    valid: Tensor


# ------------------------------------------------------------ what is remembered


def remember(g: Builder, kind: str, keys: tuple[Tensor, ...], value: Tensor) -> None:
    """Note a tensor that belongs to others; in this graph and those inside it."""
    g.scope.cache[_key(kind, keys)] = value
    for tensor in keys:
        # The entry holds the tensor, so that its id stays taken.
        g.scope.cache[("keep", id(tensor))] = tensor


def remembered(g: Builder, kind: str, keys: tuple[Tensor, ...]) -> Tensor | None:
    """What was noted, where it can be seen."""
    return g.scope.cached(_key(kind, keys))


def _key(kind: str, keys: tuple[Tensor, ...]) -> Hashable:
    return (kind, *(id(tensor) for tensor in keys))


# ------------------------------------------------------------ packing and padding


def validity(g: Builder, time: Dim, lengths: Tensor) -> Tensor:
    """valid[t, b] = t < lengths[b]."""
    batch = lengths.require_shape()[0]
    steps = g.reshape(consecutive(g, time, lengths.dtype), [time, 1])
    return g.Less(steps, g.reshape(lengths, [1, batch]))


def packed_like(g: Builder, sequence: Packed, batch_sizes: Tensor) -> Tensor:
    """The data of a sequence that has these batch sizes."""
    time, batch, *rest = sequence.padded.require_shape()
    rows = g.reshape(sequence.padded, [time * batch, *rest])
    data: Tensor = g.Compress(rows, g.reshape(sequence.valid, [time * batch]), axis=0)
    remember(g, "padded", (data, batch_sizes), sequence.padded)
    remember(g, "lengths", (batch_sizes,), sequence.lengths)
    remember(g, "valid", (data, batch_sizes), sequence.valid)
    return data


def padded_sequence(g: Builder, data: Tensor, batch_sizes: Tensor) -> Packed:
    """The sequences padded again, with whatever beyond their ends."""
    padded = remembered(g, "padded", (data, batch_sizes))
    lengths = remembered(g, "lengths", (batch_sizes,))
    valid = remembered(g, "valid", (data, batch_sizes))
    if padded is not None and lengths is not None and valid is not None:
        return Packed(padded, lengths, valid)
    time = batch_sizes.require_shape()[0]
    batch = (
        lengths.require_shape()[0]
        if lengths is not None
        else g.integer(g.Gather(batch_sizes, g.constant(0, INT64), axis=0))
    )
    column = g.reshape(batch_sizes, [time, 1])
    places = g.reshape(consecutive(g, batch), [1, batch])
    valid = g.Less(places, column)
    if lengths is None:
        lengths = g.ReduceSum(g.cast(valid, INT64), axes=[0], keepdims=False)
    starts = g.reshape(g.CumSum(batch_sizes, g.constant(0, INT64), exclusive=1), [time, 1])
    # An element that is not there reads the first one.
    index = g.Where(valid, g.Add(starts, places), g.constant(0, INT64))
    return Packed(g.Gather(data, index, axis=0), lengths, valid)


@symbolic(
    "aten::_pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first) -> (Tensor, Tensor)"
)
def _pack_padded_sequence(
    g: Builder, input: Tensor, lengths: Tensor, batch_first: bool
) -> tuple[Tensor, Tensor]:
    """`data` and `batch_sizes` of padded sequences, which must be sorted by length."""
    rank = input.require_rank()
    x = g.Transpose(input, perm=[1, 0, *range(2, rank)]) if batch_first else input
    time = x.require_shape()[0]
    lengths = g.cast(lengths, INT64)
    valid = validity(g, time, lengths)
    sizes = g.ReduceSum(g.cast(valid, INT64), axes=[1], keepdims=False)
    # The first one; but this is how programs ask for it, and what they ask twice is one size.
    longest = g.integer(g.ReduceMax(lengths, axes=[0], keepdims=False))
    g.at_least(longest, 0)
    # The reshape changes nothing, but says that the size is the longest length itself.
    batch_sizes = g.reshape(g.Slice(sizes, [0], [longest], [0]), [longest])
    return packed_like(g, Packed(x, lengths, valid), batch_sizes), batch_sizes


@symbolic(
    "aten::_pad_packed_sequence(Tensor data, Tensor batch_sizes, bool batch_first, Scalar padding_value, int total_length) -> (Tensor, Tensor)"
)
def _pad_packed_sequence(
    g: Builder,
    data: Tensor,
    batch_sizes: Tensor,
    batch_first: bool,
    padding_value: Number,
    total_length: int,
) -> tuple[Tensor, Tensor]:
    """The sequences padded to the longest, or to `total_length` where that is above 0, and their lengths."""
    sequence = padded_sequence(g, data, batch_sizes)
    x, time = sequence.padded, batch_sizes.require_shape()[0]
    rank = x.require_rank()
    have = x.require_shape()[0]
    wanted = time
    if not (isinstance(total_length, int) and total_length <= 0):
        wanted = total_length
    batch = x.require_shape()[1]
    valid = g.reshape(sequence.valid, [have, batch, *[1] * (rank - 2)])
    x = g.Where(valid, x, g.constant(padding_value, x.dtype))
    if wanted != have:
        if wanted != time:
            # Padded first: what is there may be longer or shorter than what is asked for.
            end = [0] * rank + [g.constant(wanted, INT64)] + [0] * (rank - 1)
            x = g.Pad(x, g.constant(end), g.constant(padding_value, x.dtype))
        x = g.Slice(x, [0], [wanted], [0])
        # The reshape changes nothing, but says that no length is beyond what there is.
        x = g.reshape(x, [wanted, *x.require_shape()[1:]])
    if batch_first:
        x = g.Transpose(x, perm=[1, 0, *range(2, rank)])
    return x, sequence.lengths
