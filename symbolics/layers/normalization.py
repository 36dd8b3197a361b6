"""Normalization by mean and variance: batch, instance, layer and group, RMS; weight normalization.

Softmax is with the activations. `F.normalize` and `F.local_response_norm` are made of operators
that live elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.registry import Unsupported, argument_writes, symbolic
from symbolics.rules import DOUBLE, FLOAT, INT64, is_complex, widened, wrapped_dim

__all__ = ["batch_norm", "group_norm", "layer_norm", "moments"]

MACHINE_EPSILON = {
    ir.DataType.FLOAT16: 2.0**-10,
    ir.DataType.BFLOAT16: 2.0**-7,
    FLOAT: 2.0**-23,
    DOUBLE: 2.0**-52,
}


def repeated(g: Builder, value: float, shape: Sequence[Dim], dtype: ir.DataType) -> Tensor:
    """A scale or bias of one value: stored where the shape is known, as runtimes expect of weights."""
    if all(isinstance(d, int) for d in shape):
        return g.constant(np.full(tuple(int(d) for d in shape), value, np.float64), dtype)
    return g.Expand(g.constant(value, dtype), list(shape))


def moments(g: Builder, x: Tensor, axes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Mean and population variance over these dims, which stay as 1."""
    mean = g.ReduceMean(x, axes=list(axes), keepdims=True)
    centred = g.Sub(x, mean)
    return mean, g.ReduceMean(g.Mul(centred, centred), axes=list(axes), keepdims=True)


def inverse_deviation(g: Builder, variance: Tensor, eps: float) -> Tensor:
    """1 / sqrt(variance + eps)."""
    return g.Div(1.0, g.Sqrt(g.Add(variance, eps)))


def per_channel(g: Builder, x: Tensor, values: Tensor) -> Tensor:
    """A vector over the channels, to be broadcast with x."""
    return g.reshape(values, [values.require_shape()[0], *[1] * (x.require_rank() - 2)])


