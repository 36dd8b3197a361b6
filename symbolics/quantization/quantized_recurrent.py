"""Recurrent layers and cells with quantized weights: PyTorch's dynamic quantization.

The weights are 8-bit integers (or float16), the states are floats. A layer quantizes the inputs of
all steps at once, and at each step the hidden state, each by its own range: a Scan, since ONNX's
layers know no weights that are integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.packed_weights import PackedCell, PackedLinear
from exporter.onnx_graph.values import Tensor
from symbolics.layers.packed_sequence import Packed, packed_like, padded_sequence
from symbolics.layers.recurrent import GRU, LSTM, Kind, one_after_another
from symbolics.layers.recurrent_cells import gru_step, lstm_step, rnn_step
from symbolics.layers.recurrent_scan import HiddenGates, scanned_layer
from symbolics.quantization.quantized_linear import dynamic_linear
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import FLOAT

_LINEAR = "__torch__.torch.classes.quantized.LinearPackedParamsBase"
_CELL = "__torch__.torch.classes.rnn.CellParamsBase"


@dataclass(frozen=True)
class QuantizedCell:
    """One direction of one layer, with the products of `quantized::linear_dynamic`."""

    packed: PackedCell
    projection: None = None

    def input_gates(self, g: Builder, x: Tensor) -> Tensor:
        """The input's part of the gates, quantized over all steps."""
        return dynamic_linear(g, x, self.packed.input, self.packed.reduce_range)

    def hidden_gates(self, g: Builder) -> HiddenGates:
        """What gives the hidden state's part. Sequences that are over don't widen its range."""

        def product(hidden: Tensor, valid: Tensor | None) -> Tensor:
            if valid is not None:
                hidden = g.Where(valid, hidden, g.constant(0.0, FLOAT))
            return dynamic_linear(g, hidden, self.packed.hidden, self.packed.reduce_range)

        return product


