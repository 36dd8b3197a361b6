"""Activations of neural networks, softmax among them.

Sigmoid, tanh and their like are functions of one number and live in `pointwise`; dropout is in
`random`.
"""

from __future__ import annotations

import math

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Number, Tensor
from symbolics.creation.random import uniform_like
from symbolics.elementwise.pointwise import as_float, expm1
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import BOOL, DOUBLE, FLOAT, is_float, onnx_dtype, wrapped_dim

__all__ = ["gelu", "glu", "log_sigmoid", "log_softmax_int", "relu", "softmax_int", "softplus"]


# ---------------------------------------------------------------- rectifiers


@symbolic("aten::relu(Tensor self) -> Tensor")
def relu(g: Builder, self: Tensor) -> Tensor:
    """max(0, x)."""
    return g.Relu(self)


@symbolic("aten::relu6(Tensor self) -> Tensor")
def relu6(g: Builder, self: Tensor) -> Tensor:
    """x limited to [0, 6]."""
    return hardtanh(g, self, 0, 6)


@symbolic("aten::hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor")
def hardtanh(g: Builder, self: Tensor, min_val: Number = -1, max_val: Number = 1) -> Tensor:
    """x limited to [min_val, max_val], in the dtype of x."""
    low, high = g.constant(min_val, self.dtype), g.constant(max_val, self.dtype)
    return g.known_as("hardtanh", g.Clip(self, min=low, max=high), self, low, high)


@symbolic("aten::leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor")
def leaky_relu(g: Builder, self: Tensor, negative_slope: Number = 0.01) -> Tensor:
    """x, and negative_slope * x below zero."""
    if isinstance(negative_slope, (int, float)):
        return g.LeakyRelu(self, alpha=float(negative_slope))
    slope = g.constant(negative_slope, self.dtype)
    return g.Where(g.Greater(self, 0), self, g.Mul(self, slope))


@symbolic("aten::prelu(Tensor self, Tensor weight) -> Tensor")
def prelu(g: Builder, self: Tensor, weight: Tensor) -> Tensor:
    """x, and weight * x below zero; the weights run along dim 1, or there is just one."""
    rank = self.require_rank()
    if weight.shape is None or len(weight.shape) != 1 or rank < 2:
        weight = g.reshape(weight, [1] * rank)
    else:
        weight = g.reshape(weight, [weight.shape[0], *[1] * (rank - 2)])
    return prelu_kernel(g, self, weight)


@symbolic("aten::_prelu_kernel(Tensor self, Tensor weight) -> Tensor")
def prelu_kernel(g: Builder, self: Tensor, weight: Tensor) -> Tensor:
    """`prelu` with weights that broadcast."""
    return g.PRelu(self, weight)


@symbolic(
    "aten::rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.33333333333333331, bool training=False, Generator? generator=None) -> Tensor"
)
def rrelu(
    g: Builder,
    self: Tensor,
    lower: Number = 0.125,
    upper: Number = 0.33333333333333331,
    training: bool = False,
    generator: object = None,
) -> Tensor:
    """A leaky relu with the mean slope; in training each element draws its own."""
    if not isinstance(lower, (int, float)) or not isinstance(upper, (int, float)):
        raise Unsupported("rrelu with bounds that are only known at run time")
    low, high = float(lower), float(upper)
    if not training:
        return leaky_relu(g, self, (low + high) / 2)
    slope = uniform_like(g, self, self.dtype, low, high)
    return g.Where(g.LessOrEqual(self, 0), g.Mul(self, slope), self)


@symbolic("aten::selu(Tensor self) -> Tensor")
def selu(g: Builder, self: Tensor) -> Tensor:
    """`elu` with the alpha and scale that keep mean and variance."""
    return g.Selu(self)


@symbolic("aten::elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor")
def elu(
    g: Builder, self: Tensor, alpha: Number = 1, scale: Number = 1, input_scale: Number = 1
) -> Tensor:
    """scale * x, and scale * alpha * (exp(input_scale * x) - 1) below zero."""
    known = all(isinstance(v, (int, float)) for v in (alpha, scale, input_scale))
    if known and scale == 1 and input_scale == 1:
        return g.Elu(self, alpha=float(alpha))  # type: ignore[arg-type]
    scale_of = g.constant(scale, self.dtype)
    inner = g.Mul(g.Min(self, 0), g.constant(input_scale, self.dtype))
    # A factor below zero makes what goes into exp positive, where Elu is no exp(x) - 1.
    plain = isinstance(input_scale, (int, float)) and input_scale >= 0
    grown = g.Elu(inner, alpha=1.0) if plain else expm1(g, inner)
    below = g.Mul(g.Mul(grown, g.constant(alpha, self.dtype)), scale_of)
    return g.Where(g.Greater(self, 0), g.Mul(self, scale_of), below)