def affine(g: Builder, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """x * weight + bias, where there are any; they broadcast from the back."""
    if weight is not None:
        x = g.Mul(x, g.cast(weight, x.dtype))
    return x if bias is None else g.Add(x, g.cast(bias, x.dtype))


def channel_affine(g: Builder, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """`affine` over dim 1."""
    return affine(
        g,
        x,
        None if weight is None else per_channel(g, x, weight),
        None if bias is None else per_channel(g, x, bias),
    )


# ------------------------------------------------------------ batch


@symbolic(
    "aten::batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor"
)
def batch_norm(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """Each channel with the running statistics, or, in training, with those of the batch.

    Training also moves the running statistics: see `moved_by_batch`.
    """
    if input.shape is not None and (0 in input.shape or len(input.shape) < 2):
        return input  # There are channels from two dims on: PyTorch takes one dim if it is empty.
    if training or running_mean is None or running_var is None:
        return batch_statistics(g, input, weight, bias, eps)[0]
    return with_statistics(g, input, weight, bias, running_mean, running_var, eps)


def with_statistics(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    eps: float,
) -> Tensor:
    """ONNX BatchNormalization, which wants a scale and a bias."""
    channels = mean.require_shape()
    if weight is None:
        weight = repeated(g, 1, channels, mean.dtype)
    if bias is None:
        bias = repeated(g, 0, channels, mean.dtype)
    return g.BatchNormalization(input, weight, bias, mean, variance, epsilon=eps)


def batch_statistics(
    g: Builder, input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The result with the batch's own statistics, their mean and 1 / deviation, by channel."""
    x = widened(g, input)
    axes = [0, *range(2, input.require_rank())]
    mean, variance = moments(g, x, axes)
    inverse = inverse_deviation(g, variance, eps)
    result = channel_affine(g, g.Mul(g.Sub(x, mean), inverse), weight, bias)
    channels = input.require_shape()[1]
    dtype = input.dtype if weight is None else weight.dtype
    return (
        g.cast(result, input.dtype),
        g.cast(g.reshape(mean, [channels]), dtype),
        g.cast(g.reshape(inverse, [channels]), dtype),
    )


def updated_statistics(
    g: Builder, input: Tensor, running_mean: Tensor, running_var: Tensor, momentum: float
) -> tuple[Tensor, Tensor]:
    """The running statistics moved towards the batch's; the variance is that of a sample (N - 1)."""
    axes = [0, *range(2, input.require_rank())]
    mean, variance = moments(g, widened(g, input), axes)
    shape = input.require_shape()
    variance = of_sample(g, variance, math.prod(shape[a] for a in axes))
    return moved(g, running_mean, mean, momentum), moved(g, running_var, variance, momentum)


def of_sample(g: Builder, variance: Tensor, count: Dim) -> Tensor:
    """A variance over N elements as one over N - 1."""
    number = g.cast(g.constant(count, INT64), variance.dtype)
    return g.Mul(variance, g.Div(number, g.Sub(number, 1)))


def moved(g: Builder, old: Tensor, new: Tensor, momentum: float) -> Tensor:
    """A running statistic moved towards a new one; the mean of all so far has a rate of 1 / count."""
    new = g.cast(g.reshape(new, list(old.require_shape())), old.dtype)
    rate = g.constant(momentum, DOUBLE)
    kept = g.Sub(1, rate)
    return g.Add(g.Mul(old, g.cast(kept, old.dtype)), g.Mul(new, g.cast(rate, old.dtype)))


@argument_writes(
    "aten::batch_norm",
    "aten::native_batch_norm",
    "aten::_native_batch_norm_legit",
    "aten::_batch_norm_with_update",
)
def moved_by_batch(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
    cudnn_enabled: bool = False,
) -> dict[str, Tensor]:
    """In training the running statistics are written to."""
    empty = input.shape is not None and 0 in input.shape
    if not training or running_mean is None or running_var is None or empty:
        return {}
    mean, variance = updated_statistics(g, input, running_mean, running_var, momentum)
    return {"running_mean": mean, "running_var": variance}


@argument_writes("aten::instance_norm")
def moved_by_instances(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> dict[str, Tensor]:
    """Running statistics move towards the mean of all samples' own statistics."""
    if not use_input_stats or running_mean is None or running_var is None:
        return {}
    shape = input.require_shape()
    mean, variance = moments(g, widened(g, input), list(range(2, len(shape))))
    variance = of_sample(g, variance, math.prod(shape[2:]))
    mean, variance = (g.ReduceMean(t, axes=[0], keepdims=False) for t in (mean, variance))
    return {
        "running_mean": moved(g, running_mean, mean, momentum),
        "running_var": moved(g, running_var, variance, momentum),
    }


@symbolic(
    "aten::_batch_norm_with_update(Tensor input, Tensor? weight, Tensor? bias, Tensor(a!) running_mean, Tensor(b!) running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor)"
)
def _batch_norm_with_update(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, ...]:
    """`native_batch_norm` in training; the last result, empty here, is scratch space of some devices."""
    scratch = g.constant(np.zeros(0, np.uint8))
    return (*batch_statistics(g, input, weight, bias, eps), scratch)


@symbolic(
    "aten::_batch_norm_no_update(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor)"
)
def _batch_norm_no_update(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    momentum: float,
    eps: float,
) -> tuple[Tensor, ...]:
    """`native_batch_norm` outside training, with the same empty result."""
    scratch = g.constant(np.zeros(0, np.uint8))
    results = native_batch_norm(
        g, input, weight, bias, running_mean, running_var, False, momentum, eps
    )
    return (*results, scratch)


@symbolic(
    "aten::native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)"
)
@symbolic(
    "aten::_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, Tensor(a!) running_mean, Tensor(b!) running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)"
)
def native_batch_norm(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`batch_norm` with the mean and 1 / deviation of the batch, both empty outside training."""
    if training or running_mean is None or running_var is None:
        return batch_statistics(g, input, weight, bias, eps)
    result = with_statistics(g, input, weight, bias, running_mean, running_var, eps)
    empty = g.constant(np.zeros(0, np.float32), running_mean.dtype)
    return result, empty, empty


@symbolic(
    "aten::_native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)"
)
def _native_batch_norm_legit_no_stats(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`native_batch_norm` without running statistics."""
    return batch_statistics(g, input, weight, bias, eps)


@symbolic(
    "aten::_native_batch_norm_legit_no_training(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor)"
)
def _native_batch_norm_legit_no_training(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`native_batch_norm` outside training."""
    return native_batch_norm(
        g, input, weight, bias, running_mean, running_var, False, momentum, eps
    )


@symbolic(
    "aten::_native_batch_norm_legit_functional(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor running_mean_out, Tensor running_var_out)"
)
def _native_batch_norm_legit_functional(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, ...]:
    """`native_batch_norm` with the moved statistics as results."""
    results = native_batch_norm(
        g, input, weight, bias, running_mean, running_var, training, momentum, eps
    )
    if not training:
        return (*results, running_mean, running_var)
    return (*results, *updated_statistics(g, input, running_mean, running_var, momentum))


# ------------------------------------------------------------ instance, group


@symbolic(
    "aten::instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor"
)
def instance_norm(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """Each channel of each sample by itself; without `use_input_stats` the same as `batch_norm`."""
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise Unsupported("instance_norm with neither the input's statistics nor running ones")
        # The statistics may have another dtype.
        mean, variance = g.cast(running_mean, input.dtype), g.cast(running_var, input.dtype)
        return with_statistics(g, input, weight, bias, mean, variance, eps)
    return normalized_rows(g, input, weight, bias, eps)


def normalized_rows(
    g: Builder, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """[N, C, ...] normalized over all but the first two dims."""
    channels = x.require_shape()[1:2]
    weight = repeated(g, 1, channels, x.dtype) if weight is None else g.cast(weight, x.dtype)
    bias = repeated(g, 0, channels, x.dtype) if bias is None else g.cast(bias, x.dtype)
    return g.InstanceNormalization(x, weight, bias, epsilon=eps)


@symbolic(
    "aten::group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1.0000000000000001e-05, bool cudnn_enabled=True) -> Tensor"
)
def group_norm(
    g: Builder,
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enabled: bool = True,
) -> Tensor:
    """Channels in groups, each group of each sample by itself.

    ONNX GroupNormalization exists, but every runtime has InstanceNormalization: a group is a row.
    """
    batch, channels = g.size(input, 0), g.size(input, 1)
    sizes = input.require_shape()[2:]
    width = channels // num_groups * math.prod(sizes)
    rows = normalized_rows(g, g.reshape(input, [batch, num_groups, width]), None, None, eps)
    return channel_affine(g, g.reshape(rows, [batch, channels, *sizes]), weight, bias)


@symbolic(
    "aten::native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, int group, float eps) -> (Tensor, Tensor, Tensor)"
)
def native_group_norm(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: Dim,
    C: Dim,
    HxW: Dim,
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`group_norm` with the mean and 1 / deviation of each group."""
    result = group_norm(g, input, group, weight, bias, eps)
    rows = g.reshape(widened(g, input), [N, group, C // group * HxW])
    mean, variance = moments(g, rows, [2])
    inverse = inverse_deviation(g, variance, eps)
    shape = [N, group]
    dtype = input.dtype
    return result, g.cast(g.reshape(mean, shape), dtype), g.cast(g.reshape(inverse, shape), dtype)


# ------------------------------------------------------------ layer


@symbolic(
    "aten::layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1.0000000000000001e-05, bool cudnn_enable=True) -> Tensor"
)
def layer_norm(
    g: Builder,
    input: Tensor,
    normalized_shape: Sequence[Dim],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> Tensor:
    """The trailing dims that `normalized_shape` names. ONNX wants a scale."""
    if 0 in normalized_shape:
        return input  # onnxruntime refuses to normalize nothing.
    return g.LayerNormalization(
        input,
        repeated(g, 1, normalized_shape, input.dtype) if weight is None else weight,
        bias,
        axis=-len(normalized_shape),
        epsilon=eps,
    )


@symbolic(
    "aten::native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)"
)
def native_layer_norm(
    g: Builder,
    input: Tensor,
    normalized_shape: Sequence[Dim],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`layer_norm` with the mean and 1 / deviation."""
    result = layer_norm(g, input, normalized_shape, weight, bias, eps)
    mean, variance = moments(g, widened(g, input), list(range(-len(normalized_shape), 0)))
    inverse = inverse_deviation(g, variance, eps)
    return result, g.cast(mean, input.dtype), g.cast(inverse, input.dtype)


@symbolic(
    "aten::rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor"
)
def rms_norm(
    g: Builder,
    input: Tensor,
    normalized_shape: Sequence[Dim],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divided by the root of the mean square; no eps means that of the dtype. ONNX wants a scale.

    Half precision is squared and scaled in float32, and rounded once.
    """
    if is_complex(input.dtype):
        raise Unsupported("rms_norm of complex numbers")
    if 0 in normalized_shape:
        return input  # onnxruntime refuses to normalize nothing.
    x = widened(g, input)
    if weight is None:
        weight = repeated(g, 1, normalized_shape, x.dtype)
    result = g.RMSNormalization(
        x,
        g.cast(weight, x.dtype),
        axis=-len(normalized_shape),
        epsilon=MACHINE_EPSILON[x.dtype] if eps is None else eps,
    )
    return g.cast(result, input.dtype)


@symbolic(
    "aten::_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> (Tensor, Tensor)"
)
def _fused_rms_norm(
    g: Builder,
    input: Tensor,
    normalized_shape: Sequence[Dim],
    weight: Tensor | None,
    eps: float | None,
) -> tuple[Tensor, Tensor]:
    """`rms_norm` with 1 / the root of the mean square."""
    result = rms_norm(g, input, normalized_shape, weight, eps)
    x = widened(g, input)
    eps = MACHINE_EPSILON[x.dtype] if eps is None else eps
    axes = list(range(-len(normalized_shape), 0))
    square = g.ReduceMean(g.Pow(x, g.constant(2, x.dtype)), axes=axes, keepdims=True)
    return result, inverse_deviation(g, square, eps)


# ------------------------------------------------------------ weight


@symbolic("aten::norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor")
def norm_except_dim(g: Builder, v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all dims but one, which stay as 1; over all of them, to a 0-d tensor, at dim -1."""
    rank = v.require_rank()
    kept = None if dim == -1 else wrapped_dim(dim, rank)
    axes = [i for i in range(rank) if i != kept]
    keep = kept is not None
    if pow == 2:
        return g.ReduceL2(v, axes=axes, keepdims=keep)
    powers = g.Pow(g.Abs(v), g.constant(pow, v.dtype))
    total = g.ReduceSum(powers, axes=axes, keepdims=keep)
    return g.Pow(total, g.constant(1 / pow, v.dtype))


@symbolic("aten::_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor")
def _weight_norm(builder: Builder, v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """v with its norm (of all dims but one) replaced by g. The builder is not named g here."""
    scale = builder.Div(g, norm_except_dim(builder, v, 2, dim))
    return builder.Mul(v, scale)


@symbolic("aten::_weight_norm_interface(Tensor v, Tensor g, int dim=0) -> (Tensor, Tensor)")
def _weight_norm_interface(
    builder: Builder, v: Tensor, g: Tensor, dim: int = 0
) -> tuple[Tensor, Tensor]:
    """`_weight_norm` with the norm."""
    return _weight_norm(builder, v, g, dim), norm_except_dim(builder, v, 2, dim)
