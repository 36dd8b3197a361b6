"""Module state: attributes that the method writes become inputs and outputs of the model.

    class Counter(Module):
        def forward(self, x):           x, total ──► Add ──► output
            self.total = self.total + x              └────► total_out
            return self.total

Which attributes those are shows only when the program has run. So it is run with the attributes as
constants first. What then holds something else is made an input, of a form that fits both what was
there before and what came out, and the program is run again, until each attribute's form on the way
out is its form on the way in. It is a loop over calls, and the forms are those of `joining`.

An integer of the state is often the size of something in an earlier call, or one of few settings.
Its `values` are all that it can be: its initial value, and what calls leave in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from exporter.conversion.boundary.signature import Inputs
from exporter.conversion.boundary.specs import TensorSpec
from exporter.conversion.control_flow.forms import (
    ChoiceForm,
    DictForm,
    Form,
    ListForm,
    NumberForm,
    ObjectForm,
    OptionalForm,
    Plain,
    QuantizedForm,
    RuntimeDictForm,
    RuntimeForm,
    TensorForm,
    TupleForm,
    described,
    form_of,
    number_kind,
)
from exporter.conversion.control_flow.joining import output_types, parts, rebuild, tensors_of
from exporter.conversion.control_flow.widening import widen
from exporter.conversion.runtime_lists.runtime_lists import overlap
from exporter.conversion.values.objects import (
    DictValue,
    EnumMember,
    ListValue,
    NamedTuple,
    OptionalValue,
    Value,
)
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import InputError, UnsupportedError
from exporter.onnx_graph.complex_numbers import pairs_of
from exporter.onnx_graph.symbolic import Dim, SymInt, resolved
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["FREEZE", "InitialState", "States", "StateType", "snapshot"]

InitialState: TypeAlias = dict[str, np.ndarray | list[np.ndarray]]
"""The values that state starts from, by the inputs' names; a list for one of tensors."""

FREEZE = "if each call may start from what the archive holds: freeze_state=True, --freeze-state"

# An integer of the state that takes more values than this may be anything.
MOST_VALUES = 4
# Larger constants are taken to differ without looking.
MOST_COMPARED = 100_000

#: A value that an integer of the state may have: a number, or the size of a dim of another state.
KnownInt: TypeAlias = int | tuple[str, int]
_CONTAINERS = (TupleForm, ListForm, DictForm, ObjectForm)


class _Kept:
    """In the place of a form: this part of an attribute never changes."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept)

    __hash__ = object.__hash__


KEPT = Plain(_Kept())


@dataclass(frozen=True)
class StateType:
    """What an attribute may hold over all calls; `values` by the name of an integer in it."""

    form: Form
    values: tuple[tuple[str, tuple[KnownInt, ...] | None], ...] = ()


@dataclass(frozen=True)
class _Leaf:
    """A part of a state that becomes inputs: not a container of known structure."""

    name: str
    form: Form
    value: Value


def snapshot(interpreter: Interpreter, value: Value) -> Value:
    """What an attribute holds now, its tensors as they are: equal ones are identical."""
    if isinstance(value, TensorRef):
        dense = value.is_contiguous(interpreter.g) is True
        return TensorRef.fresh(value.read(interpreter.g), dense=dense)
    if isinstance(value, NamedTuple):
        fields = {k: snapshot(interpreter, v) for k, v in value.fields.items()}
        return NamedTuple(value.type_name, fields)
    if isinstance(value, tuple):
        return tuple(snapshot(interpreter, v) for v in value)
    if isinstance(value, ListValue):
        copied = ListValue([snapshot(interpreter, v) for v in value.items], value.element_type)
        copied.runtime = value.runtime
        _share(interpreter, value, copied)
        return copied
    if isinstance(value, DictValue):
        copy = value.alike()
        if value.runtime is None:
            copy.items = {k: snapshot(interpreter, v) for k, v in value.items.items()}
        return copy
    if isinstance(value, OptionalValue):
        return OptionalValue(value.present, snapshot(interpreter, value.value))
    return value


def _share(interpreter: Interpreter, value: ListValue, copied: ListValue) -> None:
    """Let the copies of a list's tensors share memory where two of those do."""
    if not overlap([item for item in value.items if isinstance(item, TensorRef)]):
        return
    refs = [item for item in copied.items if isinstance(item, TensorRef)]
    for one, other in combinations(refs, 2):
        one.cell.pair(other.cell, interpreter.journal)


