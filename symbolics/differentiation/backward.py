"""`*_backward` operators of activations, losses and views, as graphs captured from autograd call them.

Those given the input are the forward operator's derivative (`pulled_back`); those given the result
are written out. Layers' are in `backward_layers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.derivatives import pulled_back
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.creation.creation import filled
from symbolics.elementwise import activation, pointwise
from symbolics.indexing.embedding import embedding
from symbolics.indexing.indexing import gather, index_select
from symbolics.indexing.scatter import scatter_add
from symbolics.layers import class_losses, losses
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import onnx_dtype, wrapped_dim
from symbolics.views import views
from symbolics.views.view_writes import write_diagonal, write_select, write_slice

__all__ = ["of_input"]


def of_input(
    g: Builder, function: Callable[[Tensor], Tensor], self: Tensor, grad: Tensor
) -> Tensor:
    """The gradient of a function of one tensor."""
    return pulled_back(g, function, [self], grad)[0]


# ---------------------------------------------------------------- given the result


@symbolic("aten::tanh_backward(Tensor grad_output, Tensor output) -> Tensor")
def tanh_backward(g: Builder, grad_output: Tensor, output: Tensor) -> Tensor:
    """grad (1 - y^2)."""
    return g.Mul(grad_output, g.Sub(1, g.Mul(output, output)))


@symbolic("aten::sigmoid_backward(Tensor grad_output, Tensor output) -> Tensor")
def sigmoid_backward(g: Builder, grad_output: Tensor, output: Tensor) -> Tensor:
    """grad y (1 - y)."""
    return g.Mul(grad_output, g.Mul(output, g.Sub(1, output)))


@symbolic(
    "aten::_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor"
)
def _softmax_backward_data(
    g: Builder, grad_output: Tensor, output: Tensor, dim: int, input_dtype: int
) -> Tensor:
    """y (grad - sum(grad y))."""
    weighted = g.Mul(grad_output, output)
    if output.rank:
        total = g.ReduceSum(weighted, axes=[wrapped_dim(dim, output.rank)], keepdims=1)
        weighted = g.Sub(weighted, g.Mul(output, total))
    else:
        weighted = g.Sub(weighted, g.Mul(output, weighted))
    return g.cast(weighted, onnx_dtype(input_dtype))


@symbolic(
    "aten::_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor"
)
def _log_softmax_backward_data(
    g: Builder, grad_output: Tensor, output: Tensor, dim: int, input_dtype: int
) -> Tensor:
    """Grad - exp(y) sum(grad)."""
    total = grad_output
    if output.rank:
        total = g.ReduceSum(grad_output, axes=[wrapped_dim(dim, output.rank)], keepdims=1)
    result = g.Sub(grad_output, g.Mul(g.Exp(output), total))
    return g.cast(result, onnx_dtype(input_dtype))


@symbolic("aten::native_dropout_backward(Tensor grad_output, Tensor mask, float scale) -> Tensor")
def native_dropout_backward(g: Builder, grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    """What was kept, scaled."""
    return g.Mul(g.Mul(grad_output, g.cast(mask, grad_output.dtype)), scale)


# ---------------------------------------------------------------- activations


@symbolic("aten::threshold_backward(Tensor grad_output, Tensor self, Scalar threshold) -> Tensor")
def threshold_backward(g: Builder, grad_output: Tensor, self: Tensor, threshold: Number) -> Tensor:
    """The gradient where x is above the threshold; relu's, too."""
    above = g.Greater(self, g.constant(threshold, self.dtype))
    return g.Where(above, grad_output, g.constant(0, grad_output.dtype))


@symbolic(
    "aten::leaky_relu_backward(Tensor grad_output, Tensor self, Scalar negative_slope, bool self_is_result) -> Tensor"
)
def leaky_relu_backward(
    g: Builder,
    grad_output: Tensor,
    self: Tensor,
    negative_slope: Number,
    self_is_result: bool,
) -> Tensor:
    """Of the input or the result, which have the same sign."""
    below = g.Mul(grad_output, g.constant(negative_slope, grad_output.dtype))
    return g.Where(g.Greater(self, 0), grad_output, below)


