"""The namespace `_quantized`, which holds some operators of `quantized` as well."""

from __future__ import annotations

from symbolics.registry import overloads, symbolic

__all__: list[str] = []

_NAMES = (
    "add linear linear_dynamic linear_prepack linear_prepack_fp16 conv2d conv2d_relu conv2d_prepack "
    "conv3d conv3d_relu conv3d_prepack conv_transpose1d conv_transpose1d_prepack conv_transpose2d "
    "conv_transpose2d_prepack conv_transpose3d_prepack"
)

for _name in _NAMES.split():
    _head = f"quantized::{_name}"
    for _overload in overloads(_head):
        if _overload.text.startswith(f"{_head}("):
            symbolic(f"_{_overload.text}")(_overload.function)
