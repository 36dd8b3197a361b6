"""What a value is, so that it can be said what values on different paths have in common.

A *form* describes a value where paths of the program meet: what is the same on all paths stays
what it is (`Plain`), the rest travels as tensors. `widening` finds the form of two, `joining`
takes values apart and makes them anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import copysign
from typing import TYPE_CHECKING, TypeAlias

import onnx_ir as ir

from exporter.conversion.control_flow.either import OWN, Home, Outside, home_of, identity_of
from exporter.conversion.control_flow.quantized_forms import QuantizedForm, quantized_form
from exporter.conversion.control_flow.visible import OpenShape, PossibleShapes
from exporter.conversion.runtime_lists import runtime_lists, tuple_lists
from exporter.conversion.values.journal import Container
from exporter.conversion.values.objects import (
    BoundMethod,
    ChoiceValue,
    DictValue,
    FunctionValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
    kind_of_number,
    type_name,
)
from exporter.conversion.values.runtime_contents import (
    RuntimeList,
    RuntimeLists,
    RuntimeTexts,
    RuntimeTuples,
    TensorRows,
)
from exporter.conversion.values.tensors import TensorRef
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import SymScalar, Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.torchscript.graph import ClassType
    from exporter.torchscript.types import DictType, Type

__all__ = [
    "ChoiceForm",
    "DictForm",
    "Form",
    "HandleForm",
    "ListForm",
    "NumberForm",
    "ObjectForm",
    "OptionalForm",
    "Plain",
    "QuantizedForm",
    "RuntimeDictForm",
    "RuntimeForm",
    "TensorForm",
    "TupleForm",
    "described",
    "form_of",
    "freeze",
    "number_kind",
    "open_ranks",
    "tensor_form",
]


@dataclass(frozen=True)
class Plain:
    """The same value on all paths: a plain one, or an object by its identity.

    `tensor` is the form of a tensor that was the same, for where it meets another one later.
    """

    value: Value
    tensor: TensorForm | None = field(default=None, compare=False)

    def same(self, other: Plain) -> bool:
        """Whether the other value is this one."""
        a, b = self.value, other.value
        if a is b:
            return True
        if type(a) is not type(b):
            return False
        if isinstance(a, float):
            # 0.0 and -0.0 are two numbers, NaN is one.
            return bool(a == b and copysign(1, a) == copysign(1, b)) or (a != a and b != b)
        if isinstance(a, tuple):
            return len(a) == len(b) and all(
                Plain(x).same(Plain(y)) for x, y in zip(a, b, strict=True)
            )
        if isinstance(a, BoundMethod):
            return a.owner is b.owner and a.name == b.name
        if isinstance(a, FunctionValue):
            return a.function is b.function
        if isinstance(a, Container):
            return a.origin is b.origin
        immutable = (bool, int, str, complex, SymInt)
        return (isinstance(a, immutable) or _is_record(a)) and bool(a == b)


@dataclass(frozen=True)
class NumberForm:
    """A number that differs: "int", "float", "bool" or "complex"."""

    kind: str


@dataclass(frozen=True)
class TensorForm:
    """A tensor; dims that differ are None. `source` is the value described, for identity.

    `home` says where the tensor is (see `either`), if that was asked for. Where the number of dims
    differs, `possible` are the shapes that it may have (None: any). `dense` is a tensor whose
    elements certainly lie in row-major order, as `reshape` asks.
    """

    dtype: ir.DataType
    shape: OpenShape
    source: TensorRef | Tensor | None = field(default=None, compare=False)
    possible: PossibleShapes = None
    home: Home | None = field(default=None, compare=False)
    dense: bool = False


@dataclass(frozen=True)
class HandleForm:
    """A name for one of several tensors; `value` is what they have in common."""

    home: Home
    value: TensorForm

    @property
    def has_own(self) -> bool:
        """Whether the tensor may be one that only its path has."""
        return OWN in self.home.places


@dataclass(frozen=True)
class TupleForm:
    """A tuple, or a named one."""

    items: tuple[Form, ...]
    type_name: str | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListForm:
    """A list of known length; `shared` says that two of its tensors may be one.

    `opens` says that it may become one of strings of run-time length (`Interpreter.keys`).
    """

    items: tuple[Form, ...]
    element_type: Type | None = field(default=None, compare=False)
    source: ListValue | None = field(default=None, compare=False)
    shared: bool = field(default=False, compare=False)
    opens: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class RuntimeForm:
    """A list of run-time length, of a kind of number or of tensors of a dtype.

    `stacked` tensors, all of the shape, are the rows of one tensor; others are in a Sequence.
    Of tuples, `columns` has the form of what each place in them holds, and `names` the type and
    the fields of named ones; of lists, the form of the tensors that stand for them, and
    `item_kind` what numbers they hold. Of strings, `texts` are those that there may be.
    """

    kind: str
    dtype: ir.DataType | None
    shape: OpenShape = None
    element_type: Type | None = field(default=None, compare=False)
    source: ListValue | None = field(default=None, compare=False)
    shared: bool = False
    stacked: bool = False
    columns: tuple[RuntimeForm, ...] = ()
    names: tuple[str | None, tuple[str, ...]] = (None, ())
    item_kind: str | None = None
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class DictForm:
    """A dict with the same keys on all paths; `shared` says that two of its tensors may be one.

    `opens` says that it may become one of run-time keys (`Interpreter.keys`).
    """

    keys: tuple[Value, ...]
    items: tuple[Form, ...]
    source: DictValue | None = field(default=None, compare=False)
    type: DictType | None = field(default=None, compare=False)
    shared: bool = field(default=False, compare=False)
    opens: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class RuntimeDictForm:
    """A dict of run-time keys, by the list of its pairs."""

    pairs: RuntimeForm
    source: DictValue | None = field(default=None, compare=False)
    type: DictType | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ObjectForm:
    """An instance of a script class made on each path."""

    type: ClassType
    keys: tuple[str, ...]
    items: tuple[Form, ...]
    source: ObjectValue | None = field(default=None, compare=False)


@dataclass(frozen=True)
class OptionalForm:
    """A value that is absent on some path."""

    inner: Form


@dataclass(frozen=True)
class ChoiceForm:
    """A value that the run picks from several; see `ChoiceValue`."""

    options: tuple[Form, ...]
    source: ChoiceValue | None = field(default=None, compare=False)


Form: TypeAlias = (
    Plain
    | NumberForm
    | TensorForm
    | QuantizedForm
    | HandleForm
    | TupleForm
    | ListForm
    | RuntimeForm
    | DictForm
    | RuntimeDictForm
    | ObjectForm
    | OptionalForm
    | ChoiceForm
)


def tensor_form(form: Form) -> TensorForm | None:
    """What is known of a tensor's value, if the form is that of one."""
    if isinstance(form, HandleForm):
        return form.value
    return form if isinstance(form, TensorForm) else None


