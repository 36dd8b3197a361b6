"""Sizes that must be equal, in a reshape, a matrix product, a convolution, a concatenation.

Two known ones that differ are an error of the program: an example or a spec does not fit it, say.

Where the user declared one of them dynamic, the program only works for one size. Tracing records
sizes as they were: `x.view(2, 12)` stays so, whatever batch the model is fed later. The user is
told, with the source line, instead of finding out at run time.

What else must be equal is known to be so afterwards: `cat([cache[:n], x])` says that the cache has
n rows, and all that follows needs no arithmetic on min(n, rows).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from exporter.errors import RaisedError
from exporter.onnx_graph.shape_rules import RULES
from exporter.onnx_graph.symbolic import Dim, Symbol, SymInt

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.call import Call

__all__ = ["learn_equal_sizes", "pinned_sizes"]

_ELEMENTWISE = RULES["Add"]
#: Operators of which something can only be said where the shapes of all inputs are known.
_BY_PLACE = ("Reshape", "MatMul", "Gemm", "Conv", "ConvTranspose")
#: Operators that broadcast no dim of those that are compared.
_STRICT = ("MatMul", "Gemm", "Conv", "ConvTranspose", "Concat")


def pinned_sizes(call: Call) -> Iterator[tuple[SymInt, int]]:
    """(sizes, the only number that fits) for what this call fixes of declared sizes.

    That is one of them, or the product of several. A `RaisedError` if no sizes fit.
    """
    for left, right in _fitting_sizes(call):
        if isinstance(left, int) and isinstance(right, int) and left != right:
            raise RaisedError(f"{call.op_type} of sizes {left} and {right}, which must be equal")
        for symbolic, fixed in ((left, right), (right, left)):
            if isinstance(symbolic, SymInt) and isinstance(fixed, int):
                solved = _solved(symbolic, fixed)
                if solved is not None:
                    yield solved


def learn_equal_sizes(g: Builder, call: Call) -> None:
    """Note which sizes are one from here on, since the program fails otherwise.

    A size that has no name of the user's is the other then, and n <= 3 where n is min(n, 3).
    """
    facts = g.size_facts
    if call.op_type not in _STRICT or facts is None:
        return
    for left, right in _fitting_sizes(call):
        if left == right:
            continue
        for size, other in ((left, right), (right, left)):
            symbol = size.as_symbol() if isinstance(size, SymInt) else None
            if symbol is None:
                continue
            if isinstance(other, SymInt) and symbol in other.symbols():
                limit = other.limit_of(symbol)
                if limit is not None:
                    facts.bound(symbol, None, limit)
                break
            if not symbol.declared:
                facts.settle(symbol, other)
                break


def _fitting_sizes(call: Call) -> Iterator[tuple[Dim, Dim]]:
    """Pairs of sizes that must be equal for the call to work, if neither turns out to be 1."""
    shapes = [t.shape for t in call.inputs if t is not None and t.shape is not None]
    if call.op_type in _BY_PLACE and len(shapes) < len([t for t in call.inputs if t is not None]):
        return
    if call.op_type == "Reshape":
        target = call.tensor(1).array
        if target is not None and shapes and (target > 0).all():
            yield prod(shapes[0]), int(target.prod())
    elif RULES.get(call.op_type) is _ELEMENTWISE:
        for i in range(1, 1 + max(map(len, shapes), default=0)):
            dims = [s[-i] for s in shapes if len(s) >= i and s[-i] != 1]
            yield from ((dims[0], d) for d in dims[1:])
    elif call.op_type == "MatMul" and len(shapes) == 2 and shapes[0] and shapes[1]:
        yield shapes[0][-1], shapes[1][-2] if len(shapes[1]) > 1 else shapes[1][0]
    elif call.op_type == "Gemm" and len(shapes) > 1:
        (rows, columns), (height, width) = shapes[:2]
        inner = rows if call.attributes.get("transA") else columns
        yield inner, width if call.attributes.get("transB") else height
    elif call.op_type in ("Conv", "ConvTranspose") and len(shapes) > 1 and len(shapes[1]) > 1:
        out, inner, *_ = shapes[1]
        groups = call.attributes.get("group", 1)
        yield shapes[0][1], inner * groups if call.op_type == "Conv" else out
    elif call.op_type == "Concat" and shapes and len({len(s) for s in shapes}) == 1:
        axis = call.attributes["axis"] % len(shapes[0])
        for other in shapes[1:]:
            pairs = enumerate(zip(shapes[0], other, strict=True))
            yield from (pair for i, pair in pairs if i != axis)


def _solved(symbolic: SymInt, fixed: int) -> tuple[SymInt, int] | None:
    """The symbol's value where factor * symbol + offset is this number; a product's as well."""
    offset = symbolic.terms.get((), 0)
    rest = [(monomial, factor) for monomial, factor in symbolic.terms.items() if monomial]
    if len(rest) != 1:
        return None
    monomial, factor = rest[0]
    declared = all(isinstance(atom, Symbol) and atom.declared for atom in monomial)
    if not declared or (fixed - offset) % factor:
        return None
    return SymInt({monomial: 1}), (fixed - offset) // factor
