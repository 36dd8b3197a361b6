"""The commands of `ts2onnx`, one module each, and what they share."""

from exporter import deferred_sympy  # noqa: F401  # first: it imports onnx_ir
