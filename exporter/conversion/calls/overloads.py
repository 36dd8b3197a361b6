"""Which function of a module a method's name means.

TorchScript saves the overloads of a method as `forward__0`, `forward__1`, ... and has no `forward`
then (`nn.LSTM` takes a tensor or a packed sequence). The arguments decide which one it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.conversion.boundary.argument_binding import Binder
from exporter.errors import InputError
from exporter.torchscript.graph import ClassType, Function
from exporter.torchscript.program import Program

__all__ = ["method_for"]


def method_for(
    program: Program,
    declared: ClassType,
    method: str,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    where: str,
) -> Function:
    """The method of that name, or the one overload of it that takes the arguments."""
    if method in declared.methods:
        return declared.methods[method]
    prefix = f"{method}__"
    overloads = {
        name: function
        for name, function in declared.methods.items()
        if name.startswith(prefix) and name.removeprefix(prefix).isdecimal()
    }
    if not overloads:
        known = ", ".join(declared.methods) or "none"
        raise InputError(f"{where} has no method {method!r}; its methods: {known}")
    fitting = [f for f in overloads.values() if _takes(program, f, args, kwargs)]
    if len(fitting) == 1:
        return fitting[0]
    listed = tuple(
        f"{name}({', '.join(f'{p.type} {p.name}' for p in function.parameters[1:])})"
        for name, function in overloads.items()
    )
    what = "several overloads" if fitting else "no overload"
    raise InputError(
        f"{what} of {method!r} in {where} can take these arguments; say which one is meant", listed
    )


def _takes(
    program: Program, function: Function, args: Sequence[object], kwargs: Mapping[str, object]
) -> bool:
    parameters = function.parameters[1:]
    if len(args) > len(parameters) or not set(kwargs) <= {p.name for p in parameters}:
        return False
    given = dict(zip((p.name for p in parameters), args, strict=False)) | dict(kwargs)
    binder = Binder(program)
    try:
        for parameter in parameters:
            if parameter.name in given:
                binder.bind(parameter.name, parameter.type, given[parameter.name])
            elif not parameter.has_default:
                return False
    except InputError:
        return False
    return True
