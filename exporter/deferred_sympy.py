"""Importing this module imports `onnx_ir`, but not sympy, which nothing here needs.

onnx_ir computes with symbolic dims by sympy, and imports it at once (onnx_ir 1.1), which takes
longer than importing numpy, onnx and the rest of onnx_ir together. To onnx_ir dims are strings
here; arithmetic on them is `exporter.onnx_graph.symbolic`'s. So while onnx_ir is imported a
stand-in takes sympy's place, whose functions import the real one when they are called. Nothing is
left in `sys.modules`: who imports sympy afterwards gets sympy.

This module goes when onnx_ir imports sympy where it uses it.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

__all__: list[str] = []


class _Function:
    """A function of sympy's that is looked up when it is called."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: object) -> object:
        return getattr(importlib.import_module("sympy"), self.name)(*args)


class _StandIn(ModuleType):
    """sympy's name in onnx_ir's modules: attributes asked for during the import are deferred."""

    importing = True

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.importing:
            return _Function(name)
        return getattr(importlib.import_module("sympy"), name)


def _import_onnx_ir() -> None:
    """Import onnx_ir, unless it or sympy has been imported already."""
    if "sympy" in sys.modules or "onnx_ir" in sys.modules:
        return
    stand_in = _StandIn("sympy")
    sys.modules["sympy"] = stand_in
    try:
        importlib.import_module("onnx_ir")
    except (AttributeError, ImportError, TypeError):
        # A release that uses sympy in another way while it is imported: import both as they are.
        for name in [n for n in sys.modules if n.split(".")[0] == "onnx_ir"]:
            del sys.modules[name]
    finally:
        stand_in.importing = False
        if sys.modules.get("sympy") is stand_in:
            del sys.modules["sympy"]


_import_onnx_ir()
