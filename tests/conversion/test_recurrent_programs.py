"""Recurrent layers in whole programs: scripted and traced, packed, with dynamic batch and time.

TorchScript reads the annotations of these modules, so they are not postponed.
"""

import io
import warnings
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import exporter

LAYERS = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
}


def seeded() -> torch.Generator:
    """A generator with a fixed seed."""
    return torch.Generator().manual_seed(0)


def compared(
    module: nn.Module,
    calls: list[tuple[Any, ...]],
    *,
    traced: bool = False,
    opset: int = 20,
    **options: Any,
) -> exporter.Exported:
    """Convert a module and fail unless all calls give what PyTorch gives."""
    module.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = (
            torch.jit.trace(module, calls[0], check_trace=False)
            if traced
            else torch.jit.script(module)
        )
    exported = exporter.export(model, calls[0], opset_version=opset, **options)
    buffer = io.BytesIO()
    exported.save(buffer)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    for number, call in enumerate(calls):
        arrays = [np.asarray(leaf) for leaf in leaves(call)]
        found = session.run(None, dict(zip(names, arrays, strict=True)))
        with torch.no_grad():
            wanted = [np.asarray(leaf) for leaf in leaves(module(*call))]
        assert len(found) == len(wanted)
        for i, (array, value) in enumerate(zip(found, wanted, strict=True)):
            said = f"call {number}, output {i}"
            assert array.shape == value.shape, said
            assert array.dtype == value.dtype, said
            np.testing.assert_allclose(array, value, 1e-4, 1e-5, err_msg=said)
    return exported


def leaves(value: Any) -> Any:
    """Tensors and numbers of nested tuples and lists."""
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from leaves(item)
    elif value is not None:
        yield value


def sequences(*sizes: tuple[int, ...]) -> list[Tensor]:
    """Random inputs of these sizes."""
    generator = seeded()
    return [torch.randn(size, generator=generator) for size in sizes]


# ---------------------------------------------------------------- whole sequences


class Whole(nn.Module):
    """A layer over a padded batch, from zeros."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(8 if layer.bidirectional else 4, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, _ = self.layer(x)
        return self.head(torch.relu(y)), y


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, True), (3, False)])
@pytest.mark.parametrize("name", LAYERS)
def test_dynamic_batch_and_time(
    name: str, layers: int, bidirectional: bool, batch_first: bool, traced: bool
) -> None:
    """One model serves every batch and length."""
    torch.manual_seed(0)
    layer = LAYERS[name](
        3, 4, layers, bidirectional=bidirectional, batch_first=batch_first, dropout=0.0
    )
    calls = [(x,) for x in sequences((5, 2, 3), (1, 2, 3), (7, 3, 3), (2, 1, 3))]
    compared(Whole(layer), calls, traced=traced, dynamic_axes={"x": {0: "a", 1: "b"}})


@pytest.mark.parametrize("options", [{"bias": False}, {"proj_size": 2}, {"dropout": 0.5}])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_lstm_options(options: dict[str, Any], bidirectional: bool) -> None:
    """Without biases, with projections, with a dropout that does nothing in eval mode."""
    torch.manual_seed(0)
    layer = nn.LSTM(3, 4, 2, bidirectional=bidirectional, **options)
    calls = [(x,) for x in sequences((5, 2, 3), (3, 1, 3))]
    compared(Raw(layer), calls, dynamic_axes={"x": {0: "time", 1: "batch"}})


class Raw(nn.Module):
    """An LSTM with its states."""

    def __init__(self, layer: nn.LSTM) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return self.layer(x)


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 26])
def test_opsets(opset: int) -> None:
    """All opsets have the layers."""
    torch.manual_seed(0)
    calls = [(x,) for x in sequences((5, 2, 3), (3, 1, 3))]
    axes = {"x": {0: "time", 1: "batch"}}
    compared(Raw(nn.LSTM(3, 4, 2, bidirectional=True)), calls, opset=opset, dynamic_axes=axes)


class Unbatched(nn.Module):
    """A layer over one sequence without a batch dim."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(3, 4, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.layer(x)


