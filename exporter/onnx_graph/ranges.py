"""The numbers 0, 1, 2, ..., of which indices and coordinates are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["MOST_STORED", "consecutive"]

# Up to so many numbers are a constant; more are computed at run time.
MOST_STORED = 4096


def consecutive(g: Builder, count: Dim | Tensor, dtype: ir.DataType = ir.DataType.INT64) -> Tensor:
    """0, 1, ... count - 1; the count may be a 0-d tensor of int64."""
    if isinstance(count, int) and count <= MOST_STORED:
        return g.constant(np.arange(count), dtype)
    return g.cast(g.Range(0, g.constant(count, ir.DataType.INT64), 1), dtype)
