"""Binds the examples, specs and constants of a call to the declared types of the parameters.

The rules are TorchScript's own for calling a program from Python: an int goes where a float is
declared, a tensor without dims where a number is, a list where a tuple is. What does not fit is an
error that names the argument, the declared type and what was given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from exporter.archive import Device, EnumMember, TensorData
from exporter.conversion.boundary.arguments import (
    Argument,
    Array,
    Constant,
    DictNode,
    Leaf,
    ListNode,
    RecordNode,
    TupleNode,
)
from exporter.conversion.boundary.specs import Fixed, OptionalSpec, SequenceSpec, TensorSpec
from exporter.errors import InputError
from exporter.torchscript.printing import format_type
from exporter.torchscript.types import (
    AnyType,
    BoolType,
    ClassRef,
    ComplexType,
    DeviceType,
    DictType,
    FloatType,
    IntType,
    ListType,
    NoneType_,
    NumberType,
    OptionalType,
    StrType,
    TensorType,
    TupleType,
    Type,
    UnionType,
)

if TYPE_CHECKING:
    from exporter.torchscript.graph import Function, Parameter
    from exporter.torchscript.program import Program

__all__ = ["Binder", "bound_arguments"]

_NUMBERS: dict[type[Type], str] = {IntType: "int", FloatType: "float", BoolType: "bool"}
_KEYS: dict[type[Type], type] = {StrType: str, IntType: int, FloatType: float, BoolType: bool}
_DTYPES = {"int": "int64", "float": "float64", "bool": "bool"}
# Which kinds of NumPy dtypes a number of each kind is made from: a float from an int, not back.
_FITTING = {"int": "iub", "float": "fiub", "bool": "b"}


def bound_arguments(
    program: Program,
    function: Function,
    args: Sequence[object] | None,
    kwargs: Mapping[str, object],
    constants: Mapping[str, object],
    names: Mapping[str, str] | None = None,
) -> tuple[dict[str, Argument], list[str]]:
    """What each parameter of a method gets, by name, and what was assumed of those not given.

    `names` are what parameters are called in the model, where that is not their own name.
    """
    parameters = function.parameters[1:]
    given = list(args or ())
    if len(given) > len(parameters):
        raise InputError(
            f"{len(given)} arguments for {len(parameters)} parameters: {_list(parameters)}"
        )
    by_position = dict(zip((p.name for p in parameters), given, strict=False))
    known = {p.name for p in parameters}
    for name in (*kwargs, *constants):
        if name not in known:
            raise InputError(f"there is no parameter {name!r}; there are: {_list(parameters)}")
    twice = next((name for name in by_position if name in kwargs), None)
    if twice is not None:
        raise InputError(f"the argument {twice} is given twice, by position and by name")
    examples = {**by_position, **kwargs}
    binder, fixed = Binder(program), Binder(program, constant=True)
    bound: dict[str, Argument] = {}
    for parameter in parameters:
        name, kind = parameter.name, parameter.type
        if name in constants:
            bound[name] = fixed.bind(name, kind, constants[name])
        elif name in examples:
            bound[name] = binder.bind((names or {}).get(name, name), kind, examples[name])
        else:
            bound[name] = binder.unspecified(parameter)
    return bound, binder.notes


def _list(parameters: Sequence[Parameter]) -> str:
    return ", ".join(f"{p.type} {p.name}" for p in parameters) or "none"


class Binder:
    """Binds examples and specs to declared types; with `constant` everything is a constant."""

    def __init__(self, program: Program, *, constant: bool = False) -> None:
        self._program = program
        self._constant = constant
        self.notes: list[str] = []
        """What was assumed of arguments for which nothing was given."""

    # ------------------------------------------------------------ examples and specs

    def bind(self, name: str, declared: Type, given: object) -> Argument:
        """What a parameter, or a part of one, gets; an `InputError` if its type can't take it."""
        if isinstance(given, TensorData):
            if given.quantization is not None:
                # What a traced module was given.
                raise InputError(
                    f"the argument {name} is a quantized tensor, which no ONNX input is; "
                    "quantize it in the module, and trace that"
                )
            given = TensorSpec(given.dtype.name.lower(), given.shape)
        if isinstance(given, Fixed):
            return self._default(name, declared, given.value)
        if isinstance(declared, OptionalType):
            if given is None:
                return Constant(None)
            if isinstance(given, OptionalSpec):
                return self._optional(name, declared.element, given)
            declared = declared.element
        for types, bound in _RULES:
            if isinstance(declared, types):
                return bound(self, name, declared, given)
        raise InputError(
            f"argument {name}: an input of the type {self._text(declared)} has no ONNX counterpart"
        )

    def _text(self, declared: Type) -> str:
        return format_type(declared, self._program)

    def _misfit(self, name: str, declared: Type, given: object, *notes: str) -> InputError:
        said = f"argument {name} is declared {self._text(declared)}, but given {_described(given)}"
        return InputError(said, notes)

    def _optional(self, name: str, declared: Type, given: OptionalSpec) -> Argument:
        content = self.bind(name, declared, given.content)
        if not isinstance(content, Leaf):
            raise self._misfit(name, OptionalType(declared), given)
        return replace(content, spec=OptionalSpec(content.content))

    def _leaf(self, name: str, kind: str, given: Array | TensorSpec | SequenceSpec) -> Argument:
        if isinstance(given, np.ndarray):
            if self._constant:
                return Constant(given if kind == "tensor" else _as_kind(kind, given.item()))
            if given.dtype.kind in "OSU":
                raise InputError(
                    f"argument {name}: an array of {given.dtype.name} can't be an input"
                )
            return Leaf(name, kind, TensorSpec(given.dtype.name, given.shape), given)
        if self._constant:
            raise InputError(f"the constant {name} is given as {given}: that is no value")
        return Leaf(name, kind, given)

    def _tensor(self, name: str, declared: Type, given: object) -> Argument:
        if isinstance(given, (np.ndarray, np.generic)):
            return self._leaf(name, "tensor", np.asarray(given))
        if isinstance(given, TensorSpec):
            return self._leaf(name, "tensor", given)
        if isinstance(given, (bool, int, float, complex)):
            kinds = {float: np.float32, complex: np.complex64}
            return self._leaf(name, "tensor", np.asarray(given, kinds.get(type(given))))
        notes: tuple[str, ...] = ()
        if isinstance(given, Mapping):
            notes = ("arguments by name go into kwargs",)
        elif isinstance(given, OptionalSpec):
            notes = ("only a parameter declared Optional can be None",)
        raise self._misfit(name, declared, given, *notes)

    def _number(self, name: str, declared: Type, given: object) -> Argument:
        if isinstance(given, np.generic) or (isinstance(given, np.ndarray) and given.ndim == 0):
            # A tensor without dims is taken for a number, as TorchScript does.
            given = given.item()
        kind = _NUMBERS.get(type(declared)) or _kind_of(given)
        if isinstance(given, TensorSpec) and given.shape == () and kind is not None:
            if _dtype_kind(given) in _FITTING[kind]:
                return self._leaf(name, kind, given)
        elif (
            isinstance(given, (bool, int, float))
            and kind is not None
            and np.asarray(given).dtype.kind in _FITTING[kind]
        ):
            return self._leaf(name, kind, np.asarray(_as_kind(kind, given), _DTYPES[kind]))
        raise self._misfit(name, declared, given)

    def _complex(self, name: str, declared: Type, given: object) -> Argument:
        if isinstance(given, (int, float, complex)) and self._constant:
            return Constant(complex(given))
        raise self._misfit(
            name, declared, given,
            "a complex number is no input of an ONNX model: bind it",
            f"in Python  constants={{{name!r}: 1j}}", f'command    --const "{name}=1j"',
        )  # fmt: skip

    def _fixed(self, name: str, declared: Type, given: object) -> Argument:
        """A string or a device."""
        if isinstance(declared, DeviceType) and isinstance(given, str):
            given = Device(given)
        if not isinstance(given, Device if isinstance(declared, DeviceType) else str):
            raise self._misfit(name, declared, given)
        return Constant(given)

    def _none(self, name: str, declared: Type, given: object) -> Argument:
        if given is not None:
            raise self._misfit(name, declared, given)
        return Constant(None)

    def _list(self, name: str, declared: ListType, given: object) -> Argument:
        element = declared.element
        kind = "tensor" if isinstance(element, TensorType) else _NUMBERS.get(type(element))
        if isinstance(given, SequenceSpec) and kind is not None:
            return self._runtime_list(name, declared, kind, given)
        if kind not in (None, "tensor") and isinstance(given, (np.ndarray, TensorSpec)):
            return self._numbers(name, declared, str(kind), given)
        if isinstance(given, Mapping):  # from dotted names
            given = _counted(name, given)
        if not isinstance(given, (list, tuple)):
            notes: tuple[str, ...] = ()
            if kind == "tensor" and isinstance(given, (np.ndarray, TensorSpec)):
                notes = (
                    "give a list: [x], or SequenceSpec(dtype, shape) for any number of tensors",
                )
            raise self._misfit(name, declared, given, *notes)
        items = tuple(self.bind(f"{name}.{i}", element, v) for i, v in enumerate(given))
        return ListNode(items, element)

    def _runtime_list(
        self, name: str, declared: ListType, kind: str, given: SequenceSpec
    ) -> Argument:
        if kind == "tensor":
            return self._leaf(name, kind, given)
        if given.shape is not None or _dtype_kind(given) not in _FITTING[kind]:
            raise self._misfit(name, declared, given)
        return self._numbers(name, declared, kind, TensorSpec(given.dtype, (f"{name}_length",)))

    def _numbers(
        self, name: str, declared: ListType, kind: str, given: Array | TensorSpec
    ) -> Argument:
        """A list of numbers as one 1-D tensor."""
        array = given if isinstance(given, np.ndarray) else None
        spec = given if array is None else TensorSpec(array.dtype.name, array.shape)
        assert isinstance(spec, TensorSpec)
        if spec.shape is None or len(spec.shape) != 1 or _dtype_kind(spec) not in _FITTING[kind]:
            raise self._misfit(name, declared, given)
        if array is not None and self._constant:
            return self._list(name, declared, array.tolist())
        listed = SequenceSpec(spec.dtype, spec.shape)
        return self._leaf(name, kind, listed) if array is None else Leaf(name, kind, listed, array)

    def _tuple(self, name: str, declared: TupleType, given: object) -> Argument:
        if isinstance(given, Mapping):
            given = _counted(name, given)
        if not isinstance(given, (list, tuple)) or len(given) != len(declared.elements):
            raise self._misfit(name, declared, given)
        return TupleNode(
            tuple(
                self.bind(f"{name}.{i}", t, v)
                for i, (t, v) in enumerate(zip(declared.elements, given, strict=True))
            )
        )

    def _dict(self, name: str, declared: DictType, given: object) -> Argument:
        if isinstance(declared.key, IntType) and isinstance(given, list):
            given = dict(enumerate(given))  # from dotted names that count from 0
        if not isinstance(given, Mapping):
            raise self._misfit(name, declared, given)
        return DictNode(
            {
                self._key(name, declared, key): self.bind(f"{name}.{key}", declared.value, value)
                for key, value in given.items()
            }
        )

    def _key(self, name: str, declared: DictType, key: object) -> object:
        if isinstance(key, (np.ndarray, np.generic)):
            key = key.item()
        python = _KEYS.get(type(declared.key))
        if python is int and isinstance(key, str) and key.isdecimal():
            key = int(key)
        if python is not None and type(key) is not python:
            raise InputError(
                f"argument {name} is declared {self._text(declared)}, but has the key {key!r}"
            )
        return key

    def _class(self, name: str, declared: ClassRef, given: object) -> Argument:
        class_type = self._program.class_type(declared.name)
        if class_type.kind == "enum":
            if isinstance(given, EnumMember):
                return Constant(given)
            member = given.name if isinstance(given, Enum) else given
            if isinstance(member, str) and member in class_type.members:
                return Constant(EnumMember(declared.name, class_type.members[member]))
            raise self._misfit(
                name, declared, given, f"its members: {', '.join(class_type.members)}"
            )
        if class_type.kind != "namedtuple":
            raise InputError(
                f"argument {name} is an object of the class {declared.name.rpartition('.')[2]}; "
                "an ONNX model has tensors and lists of them as inputs",
                ("write a method that takes what the object is made of, and convert that",),
            )
        fields = class_type.attributes
        if isinstance(given, (list, tuple)) and len(given) <= len(fields):
            given = dict(zip(fields, given, strict=False))
        if not isinstance(given, Mapping) or not set(given) <= set(fields):
            raise self._misfit(name, declared, given)
        bound: dict[str, Argument] = {}
        for field, kind in fields.items():
            if field in given:
                bound[field] = self.bind(f"{name}.{field}", kind, given[field])
            else:
                raise InputError(f"argument {name} lacks the field {field}")
        return RecordNode(declared.name, bound)

    def _union(self, name: str, declared: UnionType, given: object) -> Argument:
        """The member that the example is an instance of, else the first one that takes it."""
        members = sorted(declared.members, key=lambda member: not _is_natural(member, given))
        for member in members:
            try:
                return self.bind(name, member, given)
            except InputError:
                continue
        raise self._misfit(name, declared, given)

    def _any(self, name: str, _declared: Type, given: object) -> Argument:
        """Nothing is declared: what the example is decides."""
        if isinstance(given, (list, tuple)):
            items = tuple(self.bind(f"{name}.{i}", AnyType(), v) for i, v in enumerate(given))
            if isinstance(given, tuple):
                return TupleNode(items)
            first = items[0] if items else None
            kinds = {word: kind for kind, word in _NUMBERS.items()}
            number = kinds.get(first.kind) if isinstance(first, Leaf) else None
            return ListNode(items, TensorType() if number is None else number())
        if isinstance(given, Mapping):
            return DictNode({k: self.bind(f"{name}.{k}", AnyType(), v) for k, v in given.items()})
        if given is None or isinstance(given, (str, Device)):
            return Constant(given)
        if isinstance(given, (bool, int, float)):
            return self._number(name, NumberType(), given)
        if isinstance(given, SequenceSpec):
            return self._leaf(name, "tensor", given)
        return self._tensor(name, TensorType(), given)

    # ------------------------------------------------------------ without an example

    def unspecified(self, parameter: Parameter) -> Argument:
        """A parameter nothing was given for: its default, or an input if its type says enough."""
        if parameter.has_default:
            return self._default(parameter.name, parameter.type, parameter.default)
        return self._assumed(parameter.name, parameter.type)

    def _default(self, name: str, declared: Type, default: object) -> Argument:
        if default is None:
            return Constant(None)
        return Binder(self._program, constant=True).bind(name, declared, default)

    def _assumed(self, name: str, declared: Type) -> Argument:
        if isinstance(declared, (OptionalType, NoneType_)):
            return Constant(None)
        kind = _NUMBERS.get(type(declared))
        if kind is not None:
            return self._leaf(name, kind, TensorSpec(_DTYPES[kind], ()))
        if isinstance(declared, ListType):
            return self._assumed_list(name, declared)
        if isinstance(declared, TupleType):
            return TupleNode(
                tuple(self._assumed(f"{name}.{i}", t) for i, t in enumerate(declared.elements))
            )
        notes = (
            'in Python  args=(..., TensorSpec("float32", ("batch", 3)))',
            f'command    --input "{name}=float32[batch,3]"',
        )
        if isinstance(declared, (StrType, DeviceType, ComplexType)) or self._is_enum(declared):
            notes = (
                f'in Python  constants={{"{name}": ...}}',
                f'command    --const "{name}=..."',
            )
        what = "its dtype and shape" if isinstance(declared, TensorType) else "an example"
        raise InputError(
            f"the argument {name} ({self._text(declared)}) is not given; say {what}", notes
        )

    def _is_enum(self, declared: Type) -> bool:
        if not isinstance(declared, ClassRef):
            return False
        return self._program.class_type(declared.name).kind == "enum"

    def _assumed_list(self, name: str, declared: ListType) -> Argument:
        """A list is of run-time length: no other one is known.

        The dtype of tensors is not known either. float32 is what most programs take, and a model
        that gets another one says so when it is run.
        """
        if isinstance(declared.element, TensorType):
            self.notes.append(
                f"the argument {name} ({self._text(declared)}) is taken for a list of float32 "
                f'tensors of any shape; --input "{name}=list(float32[batch,3])" or '
                f'SequenceSpec("float32", ("batch", 3)) says what it is'
            )
            return self._leaf(name, "tensor", SequenceSpec("float32"))
        kind = _NUMBERS.get(type(declared.element))
        if kind is not None:
            return self._runtime_list(name, declared, kind, SequenceSpec(_DTYPES[kind]))
        raise InputError(
            f"the argument {name} ({self._text(declared)}) is not given; give an example"
        )


