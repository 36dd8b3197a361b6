"""`torch.gradient`: numerical derivatives of sampled functions."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Number, Tensor
from symbolics.reductions.cumulative import TO_THE_END, diff
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import default_float, promote, wrapped_dim

__all__ = ["gradient_along"]


def gradient_along(
    g: Builder, self: Tensor, spacing: Tensor | Number, dim: int, edge_order: int
) -> Tensor:
    """Second-order differences inside, one-sided ones of order 1 or 2 at both edges.

    Inside it is (after - before) / (2 width). A tensor of spacing holds coordinates: with w and v the
    widths left and right of a point, its derivative is (w/v (after - it) + v/w (it - before)) / (w + v).
    """
    axis = wrapped_dim(dim, self.require_rank())
    if edge_order not in (1, 2):
        raise Unsupported(f"gradient with edge_order {edge_order}: PyTorch knows 1 and 2")
    self = g.cast(self, default_float(self.dtype))

    def part(tensor: Tensor, start: int, end: int) -> Tensor:
        return g.Slice(tensor, [start], [end], [axis])

    rises = diff(g, self, dim=axis)
    if isinstance(spacing, Tensor):
        widths = diff(g, spacing)
        others = [i for i in range(self.require_rank()) if i != axis]
        widths = g.Unsqueeze(widths, axes=others) if others else widths
        rises, widths = promote(g, rises, widths)
        slopes = g.Div(rises, widths)
        w, v = part(widths, 0, -1), part(widths, 1, TO_THE_END)
        before, after = part(slopes, 0, -1), part(slopes, 1, TO_THE_END)
        inner = g.Div(g.Add(g.Mul(w, after), g.Mul(v, before)), g.Add(w, v))
    else:
        width = g.constant(spacing, self.dtype)
        slopes = g.Div(rises, width)
        # What is at the point itself does not count, be it NaN.
        both = g.Sub(part(self, 2, TO_THE_END), part(self, 0, -2))
        inner = g.Div(both, g.Mul(width, 2))
    start, end = part(slopes, 0, 1), part(slopes, -1, TO_THE_END)
    if edge_order == 2:
        start = _beyond(g, start, part(inner, 0, 1))
        end = _beyond(g, end, part(inner, -1, TO_THE_END))
    return g.Concat(start, inner, end, axis=axis)


def _beyond(g: Builder, slope: Tensor, inner: Tensor) -> Tensor:
    """The parabola's slope at the edge: as far from the outermost one as that from its neighbour."""
    return g.Sub(g.Mul(slope, 2), inner)


def _dims(self: Tensor, dim: int | Sequence[int] | None) -> list[int]:
    if dim is None:
        return list(range(self.require_rank()))
    return list(dim) if isinstance(dim, Sequence) else [dim]


@symbolic(
    "aten::gradient.scalarint(Tensor self, *, Scalar? spacing=None, int? dim=None, int edge_order=1) -> Tensor[]"
)
def gradient_scalarint(
    g: Builder,
    self: Tensor,
    *,
    spacing: Number | None = None,
    dim: int | None = None,
    edge_order: int = 1,
) -> list[Tensor]:
    """The derivatives along one dim or all, points being `spacing` (or 1) apart."""
    width = 1 if spacing is None else spacing
    return [gradient_along(g, self, width, d, edge_order) for d in _dims(self, dim)]


@symbolic(
    "aten::gradient.scalararray(Tensor self, *, Scalar spacing, int[] dim, int edge_order=1) -> Tensor[]"
)
def gradient_scalararray(
    g: Builder, self: Tensor, *, spacing: Number, dim: Sequence[int], edge_order: int = 1
) -> list[Tensor]:
    """The derivatives along some dims, points being `spacing` apart."""
    return [gradient_along(g, self, spacing, d, edge_order) for d in dim]


@symbolic("aten::gradient.array(Tensor self, *, int[] dim, int edge_order=1) -> Tensor[]")
def gradient_array(
    g: Builder, self: Tensor, *, dim: Sequence[int], edge_order: int = 1
) -> list[Tensor]:
    """The derivatives along some dims, points being 1 apart."""
    return [gradient_along(g, self, 1, d, edge_order) for d in dim]


@symbolic(
    "aten::gradient.scalarrayint(Tensor self, *, Scalar[] spacing, int? dim=None, int edge_order=1) -> Tensor[]"
)
def gradient_scalarrayint(
    g: Builder,
    self: Tensor,
    *,
    spacing: Sequence[Number],
    dim: int | None = None,
    edge_order: int = 1,
) -> list[Tensor]:
    """The derivatives along one dim or all, each with its own spacing."""
    pairs = zip(spacing, _dims(self, dim), strict=True)
    return [gradient_along(g, self, s, d, edge_order) for s, d in pairs]


@symbolic(
    "aten::gradient.scalarrayarray(Tensor self, *, Scalar[] spacing, int[] dim, int edge_order=1) -> Tensor[]"
)
def gradient_scalarrayarray(
    g: Builder,
    self: Tensor,
    *,
    spacing: Sequence[Number],
    dim: Sequence[int],
    edge_order: int = 1,
) -> list[Tensor]:
    """The derivatives along some dims, each with its own spacing."""
    pairs = zip(spacing, dim, strict=True)
    return [gradient_along(g, self, s, d, edge_order) for s, d in pairs]


@symbolic(
    "aten::gradient.tensorarrayint(Tensor self, *, Tensor[] spacing, int? dim=None, int edge_order=1) -> Tensor[]"
)
def gradient_tensorarrayint(
    g: Builder,
    self: Tensor,
    *,
    spacing: Sequence[Tensor],
    dim: int | None = None,
    edge_order: int = 1,
) -> list[Tensor]:
    """The derivatives along one dim or all, at given coordinates."""
    pairs = zip(spacing, _dims(self, dim), strict=True)
    return [gradient_along(g, self, s, d, edge_order) for s, d in pairs]


@symbolic(
    "aten::gradient.tensorarray(Tensor self, *, Tensor[] spacing, int[] dim, int edge_order=1) -> Tensor[]"
)
def gradient_tensorarray(
    g: Builder,
    self: Tensor,
    *,
    spacing: Sequence[Tensor],
    dim: Sequence[int],
    edge_order: int = 1,
) -> list[Tensor]:
    """The derivatives along some dims, at given coordinates."""
    pairs = zip(spacing, dim, strict=True)
    return [gradient_along(g, self, s, d, edge_order) for s, d in pairs]
