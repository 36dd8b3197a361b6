"""The `*_copy` forms of view operators: the same values in memory of their own.

PyTorch makes them by `torch.func.functionalize` and by request. Values have no memory here, so
each is the view's own symbolic under another schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symbolics import registry
from symbolics.views import shape, splitting, views

__all__: list[str] = []

_COPIES: dict[str, Callable[..., Any]] = {
    "aten::_reshape_copy(Tensor self, SymInt[] size) -> Tensor": shape.view,
    "aten::_reshape_alias_copy(Tensor self, SymInt[] size, SymInt[] stride) -> Tensor": shape._reshape_alias,
    "aten::alias_copy(Tensor self) -> Tensor": shape.alias,
    "aten::as_strided_copy(Tensor self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor": views.as_strided,
    "aten::detach_copy(Tensor self) -> Tensor": shape.alias,
    "aten::diagonal_copy(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor": views.diagonal,
    "aten::expand_copy(Tensor self, SymInt[] size, *, bool implicit=False) -> Tensor": shape.expand,
    "aten::lift(Tensor self) -> Tensor": shape.alias,
    "aten::lift_fresh(Tensor(a) self) -> Tensor(a)": shape.alias,
    "aten::lift_fresh_copy(Tensor self) -> Tensor": shape.alias,
    "aten::narrow_copy(Tensor self, int dim, SymInt start, SymInt length) -> Tensor": views.narrow,
    "aten::permute_copy(Tensor self, int[] dims) -> Tensor": shape.permute,
    "aten::select_copy.int(Tensor self, int dim, SymInt index) -> Tensor": views.select,
    "aten::slice_copy.Tensor(Tensor self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor": views.slice_tensor,
    "aten::split_copy.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]": splitting.split,
    "aten::split_with_sizes_copy(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]": splitting.split_with_sizes,
    "aten::squeeze_copy(Tensor self) -> Tensor": shape.squeeze,
    "aten::squeeze_copy.dim(Tensor self, int dim) -> Tensor": shape.squeeze_dim,
    "aten::squeeze_copy.dims(Tensor self, int[] dim) -> Tensor": shape.squeeze_dims,
    "aten::t_copy(Tensor self) -> Tensor": shape.t,
    "aten::transpose_copy.int(Tensor self, int dim0, int dim1) -> Tensor": shape.transpose,
    "aten::unbind_copy.int(Tensor self, int dim=0) -> Tensor[]": splitting.unbind,
    "aten::unfold_copy(Tensor self, int dimension, int size, int step) -> Tensor": views.unfold,
    "aten::unsqueeze_copy(Tensor self, int dim) -> Tensor": shape.unsqueeze,
    "aten::view_copy(Tensor self, SymInt[] size) -> Tensor": shape.view,
    "aten::view_copy.dtype(Tensor self, ScalarType dtype) -> Tensor": shape.view_dtype,
}

for _schema, _function in _COPIES.items():
    registry.symbolic(_schema)(_function)
