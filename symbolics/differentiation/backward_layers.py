"""`*_backward` operators of convolutions, normalizations, pooling, padding and interpolation.

Each is the derivative of the forward operator's symbolic (`pulled_back`), but for normalizations,
which are written out with the statistics that the forward pass has saved.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.derivatives import pulled_back
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.creation.creation import filled
from symbolics.differentiation.backward import of_input
from symbolics.images import upsampling
from symbolics.layers import normalization, pooling
from symbolics.layers.adaptive_pooling import adaptive_avg_pool2d, adaptive_avg_pool3d
from symbolics.layers.convolution import convolution
from symbolics.layers.padding import reflection_pad, replication_pad
from symbolics.registry import Unsupported, symbolic

__all__: list[str] = []

Three = tuple[Tensor | None, Tensor | None, Tensor | None]


def _masked(found: Sequence[Tensor | None], mask: Sequence[bool]) -> Three:
    """The gradients that are asked for."""
    first, second, third = (f if m else None for f, m in zip(found, mask, strict=True))
    return first, second, third


@symbolic(
    "aten::convolution_backward(Tensor grad_output, Tensor input, Tensor weight, SymInt[]? bias_sizes, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups, bool[3] output_mask) -> (Tensor, Tensor, Tensor)"
)
def convolution_backward(
    g: Builder,
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[Dim] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    output_mask: Sequence[bool],
) -> Three:
    """To the input, the weight and the bias."""

    def forward(x: Tensor, w: Tensor) -> Tensor:
        return convolution(
            g, x, w, None, stride, padding, dilation, transposed, output_padding, groups
        )

    to_input, to_weight = pulled_back(g, forward, [input, weight], grad_output)
    channel = grad_output.require_rank() - weight.require_rank() + 1
    axes = [i for i in range(grad_output.require_rank()) if i != channel]
    to_bias = g.ReduceSum(grad_output, axes=axes, keepdims=0)
    return _masked([to_input, to_weight, to_bias], output_mask)


# ---------------------------------------------------------------- normalizations


@symbolic(
    "aten::native_layer_norm_backward(Tensor grad_out, Tensor input, SymInt[] normalized_shape, Tensor mean, Tensor rstd, Tensor? weight, Tensor? bias, bool[3] output_mask) -> (Tensor, Tensor, Tensor)"
)
def native_layer_norm_backward(
    g: Builder,
    grad_out: Tensor,
    input: Tensor,
    normalized_shape: Sequence[Dim],
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    output_mask: Sequence[bool],
) -> Three:
    """By the saved statistics, which say what eps was."""
    value = g.Mul(g.Sub(input, mean), rstd)
    scaled = grad_out if weight is None else g.Mul(grad_out, weight)
    axes = list(range(-len(normalized_shape), 0))
    outer = list(range(input.require_rank() - len(normalized_shape)))
    return _masked(
        [
            _through_statistics(g, scaled, value, rstd, axes),
            _summed(g, g.Mul(grad_out, value), outer),
            _summed(g, grad_out, outer),
        ],
        output_mask,
    )


@symbolic(
    "aten::native_group_norm_backward(Tensor grad_out, Tensor input, Tensor mean, Tensor rstd, Tensor? weight, SymInt N, SymInt C, SymInt HxW, int group, bool[3] output_mask) -> (Tensor, Tensor, Tensor)"
)
def native_group_norm_backward(
    g: Builder,
    grad_out: Tensor,
    input: Tensor,
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor | None,
    N: Dim,
    C: Dim,
    HxW: Dim,
    group: int,
    output_mask: Sequence[bool],
) -> Three:
    """By the saved statistics of each group."""
    rows, each = [N, group, C // group * HxW], [N, group, 1]
    scale = g.reshape(rstd, each)
    value = g.Mul(g.Sub(g.reshape(input, rows), g.reshape(mean, each)), scale)
    planes = g.reshape(grad_out, [N, C, HxW])
    scaled = planes if weight is None else g.Mul(planes, g.reshape(weight, [C, 1]))
    to_input = _through_statistics(g, g.reshape(scaled, rows), value, scale, [2])
    value = g.reshape(value, [N, C, HxW])
    return _masked(
        [
            g.reshape(to_input, list(input.require_shape())),
            _summed(g, g.Mul(planes, value), [0, 2]),
            _summed(g, planes, [0, 2]),
        ],
        output_mask,
    )


@symbolic(
    "aten::native_batch_norm_backward(Tensor grad_out, Tensor input, Tensor? weight, Tensor? running_mean, Tensor? running_var, Tensor? save_mean, Tensor? save_invstd, bool train, float eps, bool[3] output_mask) -> (Tensor, Tensor, Tensor)"
)
def native_batch_norm_backward(
    g: Builder,
    grad_out: Tensor,
    input: Tensor,
    weight: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    save_mean: Tensor | None,
    save_invstd: Tensor | None,
    train: bool,
    eps: float,
    output_mask: Sequence[bool],
) -> Three:
    """By the saved statistics of the batch, or the running ones, which are constants."""
    axes = [i for i in range(input.require_rank()) if i != 1]
    if train:
        mean, inverse = save_mean, save_invstd
    else:
        mean = running_mean
        inverse = (
            None if running_var is None else normalization.inverse_deviation(g, running_var, eps)
        )
    if mean is None or inverse is None:
        raise Unsupported("native_batch_norm_backward without the statistics it needs")
    scale = normalization.per_channel(g, input, inverse)
    value = g.Mul(g.Sub(input, normalization.per_channel(g, input, mean)), scale)
    scaled = (
        grad_out if weight is None else g.Mul(grad_out, normalization.per_channel(g, input, weight))
    )
    to_input = g.Mul(scaled, scale)
    if train:
        to_input = _through_statistics(g, scaled, value, scale, axes)
    return _masked(
        [to_input, _summed(g, g.Mul(grad_out, value), axes), _summed(g, grad_out, axes)],
        output_mask,
    )


def _through_statistics(
    g: Builder, grad: Tensor, value: Tensor, scale: Tensor, axes: Sequence[int]
) -> Tensor:
    """The gradient of (x - mean) * scale, both of which depend on x; `value` is the result."""
    mean = g.ReduceMean(grad, axes=axes, keepdims=1)
    slant = g.Mul(value, g.ReduceMean(g.Mul(grad, value), axes=axes, keepdims=1))
    return g.Mul(g.Sub(g.Sub(grad, mean), slant), scale)


def _summed(g: Builder, tensor: Tensor, axes: Sequence[int]) -> Tensor:
    return g.ReduceSum(tensor, axes=axes, keepdims=0) if axes else tensor


# ---------------------------------------------------------------- pooling


@symbolic(
    "aten::avg_pool2d_backward(Tensor grad_output, Tensor self, int[2] kernel_size, int[2] stride, int[2] padding, bool ceil_mode, bool count_include_pad, int? divisor_override) -> Tensor"
)
def avg_pool2d_backward(
    g: Builder,
    grad_output: Tensor,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """See `avg_pool2d`."""

    def forward(x: Tensor) -> Tensor:
        return pooling.avg_pool2d(
            g, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )

    return of_input(g, forward, self, grad_output)


@symbolic("aten::_adaptive_avg_pool2d_backward(Tensor grad_output, Tensor self) -> Tensor")
def _adaptive_avg_pool2d_backward(g: Builder, grad_output: Tensor, self: Tensor) -> Tensor:
    """See `adaptive_avg_pool2d`."""
    size = list(grad_output.require_shape()[-2:])
    return of_input(g, lambda x: adaptive_avg_pool2d(g, x, size), self, grad_output)


@symbolic("aten::_adaptive_avg_pool3d_backward(Tensor grad_output, Tensor self) -> Tensor")
def _adaptive_avg_pool3d_backward(g: Builder, grad_output: Tensor, self: Tensor) -> Tensor:
    """See `adaptive_avg_pool3d`."""
    size = list(grad_output.require_shape()[-3:])
    return of_input(g, lambda x: adaptive_avg_pool3d(g, x, size), self, grad_output)


@symbolic(
    "aten::max_pool2d_with_indices_backward(Tensor grad_output, Tensor self, int[2] kernel_size, int[2] stride, int[2] padding, int[2] dilation, bool ceil_mode, Tensor indices) -> Tensor"
)
def max_pool2d_with_indices_backward(
    g: Builder,
    grad_output: Tensor,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """Each gradient goes to the place in its plane where the maximum was."""
    return _to_places(g, grad_output, self, indices, 2)


@symbolic(
    "aten::max_pool3d_with_indices_backward(Tensor grad_output, Tensor self, int[3] kernel_size, int[3] stride, int[3] padding, int[3] dilation, bool ceil_mode, Tensor indices) -> Tensor"
)
def max_pool3d_with_indices_backward(
    g: Builder,
    grad_output: Tensor,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """See `max_pool2d_with_indices_backward`."""
    return _to_places(g, grad_output, self, indices, 3)


@symbolic(
    "aten::adaptive_max_pool2d_backward(Tensor grad_output, Tensor self, Tensor indices) -> Tensor"
)
def adaptive_max_pool2d_backward(
    g: Builder, grad_output: Tensor, self: Tensor, indices: Tensor
) -> Tensor:
    """See `max_pool2d_with_indices_backward`."""
    return _to_places(g, grad_output, self, indices, 2)


def _to_places(g: Builder, grad: Tensor, self: Tensor, indices: Tensor, dims: int) -> Tensor:
    """Zeros like `self`, plus the gradients at indices into its flattened last dims."""
    shape = list(self.require_shape())
    lead = shape[: len(shape) - dims]
    count: Dim = 1
    for size in shape[len(shape) - dims :]:
        count = count * size
    flat = g.ScatterElements(
        filled(g, [*lead, count], 0, grad.dtype),
        g.reshape(indices, [*lead, -1]),
        g.reshape(grad, [*lead, -1]),
        axis=len(lead),
        reduction="add",
    )
    return g.reshape(flat, shape)


# ---------------------------------------------------------------- padding and interpolation


@symbolic(
    "aten::reflection_pad1d_backward(Tensor grad_output, Tensor self, SymInt[2] padding) -> Tensor"
)
@symbolic(
    "aten::reflection_pad2d_backward(Tensor grad_output, Tensor self, SymInt[4] padding) -> Tensor"
)
@symbolic(
    "aten::reflection_pad3d_backward(Tensor grad_output, Tensor self, SymInt[6] padding) -> Tensor"
)
def reflection_pad_backward(
    g: Builder, grad_output: Tensor, self: Tensor, padding: Sequence[Dim]
) -> Tensor:
    """See `reflection_pad`."""
    return of_input(g, lambda x: reflection_pad(g, x, padding), self, grad_output)


@symbolic(
    "aten::replication_pad1d_backward(Tensor grad_output, Tensor self, SymInt[2] padding) -> Tensor"
)
@symbolic(
    "aten::replication_pad2d_backward(Tensor grad_output, Tensor self, SymInt[4] padding) -> Tensor"
)
@symbolic(
    "aten::replication_pad3d_backward(Tensor grad_output, Tensor self, SymInt[6] padding) -> Tensor"
)
def replication_pad_backward(
    g: Builder, grad_output: Tensor, self: Tensor, padding: Sequence[Dim]
) -> Tensor:
    """See `replication_pad`."""
    return of_input(g, lambda x: replication_pad(g, x, padding), self, grad_output)


@symbolic(
    "aten::upsample_nearest1d_backward(Tensor grad_output, SymInt[1] output_size, SymInt[3] input_size, float? scales=None) -> Tensor"
)
def upsample_nearest1d_backward(
    g: Builder,
    grad_output: Tensor,
    output_size: Sequence[Dim],
    input_size: Sequence[Dim],
    scales: float | None = None,
) -> Tensor:
    """See `upsample_nearest1d`."""
    base = filled(g, input_size, 0, grad_output.dtype)
    return of_input(
        g, lambda x: upsampling.upsample_nearest1d(g, x, output_size, scales), base, grad_output
    )


@symbolic(
    "aten::upsample_nearest2d_backward(Tensor grad_output, SymInt[2] output_size, SymInt[4] input_size, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def upsample_nearest2d_backward(
    g: Builder,
    grad_output: Tensor,
    output_size: Sequence[Dim],
    input_size: Sequence[Dim],
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """See `upsample_nearest2d`."""

    def forward(x: Tensor) -> Tensor:
        return upsampling.upsample_nearest2d(g, x, output_size, scales_h, scales_w)

    return of_input(g, forward, filled(g, input_size, 0, grad_output.dtype), grad_output)


@symbolic(
    "aten::upsample_linear1d_backward(Tensor grad_output, SymInt[1] output_size, SymInt[3] input_size, bool align_corners, float? scales=None) -> Tensor"
)
def upsample_linear1d_backward(
    g: Builder,
    grad_output: Tensor,
    output_size: Sequence[Dim],
    input_size: Sequence[Dim],
    align_corners: bool,
    scales: float | None = None,
) -> Tensor:
    """See `upsample_linear1d`."""

    def forward(x: Tensor) -> Tensor:
        return upsampling.upsample_linear1d(g, x, output_size, align_corners, scales)

    return of_input(g, forward, filled(g, input_size, 0, grad_output.dtype), grad_output)


@symbolic(
    "aten::upsample_bilinear2d_backward(Tensor grad_output, SymInt[2] output_size, SymInt[4] input_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def upsample_bilinear2d_backward(
    g: Builder,
    grad_output: Tensor,
    output_size: Sequence[Dim],
    input_size: Sequence[Dim],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """See `upsample_bilinear2d`."""

    def forward(x: Tensor) -> Tensor:
        return upsampling.upsample_bilinear2d(g, x, output_size, align_corners, scales_h, scales_w)

    return of_input(g, forward, filled(g, input_size, 0, grad_output.dtype), grad_output)


@symbolic(
    "aten::upsample_bicubic2d_backward(Tensor grad_output, SymInt[2] output_size, SymInt[4] input_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def upsample_bicubic2d_backward(
    g: Builder,
    grad_output: Tensor,
    output_size: Sequence[Dim],
    input_size: Sequence[Dim],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """See `upsample_bicubic2d`."""

    def forward(x: Tensor) -> Tensor:
        return upsampling.upsample_bicubic2d(g, x, output_size, align_corners, scales_h, scales_w)

    return of_input(g, forward, filled(g, input_size, 0, grad_output.dtype), grad_output)
