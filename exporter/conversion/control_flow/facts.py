"""What is known where the program now is: the condition of the branch, the outcome of a check.

    if len(state) > 0:            # state may be float[0] or float[2, batch, 128]
        h = state[0]              # here it is float[2, batch, 128]

Inside a branch its condition holds, and after `if bad: raise` the opposite of `bad` does. That is
noted on the symbols (fewer values, closer bounds) and on the tensors of unknown rank (fewer
possible shapes) that the condition is about, and taken back where the branch ends.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import onnx_ir as ir

from exporter.onnx_graph.conditions import (
    And,
    Condition,
    Flag,
    NonNegative,
    Not,
    Or,
    Zero,
    decide,
    symbols_of,
)
from exporter.onnx_graph.symbolic import Dim, Symbol, SymInt, resolved
from exporter.onnx_graph.values import SymBool, Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.shapes import PartialShape

__all__ = ["Facts", "size_of", "rank_of"]


class _Decided(NamedTuple):
    """A tensor whose number of dims a condition decides."""

    decision: SymBool
    tensor: Tensor
    then: PartialShape
    other: PartialShape


class Facts:
    """The facts that hold, and how to take them back."""

    def __init__(self, g: Builder) -> None:
        self._g = g
        g.size_facts = self
        self._undo: list[Callable[[], None]] = []
        self._decided: dict[Condition, list[_Decided]] = {}
        self._assumed: dict[Condition, bool] = {}

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What is assumed inside holds inside only."""
        mark = len(self._undo)
        try:
            yield
        finally:
            self._go_back(mark)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """What is assumed inside goes on holding, unless an exception ends it."""
        mark = len(self._undo)
        try:
            yield
        except BaseException:
            self._go_back(mark)
            raise

    def _go_back(self, mark: int) -> None:
        while len(self._undo) > mark:
            self._undo.pop()()

    def decide_shape(
        self, decision: SymBool, tensor: Tensor, then: PartialShape, other: PartialShape
    ) -> None:
        """A tensor of unknown rank has one of two shapes: `then` if the condition holds."""
        if decision.condition is not None:
            decided = _Decided(decision, tensor, then, other)
            self._decided.setdefault(decision.condition, []).append(decided)

    def pass_on(self, decision: SymBool, tensor: Tensor, other: Tensor) -> None:
        """Another tensor has the shape of one of which a condition decides."""
        if decision.condition is None or other.shape is not None:
            return
        for decided in list(self._decided.get(decision.condition, ())):
            if decided.tensor is tensor and other is not tensor:
                self.decide_shape(decision, other, decided.then, decided.other)

    def decision_on(self, tensors: Sequence[Tensor]) -> SymBool | None:
        """The condition that decides how many dims one of these tensors has."""
        for decided in itertools.chain.from_iterable(self._decided.values()):
            known = decided.tensor.shape is not None
            if not known and any(tensor is decided.tensor for tensor in tensors):
                return decided.decision
        return None

    def assumed(self, condition: Condition | None) -> bool | None:
        """What a branch or a check has said of this very condition; None if nothing.

        A number that equals one integer does not equal another.
        """
        if condition is None or condition in self._assumed:
            return None if condition is None else self._assumed[condition]
        if isinstance(condition, Zero):
            for other, holds in self._assumed.items():
                if holds and isinstance(other, Zero):
                    difference = condition.value - other.value
                    if isinstance(difference, int):
                        return difference == 0
        return None

    def assume(self, condition: Condition | None, holds: bool) -> None:
        """From here on the condition holds, or (`holds` False) it does not."""
        if condition is not None and condition not in self._assumed:
            self._assumed[condition] = holds

            def forget() -> None:
                del self._assumed[condition]

            self._undo.append(forget)
        for decided in self._decided.get(condition, ()) if condition is not None else ():
            if decided.tensor.shape is None:
                self.settle_shape(decided.tensor, decided.then if holds else decided.other)
        if isinstance(condition, Not):
            self.assume(condition.inner, not holds)
        elif isinstance(condition, (And, Or)) and holds == isinstance(condition, And):
            self.assume(condition.left, holds)
            self.assume(condition.right, holds)
        elif isinstance(condition, Flag):
            self._set_flag(condition, holds)
        elif condition is not None:
            for symbol in symbols_of(condition):
                self._narrow_values(symbol, condition, holds)
                for tensor in _unknown_tensors(symbol):
                    self._narrow_shape(tensor, condition, holds)
            if isinstance(condition, (Zero, NonNegative)):
                self._narrow_bounds(condition, holds)

    def _narrow_values(self, symbol: Symbol, condition: Condition, holds: bool) -> None:
        if symbol.values is None:
            return
        left = tuple(v for v in symbol.values if decide(condition, {symbol: v}) is not (not holds))
        if left and left != symbol.values:
            self._set_values(symbol, left)

    def _narrow_bounds(self, condition: Zero | NonNegative, holds: bool) -> None:
        """From `symbol + n`: an equation gives its value, an inequation a bound.

        From others, an inequation is a relation of its symbols.
        """
        value = resolved(condition.value)
        if not isinstance(value, SymInt):
            return
        if len(symbols := value.symbols()) != 1:
            if isinstance(condition, NonNegative):
                self.relate(value if holds else -value - 1)
            return
        (symbol,) = symbols
        for sign in (1, -1):
            rest = value * sign - SymInt.of(symbol)
            if not isinstance(rest, int):
                continue
            # sign * (symbol + rest) is zero, or is not negative
            if isinstance(condition, Zero):
                if holds:
                    self._set_values(symbol, (-rest,))
                elif symbol.lower == -rest:
                    self.bound(symbol, -rest + 1, symbol.upper)
            elif holds == (sign == 1):
                self.bound(symbol, -rest if holds else 1 - rest, symbol.upper)
            else:
                self.bound(symbol, symbol.lower, -rest if holds else -rest - 1)
            return

    def _narrow_shape(self, tensor: Tensor, condition: Condition, holds: bool) -> None:
        """Drop the possible shapes for which the condition is otherwise."""
        if tensor.shape is not None or tensor.possible is None:
            return
        left = tuple(
            shape
            for shape in tensor.possible
            if decide(condition, _answers(tensor, shape)) is not (not holds)
        )
        if not left or left == tensor.possible:
            return
        possible = tensor.possible
        self._undo.append(lambda: setattr(tensor, "possible", possible))
        tensor.possible = left
        if len(left) > 1:
            return
        self.settle_shape(tensor, left[0])

    def settle_shape(self, tensor: Tensor, shape: PartialShape) -> None:
        """A tensor of unknown rank has this shape, as what is assumed says."""
        if shape is None:
            return
        for symbol, answer in _answers(tensor, shape).items():
            if answer != SymInt.of(symbol):
                self._set_values(symbol, (answer,))
        self._undo.append(lambda: setattr(tensor, "shape", None))
        tensor.shape = tuple(
            self._dim(tensor, axis) if d is None else d for axis, d in enumerate(shape)
        )

    def _dim(self, tensor: Tensor, axis: int) -> Dim:
        return size_of(self._g, tensor, axis)

    def _set_flag(self, flag: Flag, known: bool) -> None:
        before = flag.known
        self._undo.append(lambda: setattr(flag, "known", before))
        flag.known = known

    def _set_values(self, symbol: Symbol, values: tuple[Dim, ...]) -> None:
        if len(values) == 1:
            values = (resolved(values[0]),)
            if isinstance(values[0], SymInt) and symbol in values[0].symbols():
                return  # nothing is known of a size that is said to be itself
        before = symbol.values
        self._undo.append(lambda: setattr(symbol, "values", before))
        symbol.values = values

    def settle(self, symbol: Symbol, value: Dim) -> None:
        """A symbol is this."""
        self._set_values(symbol, (value,))

    def relate(self, value: Dim) -> None:
        """An expression is not negative."""
        for symbol in value.symbols() if isinstance(value, SymInt) else ():
            before = symbol.relations
            if value not in before:
                self._undo.append(lambda s=symbol, b=before: setattr(s, "relations", b))  # type: ignore[misc]
                others = (known for known in before if not _is_weaker(known, value))
                symbol.relations = (*others, value)  # type: ignore[arg-type]

    def bound(self, symbol: Symbol, lower: int | None, upper: int | None) -> None:
        """A symbol is within these bounds, and those that it had."""
        before = symbol.lower, symbol.upper

        def undo() -> None:
            symbol.lower, symbol.upper = before

        self._undo.append(undo)
        if lower is not None and (symbol.lower is None or lower > symbol.lower):
            symbol.lower = lower
        if upper is not None and (symbol.upper is None or upper < symbol.upper):
            symbol.upper = upper


