"""Recurrent layers as an ONNX Scan over time: LSTMs with a projection, and any layer in double.

ONNX's own layers know no projection, and onnxruntime has no kernel of them for double. Those with
quantized weights, whose products are their own, are in `quantized_recurrent`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.values import Tensor
from symbolics.layers.recurrent_cells import gru_step, lstm_step, rnn_step

if TYPE_CHECKING:
    from symbolics.layers.recurrent import Kind

__all__ = ["Cell", "HiddenGates", "scanned_layer"]

HiddenGates = Callable[[Tensor, "Tensor | None"], Tensor]
"""(hidden state, which of its rows are of sequences that are not over yet) to the gates."""


class Cell(Protocol):
    """The weights of one direction of one layer, as the products that they take part in."""

    @property
    def projection(self) -> Tensor | None:
        """What the output of an LSTM is multiplied with."""

    def input_gates(self, g: Builder, x: Tensor) -> Tensor:
        """The input's part of the gates of all steps."""

    def hidden_gates(self, g: Builder) -> HiddenGates:
        """What gives the hidden state's part, in the body of the Scan."""


def scanned_layer(
    g: Builder,
    kind: Kind,
    x: Tensor,
    states: Sequence[Tensor],
    cells: Sequence[Cell],
    lengths: Tensor | None,
) -> tuple[Tensor, list[Tensor]]:
    """One layer, a Scan for each direction; see `recurrent.onnx_layer` for the results."""
    outputs, finals = [], []
    for d, cell in enumerate(cells):
        first = [g.Squeeze(g.Slice(s, [d], [d + 1], [0]), axes=[0]) for s in states]
        y, last = scanned_direction(g, kind, x, first, cell, lengths, backward=d == 1)
        outputs.append(y)
        finals.append([g.Unsqueeze(s, axes=[0]) for s in last])
    if len(cells) == 1:
        return outputs[0], finals[0]
    columns = [g.Concat(*column, axis=0) for column in zip(*finals, strict=True)]
    return g.Concat(*outputs, axis=2), columns


def scanned_direction(
    g: Builder,
    kind: Kind,
    x: Tensor,
    states: Sequence[Tensor],
    cell: Cell,
    lengths: Tensor | None,
    *,
    backward: bool,
) -> tuple[Tensor, list[Tensor]]:
    """The output of all steps, [time, batch, hidden], and the last states.

    1. The input's part of the gates is one product over all time, before the Scan.
    2. A step adds the hidden part and makes the new states.
    3. Beyond a sequence's length a state stays as it is, and the output is zero.
    """
    time = x.require_shape()[0]
    gates = cell.input_gates(g, x)
    hidden_gates = cell.hidden_gates(g)
    projection = None if cell.projection is None else g.Transpose(cell.projection, perm=[1, 0])
    scanned = [gates]
    if lengths is not None:
        scanned.append(consecutive(g, time, lengths.dtype))
    with g.body("step") as scope:
        entering = [g.body_input(f"state{i}", OutputType.of(s)) for i, s in enumerate(states)]
        entering += [
            g.body_input(f"slice{i}", OutputType(s.dtype, s.require_shape()[1:]))
            for i, s in enumerate(scanned)
        ]
        inputs = [t for _, t in entering[: len(states)]]
        slices = [t for _, t in entering[len(states) :]]
        valid = None if lengths is None else g.Unsqueeze(g.Less(slices[1], lengths), axes=[1])
        part = hidden_gates(inputs[0], valid)
        if kind.op_type == "LSTM":
            new = list(lstm_step(g, g.Add(slices[0], part), inputs[1]))
            if projection is not None:
                new[0] = g.MatMul(new[0], projection)
        elif kind.op_type == "GRU":
            new = [gru_step(g, slices[0], part, inputs[0])]
        else:
            new = [rnn_step(g, g.Add(slices[0], part), kind.activation)]
        output = new[0]
        if valid is not None:
            output = g.Where(valid, output, g.constant(0, output.dtype))
            new = [g.Where(valid, n, old) for n, old in zip(new, inputs, strict=True)]
        body = g.close(scope, [value for value, _ in entering], [*new, output])
    direction = 1 if backward else 0
    types = [OutputType.of(s) for s in states]
    # An output is a state: the body may not know that the lengths are as many as the batch.
    shape = None if states[0].shape is None else (time, *states[0].shape)
    results = g.emit(
        "Scan",
        [g.value(t) for t in (*states, *scanned)],
        {
            "body": body,
            "num_scan_inputs": len(scanned),
            "scan_input_directions": [direction] * len(scanned),
            "scan_output_directions": [direction],
        },
        [*types, OutputType(output.dtype, shape)],
    )
    return results[-1], results[:-1]
