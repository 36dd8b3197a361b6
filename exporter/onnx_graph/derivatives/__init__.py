"""Derivatives of ONNX operators, and gradients made of them."""

from exporter.onnx_graph.derivatives import (  # noqa: F401
    elementwise,
    functions,
    moves,
    products,
    reductions,
)
from exporter.onnx_graph.derivatives.backpropagation import gradients, pulled_back, variable

__all__ = ["gradients", "pulled_back", "variable"]
