"""A name that stands for one of several tensors of the program, as the run decides.

    y = a if c else b        # not a new tensor: y is a, or y is b
    y += 1                   # writes to a where c holds, and to b elsewhere

Where paths of the program meet, a handle is joined by its *place*: the handle it was before the
paths parted, or how it is a view of such a one, or its own (made on the path, so that nobody
else has it). A `HandleForm` lists the places that a name may have. What travels from the paths is
which of them it is, the indices of views that differ, and the value of what was made there.
Reading such a name reads one of its places in an `If`, and writing it writes there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import onnx_ir as ir

from exporter.conversion.builtins import numbers
from exporter.conversion.calls.writes import retyped, write
from exporter.conversion.control_flow.visible import are_visible, visible_dim
from exporter.conversion.values.tensors import Cell, TensorRef, View
from exporter.onnx_graph.conditions import decide
from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.symbolic import Dim, Shape, SymInt, is_ge
from exporter.onnx_graph.values import SymBool, Tensor

if TYPE_CHECKING:
    from exporter.conversion.control_flow.forms import TensorForm
    from exporter.conversion.interpreter import Interpreter

__all__ = [
    "MOST_PLACES",
    "OWN",
    "Either",
    "Home",
    "Outside",
    "choices_in",
    "identity_of",
    "either_of",
    "handle_at_end",
    "home_of",
    "item_at",
    "joined_places",
    "own_cells",
    "place_tensors",
    "place_types",
    "placeholders",
    "rebuilt",
    "with_item",
]

# A name that may stand for more tensors than this is a new one; see `aliasing`.
MOST_PLACES = 8

# The arguments of views that may differ: each path has its index of the same tensor.
_INDICES = {
    "aten::select.int": ("index",),
    "aten::slice.Tensor": ("start", "end"),
    "aten::narrow": ("start", "length"),
}


# ---------------------------------------------------------------- a tensor that is one of two


class Either:
    """`then` where the condition holds, else `other`; `ways` counts the ends of that as a tree."""

    __slots__ = ("condition", "interpreter", "other", "then", "ways")

    def __init__(
        self, interpreter: Interpreter, condition: SymBool, then: TensorRef, other: TensorRef
    ) -> None:
        self.interpreter = interpreter
        self.condition = condition
        self.then = then
        self.other = other
        self.ways: int = sum(_ways(side) for side in (then, other))

    def chosen(self) -> TensorRef | None:
        """The one of the two that it is here, where a branch tells."""
        holds = decide(self.condition.condition, {})
        if holds is None:
            holds = self.interpreter.facts.assumed(self.condition.condition)
        if holds is None:
            return None
        return self.then if holds else self.other

    def read(self) -> Tensor:
        """The value, read in the branch of an `If`: what is not chosen may not even be readable."""
        g = self.interpreter.g
        found = self.interpreter.either(
            self.condition, lambda: self.then.read(g), lambda: self.other.read(g)
        )
        return found.read(g) if isinstance(found, TensorRef) else found

    def write(self, value: Tensor) -> None:
        """Write to the one that it is."""
        self.each(lambda ref: self._put(ref, value))

    def each(self, run: Callable[[TensorRef], object]) -> None:
        """Do something with the one that it is, which gives no value."""

        def done(ref: TensorRef) -> None:
            run(ref)

        chosen = self.chosen()
        if chosen is not None:
            done(chosen)
            return
        self.interpreter.either(self.condition, lambda: done(self.then), lambda: done(self.other))

    def _put(self, ref: TensorRef, value: Tensor) -> None:
        """Write a value of the common shape to one of the two, whose shape may be better known."""
        g = self.interpreter.g
        own = ref.read(g)
        if value.array is None and value.shape != own.shape:
            value = retyped(g, value, own.shape)
        write(self.interpreter, ref, value)


def either_of(
    interpreter: Interpreter,
    condition: bool | SymBool,
    then: TensorRef,
    other: TensorRef,
    cell: Cell | None = None,
) -> TensorRef:
    """A handle for one of two tensors; `cell` is that of the one that is its own."""
    if not isinstance(condition, SymBool):
        return then if condition else other
    then = _known_to_be(interpreter, then, condition, holds=True)
    other = _known_to_be(interpreter, other, condition, holds=False)
    if then is other:
        return then
    choice = Either(interpreter, condition, then, other)
    return _spread(TensorRef.one_of(choice, cell or other.cell), choice.ways)


def _ways(ref: TensorRef) -> int:
    return ref.choice.ways if isinstance(ref.choice, Either) else 1


def _spread(ref: TensorRef, ways: int) -> TensorRef:
    """A handle with a choice as a row of its ends, where it meets them again and again.

        for i in range(n):
            y = a if x[i] > 0 else y        # one of two, whatever n is
            a = y if c else a

    A read or a write goes through the whole tree, each branch in an `If`.
    """
    ends = list(dict.fromkeys(_ends(ref, set()))) if ways > MOST_PLACES else []
    if not ends or len(ends) == ways:
        return ref
    assert isinstance(ref.choice, Either)
    interpreter, found = ref.choice.interpreter, ends[-1]
    for end in ends[-2::-1]:
        flag = _ends_at(interpreter, ref, end, {})
        if isinstance(flag, SymBool):
            found = TensorRef.one_of(Either(interpreter, flag, end, found), ref.cell)
        elif flag:
            found = end
    return found


def _ends(ref: TensorRef, seen: set[Either]) -> Iterator[TensorRef]:
    """The tensors that a handle may be, in order."""
    choice = ref.choice
    if not isinstance(choice, Either):
        yield ref
    elif choice not in seen:
        seen.add(choice)
        yield from _ends(choice.then, seen)
        yield from _ends(choice.other, seen)


def _ends_at(
    interpreter: Interpreter, ref: TensorRef, end: TensorRef, known: dict[Either, bool | SymBool]
) -> bool | SymBool:
    """Whether a handle is one of its ends."""
    choice = ref.choice
    if not isinstance(choice, Either):
        return ref is end
    if choice not in known:
        sides = (_ends_at(interpreter, side, end, known) for side in (choice.then, choice.other))
        known[choice] = _picked(interpreter, choice.condition, *sides)
    return known[choice]


def _known_to_be(
    interpreter: Interpreter, ref: TensorRef, condition: SymBool, *, holds: bool
) -> TensorRef:
    """Which of two tensors a handle is where a condition holds or does not, if that tells."""
    if not isinstance(ref.choice, Either):
        return ref
    with interpreter.facts.scope():
        interpreter.facts.assume(condition.condition, holds)
        chosen = ref.choice.chosen()
    return ref if chosen is None else _known_to_be(interpreter, chosen, condition, holds=holds)


def item_at(interpreter: Interpreter, items: Sequence[TensorRef], index: SymInt) -> TensorRef:
    """The tensor at an index of run time in a list of known length; an index may be negative."""
    found = items[-1]
    for number, item in list(enumerate(items[:-1]))[::-1]:
        found = either_of(interpreter, _is_index(interpreter, index, number, items), item, found)
    return found


def with_item(
    interpreter: Interpreter, items: Sequence[TensorRef], index: SymInt, item: TensorRef
) -> list[TensorRef]:
    """The tensors of a list after `items[index] = item`."""
    return [
        either_of(interpreter, _is_index(interpreter, index, number, items), item, old)
        for number, old in enumerate(items)
    ]


def _is_index(
    interpreter: Interpreter, index: SymInt, number: int, items: Sequence[TensorRef]
) -> bool | SymBool:
    same = numbers.equal(interpreter, index, number)
    if is_ge(index, 0) is True or same is True:
        return same
    from_end = numbers.equal(interpreter, index, number - len(items))
    return interpreter.builtin("aten::__or__", same, from_end)  # type: ignore[no-any-return]


def handle_at_end(ref: TensorRef, start: int, outer: Scope) -> TensorRef | None:
    """A handle as a path leaves it, for when what the path did is undone.

    What was made on the path, since `start`, is copied. Its views must be known in the graph
    around, `outer`, else there is None; the conditions that it hangs on may have to be brought
    there, see `choices_in`.
    """
    if isinstance(ref.choice, Either):
        choice = ref.choice
        then, other = (handle_at_end(s, start, outer) for s in (choice.then, choice.other))
        if then is None or other is None:
            return None
        made = TensorRef.one_of(Either(choice.interpreter, choice.condition, then, other), ref.cell)
    else:
        base = ref.base
        if base is not None and base.born >= start:
            base = handle_at_end(base, start, outer)
            if base is None:
                return None
        if ref.view is not None and not are_visible(ref.view.arguments, outer):
            return None
        made = TensorRef(ref.cell, base, ref.view)
    made.strides = ref.strides
    return made


def choices_in(ref: TensorRef, start: int) -> Iterator[Either]:
    """What was decided since `start` in the makeup of a handle."""
    if ref.born < start:
        return
    if isinstance(ref.choice, Either):
        yield ref.choice
        yield from choices_in(ref.choice.then, start)
        yield from choices_in(ref.choice.other, start)
    if ref.base is not None:
        yield from choices_in(ref.base, start)


# ---------------------------------------------------------------- places


@dataclass(frozen=True)
class Outside:
    """Where paths meet, as seen from one of them: what is older than `start` is there, too."""

    start: int
    scope: Scope


@dataclass(frozen=True)
class Step:
    """One view of a chain; an index that only its path knows is None."""

    operator: object
    fixed: tuple[tuple[str, Any], ...]
    indices: tuple[Dim | None, ...]
    view: View = field(compare=False)
    strides: Shape | None = field(compare=False)

    def of_the_same_kind(self, other: Step) -> bool:
        """Whether at most indices differ."""
        return self.operator == other.operator and self.fixed == other.fixed


@dataclass(frozen=True)
class Place:
    """Views of a tensor that was there before; of none if the tensor is the path's own."""

    root: TensorRef | None
    steps: tuple[Step, ...] = ()

    def of_the_same_kind(self, other: Place) -> bool:
        """Whether at most indices differ."""
        return (
            self.root is other.root
            and len(self.steps) == len(other.steps)
            and all(a.of_the_same_kind(b) for a, b in zip(self.steps, other.steps, strict=True))
        )

    def indices(self) -> list[Dim | None]:
        """The indices of all steps."""
        return [index for step in self.steps for index in step.indices]

    def with_indices(self, indices: Sequence[Dim | None]) -> Place:
        """The same views at other indices."""
        left = iter(indices)
        return Place(
            self.root,
            tuple(replace(s, indices=tuple(next(left) for _ in s.indices)) for s in self.steps),
        )