@symbolic(
    "aten::elu_backward(Tensor grad_output, Scalar alpha, Scalar scale, Scalar input_scale, bool is_result, Tensor self_or_result) -> Tensor"
)
def elu_backward(
    g: Builder,
    grad_output: Tensor,
    alpha: Number,
    scale: Number,
    input_scale: Number,
    is_result: bool,
    self_or_result: Tensor,
) -> Tensor:
    """Of the input, or of the result y: below zero scale alpha exp(x) is y + scale alpha there."""
    dtype = grad_output.dtype
    factor = g.Mul(g.constant(scale, dtype), g.constant(alpha, dtype))
    if is_result:
        rise = g.Add(self_or_result, factor)
    else:
        inner = g.Mul(g.Min(self_or_result, 0), g.constant(input_scale, dtype))
        rise = g.Mul(factor, g.Exp(inner))
    below = g.Mul(g.Mul(grad_output, g.constant(input_scale, dtype)), rise)
    above = g.Mul(grad_output, g.constant(scale, dtype))
    return g.Where(g.Greater(self_or_result, 0), above, below)


@symbolic(
    'aten::gelu_backward(Tensor grad_output, Tensor self, *, str approximate="none") -> Tensor'
)
def gelu_backward(
    g: Builder, grad_output: Tensor, self: Tensor, *, approximate: str = "none"
) -> Tensor:
    """See `gelu`."""
    return of_input(g, lambda x: activation.gelu(g, x, approximate=approximate), self, grad_output)


@symbolic("aten::infinitely_differentiable_gelu_backward(Tensor grad, Tensor self) -> Tensor")
def infinitely_differentiable_gelu_backward(g: Builder, grad: Tensor, self: Tensor) -> Tensor:
    """See `gelu`."""
    return gelu_backward(g, grad, self)


@symbolic("aten::silu_backward(Tensor grad_output, Tensor self) -> Tensor")
def silu_backward(g: Builder, grad_output: Tensor, self: Tensor) -> Tensor:
    """See `silu`."""
    return of_input(g, lambda x: activation.silu(g, x), self, grad_output)


@symbolic("aten::mish_backward(Tensor grad_output, Tensor self) -> Tensor")
def mish_backward(g: Builder, grad_output: Tensor, self: Tensor) -> Tensor:
    """See `mish`."""
    return of_input(g, lambda x: activation.mish(g, x), self, grad_output)


@symbolic(
    "aten::softplus_backward(Tensor grad_output, Tensor self, Scalar beta, Scalar threshold) -> Tensor"
)
def softplus_backward(
    g: Builder, grad_output: Tensor, self: Tensor, beta: Number, threshold: Number
) -> Tensor:
    """See `softplus`."""
    return of_input(g, lambda x: activation.softplus(g, x, beta, threshold), self, grad_output)


@symbolic("aten::hardswish_backward(Tensor grad_output, Tensor self) -> Tensor")
def hardswish_backward(g: Builder, grad_output: Tensor, self: Tensor) -> Tensor:
    """See `hardswish`."""
    return of_input(g, lambda x: activation.hardswish(g, x), self, grad_output)


@symbolic("aten::hardsigmoid_backward(Tensor grad_output, Tensor self) -> Tensor")
def hardsigmoid_backward(g: Builder, grad_output: Tensor, self: Tensor) -> Tensor:
    """See `hardsigmoid`."""
    return of_input(g, lambda x: activation.hardsigmoid(g, x), self, grad_output)


@symbolic(
    "aten::hardtanh_backward(Tensor grad_output, Tensor self, Scalar min_val, Scalar max_val) -> Tensor"
)
def hardtanh_backward(
    g: Builder, grad_output: Tensor, self: Tensor, min_val: Number, max_val: Number
) -> Tensor:
    """The gradient strictly between both bounds."""
    inner = g.And(
        g.Greater(self, g.constant(min_val, self.dtype)),
        g.Less(self, g.constant(max_val, self.dtype)),
    )
    return g.Where(inner, grad_output, g.constant(0, grad_output.dtype))


