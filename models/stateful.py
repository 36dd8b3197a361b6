"""Modules whose calls change their buffers, in the two ways there are.

One writes into the tensors that it holds, the other puts new tensors in their place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.sample import Sample, normal, seeded


class RunningMean(nn.Module):
    """The distance from the mean of all that was seen so far, kept by in-place writes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Take one more sample into the mean, then return its distance from it."""
        self.count += 1
        self.mean += (x - self.mean) / self.count
        return x - self.mean


class StatefulLSTMCell(nn.Module):
    """An LSTM cell that remembers its state from call to call, by assigning new tensors."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(inputs, hidden)
        self.head = nn.Linear(hidden, outputs)
        self.register_buffer("h", torch.zeros(1, hidden))
        self.register_buffer("c", torch.zeros(1, hidden))

    def forward(self, x: Tensor) -> Tensor:
        """Advance the state by one step and return what the head reads from it."""
        self.h, self.c = self.cell(x, (self.h, self.c))
        out: Tensor = self.head(self.h)
        return out


def running_mean() -> Sample:
    """Build the running mean and a stream of four samples."""
    return Sample(RunningMean(5), [(normal(seed, 5),) for seed in range(4)])


def stateful_lstm_cell() -> Sample:
    """Build the cell and a stream of four inputs."""
    with seeded():
        return Sample(StatefulLSTMCell(3, 8, 2), [(normal(seed, 1, 3),) for seed in range(4)])
