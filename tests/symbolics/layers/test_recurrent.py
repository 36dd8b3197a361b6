"""Recurrent layers agree with PyTorch, over padded and over packed sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import exporter
from tests.symbolics.harness import check

torch.manual_seed(0)
X, LENGTHS = torch.randn(3, 7, 5), torch.tensor([4, 7, 2])
SHORT, SHORT_LENGTHS = torch.randn(2, 6, 5), torch.tensor([3, 5])
KINDS = [
    (nn.LSTM, {}),
    (nn.LSTM, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    (nn.LSTM, {"num_layers": 2, "bias": False}),
    (nn.LSTM, {"proj_size": 3, "num_layers": 2, "bidirectional": True}),
    (nn.LSTM, {"dtype": torch.float64, "bidirectional": True}),
    (nn.GRU, {"batch_first": True}),
    (nn.GRU, {"num_layers": 2, "bidirectional": True}),
    (nn.GRU, {"dtype": torch.float64, "bias": False}),
    (nn.RNN, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    (nn.RNN, {"nonlinearity": "relu"}),
    (nn.RNN, {"dtype": torch.float64}),
]


def layer(kind: type[nn.RNNBase], settings: dict[str, Any]) -> nn.RNNBase:
    """Five features in, four out."""
    return kind(5, 4, **settings).eval().requires_grad_(False)


class Calling(nn.Module):
    """A script of a layer alone would have several methods, each for another kind of input."""

    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = rnn

    def forward(self, x: Tensor):
        """Padded input."""
        return self.rnn(x)


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
@pytest.mark.parametrize(("kind", "settings"), KINDS)
def test_layers(kind: type[nn.RNNBase], settings: dict[str, Any]) -> None:
    """The states start at zero; batch and time are dynamic."""
    x, short = (t.to(settings.get("dtype", torch.float32)) for t in (X, SHORT))
    model = layer(kind, settings)
    check(lambda x: model(x), x, opsets=(11, 20, 26))
    check(Calling(model), x, mode="script", opsets=(20,), dynamic=True, calls=[(short,)])
    check(lambda x: model(x), x[0], opsets=(20,))


@torch.no_grad()
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_given_states(kind: type[nn.RNNBase]) -> None:
    """The first states are inputs."""
    model = layer(kind, {"num_layers": 2, "bidirectional": True})
    state = torch.randn(4, 7, 4)
    states = (state, state + 1) if kind is nn.LSTM else state
    check(lambda x, h: model(x, h), X, states, opsets=(13, 20))


class Packing(nn.Module):
    """Pack, run, unpack."""

    def __init__(self, rnn: nn.RNNBase, total: int | None = None, between: bool = False) -> None:
        super().__init__()
        self.rnn = rnn
        self.total = total
        self.between = between

    def forward(self, x: Tensor, lengths: Tensor) -> Any:
        """Sequences in any order."""
        first = self.rnn.batch_first
        packed = pack_padded_sequence(x, lengths, first, enforce_sorted=False)
        if self.between:
            packed = packed._replace(data=packed.data * 2)
        y, state = self.rnn(packed)
        padded, found = pad_packed_sequence(y, first, -1.5, self.total)
        return y.data, y.batch_sizes, padded, found, state


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
@pytest.mark.parametrize(("kind", "settings"), KINDS)
@pytest.mark.parametrize("between", [False, True])
def test_packed(kind: type[nn.RNNBase], settings: dict[str, Any], between: bool) -> None:
    """Lengths are inputs; the data of a packed sequence is PyTorch's."""
    inputs = [X, SHORT] if settings.get("batch_first") else [X.mT, SHORT.mT]
    if not settings.get("batch_first"):
        inputs = [X.transpose(0, 1).contiguous(), SHORT.transpose(0, 1).contiguous()]
    x, short = (t.to(settings.get("dtype", torch.float32)) for t in inputs)
    model = Packing(layer(kind, settings), between=between)
    calls = [(short, SHORT_LENGTHS)]
    check(model, x, LENGTHS, opsets=(13, 20), dynamic=True, calls=calls)


@torch.no_grad()
@pytest.mark.parametrize("total", [7, 9])
def test_total_length(total: int) -> None:
    """Padded beyond the longest."""
    model = Packing(layer(nn.GRU, {"batch_first": True}), total)
    check(model, X, torch.tensor([4, 6, 2]), opsets=(20,))


@torch.no_grad()
def test_packing_leaves_the_layer(tmp_path: Path) -> None:
    """Padded sequences go straight into the layer: nothing is packed in the graph."""

    class Model(nn.Module):
        """As users write it."""

        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(5, 4, batch_first=True)

        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            packed = pack_padded_sequence(x, lengths, True)
            return pad_packed_sequence(self.rnn(packed)[0], True)[0]

    path = tmp_path / "model.onnx"
    exporter.export(Model().eval(), (X, torch.tensor([7, 4, 2])), path)
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert "LSTM" in kinds
    assert not kinds & {"Compress", "CumSum", "ScatterND", "Loop", "Scan"}


@torch.no_grad()
@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_cells(cell: type[nn.RNNCellBase]) -> None:
    """One step, with states given and without."""
    for bias in (True, False):
        model = cell(5, 4, bias=bias).eval().requires_grad_(False)
        state = torch.randn(7, 4)
        states = (state, state + 1) if cell is nn.LSTMCell else state
        check(lambda x, h, m=model: m(x, h), X[0], states, opsets=(9, 13, 20))
        check(lambda x, m=model: m(x), X[0], opsets=(20,), dynamic=True)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("dropout", [0.0, 1.0])
def test_dropout_between_layers_in_training(kind: type[nn.RNNBase], dropout: float) -> None:
    """What a layer gives the next is dropped; compared where all of it is, or none."""
    model = kind(5, 4, 3, dropout=dropout, bidirectional=True).train().requires_grad_(False)
    check(lambda x: model(x), X, opsets=(9, 13, 20))


def test_random_dropout_between_layers(tmp_path: Path) -> None:
    """Two runs differ, and the last layer's output is whole."""
    model = Calling(nn.LSTM(5, 4, 2, dropout=0.5)).train()
    exporter.export(torch.jit.script(model), (X,), tmp_path / "m.onnx", training="preserve")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    first, second = (session.run(None, {"x": X.numpy()})[0] for _ in range(2))
    assert (first != second).any()
    assert (first != 0).all()
