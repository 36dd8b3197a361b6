"""One step of an LSTM, GRU or plain recurrent layer. Whole layers are in `recurrent`."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor
from symbolics.registry import symbolic

__all__ = ["gru_step", "lstm_step", "rnn_step"]


def linear(g: Builder, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x @ weight.T + bias, x having two dims."""
    return g.Gemm(x, weight, bias, transB=1)


def gate_parts(g: Builder, gates: Tensor, count: int) -> tuple[Tensor, ...]:
    """The gates, which lie side by side in the last dim."""
    width = gates.require_shape()[-1] // count
    return g.Split(gates, [width] * count, axis=-1, outputs=count)


def lstm_step(g: Builder, gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The new hidden and cell state; the gates are input, forget, cell, output."""
    i, f, c, o = gate_parts(g, gates, 4)
    kept = g.Mul(g.Sigmoid(f), cell)
    state = g.Add(kept, g.Mul(g.Sigmoid(i), g.Tanh(c)))
    return g.Mul(g.Sigmoid(o), g.Tanh(state)), state


def gru_step(g: Builder, input_gates: Tensor, hidden_gates: Tensor, hidden: Tensor) -> Tensor:
    """The new hidden state; the gates are reset, update, new."""
    input_reset, input_update, input_new = gate_parts(g, input_gates, 3)
    hidden_reset, hidden_update, hidden_new = gate_parts(g, hidden_gates, 3)
    reset = g.Sigmoid(g.Add(input_reset, hidden_reset))
    update = g.Sigmoid(g.Add(input_update, hidden_update))
    new = g.Tanh(g.Add(input_new, g.Mul(reset, hidden_new)))
    return g.Add(new, g.Mul(update, g.Sub(hidden, new)))


def rnn_step(g: Builder, gates: Tensor, activation: str | None) -> Tensor:
    """The new hidden state."""
    return g.Relu(gates) if activation == "Relu" else g.Tanh(gates)


@symbolic(
    "aten::lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> (Tensor, Tensor)"
)
def lstm_cell(
    g: Builder,
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The new hidden and cell state."""
    hidden, cell = hx
    gates = g.Add(linear(g, input, w_ih, b_ih), linear(g, hidden, w_hh, b_hh))
    return lstm_step(g, gates, cell)


@symbolic(
    "aten::gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor"
)
def gru_cell(
    g: Builder,
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """The new hidden state."""
    return gru_step(g, linear(g, input, w_ih, b_ih), linear(g, hx, w_hh, b_hh), hx)


@symbolic(
    "aten::rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor"
)
def rnn_tanh_cell(
    g: Builder,
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """The new hidden state."""
    gates = g.Add(linear(g, input, w_ih, b_ih), linear(g, hx, w_hh, b_hh))
    return rnn_step(g, gates, "Tanh")


@symbolic(
    "aten::rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor"
)
def rnn_relu_cell(
    g: Builder,
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """The new hidden state."""
    gates = g.Add(linear(g, input, w_ih, b_ih), linear(g, hx, w_hh, b_hh))
    return rnn_step(g, gates, "Relu")


@symbolic(
    "aten::_thnn_fused_lstm_cell(Tensor input_gates, Tensor hidden_gates, Tensor cx, Tensor? input_bias=None, Tensor? hidden_bias=None) -> (Tensor, Tensor, Tensor)"
)
def _thnn_fused_lstm_cell(
    g: Builder,
    input_gates: Tensor,
    hidden_gates: Tensor,
    cx: Tensor,
    input_bias: Tensor | None = None,
    hidden_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """`lstm_cell` from products made before; the third result is the activated gates."""
    gates = g.Add(input_gates, hidden_gates)
    for bias in (input_bias, hidden_bias):
        gates = gates if bias is None else g.Add(gates, bias)
    i, f, c, o = gate_parts(g, gates, 4)
    workspace = g.Concat(g.Sigmoid(i), g.Sigmoid(f), g.Tanh(c), g.Sigmoid(o), axis=-1)
    return (*lstm_step(g, gates, cx), workspace)
