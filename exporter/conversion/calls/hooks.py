"""The call of the module that is converted: its `forward` with its hooks around it.

TorchScript compiles the hooks of submodules into their calls. Those of the module itself run when
it is called, so they belong to the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from exporter.conversion.values.objects import ObjectValue, Value

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.torchscript.graph import Function

__all__ = ["call_module"]


def call_module(
    interpreter: Interpreter, function: Function, root: ObjectValue, arguments: Sequence[Value]
) -> Value:
    """Call a method of the root; `forward` runs its hooks, whose results replace what they get."""
    declared = root.type
    hooked = function is declared.methods.get("forward")
    inputs = tuple(arguments)
    for name in declared.forward_pre_hooks if hooked else ():
        result = interpreter.run_function(declared.methods[name], [root, inputs], path="")
        if result is not None:
            inputs = result if isinstance(result, tuple) else (result,)
    output = interpreter.run_function(function, [root, *inputs], path="")
    for name in declared.forward_hooks if hooked else ():
        result = interpreter.run_function(declared.methods[name], [root, inputs, output], path="")
        output = output if result is None else result
    return output
