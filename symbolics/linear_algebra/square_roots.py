"""Square roots of matrices, by their spectra."""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.complex_numbers import adjoint
from symbolics.linear_algebra.spectral import linalg_eigh, linalg_svd
from symbolics.registry import symbolic


@symbolic("aten::linalg_matrix_sqrth(Tensor self) -> Tensor")
def linalg_matrix_sqrth(g: Builder, self: Tensor) -> Tensor:
    """X with X X = self, symmetric as that is, of which the lower triangle is read.

    Eigenvalues below 0, which such a matrix should not have, count as 0. From PyTorch 2.14 on.
    """
    values, vectors = linalg_eigh(g, self)
    return _composed(g, vectors, g.Sqrt(g.Max(values, 0)))


@symbolic("aten::linalg_polar(Tensor A) -> (Tensor U, Tensor H)")
def linalg_polar(g: Builder, A: Tensor) -> tuple[Tensor, Tensor]:
    """A = U H, of orthonormal columns and the root of A^H A. From PyTorch 2.14 on."""
    u, lengths, vh = linalg_svd(g, A, full_matrices=False)
    return g.MatMul(u, vh), _composed(g, adjoint(g, vh), lengths)


def _composed(g: Builder, vectors: Tensor, values: Tensor) -> Tensor:
    """The matrix that has these eigenvectors as columns, and these real eigenvalues."""
    stretched = g.Mul(vectors, g.cast(g.Unsqueeze(values, axes=[-2]), vectors.dtype))
    return g.MatMul(stretched, adjoint(g, vectors))
