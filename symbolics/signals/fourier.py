"""Discrete Fourier transforms: `torch.fft`'s of one and several dims, and the forms they become.

Spectrograms are in `spectrogram`, frequencies and shifts in `frequencies`.

A transform of n points is

1. ONNX DFT, where n is a known power of two: onnxruntime's kernel is fast and exact for these;
2. one MatMul with the Fourier matrix, where n is known and the matrix is not large;
3. ONNX DFT in float64 otherwise. For other lengths the kernel is of Bluestein's kind and loses
   half the digits of a float32: 1e-4 of the largest value at 600 points, 5e-3 at 16000.

Each transform divides by n to the power of `root`: 0, 1/2 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import as_real, from_real, make, parts
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_max
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.complex_numbers import conj
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import DOUBLE, INT64, default_float, is_complex, wrapped_dim, wrapped_dims
from symbolics.views.shape import move_dims

__all__ = ["complex_to_complex", "complex_to_real", "real_to_complex"]

COMPLEX = {ir.DataType.FLOAT: ir.DataType.COMPLEX64, DOUBLE: ir.DataType.COMPLEX128}
# A Fourier matrix of at most this many bytes is stored with the model.
LARGEST_MATRIX = 1 << 20


def _operand(g: Builder, self: Tensor, *, as_complex: bool | None = None) -> Tensor:
    """The tensor in a dtype that is transformed: complex, real, or (None) either."""
    dtype = default_float(self.dtype)
    if dtype not in COMPLEX and not is_complex(dtype):
        raise Unsupported(f"PyTorch has no Fourier transform of {dtype.name.lower()} on CPUs")
    if as_complex and not is_complex(dtype):
        dtype = COMPLEX[dtype]
    if as_complex is False and is_complex(dtype):
        raise Unsupported("PyTorch wants a real tensor here")
    return g.cast(self, dtype)


# ---------------------------------------------------------------- one dim


def resized(g: Builder, x: Tensor, axis: int, size: Dim) -> Tensor:
    """The dim cut off, or filled up with zeros."""
    own = g.size(x, axis)
    if own == size:
        return x
    if is_ge(size, own) is not True:
        x = g.Slice(x, [0], [size], [axis])
    missing = sym_max(size - own, 0)
    if missing != 0:
        pads: list[Dim] = [0] * (2 * x.require_rank())
        pads[x.require_rank() + axis] = missing
        shape = list(x.require_shape())
        shape[axis] = size
        x = g.reshape(g.Pad(x, pads), shape)
    return x


def complex_to_complex(
    g: Builder, x: Tensor, axis: int, count: Dim, root: float, *, forward: bool
) -> Tensor:
    """The transform of a complex or real tensor along a dim that is made `count` long."""
    x = resized(g, x, axis, count)
    width = (4 if is_complex(x.dtype) else 2) * _squared(count)
    if _by_matrix(x.dtype, count, width):
        assert isinstance(count, int)
        matrix = _matrix(count, count, forward=forward) / count**root
        return _product(g, x, axis, matrix if is_complex(x.dtype) else matrix[::2])
    return _kernel(g, x, axis, count, root, forward=forward)


def real_to_complex(
    g: Builder, x: Tensor, axis: int, count: Dim, root: float, *, forward: bool
) -> Tensor:
    """The first half of the transform of a real tensor; the other half mirrors it."""
    x = resized(g, x, axis, count)
    bins = count // 2 + 1
    if _by_matrix(x.dtype, count, _squared(count)):
        assert isinstance(count, int)
        matrix = _matrix(count, count // 2 + 1, forward=forward) / count**root
        return _product(g, x, axis, matrix[::2])
    result = _kernel(g, x, axis, count, root, forward=True, bins=bins)
    return result if forward else conj(g, result)


def complex_to_real(
    g: Builder, x: Tensor, axis: int, count: Dim, root: float, *, forward: bool
) -> Tensor:
    """The real tensor of `count` points of whose transform `x` is the first half.

    The imaginary parts of the first number, and of the middle one, don't count.
    """
    x = resized(g, x, axis, count // 2 + 1)
    if _by_matrix(x.dtype, count, _squared(count)):
        assert isinstance(count, int)
        bins = count // 2 + 1
        matrix = _matrix(count, bins, forward=forward)[::2].reshape(count, bins, 2)
        weights = np.full(bins, 2.0)
        weights[0] = 1
        if count % 2 == 0:
            weights[-1] = 1
        matrix = (matrix * weights[:, None]).reshape(count, 2 * bins).T / count**root
        # Of (c + id)(cos + i sin) the real part; the matrix has cos and sin.
        matrix[1::2] *= -1
        return _real_product(g, x, axis, matrix)
    tail = conj(g, g.Slice(x, [(count - 1) // 2], [0], [axis], [-1]))
    whole = g.Concat(x, tail, axis=axis)
    shape = list(x.require_shape())
    shape[axis] = count
    whole = g.reshape(whole, shape)
    return parts(g, _kernel(g, whole, axis, count, root, forward=forward))[0]


def _squared(count: Dim) -> int:
    return count * count if isinstance(count, int) else 0


def _by_matrix(dtype: ir.DataType, count: Dim, width: int) -> bool:
    if not isinstance(count, int) or (count & (count - 1) == 0 and count > 8):
        return False
    size = 8 if dtype in (DOUBLE, ir.DataType.COMPLEX128) else 4
    return width * size <= LARGEST_MATRIX


def _matrix(count: int, bins: int, *, forward: bool) -> np.ndarray:
    """[2 count, 2 bins]: pairs times this are the pairs of the first `bins` sums.

    Products j * k are taken modulo the count first, which keeps the angles exact.
    """
    turns = np.outer(np.arange(count), np.arange(bins)) % count
    angle = (-2 if forward else 2) * np.pi * turns / count
    cosine, sine = np.cos(angle), np.sin(angle)
    table = np.array([[cosine, sine], [-sine, cosine]])
    return table.transpose(2, 0, 3, 1).reshape(2 * count, 2 * bins)


def _product(g: Builder, x: Tensor, axis: int, matrix: np.ndarray) -> Tensor:
    """The sums of a matrix along a dim, as complex numbers."""
    last, flat = _last(g, x, axis)
    pairs = g.MatMul(flat, g.constant(matrix, flat.dtype))
    result = from_real(g.reshape(pairs, [*last.require_shape()[:-1], matrix.shape[1] // 2, 2]))
    return _back(g, result, axis)


def _real_product(g: Builder, x: Tensor, axis: int, matrix: np.ndarray) -> Tensor:
    _, flat = _last(g, x, axis)
    return _back(g, g.MatMul(flat, g.constant(matrix, flat.dtype)), axis)


def _last(g: Builder, x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The tensor with the dim as its last one, and that with pairs side by side."""
    rank = x.require_rank()
    if axis != rank - 1:
        x = move_dims(g, x, [axis], [rank - 1])
    if not is_complex(x.dtype):
        return x, x
    shape = x.require_shape()
    return x, g.reshape(as_real(x), [*shape[:-1], shape[-1] * 2])