@symbolic("aten::hardshrink_backward(Tensor grad_out, Tensor self, Scalar lambd) -> Tensor")
def hardshrink_backward(g: Builder, grad_out: Tensor, self: Tensor, lambd: Number) -> Tensor:
    """The gradient outside of [-lambd, lambd]."""
    within = g.LessOrEqual(g.Abs(self), g.constant(lambd, self.dtype))
    return g.Where(within, g.constant(0, grad_out.dtype), grad_out)


@symbolic("aten::softshrink_backward(Tensor grad_output, Tensor self, Scalar lambd) -> Tensor")
def softshrink_backward(g: Builder, grad_output: Tensor, self: Tensor, lambd: Number) -> Tensor:
    """As of hardshrink."""
    return hardshrink_backward(g, grad_output, self, lambd)


@symbolic("aten::log_sigmoid_backward(Tensor grad_output, Tensor self, Tensor buffer) -> Tensor")
def log_sigmoid_backward(g: Builder, grad_output: Tensor, self: Tensor, buffer: Tensor) -> Tensor:
    """Grad sigmoid(-x)."""
    return g.Mul(grad_output, g.Sigmoid(g.Neg(self)))


@symbolic("aten::logit_backward(Tensor grad_output, Tensor self, float? eps=None) -> Tensor")
def logit_backward(
    g: Builder, grad_output: Tensor, self: Tensor, eps: float | None = None
) -> Tensor:
    """Grad / (x (1 - x)); nothing where x was clamped to [eps, 1 - eps]."""
    if eps is None:
        return of_input(g, lambda x: pointwise.logit(g, x), self, grad_output)
    slope = g.Div(grad_output, g.Mul(self, g.Sub(1, self)))
    inside = g.And(g.GreaterOrEqual(self, eps), g.LessOrEqual(self, 1 - eps))
    return g.Where(inside, slope, g.constant(0, slope.dtype))


@symbolic("aten::glu_backward(Tensor grad_output, Tensor self, int dim) -> Tensor")
def glu_backward(g: Builder, grad_output: Tensor, self: Tensor, dim: int) -> Tensor:
    """See `glu`."""
    return of_input(g, lambda x: activation.glu(g, x, dim), self, grad_output)