_Bound: TypeAlias = Callable[[Binder, str, Any, object], Argument]

# What binds which types; methods by name, so that a subclass is not needed to read the table.
_RULES: Sequence[tuple[type[Type] | tuple[type[Type], ...], _Bound]] = (
    (TensorType, Binder._tensor),
    ((IntType, FloatType, BoolType, NumberType), Binder._number),
    (ListType, Binder._list),
    (TupleType, Binder._tuple),
    (DictType, Binder._dict),
    (ClassRef, Binder._class),
    (ComplexType, Binder._complex),
    ((StrType, DeviceType), Binder._fixed),
    (NoneType_, Binder._none),
    (UnionType, Binder._union),
    (AnyType, Binder._any),
)


def _dtype_kind(spec: TensorSpec | SequenceSpec) -> str:
    """The kind of NumPy dtype: "f", "i", "u", "b" or "c"."""
    return spec.onnx_dtype.numpy().kind


def _as_kind(kind: str, value: Any) -> bool | int | float:
    return {"int": int, "float": float, "bool": bool}[kind](value)  # type: ignore[no-any-return]


def _kind_of(given: object) -> str | None:
    """The kind of number that an example or spec is, where only "number" is declared."""
    if isinstance(given, TensorSpec):
        found = _dtype_kind(given)
    elif isinstance(given, (bool, int, float)):
        found = np.asarray(given).dtype.kind
    else:
        return None
    return {"b": "bool", "i": "int", "u": "int", "f": "float"}.get(found)