def _back(g: Builder, x: Tensor, axis: int) -> Tensor:
    rank = x.require_rank()
    return x if axis == rank - 1 else move_dims(g, x, [rank - 1], [axis])


def _kernel(
    g: Builder,
    x: Tensor,
    axis: int,
    count: Dim,
    root: float,
    *,
    forward: bool,
    bins: Dim | None = None,
) -> Tensor:
    """ONNX DFT, of which `bins` numbers are wanted if not all."""
    pair = as_real(x) if is_complex(x.dtype) else g.Unsqueeze(x, axes=[-1])
    dtype = pair.dtype
    precise = isinstance(count, int) and count & (count - 1) == 0
    # The kernel divides by the count in float32, which costs digits of a float64.
    swapped = not forward and not precise and dtype == DOUBLE
    if swapped:
        pair = _swapped(g, pair)
    if not precise:
        pair = g.cast(pair, DOUBLE)
    inverse = not forward and not swapped
    result = g.DFT(pair, None, axis, inverse=int(inverse), onesided=int(bins is not None))
    shape = list(x.require_shape())
    shape[axis] = count if bins is None else bins
    result = g.cast(g.reshape(result, [*shape, 2]), dtype)
    power = root - 1 if inverse else root
    if power:
        size = count if isinstance(count, int) else g.constant(count, dtype)
        if isinstance(size, int):
            result = g.Mul(result, float(size) ** -power)
        else:
            factor = g.Sqrt(size) if abs(power) == 0.5 else size
            result = g.Div(result, factor) if power > 0 else g.Mul(result, factor)
    if swapped:
        result = _swapped(g, result)
    return from_real(result)


