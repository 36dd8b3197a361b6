"""Loss functions of regression and of yes-or-no questions.

Those over classes and over pairs of vectors are in `class_losses`. All end in `reduced`.
"""

from __future__ import annotations

import math

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import SymFloat, Tensor
from symbolics.elementwise.arithmetic import mul, sub
from symbolics.elementwise.pointwise import as_float
from symbolics.reductions import reduction as reductions
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import is_float, promote

__all__ = ["MEAN", "NONE", "SUM", "reduced"]

NONE, MEAN, SUM = 0, 1, 2


def reduced(g: Builder, loss: Tensor, reduction: int) -> Tensor:
    """The losses as they are, their mean or their sum."""
    if reduction == NONE:
        return loss
    if reduction == MEAN:
        return reductions.mean(g, loss)
    if reduction != SUM:
        raise Unsupported(f"reduction = {reduction}")
    return reductions.sum(g, loss)


def floats(g: Builder, *operands: Tensor) -> tuple[Tensor, ...]:
    """Promoted operands, which must be floats."""
    promoted = promote(g, *operands)
    if not is_float(promoted[0].dtype):
        raise Unsupported(f"PyTorch has no such loss of {promoted[0].dtype.name.lower()}")
    return promoted


@symbolic("aten::mse_loss(Tensor self, Tensor target, int reduction=1) -> Tensor")
def mse_loss(g: Builder, self: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """The squared difference."""
    self, target = floats(g, self, target)
    difference = g.Sub(self, target)
    return reduced(g, g.Mul(difference, difference), reduction)


@symbolic("aten::l1_loss(Tensor self, Tensor target, int reduction=1) -> Tensor")
def l1_loss(g: Builder, self: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """The absolute difference."""
    self, target = promote(g, self, target)
    return reduced(g, g.Abs(g.Sub(self, target)), reduction)


@symbolic(
    "aten::smooth_l1_loss(Tensor self, Tensor target, int reduction=1, float beta=1.) -> Tensor"
)
def smooth_l1_loss(
    g: Builder, self: Tensor, target: Tensor, reduction: int = 1, beta: float = 1.0
) -> Tensor:
    """Squared below a difference of beta, linear above."""
    self, target = floats(g, self, target)
    if not isinstance(beta, SymFloat) and beta == 0:
        return l1_loss(g, self, target, reduction)
    error = g.Abs(g.Sub(self, target))
    bound = g.constant(beta, error.dtype)
    squared = g.Div(g.Mul(g.Mul(error, error), 0.5), bound)
    loss = g.Where(g.Less(error, bound), squared, g.Sub(error, g.Mul(bound, 0.5)))
    return reduced(g, loss, reduction)


@symbolic("aten::huber_loss(Tensor self, Tensor target, int reduction=1, float delta=1.) -> Tensor")
def huber_loss(
    g: Builder, self: Tensor, target: Tensor, reduction: int = 1, delta: float = 1.0
) -> Tensor:
    """`smooth_l1_loss` times delta, in the dtype of `self`."""
    dtype = self.dtype
    self, target = floats(g, self, target)
    error = g.Abs(g.Sub(self, target))
    squared = g.Mul(g.Mul(error, error), 0.5)
    bound = g.constant(delta, error.dtype)
    linear = g.Mul(g.Sub(error, g.Mul(bound, 0.5)), bound)
    loss = g.Where(g.LessOrEqual(error, bound), squared, linear)
    return reduced(g, g.cast(loss, dtype), reduction)


@symbolic(
    "aten::binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor"
)
def binary_cross_entropy(
    g: Builder, self: Tensor, target: Tensor, weight: Tensor | None = None, reduction: int = 1
) -> Tensor:
    """-(t log x + (1 - t) log(1 - x)), the logarithms not below -100."""
    one = g.constant(1.0, self.dtype)
    yes = g.Max(g.Log(self), -100.0)
    no = g.Max(g.Log(g.Sub(one, self)), -100.0)
    loss = g.Sub(g.Mul(g.Sub(target, 1.0), no), g.Mul(target, yes))
    loss = g.known_as("binary_cross_entropy", loss, self, target)
    return reduced(g, loss if weight is None else g.Mul(loss, weight), reduction)


@symbolic(
    "aten::binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int reduction=1) -> Tensor"
)
def binary_cross_entropy_with_logits(
    g: Builder,
    self: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(x), from softplus(-x) = -log(sigmoid(x))."""
    yes = g.Softplus(g.Neg(self))
    one = g.constant(1.0, target.dtype)
    if pos_weight is not None:
        # The weight is that of the positive answers alone.
        factor = g.Add(g.Mul(g.Sub(pos_weight, 1.0), target), 1.0)
        yes = g.Mul(yes, factor)
    loss = g.Add(g.Mul(g.Sub(one, target), self), yes)
    return reduced(g, loss if weight is None else g.Mul(loss, weight), reduction)


@symbolic(
    "aten::kl_div(Tensor self, Tensor target, int reduction=1, *, bool log_target=False) -> Tensor"
)
def kl_div(
    g: Builder, self: Tensor, target: Tensor, reduction: int = 1, *, log_target: bool = False
) -> Tensor:
    """t * (log t - x) for x a logarithm of probabilities; 0 where t is 0."""
    self, target = floats(g, self, target)
    if log_target:
        loss = g.Mul(g.Exp(target), g.Sub(target, self))
    else:
        zero = g.Equal(target, 0)
        own = g.Mul(target, g.Log(g.Where(zero, g.constant(1.0, target.dtype), target)))
        loss = g.Sub(own, g.Mul(target, self))
    return reduced(g, loss, reduction)


@symbolic("aten::soft_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor")
def soft_margin_loss(g: Builder, self: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """log(1 + exp(-t x)), in the dtype of `self`."""
    dtype = self.dtype
    self, target = floats(g, self, target)
    exponent = g.Mul(g.Neg(target), self)
    loss = g.Log(g.Add(g.Exp(exponent), 1.0))
    return reduced(g, g.cast(loss, dtype), reduction)


@symbolic(
    "aten::hinge_embedding_loss(Tensor self, Tensor target, float margin=1., int reduction=1) -> Tensor"
)
def hinge_embedding_loss(
    g: Builder, self: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 1
) -> Tensor:
    """x for a target of 1, what x lacks to the margin for -1; other targets count for both."""
    zero = g.constant(0, self.dtype)
    lacking = g.Max(g.Sub(g.constant(margin, self.dtype), self), zero)
    apart = g.Where(g.Equal(target, 1), zero, lacking)
    near = g.Where(g.Equal(*promote(g, target, -1)), zero, self)
    return reduced(g, g.Add(near, apart), reduction)


@symbolic(
    "aten::margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor"
)
def margin_ranking_loss(
    g: Builder,
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    reduction: int = 1,
) -> Tensor:
    """max(0, margin - t * (x1 - x2))."""
    input1, input2, target = promote(g, input1, input2, target)
    # Adding the margin, a float, makes floats of integers.
    loss = as_float(g, g.Mul(g.Neg(target), g.Sub(input1, input2)))
    loss = g.Add(loss, margin)
    return reduced(g, g.Max(loss, 0), reduction)


@symbolic(
    "aten::poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor"
)
def poisson_nll_loss(
    g: Builder,
    input: Tensor,
    target: Tensor,
    log_input: bool,
    full: bool,
    eps: float,
    reduction: int,
) -> Tensor:
    """The likelihood of counts; `full` adds Stirling's formula for the factorial of those above 1."""
    input, target = promote(g, input, target)
    if log_input:
        loss = sub(g, g.Exp(as_float(g, input)), g.Mul(target, input))
    else:
        loss = sub(g, input, mul(g, target, g.Log(g.Add(as_float(g, input), eps))))
    if full:
        target = as_float(g, target)
        stirling = g.Sub(g.Mul(target, g.Log(target)), target)
        stirling = g.Add(stirling, g.Mul(g.Log(g.Mul(target, 2 * math.pi)), 0.5))
        above = g.Greater(target, 1)
        loss = g.Add(loss, g.Where(above, stirling, g.constant(0, target.dtype)))
    return reduced(g, loss, reduction)
