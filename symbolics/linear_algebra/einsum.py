"""`einsum` and `tensordot`: contractions over named dims, written as transposes and MatMuls.

ONNX has an Einsum, but not in its older versions; onnxruntime's refuses some equations with "..." and
fuses nothing into it, where a MatMul with its Transpose is one kernel.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, sym_max
from exporter.onnx_graph.values import Tensor
from symbolics.reductions.reduction import sum_dim
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import promote, wrapped_dims

__all__ = ["einsum", "tensordot"]


class Term:
    """An operand with one label a dim."""

    __slots__ = ("labels", "tensor")

    def __init__(self, tensor: Tensor, labels: str) -> None:
        self.tensor = tensor
        self.labels = labels

    def size(self, label: str) -> Dim:
        """The size of the dim with this label."""
        return self.tensor.require_shape()[self.labels.index(label)]


@symbolic("aten::einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor")
def einsum(
    g: Builder, equation: str, tensors: Sequence[Tensor], *, path: Sequence[int] | None = None
) -> Tensor:
    """Einstein's sum convention; `path` only says in which order to go.

    1. Give "..." letters of its own, counted from the right, and write the result's letters out.
    2. Take the diagonal where an operand has a letter twice; drop dims of size 1 that another
       operand broadcasts.
    3. Contract from left to right, two at a time, summing what nobody needs any more.
    4. Put the dims in the order of the result.
    """
    if len({t.dtype for t in tensors}) > 1:
        tensors = promote(g, *tensors)
    operands, result = _parsed(equation, [t.require_rank() for t in tensors])
    terms = [_distinct(g, Term(t, labels)) for t, labels in zip(tensors, operands, strict=True)]
    terms = [_without_broadcast(g, term, terms) for term in terms]
    current = terms[0]
    for i, term in enumerate(terms[1:], 1):
        needed = set(result).union(*(t.labels for t in terms[i + 1 :]))
        current = _contracted(g, current, term, needed)
    return _ordered(g, _summed(g, current, set(result)), result).tensor


def _parsed(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The labels of each operand and of the result, without "..."."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    written = left.split(",")
    spare = [c for c in string.ascii_letters if c not in equation]
    widest = 0
    for labels, rank in zip(written, ranks, strict=True):
        any_more = "..." in labels
        if (rank < len(labels) - 3) if any_more else (rank != len(labels)):
            raise Raised(f"einsum {equation!r}: {labels!r} is a tensor with {rank} dims")
        if any_more:
            widest = max(widest, rank - len(labels) + 3)
    if widest > len(spare):
        raise Unsupported(f"einsum {equation!r}: more than 52 labels")
    rest = "".join(spare[:widest])
    operands = []
    for labels, rank in zip(written, ranks, strict=True):
        count = rank - len(labels) + 3
        operands.append(labels.replace("...", rest[widest - count :]))
    if arrow:
        return operands, right.replace("...", rest)
    letters = left.replace(",", "").replace(".", "")
    once = sorted(c for c in set(letters) if letters.count(c) == 1)
    return operands, rest + "".join(once)


def _distinct(g: Builder, term: Term) -> Term:
    """The diagonal over dims that share a label: every (n + 1)th element of the two as one."""
    for label in dict.fromkeys(term.labels):
        while term.labels.count(label) > 1:
            first = term.labels.index(label)
            second = term.labels.index(label, first + 1)
            rest = [i for i in range(len(term.labels)) if i not in (first, second)]
            size = term.size(label)
            moved = _permuted(g, term.tensor, [*rest, first, second])
            shape = moved.require_shape()[:-2]
            flat = g.reshape(moved, [*shape, size * size])
            tensor = g.Slice(flat, [0], [size * size], [len(rest)], [size + 1])
            tensor = g.reshape(tensor, [*shape, size])
            term = Term(tensor, "".join(term.labels[i] for i in rest) + label)
    return term


def _without_broadcast(g: Builder, term: Term, terms: Sequence[Term]) -> Term:
    """The term without dims of size 1 whose label has another size in another term."""
    dropped = [
        label
        for label in term.labels
        if term.size(label) == 1
        and any(label in t.labels and t.size(label) != 1 for t in terms if t is not term)
    ]
    if not dropped:
        return term
    axes = [term.labels.index(label) for label in dropped]
    kept = "".join(c for c in term.labels if c not in dropped)
    return Term(g.Squeeze(term.tensor, axes=axes), kept)


def _summed(g: Builder, term: Term, needed: set[str]) -> Term:
    """The term summed over the labels that are not needed; small ints become int64 by that."""
    axes = [i for i, label in enumerate(term.labels) if label not in needed]
    if not axes:
        return term
    kept = "".join(c for c in term.labels if c in needed)
    return Term(sum_dim(g, term.tensor, axes), kept)


def _contracted(g: Builder, left: Term, right: Term, needed: set[str]) -> Term:
    """Both terms as one: a MatMul over the labels that only they have, or a product."""
    left = _summed(g, left, needed | set(right.labels))
    right = _summed(g, right, needed | set(left.labels))
    if left.tensor.dtype != right.tensor.dtype:
        first, second = promote(g, left.tensor, right.tensor)
        left, right = Term(first, left.labels), Term(second, right.labels)
    shared = [c for c in left.labels if c in right.labels]
    batch = "".join(c for c in shared if c in needed)
    inner = "".join(c for c in shared if c not in needed)
    rows = "".join(c for c in left.labels if c not in shared)
    columns = "".join(c for c in right.labels if c not in shared)
    if not inner:
        return _product(g, left, right, batch + rows + columns)
    if len(inner) > 1:
        left, right = _alike(g, left, right, inner), _alike(g, right, left, inner)
    first = _matrix(g, left, batch, rows, inner)
    second = _matrix(g, right, batch, inner, columns)
    result = g.MatMul(first, second)
    sizes = list(result.require_shape()[: len(batch)])
    sizes += [left.size(c) for c in rows] + [right.size(c) for c in columns]
    return Term(g.reshape(result, sizes), batch + rows + columns)


def _alike(g: Builder, term: Term, other: Term, labels: str) -> Term:
    """The term with the sizes of both along labels that are about to become one dim.

    One of two sizes may turn out as 1 at run time. As one dim, 1 by n and n by 1 would go together.
    """
    shape: list[Dim] = [1] * len(term.labels)
    for label in labels:
        if term.size(label) != other.size(label):
            shape[term.labels.index(label)] = sym_max(term.size(label), other.size(label))
    return term if all(n == 1 for n in shape) else Term(g.Expand(term.tensor, shape), term.labels)


def _product(g: Builder, left: Term, right: Term, labels: str) -> Term:
    """The elementwise product over the union of the labels."""
    return Term(g.Mul(_spread(g, left, labels), _spread(g, right, labels)), labels)


def _spread(g: Builder, term: Term, labels: str) -> Tensor:
    own = "".join(c for c in labels if c in term.labels)
    tensor = _ordered(g, term, own).tensor
    axes = [i for i, c in enumerate(labels) if c not in own]
    return g.Unsqueeze(tensor, axes=axes) if axes else tensor


def _matrix(g: Builder, term: Term, batch: str, rows: str, columns: str) -> Tensor:
    """The term as a batch of matrices."""
    tensor = _ordered(g, term, batch + rows + columns).tensor
    if len(rows) == 1 and len(columns) == 1:
        return tensor
    sizes: list[Dim] = [term.size(c) for c in batch]
    for part in (rows, columns):
        total: Dim = 1
        for label in part:
            total = total * term.size(label)
        sizes.append(total)
    return g.reshape(tensor, sizes)


def _ordered(g: Builder, term: Term, labels: str) -> Term:
    return Term(_permuted(g, term.tensor, [term.labels.index(c) for c in labels]), labels)


def _permuted(g: Builder, tensor: Tensor, order: list[int]) -> Tensor:
    return tensor if order == sorted(order) else g.Transpose(tensor, perm=order)


@symbolic("aten::tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor")
def tensordot(
    g: Builder,
    self: Tensor,
    other: Tensor,
    dims_self: Sequence[int],
    dims_other: Sequence[int],
) -> Tensor:
    """Contract pairs of dims; the result has the other dims of `self`, then those of `other`.

    A contracted dim of size 1 goes with any size of its partner, as in `einsum`.
    """
    left_dims = wrapped_dims(dims_self, self.require_rank())
    right_dims = wrapped_dims(dims_other, other.require_rank())
    spare = iter(string.ascii_letters)
    left = [next(spare) for _ in range(self.require_rank())]
    right = [next(spare) for _ in range(other.require_rank())]
    for i, j in zip(left_dims, right_dims, strict=True):
        right[j] = left[i]
    result = [left[i] for i in range(len(left)) if i not in left_dims]
    result += [right[j] for j in range(len(right)) if j not in right_dims]
    equation = f"{''.join(left)},{''.join(right)}->{''.join(result)}"
    # A dim of size 1 makes einsum sum its partner, in int64; here the dtype stays.
    return g.cast(einsum(g, equation, [self, other]), self.dtype)