@symbolic("aten::celu(Tensor self, Scalar alpha=1.) -> Tensor")
def celu(g: Builder, self: Tensor, alpha: Number = 1.0) -> Tensor:
    """x, and alpha * (exp(x / alpha) - 1) below zero."""
    if isinstance(alpha, (int, float)):
        if alpha > 0 and alpha != 1:
            return g.Celu(self, alpha=float(alpha))
        return elu(g, self, alpha, 1, 1 / alpha)
    width = g.constant(alpha, self.dtype)
    below = g.Mul(expm1(g, g.Div(g.Min(self, 0), width)), width)
    return g.Where(g.Greater(self, 0), self, below)


# ---------------------------------------------------------------- smooth ones


@symbolic('aten::gelu(Tensor self, *, str approximate="none") -> Tensor')
def gelu(g: Builder, self: Tensor, *, approximate: str = "none") -> Tensor:
    """x times the normal distribution's CDF at x; "tanh" approximates it. ONNX has the same names."""
    return g.Gelu(self, approximate=approximate)


@symbolic("aten::silu(Tensor self) -> Tensor")
def silu(g: Builder, self: Tensor) -> Tensor:
    """x * sigmoid(x)."""
    self = as_float(g, self)
    return g.Mul(self, g.Sigmoid(self))


@symbolic("aten::mish(Tensor self) -> Tensor")
def mish(g: Builder, self: Tensor) -> Tensor:
    """x * tanh(softplus(x))."""
    return g.Mul(self, g.Tanh(g.Softplus(self)))


@symbolic("aten::softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor")
def softplus(g: Builder, self: Tensor, beta: Number = 1, threshold: Number = 20) -> Tensor:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""
    usual = isinstance(threshold, (int, float)) and threshold >= 20
    if isinstance(beta, (int, float)) and beta == 1 and usual and self.dtype != DOUBLE:
        # Above the usual threshold both are the same float32 number.
        return g.Softplus(self)
    factor = g.constant(beta, self.dtype)
    scaled = g.Mul(self, factor)
    linear = g.Greater(scaled, g.constant(threshold, self.dtype))
    return g.Where(linear, self, g.Div(g.Softplus(scaled), factor))


@symbolic("aten::log_sigmoid(Tensor self) -> Tensor")
def log_sigmoid(g: Builder, self: Tensor) -> Tensor:
    """log(sigmoid(x)), which is -softplus(-x)."""
    return g.Neg(g.Softplus(g.Neg(self)))


@symbolic("aten::log_sigmoid_forward(Tensor self) -> (Tensor output, Tensor buffer)")
def log_sigmoid_forward(g: Builder, self: Tensor) -> tuple[Tensor, Tensor]:
    """`log_sigmoid`, and exp(-|x|) for the backward pass."""
    return log_sigmoid(g, self), g.Exp(g.Neg(g.Abs(self)))


