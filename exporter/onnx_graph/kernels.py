"""Dtypes that an operator takes at an opset but onnxruntime has no CPU kernel for.

`detour` names the dtype to go through instead; the builder casts there and back.
"""

from __future__ import annotations

import onnx_ir as ir

from exporter.onnx_graph.signatures import Signature

__all__ = ["detour"]


def detour(
    signature: Signature, variable: str, dtype: ir.DataType, opset: int
) -> ir.DataType | None:
    """The dtype to compute in where `dtype` can't be used; None where it can."""
    legal = signature.dtypes[variable]
    if not legal or dtype in legal:
        return None
    for candidate in _WIDER.get(dtype, ()):
        if candidate in legal:
            return candidate
    return None


D = ir.DataType
_WIDER: dict[ir.DataType, tuple[ir.DataType, ...]] = {
    D.BOOL: (D.UINT8, D.INT32, D.INT64, D.FLOAT),
    D.UINT8: (D.INT32, D.INT64, D.FLOAT),
    D.INT8: (D.INT32, D.INT64, D.FLOAT),
    D.INT16: (D.INT32, D.INT64, D.FLOAT),
    D.INT32: (D.INT64, D.DOUBLE, D.FLOAT),
    D.INT64: (D.DOUBLE, D.FLOAT),
    D.FLOAT16: (D.FLOAT,),
    D.BFLOAT16: (D.FLOAT,),
    D.DOUBLE: (D.FLOAT,),
}
