"""Fourier transforms, and what samples or folds images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.lowerings.layout import known_integers
from exporter.onnx_graph.lowerings.registry import lowering
from exporter.onnx_graph.lowerings.resizing import cubic_weights
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

D = ir.DataType


@lowering("DFT", before=20)
def dft(
    g: Builder,
    input: Tensor,
    dft_length: Any = None,
    axis: Any = -2,
    *,
    inverse: int = 0,
    onesided: int = 0,
) -> Tensor:
    """The axis is an attribute at opsets 17 to 19; before, a product with the Fourier matrix."""
    rank = input.require_rank()
    known = known_integers(g, axis)
    if known is None or not isinstance(known[0], int):
        raise Unsupported("DFT along an axis known at run time needs opset 20")
    along = known[0] % rank
    if g.opset >= 17:
        return g.native(  # type: ignore[no-any-return]
            "DFT", input, dft_length, axis=along, inverse=inverse, onesided=onesided
        )
    if onesided and inverse:
        raise Unsupported("an inverse DFT of one side needs opset 17")
    size = input.require_shape()[along]
    length = known_integers(g, dft_length)
    count: Dim = size if length is None else length[0]
    if count != size:
        if not isinstance(count, int) or not isinstance(size, int):
            raise Unsupported("DFT of another length than a dynamic size's needs opset 17")
        if count < size:
            input = g.Slice(input, [0], [count], [along])
        else:
            pads = [0] * (2 * rank)
            pads[rank + along] = count - size
            input = g.Pad(input, pads)
    # The dim moves to where MatMul sums: [..., n, 1 or 2] -> [..., 1 or 2, n]
    perm = [i for i in range(rank) if i != along] + [along]
    moved = g.Transpose(input, perm=perm)
    bins = count // 2 + 1 if onesided else count
    cosine, sine = fourier_matrices(g, count, bins, input.dtype, inverse=bool(inverse))
    parts = [g.Gather(moved, i, axis=rank - 2) for i in range(_components(input))]
    real, imaginary = g.MatMul(parts[0], cosine), g.MatMul(parts[0], sine)
    if len(parts) == 2:
        real = g.Sub(real, g.MatMul(parts[1], sine))
        imaginary = g.Add(imaginary, g.MatMul(parts[1], cosine))
    both = g.Concat(
        g.Unsqueeze(real, [rank - 2]), g.Unsqueeze(imaginary, [rank - 2]), axis=rank - 2
    )
    if inverse:
        both = g.Div(both, g.constant(count, input.dtype))
    back = [perm.index(i) for i in range(rank)]
    return g.Transpose(both, perm=back)  # type: ignore[no-any-return]


def _components(input: Tensor) -> int:
    last = input.require_shape()[-1]
    if last not in (1, 2):
        raise Unsupported("DFT needs a last dim of 1 (real) or 2 (complex)")
    return int(last)


def fourier_matrices(
    g: Builder, count: Dim, bins: Dim, dtype: D, *, inverse: bool
) -> tuple[Tensor, Tensor]:
    """Cosines and sines of -2 pi j k / n (inverse: +), as [n, bins]; float64 where n is known.

    Products j * k are taken modulo n first, which keeps the angles small and so exact.
    """
    sign = 1.0 if inverse else -1.0
    if isinstance(count, int) and isinstance(bins, int):
        turns = np.outer(np.arange(count), np.arange(bins)) % count
        angle = sign * 2 * np.pi * turns / count
        return g.constant(np.cos(angle), dtype), g.constant(np.sin(angle), dtype)
    rows, columns = consecutive(g, count), consecutive(g, bins)
    products = g.Mod(g.Mul(g.Unsqueeze(rows, [1]), columns), g.constant(count, D.INT64))
    turns = g.Div(g.cast(products, D.FLOAT), g.constant(count, D.FLOAT))
    angle = g.Mul(turns, sign * 2 * np.pi)
    return g.cast(g.Cos(angle), dtype), g.cast(g.Sin(angle), dtype)


@lowering("STFT", before=17)
def stft(
    g: Builder,
    signal: Tensor,
    frame_step: Any,
    window: Tensor | None = None,
    frame_length: Any = None,
    *,
    onesided: int = 1,
) -> Tensor:
    """Frames gathered from the signal, times the window, times the Fourier matrix."""
    steps = known_integers(g, frame_step)
    if frame_length is not None:
        lengths = known_integers(g, frame_length)
    else:
        lengths = None if window is None else list(window.require_shape())
    shape = signal.require_shape()
    if steps is None or lengths is None or not isinstance(lengths[0], int):
        raise Unsupported("STFT with frames of a length known at run time needs opset 17")
    if len(shape) == 3 and shape[2] != 1:
        raise Unsupported("STFT of a complex signal needs opset 17")
    step, length = steps[0], lengths[0]
    flat = g.reshape(signal, list(shape[:2]))
    frames = (shape[1] - length) // step + 1
    starts = g.Unsqueeze(g.Mul(consecutive(g, frames), step), [1])
    indices = g.Add(starts, consecutive(g, length))
    cut = g.Gather(flat, indices, axis=1)
    if window is not None:
        cut = g.Mul(cut, window)
    bins = length // 2 + 1 if onesided else length
    cosine, sine = fourier_matrices(g, length, bins, signal.dtype, inverse=False)
    parts = [g.Unsqueeze(g.MatMul(cut, m), [3]) for m in (cosine, sine)]
    return g.Concat(*parts, axis=3)  # type: ignore[no-any-return]


@lowering("Col2Im", before=18)
def col2im(
    g: Builder,
    input: Tensor,
    image_shape: Any,
    block_shape: Any,
    *,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """A transposed convolution that puts each column's number back where it came from.

    Its weight has a one at a different place of the block for each of a channel's columns.
    """
    image, block = known_integers(g, image_shape), known_integers(g, block_shape)
    if image is None or block is None or not all(isinstance(b, int) for b in block):
        raise Unsupported("Col2Im with blocks known at run time needs opset 18")
    kernel = [int(b) for b in block]
    dims = len(kernel)
    steps = [1] * dims if strides is None else list(strides)
    spread = [1] * dims if dilations is None else list(dilations)
    margins = [0] * (2 * dims) if pads is None else list(pads)
    batch, columns, _ = input.require_shape()
    places = int(np.prod(kernel))
    if not isinstance(columns, int):
        raise Unsupported("Col2Im with a number of channels known at run time needs opset 18")
    channels = columns // places
    counts = [
        (image[i] + margins[i] + margins[i + dims] - spread[i] * (kernel[i] - 1) - 1) // steps[i]
        + 1
        for i in range(dims)
    ]
    weight = np.tile(np.eye(places, dtype=np.float32), (channels, 1))
    # What the strides do not reach at the end of the image.
    reached = [(counts[i] - 1) * steps[i] + spread[i] * (kernel[i] - 1) + 1 for i in range(dims)]
    missing = [image[i] + margins[i] + margins[i + dims] - reached[i] for i in range(dims)]
    folded = g.ConvTranspose(
        g.reshape(input, [batch, columns, *counts]),
        g.constant(weight.reshape(columns, 1, *kernel), input.dtype),
        group=channels,
        kernel_shape=kernel,
        strides=steps,
        dilations=spread,
    )
    if any(m != 0 for m in missing):
        folded = g.Pad(folded, [0] * (2 + dims) + [0, 0, *missing])
    if any(margins):
        axes = list(range(2, 2 + dims))
        ends = [margins[i] + image[i] for i in range(dims)]
        folded = g.Slice(folded, margins[:dims], ends, axes)
    return g.reshape(folded, [batch, channels, *image])


_OLD_MODES = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}


@lowering("GridSample", before=20)
def grid_sample(
    g: Builder,
    X: Tensor,
    grid: Tensor,
    *,
    align_corners: int = 0,
    mode: str = "linear",
    padding_mode: str = "zeros",
) -> Tensor:
    """Named bilinear and bicubic at opsets 16 to 19, for images only; gathered before."""
    if g.opset >= 16 and X.require_rank() == 4:
        return g.native(  # type: ignore[no-any-return]
            "GridSample",
            X,
            grid,
            align_corners=align_corners,
            mode=_OLD_MODES[mode],
            padding_mode=padding_mode,
        )
    return _Sampler(g, X, grid, bool(align_corners), padding_mode).sample(mode)


class _Sampler:
    """Samples [N, C, *dims] at the points of a grid [N, *points, d], last dim first (x, y, z).

    The image is flattened to [N * elements, C], and each corner around a point is one Gather of
    rows, so the points' channels come last.
    """

    def __init__(
        self, g: Builder, x: Tensor, grid: Tensor, align_corners: bool, padding: str
    ) -> None:
        self.g = g
        self.shape, self.points = x.require_shape(), grid.require_shape()
        self.sizes = self.shape[2:]
        self.dtype = x.dtype
        self.align_corners, self.padding = align_corners, padding
        rank = len(self.shape)
        last = g.Transpose(x, perm=[0, *range(2, rank), 1])
        self.rows = g.reshape(last, [-1, self.shape[1]])
        self.area: Dim = 1
        for size in self.sizes:
            self.area = self.area * size
        self.positions = [self._position(grid, i) for i in range(len(self.sizes))]

    def _size(self, dim: int) -> Tensor:
        return self.g.constant(self.sizes[dim], self.dtype)

    def _position(self, grid: Tensor, dim: int) -> Tensor:
        """A coordinate in elements: -1 and 1 are the ends, or the ends' centres (align_corners)."""
        g = self.g
        raw = g.Gather(grid, len(self.sizes) - 1 - dim, axis=-1)
        raw = g.cast(raw, self.dtype)
        if self.align_corners:
            return g.Mul(g.Div(g.Add(raw, 1), 2), g.Sub(self._size(dim), 1))  # type: ignore[no-any-return]
        return g.Div(g.Sub(g.Mul(g.Add(raw, 1), self._size(dim)), 1), 2)  # type: ignore[no-any-return]

    def _inside(self, position: Tensor, dim: int) -> Tensor:
        """A coordinate moved into the image by the padding mode; zeros leave it."""
        g = self.g
        if self.padding == "zeros":
            return position
        if self.padding == "reflection":
            low = g.constant(0.0 if self.align_corners else -0.5, self.dtype)
            span = self._size(dim) if not self.align_corners else g.Sub(self._size(dim), 1)
            span = g.Max(span, g.constant(np.finfo(np.float32).tiny, self.dtype))
            away = g.Abs(g.Sub(position, low))
            turns = g.Floor(g.Div(away, span))
            rest = g.Sub(away, g.Mul(turns, span))
            odd = g.Sub(turns, g.Mul(g.Floor(g.Div(turns, 2)), 2))
            position = g.Add(g.Where(g.Greater(odd, 0), g.Sub(span, rest), rest), low)
        return g.Min(g.Max(position, 0), g.Sub(self._size(dim), 1))  # type: ignore[no-any-return]

    def _value(self, corner: Sequence[Tensor]) -> Tensor:
        """The rows at whole coordinates; zero outside the image where that is the padding."""
        g = self.g
        total: Tensor | None = None
        outside: Tensor | None = None
        for dim, at in enumerate(corner):
            size = g.constant(self.sizes[dim], D.INT64)
            inside = self._inside(at, dim)
            index = g.cast(g.Min(g.Max(inside, -1), self._size(dim)), D.INT64)
            if self.padding == "zeros":
                beyond = g.Or(g.Less(index, 0), g.Not(g.Less(index, size)))
                outside = beyond if outside is None else g.Or(outside, beyond)
                index = g.Max(g.Min(index, g.Sub(size, 1)), 0)
            total = index if total is None else g.Add(g.Mul(total, size), index)
        assert total is not None
        batch = g.Mul(consecutive(g, self.shape[0]), g.constant(self.area, D.INT64))
        ones = [1] * (len(self.points) - 2)
        picked = g.Gather(self.rows, g.Add(total, g.reshape(batch, [self.shape[0], *ones])), axis=0)
        if outside is not None:
            picked = g.Where(g.Unsqueeze(outside, [-1]), 0, picked)
        return picked  # type: ignore[no-any-return]

    def sample(self, mode: str) -> Tensor:
        """[N, C, *points]."""
        g = self.g
        if mode == "cubic":
            found = self._cubic()
        else:
            positions = [self._inside(p, i) for i, p in enumerate(self.positions)]
            if mode == "nearest":
                found = self._value([g.Round(p) for p in positions])
            else:
                found = self._linear(positions)
        rank = len(self.points)
        return g.Transpose(found, perm=[0, rank - 1, *range(1, rank - 1)])  # type: ignore[no-any-return]

    def _linear(self, positions: Sequence[Tensor]) -> Tensor:
        """The corners around each point, weighted by the opposite volumes."""
        g = self.g
        lows = [g.Floor(p) for p in positions]
        fractions = [g.Sub(p, low) for p, low in zip(positions, lows, strict=True)]
        total: Tensor | None = None
        for corner in range(1 << len(positions)):
            at, weight = [], None
            for dim, low in enumerate(lows):
                upper = corner >> dim & 1
                at.append(g.Add(low, 1) if upper else low)
                part = fractions[dim] if upper else g.Sub(1, fractions[dim])
                weight = part if weight is None else g.Mul(weight, part)
            found = g.Mul(self._value(at), g.Unsqueeze(weight, [-1]))
            total = found if total is None else g.Add(total, found)
        assert total is not None
        return total

    def _cubic(self) -> Tensor:
        """Sixteen elements around each point, of an image; each is moved inside for itself."""
        g = self.g
        if len(self.sizes) != 2:
            raise Unsupported("GridSample with cubic interpolation is of images only")
        lows = [g.Floor(p) for p in self.positions]
        weights = [
            cubic_weights(g, g.Sub(p, low), -0.75)
            for p, low in zip(self.positions, lows, strict=True)
        ]
        total: Tensor | None = None
        for i in range(4):
            for j in range(4):
                corner = [g.Add(lows[0], i - 1), g.Add(lows[1], j - 1)]
                weight = g.Unsqueeze(g.Mul(weights[0][i], weights[1][j]), [-1])
                found = g.Mul(self._value(corner), weight)
                total = found if total is None else g.Add(total, found)
        assert total is not None
        return total