@symbolic("aten::glu(Tensor self, int dim=-1) -> Tensor")
def glu(g: Builder, self: Tensor, dim: int = -1) -> Tensor:
    """The first half of a dim times the sigmoid of its second half."""
    dim = wrapped_dim(dim, self.require_rank())
    size = g.size(self, dim)
    if isinstance(size, int) and size % 2:
        raise Raised(f"glu over dim {dim}, whose size {size} has no halves")
    first, second = g.Split(self, [size // 2, size // 2], axis=dim, outputs=2)
    return g.Mul(first, g.Sigmoid(second))


# ---------------------------------------------------------------- piecewise linear ones


@symbolic("aten::hardsigmoid(Tensor self) -> Tensor")
def hardsigmoid(g: Builder, self: Tensor) -> Tensor:
    """x / 6 + 1/2, limited to [0, 1]."""
    return g.HardSigmoid(self, alpha=1 / 6, beta=0.5)


@symbolic("aten::hardswish(Tensor self) -> Tensor")
def hardswish(g: Builder, self: Tensor) -> Tensor:
    """x * hardsigmoid(x)."""
    return g.HardSwish(self)


@symbolic("aten::softshrink(Tensor self, Scalar lambd=0.5) -> Tensor")
def softshrink(g: Builder, self: Tensor, lambd: Number = 0.5) -> Tensor:
    """x moved towards zero by lambd, and zero within: x less what `clamp` leaves of it. NaN stays."""
    limit = g.constant(lambd, self.dtype)
    return g.Sub(self, g.Clip(self, min=g.Neg(limit), max=limit))


@symbolic("aten::hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor")
def hardshrink(g: Builder, self: Tensor, lambd: Number = 0.5) -> Tensor:
    """Zero within [-lambd, lambd], x outside."""
    within = g.LessOrEqual(g.Abs(self), g.constant(lambd, self.dtype))
    return g.Where(within, g.constant(0, self.dtype), self)


# ---------------------------------------------------------------- softmax


def converted(g: Builder, self: Tensor, dtype: int | None) -> Tensor:
    """The tensor in the dtype asked for."""
    return self if dtype is None else g.cast(self, onnx_dtype(dtype))


def along(g: Builder, op_type: str, self: Tensor, dim: int) -> Tensor:
    """Softmax or its logarithm over a dim; a 0-d tensor has one dim here."""
    if not is_float(self.dtype):
        raise Unsupported(f"PyTorch has no softmax of {self.dtype.name.lower()} without a dtype")
    if self.rank is None:
        return g.op(op_type, self, axis=dim)
    dim = wrapped_dim(dim, self.rank)
    if self.rank:
        return g.op(op_type, self, axis=dim)
    return g.reshape(g.op(op_type, g.reshape(self, [1]), axis=0), [])


@symbolic("aten::special_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor")
@symbolic("aten::softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor")
def softmax_int(g: Builder, self: Tensor, dim: int, dtype: int | None = None) -> Tensor:
    """exp(x) over its sum along a dim; `dtype` converts first."""
    return along(g, "Softmax", converted(g, self, dtype), dim)


@symbolic("aten::log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor")
def log_softmax_int(g: Builder, self: Tensor, dim: int, dtype: int | None = None) -> Tensor:
    """The logarithm of softmax; `dtype` converts first."""
    return along(g, "LogSoftmax", converted(g, self, dtype), dim)


@symbolic("aten::special_log_softmax(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor")
def special_log_softmax(g: Builder, self: Tensor, dim: int, *, dtype: int | None = None) -> Tensor:
    """See `log_softmax_int`."""
    return log_softmax_int(g, self, dim, dtype)


@symbolic("aten::_softmax(Tensor self, int dim, bool half_to_float) -> Tensor")
def softmax(g: Builder, self: Tensor, dim: int, half_to_float: bool) -> Tensor:
    """See `softmax_int`; `half_to_float` makes it float32."""
    return along(g, "Softmax", g.cast(self, FLOAT) if half_to_float else self, dim)


@symbolic("aten::_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor")
def log_softmax(g: Builder, self: Tensor, dim: int, half_to_float: bool) -> Tensor:
    """See `log_softmax_int`; `half_to_float` makes it float32."""
    return along(g, "LogSoftmax", g.cast(self, FLOAT) if half_to_float else self, dim)


@symbolic("aten::_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor")
def safe_softmax(g: Builder, self: Tensor, dim: int, dtype: int | None = None) -> Tensor:
    """Softmax that is 0, not NaN, along a dim that is -inf throughout."""
    self = converted(g, self, dtype)
    result = softmax_int(g, self, dim)
    if self.rank == 0:
        nowhere = g.Equal(self, -math.inf)
    else:
        nowhere = g.Equal(g.ReduceMax(self, axes=[dim], keepdims=True), -math.inf)
    return g.Where(nowhere, g.constant(0, self.dtype), result)


@symbolic(
    "aten::_masked_softmax(Tensor self, Tensor mask, int? dim=None, int? mask_type=None) -> Tensor"
)
def _masked_softmax(
    g: Builder, self: Tensor, mask: Tensor, dim: int | None = None, mask_type: int | None = None
) -> Tensor:
    """`softmax` without what a mask is true for; NaN where it is true for all.

    A mask of type 0 is over the last two dims, of type 1 over the first and the last.
    """
    rank = self.require_rank()
    if mask_type == 1 and mask.rank == 2:
        mask = g.Unsqueeze(mask, axes=list(range(1, rank - 1)))
    hidden = g.Where(g.cast(mask, BOOL), g.constant(-math.inf, self.dtype), self)
    return g.Softmax(hidden, axis=wrapped_dim(-1 if dim is None else dim, rank))


@symbolic(
    "aten::rrelu_with_noise(Tensor self, Tensor(b!) noise, Scalar lower=0.125, Scalar upper=0.33333333333333331, bool training=False, Generator? generator=None) -> Tensor"
)
def rrelu_with_noise(
    g: Builder,
    self: Tensor,
    noise: Tensor,
    lower: Number = 0.125,
    upper: Number = 0.33333333333333331,
    training: bool = False,
    generator: object = None,
) -> Tensor:
    """`rrelu`; the noise is written in training only."""
    if training:
        raise Unsupported("rrelu_with_noise in training: the noise is random")
    return rrelu(g, self, lower, upper)


@symbolic(
    "aten::rrelu_with_noise_functional(Tensor self, Tensor noise, Scalar lower=0.125, Scalar upper=0.33333333333333331, bool training=False, Generator? generator=None) -> (Tensor, Tensor noise_out)"
)
def rrelu_with_noise_functional(
    g: Builder,
    self: Tensor,
    noise: Tensor,
    lower: Number = 0.125,
    upper: Number = 0.33333333333333331,
    training: bool = False,
    generator: object = None,
) -> tuple[Tensor, Tensor]:
    """`rrelu_with_noise`, and the noise as it was."""
    return rrelu_with_noise(g, self, noise, lower, upper, training), noise