@pytest.mark.parametrize("traced", [False, True])
def test_without_a_batch(traced: bool) -> None:
    """Two dims in, two dims out."""
    torch.manual_seed(0)
    calls = [(x,) for x in sequences((5, 3), (2, 3))]
    compared(Unbatched(), calls, traced=traced, dynamic_axes={"x": {0: "time"}})


# ---------------------------------------------------------------- initial states


class Started(nn.Module):
    """A GRU whose first state may be given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(3, 4, 2, bidirectional=True)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.layer(x, h)


def test_initial_state_given_or_not() -> None:
    """The argument decides at conversion whether there is an input for it."""
    torch.manual_seed(0)
    module = Started()
    x, h, longer, more = sequences((5, 2, 3), (4, 2, 4), (6, 3, 3), (4, 3, 4))
    compared(module, [(x,), (longer,)], dynamic_axes={"x": {0: "time", 1: "batch"}})
    axes = {"x": {0: "time", 1: "batch"}, "h": {1: "batch"}}
    compared(module, [(x, h), (longer, more)], dynamic_axes=axes)


class StartedLstm(nn.Module):
    """An LSTM with both of its states given."""

    def __init__(self, proj: int) -> None:
        super().__init__()
        self.layer = nn.LSTM(3, 4, 1, proj_size=proj, batch_first=True)

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return self.layer(x, state)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("proj", [0, 2])
def test_lstm_states_given(proj: int, traced: bool) -> None:
    """A tuple of states is two inputs."""
    torch.manual_seed(0)
    x, h, c = sequences((2, 5, 3), (1, 2, proj or 4), (1, 2, 4))
    compared(StartedLstm(proj), [(x, (h, c))], traced=traced)


# ---------------------------------------------------------------- packed sequences


class Packed(nn.Module):
    """Packs, runs the layer and pads again."""

    def __init__(
        self,
        layer: nn.Module,
        enforce_sorted: bool = True,
        total_length: int | None = None,
        padding_value: float = 0.0,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.batch_first: bool = layer.batch_first
        self.enforce_sorted = enforce_sorted
        self.total_length = total_length
        self.padding_value = padding_value

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        packed = pack_padded_sequence(x, lengths, self.batch_first, self.enforce_sorted)
        y, h = self.layer(packed)
        padded, sizes = pad_packed_sequence(
            y, self.batch_first, self.padding_value, self.total_length
        )
        return padded, sizes, h


class PackedLstm(Packed):
    """The same with the two states of an LSTM."""

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        packed = pack_padded_sequence(x, lengths, self.batch_first, self.enforce_sorted)
        y, h = self.layer(packed)
        padded, sizes = pad_packed_sequence(
            y, self.batch_first, self.padding_value, self.total_length
        )
        return padded, sizes, h


def packed_calls(batch_first: bool, *lengths: list[int], longest: int = 0) -> list[Any]:
    """Padded batches with these lengths."""
    calls = []
    for batch in lengths:
        time = max(longest, *batch)
        size = (len(batch), time, 3) if batch_first else (time, len(batch), 3)
        calls.append((*sequences(size), torch.tensor(batch)))
    return calls


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_packed(name: str, batch_first: bool, traced: bool) -> None:
    """Lengths are an input; batch and time are dynamic."""
    torch.manual_seed(0)
    layer = LAYERS[name](3, 4, 2, bidirectional=True, batch_first=batch_first)
    kind = PackedLstm if name == "lstm" else Packed
    calls = packed_calls(batch_first, [5, 3, 1], [4, 4], [1], [6, 2, 2, 2])
    compared(
        kind(layer), calls, traced=traced,
        dynamic_axes={"x": {0: "a", 1: "b"}, "lengths": {0: "batch"}},
    )  # fmt: skip


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_packed_unsorted(name: str, traced: bool) -> None:
    """Without `enforce_sorted` the batch may be in any order, and comes back in it."""
    torch.manual_seed(0)
    layer = LAYERS[name](3, 4, batch_first=True, bidirectional=True)
    kind = PackedLstm if name == "lstm" else Packed
    calls = packed_calls(True, [1, 5, 3], [2, 4], [3, 3, 1, 6])
    compared(
        kind(layer, enforce_sorted=False), calls, traced=traced,
        dynamic_axes={"x": {0: "batch", 1: "time"}, "lengths": {0: "batch"}},
    )  # fmt: skip


def test_packed_shorter_than_the_padding() -> None:
    """The padding that no sequence uses is cut off."""
    torch.manual_seed(0)
    calls = packed_calls(True, [3, 2], [1, 1], [5, 1], longest=6)
    axes = {"x": {0: "batch", 1: "time"}, "lengths": {0: "batch"}}
    compared(Packed(nn.GRU(3, 4, batch_first=True)), calls, dynamic_axes=axes)


@pytest.mark.parametrize("batch_first", [False, True])
def test_padding_value_and_total_length(batch_first: bool) -> None:
    """What is padded again may be longer, and filled with any value."""
    torch.manual_seed(0)
    layer = nn.GRU(3, 4, batch_first=batch_first)
    module = Packed(layer, total_length=8, padding_value=-1.5)
    axes = {"x": {0: "a", 1: "b"}, "lengths": {0: "batch"}}
    compared(module, packed_calls(batch_first, [5, 3, 1], [4, 4]), dynamic_axes=axes)


# ---------------------------------------------------------------- cells


class Cells(nn.Module):
    """Three cells, run step by step over a sequence of run-time length."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(3, 4)
        self.gru = nn.GRUCell(4, 4)
        self.rnn = nn.RNNCell(4, 4, nonlinearity="relu")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.zeros(x.size(1), 4)
        c = torch.zeros(x.size(1), 4)
        g = torch.zeros(x.size(1), 4)
        outputs: list[Tensor] = []
        for i in range(x.size(0)):
            h, c = self.lstm(x[i], (h, c))
            g = self.gru(h, g)
            outputs.append(self.rnn(g))
        return torch.stack(outputs), c