OWN = Place(None)


@dataclass(frozen=True)
class _Leaf:
    """A tensor that a handle certainly is; `cells` are its storages if it is the path's own."""

    place: Place
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class _Fork:
    """A handle that the path's own condition decides."""

    condition: SymBool
    then: _Tree
    other: _Tree


_Tree: TypeAlias = _Leaf | _Fork


@dataclass(frozen=True)
class Home:
    """The places that a handle may have, seen from outside of its path."""

    places: tuple[Place, ...]
    outside: Outside = field(compare=False)

    def open_indices(self) -> int:
        """How many indices of views only the paths know."""
        return sum(index is None for place in self.places for index in place.indices())


def _tree(ref: TensorRef, outside: Outside) -> _Tree:
    """What a handle is, seen from outside; of a frozen copy, what that one was."""
    if isinstance(ref.described, (_Leaf, _Fork)):
        return ref.described
    steps: list[Step | None] = []
    while ref.born >= outside.start and ref.choice is None and ref.base is not None:
        assert ref.view is not None
        steps.append(_step(ref.view, ref.strides, outside.scope))
        ref = ref.base
    known = tuple(s for s in reversed(steps) if s is not None)
    nameable = len(known) == len(steps)
    if ref.born < outside.start and nameable:
        return _Leaf(Place(ref, known))
    if ref.born >= outside.start and isinstance(ref.choice, Either) and nameable:
        choice = ref.choice
        then, other = (_tree(side, outside) for side in (choice.then, choice.other))
        return _Fork(choice.condition, _viewed(then, known), _viewed(other, known))
    return _Leaf(OWN, tuple(ref.cells()))