def layers(
    g: Builder,
    kind: Kind,
    x: Tensor,
    states: Sequence[Tensor],
    params: Sequence[PackedCell],
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    lengths: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """All layers over [time, batch, features]; the last states are stacked as the first ones were."""
    directions = 2 if bidirectional else 1
    if len(params) != num_layers * directions:
        raise Unsupported(f"{len(params)} weights for {num_layers} quantized recurrent layers")
    cells = [QuantizedCell(p) for p in params]
    each = [cells[i : i + directions] for i in range(0, len(cells), directions)]
    return one_after_another(
        g,
        x,
        states,
        each,
        lambda x, part, layer: scanned_layer(g, kind, x, part, layer, lengths),
        dropout if train else 0.0,
    )


def over_input(
    g: Builder,
    kind: Kind,
    input: Tensor,
    states: Sequence[Tensor],
    params: Sequence[PackedCell],
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """Layers over a padded input, which may have the batch in front."""
    x = g.Transpose(input, perm=[1, 0, 2]) if batch_first else input
    y, last = layers(g, kind, x, states, params, num_layers, dropout, train, bidirectional)
    return (g.Transpose(y, perm=[1, 0, 2]) if batch_first else y, *last)


def over_packed(
    g: Builder,
    kind: Kind,
    data: Tensor,
    batch_sizes: Tensor,
    states: Sequence[Tensor],
    params: Sequence[PackedCell],
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, ...]:
    """Layers over a packed input: padded with 0, which any range holds, and packed again."""
    packed = padded_sequence(g, data, batch_sizes)
    valid = g.Unsqueeze(packed.valid, axes=[2])
    padded = g.Where(valid, packed.padded, g.constant(0.0, FLOAT))
    y, last = layers(
        g, kind, padded, states, params, num_layers, dropout, train, bidirectional,
        packed.lengths,
    )  # fmt: skip
    return (packed_like(g, Packed(y, packed.lengths, packed.valid), batch_sizes), *last)


@symbolic(
    f"aten::quantized_lstm.input(Tensor input, Tensor[] hx, {_CELL}[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first, *, ScalarType? dtype=None, bool use_dynamic=False) -> (Tensor, Tensor, Tensor)"
)
def quantized_lstm_input(
    g: Builder,
    input: Tensor,
    hx: Sequence[Tensor],
    params: Sequence[PackedCell],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    *,
    dtype: int | None = None,
    use_dynamic: bool = False,
) -> tuple[Tensor, ...]:
    """LSTM layers; hx holds the hidden and the cell state."""
    return over_input(
        g, LSTM, input, hx, params, num_layers, dropout, train, bidirectional, batch_first
    )


@symbolic(
    f"aten::quantized_lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, {_CELL}[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, *, ScalarType? dtype=None, bool use_dynamic=False) -> (Tensor, Tensor, Tensor)"
)
def quantized_lstm_data(
    g: Builder,
    data: Tensor,
    batch_sizes: Tensor,
    hx: Sequence[Tensor],
    params: Sequence[PackedCell],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    *,
    dtype: int | None = None,
    use_dynamic: bool = False,
) -> tuple[Tensor, ...]:
    """LSTM layers over a packed sequence."""
    return over_packed(
        g, LSTM, data, batch_sizes, hx, params, num_layers, dropout, train, bidirectional
    )


@symbolic(
    f"aten::quantized_gru.input(Tensor input, Tensor hx, {_CELL}[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)"
)
def quantized_gru_input(
    g: Builder,
    input: Tensor,
    hx: Tensor,
    params: Sequence[PackedCell],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """GRU layers."""
    return over_input(
        g, GRU, input, [hx], params, num_layers, dropout, train, bidirectional, batch_first
    )


@symbolic(
    f"aten::quantized_gru.data(Tensor data, Tensor batch_sizes, Tensor hx, {_CELL}[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)"
)
def quantized_gru_data(
    g: Builder,
    data: Tensor,
    batch_sizes: Tensor,
    hx: Tensor,
    params: Sequence[PackedCell],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, ...]:
    """GRU layers over a packed sequence."""
    return over_packed(
        g, GRU, data, batch_sizes, [hx], params, num_layers, dropout, train, bidirectional
    )


# ---------------------------------------------------------------- packing and cells


@symbolic(
    f"quantized::make_quantized_cell_params_dynamic({_LINEAR} w_ih, {_LINEAR} w_hh, Tensor bias_ih, Tensor bias_hh, bool reduce_range=False) -> {_CELL}"
)
def make_quantized_cell_params_dynamic(
    g: Builder,
    w_ih: PackedLinear,
    w_hh: PackedLinear,
    bias_ih: Tensor,
    bias_hh: Tensor,
    reduce_range: bool = False,
) -> PackedCell:
    """The weights; the biases are in them already."""
    return PackedCell(w_ih, w_hh, reduce_range)


@symbolic(f"quantized::make_quantized_cell_params_fp16({_LINEAR} w_ih, {_LINEAR} w_hh) -> {_CELL}")
def make_quantized_cell_params_fp16(
    g: Builder, w_ih: PackedLinear, w_hh: PackedLinear
) -> PackedCell:
    """The weights in float16."""
    return PackedCell(w_ih, w_hh, False)


def gates(
    g: Builder, x: Tensor, hidden: Tensor, w_ih: PackedLinear, w_hh: PackedLinear
) -> tuple[Tensor, Tensor]:
    """Both parts of a cell's gates. Cells reduce the range of what they quantize."""
    return dynamic_linear(g, x, w_ih, True), dynamic_linear(g, hidden, w_hh, True)


@symbolic(
    f"quantized::quantized_lstm_cell_dynamic(Tensor input, Tensor[] hx, {_LINEAR} w_ih, {_LINEAR} w_hh, Tensor bias_ih, Tensor bias_hh) -> (Tensor, Tensor)"
)
def quantized_lstm_cell_dynamic(
    g: Builder,
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: PackedLinear,
    w_hh: PackedLinear,
    bias_ih: Tensor,
    bias_hh: Tensor,
) -> tuple[Tensor, Tensor]:
    """The new hidden and cell state."""
    return lstm_step(g, g.Add(*gates(g, input, hx[0], w_ih, w_hh)), hx[1])


@symbolic(
    f"quantized::quantized_gru_cell_dynamic(Tensor input, Tensor hx, {_LINEAR} w_ih, {_LINEAR} w_hh, Tensor b_ih, Tensor b_hh) -> Tensor"
)
def quantized_gru_cell_dynamic(
    g: Builder,
    input: Tensor,
    hx: Tensor,
    w_ih: PackedLinear,
    w_hh: PackedLinear,
    b_ih: Tensor,
    b_hh: Tensor,
) -> Tensor:
    """The new hidden state."""
    return gru_step(g, *gates(g, input, hx, w_ih, w_hh), hx)


@symbolic(
    f"quantized::quantized_rnn_tanh_cell_dynamic(Tensor input, Tensor hx, {_LINEAR} w_ih, {_LINEAR} w_hh, Tensor b_ih, Tensor b_hh) -> Tensor"
)
def quantized_rnn_tanh_cell_dynamic(
    g: Builder,
    input: Tensor,
    hx: Tensor,
    w_ih: PackedLinear,
    w_hh: PackedLinear,
    b_ih: Tensor,
    b_hh: Tensor,
) -> Tensor:
    """The new hidden state."""
    return rnn_step(g, g.Add(*gates(g, input, hx, w_ih, w_hh)), "Tanh")


@symbolic(
    f"quantized::quantized_rnn_relu_cell_dynamic(Tensor input, Tensor hx, {_LINEAR} w_ih, {_LINEAR} w_hh, Tensor b_ih, Tensor b_hh) -> Tensor"
)
def quantized_rnn_relu_cell_dynamic(
    g: Builder,
    input: Tensor,
    hx: Tensor,
    w_ih: PackedLinear,
    w_hh: PackedLinear,
    b_ih: Tensor,
    b_hh: Tensor,
) -> Tensor:
    """The new hidden state."""
    return rnn_step(g, g.Add(*gates(g, input, hx, w_ih, w_hh)), "Relu")
