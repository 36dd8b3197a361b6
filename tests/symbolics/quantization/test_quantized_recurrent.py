"""Recurrent layers and cells of dynamic quantization: equal to float tolerance."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.nn.utils import rnn

from tests.symbolics.quantizing import agree, engine, quietly


def floats(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Layers(nn.Module):
    """Two layers over a padded input."""

    def __init__(self, kind: type[nn.RNNBase], bidirectional: bool, bias: bool = True) -> None:
        super().__init__()
        self.layers = kind(
            4, 6, 2, bidirectional=bidirectional, batch_first=bidirectional, bias=bias
        )

    def forward(self, x: torch.Tensor):
        """The output and the last states."""
        return self.layers(x)


class Packed(nn.Module):
    """Two layers over sequences of different lengths."""

    def __init__(self, kind: type[nn.RNNBase], bidirectional: bool) -> None:
        super().__init__()
        self.layers = kind(4, 6, 2, bidirectional=bidirectional, batch_first=True)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor):
        """The padded output and the last states."""
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, last = self.layers(packed)
        return rnn.pad_packed_sequence(y, batch_first=True)[0], last


def quantized(model: nn.Module, dtype: torch.dtype = torch.qint8) -> torch.jit.ScriptModule:
    """Quantized dynamically and scripted."""
    kinds = {nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNNCell}
    return torch.jit.script(quantization.quantize_dynamic(model.eval(), kinds, dtype))


@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_layers(kind: type[nn.RNNBase], bidirectional: bool, dtype: torch.dtype) -> None:
    """The input is quantized over all steps, the hidden state at each."""
    torch.manual_seed(0)
    with engine("x86"), quietly():
        model = quantized(Layers(kind, bidirectional), dtype)
        calls = [(floats(7, 2, 4, seed=1),), (floats(1, 1, 4),)]
        agree(model, floats(3, 5, 4), calls=calls, opsets=(13, 20), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_packed_sequences(kind: type[nn.RNNBase], bidirectional: bool) -> None:
    """Sequences that are over, and padding, don't widen the range of what is quantized."""
    torch.manual_seed(1)
    with engine("x86"), quietly():
        model = quantized(Packed(kind, bidirectional))
        x = floats(3, 5, 4) + 2
        calls = [(x, torch.tensor(lengths)) for lengths in ([5, 5, 5], [1, 1, 1], [1, 5, 2])]
        agree(model, x, torch.tensor([2, 5, 3]), calls=calls, opsets=(20,), rtol=1e-4, atol=1e-5)


class Cells(nn.Module):
    """One of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(4, 6)
        self.gru = nn.GRUCell(4, 6)
        self.tanh = nn.RNNCell(4, 6)
        self.relu = nn.RNNCell(4, 6, nonlinearity="relu")

    def forward(self, x: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The new states."""
        return *self.lstm(x, (hidden, hidden)), self.gru(x, hidden), self.tanh(x), self.relu(x)


def test_cells() -> None:
    """A step of each."""
    torch.manual_seed(2)
    with engine("x86"), quietly():
        cells = quantization.quantize_dynamic(Cells(), {nn.LSTMCell, nn.GRUCell, nn.RNNCell})
        calls = [(floats(1, 4), floats(1, 6))]
        agree(cells, floats(5, 4), floats(5, 6), calls=calls, rtol=1e-4, atol=1e-5)
