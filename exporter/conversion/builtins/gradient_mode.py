"""What a program asks and says of gradients, but for asking for the gradients themselves.

A program runs as under `torch.no_grad()`, until it says otherwise: what it computes then requires
no gradients, and what does so are parameters and what `requires_grad_` was called on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.values.objects import OptionalValue, Value
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.values import Tensor
from symbolics.rules import is_complex, is_float

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__: list[str] = []


@builtin("aten::is_grad_enabled", "prim::is_grad_enabled")
def is_grad_enabled(interpreter: Interpreter) -> Value:
    """Whether the program has said that gradients are recorded."""
    return interpreter.g.scope.recording[-1] is True


@builtin("aten::set_grad_enabled")
def set_grad_enabled(interpreter: Interpreter, val: Value) -> Value:
    """What holds until the `with` around ends, or the program."""
    scope = interpreter.g.scope
    if not isinstance(val, bool):
        raise UnsupportedError("set_grad_enabled with a flag that depends on the data")
    if scope.parent is not None and len(scope.recording) == 1 and scope.recording[-1] is not val:
        raise UnsupportedError("set_grad_enabled in a branch or loop, whose path decides it")
    scope.recording[-1] = val
    return None


@builtin("prim::requires_grad")
def requires_grad(interpreter: Interpreter, self: Value) -> Value:
    """The tensor's own flag, or what recording makes of a computed one."""
    if isinstance(self, OptionalValue):
        self = self.value
    if not isinstance(self, TensorRef):
        return NotImplemented
    if self.choice is not None:
        sides = [requires_grad(interpreter, s) for s in (self.choice.then, self.choice.other)]
        if sides[0] is not sides[1]:
            raise UnsupportedError("requires_grad of a tensor that is one of two")
        return sides[0]
    if self.requires_grad:
        return True
    if self.requires_grad is None or any(twin.requires_grad for twin in self.cell.twins):
        raise UnsupportedError("requires_grad, which depends on the path that was taken")
    tensor = self.read(interpreter.g)
    recorded = interpreter.g.scope.recording[-1] is True and not tensor.detached
    if recorded and _is_computed(tensor) and (is_float(tensor.dtype) or is_complex(tensor.dtype)):
        raise UnsupportedError(
            "requires_grad of a tensor that was computed where gradients are recorded"
        )
    return False


def _is_computed(tensor: Tensor) -> bool:
    """Whether a tensor is no input; a constant may have been computed from a parameter."""
    return tensor.known or tensor.value is None or tensor.value.producer() is not None


@builtin("aten::requires_grad_")
def require_gradients(interpreter: Interpreter, self: Value, requires_grad: Value = True) -> Value:
    """Set the flag of a tensor; what a branch sets is not known behind it."""
    return _flagged(interpreter, self, requires_grad)


@builtin("aten::detach_")
def detach_in_place(interpreter: Interpreter, self: Value) -> Value:
    """Without the flag."""
    return _flagged(interpreter, self, False)


def _flagged(interpreter: Interpreter, self: Value, wanted: Value) -> Value:
    if not isinstance(self, TensorRef):
        return NotImplemented
    unsure = interpreter.g.scope.parent is not None or not isinstance(wanted, bool)
    if self.requires_grad is not wanted:
        self.require_grad(None if unsure else wanted)
    if wanted is True:
        _keep_variable(interpreter, self)
    return self


def _keep_variable(interpreter: Interpreter, self: TensorRef) -> None:
    """See that nothing is computed from a constant of the program's own: gradients lead to it.

    Attributes have names, and hold what they held.
    """
    from exporter.onnx_graph.derivatives import variable  # noqa: PLC0415  for programs with gradients

    if self.base is not None or self.choice is not None:
        return
    tensor = self.cell.read()
    if tensor.array is not None and tensor.name is None and is_float(tensor.dtype):
        interpreter.journal.touch(self.cell)
        self.cell.value = variable(interpreter.g, tensor)


@builtin("prim::AutogradAnyNonZero", "prim::AutogradAllNonZero")
def autograd(interpreter: Interpreter, *args: Value) -> Value:
    """There are no gradients."""
    return False


@builtin("prim::grad")
def gradient(interpreter: Interpreter, self: Value) -> Value:
    """The attribute: no gradients are stored anywhere (`torch.autograd.grad` is an operator)."""
    return None