def _swapped(g: Builder, pair: Tensor) -> Tensor:
    """Real and imaginary parts exchanged: around a transform, its inverse but for the factor."""
    if pair.require_shape()[-1] == 1:
        zero = g.Expand(g.constant(0, pair.dtype), g.shape(pair))
        return g.Concat(zero, pair, axis=-1)
    return as_real(make(g, *reversed(parts(g, from_real(pair)))))


# ---------------------------------------------------------------- arguments


def _root(norm: str | None, *, forward: bool) -> float:
    """The power of n that is divided by."""
    if norm == "ortho":
        return 0.5
    if norm not in (None, "backward", "forward"):
        raise Unsupported(f'norm={norm!r}, not "forward", "backward" or "ortho"')
    return 1.0 if (norm == "forward") == forward else 0.0


def _one(self: Tensor, dim: int) -> int:
    if not self.require_rank():
        raise Unsupported("PyTorch has no Fourier transform of a 0-d tensor")
    return wrapped_dim(dim, self.require_rank())


def _length(g: Builder, asked: Dim, own: Dim) -> Dim:
    """The size asked for, of which -1 means the dim's own."""
    if isinstance(asked, int):
        return own if asked == -1 else asked
    if is_ge(asked, 0):
        return asked
    keeps = g.Equal(g.constant(asked, INT64), -1)
    return g.integer(g.Where(keeps, g.constant(own, INT64), g.constant(asked, INT64)))


def _many(
    g: Builder, self: Tensor, s: Sequence[Dim] | None, dim: Sequence[int] | None
) -> tuple[list[int], list[Dim]]:
    """The dims and the sizes that they are given; None and -1 keep a size."""
    rank = self.require_rank()
    if dim is not None:
        dims = wrapped_dims(dim, rank)
    else:
        dims = list(range(0 if s is None else rank - len(s), rank))
    if len(set(dims)) != len(dims):
        raise Raised("PyTorch transforms a dim once only")
    shape = self.require_shape()
    sizes = [shape[d] for d in dims] if s is None else list(s)
    if len(sizes) != len(dims):
        raise Unsupported(f"{len(sizes)} sizes for {len(dims)} dims")
    return dims, [_length(g, n, shape[d]) for d, n in zip(dims, sizes, strict=True)]


def _real_size(g: Builder, self: Tensor, s: Sequence[Dim] | None, dim: int) -> Dim:
    """The length of a real signal whose transform's first half is given."""
    own = 2 * (self.require_shape()[dim] - 1)
    return own if s is None else _length(g, s[-1], own)


# ---------------------------------------------------------------- torch.fft, one dim


def _register_one(name: str, *, forward: bool) -> None:
    @symbolic(
        f"aten::fft_{name}(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor"
    )
    def transform(
        g: Builder, self: Tensor, n: Dim | None = None, dim: int = -1, norm: str | None = None
    ) -> Tensor:
        axis, root = _one(self, dim), _root(norm, forward=forward)
        if name in ("fft", "ifft"):
            x = _operand(g, self)
            count = g.size(x, axis) if n is None else n
            return complex_to_complex(g, x, axis, count, root, forward=forward)
        if name in ("rfft", "ihfft"):
            x = _operand(g, self, as_complex=False)
            count = g.size(x, axis) if n is None else n
            return real_to_complex(g, x, axis, count, root, forward=forward)
        x = _operand(g, self, as_complex=True)
        count = _real_size(g, x, None if n is None else [n], axis)
        return complex_to_real(g, x, axis, count, root, forward=forward)


for _name in ("fft", "rfft", "hfft"):
    _register_one(_name, forward=True)
for _name in ("ifft", "irfft", "ihfft"):
    _register_one(_name, forward=False)


# ---------------------------------------------------------------- torch.fft, several dims