def _is_weaker(known: Dim, value: Dim) -> bool:
    """Whether an expression is not negative if the other, a bit smaller, is not."""
    rest = known - value
    return isinstance(rest, int) and rest >= 0


def _unknown_tensors(symbol: Symbol) -> list[Tensor]:
    """The tensors of unknown rank that a symbol is a size or the rank of."""
    tensors = [tensor for tensor, axis in symbol.sources if axis is not None]
    if symbol.rank_of is not None:
        tensors.append(symbol.rank_of)
    return tensors


def _answers(tensor: Tensor, shape: PartialShape) -> Mapping[Symbol, Dim]:
    """What a program that asked for the rank or sizes gets if the tensor has this shape."""
    assert shape is not None
    answers: dict[Symbol, Dim] = {}
    for axis, asked in tensor.asked.items():
        symbol = asked.as_symbol()
        assert symbol is not None
        if axis is None:
            answers[symbol] = len(shape)
        elif axis < len(shape):
            size = shape[axis]
            if size is not None:
                answers[symbol] = size
    return answers


def size_of(g: Builder, tensor: Tensor, axis: int) -> SymInt:
    """The size of a dim of a tensor of unknown rank."""
    found = tensor.asked.get(axis)
    if found is None:
        found = tensor.asked[axis] = g.symbol("size", tensor, axis)
    return found


def rank_of(g: Builder, tensor: Tensor) -> SymInt:
    """The rank of a tensor, where it is not known."""
    found = tensor.asked.get(None)
    if found is None:
        found = tensor.asked[None] = g.symbol("rank")
    symbol = found.as_symbol()
    assert symbol is not None
    symbol.rank_of = tensor
    if not any(g.scope.sees(source) for source, _ in symbol.sources):
        count = Tensor(ir.DataType.INT64, (), value=g.value(g.Size(g.Shape(tensor))), scope=g.scope)
        symbol.sources.append((count, None))
    return found