def _is_record(value: Value) -> bool:
    return type(value).__name__ in ("Device", "EnumMember")


# ---------------------------------------------------------------- describing


def open_ranks(form: Form) -> int:
    """How many tensors in a value have no known number of dims."""
    if isinstance(form, TensorForm):
        return form.shape is None
    if isinstance(form, (HandleForm, OptionalForm)):
        return open_ranks(form.value if isinstance(form, HandleForm) else form.inner)
    items = form.items if isinstance(form, (TupleForm, ListForm, DictForm, ObjectForm)) else ()
    return sum(map(open_ranks, items))


def form_of(interpreter: Interpreter, value: Value, outside: Outside | None = None) -> Form:
    """What a value is. Tensors are read, so this must run where they are visible.

    With `outside`, it is said of tensors also where they are, as seen from there.
    """
    if isinstance(value, TensorRef):
        tensor = value.read(interpreter.g)
        if tensor.quantization is not None:
            return quantized_form(tensor, value)
        home = None if outside is None else home_of(value, outside)
        dense = value.is_contiguous(interpreter.g) is True
        return TensorForm(tensor.dtype, tensor.shape, value, tensor.possible, home, dense)
    if isinstance(value, Tensor):
        if value.quantization is not None:
            return quantized_form(value, value)
        return TensorForm(value.dtype, value.shape, value, value.possible)
    if isinstance(value, (SymInt, SymScalar)):
        return Plain(value)
    if isinstance(value, NamedTuple):
        items = tuple(form_of(interpreter, v, outside) for v in value.values)
        return TupleForm(items, value.type_name, tuple(value.fields))
    if isinstance(value, tuple):
        return TupleForm(tuple(form_of(interpreter, v, outside) for v in value))
    if isinstance(value, ListValue):
        if value.runtime is not None:
            return _runtime_form(value.runtime, value)
        items = tuple(form_of(interpreter, v, outside) for v in value.items)
        shared = runtime_lists.overlap(list(_tensors(value.items)))
        return ListForm(items, value.element_type, value, shared, interpreter.keys)
    if isinstance(value, DictValue):
        if value.runtime is not None:
            pairs = _runtime_form(value.runtime, ListValue.holding(value.runtime))
            return RuntimeDictForm(pairs, value, value.type)
        items = tuple(form_of(interpreter, v, outside) for v in value.items.values())
        shared = runtime_lists.overlap(list(_tensors(list(value.items.values()))))
        keys = tuple(value.items)
        return DictForm(keys, items, value, value.type, shared, interpreter.keys)
    if isinstance(value, ObjectValue) and value.type.kind != "module":
        items = tuple(form_of(interpreter, v, outside) for v in value.attributes.values())
        return ObjectForm(value.type, tuple(value.attributes), items, value)
    if isinstance(value, OptionalValue):
        return OptionalForm(form_of(interpreter, value.value, outside))
    if isinstance(value, ChoiceValue):
        return ChoiceForm(tuple(form_of(interpreter, v, outside) for v in value.options), value)
    return Plain(value)


