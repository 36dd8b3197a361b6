"""Einsum by transposes, products and sums."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.lowerings.registry import lowering
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

Labelled = tuple[Tensor, str]


@lowering("Einsum", before=12)
def einsum(g: Builder, *inputs: Tensor, equation: str) -> Tensor:
    """The operands are multiplied one after the other.

    1. an ellipsis becomes capital letters that no one uses, as many as the widest stands for
    2. what only one operand has, and the result has not, is summed in that operand
    3. two operands become one by a MatMul: shared letters that stay are its batch, shared letters
       that nobody needs any more are summed by it
    4. the letters of the result are put in order
    """
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(inputs):
        raise Unsupported(f"einsum of {len(inputs)} tensors by {equation!r}")
    operands, dots = _without_ellipsis(inputs, terms)
    if not arrow:
        letters = "".join(t for _, t in operands)
        result = dots + "".join(
            c for c in sorted(set(letters)) if letters.count(c) == 1 and c not in dots
        )
    result = result.replace("...", dots)
    current = operands[0]
    for i, operand in enumerate(operands[1:], 1):
        needed = set(result).union(*(t for _, t in operands[i + 1 :]))
        current = _contract(g, current, operand, needed)
    tensor, letters = _summed(g, current, set(result))
    if letters == result:
        return tensor
    return g.Transpose(tensor, perm=[letters.index(c) for c in result])  # type: ignore[no-any-return]


def _without_ellipsis(inputs: tuple[Tensor, ...], terms: list[str]) -> tuple[list[Labelled], str]:
    used = set("".join(terms))
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in used]
    widths = [
        t.require_rank() - len(term.replace("...", "")) if "..." in term else 0
        for t, term in zip(inputs, terms, strict=True)
    ]
    dots = "".join(free[: max(widths, default=0)])
    operands = []
    for tensor, term, width in zip(inputs, terms, widths, strict=True):
        letters = term.replace("...", dots[len(dots) - width :])
        if len(set(letters)) != len(letters):
            raise Unsupported(f"einsum with a repeated letter ({term}) needs opset 12")
        operands.append((tensor, letters))
    return operands, dots


def _summed(g: Builder, operand: Labelled, needed: set[str]) -> Labelled:
    tensor, letters = operand
    axes = [i for i, c in enumerate(letters) if c not in needed]
    if not axes:
        return operand
    kept = "".join(c for c in letters if c in needed)
    return g.ReduceSum(tensor, axes=axes, keepdims=False), kept


def _contract(g: Builder, left: Labelled, right: Labelled, needed: set[str]) -> Labelled:
    """One operand from two: [batch, rows, summed] times [batch, summed, columns]."""
    left = _summed(g, left, needed | set(right[1]))
    right = _summed(g, right, needed | set(left[1]))
    shared = [c for c in left[1] if c in right[1]]
    batch = [c for c in shared if c in needed]
    summed = [c for c in shared if c not in needed]
    rows = [c for c in left[1] if c not in shared]
    columns = [c for c in right[1] if c not in shared]
    sizes = _sizes(left, right)

    def arranged(operand: Labelled, *groups: list[str]) -> Tensor:
        tensor, letters = operand
        order = [letters.index(c) for group in groups for c in group]
        if order != list(range(len(order))):
            tensor = g.Transpose(tensor, perm=order)
        # A batch dim of size 1 broadcasts; the others are flattened.
        shape: list[Dim] = [tensor.require_shape()[i] for i in range(len(batch))]
        at = len(batch)
        for group in groups[1:]:
            shape.append(prod(tensor.require_shape()[at : at + len(group)]))
            at += len(group)
        return g.reshape(tensor, shape)

    product = g.MatMul(arranged(left, batch, rows, summed), arranged(right, batch, summed, columns))
    letters = [*batch, *rows, *columns]
    full = [product.require_shape()[i] for i in range(len(batch))]
    shape = [*full, *(sizes[c] for c in (*rows, *columns))]
    return g.reshape(product, shape), "".join(letters)


def _sizes(*operands: Labelled) -> dict[str, Dim]:
    return {
        c: d for t, letters in operands for c, d in zip(letters, t.require_shape(), strict=True)
    }