def _over(
    g: Builder,
    x: Tensor,
    dims: Sequence[int],
    sizes: Sequence[Dim],
    root: float,
    *,
    forward: bool,
) -> Tensor:
    """A complex transform along each of the dims."""
    for axis, size in zip(reversed(dims), reversed(sizes), strict=True):
        x = complex_to_complex(g, x, axis, size, root, forward=forward)
    return x


def _transform_many(
    g: Builder,
    name: str,
    self: Tensor,
    s: Sequence[Dim] | None,
    dim: Sequence[int] | None,
    norm: str | None,
) -> Tensor:
    forward = name in ("fft", "rfft", "hfft")
    root = _root(norm, forward=forward)
    dims, sizes = _many(g, self, s, dim)
    if name in ("fft", "ifft"):
        x = _operand(g, self, as_complex=None if dims else True)
        return _over(g, x, dims, sizes, root, forward=forward)
    if not dims:
        raise Unsupported(f"PyTorch has no {name}n along no dims")
    if name in ("rfft", "ihfft"):
        x = _operand(g, self, as_complex=False)
        for axis, size in zip(dims[:-1], sizes[:-1], strict=True):
            x = resized(g, x, axis, size)
        x = real_to_complex(g, x, dims[-1], sizes[-1], root, forward=forward)
        return _over(g, x, dims[:-1], sizes[:-1], root, forward=forward)
    x = _operand(g, self, as_complex=True)
    last = _real_size(g, x, s, dims[-1])
    x = resized(g, x, dims[-1], last // 2 + 1)
    x = _over(g, x, dims[:-1], sizes[:-1], root, forward=forward)
    return complex_to_real(g, x, dims[-1], last, root, forward=forward)


def _register_many(name: str) -> None:
    @symbolic(
        f"aten::fft_{name}2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor"
    )
    def transform_two(
        g: Builder,
        self: Tensor,
        s: Sequence[Dim] | None = None,
        dim: Sequence[int] = [-2, -1],
        norm: str | None = None,
    ) -> Tensor:
        return _transform_many(g, name, self, s, dim, norm)

    @symbolic(
        f"aten::fft_{name}n(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor"
    )
    def transform_many(
        g: Builder,
        self: Tensor,
        s: Sequence[Dim] | None = None,
        dim: Sequence[int] | None = None,
        norm: str | None = None,
    ) -> Tensor:
        return _transform_many(g, name, self, s, dim, norm)


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    _register_many(_name)


# ---------------------------------------------------------------- what PyTorch makes of them

# The power of n by the number of a normalization.
_ROOTS = (0.0, 0.5, 1.0)


@symbolic("aten::_fft_c2c(Tensor self, SymInt[] dim, int normalization, bool forward) -> Tensor")
def fft_c2c(
    g: Builder, self: Tensor, dim: Sequence[int], normalization: int, forward: bool
) -> Tensor:
    """Complex numbers to complex numbers."""
    dims = wrapped_dims(dim, self.require_rank())
    sizes = [self.require_shape()[d] for d in dims]
    return _over(g, self, dims, sizes, _ROOTS[normalization], forward=forward)


@symbolic("aten::_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor")
def fft_r2c(
    g: Builder, self: Tensor, dim: Sequence[int], normalization: int, onesided: bool
) -> Tensor:
    """Real numbers to complex numbers, of the last of the dims to one half."""
    dims, root = wrapped_dims(dim, self.require_rank()), _ROOTS[normalization]
    sizes = [self.require_shape()[d] for d in dims]
    if not onesided:
        return _over(g, self, dims, sizes, root, forward=True)
    x = real_to_complex(g, self, dims[-1], sizes[-1], root, forward=True)
    return _over(g, x, dims[:-1], sizes[:-1], root, forward=True)


@symbolic(
    "aten::_fft_c2r(Tensor self, int[] dim, int normalization, SymInt last_dim_size) -> Tensor"
)
def fft_c2r(
    g: Builder, self: Tensor, dim: Sequence[int], normalization: int, last_dim_size: Dim
) -> Tensor:
    """Complex numbers to real numbers, of the last of the dims from one half."""
    dims, root = wrapped_dims(dim, self.require_rank()), _ROOTS[normalization]
    sizes = [self.require_shape()[d] for d in dims]
    x = _over(g, self, dims[:-1], sizes[:-1], root, forward=False)
    return complex_to_real(g, x, dims[-1], last_dim_size, root, forward=False)
