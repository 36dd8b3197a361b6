"""Calls of operators on tensors: overload, symbolic, and what the schema says of views and writes.

The functional form of an operator is the only one that has a symbolic. Derived by rule are
`add_` (the functional form, then a write to `self`), `add(..., out=t)` (then a write to `t`), and
views: a result that the schema's alias annotations tie to an argument becomes a view of it.
`_foreach_` operators are derived in `foreach`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import onnx_ir as ir

from exporter.conversion.builtins.numbers import boolean, complex_of, one_element
from exporter.conversion.calls.aliased_results import SELF_OR_COPY, aliased_result, possible_view
from exporter.conversion.calls.binding import choose
from exporter.conversion.calls.foreach import call_for_each, single_operator
from exporter.conversion.calls.invocation import by_parameter, invoke
from exporter.conversion.calls.out_arguments import out_arguments
from exporter.conversion.calls.writes import require_cast, require_distinct, write
from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.resizing import replace_contents
from exporter.conversion.values.runtime_contents import RuntimeList
from exporter.conversion.values.storage import on_storage
from exporter.conversion.values.strides import made
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph import quantized
from exporter.onnx_graph.complex_numbers import is_complex
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import SymFloat, Tensor, is_number
from exporter.torchscript.types import (
    BoolType,
    FloatType,
    IntType,
    ListType,
    NumberType,
    OptionalType,
    TensorType,
    Type,
)
from symbolics.registry import Overload, overloads, parameter_name

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = [
    "METADATA",
    "MissingSymbolicError",
    "call_operator",
    "functional_name",
    "has_symbolic",
    "item",
]

# Views, though their schemas say that they are copies.
_UNDECLARED_VIEWS = {
    "aten::unsafe_chunk",
    "aten::unsafe_split",
    "aten::unsafe_split_with_sizes",
    "aten::atleast_1d",
    "aten::atleast_2d",
    "aten::atleast_3d",
}
# These leave the elements alone and change what dims the tensor itself has.
METADATA = {
    "aten::unsqueeze_",
    "aten::squeeze_",
    "aten::t_",
    "aten::transpose_",
    "aten::swapaxes_",
    "aten::swapdims_",
    "aten::as_strided_",
}


# How a result becomes a tensor of its own.
_New: TypeAlias = Callable[[Tensor], TensorRef]


class MissingSymbolicError(UnsupportedError):
    """An operator (or overload) that nothing is registered for."""

    def __init__(self, kind: str, described: str) -> None:
        super().__init__(f"no symbolic for {described}")
        self.kind = kind


def functional_name(kind: str) -> str | None:
    """The functional operator that an in-place one is derived from, or None."""
    if kind == "aten::normal_":
        # `aten::normal` draws a tensor of its own, with other arguments.
        return "aten::normal_functional"
    namespace, _, name = kind.partition("::")
    if name.startswith("__i") and name.endswith("__"):
        return f"{namespace}::__{name[3:]}"
    if name.endswith("_") and not name.endswith("__") and name != "_":
        return f"{namespace}::{name[:-1]}"
    return None


def has_symbolic(kind: str) -> bool:
    """Whether an operator of this name converts, at least in one overload."""
    kind = single_operator(kind) or kind
    functional = functional_name(kind)
    return bool(overloads(kind)) or bool(functional and overloads(functional))


def call_operator(
    interpreter: Interpreter, kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> Value:
    """Convert one call; tensors come back as `TensorRef`."""
    if kind in ("aten::as_strided", "aten::as_strided_copy"):
        args, kwargs = on_storage(interpreter, args, kwargs)
    found = choose(overloads(kind), args, kwargs)
    if found is not None:
        overload, bound = found
        return _call(interpreter, kind, overload, bound)
    targets = out_arguments(kind, kwargs)
    if targets:
        return _call_out(interpreter, kind, args, kwargs, targets)
    if single_operator(kind) is not None:
        return call_for_each(interpreter, kind, args, kwargs)
    functional = functional_name(kind)
    if kind in METADATA and isinstance(args[0], TensorRef):
        assert functional is not None
        choice = args[0].choice
        if choice is not None:
            choice.each(lambda ref: call_operator(interpreter, kind, [ref, *args[1:]], kwargs))
            return args[0]
        view = call_operator(interpreter, functional, [args[0].origin(), *args[1:]], kwargs)
        args[0].become(view, interpreter.journal)
        return args[0]
    if functional is not None and args and isinstance(args[0], TensorRef):
        # The functional form takes the same arguments in the same order, but for this one.
        bound_args = args[::-1] if kind == "aten::polygamma_" else args
        found = choose(overloads(functional), bound_args, kwargs)
        if found is not None:
            overload, bound = found
            result = _run(interpreter, overload, bound)
            if not isinstance(result, Tensor):
                raise UnsupportedError(f"{kind}: an in-place operator with several results")
            require_cast(result, args[0].read(interpreter.g))
            require_distinct(kind, args[0], interpreter.g)
            write(interpreter, args[0], result)
            return args[0]
    raise MissingSymbolicError(kind, interpreter.describe_call(kind, args, kwargs))


def _call_out(
    interpreter: Interpreter,
    kind: str,
    args: Sequence[Value],
    kwargs: Mapping[str, Value],
    names: Sequence[str],
) -> Value:
    rest = {k: v for k, v in kwargs.items() if k not in names}
    result = interpreter.call(kind, args, rest)
    several = isinstance(result, (tuple, ListValue))
    results = interpreter.items(result) if several else [result]
    targets = [kwargs[n] for n in names]
    if len(targets) == 1 and isinstance(targets[0], (tuple, ListValue)):
        targets = interpreter.items(targets[0])
    for target, value in zip(targets, results, strict=True):
        # `out` is resized to the result, so unlike an in-place write this may change its shape.
        tensor = interpreter.g.cast(value.read(interpreter.g), target.read(interpreter.g).dtype)
        replace_contents(interpreter, target, tensor)
    return targets[0] if len(targets) == 1 else tuple(targets)


def _arguments(
    interpreter: Interpreter, overload: Overload, bound: dict[str, Value]
) -> dict[str, Any]:
    """Bound arguments as symbolics take them: tensors read, implicit conversions done."""
    arguments = {
        a.name: _argument(interpreter, a.type, bound[a.name]) for a in overload.schema.arguments
    }
    for name, value in bound.items():
        runtime = value.runtime if isinstance(value, ListValue) else None
        if runtime is not None and runtime.kind != "tensor":
            _require_whole(overload, name, runtime)
    return arguments


def _require_whole(overload: Overload, name: str, value: RuntimeList) -> None:
    """A list of run-time length goes to symbolics that take it as one ONNX value, and say so."""
    if "Tensor" not in overload.function.__annotations__.get(parameter_name(name), ""):
        raise UnsupportedError(
            f"{overload.schema.qualified_name}: {name} is a list of {value.kind}s whose length is "
            "only known at run time"
        )


def _argument(interpreter: Interpreter, type: Type, value: Value) -> Any:  # noqa: A002
    if isinstance(type, OptionalType):
        return None if value is None else _argument(interpreter, type.element, value)
    if isinstance(value, TensorRef):
        if isinstance(type, (IntType, BoolType, FloatType, NumberType)):
            return item(interpreter, value, type)
        return value.read(interpreter.g)
    if isinstance(type, TensorType) and is_number(value):
        return interpreter.g.constant(value)
    if isinstance(type, FloatType) and isinstance(value, SymInt):
        return interpreter.builtin("aten::Float", value)
    if isinstance(type, ListType):
        if isinstance(value, ListValue) and value.runtime is not None:
            if value.runtime.kind == "tensor":
                raise UnsupportedError(
                    "this operator takes a list of tensors of a known length; here the length is "
                    "only known at run time (cat, stack and pad_sequence take such a list)"
                )
            return value.runtime.value
        if isinstance(value, list):
            return [_argument(interpreter, type.element, v) for v in value]
    return value


def item(interpreter: Interpreter, ref: TensorRef, type: Type | None = None) -> Value:  # noqa: A002
    """The one element of a tensor as a Python number."""
    g = interpreter.g
    tensor = one_element(g, ref)
    if tensor.quantization is not None:
        tensor = quantized.dequantized(g, tensor)
    if isinstance(type, BoolType) or (type is None and tensor.dtype == ir.DataType.BOOL):
        return interpreter.builtin("aten::Bool", ref)
    integral = tensor.dtype.name.startswith(("INT", "UINT"))
    if isinstance(type, IntType) or (not isinstance(type, FloatType) and integral):
        return g.integer(tensor)
    if isinstance(type, NumberType) and tensor.dtype == ir.DataType.BOOL:
        return boolean(g.reshape(tensor, []))
    if is_complex(tensor.dtype):
        return complex_of(g.cast(g.reshape(tensor, []), ir.DataType.COMPLEX128))
    wide = g.cast(g.reshape(tensor, []), ir.DataType.DOUBLE)
    return float(wide.array.item()) if wide.array is not None else SymFloat(wide)


def _run(interpreter: Interpreter, overload: Overload, bound: dict[str, Value]) -> Any:
    return invoke(interpreter.g, overload, _arguments(interpreter, overload, bound))


def _call(
    interpreter: Interpreter, kind: str, overload: Overload, bound: dict[str, Value]
) -> Value:
    schema = overload.schema
    arguments = _arguments(interpreter, overload, bound)
    result = invoke(interpreter.g, overload, arguments)
    if overload.effect is not None:
        changed = overload.effect(interpreter.g, **by_parameter(arguments))
        for name, tensor in changed.items():
            write(interpreter, bound[name], tensor)
    returns = schema.returns
    if len(returns) == 0:
        return None
    aliased = [
        next((a.name for a in schema.arguments if _ties(a.alias_set, r.alias_set)), None)
        if r.alias_set
        else None
        for r in returns
    ]
    if kind in _UNDECLARED_VIEWS:
        aliased = ["self"]
    results = result if isinstance(result, tuple) and len(returns) > 1 else (result,)
    if len(results) != len(returns):
        raise TypeError(f"{schema.qualified_name} gives {len(returns)} values, not {len(results)}")
    sources = [v for given in bound.values() for v in _items(given) if isinstance(v, TensorRef)]
    new = partial(made, interpreter.g, kind, arguments, sources)
    wrapped = []
    for value, declared, source in zip(results, returns, aliased, strict=True):
        base = bound.get(source) if source else None
        if isinstance(base, TensorRef):
            wrapped.append(
                aliased_result(
                    interpreter, kind, overload, arguments, base, str(source), value, new
                )
            )
        elif kind in SELF_OR_COPY and isinstance(value, Tensor):
            wrapped.append(_self_or_copy(bound, arguments, value, new))
        elif kind == "aten::einsum" and len(sources) == 1:
            # Where nothing is summed, a view of the one operand.
            wrapped.append(possible_view(interpreter, sources[0], new(value), unsure=True))
        else:
            wrapped.append(_wrap(declared.type, value, new))
    return wrapped[0] if len(returns) == 1 else tuple(wrapped)


def _ties(argument: str | None, result: str | None) -> bool:
    """Whether two alias annotations name the same set, such as "a -> *" and "a"."""
    if argument is None or result is None:
        return False
    sets = [annotation.split("!")[0].split("->")[0].strip() for annotation in (argument, result)]
    return sets[0] == sets[1]


def _items(value: Value) -> Sequence[Value]:
    """The items of a list of known length, or the value alone."""
    if isinstance(value, ListValue):
        return value.items
    return value if isinstance(value, (list, tuple)) else (value,)


def _wrap(type: Type, value: Any, new: _New) -> Value:  # noqa: A002
    if isinstance(value, Tensor):
        return boolean(value) if isinstance(type, BoolType) else new(value)
    if isinstance(value, list):
        element = type.element if isinstance(type, ListType) else TensorType()
        return ListValue([_wrap(element, v, new) for v in value], element)
    return value


def _self_or_copy(
    bound: dict[str, Value], arguments: dict[str, Any], value: Tensor, new: _New
) -> TensorRef:
    """The very argument if the symbolic returned it, else a new tensor."""
    for name, argument in arguments.items():
        for given, ref in zip(_items(argument), _items(bound[name]), strict=False):
            if given is value and isinstance(ref, TensorRef):
                return ref
    return new(value)
