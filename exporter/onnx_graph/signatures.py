"""What an ONNX operator looks like at a given opset: its inputs, attributes and legal dtypes.

Symbolics call operators in their newest form (`g.ReduceSum(x, axes=[1])`); `place` moves each
argument to where the target opset wants it, as an input or as an attribute, by the operator's own
schema (`onnx.defs`). The few parameters that changed their name are listed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import onnx
import onnx_ir as ir
from onnx import defs

from exporter.errors import UnsupportedError

__all__ = [
    "NOT_DETERMINISTIC",
    "Parameter",
    "Placed",
    "Signature",
    "function_signature",
    "place",
    "require_dtype",
    "signature",
]

# (operator, newest name) -> the name it had before; see the operators' changelogs.
RENAMED = {
    ("Pad", "constant_value"): "value",
    ("TopK", "K"): "k",
    ("BatchNormalization", "input_mean"): "mean",
    ("BatchNormalization", "input_var"): "var",
}
NEWEST = 26

# Attributes that only tune or restate, and may be left out where an opset lacks them.
ADVISORY = {("Cast", "saturate"), ("QuantizeLinear", "saturate")}

# What opsets that lack an attribute mean, where it isn't the default that the attribute has now.
MEANT_BEFORE = {
    ("RoiAlign", "coordinate_transformation_mode"): "output_half_pixel",
    ("Resize", "coordinate_transformation_mode"): "asymmetric",
    ("Resize", "nearest_mode"): "floor",
}


@dataclass(frozen=True)
class Parameter:
    """An input or output: its name, its type variable or type, and how often it may occur."""

    name: str
    type_variable: str
    optional: bool
    variadic: bool
    homogeneous: bool


@dataclass(frozen=True, eq=False)
class Signature:
    """One operator at one opset; `dtypes` are the legal dtypes of each type variable.

    `defaults` are those of the attributes. Compared by identity: there is one of each.
    """

    op_type: str
    domain: str
    since_version: int
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    attributes: Mapping[str, ir.AttributeType]
    required: frozenset[str]
    defaults: Mapping[str, object]
    dtypes: Mapping[str, frozenset[ir.DataType]]
    deterministic: bool


@cache
def function_signature(name: str) -> Signature:
    """What stands for a function that is several nodes: a name alone."""
    return Signature(name, "", 0, (), (), {}, frozenset(), {}, {}, deterministic=True)


@dataclass
class Placed:
    """A call's arguments as the target opset wants them; absent optional inputs are None."""

    inputs: list[object]
    attributes: dict[str, object]


NOT_DETERMINISTIC = {
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
    "Dropout",
}


@cache
def signature(op_type: str, opset: int, domain: str = "") -> Signature | None:
    """The operator at this opset; None if it has none there (or is of a domain unknown here)."""
    if not defs.has(op_type, opset, domain) or defs.get_schema(op_type, opset, domain).deprecated:
        return None
    schema = defs.get_schema(op_type, opset, domain)
    dtypes = {
        c.type_param_str: frozenset(filter(None, map(_dtype, c.allowed_type_strs)))
        for c in schema.type_constraints
    }
    option = defs.OpSchema.FormalParameterOption

    def parameters(formal: Sequence[defs.OpSchema.FormalParameter]) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(
                p.name,
                p.type_str,
                p.option == option.Optional,
                p.option == option.Variadic,
                p.is_homogeneous,
            )
            for p in formal
        )

    inputs, outputs = parameters(schema.inputs), parameters(schema.outputs)
    for p in (*inputs, *outputs):
        if p.type_variable not in dtypes:
            fixed = _dtype(p.type_variable)
            dtypes[p.type_variable] = frozenset([fixed] if fixed else [])
    return Signature(
        op_type,
        domain,
        schema.since_version,
        inputs,
        outputs,
        {name: ir.AttributeType(int(a.type.value)) for name, a in schema.attributes.items()},
        frozenset(name for name, a in schema.attributes.items() if a.required),
        {
            name: onnx.helper.get_attribute_value(a.default_value)
            for name, a in schema.attributes.items()
            if a.default_value.name
        },
        dtypes,
        op_type not in NOT_DETERMINISTIC,
    )


@cache
def _dtype(type_string: str) -> ir.DataType | None:
    """The dtype in `tensor(float)` and the like; None for a type that is no plain tensor."""
    inner = type_string
    for prefix in ("optional(", "seq("):
        inner = inner.removeprefix(prefix)
    if not inner.startswith("tensor("):
        return None
    return _BY_NAME.get(inner.removeprefix("tensor(").rstrip(")"))