def identity_of(ref: TensorRef, outside: Outside) -> object:
    """What a handle is on its path, to be told by `place_tensors` when the path was undone."""
    return _tree(ref, outside)


def _viewed(tree: _Tree, steps: tuple[Step, ...]) -> _Tree:
    """Views of what a handle is."""
    if isinstance(tree, _Fork):
        return _Fork(tree.condition, _viewed(tree.then, steps), _viewed(tree.other, steps))
    if tree.place == OWN:
        return tree
    return _Leaf(Place(tree.place.root, tree.place.steps + steps))


def _leaves(tree: _Tree) -> Iterator[_Leaf]:
    if isinstance(tree, _Fork):
        yield from _leaves(tree.then)
        yield from _leaves(tree.other)
    else:
        yield tree


def _step(view: View, strides: Shape | None, outer: Scope) -> Step | None:
    """A view as a step; None if outside of the path it can't be said which view it is."""
    if view.with_arguments is None:
        return None
    names = _INDICES.get(_operator_name(view), ())
    named = view.arguments
    if any(named.get(name) is None for name in names):
        names = ()
    fixed = {name: value for name, value in named.items() if name not in names}
    if not are_visible(fixed, outer):
        return None
    frozen = tuple((name, _hashable(value)) for name, value in fixed.items())
    if strides is not None and not are_visible(strides, outer):
        strides = None
    return Step(view.operator, frozen, tuple(named[n] for n in names), view, strides)


