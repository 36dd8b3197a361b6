"""ts2onnx: converts TorchScript to ONNX, without needing PyTorch.

    from exporter import export
    export("model.pt", path="model.onnx")

The public names are imported when they are first asked for, so that the command can prepare the
process (and answer `--version`) before NumPy and ONNX are loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.api import Exported, Report, export, load, register_symbolic
    from exporter.conversion.boundary.specs import OptionalSpec, SequenceSpec, TensorSpec
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
    "SequenceSpec",
    "OptionalSpec",
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

_HOMES = {
    **dict.fromkeys(("export", "load", "register_symbolic", "Exported", "Report"), "exporter.api"),
    **dict.fromkeys(
        ("TensorSpec", "SequenceSpec", "OptionalSpec"), "exporter.conversion.boundary.specs"
    ),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module("exporter.deferred_sympy")  # before anything else imports onnx_ir
    value: object = getattr(import_module(_HOMES.get(name, "exporter.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
