"""Derivatives of what is done to each element by itself.

Where a function has no derivative, at the corner of Relu or of a clamp, the value is the one that
PyTorch takes (tools/autograd/derivatives.yaml).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from exporter.onnx_graph.derivatives.pieces import masked, number, summed_to, zeros
from exporter.onnx_graph.derivatives.registry import Step, derivative
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__: list[str] = []

Grads = Sequence[Tensor | None]
# Of the builder, the input and the result: what the gradient is multiplied by.
Factor = Callable[["Builder", Tensor, Tensor], Tensor]


def _one_less_square(g: Builder, x: Tensor) -> Tensor:
    return g.Sub(number(g, 1, x), g.Mul(x, x))  # type: ignore[no-any-return]


def _one_more_square(g: Builder, x: Tensor) -> Tensor:
    return g.Add(g.Mul(x, x), number(g, 1, x))  # type: ignore[no-any-return]


def _inverse_root(g: Builder, x: Tensor) -> Tensor:
    return g.Reciprocal(g.Sqrt(x))  # type: ignore[no-any-return]


def _softsign(g: Builder, x: Tensor, y: Tensor) -> Tensor:
    rest = g.Sub(number(g, 1, x), g.Abs(y))
    return g.Mul(rest, rest)  # type: ignore[no-any-return]


_FACTORS: dict[str, Factor] = {
    "Abs": lambda g, x, _: g.Sign(x),
    "Acos": lambda g, x, _: g.Neg(_inverse_root(g, _one_less_square(g, x))),
    "Acosh": lambda g, x, _: _inverse_root(g, g.Sub(g.Mul(x, x), number(g, 1, x))),
    "Asin": lambda g, x, _: _inverse_root(g, _one_less_square(g, x)),
    "Asinh": lambda g, x, _: _inverse_root(g, _one_more_square(g, x)),
    "Atan": lambda g, x, _: g.Reciprocal(_one_more_square(g, x)),
    "Atanh": lambda g, x, _: g.Reciprocal(_one_less_square(g, x)),
    "Cos": lambda g, x, _: g.Neg(g.Sin(x)),
    "Cosh": lambda g, x, _: g.Sinh(x),
    "Exp": lambda g, _, y: y,
    "Log": lambda g, x, _: g.Reciprocal(x),
    "Reciprocal": lambda g, _, y: g.Neg(g.Mul(y, y)),
    "Sigmoid": lambda g, _, y: g.Mul(y, g.Sub(number(g, 1, y), y)),
    "Sin": lambda g, x, _: g.Cos(x),
    "Sinh": lambda g, x, _: g.Cosh(x),
    "Softplus": lambda g, x, _: g.Sigmoid(x),
    "Softsign": _softsign,
    "Sqrt": lambda g, _, y: g.Div(number(g, 0.5, y), y),
    "Tan": lambda g, _, y: _one_more_square(g, y),
    "Tanh": lambda g, _, y: _one_less_square(g, y),
}


@derivative(*_FACTORS)
def _factor(g: Builder, step: Step, grad: Tensor) -> Grads:
    factor = _FACTORS[step.call.op_type](g, step[0], step.result)
    return [g.Mul(grad, factor)]


@derivative("Ceil", "Floor", "Round", "Sign")
def _constant_pieces(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [zeros(g, step[0])]


@derivative("Erf")
def _erf(g: Builder, step: Step, grad: Tensor) -> Grads:
    bell = g.Exp(g.Neg(g.Mul(step[0], step[0])))
    return [g.Mul(grad, g.Mul(bell, number(g, 2 / math.sqrt(math.pi), grad)))]


# ---------------------------------------------------------------- arithmetic


@derivative("Neg")
def _neg(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [g.Neg(grad)]


@derivative("Identity")
def _same(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [grad]


@derivative("Dropout")
def _dropout(g: Builder, step: Step, grad: Tensor) -> Grads:
    """What was kept was scaled; the mask, which training comes with, tells what that was."""
    if len(step.results) == 1:
        return [grad]
    scaled = g.Div(grad, g.Sub(1, g.cast(step[1], grad.dtype)))
    return [g.Where(step.results[1], scaled, number(g, 0, grad))]


@derivative("Cast", "CastLike")
def _cast(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [g.cast(grad, step[0].dtype)]


@derivative("Add", "Sum")
def _add(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [summed_to(g, grad, step[i]) if wanted else None for i, wanted in enumerate(step.wanted)]


@derivative("Mean")
def _mean(g: Builder, step: Step, grad: Tensor) -> Grads:
    return _add(g, step, g.Div(grad, number(g, len(step.wanted), grad)))


@derivative("Sub")
def _sub(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [
        summed_to(g, grad, step[0]) if step.wants(0) else None,
        summed_to(g, g.Neg(grad), step[1]) if step.wants(1) else None,
    ]


@derivative("Mul")
def _mul(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [
        summed_to(g, g.Mul(grad, step[1]), step[0]) if step.wants(0) else None,
        summed_to(g, g.Mul(grad, step[0]), step[1]) if step.wants(1) else None,
    ]


@derivative("Div")
def _div(g: Builder, step: Step, grad: Tensor) -> Grads:
    share = g.Div(grad, step[1])
    return [
        summed_to(g, share, step[0]) if step.wants(0) else None,
        summed_to(g, g.Neg(g.Mul(share, step.result)), step[1]) if step.wants(1) else None,
    ]


@derivative("Pow")
def _pow(g: Builder, step: Step, grad: Tensor) -> Grads:
    base, exponent = step[0], step[1]
    power = g.cast(exponent, base.dtype)
    zero = number(g, 0, base)
    grads: list[Tensor | None] = [None, None]
    if step.wants(0):
        slope = g.Mul(power, g.Pow(base, g.Sub(power, number(g, 1, base))))
        # The power of 0 is 1 everywhere, at 0 too.
        slope = g.Where(g.Equal(power, zero), zero, slope)
        grads[0] = summed_to(g, g.Mul(grad, slope), base)
    if step.wants(1):
        slope = g.Mul(step.result, g.Log(base))
        flat = g.And(g.Equal(base, zero), g.GreaterOrEqual(power, zero))
        slope = g.Where(flat, zero, slope)
        grads[1] = summed_to(g, g.cast(g.Mul(grad, slope), exponent.dtype), exponent)
    return grads


@derivative("Mod")
def _mod(g: Builder, step: Step, grad: Tensor) -> Grads:
    grads: list[Tensor | None] = [summed_to(g, grad, step[0]) if step.wants(0) else None]
    if step.wants(1):
        whole = g.Div(g.Sub(step.result, step[0]), step[1])
        grads.append(summed_to(g, g.Mul(grad, whole), step[1]))
    return grads


@derivative("Where")
def _where(g: Builder, step: Step, grad: Tensor) -> Grads:
    condition, zero = step[0], number(g, 0, grad)
    return [
        None,
        summed_to(g, g.Where(condition, grad, zero), step[1]) if step.wants(1) else None,
        summed_to(g, g.Where(condition, zero, grad), step[2]) if step.wants(2) else None,
    ]


@derivative("Max", "Min")
def _extreme(g: Builder, step: Step, grad: Tensor) -> Grads:
    """Equal operands share; a bound without a gradient of its own lets all through.

    None is beyond NaN: then each has all.
    """
    operands = [step[i] for i in range(len(step.call.inputs))]
    beaten = g.Less if step.call.op_type == "Max" else g.Greater
    if sum(step.wanted) > 1:
        hits = [g.cast(g.Equal(x, step.result), grad.dtype) for x in operands]
        total = hits[0]
        for hit in hits[1:]:
            total = g.Add(total, hit)
        grad = g.Div(grad, g.Max(total, number(g, 1, grad)))
    return [
        summed_to(g, masked(g, g.Not(beaten(x, step.result)), grad), x) if wanted else None
        for x, wanted in zip(operands, step.wanted, strict=True)
    ]


@derivative("Clip")
def _clip(g: Builder, step: Step, grad: Tensor) -> Grads:
    x = step[0]
    bounds = [step.optional(1), step.optional(2)]
    for i, name in enumerate(("min", "max")):
        value = step.call.attributes.get(name)
        if value is not None:
            bounds[i] = number(g, value, x)
    grads: list[Tensor | None] = [grad, None, None]
    for i, bound in enumerate(bounds):
        if bound is None:
            continue
        within = g.GreaterOrEqual(x, bound) if i == 0 else g.LessOrEqual(x, bound)
        assert grads[0] is not None
        grads[0] = masked(g, within, grads[0])
        if step.wants(i + 1):
            beyond = g.Less(x, bound) if i == 0 else g.Greater(x, bound)
            grads[i + 1] = summed_to(g, masked(g, beyond, grad), bound)
    return grads


# ---------------------------------------------------------------- activations


@derivative("Relu")
def _relu(g: Builder, step: Step, grad: Tensor) -> Grads:
    zero = number(g, 0, grad)
    return [g.Where(g.LessOrEqual(step.result, zero), zero, grad)]


@derivative("LeakyRelu")
def _leaky_relu(g: Builder, step: Step, grad: Tensor) -> Grads:
    alpha = number(g, step.attribute("alpha", 0.01), grad)
    return [g.Where(g.Greater(step[0], number(g, 0, grad)), grad, g.Mul(grad, alpha))]


@derivative("ThresholdedRelu")
def _thresholded_relu(g: Builder, step: Step, grad: Tensor) -> Grads:
    alpha = number(g, step.attribute("alpha", 1.0), grad)
    return [g.Where(g.LessOrEqual(step[0], alpha), number(g, 0, grad), grad)]


@derivative("PRelu")
def _prelu(g: Builder, step: Step, grad: Tensor) -> Grads:
    x, slope = step[0], step[1]
    above = g.Greater(x, number(g, 0, grad))
    below = g.Mul(grad, x)
    return [
        g.Where(above, grad, g.Mul(grad, slope)) if step.wants(0) else None,
        summed_to(g, masked(g, g.Not(above), below), slope) if step.wants(1) else None,
    ]


@derivative("Elu", "Selu", "Celu")
def _elu(g: Builder, step: Step, grad: Tensor) -> Grads:
    """Gamma above zero; below, gamma alpha exp(x / divisor) / divisor."""
    x, kind = step[0], step.call.op_type
    alpha = step.attribute("alpha", 1.67326319217681884765625 if kind == "Selu" else 1.0)
    gamma = step.attribute("gamma", 1.05070102214813232421875) if kind == "Selu" else 1.0
    inner = g.Min(x, number(g, 0, x))
    if kind == "Celu":
        slope = g.Exp(g.Div(inner, number(g, alpha, x)))
    else:
        slope = g.Mul(g.Exp(inner), number(g, alpha * gamma, x))
    above = g.Mul(grad, number(g, gamma, grad)) if gamma != 1 else grad
    return [g.Where(g.LessOrEqual(x, number(g, 0, x)), g.Mul(grad, slope), above)]


@derivative("HardSigmoid")
def _hard_sigmoid(g: Builder, step: Step, grad: Tensor) -> Grads:
    inner = g.And(
        g.Greater(step.result, number(g, 0, grad)), g.Less(step.result, number(g, 1, grad))
    )
    return [masked(g, inner, g.Mul(grad, number(g, step.attribute("alpha", 0.2), grad)))]


@derivative("HardSwish")
def _hard_swish(g: Builder, step: Step, grad: Tensor) -> Grads:
    x = step[0]
    slope = g.Add(g.Div(x, number(g, 3, x)), number(g, 0.5, x))
    slope = g.Where(g.Less(x, number(g, 3, x)), slope, number(g, 1, x))
    slope = g.Where(g.LessOrEqual(x, number(g, -3, x)), number(g, 0, x), slope)
    return [g.Mul(grad, slope)]


@derivative("Gelu")
def _gelu(g: Builder, step: Step, grad: Tensor) -> Grads:
    x = step[0]
    one, half = number(g, 1, x), number(g, 0.5, x)
    if step.attribute("approximate", "none") == "tanh":
        root = math.sqrt(2 / math.pi)
        square = g.Mul(x, x)
        inner = g.Mul(x, g.Add(g.Mul(square, number(g, 0.044715 * root, x)), number(g, root, x)))
        t = g.Tanh(inner)
        rise = g.Add(g.Mul(square, number(g, 3 * 0.044715 * root, x)), number(g, root, x))
        bend = g.Mul(g.Mul(x, _one_less_square(g, t)), rise)
        return [g.Mul(grad, g.Mul(g.Add(g.Add(t, one), bend), half))]
    share = g.Mul(g.Add(g.Erf(g.Mul(x, number(g, math.sqrt(0.5), x))), one), half)
    bell = g.Mul(g.Exp(g.Mul(g.Mul(x, x), number(g, -0.5, x))), number(g, _BELL, x))
    return [g.Mul(grad, g.Add(share, g.Mul(x, bell)))]


_BELL = 1 / math.sqrt(2 * math.pi)


@derivative("Mish")
def _mish(g: Builder, step: Step, grad: Tensor) -> Grads:
    x = step[0]
    t = g.Tanh(g.Softplus(x))
    bend = g.Mul(g.Mul(x, g.Sigmoid(x)), _one_less_square(g, t))
    return [g.Mul(grad, g.Add(t, bend))]


@derivative("Swish")
def _swish(g: Builder, step: Step, grad: Tensor) -> Grads:
    x, alpha = step[0], number(g, step.attribute("alpha", 1.0), grad)
    s = g.Sigmoid(g.Mul(x, alpha))
    bend = g.Mul(g.Mul(g.Mul(x, alpha), s), g.Sub(number(g, 1, s), s))
    return [g.Mul(grad, g.Add(s, bend))]