def _operator_name(view: View) -> str:
    operator = view.operator
    return str(operator[0]) if isinstance(operator, tuple) else ""


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def home_of(ref: TensorRef, outside: Outside) -> Home:
    """The places that a handle may have, each kind once."""
    found = [leaf.place for leaf in _leaves(_tree(ref, outside))]
    return Home(joined_places(found, (), outside.scope), outside)


def own_cells(ref: TensorRef, outside: Outside) -> list[Cell]:
    """The storages of a handle that its places don't tell of."""
    found = [cell for leaf in _leaves(_tree(ref, outside)) for cell in leaf.cells]
    return list(dict.fromkeys(found))


def joined_places(a: Sequence[Place], b: Sequence[Place], outer: Scope) -> tuple[Place, ...]:
    """The places of either path; of views of one kind the indices that differ are left open."""
    found: list[Place] = []
    for place in (*a, *b):
        seen = [visible_dim(i, outer) for i in place.indices()]
        for number, other in enumerate(found):
            if other.of_the_same_kind(place):
                merged = [i if i == j else None for i, j in zip(other.indices(), seen, strict=True)]
                found[number] = other.with_indices(merged)
                break
        else:
            found.append(place.with_indices(seen))
    return tuple(found)


# ---------------------------------------------------------------- taking apart, making anew


def place_tensors(interpreter: Interpreter, ref: TensorRef, home: Home) -> Iterator[Tensor]:
    """Which of the places a handle has, as bools for all but the last, and its open indices."""
    tree = _tree(ref, home.outside)
    for place in home.places[:-1]:
        yield numbers.as_tensor(interpreter.g, _is_at(interpreter, tree, place))
    for place in home.places:
        for number, index in enumerate(place.indices()):
            if index is None:
                found = _index_at(interpreter, tree, place, number)
                yield numbers.as_tensor(interpreter.g, found, ir.DataType.INT64)