@pytest.mark.parametrize("traced", [False, True])
def test_cells_in_a_loop(traced: bool) -> None:
    """A scripted loop is one, a traced one has the example's length."""
    torch.manual_seed(0)
    calls = [(x,) for x in sequences((4, 2, 3), (4, 3, 3))]
    axes = {"x": {1: "batch"}}
    if not traced:
        calls += [(x,) for x in sequences((1, 2, 3), (9, 1, 3))]
        axes["x"][0] = "time"
    compared(Cells(), calls, traced=traced, dynamic_axes=axes)


class OptionalCell(nn.Module):
    """Cells from zeros, over one vector and over a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(3, 4, bias=False)
        self.gru = nn.GRUCell(3, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h, c = self.lstm(x)
        return h, c, self.gru(x)


@pytest.mark.parametrize("size", [(3,), (2, 3)])
@pytest.mark.parametrize("traced", [False, True])
def test_cells_without_a_state(size: tuple[int, ...], traced: bool) -> None:
    """Cells start from zeros where no state is given."""
    torch.manual_seed(0)
    compared(OptionalCell(), [(x,) for x in sequences(size)], traced=traced)


# ---------------------------------------------------------------- models


class Streaming(nn.Module):
    """A layer that keeps its state as an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(3, 4, 2, batch_first=True)
        self.register_buffer("h", torch.zeros(2, 1, 4))
        self.register_buffer("c", torch.zeros(2, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        y, (self.h, self.c) = self.layer(x, (self.h, self.c))
        return y


def test_a_layer_that_streams() -> None:
    """Chunks of any length give what the whole sequence gives."""
    torch.manual_seed(0)
    module = Streaming().eval()
    (whole,) = sequences((1, 12, 3))
    with torch.no_grad():
        wanted = module.layer(whole)[0].numpy()
    exported = exporter.export(
        torch.jit.script(module), (whole[:, :4],), dynamic_axes={"x": {1: "time"}}
    )
    assert list(exported.initial_state) == ["h", "c"]
    buffer = io.BytesIO()
    exported.save(buffer)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    held = exported.initial_state
    parts = []
    for start, end in ((0, 4), (4, 5), (5, 12)):
        y, h, c = session.run(None, {"x": whole[:, start:end].numpy(), **held})
        held = {"h": h, "c": c}
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts, 1), wanted, 1e-4, 1e-5)