class States:
    """The state of one run of the method: its inputs, and its outputs afterwards."""

    def __init__(
        self,
        interpreter: Interpreter,
        inputs: Inputs,
        types: Mapping[str, StateType],
        declared: Mapping[str, TensorSpec],
    ) -> None:
        self._interpreter = interpreter
        self._inputs = inputs
        self._types = types
        self._declared = declared
        self._tensors: dict[str, Tensor] = {}
        self._names: dict[str, str] = {}
        self.values: dict[str, Value] = {}
        self.initial: InitialState = {}
        self.warnings: list[str] = []

    @property
    def names(self) -> list[str]:
        """The state's tensors by what they are in the module."""
        return list(self._names)

    # ------------------------------------------------------------ the way in

    def enter(self, qualified: str, initial: Value) -> None:
        """Make the inputs of an attribute whose archived value is `initial`."""
        kind = self._types[qualified]
        self.values[qualified] = self._entered(qualified, kind.form, initial)

    def know_values(self) -> None:
        """Note on the integers which values they may have; all inputs must be there."""
        for qualified, kind in self._types.items():
            known = dict(kind.values)
            for leaf in _leaves(qualified, kind.form, self.values[qualified]):
                values = known.get(leaf.name)
                symbol = leaf.value.as_symbol() if isinstance(leaf.value, SymInt) else None
                if symbol is not None and values is not None:
                    ints = [self._known_int(v) for v in values]
                    if None not in ints:
                        symbol.values = tuple(ints)  # type: ignore[arg-type]  # no None is in it

    def _known_int(self, value: KnownInt) -> Dim | None:
        if isinstance(value, int):
            return value
        name, axis = value
        shape = self._tensors[name].shape
        return None if shape is None else shape[axis]

    def _entered(self, name: str, form: Form, initial: Value) -> Value:
        if form == KEPT:
            return initial
        if isinstance(form, _CONTAINERS):
            items = [
                self._entered(f"{name}.{key}", inner, item)
                for key, inner, item in zip(_keys(form), form.items, parts(initial), strict=True)
            ]
            whole = replace(form, items=tuple(Plain(i) for i in items))
            return rebuild(self._interpreter, whole, iter(()))
        if isinstance(form, TensorForm) and form.shape is None:
            self.warnings.append(
                f"the number of dims of the state {name} varies ({_shape_text(form)}), so the "
                "model leaves its shape open, to which onnx.checker objects; "
                "its type can be declared"
            )
        names = list(_names(name, form))
        tensors = tensors_of(self._interpreter, initial, form)
        for one, tensor, kind in zip(names, tensors, output_types(form), strict=True):
            if kind.is_sequence:
                self.initial[self._public(one)] = self._items(one, form, initial)
            else:
                self._start(one, tensor.require_array())
        return rebuild(self._interpreter, form, self._new_inputs(names, form))

    def _items(self, name: str, form: Form, initial: Value) -> list[np.ndarray]:
        """The tensors that a list holds at the start."""
        held = form.inner if isinstance(form, OptionalForm) else form
        if not isinstance(held, RuntimeForm):
            raise UnsupportedError(
                f"the state {name} is a list of tensors whose length changes, "
                f"in a {described(held)} that may be None"
            )
        if initial is None:
            return []
        return [pairs_of(item.read(self._interpreter.g).require_array()) for item in initial.items]

    def _new_inputs(self, names: list[str], form: Form) -> Iterator[Tensor]:
        for name, kind in zip(names, output_types(form), strict=True):
            shape: list[int | str] | None = None
            if kind.is_sequence:
                yield self._inputs.add_sequence(self._public(name), kind.dtype, None)
                continue
            if name in self._declared:
                shape = list(self._declared[name].require_shape())
            elif kind.shape is not None:
                shape = [
                    d if isinstance(d, int) else f"{name}_{axis}"
                    for axis, d in enumerate(kind.shape)
                ]
            self._tensors[name] = self._inputs.add(self._public(name), kind.dtype, shape)
            yield self._tensors[name]

    def _public(self, name: str) -> str:
        """What the model calls it: an argument may have the same name."""
        return self._names.setdefault(name, f"self.{name}" if name in self._inputs.names else name)

    def _start(self, name: str, array: np.ndarray) -> None:
        """The initial value; of an empty one that is declared otherwise, zeros."""
        spec = self._declared.get(name)
        if spec is not None and not _fits(array.shape, spec.require_shape()):
            if array.size:
                raise InputError(
                    f"the state {name} is declared {spec}, but the archive holds "
                    f"{array.dtype}{list(array.shape)}"
                )
            array = np.zeros(
                [1 if isinstance(d, str) else d for d in spec.require_shape()], array.dtype
            )
            self.warnings.append(
                f"the state {name} is empty in the archive and declared {spec}: "
                "the model starts from zeros, which must mean the same to the program"
            )
        self.initial[self._public(name)] = pairs_of(array)

    # ------------------------------------------------------------ the way out

    def left(
        self, qualified: str, before: Value, after: Value, *, moved: bool = False
    ) -> StateType | None:
        """The type that fits an attribute before and after the run; None if it is no state.

        One that has `moved` to a tensor of another attribute is state also where that is equal:
        what the next call writes there, it writes to the other one.
        """
        known = self._types.get(qualified)
        unchanged = not moved and (before is after or _is_same_tensor(before, after))
        if unchanged and known is None and not self._is_declared(qualified):
            return None
        try:
            form = _portable(
                widen(
                    self._form(before),
                    self._form(after if moved else _with_equal_constants(before, after)),
                    self._interpreter.g.scope,
                )
            )
        except UnsupportedError as error:
            raise UnsupportedError(
                f"the attribute {qualified} is written and can't be state: {error.message}",
                (*error.notes, FREEZE),
            ) from None
        if known is not None:
            form = _with_changing(form, known.form)
        elif _is_kept(form):
            if not self._is_declared(qualified):
                return None
            form = self._read(qualified, before)
        form = self._as_declared(qualified, form)
        return StateType(form, self._values_left(qualified, form, before, after))

    def _form(self, value: Value) -> Form:
        return _by_value(form_of(self._interpreter, value))

    def _is_declared(self, name: str) -> bool:
        return any(n == name or n.startswith(f"{name}.") for n in self._declared)

    def _read(self, name: str, value: Value) -> Form:
        """The form of an attribute that this method only reads: others are said to write it."""
        if value is None and name in self._declared:
            spec = self._declared[name]
            return OptionalForm(TensorForm(spec.onnx_dtype, (None,) * len(spec.require_shape())))
        return _portable(self._form(value), whole=True)

    def _as_declared(self, name: str, form: Form) -> Form:
        """The form with the dtype and shape that the user declared for tensors in it."""
        if isinstance(form, TensorForm) and name in self._declared:
            spec = self._declared[name]
            shape = tuple(d if isinstance(d, int) else None for d in spec.require_shape())
            if spec.onnx_dtype != form.dtype or not _may_be(form, shape):
                raise InputError(
                    f"the state {name} is declared {spec}, but the program leaves "
                    f"{form.dtype.numpy().name} of {_shape_text(form)} in it"
                )
            return TensorForm(form.dtype, shape)
        if isinstance(form, NumberForm) and name in self._declared:
            (kind,) = output_types(form)
            spec = self._declared[name]
            if (spec.onnx_dtype, spec.shape) != (kind.dtype, ()):
                raise InputError(
                    f"the state {name} is declared {spec}, but it is a number: "
                    f"{kind.dtype.numpy().name}[]"
                )
        if isinstance(form, OptionalForm):
            return OptionalForm(self._as_declared(name, form.inner))
        if isinstance(form, _CONTAINERS):
            items = tuple(
                self._as_declared(f"{name}.{key}", inner)
                for key, inner in zip(_keys(form), form.items, strict=True)
            )
            return replace(form, items=items)
        return form

    def _values_left(
        self, qualified: str, form: Form, before: Value, after: Value
    ) -> tuple[tuple[str, tuple[KnownInt, ...] | None], ...]:
        known = self._types.get(qualified)
        former = dict(known.values) if known is not None else {}
        found: list[tuple[str, tuple[KnownInt, ...] | None]] = []
        was = {leaf.name: leaf.value for leaf in _leaves(qualified, form, before)}
        for leaf in _leaves(qualified, form, after):
            if leaf.form != NumberForm("int"):
                continue
            entered = was[leaf.name]
            if leaf.name in self._declared:
                found.append((leaf.name, None))  # other methods may leave anything in it
                continue
            values = former.get(leaf.name, (entered,) if isinstance(entered, int) else None)
            if known is not None and values is not None and leaf.value != entered:
                new = self._int_left(leaf.value)
                values = None if new is None else tuple(dict.fromkeys((*values, new)))
            if values is not None and len(values) > MOST_VALUES:
                values = None
            found.append((leaf.name, values))
        return tuple(found)

    def _int_left(self, value: Value) -> KnownInt | None:
        """An integer that a call leaves, as the next call knows it."""
        if isinstance(value, bool) or not isinstance(value, (int, SymInt)):
            return None
        value = resolved(value)
        return value if isinstance(value, int) else self._sizes.get(value)

    _sizes: Mapping[Dim, tuple[str, int]] = {}

    def note_sizes(self, outputs: Mapping[str, Value]) -> None:
        """What the next call can read from the state's shapes of the sizes of this call."""
        sizes: dict[Dim, tuple[str, int]] = {}
        for qualified, kind in self._types.items():
            for leaf in _leaves(qualified, kind.form, outputs[qualified]):
                entered = self._tensors.get(leaf.name)
                if not isinstance(leaf.value, TensorRef) or entered is None:
                    continue
                left = leaf.value.cell.value
                if left.shape is not None and entered.rank == left.rank:
                    for axis, dim in enumerate(left.shape):
                        sizes.setdefault(dim, (leaf.name, axis))
        self._sizes = sizes

    def outputs(self, qualified: str, value: Value) -> Iterator[tuple[str, Tensor]]:
        """The tensors that an attribute leaves, by name."""
        form = self._types[qualified].form
        for leaf in _leaves(qualified, form, value):
            tensors = tensors_of(self._interpreter, leaf.value, leaf.form)
            names = map(self._public, _names(leaf.name, leaf.form))
            yield from zip(names, tensors, strict=True)