def _is_at(interpreter: Interpreter, tree: _Tree, place: Place) -> bool | SymBool:
    """Whether a handle is at a place."""
    if isinstance(tree, _Leaf):
        return tree.place.of_the_same_kind(place)
    then, other = (_is_at(interpreter, side, place) for side in (tree.then, tree.other))
    return _picked(interpreter, tree.condition, then, other)


def _picked(
    interpreter: Interpreter, condition: SymBool, then: bool | SymBool, other: bool | SymBool
) -> bool | SymBool:
    """`then if condition else other`, of what is known or not."""
    if isinstance(then, bool) and isinstance(other, bool):
        if then == other:
            return then
        return condition if then else numbers.logical_not(interpreter, condition)
    g = interpreter.g
    one = g.And(condition.tensor, numbers.as_tensor(g, then))
    two = g.And(g.Not(condition.tensor), numbers.as_tensor(g, other))
    return numbers.boolean(g.Or(one, two))


def _index_at(interpreter: Interpreter, tree: _Tree, place: Place, number: int) -> Dim:
    """An index of a place; anything if the handle is not there."""
    if isinstance(tree, _Leaf):
        if not tree.place.of_the_same_kind(place):
            return 0
        index = tree.place.indices()[number]
        assert index is not None
        return index
    then, other = (_index_at(interpreter, side, place, number) for side in (tree.then, tree.other))
    if then == other:
        return then
    g = interpreter.g
    sides = [g.constant(side, ir.DataType.INT64) for side in (then, other)]
    return g.integer(g.Where(tree.condition.tensor, *sides))


def placeholders(interpreter: Interpreter, home: Home) -> Iterator[Tensor]:
    """What `place_tensors` gives for a handle that nobody reads."""
    for kind in place_types(home):
        yield interpreter.g.constant(np.zeros((), kind.dtype.numpy()))


def place_types(home: Home) -> Iterator[OutputType]:
    """The types of what `place_tensors` gives."""
    for _ in home.places[:-1]:
        yield OutputType(ir.DataType.BOOL, ())
    for _ in range(home.open_indices()):
        yield OutputType(ir.DataType.INT64, ())


def rebuilt(
    interpreter: Interpreter,
    home: Home,
    tensors: Iterator[Tensor],
    value: TensorForm,
) -> TensorRef:
    """The handle that these tensors describe; the last is the value of the path's own one."""
    places = home.places
    flags = [numbers.boolean(next(tensors)) for _ in places[:-1]]
    refs = [None if p == OWN else _at(interpreter, p, tensors) for p in places]
    own: TensorRef | None = None
    cell: Cell | None = None
    if OWN in places:
        tensor = next(tensors)
        tensor.possible = value.possible
        own = TensorRef.fresh(tensor, dense=value.dense)
        cell = own.cell
    found: TensorRef | None = None
    for flag, ref in zip([True, *flags[::-1]], refs[::-1], strict=True):
        handle = ref or own
        assert handle is not None
        found = handle if found is None else either_of(interpreter, flag, handle, found, cell)
    assert found is not None
    return found


def _at(interpreter: Interpreter, place: Place, tensors: Iterator[Tensor]) -> TensorRef:
    """The handle at a place; takes its open indices."""
    assert place.root is not None
    ref = place.root
    for step in place.steps:
        assert step.view.with_arguments is not None
        names = _INDICES.get(_operator_name(step.view), ())
        given: dict[str, Any] = dict(step.view.arguments)
        for name, index in zip(names, step.indices, strict=False):
            given[name] = interpreter.g.integer(next(tensors)) if index is None else index
        ref = TensorRef(ref.cell, ref, step.view.with_arguments(given))
        ref.strides = step.strides
        ref.remade = "in a branch or loop"
    return ref
