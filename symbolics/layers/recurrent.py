"""LSTM, GRU and plain recurrent layers, over padded and over packed sequences.

One step of each (`lstm_cell` and the like) is in `recurrent_cells`, packing in `packed_sequence`.

ONNX has the same layers, with gates in another order and all of a layer's weights in three tensors.
What ONNX lacks, projections and a kernel for double, is a Scan over time in `recurrent_scan`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor
from symbolics.layers.dropout import dropout as random_dropout
from symbolics.layers.packed_sequence import Packed, packed_like, padded_sequence
from symbolics.layers.recurrent_scan import HiddenGates, scanned_layer
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import DOUBLE

__all__ = ["Weights"]

# A cell of a layer: its weights, in one form or another.
C = TypeVar("C")


@dataclass(frozen=True)
class Kind:
    """A layer's ONNX operator, where its gates come in PyTorch's order, and its activation."""

    op_type: str
    gates: tuple[int, ...]
    activation: str | None = None


# PyTorch has the gates of an LSTM as i f g o, ONNX as i o f c; of a GRU as r z n, ONNX as z r h.
LSTM = Kind("LSTM", (0, 3, 1, 2))
GRU = Kind("GRU", (1, 0, 2))
RNN_TANH = Kind("RNN", (0,), "Tanh")
RNN_RELU = Kind("RNN", (0,), "Relu")


@dataclass(frozen=True)
class Weights:
    """One direction of one layer, as PyTorch has them; the projection is an LSTM's alone."""

    input: Tensor
    hidden: Tensor
    input_bias: Tensor | None
    hidden_bias: Tensor | None
    projection: Tensor | None

    def input_gates(self, g: Builder, x: Tensor) -> Tensor:
        """The input's part of the gates, for all steps at once."""
        gates = g.MatMul(x, g.Transpose(self.input, perm=[1, 0]))
        return gates if self.input_bias is None else g.Add(gates, self.input_bias)

    def hidden_gates(self, g: Builder) -> HiddenGates:
        """What gives the hidden state's part; the weight is transposed once, not at each step."""
        weight, bias = g.Transpose(self.hidden, perm=[1, 0]), self.hidden_bias

        def product(hidden: Tensor, valid: Tensor | None) -> Tensor:
            part = g.MatMul(hidden, weight)
            return part if bias is None else g.Add(part, bias)

        return product


def grouped_weights(
    params: Sequence[Tensor], has_biases: bool, num_layers: int, directions: int
) -> list[list[Weights]]:
    """The flat list of parameters by layer and direction."""
    width, rest = divmod(len(params), num_layers * directions)
    expected = 4 if has_biases else 2
    if rest or width not in (expected, expected + 1):
        raise Unsupported(f"{len(params)} parameters for {num_layers} layers")
    cells = []
    for start in range(0, len(params), width):
        part = list(params[start : start + width])
        biases = part[2:4] if has_biases else [None, None]
        projection = part[-1] if width > expected else None
        cells.append(Weights(part[0], part[1], biases[0], biases[1], projection))
    return [cells[i : i + directions] for i in range(0, len(cells), directions)]


# ------------------------------------------------------------ weights as ONNX wants them


def reordered(g: Builder, parts: Sequence[Sequence[Tensor]], gates: tuple[int, ...]) -> Tensor:
    """The gates of each tensor in ONNX's order: [directions, all parts of a direction in a row].

    Known weights are reordered here and now, however large they are: a graph that did it on every
    run would also hide from the runtime that they are constant.
    """
    flat = [tensor for direction in parts for tensor in direction]
    if g.fold and all(t.array is not None for t in flat):
        key = ("gates", gates, len(parts), *(_identity(t) for t in flat))
        root = list(g.scope.chain())[-1]
        found = root.cache.get(key)
        if found is None:
            rows = [
                np.concatenate([_shuffled(t.require_array(), gates) for t in direction])
                for direction in parts
            ]
            found = g.constant(np.stack(rows), name=flat[0].name)
            root.cache[key] = found
        return found
    turned = []
    for direction in parts:
        pieces: list[Tensor] = []
        for tensor in direction:
            hidden = tensor.require_shape()[0] // len(gates)
            if len(gates) == 1:
                pieces.append(tensor)
                continue
            split = g.Split(tensor, [hidden] * len(gates), axis=0, outputs=len(gates))
            pieces.extend(split[k] for k in gates)
        row = pieces[0] if len(pieces) == 1 else g.Concat(*pieces, axis=0)
        turned.append(g.Unsqueeze(row, axes=[0]))
    return turned[0] if len(turned) == 1 else g.Concat(*turned, axis=0)