def _is_same_tensor(before: Value, after: Value) -> bool:
    """Whether two snapshots are of one tensor that lies in memory as it did."""
    return (
        isinstance(before, TensorRef)
        and isinstance(after, TensorRef)
        and before.cell.value is after.cell.value
        and before.strides is after.strides
    )


def _leaves(name: str, form: Form, value: Value) -> Iterator[_Leaf]:
    if form == KEPT:
        return
    if isinstance(form, _CONTAINERS):
        if isinstance(value, ListValue) and value.runtime is not None:
            return  # a type of the run before, which this run does not bear out
        for key, inner, item in zip(_keys(form), form.items, parts(value), strict=True):
            yield from _leaves(f"{name}.{key}", inner, item)
    else:
        yield _Leaf(name, form, value)


def _keys(form: TupleForm | ListForm | DictForm | ObjectForm) -> list[str]:
    if isinstance(form, TupleForm):
        return list(form.fields) or [str(i) for i in range(len(form.items))]
    if isinstance(form, ListForm):
        return [str(i) for i in range(len(form.items))]
    return [str(k) for k in form.keys]


def _names(name: str, form: Form) -> Iterator[str]:
    """Names for the tensors of a form, in the order of `output_types`."""
    if isinstance(form, OptionalForm):
        yield f"{name}.present"
        yield from _names(name, form.inner)
    elif isinstance(form, _CONTAINERS):
        for key, inner in zip(_keys(form), form.items, strict=True):
            yield from _names(f"{name}.{key}", inner)
    elif not isinstance(form, Plain):
        yield name


