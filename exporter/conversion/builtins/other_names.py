"""Operators that are others by another name, and what they would do beside does not matter here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.values.objects import Value

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__: list[str] = []

# Those of `torch.nn.init` write where no gradient is recorded; a program runs so anyway.
_MEANT = {
    "aten::_no_grad_embedding_renorm_": "aten::embedding_renorm_",
    "aten::_no_grad_fill_": "aten::fill_",
    "aten::_no_grad_normal_": "aten::normal_",
    "aten::_no_grad_uniform_": "aten::uniform_",
    "aten::_no_grad_zero_": "aten::zero_",
    "aten::_infer_size": "aten::broadcast_shapes",
    "aten::ComplexImplicit": "aten::Complex",
}


def _register(name: str, meant: str) -> None:
    def run(interpreter: Interpreter, *args: Value, **kwargs: Value) -> Value:
        return interpreter.call(meant, args, kwargs)

    builtin(name)(run)


for _name, _other in _MEANT.items():
    _register(_name, _other)
