"""Padding: with a constant, by reflection, by replication, and around the circle."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_max
from exporter.onnx_graph.values import Number, Tensor
from symbolics.registry import Raised, Unsupported, symbolic

__all__ = ["constant_pad_nd", "pad"]

TO_THE_END = 2**63 - 1


def by_dim(self: Tensor, pads: Sequence[Dim]) -> list[tuple[Dim, Dim]]:
    """(before, after) for each dim, from the front; PyTorch's list starts with the last dim."""
    rank = self.require_rank()
    if len(pads) % 2 or len(pads) > 2 * rank:
        raise Raised(f"pad={list(pads)} for a tensor with {rank} dims")
    pairs = [(pads[i], pads[i + 1]) for i in range(0, len(pads), 2)]
    return [(0, 0)] * (rank - len(pairs)) + pairs[::-1]


def is_negative(amount: Dim) -> bool:
    """Whether a pad certainly takes away instead of adding."""
    return is_ge(amount, 0) is False


def cropped(g: Builder, self: Tensor, pairs: Sequence[tuple[Dim, Dim]]) -> Tensor:
    """What pads below zero leave."""
    axes, starts, ends = [], [], []
    for axis, ((before, after), size) in enumerate(zip(pairs, self.require_shape(), strict=True)):
        if is_negative(before) or is_negative(after):
            axes.append(axis)
            starts.append(-before if is_negative(before) else 0)
            ends.append(size + after if is_negative(after) else size)
    return g.Slice(self, starts, ends, axes) if axes else self


def padded(
    g: Builder, self: Tensor, pairs: Sequence[tuple[Dim, Dim]], mode: str, value: Tensor | None
) -> Tensor:
    """ONNX Pad with the pads that are not below zero."""
    begins = [0 if is_negative(before) else before for before, _ in pairs]
    ends = [0 if is_negative(after) else after for _, after in pairs]
    if all(isinstance(p, int) and p == 0 for p in (*begins, *ends)):
        return self
    return g.Pad(self, [*begins, *ends], value, mode=mode)


@symbolic("aten::constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor")
def constant_pad_nd(g: Builder, self: Tensor, pad: Sequence[Dim], value: Number = 0) -> Tensor:
    """A border of one value; a pad below zero takes away."""
    pairs = by_dim(self, pad)
    fill = g.constant(value, self.dtype)
    return padded(g, cropped(g, self, pairs), pairs, "constant", fill)


def bordered(g: Builder, self: Tensor, pads: Sequence[Dim], mode: str) -> Tensor:
    """A border made of the tensor itself. Pads below zero take away afterwards, in PyTorch's order."""
    pairs = by_dim(self, pads)
    result = padded(g, self, pairs, mode, None)
    return cropped(g, result, pairs)


@symbolic("aten::reflection_pad1d(Tensor self, SymInt[2] padding) -> Tensor")
@symbolic("aten::reflection_pad2d(Tensor self, SymInt[4] padding) -> Tensor")
@symbolic("aten::reflection_pad3d(Tensor self, SymInt[6] padding) -> Tensor")
def reflection_pad(g: Builder, self: Tensor, padding: Sequence[Dim]) -> Tensor:
    """A border that mirrors the tensor; its outermost elements are not repeated."""
    return bordered(g, self, padding, "reflect")


@symbolic("aten::replication_pad1d(Tensor self, SymInt[2] padding) -> Tensor")
@symbolic("aten::replication_pad2d(Tensor self, SymInt[4] padding) -> Tensor")
@symbolic("aten::replication_pad3d(Tensor self, SymInt[6] padding) -> Tensor")
def replication_pad(g: Builder, self: Tensor, padding: Sequence[Dim]) -> Tensor:
    """A border that repeats the outermost elements."""
    return bordered(g, self, padding, "edge")


@symbolic("aten::_pad_circular(Tensor self, SymInt[] pad) -> Tensor")
def _pad_circular(g: Builder, self: Tensor, pad: Sequence[Dim]) -> Tensor:
    """A border that goes on at the other side; pads below zero take away before that."""
    pairs = by_dim(self, pad)
    result = self
    for axis, amounts in enumerate(pairs):
        size = result.require_shape()[axis]
        less_before, less_after = (sym_max(-amount, 0) for amount in amounts)
        if (less_before, less_after) != (0, 0):
            end = TO_THE_END if less_after == 0 else size - less_after
            result = g.Slice(result, [less_before], [end], [axis])
    for axis, (before, after) in enumerate((sym_max(a, 0), sym_max(b, 0)) for a, b in pairs):
        size = result.require_shape()[axis]
        pieces = [result]
        if not (isinstance(before, int) and before <= 0):
            start = -before if isinstance(before, int) else size - before
            pieces.insert(0, g.Slice(result, [start], [TO_THE_END], [axis]))
        if not (isinstance(after, int) and after <= 0):
            pieces.append(g.Slice(result, [0], [after], [axis]))
        if len(pieces) > 1:
            result = g.Concat(*pieces, axis=axis)
    return result


@symbolic('aten::pad(Tensor self, SymInt[] pad, str mode="constant", float? value=None) -> Tensor')
def pad(
    g: Builder,
    self: Tensor,
    pad: Sequence[Dim],
    mode: str = "constant",
    value: float | None = None,
) -> Tensor:
    """Any kind of padding by name."""
    if mode == "constant":
        return constant_pad_nd(g, self, pad, 0 if value is None else value)
    if mode == "reflect":
        return bordered(g, self, pad, "reflect")
    if mode == "replicate":
        return bordered(g, self, pad, "edge")
    if mode == "circular":
        return _pad_circular(g, self, pad)
    raise Unsupported(f"pad with mode={mode!r}")


@symbolic("aten::_pad_enum(Tensor self, SymInt[] pad, int mode, float? value=None) -> Tensor")
def _pad_enum(
    g: Builder, self: Tensor, pad: Sequence[Dim], mode: int, value: float | None = None
) -> Tensor:
    """`pad` with its mode by number."""
    names = ("constant", "reflect", "replicate", "circular")
    return _by_name(g, self, pad, names[int(mode)], value)


_by_name = pad


@symbolic(
    'aten::pad_sequence(Tensor[] sequences, bool batch_first=False, float padding_value=0., str padding_side="right") -> Tensor'
)
def pad_sequence(
    g: Builder,
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences of different lengths, padded to the longest and stacked in one tensor."""
    if padding_side not in ("left", "right"):
        raise Unsupported(f'pad_sequence with padding_side={padding_side!r}, not "left" or "right"')
    lengths = [s.require_shape()[0] for s in sequences]
    longest = sym_max(*lengths)
    rows = []
    for sequence, length in zip(sequences, lengths, strict=True):
        missing = longest - length
        pair = (missing, 0) if padding_side == "left" else (0, missing)
        pairs = [pair, *[(0, 0)] * (sequence.require_rank() - 1)]
        fill = g.constant(padding_value, sequence.dtype)
        row = padded(g, sequence, pairs, "constant", fill)
        rows.append(g.Unsqueeze(row, axes=[0 if batch_first else 1]))
    return rows[0] if len(rows) == 1 else g.Concat(*rows, axis=0 if batch_first else 1)