def _portable(form: Form, *, whole: bool = False) -> Form:
    """The form without values and sizes of this run.

    What may be absent is made anew on the way in, so it is described `whole`: what did not change
    in it is not there to be kept.
    """
    if isinstance(form, Plain):
        return _made_anew(form) if whole else KEPT
    if isinstance(form, TensorForm):
        shape = None if form.shape is None else _open(form.shape)
        possible = None if form.possible is None else tuple(map(_open, form.possible))
        return TensorForm(form.dtype, shape, possible=possible, dense=form.dense)
    if isinstance(form, RuntimeDictForm):
        raise UnsupportedError("a dict whose keys change")
    if isinstance(form, RuntimeForm):
        if form.columns or form.kind == "str":
            what = "strings" if form.kind == "str" else f"{form.kind}s"
            raise UnsupportedError(f"a list of {what} whose length changes")
        shape = None if form.shape is None else _open(form.shape)
        return replace(form, shape=shape, source=None, stacked=False)
    if isinstance(form, OptionalForm):
        return OptionalForm(_portable(form.inner, whole=True))
    if isinstance(form, ChoiceForm):
        # Their numbers travel; what a number stands for must be known in every run.
        options = [option.value for option in form.options if isinstance(option, Plain)]
        named = all(isinstance(option, (str, EnumMember)) for option in options)
        if not named or len(options) < len(form.options):
            raise UnsupportedError(f"a value that is {described(form)}, depending on the data")
        return ChoiceForm(form.options)
    if isinstance(form, _CONTAINERS):
        items = tuple(_portable(item, whole=whole) for item in form.items)
        if isinstance(form, TupleForm):
            return replace(form, items=items)
        return replace(form, items=items, source=None)
    return form


