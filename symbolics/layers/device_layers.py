"""Normalization, recurrent layers and losses under the names of the kernels of a device.

Convolutions of this kind are in `device_convolution`, attention in `fused_attention`. What a kernel
gives beside its results for its backward pass, and is not computed here, is None.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.images.grid_sample import affine_grid_generator, grid_sampler
from symbolics.layers import ctc
from symbolics.layers.normalization import (
    batch_statistics,
    channel_affine,
    moments,
    moved_by_batch,
    native_batch_norm,
    per_channel,
    updated_statistics,
)
from symbolics.layers.recurrent import (
    GRU,
    LSTM,
    RNN_RELU,
    RNN_TANH,
    over_input,
    over_packed,
)
from symbolics.layers.recurrent_cells import gru_step
from symbolics.registry import Unsupported, argument_writes, symbolic
from symbolics.rules import FLOAT, INT64, widened

__all__: list[str] = []


def scratch(g: Builder) -> Tensor:
    """The empty scratch space of a device."""
    return g.constant(np.zeros(0, np.uint8))


# ---------------------------------------------------------------- batch normalization


@symbolic(
    "aten::_batch_norm_impl_index(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> (Tensor, Tensor, Tensor, Tensor, int)"
)
def _batch_norm_impl_index(
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
) -> tuple[Tensor | int, ...]:
    """`native_batch_norm`, and the number 0 of the kernel that computed it."""
    results = native_batch_norm(
        g, input, weight, bias, running_mean, running_var, training, momentum, eps
    )
    return (*results, scratch(g), 0)


argument_writes("aten::_batch_norm_impl_index")(moved_by_batch)


@symbolic(
    "aten::_batch_norm_with_update_functional(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor, Tensor running_mean_out, Tensor running_var_out)"
)
def _batch_norm_with_update_functional(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, ...]:
    """`native_batch_norm` in training, with the moved statistics as results."""
    results = batch_statistics(g, input, weight, bias, eps)
    moved = updated_statistics(g, input, running_mean, running_var, momentum)
    return (*results, scratch(g), *moved)


@symbolic(
    "aten::cudnn_batch_norm(Tensor input, Tensor weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float exponential_average_factor, float epsilon) -> (Tensor, Tensor, Tensor, Tensor)"
)
def cudnn_batch_norm(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    exponential_average_factor: float,
    epsilon: float,
) -> tuple[Tensor, ...]:
    """`native_batch_norm` with scratch space."""
    results = miopen_batch_norm(
        g,
        input,
        weight,
        bias,
        running_mean,
        running_var,
        training,
        exponential_average_factor,
        epsilon,
    )
    return (*results, scratch(g))


@symbolic(
    "aten::miopen_batch_norm(Tensor input, Tensor weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float exponential_average_factor, float epsilon) -> (Tensor, Tensor, Tensor)"
)
def miopen_batch_norm(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    exponential_average_factor: float,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`native_batch_norm`."""
    factor = exponential_average_factor
    return native_batch_norm(
        g, input, weight, bias, running_mean, running_var, training, factor, epsilon
    )


@argument_writes("aten::cudnn_batch_norm", "aten::miopen_batch_norm")
def moved_by_device(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    exponential_average_factor: float,
    epsilon: float,
) -> dict[str, Tensor]:
    """In training the running statistics are written to."""
    factor = exponential_average_factor
    return moved_by_batch(g, input, weight, bias, running_mean, running_var, training, factor)


