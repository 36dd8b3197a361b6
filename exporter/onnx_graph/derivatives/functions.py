"""Derivatives of functions that are several nodes: better ones than their formulas have.

`log(1 + x)` is written so that it is exact near 0; at 0 two infinities meet in the derivative of
what is written. These are the functions that `Builder.known_as` names; at corners and poles the
value is the one that PyTorch takes (tools/autograd/derivatives.yaml, FunctionsManual.cpp).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from exporter.onnx_graph.derivatives.pieces import masked, number, summed_to
from exporter.onnx_graph.derivatives.registry import Step, derivative
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__: list[str] = []

Grads = Sequence[Tensor | None]


@derivative("log1p")
def _log1p(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [g.Div(grad, g.Add(step[0], number(g, 1, grad)))]


@derivative("expm1")
def _expm1(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [g.Mul(grad, g.Add(step.result, number(g, 1, grad)))]


@derivative("atan2")
def _atan2(g: Builder, step: Step, grad: Tensor) -> Grads:
    """By the square of the distance to the origin, where it is not 0."""
    y, x = step[0], step[1]
    square = g.Add(g.Mul(y, y), g.Mul(x, x))
    zero = g.Equal(square, number(g, 0, grad))
    share = g.Where(zero, number(g, 0, grad), g.Div(grad, square))
    return [
        summed_to(g, g.Mul(share, x), y) if step.wants(0) else None,
        summed_to(g, g.Mul(share, g.Neg(y)), x) if step.wants(1) else None,
    ]


@derivative("hypot")
def _hypot(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [
        summed_to(g, g.Mul(grad, g.Div(step[i], step.result)), step[i]) if step.wants(i) else None
        for i in range(2)
    ]


@derivative("xlogy")
def _xlogy(g: Builder, step: Step, grad: Tensor) -> Grads:
    x, y, zero = step[0], step[1], number(g, 0, grad)
    pole = g.And(g.Equal(x, zero), g.LessOrEqual(y, zero))
    return [
        summed_to(g, g.Mul(grad, g.Where(pole, zero, g.Log(y))), x) if step.wants(0) else None,
        summed_to(g, g.Mul(grad, g.Div(x, y)), y) if step.wants(1) else None,
    ]


@derivative("erfinv")
def _erfinv(g: Builder, step: Step, grad: Tensor) -> Grads:
    bell = g.Exp(g.Mul(step.result, step.result))
    return [g.Mul(grad, g.Mul(bell, number(g, math.sqrt(math.pi) / 2, grad)))]


@derivative("ndtri")
def _ndtri(g: Builder, step: Step, grad: Tensor) -> Grads:
    bell = g.Exp(g.Mul(g.Mul(step.result, step.result), number(g, 0.5, grad)))
    return [g.Mul(grad, g.Mul(bell, number(g, math.sqrt(2 * math.pi), grad)))]


@derivative("entr")
def _entr(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [g.Mul(grad, g.Neg(g.Add(g.Log(step[0]), number(g, 1, grad))))]


@derivative("binary_cross_entropy")
def _binary_cross_entropy(g: Builder, step: Step, grad: Tensor) -> Grads:
    """The slope of the logarithm has a limit, where the logarithm itself has one."""
    x, target = step[0], step[1]
    rest = g.Sub(number(g, 1, x), x)
    spread = g.Max(g.Mul(x, rest), number(g, 1e-12, x))
    return [
        g.Mul(grad, g.Div(g.Sub(x, target), spread)) if step.wants(0) else None,
        g.Mul(grad, g.Sub(g.Log(rest), g.Log(x))) if step.wants(1) else None,
    ]


@derivative("deviation")
def _deviation(g: Builder, step: Step, grad: Tensor) -> Grads:
    share = g.Div(grad, g.Mul(step.result, number(g, 2, grad)))
    return [g.Where(g.Equal(step.result, number(g, 0, grad)), number(g, 0, grad), share)]


@derivative("fmax", "fmin")
def _number_beyond(g: Builder, step: Step, grad: Tensor) -> Grads:
    """The first of two that are equal has the gradient alone."""
    x, y = step[0], step[1]
    beyond = g.GreaterOrEqual(x, y) if step.call.op_type == "fmax" else g.LessOrEqual(x, y)
    first = g.Or(beyond, g.IsNaN(y))
    return [
        summed_to(g, masked(g, first, grad), x) if step.wants(0) else None,
        summed_to(g, masked(g, g.Not(first), grad), y) if step.wants(1) else None,
    ]


@derivative("hardtanh")
def _hardtanh(g: Builder, step: Step, grad: Tensor) -> Grads:
    """Flat at the bounds, too, unlike a clamp."""
    x, low, high = step[0], step[1], step[2]
    flat = g.Or(g.LessOrEqual(x, low), g.GreaterOrEqual(x, high))
    return [g.Where(flat, number(g, 0, grad), grad), None, None]


@derivative("clamp")
def _clamp(g: Builder, step: Step, grad: Tensor) -> Grads:
    """A tensor that is equal to a bound has the gradient alone; the upper bound wins."""
    x, low, high = step[0], step.optional(1), step.optional(2)
    inside = g.GreaterOrEqual(x, low) if low is not None else g.LessOrEqual(x, high)
    below = None if low is None else g.Less(x, low)
    above = None if high is None else g.Greater(x, high)
    if low is not None and high is not None:
        inside = g.And(inside, g.LessOrEqual(x, high))
        below = g.And(below, g.Less(low, high))
        above = g.Or(above, g.Less(high, low))
    return [
        summed_to(g, masked(g, condition, grad), tensor)
        if condition is not None and tensor is not None and step.wants(i)
        else None
        for i, (tensor, condition) in enumerate(((x, inside), (low, below), (high, above)))
    ]


@derivative("added_rows")
def _added_rows(g: Builder, step: Step, grad: Tensor) -> Grads:
    """Of a tensor to slices of which, along a dim, others are added."""
    axis = step[3].array
    assert axis is not None
    picked = g.Gather(grad, step[1], axis=int(axis)) if step.wants(2) else None
    return [grad if step.wants(0) else None, None, picked]
