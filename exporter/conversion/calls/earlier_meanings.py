"""What operators meant when an old archive was written.

PyTorch has changed what a few operators mean, and counts such changes in the version that stands
in an archive. What an older archive calls keeps its old meaning: PyTorch loads it with an
"upgrader" in the operator's place (`torch._C._get_operator_version_map`); here the arguments are
completed, so that today's operator does what was meant.

    operator             until version   meant
    div, div_                  3         of integers: the quotient without its fraction
    full                       4         with no dtype given: floats, whatever the value
    linspace                   7         with no number of steps: 100
    logspace                   8         the same
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import onnx_ir as ir

from exporter.conversion.values.objects import Value
from exporter.conversion.values.tensors import TensorRef
from exporter.onnx_graph.values import SymFloat

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["Completed", "Meaning", "earlier_meanings"]

Completed: TypeAlias = tuple[list[Value], dict[str, Value]]
"""The arguments of a call: those by position and those by name."""
Meaning: TypeAlias = "Callable[[Interpreter, list[Value], dict[str, Value]], Completed]"

_STEPS = 100


def earlier_meanings(version: int) -> Mapping[str, Meaning]:
    """The operators that meant something else in archives of this version."""
    return {kind: meaning for kind, (last, meaning) in _MEANINGS.items() if version <= last}


def _integer_division(
    interpreter: Interpreter, args: list[Value], kwargs: dict[str, Value]
) -> Completed:
    """Round towards zero where neither operand, nor the tensor that is written, has floats."""
    if len(args) != 2 or not isinstance(args[0], TensorRef) or "rounding_mode" in kwargs:
        return args, kwargs
    if any(_has_floats(interpreter, value) for value in (*args, kwargs.get("out"))):
        return args, kwargs
    return args, kwargs | {"rounding_mode": "trunc"}


def _has_floats(interpreter: Interpreter, value: Value) -> bool:
    if isinstance(value, TensorRef):
        dtype: ir.DataType = value.read(interpreter.g).dtype
        return dtype.is_floating_point()
    return isinstance(value, (float, SymFloat))


def _float_fill(interpreter: Interpreter, args: list[Value], kwargs: dict[str, Value]) -> Completed:
    """Fill with a float where the dtype follows from the value."""
    if len(args) != 2 or kwargs.get("dtype") is not None or "out" in kwargs:
        return args, kwargs
    return [args[0], interpreter.builtin("aten::Float", args[1])], kwargs


def _hundred_steps(
    interpreter: Interpreter,  # noqa: ARG001  one signature for all
    args: list[Value],
    kwargs: dict[str, Value],
) -> Completed:
    """Give the number of steps that was the default."""
    steps = kwargs.get("steps") if len(args) < 3 else args[2]
    if steps is not None:
        return args, kwargs
    rest = {name: value for name, value in kwargs.items() if name != "steps"}
    return [*args[:2], _STEPS, *args[3:]], rest


_MEANINGS: dict[str, tuple[int, Meaning]] = {
    "aten::div": (3, _integer_division),
    "aten::div_": (3, _integer_division),
    "aten::full": (4, _float_fill),
    "aten::linspace": (7, _hundred_steps),
    "aten::logspace": (8, _hundred_steps),
}
