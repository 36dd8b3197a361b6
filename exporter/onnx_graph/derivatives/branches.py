"""The derivative of `If`: another `If`, whose branches compute once more what theirs computed.

What a branch emitted is not visible outside it. So each branch of the gradient repeats the nodes
that its namesake's results come from, and walks back through these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.errors import UnsupportedError
from exporter.onnx_graph.call import Branches, Call, FunctionCall
from exporter.onnx_graph.control_flow import emit_if
from exporter.onnx_graph.derivatives.pieces import zeros
from exporter.onnx_graph.shapes import OutputType, PartialShape
from exporter.onnx_graph.symbolic import Dim, Symbol, SymInt
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.scope import Scope

__all__ = ["Fork", "Repetition", "find_captured", "shaped_as", "unified"]


@dataclass
class Fork:
    """An `If` on the way of gradients, what it gave, and the tensors that they go on to."""

    call: Branches
    results: Sequence[Tensor]
    targets: Sequence[Tensor]


def find_captured(g: Builder, call: Branches) -> None:
    """Note which tensors from around an `If` its results depend on, as its inputs.

    `hidden` says that there may be others: a branch holds a node that nothing is known of.
    """
    if call.inputs is not None:
        return
    found: dict[int, Tensor] = {}
    for scope, tensors in call.sides:
        seen: set[int] = set()
        stack = list(tensors)
        while stack:
            tensor = stack.pop()
            if id(tensor) in seen:
                continue
            seen.add(id(tensor))
            if tensor.array is not None:
                continue
            if not _within(tensor, scope) and tensor.elements is None:
                found[id(tensor)] = tensor
                continue
            for symbol in _symbols(tensor):
                if all(_within(source, scope) for source, _ in symbol.sources):
                    stack += [source for source, _ in symbol.sources[:1]]
            if tensor.elements is not None:
                continue
            made = None if tensor.value is None else g.steps.get(tensor.value)
            if made is None:
                call.hidden = True
                continue
            stack += _needs(g, made[0])
            if isinstance(made[0], Branches):
                call.hidden |= made[0].hidden
    call.inputs = list(found.values())


def _within(tensor: Tensor, scope: Scope) -> bool:
    """Whether a tensor was emitted in a graph, or in a body in it."""
    home = tensor.scope
    while home is not None and home.merged is not None:
        home = home.merged
    return home is not None and any(around is scope for around in home.chain())


def _needs(g: Builder, call: Call | Branches) -> Iterator[Tensor]:
    """The tensors that a call is repeated with."""
    if isinstance(call, Branches):
        find_captured(g, call)
        yield call.condition
    yield from (t for t in call.inputs or () if t is not None)
    if isinstance(call, FunctionCall) and call.made is not None:
        yield from _needs(g, call.made[0])


def _symbols(tensor: Tensor) -> Iterator[Symbol]:
    for dim in (*(tensor.elements or ()), *(tensor.shape or ())):
        if isinstance(dim, SymInt):
            yield from dim.symbols()


def _not_repeated(value: ir.Value) -> UnsupportedError:
    node = value.producer()
    what = "an input" if node is None else node.op_type
    return UnsupportedError(f"a gradient through ONNX If with {what} in a branch")


class Repetition:
    """What was emitted where it can't be seen, emitted once more in the current graph."""

    def __init__(self, g: Builder, around: Repetition | None = None) -> None:
        self._g = g
        # What each value is here; tensors of one value may differ in what is known of them.
        self._values: dict[ir.Value, Tensor] = {} if around is None else dict(around._values)
        self._tensors: dict[int, Tensor] = {} if around is None else dict(around._tensors)
        self._sizes: dict[Symbol, Dim] = {} if around is None else dict(around._sizes)

    def __call__(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The tensors as they are here."""
        # Depth first, without recursion: graphs are thousands of nodes deep.
        stack = [(tensor, self._before(tensor)) for tensor in tensors]
        stack.reverse()
        while stack:
            tensor, before = stack[-1]
            following = next((t for t in before if not self._is_here(t)), None)
            if following is not None:
                stack.append((following, self._before(following)))
                continue
            stack.pop()
            self._repeat(tensor)
        return [self._here(tensor) for tensor in tensors]

    def _is_here(self, tensor: Tensor) -> bool:
        """Whether all that a tensor needs is known here."""
        if not all(self._is_read(symbol) for symbol in _symbols(tensor)):
            return False
        return tensor.elements is not None or self._is_same(tensor) or tensor.value in self._values

    def _is_same(self, tensor: Tensor) -> bool:
        return tensor.array is not None or tensor.value is None or self._g.scope.sees(tensor)

    def _is_read(self, symbol: Symbol) -> bool:
        return symbol in self._sizes or self._g.scope.reads(SymInt.of(symbol))

    def _made(self, tensor: Tensor) -> tuple[Call | Branches, Sequence[Tensor]] | None:
        if tensor.elements is not None or self._is_same(tensor) or tensor.value in self._values:
            return None
        assert tensor.value is not None
        made = self._g.steps.get(tensor.value)
        if made is None:
            raise _not_repeated(tensor.value)
        return made

    def _before(self, tensor: Tensor) -> Iterator[Tensor]:
        made = self._made(tensor)
        if made is not None:
            yield from _needs(self._g, made[0])
        for symbol in _symbols(tensor):
            # The size of a result is known when that is there.
            if not self._is_read(symbol) and symbol.sources:
                source = symbol.sources[0][0]
                if source.value is None or source.value is not tensor.value:
                    yield source

    def _repeat(self, tensor: Tensor) -> None:
        """Emit what made a tensor, whose inputs are here."""
        made = self._made(tensor)
        if made is not None:
            call, results = made
            for old, new in zip(results, self._again(call), strict=True):
                assert old.value is not None
                self._values[old.value] = new
                self._learn(old.shape, new.shape)
        for symbol in _symbols(tensor):
            if not self._is_read(symbol):
                self._read(symbol)

    def _learn(self, old: PartialShape, new: PartialShape) -> None:
        for was, dim in zip(old or (), new or (), strict=False):
            symbol = was.as_symbol() if isinstance(was, SymInt) else None
            if symbol is not None and dim is not None and not self._is_read(symbol):
                self._sizes[symbol] = dim

    def _read(self, symbol: Symbol) -> None:
        """Know a size, or a number, from the tensor that it is read from."""
        if not symbol.sources:
            raise UnsupportedError(f"the size {symbol.name} can't be read here")
        source, axis = symbol.sources[0]
        assert source.value is not None
        here = self._values.get(source.value, source)
        if axis is None:
            self._sizes[symbol] = self._g.integer(here)
            return
        if here.shape is None:
            unknown = OutputType(here.dtype, (None,) * source.require_rank())
            here = self._values[source.value] = self._typed(here, unknown)
        self._sizes[symbol] = self._g.size(here, axis)

    def _typed(self, tensor: Tensor, type_: OutputType) -> Tensor:
        assert tensor.value is not None
        same = self._g.typed(tensor.value, type_, str(tensor.value.name))
        same.detached = tensor.detached
        return same

    def _here(self, tensor: Tensor) -> Tensor:
        """A tensor whose value is here, with all that was known of it."""
        found = self._tensors.get(id(tensor))
        if found is not None:
            return found
        g = self._g
        if tensor.elements is not None:
            # The value that it may have is not here.
            elements = list(map(self._dim, tensor.elements))
            found = g.constant(elements if tensor.shape else elements[0], tensor.dtype)
        elif self._is_same(tensor):
            found = tensor
        else:
            assert tensor.value is not None
            found = self._values[tensor.value]
            shape = self._shape(tensor.shape)
            if found.value is not None and (
                found.detached != tensor.detached or (shape is not None and found.shape != shape)
            ):
                known = found.shape if shape is None else shape
                found = g.typed(
                    found.value,
                    replace(OutputType.of(found), shape=known),
                    str(found.value.name),
                )
                found.detached = tensor.detached
            found.is_number |= tensor.is_number
        self._tensors[id(tensor)] = found
        return found

    def _shape(self, shape: tuple[Dim, ...] | None) -> tuple[Dim, ...] | None:
        return None if shape is None else tuple(map(self._dim, shape))

    def _dim(self, dim: Dim) -> Dim:
        return dim.with_values(self._sizes) if isinstance(dim, SymInt) else dim

    def _again(self, call: Call | Branches) -> list[Tensor]:
        """What a call gives, repeated with its inputs as they are here."""
        g = self._g
        if isinstance(call, Branches):
            return self._if(call)
        if isinstance(call, FunctionCall):
            if call.made is None:
                raise _not_repeated(call.result)
            made, results = call.made
            again = zip(results, self._again(made), strict=True)
            (result,) = (new for old, new in again if old.value is call.result)
            inputs = [None if t is None else self._here(t) for t in call.inputs]
            return [g.known_as(call.op_type, result, *inputs)]
        if not call.signature.deterministic:
            raise UnsupportedError(
                f"a gradient through ONNX If with {call.op_type}, which draws numbers, in a branch"
            )
        inputs = [None if t is None else self._here(t) for t in call.inputs]
        results = g.native(
            call.op_type,
            *inputs,
            domain=call.signature.domain,
            outputs=call.outputs,
            **call.attributes,
        )
        return [results] if call.outputs == 1 else list(results)

    def _if(self, call: Branches) -> list[Tensor]:
        g, sides = self._g, []
        for scope, tensors in call.sides:
            with g.body(scope.name) as body:
                sides.append((body, Repetition(g, self)(tensors)))
        types = []
        for t in call.types:
            dims = (
                None
                if t.shape is None
                else tuple(d if d is None else self._dim(d) for d in t.shape)
            )
            types.append(replace(t, shape=dims))
        return emit_if(g, self._here(call.condition), sides[0], sides[1], types)


def shaped_as(g: Builder, grad: Tensor | None, tensor: Tensor) -> Tensor:
    """The gradient of a result, in a branch, where more is known of its shape than outside."""
    assert grad is not None
    if grad.value is None or tensor.shape is None or grad.shape == tensor.shape:
        return grad
    # What is known here must not be noted at the value outside.
    return g.sized_as(g.Identity(grad), tensor)


def unified(
    g: Builder,
    condition: Tensor,
    sides: Sequence[tuple[Scope, Sequence[Tensor | None]]],
    targets: Sequence[Tensor],
) -> list[Tensor | None]:
    """An `If` that gives the gradients found in two branches; None where neither has one."""
    used = [i for i, _ in enumerate(targets) if any(parts[i] is not None for _, parts in sides)]
    given = []
    for scope, parts in sides:
        with g.inside(scope):
            found = [parts[i] for i in used]
            given.append(
                [
                    zeros(g, targets[i]) if part is None else part
                    for i, part in zip(used, found, strict=True)
                ]
            )
    results: list[Tensor | None] = [None] * len(targets)
    if used:
        types = [OutputType.of(targets[i]) for i in used]
        first, second = ((scope, each) for (scope, _), each in zip(sides, given, strict=True))
        for i, result in zip(used, emit_if(g, condition, first, second, types), strict=True):
            results[i] = result
    return results