def _identity(tensor: Tensor) -> tuple[object, ...]:
    array = tensor.require_array()
    return array.__array_interface__["data"][0], array.shape, array.strides


def _shuffled(array: np.ndarray, gates: tuple[int, ...]) -> np.ndarray:
    blocks = np.split(array, len(gates))
    return np.concatenate([blocks[k] for k in gates])


# ------------------------------------------------------------ layers


def onnx_layer(
    g: Builder,
    kind: Kind,
    x: Tensor,
    states: Sequence[Tensor],
    cells: Sequence[Weights],
    lengths: Tensor | None,
) -> tuple[Tensor, list[Tensor]]:
    """One layer by ONNX's operator: the output [time, batch, directions * hidden], the last states.

    `linear_before_reset`: PyTorch's GRU applies the reset gate after the hidden weights, bias
    included.
    """
    directions = len(cells)
    hidden = cells[0].hidden.require_shape()[1]
    bias: Tensor | None = None
    if cells[0].input_bias is not None and cells[0].hidden_bias is not None:
        biases = [[c.input_bias, c.hidden_bias] for c in cells]
        bias = reordered(g, biases, kind.gates)  # type: ignore[arg-type]  # all or none are there
    attributes: dict[str, object] = {
        "hidden_size": int(hidden),
        "direction": "bidirectional" if directions == 2 else "forward",
    }
    if kind.activation is not None:
        attributes["activations"] = [kind.activation] * directions
    if kind.op_type == "GRU":
        attributes["linear_before_reset"] = 1
    y, *last = getattr(g, kind.op_type)(
        x,
        reordered(g, [[c.input] for c in cells], kind.gates),
        reordered(g, [[c.hidden] for c in cells], kind.gates),
        bias,
        None if lengths is None else g.cast(lengths, ir.DataType.INT32),
        *states,
        outputs=1 + len(states),
        **attributes,
    )
    if directions == 1:
        return g.Squeeze(y, axes=[1]), last
    time, batch = x.require_shape()[:2]
    return g.reshape(g.Transpose(y, perm=[0, 2, 1, 3]), [time, batch, directions * hidden]), last


