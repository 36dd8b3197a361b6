"""A recurrent cell, a gate that branches on data, and loops over the two.

Tracing follows one path and scripting keeps them all, so these models mix the two in each way
that is possible: a script inside a trace, a trace inside a script, and both at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.sample import Sample, normal, scripted, seeded, traced

_SIZE = 4
_BATCH = 3


class DecisionGate(nn.Module):
    """The argument where its sum is positive, else its negation: the branches return early."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x or -x."""
        if x.sum() > 0:
            return x
        else:  # noqa: RET505  (the form of the classic example)
            return -x


class MyCell(nn.Module):
    """One recurrent step, whose result is returned twice: as the output and as the new state."""

    def __init__(self, gate: nn.Module | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(_SIZE, _SIZE)
        self.gate = nn.Identity() if gate is None else gate

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new state, twice."""
        new_h = torch.tanh(self.gate(self.linear(x)) + h)
        return new_h, new_h


class RNNLoop(nn.Module):
    """A loop, to be scripted, over a traced cell that holds a scripted gate."""

    def __init__(self) -> None:
        super().__init__()
        cell = MyCell(scripted(DecisionGate()))
        example = (normal(20, _BATCH, _SIZE), normal(21, _BATCH, _SIZE))
        self.cell = traced(cell, example)

    def forward(self, xs: Tensor) -> tuple[Tensor, Tensor]:
        """Run the cell over the first dim of xs; no step leaves the zeros."""
        h, y = torch.zeros(3, 4), torch.zeros(3, 4)
        for i in range(xs.size(0)):
            y, h = self.cell(xs[i], h)
        return y, h


class WrapRNN(nn.Module):
    """A module, to be traced, around the scripted loop."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = scripted(RNNLoop())

    def forward(self, xs: Tensor) -> Tensor:
        """Return the last output of the loop, without what is negative."""
        y, _h = self.loop(xs)
        return torch.relu(y)


def _cell_calls() -> list[tuple[Tensor, Tensor]]:
    """Two batch sizes, and linear outputs whose sums are likely of either sign."""
    first = (normal(1, _BATCH, _SIZE), normal(2, _BATCH, _SIZE))
    return [first, (-first[0] * 3, first[1]), (normal(3, 5, _SIZE), normal(4, 5, _SIZE))]


def _sequence_calls() -> list[tuple[Tensor]]:
    """Ten steps, three steps and none."""
    return [(normal(seed, time, _BATCH, _SIZE),) for seed, time in ((5, 10), (6, 3), (7, 0))]


def my_cell() -> Sample:
    """Build the cell alone."""
    with seeded():
        return Sample(MyCell(), list(_cell_calls()))


def decision_gate() -> Sample:
    """Build the gate alone, with inputs for both branches and a second size."""
    x = normal(1, _BATCH, _SIZE).abs()
    return Sample(DecisionGate(), [(x,), (-x,), (normal(3, 5, _SIZE),)])


def gated_cell() -> Sample:
    """Build the cell with the scripted gate inside."""
    with seeded():
        return Sample(MyCell(scripted(DecisionGate())), list(_cell_calls()))


def rnn_loop() -> Sample:
    """Build the loop."""
    with seeded():
        return Sample(RNNLoop(), list(_sequence_calls()))


def wrap_rnn() -> Sample:
    """Build the module around the loop."""
    with seeded():
        return Sample(WrapRNN(), list(_sequence_calls()))