def _by_value(form: Form) -> Form:
    """The form of a snapshot, where a tensor is the same if its value is."""
    if isinstance(form, (TensorForm, QuantizedForm)) and isinstance(form.source, TensorRef):
        return replace(form, source=form.source.cell.value)
    if isinstance(form, OptionalForm):
        return OptionalForm(_by_value(form.inner))
    if isinstance(form, _CONTAINERS):
        return replace(form, items=tuple(map(_by_value, form.items)))
    if isinstance(form, ChoiceForm):
        return replace(form, options=tuple(map(_by_value, form.options)))
    return form


def _made_anew(form: Plain) -> Form:
    kind = number_kind(form)
    if kind is not None:
        return NumberForm(kind)
    if isinstance(form.value, Tensor):
        return _portable(
            TensorForm(form.value.dtype, form.value.shape, possible=form.value.possible)
        )
    if form.value is None or isinstance(form.value, (str, EnumMember)):
        return form
    raise UnsupportedError(f"{described(form)} that may be None")


def _open(shape: tuple[Dim | None, ...]) -> tuple[Dim | None, ...]:
    return tuple(d if isinstance(d, int) else None for d in shape)


def _is_kept(form: Form) -> bool:
    return form == KEPT or (isinstance(form, _CONTAINERS) and all(map(_is_kept, form.items)))


def _with_changing(form: Form, known: Form) -> Form:
    """The form, with what was found to change before even where this run left it alone."""
    if form == KEPT:
        return known
    if isinstance(form, _CONTAINERS) and isinstance(known, _CONTAINERS):
        items = map(_with_changing, form.items, known.items)
        return replace(form, items=tuple(items))
    return form


def _with_equal_constants(before: Value, after: Value) -> Value:
    """`after`, with the constants of `before` where they are equal: those are no change.

    Unless the order in memory is another one then, which decides what `reshape` copies.
    """
    if isinstance(before, TensorRef) and isinstance(after, TensorRef):
        if after.strides is None and before.strides is not None:
            return after
        old, new = before.cell.value, after.cell.value
        a, b = old.array, new.array
        if a is None or b is None or old.dtype != new.dtype or a.shape != b.shape:
            return after
        return before if a.size <= MOST_COMPARED and a.tobytes() == b.tobytes() else after
    if type(before) is tuple and type(after) is tuple and len(before) == len(after):
        return tuple(map(_with_equal_constants, before, after))
    if isinstance(before, ListValue) and isinstance(after, ListValue):
        known = before.runtime is None and after.runtime is None
        if known and len(before.items) == len(after.items):
            items = list(map(_with_equal_constants, before.items, after.items))
            return ListValue(items, after.element_type)
    return after


def _fits(shape: tuple[int, ...], declared: tuple[int | str, ...]) -> bool:
    return len(shape) == len(declared) and all(
        isinstance(d, str) or d == s for s, d in zip(shape, declared, strict=True)
    )


def _may_be(form: TensorForm, shape: tuple[int | None, ...]) -> bool:
    """Whether a tensor of this form may have the declared shape."""
    shapes = form.possible if form.shape is None else (form.shape,)
    return shapes is None or any(
        len(s) == len(shape)
        and all(a is None or b is None or a == b for a, b in zip(s, shape, strict=True))
        for s in shapes
    )


def _shape_text(form: TensorForm) -> str:
    shapes = form.possible if form.shape is None else (form.shape,)
    if shapes is None:
        return "any shape"
    return " or ".join(f"[{', '.join('?' if d is None else str(d) for d in s)}]" for s in shapes)
