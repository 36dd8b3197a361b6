"""`with`: the context managers of the program run; of PyTorch's some matter to gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.prims import prim
from exporter.conversion.values.objects import ObjectValue, Value
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Environment, Interpreter
    from exporter.torchscript.graph import Node

__all__: list[str] = []

# What PyTorch's managers by these names say of gradients.
_RECORDING = {"no_grad": False, "inference_mode": False, "enable_grad": True}


@prim("prim::Enter")
def enter(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """The start of `with manager as name:`."""
    manager = environment[node.inputs[0]]
    if isinstance(manager, ObjectValue):
        if _is_own(manager):
            return interpreter.spread(node, interpreter.call_method(manager, "__enter__", []))
        recording = _RECORDING.get(_class_name(manager))
        if recording is not None:
            interpreter.g.scope.recording.append(recording)
        elif _class_name(manager) == "autocast":
            _refuse_autocast(manager)
    return [manager] * len(node.outputs)


@prim("prim::Exit")
def leave(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """The end of a `with`, where nothing has been raised."""
    manager = environment[node.inputs[0]]
    if isinstance(manager, ObjectValue):
        if _is_own(manager):
            interpreter.call_method(manager, "__exit__", [None, None, None])
        elif _class_name(manager) in _RECORDING:
            interpreter.g.scope.recording.pop()
    return [None] * len(node.outputs)


@builtin(
    "profiler::_record_function_enter",
    "profiler::_record_function_enter_new",
    "profiler::_record_function_exit",
)
def record_function(interpreter: Interpreter, *args: Value) -> Value:
    """What a trace holds of a `with` that is for the profiler: a model has none."""
    return None


def _class_name(manager: ObjectValue) -> str:
    return manager.type.name.rpartition(".")[2]


def _is_own(manager: ObjectValue) -> bool:
    """Whether a context manager is of the program, and not of PyTorch."""
    return not manager.type.name.startswith("__torch__.torch.")


def _refuse_autocast(manager: ObjectValue) -> None:
    """Autocast of another device's tensors leaves those of the CPU as they are."""
    enabled, device = (manager.attributes.get(name) for name in ("_enabled", "device"))
    if enabled is not False and device == "cpu":
        raise UnsupportedError(
            "autocast on the CPU, which decides the dtypes of what it surrounds: convert "
            "the module with enabled=False, or cast in the program"
        )
