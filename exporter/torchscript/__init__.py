"""Archive code to IR: types, records, lowering, schemas, printing. Knows no ONNX and no torch."""

from __future__ import annotations

from exporter.torchscript.graph import (
    MISSING,
    Block,
    ClassType,
    Function,
    Graph,
    Node,
    Parameter,
    Value,
)
from exporter.torchscript.program import Program
from exporter.torchscript.record import SourceRange, SourceRanges

__all__ = [
    "Program",
    "Graph",
    "Block",
    "Node",
    "Value",
    "Function",
    "Parameter",
    "MISSING",
    "ClassType",
    "SourceRange",
    "SourceRanges",
]