def stacked_layers(
    g: Builder,
    kind: Kind,
    x: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    lengths: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """All layers over [time, batch, features]; the last states are stacked as the first ones were."""
    layers = grouped_weights(params, bool(has_biases), int(num_layers), 2 if bidirectional else 1)
    scanned = x.dtype == DOUBLE or any(c.projection is not None for c in layers[0])
    layer = scanned_layer if scanned else onnx_layer
    return one_after_another(
        g,
        x,
        states,
        layers,
        lambda x, part, cells: layer(g, kind, x, part, cells, lengths),
        dropout if train else 0.0,
    )


def one_after_another(
    g: Builder,
    x: Tensor,
    states: Sequence[Tensor],
    layers: Sequence[list[C]],
    run: Callable[[Tensor, list[Tensor], list[C]], tuple[Tensor, list[Tensor]]],
    dropped: float,
) -> tuple[Tensor, list[Tensor]]:
    """Layers, given by their cells (one a direction), each over the output of the one before.

    States are stacked over layers and directions; each layer gets its own, and so are the last ones.
    A part of what goes from one layer to the next is `dropped`.
    """
    finals: list[list[Tensor]] = []
    start = 0
    for cells in layers:
        if start:
            x = random_dropout(g, x, dropped, True)
        end = start + len(cells)
        part = [s if len(layers) == 1 else g.Slice(s, [start], [end], [0]) for s in states]
        x, last = run(x, part, cells)
        finals.append(last)
        start = end
    if len(finals) == 1:
        return x, finals[0]
    return x, [g.Concat(*column, axis=0) for column in zip(*finals, strict=True)]


def over_input(
    g: Builder,
    kind: Kind,
    input: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """Layers over a padded input, which may have the batch in front."""
    x = g.Transpose(input, perm=[1, 0, 2]) if batch_first else input
    y, last = stacked_layers(
        g, kind, x, states, params, has_biases, num_layers, dropout, train, bidirectional
    )
    return (g.Transpose(y, perm=[1, 0, 2]) if batch_first else y, *last)


def over_packed(
    g: Builder,
    kind: Kind,
    data: Tensor,
    batch_sizes: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, ...]:
    """Layers over a packed input: padded, with ONNX's `sequence_lens`, and packed again.

    The state of a sequence stays as it is once the sequence is over, and the backward direction
    starts at its end, as PyTorch has it.
    """
    packed = padded_sequence(g, data, batch_sizes)
    y, last = stacked_layers(
        g,
        kind,
        packed.padded,
        states,
        params,
        has_biases,
        num_layers,
        dropout,
        train,
        bidirectional,
        packed.lengths,
    )
    return (packed_like(g, Packed(y, packed.lengths, packed.valid), batch_sizes), *last)


@symbolic(
    "aten::lstm.input(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)"
)
def lstm_input(
    g: Builder,
    input: Tensor,
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """LSTM layers; hx holds the hidden and the cell state."""
    return over_input(
        g, LSTM, input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
        batch_first,
    )  # fmt: skip


@symbolic(
    "aten::lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)"
)
def lstm_data(
    g: Builder,
    data: Tensor,
    batch_sizes: Tensor,
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, ...]:
    """LSTM layers over a packed sequence."""
    return over_packed(
        g, LSTM, data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,
        bidirectional,
    )  # fmt: skip


@symbolic(
    "aten::gru.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)"
)
def gru_input(
    g: Builder,
    input: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """GRU layers."""
    return over_input(
        g, GRU, input, [hx], params, has_biases, num_layers, dropout, train, bidirectional,
        batch_first,
    )  # fmt: skip


@symbolic(
    "aten::gru.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)"
)
def gru_data(
    g: Builder,
    data: Tensor,
    batch_sizes: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, ...]:
    """GRU layers over a packed sequence."""
    return over_packed(
        g, GRU, data, batch_sizes, [hx], params, has_biases, num_layers, dropout, train,
        bidirectional,
    )  # fmt: skip


@symbolic(
    "aten::rnn_tanh.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)"
)
def rnn_tanh_input(
    g: Builder,
    input: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """Recurrent layers with tanh."""
    return over_input(
        g, RNN_TANH, input, [hx], params, has_biases, num_layers, dropout, train, bidirectional,
        batch_first,
    )  # fmt: skip


@symbolic(
    "aten::rnn_tanh.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)"
)
def rnn_tanh_data(
    g: Builder,
    data: Tensor,
    batch_sizes: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, ...]:
    """Recurrent layers with tanh over a packed sequence."""
    return over_packed(
        g, RNN_TANH, data, batch_sizes, [hx], params, has_biases, num_layers, dropout, train,
        bidirectional,
    )  # fmt: skip


@symbolic(
    "aten::rnn_relu.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)"
)
def rnn_relu_input(
    g: Builder,
    input: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """Recurrent layers with relu."""
    return over_input(
        g, RNN_RELU, input, [hx], params, has_biases, num_layers, dropout, train, bidirectional,
        batch_first,
    )  # fmt: skip


@symbolic(
    "aten::rnn_relu.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)"
)
def rnn_relu_data(
    g: Builder,
    data: Tensor,
    batch_sizes: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, ...]:
    """Recurrent layers with relu over a packed sequence."""
    return over_packed(
        g, RNN_RELU, data, batch_sizes, [hx], params, has_biases, num_layers, dropout, train,
        bidirectional,
    )  # fmt: skip