def _is_natural(declared: Type, given: object) -> bool:
    """Whether an example is an instance of just this type."""
    natural: dict[type[Type], tuple[type, ...]] = {
        TensorType: (np.ndarray, TensorSpec),
        BoolType: (bool,),
        IntType: (int,),
        FloatType: (float,),
        StrType: (str,),
        ListType: (list, SequenceSpec),
        TupleType: (tuple,),
        DictType: (Mapping,),
    }
    if isinstance(given, bool):
        return isinstance(declared, BoolType)
    return isinstance(given, natural.get(type(declared), ()))


def _counted(name: str, given: Mapping[object, object]) -> object:
    """A dict whose keys are the numbers from 0 on, as a list: dotted names are grouped to dicts."""
    keys = [str(key) for key in given]
    if not all(key.isdecimal() for key in keys):
        return given
    numbers = sorted(keys, key=int)
    if numbers != [str(i) for i in range(len(keys))]:
        raise InputError(f"the elements of {name} are {', '.join(numbers)}: they count from 0")
    by_number = {str(key): value for key, value in given.items()}
    return [by_number[number] for number in numbers]


def _described(given: object) -> str:
    """What was given, for messages."""
    if isinstance(given, (np.ndarray, np.generic)):
        return f"a tensor {given.dtype.name}[{','.join(map(str, given.shape))}]"
    if isinstance(given, (TensorSpec, SequenceSpec, OptionalSpec)):
        return str(given)
    if given is None or isinstance(given, (bool, int, float, complex, str)):
        return repr(given)
    if isinstance(given, Mapping):
        return f"a dict with the keys {', '.join(map(repr, given)) or '(none)'}"
    if isinstance(given, (list, tuple)):
        count = len(given)
        return f"a {type(given).__name__} of {count} item{'' if count == 1 else 's'}"
    return f"a {type(given).__name__}"