@symbolic("aten::batch_norm_stats(Tensor input, float eps) -> (Tensor, Tensor)")
def batch_norm_stats(g: Builder, input: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The mean and 1 / deviation of each channel."""
    _, mean, inverse = batch_statistics(g, g.cast(input, FLOAT), None, None, eps)
    return mean, inverse


@symbolic(
    "aten::batch_norm_elemt(Tensor input, Tensor? weight, Tensor? bias, Tensor mean, Tensor invstd, float eps) -> Tensor"
)
def batch_norm_elemt(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    invstd: Tensor,
    eps: float,
) -> Tensor:
    """Each channel by a mean and a 1 / deviation that were computed before."""
    x = widened(g, input)
    centred = g.Sub(x, per_channel(g, x, mean))
    return g.cast(
        channel_affine(g, g.Mul(centred, per_channel(g, x, invstd)), weight, bias), input.dtype
    )


@symbolic(
    "aten::batch_norm_update_stats(Tensor input, Tensor? running_mean, Tensor? running_var, float momentum) -> (Tensor, Tensor)"
)
def batch_norm_update_stats(
    g: Builder,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    momentum: float,
) -> tuple[Tensor, ...]:
    """The mean and the variance (over N) of each channel."""
    axes = [0, *range(2, input.require_rank())]
    channels = [input.require_shape()[1]]
    found = moments(g, widened(g, input), axes)
    return tuple(g.cast(g.reshape(t, channels), input.dtype) for t in found)


@argument_writes("aten::batch_norm_update_stats")
def moved_by_update(
    g: Builder,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    momentum: float,
) -> dict[str, Tensor]:
    """The running statistics are written to."""
    return moved_by_batch(g, input, None, None, running_mean, running_var, True, momentum)


# ---------------------------------------------------------------- recurrent layers

# How cuDNN and MIOpen number them.
_KINDS = (RNN_RELU, RNN_TANH, LSTM, GRU)


def device_rnn(
    g: Builder,
    input: Tensor,
    weight: Sequence[Tensor],
    weight_stride0: int,
    hx: Tensor,
    cx: Tensor | None,
    mode: int,
    num_layers: int,
    batch_first: bool,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_sizes: Sequence[Dim],
) -> tuple[Tensor | None, ...]:
    """A layer's result, its last hidden and cell state (None but for an LSTM)."""
    if not 0 <= mode < len(_KINDS):
        raise Unsupported(f"a recurrent layer of mode {mode}")
    kind = _KINDS[mode]
    states = [hx] if cx is None else [hx, cx]
    options = (list(weight), weight_stride0 >= 4, num_layers, dropout, train, bidirectional)
    if batch_sizes:
        sizes = g.constant(list(batch_sizes), INT64)
        results = over_packed(g, kind, input, sizes, states, *options)
    else:
        results = over_input(g, kind, input, states, *options, batch_first)
    return results if cx is not None else (*results, None)


@symbolic(
    "aten::_cudnn_rnn(Tensor input, Tensor[] weight, int weight_stride0, Tensor? weight_buf, Tensor hx, Tensor? cx, int mode, SymInt hidden_size, SymInt proj_size, int num_layers, bool batch_first, float dropout, bool train, bool bidirectional, SymInt[] batch_sizes, Tensor? dropout_state) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)
def _cudnn_rnn(
    g: Builder,
    input: Tensor,
    weight: Sequence[Tensor],
    weight_stride0: int,
    weight_buf: Tensor | None,
    hx: Tensor,
    cx: Tensor | None,
    mode: int,
    hidden_size: Dim,
    proj_size: Dim,
    num_layers: int,
    batch_first: bool,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_sizes: Sequence[Dim],
    dropout_state: Tensor | None,
) -> tuple[Tensor | None, ...]:
    """Recurrent layers; `weight_buf` holds the weights as well, in a row."""
    results = device_rnn(
        g, input, weight, weight_stride0, hx, cx, mode, num_layers, batch_first, dropout, train,
        bidirectional, batch_sizes,
    )  # fmt: skip
    return (*results, scratch(g), weight_buf)


@symbolic(
    "aten::miopen_rnn(Tensor input, Tensor[] weight, int weight_stride0, Tensor hx, Tensor? cx, int mode, int hidden_size, int num_layers, bool batch_first, float dropout, bool train, bool bidirectional, int[] batch_sizes, Tensor? dropout_state) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)
def miopen_rnn(
    g: Builder,
    input: Tensor,
    weight: Sequence[Tensor],
    weight_stride0: int,
    hx: Tensor,
    cx: Tensor | None,
    mode: int,
    hidden_size: int,
    num_layers: int,
    batch_first: bool,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_sizes: Sequence[Dim],
    dropout_state: Tensor | None,
) -> tuple[Tensor | None, ...]:
    """Recurrent layers."""
    results = device_rnn(
        g, input, weight, weight_stride0, hx, cx, mode, num_layers, batch_first, dropout, train,
        bidirectional, batch_sizes,
    )  # fmt: skip
    return (*results, scratch(g), None)


@symbolic(
    "aten::_cudnn_init_dropout_state(float dropout, bool train, int dropout_seed, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=False) -> Tensor"
)
def _cudnn_init_dropout_state(
    g: Builder,
    dropout: float,
    train: bool,
    dropout_seed: int,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = False,
) -> Tensor:
    """The state of a device's random numbers: nothing here."""
    return scratch(g)


@symbolic(
    "aten::_thnn_fused_gru_cell(Tensor input_gates, Tensor hidden_gates, Tensor hx, Tensor? input_bias=None, Tensor? hidden_bias=None) -> (Tensor, Tensor)"
)
def _thnn_fused_gru_cell(
    g: Builder,
    input_gates: Tensor,
    hidden_gates: Tensor,
    hx: Tensor,
    input_bias: Tensor | None = None,
    hidden_bias: Tensor | None = None,
) -> tuple[Tensor, None]:
    """`gru_cell` from products made before."""
    if input_bias is not None:
        input_gates = g.Add(input_gates, input_bias)
    if hidden_bias is not None:
        hidden_gates = g.Add(hidden_gates, hidden_bias)
    return gru_step(g, input_gates, hidden_gates, hx), None


# ---------------------------------------------------------------- losses, grids


@symbolic(
    "aten::_ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, bool zero_infinity=False) -> (Tensor, Tensor)"
)
def _ctc_loss(
    g: Builder,
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Sequence[Dim],
    target_lengths: Sequence[Dim],
    blank: int = 0,
    zero_infinity: bool = False,
) -> tuple[Tensor, None]:
    """The loss of each sequence; infinite ones are zeroed by the caller."""
    lengths = (g.constant(list(input_lengths), INT64), g.constant(list(target_lengths), INT64))
    return ctc.ctc_loss(g, log_probs, targets, *lengths, blank, 0), None


@symbolic(
    "aten::_ctc_loss.Tensor(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank=0, bool zero_infinity=False) -> (Tensor, Tensor)"
)
def _ctc_loss_tensor(
    g: Builder,
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    zero_infinity: bool = False,
) -> tuple[Tensor, None]:
    """See `_ctc_loss`."""
    return ctc.ctc_loss(g, log_probs, targets, input_lengths, target_lengths, blank, 0), None


@symbolic(
    "aten::miopen_ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank, bool deterministic, bool zero_infinity) -> (Tensor, Tensor)"
)
@symbolic(
    "aten::_cudnn_ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank, bool deterministic, bool zero_infinity) -> (Tensor, Tensor)"
)
def _cudnn_ctc_loss(
    g: Builder,
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Sequence[Dim],
    target_lengths: Sequence[Dim],
    blank: int,
    deterministic: bool,
    zero_infinity: bool,
) -> tuple[Tensor, None]:
    """See `_ctc_loss`."""
    return _ctc_loss(g, log_probs, targets, input_lengths, target_lengths, blank)


@symbolic(
    "aten::miopen_ctc_loss.Tensor(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank, bool deterministic, bool zero_infinity) -> (Tensor, Tensor)"
)
@symbolic(
    "aten::_cudnn_ctc_loss.Tensor(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank, bool deterministic, bool zero_infinity) -> (Tensor, Tensor)"
)
def _cudnn_ctc_loss_tensor(
    g: Builder,
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int,
    deterministic: bool,
    zero_infinity: bool,
) -> tuple[Tensor, None]:
    """See `_ctc_loss`."""
    return _ctc_loss_tensor(g, log_probs, targets, input_lengths, target_lengths, blank)


@symbolic("aten::cudnn_grid_sampler(Tensor self, Tensor grid) -> Tensor output")
def cudnn_grid_sampler(g: Builder, self: Tensor, grid: Tensor) -> Tensor:
    """`grid_sampler`, bilinear, padded with zeros, corners aligned."""
    return grid_sampler(g, self, grid, 0, 0, True)


@symbolic(
    "aten::cudnn_affine_grid_generator(Tensor theta, int N, int C, int H, int W) -> Tensor grid"
)
def cudnn_affine_grid_generator(
    g: Builder, theta: Tensor, N: Dim, C: Dim, H: Dim, W: Dim
) -> Tensor:
    """`affine_grid_generator`, corners aligned."""
    return affine_grid_generator(g, theta, [N, C, H, W], True)