def _runtime_form(runtime: RuntimeList, source: ListValue) -> RuntimeForm:
    element = source.element_type
    if isinstance(runtime, RuntimeTuples):
        return RuntimeForm(
            runtime.kind,
            None,
            element_type=element,
            source=source,
            columns=tuple(_runtime_form(c, ListValue.holding(c)) for c in runtime.columns),
            names=(runtime.type_name, runtime.fields),
            item_kind=runtime.item_kind if isinstance(runtime, RuntimeLists) else None,
        )
    dtype = runtime.value.dtype if runtime.kind == "tensor" else None
    stacked = isinstance(runtime, TensorRows) and runtime.ends is None
    return RuntimeForm(
        runtime.kind,
        dtype,
        runtime.shape,
        element,
        source,
        runtime.may_repeat,
        stacked,
        texts=runtime.texts if isinstance(runtime, RuntimeTexts) else (),
    )


def _tensors(items: Sequence[Value]) -> Iterator[TensorRef]:
    """The tensors among the items of a list, and in its tuples."""
    for item in items:
        if isinstance(item, TensorRef):
            yield item
        else:
            yield from _tensors(tuple_lists.places_of(item) or ())


def freeze(interpreter: Interpreter, value: Value, outside: Outside | None = None) -> Value:
    """The value as it is now, out of reach of the undoing of what the block wrote."""
    if isinstance(value, TensorRef):
        copy = TensorRef.fresh(value.read(interpreter.g))
        if outside is not None:
            copy.described = identity_of(value, outside)
        return copy
    if isinstance(value, NamedTuple):
        fields = {k: freeze(interpreter, v, outside) for k, v in value.fields.items()}
        return NamedTuple(value.type_name, fields)
    if isinstance(value, tuple):
        return tuple(freeze(interpreter, v, outside) for v in value)
    if isinstance(value, ListValue):
        frozen = ListValue(
            [freeze(interpreter, v, outside) for v in value.items], value.element_type
        )
        if value.runtime is not None:
            frozen.runtime = runtime_lists.frozen(interpreter.g, value.runtime)
        return _standing_for(value, frozen)
    if isinstance(value, DictValue):
        copy_ = value.alike()
        if value.runtime is not None:
            copy_.runtime = tuple_lists.by_column(
                value.runtime, lambda column: runtime_lists.frozen(interpreter.g, column)
            )
        else:
            copy_.items = {k: freeze(interpreter, v, outside) for k, v in value.items.items()}
        return _standing_for(value, copy_)
    if isinstance(value, ObjectValue) and value.type.kind != "module":
        attributes = {k: freeze(interpreter, v, outside) for k, v in value.attributes.items()}
        return _standing_for(value, ObjectValue(value.type, attributes))
    if isinstance(value, OptionalValue):
        return OptionalValue(value.present, freeze(interpreter, value.value, outside))
    if isinstance(value, ChoiceValue):
        options = tuple(freeze(interpreter, v, outside) for v in value.options)
        return ChoiceValue(value.picked, options, value.ruled_out)
    return value


def _standing_for(value: Container, copy: Container) -> Container:
    """A frozen copy that knows what it is a copy of, and what that one may be."""
    copy.origin, copy.kin = value.origin, value.kin
    return copy


def number_kind(form: Form) -> str | None:
    """The kind of number that a form stands for, as a `NumberForm` has it; None if it is none."""
    if isinstance(form, NumberForm):
        return form.kind
    return kind_of_number(form.value) if isinstance(form, Plain) else None


def described(form: Form) -> str:
    """A form in words, for messages."""
    if isinstance(form, Plain):
        return repr(form.value) if isinstance(form.value, str) else type_name(form.value)
    tensor = tensor_form(form)
    if tensor is not None:
        return f"a {tensor.dtype.name} tensor"
    if isinstance(form, QuantizedForm):
        return f"a quantized {form.dtype.name} tensor"
    if isinstance(form, ChoiceForm):
        return " or ".join(map(described, form.options))
    if isinstance(form, NumberForm):
        return form.kind
    if isinstance(form, TupleForm):
        return f"({', '.join(map(described, form.items))})"
    if isinstance(form, OptionalForm):
        return f"{described(form.inner)} or None"
    return type(form).__name__.removesuffix("Form").lower()
