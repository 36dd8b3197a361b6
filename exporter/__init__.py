"""ts2onnx: converts TorchScript to ONNX, without needing PyTorch.

from exporter import export
export("model.pt", path="model.onnx")
"""

from __future__ import annotations

from exporter import deferred_sympy  # noqa: F401  # first: it imports onnx_ir
from exporter.api import Exported, Report, export, load, register_symbolic
from exporter.conversion.signature import TensorSpec
from exporter.errors import (
    ArchiveError,
    ConversionError,
    ExportError,
    InputError,
    NotTorchScriptError,
    ScriptError,
    UnsupportedError,
    UnsupportedOperatorError,
    VerificationError,
)

__version__ = "0.1.0"

__all__ = [
    "export",
    "load",
    "register_symbolic",
    "Exported",
    "Report",
    "TensorSpec",
    "ExportError",
    "ArchiveError",
    "NotTorchScriptError",
    "ScriptError",
    "ConversionError",
    "UnsupportedError",
    "UnsupportedOperatorError",
    "InputError",
    "VerificationError",
]
