"""Runs symbolics on bound arguments, or their forms for quantized tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor
from exporter.torchscript.graph import Node
from symbolics.registry import Overload, form_for_quantized, parameter_name

__all__ = ["SymbolicCall", "by_parameter", "invoke"]


@dataclass(frozen=True)
class SymbolicCall:
    """What a symbolic was given and gave, and where in the program that was."""

    overload: Overload
    arguments: dict[str, Any]
    result: Any
    node: Node | None
    module_path: str


def invoke(g: Builder, overload: Overload, arguments: dict[str, Any]) -> Any:
    """Run a symbolic, or its form for quantized tensors where there is one among the arguments."""
    result = _invoked(g, overload, arguments)
    if g.calls is not None:
        node = g.source if isinstance(g.source, Node) else None
        g.calls.append(SymbolicCall(overload, dict(arguments), result, node, g.module_path))
    return result


def _invoked(g: Builder, overload: Overload, arguments: dict[str, Any]) -> Any:
    named = by_parameter(arguments)
    if any(map(_is_quantized, arguments.values())):
        form = form_for_quantized(overload)
        if form is not None:
            return form(g, overload.function, named)
        result = overload.function(g, **named)
        if (
            isinstance(result, Tensor)
            and result.quantization is None
            and not _takes_quantized(overload)
        ):
            raise UnsupportedError("a quantized tensor as argument; dequantize() it before")
        return result
    return overload.function(g, **named)


def _takes_quantized(overload: Overload) -> bool:
    """Whether an operator knows of quantized tensors and may make others of them.

    Those of ATen are written for floats. Others are for quantized tensors, or the user's own.
    """
    return not overload.text.startswith("aten::")


def _is_quantized(value: object) -> bool:
    if value.__class__ is list:
        return any(map(_is_quantized, value))
    return value.__class__ is Tensor and value.quantization is not None


def by_parameter(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by what symbolics call them."""
    return {parameter_name(name): value for name, value in arguments.items()}
