"""The real-valued companions of Fourier transforms: their frequencies, and their order."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, SymInt
from exporter.onnx_graph.values import Tensor
from symbolics.registry import symbolic
from symbolics.rules import FLOAT, INT64, onnx_dtype, wrapped_dims
from symbolics.views.rearranging import roll

__all__ = ["fft_fftfreq", "fft_fftshift"]


def shifted_dims(self: Tensor, dim: int | Sequence[int] | None) -> list[int]:
    """The dims to shift: all of them where none is given."""
    rank = self.require_rank()
    if dim is None:
        return list(range(rank))
    return wrapped_dims([dim] if isinstance(dim, int) else dim, rank)


@symbolic("aten::fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor")
def fft_fftshift(g: Builder, self: Tensor, dim: Sequence[int] | None = None) -> Tensor:
    """The zero frequency moved from the front to the middle."""
    dims = shifted_dims(self, dim)
    return roll(g, self, [self.require_shape()[d] // 2 for d in dims], dims) if dims else self


@symbolic("aten::fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor")
def fft_ifftshift(g: Builder, self: Tensor, dim: Sequence[int] | None = None) -> Tensor:
    """Undo `fft_fftshift`, which differs from it for odd sizes."""
    dims = shifted_dims(self, dim)
    sizes: list[Dim] = [self.require_shape()[d] for d in dims]
    return roll(g, self, [(n + 1) // 2 for n in sizes], dims) if dims else self


@symbolic(
    "aten::fft_rfftfreq(int n, float d=1., *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"
)
def fft_rfftfreq(
    g: Builder,
    n: Dim,
    d: float = 1.0,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """0, 1, ... n // 2, over n * d."""
    kind = FLOAT if dtype is None else onnx_dtype(dtype)
    return over_length(g, consecutive(g, n // 2 + 1, kind), n, d)


@symbolic(
    "aten::fft_fftfreq(int n, float d=1., *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"
)
def fft_fftfreq(
    g: Builder,
    n: Dim,
    d: float = 1.0,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """0, 1, ... (n - 1) // 2, and then the negative ones up to -1, over n * d."""
    kind = FLOAT if dtype is None else onnx_dtype(dtype)
    index = consecutive(g, n)
    half = g.constant((n + 1) // 2, INT64)
    index = g.Where(g.Less(index, half), index, g.Sub(index, g.constant(n, INT64)))
    return over_length(g, g.cast(index, kind), n, d)


def over_length(g: Builder, index: Tensor, n: Dim, d: float) -> Tensor:
    """index / (n * d); PyTorch multiplies by the inverse."""
    if isinstance(n, SymInt):
        return g.Div(index, g.Mul(g.cast(g.constant(n, INT64), index.dtype), d))
    return g.Mul(index, 1.0 / (n * d))
