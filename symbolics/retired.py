"""Operators that PyTorch has taken out, which the archives of earlier releases call.

PyTorch itself can't load these archives any more. The schemas are those of the last release that had
the operator.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.complex_numbers import view_as_complex, view_as_real
from symbolics.layers.attention import attention_scores
from symbolics.linear_algebra.decompositions import linalg_lu_factor, linalg_solve
from symbolics.linear_algebra.spectral import (
    _linalg_eigh,
    linalg_matrix_rank,
    linalg_matrix_rank_atol_rtol_float,
)
from symbolics.registry import symbolic
from symbolics.rules import BOOL, FLOAT
from symbolics.signals.fourier import fft_c2c, fft_c2r, fft_r2c

__all__: list[str] = []

# ---------------------------------------------------------------- up to 1.7: complex numbers as pairs

# How `_fft_c2c` and its like call what divides by nothing, by the root of n and by n.
_BY_NOTHING, _BY_ROOT, _BY_COUNT = 0, 1, 2


def _last_dims(rank: int, count: int) -> list[int]:
    return list(range(rank - count, rank))


@symbolic("aten::fft(Tensor self, int signal_ndim, bool normalized=False) -> Tensor")
def fft(g: Builder, self: Tensor, signal_ndim: int, normalized: bool = False) -> Tensor:
    """The transform over the last dims of complex numbers, which are pairs in one more dim."""
    x = view_as_complex(g, self)
    dims = _last_dims(x.require_rank(), signal_ndim)
    root = _BY_ROOT if normalized else _BY_NOTHING
    return view_as_real(g, fft_c2c(g, x, dims, root, True))


@symbolic("aten::ifft(Tensor self, int signal_ndim, bool normalized=False) -> Tensor")
def ifft(g: Builder, self: Tensor, signal_ndim: int, normalized: bool = False) -> Tensor:
    """The way back from `fft`."""
    x = view_as_complex(g, self)
    dims = _last_dims(x.require_rank(), signal_ndim)
    root = _BY_ROOT if normalized else _BY_COUNT
    return view_as_real(g, fft_c2c(g, x, dims, root, False))


@symbolic(
    "aten::rfft(Tensor self, int signal_ndim, bool normalized=False, bool onesided=True) -> Tensor"
)
def rfft(
    g: Builder, self: Tensor, signal_ndim: int, normalized: bool = False, onesided: bool = True
) -> Tensor:
    """The transform over the last dims of real numbers; the result's last dim are the pairs."""
    dims = _last_dims(self.require_rank(), signal_ndim)
    root = _BY_ROOT if normalized else _BY_NOTHING
    return view_as_real(g, fft_r2c(g, self, dims, root, onesided))


@symbolic(
    "aten::irfft(Tensor self, int signal_ndim, bool normalized=False, bool onesided=True, int[] signal_sizes=[]) -> Tensor"
)
def irfft(
    g: Builder,
    self: Tensor,
    signal_ndim: int,
    normalized: bool = False,
    onesided: bool = True,
    signal_sizes: Sequence[int] = (),
) -> Tensor:
    """The way back from `rfft`; without sizes the last dim is even."""
    x = view_as_complex(g, self)
    dims = _last_dims(x.require_rank(), signal_ndim)
    size = g.size(x, -1)
    if signal_sizes:
        size = signal_sizes[-1]
    elif onesided:
        size = (size - 1) * 2
    root = _BY_ROOT if normalized else _BY_COUNT
    return fft_c2r(g, x, dims, root, size)


# ---------------------------------------------------------------- up to 1.13: linear algebra


@symbolic(
    "aten::symeig(Tensor self, bool eigenvectors=False, bool upper=True) -> (Tensor eigenvalues, Tensor eigenvectors)"
)
def symeig(
    g: Builder, self: Tensor, eigenvectors: bool = False, upper: bool = True
) -> tuple[Tensor, Tensor]:
    """`linalg_eigh` of the upper triangle, or the eigenvalues with an empty tensor."""
    return _linalg_eigh(g, self, "U" if upper else "L", eigenvectors)


@symbolic("aten::matrix_rank(Tensor self, bool symmetric=False) -> Tensor")
def matrix_rank(g: Builder, self: Tensor, symmetric: bool = False) -> Tensor:
    """How many singular values are not nearly zero."""
    return linalg_matrix_rank_atol_rtol_float(g, self, hermitian=symmetric)


@symbolic("aten::matrix_rank.tol(Tensor self, float tol, bool symmetric=False) -> Tensor")
def matrix_rank_tol(g: Builder, self: Tensor, tol: float, symmetric: bool = False) -> Tensor:
    """How many singular values are above `tol`."""
    return linalg_matrix_rank(g, self, tol, symmetric)


@symbolic("aten::solve(Tensor self, Tensor A) -> (Tensor solution, Tensor LU)")
def solve(g: Builder, self: Tensor, A: Tensor) -> tuple[Tensor, Tensor]:
    """X with A X = self, and the LU decomposition of A."""
    return linalg_solve(g, A, self), linalg_lu_factor(g, A)[0]


# ---------------------------------------------------------------- 1.13 alone: attention


@symbolic(
    "aten::_scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0., bool need_attn_weights=False, bool is_causal=False) -> (Tensor, Tensor)"
)
def _scaled_dot_product_attention(
    g: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    need_attn_weights: bool = False,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor]:
    """Attention and its weights, NaN in a row that a mask hides as a whole."""
    weights = g.Softmax(attention_scores(g, query, key, attn_mask, is_causal), axis=-1)
    if dropout_p:
        weights = g.Dropout(weights, g.constant(float(dropout_p), FLOAT), g.constant(True, BOOL))
    return g.MatMul(weights, value), weights