@symbolic(
    "aten::_prelu_kernel_backward(Tensor grad_output, Tensor self, Tensor weight) -> (Tensor, Tensor)"
)
def _prelu_kernel_backward(
    g: Builder, grad_output: Tensor, self: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients to x and, before it is summed up, to the weight."""
    zero = g.constant(0, grad_output.dtype)
    above = g.Greater(self, 0)
    to_self = g.Where(above, grad_output, g.Mul(grad_output, weight))
    return to_self, g.Where(above, zero, g.Mul(grad_output, self))


@symbolic(
    "aten::rrelu_with_noise_backward(Tensor grad_output, Tensor self, Tensor noise, Scalar lower, Scalar upper, bool training, bool self_is_result) -> Tensor"
)
def rrelu_with_noise_backward(
    g: Builder,
    grad_output: Tensor,
    self: Tensor,
    noise: Tensor,
    lower: Number,
    upper: Number,
    training: bool,
    self_is_result: bool,
) -> Tensor:
    """By the slopes that were drawn, or their mean."""
    if not isinstance(lower, (int, float)) or not isinstance(upper, (int, float)):
        raise Unsupported("rrelu_with_noise_backward with bounds only known at run time")
    if training and upper - lower > 1e-6:
        return g.Mul(grad_output, noise)
    return leaky_relu_backward(g, grad_output, self, (lower + upper) / 2, self_is_result)


# ---------------------------------------------------------------- losses


@symbolic(
    "aten::mse_loss_backward(Tensor grad_output, Tensor self, Tensor target, int reduction) -> Tensor"
)
def mse_loss_backward(
    g: Builder, grad_output: Tensor, self: Tensor, target: Tensor, reduction: int
) -> Tensor:
    """See `mse_loss`."""
    return of_input(g, lambda x: losses.mse_loss(g, x, target, reduction), self, grad_output)


@symbolic(
    "aten::smooth_l1_loss_backward(Tensor grad_output, Tensor self, Tensor target, int reduction, float beta) -> Tensor"
)
def smooth_l1_loss_backward(
    g: Builder, grad_output: Tensor, self: Tensor, target: Tensor, reduction: int, beta: float
) -> Tensor:
    """See `smooth_l1_loss`."""
    return of_input(
        g, lambda x: losses.smooth_l1_loss(g, x, target, reduction, beta), self, grad_output
    )


@symbolic(
    "aten::huber_loss_backward(Tensor grad_output, Tensor self, Tensor target, int reduction, float delta) -> Tensor"
)
def huber_loss_backward(
    g: Builder, grad_output: Tensor, self: Tensor, target: Tensor, reduction: int, delta: float
) -> Tensor:
    """See `huber_loss`."""
    return of_input(
        g, lambda x: losses.huber_loss(g, x, target, reduction, delta), self, grad_output
    )


@symbolic(
    "aten::soft_margin_loss_backward(Tensor grad_output, Tensor self, Tensor target, int reduction) -> Tensor"
)
def soft_margin_loss_backward(
    g: Builder, grad_output: Tensor, self: Tensor, target: Tensor, reduction: int
) -> Tensor:
    """See `soft_margin_loss`."""
    return of_input(
        g, lambda x: losses.soft_margin_loss(g, x, target, reduction), self, grad_output
    )


@symbolic(
    "aten::binary_cross_entropy_backward(Tensor grad_output, Tensor self, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor"
)
def binary_cross_entropy_backward(
    g: Builder,
    grad_output: Tensor,
    self: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:
    """Grad (x - target) / (x (1 - x)), the divisor not below 1e-12."""

    def loss(x: Tensor) -> Tensor:
        # The derivative is wanted without the bounds on the logarithms: it is weighted below.
        weighted = x if weight is None else g.Mul(x, weight)
        return losses.reduced(g, weighted, reduction)

    share = of_input(g, loss, self, grad_output)
    divisor = g.Max(g.Mul(self, g.Sub(1, self)), g.constant(1e-12, self.dtype))
    return g.Mul(share, g.Div(g.Sub(self, target), divisor))


@symbolic(
    "aten::nll_loss_backward(Tensor grad_output, Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index, Tensor total_weight) -> Tensor"
)
@symbolic(
    "aten::nll_loss2d_backward(Tensor grad_output, Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index, Tensor total_weight) -> Tensor"
)
def nll_loss_backward(
    g: Builder,
    grad_output: Tensor,
    self: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: int,
    ignore_index: int,
    total_weight: Tensor,
) -> Tensor:
    """See `nll_loss`; the total weight is computed again."""

    def loss(x: Tensor) -> Tensor:
        return class_losses.nll_loss_forward(g, x, target, weight, reduction, ignore_index)[0]

    return of_input(g, loss, self, grad_output)


# ---------------------------------------------------------------- views and indexing


@symbolic(
    "aten::slice_backward(Tensor grad_output, SymInt[] input_sizes, int dim, SymInt start, SymInt end, SymInt step) -> Tensor"
)
def slice_backward(
    g: Builder,
    grad_output: Tensor,
    input_sizes: Sequence[Dim],
    dim: int,
    start: Dim,
    end: Dim,
    step: Dim,
) -> Tensor:
    """Zeros with the gradient as their slice."""
    base = filled(g, input_sizes, 0, grad_output.dtype)
    return write_slice(g, base, grad_output, dim, start, end, step)


@symbolic(
    "aten::select_backward(Tensor grad_output, SymInt[] input_sizes, int dim, SymInt index) -> Tensor"
)
def select_backward(
    g: Builder, grad_output: Tensor, input_sizes: Sequence[Dim], dim: int, index: Dim
) -> Tensor:
    """Zeros with the gradient as the selected part."""
    base = filled(g, input_sizes, 0, grad_output.dtype)
    return write_select(g, base, grad_output, dim, index)


@symbolic(
    "aten::diagonal_backward(Tensor grad_output, SymInt[] input_sizes, int offset, int dim1, int dim2) -> Tensor"
)
def diagonal_backward(
    g: Builder, grad_output: Tensor, input_sizes: Sequence[Dim], offset: Dim, dim1: int, dim2: int
) -> Tensor:
    """Zeros with the gradient as a diagonal."""
    base = filled(g, input_sizes, 0, grad_output.dtype)
    return write_diagonal(g, base, grad_output, offset, dim1, dim2)


@symbolic("aten::trace_backward(Tensor grad, SymInt[] sizes) -> Tensor")
def trace_backward(g: Builder, grad: Tensor, sizes: Sequence[Dim]) -> Tensor:
    """The gradient all along the diagonal."""
    rows = g.cast(g.EyeLike(g.ConstantOfShape(g.constant(list(sizes)))), grad.dtype)
    return g.Mul(rows, grad)


@symbolic(
    "aten::unfold_backward(Tensor grad_in, SymInt[] input_sizes, int dim, int size, int step) -> Tensor"
)
def unfold_backward(
    g: Builder, grad_in: Tensor, input_sizes: Sequence[Dim], dim: int, size: int, step: int
) -> Tensor:
    """See `unfold`."""
    base = filled(g, input_sizes, 0, grad_in.dtype)
    return of_input(g, lambda x: views.unfold(g, x, dim, size, step), base, grad_in)


@symbolic(
    "aten::gather_backward(Tensor grad, Tensor self, int dim, Tensor index, bool sparse_grad) -> Tensor"
)
def gather_backward(
    g: Builder, grad: Tensor, self: Tensor, dim: int, index: Tensor, sparse_grad: bool
) -> Tensor:
    """See `gather`."""
    return of_input(g, lambda x: gather(g, x, dim, index), self, grad)


@symbolic(
    "aten::index_select_backward(Tensor grad, SymInt[] self_sizes, int dim, Tensor index) -> Tensor"
)
def index_select_backward(
    g: Builder, grad: Tensor, self_sizes: Sequence[Dim], dim: int, index: Tensor
) -> Tensor:
    """See `index_select`."""
    base = filled(g, self_sizes, 0, grad.dtype)
    return of_input(g, lambda x: index_select(g, x, dim, index), base, grad)


@symbolic(
    "aten::value_selecting_reduction_backward(Tensor grad, int dim, Tensor indices, SymInt[] sizes, bool keepdim) -> Tensor"
)
def value_selecting_reduction_backward(
    g: Builder, grad: Tensor, dim: int, indices: Tensor, sizes: Sequence[Dim], keepdim: bool
) -> Tensor:
    """Zeros with the gradient where the reduction found its values."""
    if not sizes:
        return grad
    dim = wrapped_dim(dim, len(sizes))
    if not keepdim:
        grad, indices = (g.Unsqueeze(t, axes=[dim]) for t in (grad, indices))
    return scatter_add(g, filled(g, sizes, 0, grad.dtype), dim, indices, grad)


@symbolic(
    "aten::embedding_dense_backward(Tensor grad_output, Tensor indices, SymInt num_weights, SymInt padding_idx, bool scale_grad_by_freq) -> Tensor"
)
def embedding_dense_backward(
    g: Builder,
    grad_output: Tensor,
    indices: Tensor,
    num_weights: Dim,
    padding_idx: int,
    scale_grad_by_freq: bool,
) -> Tensor:
    """The sum of the gradients of each row; the padding row gets none."""
    if scale_grad_by_freq:
        raise Unsupported("embedding_dense_backward with scale_grad_by_freq")
    if isinstance(padding_idx, int) and padding_idx >= 0:
        kept = g.Not(g.Equal(indices, padding_idx))
        zero = g.constant(0, grad_output.dtype)
        grad_output = g.Where(g.Unsqueeze(kept, axes=[-1]), grad_output, zero)
    width = g.size(grad_output, -1)
    weight = filled(g, [num_weights, width], 0, grad_output.dtype)
    return of_input(g, lambda w: embedding(g, w, indices), weight, grad_output)