_BY_NAME = {
    "float": ir.DataType.FLOAT,
    "double": ir.DataType.DOUBLE,
    **{
        d.name.lower(): d
        for d in ir.DataType
        if d not in (ir.DataType.UNDEFINED, ir.DataType.FLOAT, ir.DataType.DOUBLE)
    },
}


def place(
    op_type: str, domain: str, opset: int, args: Sequence[object], kwargs: Mapping[str, object]
) -> tuple[Signature, Placed]:
    """Arguments in the operator's newest form -> inputs and attributes of the target opset.

    An attribute that is left out means its newest default: it is written where the target's
    default is another. One that the target lacks must have the value that the target always means.
    Raises `UnsupportedError` if the opset lacks the operator, or has no place for an argument.
    """
    target = signature(op_type, opset, domain)
    if target is None:
        newest = signature(op_type, NEWEST, domain)
        since = f"; opset {_first(op_type, domain)} has it" if newest else ""
        raise UnsupportedError(f"opset {opset} has no {op_type}{since}")
    newest = signature(op_type, NEWEST, domain) or target
    named: dict[str, object] = {}
    variadic: list[object] = []
    for i, arg in enumerate(args):
        parameter = newest.inputs[min(i, len(newest.inputs) - 1)]
        if parameter.variadic:
            variadic.append(arg)
        elif i < len(newest.inputs):
            named[parameter.name] = arg
        else:
            raise TypeError(f"{op_type} takes {len(newest.inputs)} inputs, got {len(args)}")
    named.update(kwargs)
    inputs: list[object] = []
    for parameter in target.inputs:
        if parameter.variadic:
            inputs.extend(variadic)
            continue
        inputs.append(_take(named, op_type, parameter.name))
    attributes: dict[str, object] = {}
    for name in target.attributes:
        value = _take(named, op_type, name)
        if value is not None:
            attributes[name] = value
    if newest is not target:
        for name, default in _other_defaults(newest, target):
            if name not in target.attributes:
                named.setdefault(name, default)
            else:
                attributes.setdefault(name, default)
    for name, value in named.items():
        if value is None or (op_type, name) in ADVISORY or _is_meant(newest, name, value):
            continue
        raise UnsupportedError(f"{op_type} has no {name}={value!r} at opset {opset}")
    while inputs and inputs[-1] is None:
        inputs.pop()
    return target, Placed(inputs, attributes)


def require_dtype(target: Signature, variable: str, dtype: ir.DataType, opset: int) -> None:
    """Raise `UnsupportedError` if a type variable of the operator may not have the dtype."""
    legal = target.dtypes[variable]
    if not legal or dtype in legal:
        return
    message = f"{target.op_type} takes no {dtype.name.lower()} at opset {opset}"
    for version in range(opset + 1, NEWEST + 1):
        later = signature(target.op_type, version, target.domain)
        if later is not None and dtype in later.dtypes.get(variable, ()):
            message += f"; opset {version} does"
            break
    raise UnsupportedError(message)


def _take(named: dict[str, object], op_type: str, name: str) -> object:
    if name in named:
        return named.pop(name)
    for (renamed_op, newest), old in RENAMED.items():
        if renamed_op == op_type and old == name and newest in named:
            return named.pop(newest)
    return None


@cache
def _other_defaults(newest: Signature, target: Signature) -> tuple[tuple[str, object], ...]:
    """The newest defaults of attributes whose absence means something else at the target."""
    return tuple(
        (name, _text(default))
        for name, default in newest.defaults.items()
        if (
            target.defaults.get(name) != default
            if name in target.attributes
            else (newest.op_type, name) in MEANT_BEFORE
        )
    )


def _is_meant(newest: Signature, name: str, value: object) -> bool:
    """Whether an attribute's value is what opsets without the attribute do."""
    if name not in newest.defaults:
        return False
    meant = MEANT_BEFORE.get((newest.op_type, name), _text(newest.defaults[name]))
    return isinstance(value, (int, float, str)) and value == meant


def _text(default: object) -> object:
    return default.decode() if isinstance(default, bytes) else default


def _first(op_type: str, domain: str) -> int:
    """The first opset that has the operator."""
    return min(
        int(s.since_version)
        for s in defs.get_all_schemas_with_history()
        if s.name == op_type and s.domain == domain
    )
