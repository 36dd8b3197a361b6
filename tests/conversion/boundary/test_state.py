"""Attributes that a method writes are inputs and outputs of the model, fed back between calls.

What holds where their types change is in `test_state_types`. TorchScript reads the annotations of
these modules, so they are not postponed.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

import exporter
from tests.conversion.streaming import batches, streamed

# ---------------------------------------------------------------- kinds of values


class Kinds(nn.Module):
    """A tensor, an int, a float and a bool, each written by assignment."""

    total: Tensor
    count: int
    mean: float
    started: bool
    unused: int

    def __init__(self) -> None:
        super().__init__()
        self.unused = 3
        self.total = torch.zeros(3)
        self.count = 0
        self.mean = 0.5
        self.started = False

    def forward(self, x: Tensor) -> tuple[Tensor, int, float, bool]:
        started = self.started
        self.total = self.total + x.sum(0)
        self.count += x.size(0)
        self.mean = float(self.total.sum()) / self.count + self.mean
        self.started = True
        return self.total / self.count, self.count, self.mean, started


def test_tensor_int_float_and_bool(tmp_path: Path) -> None:
    """Each kind of value goes in and comes out, in the order of the attributes."""
    exported = streamed(
        Kinds(),
        batches(2, 3, 1, 4),
        tmp_path / "m.onnx",
        state=["total", "count", "mean", "started"],
        dynamic_axes={"x": {0: "batch"}},
    )
    described = {name: dtype for name, dtype, _ in exported.report.inputs}
    assert described == {
        "x": "float", "total": "float", "count": "int64", "mean": "double", "started": "bool"
    }  # fmt: skip
    assert exported.report.state == ["total", "count", "mean", "started"]


class Written(nn.Module):
    """A buffer that is written in place, through a view too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(4, 3))
        self.register_buffer("kept", torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        self.rows[1:] = self.rows[:-1].clone()
        self.rows[0].copy_(x[0])
        self.rows *= 0.5
        return self.rows + self.kept


def test_in_place_writes(tmp_path: Path) -> None:
    """What is written into a buffer is state; a buffer that is only read is none."""
    streamed(Written(), batches(1, 1, 1), tmp_path / "m.onnx", state=["rows"])


class Containers(nn.Module):
    """A tuple, a list and a dict of which parts change."""

    def __init__(self) -> None:
        super().__init__()
        self.pair: tuple[Tensor, int] = (torch.zeros(3), 7)
        self.history: list[Tensor] = [torch.zeros(3), torch.ones(3)]
        self.counts: list[int] = [0, 10]
        self.named: dict[str, Tensor] = {"a": torch.zeros(3), "b": torch.ones(3)}

    def forward(self, x: Tensor) -> Tensor:
        row = x.sum(0)
        tensor, number = self.pair
        self.pair = (tensor + row, number)
        self.history = [self.history[1], row]
        self.counts[1] += 2
        self.named["a"] = self.named["a"] + number
        return tensor + self.history[0] * self.counts[1] + self.named["a"] + self.named["b"]


def test_parts_of_containers(tmp_path: Path) -> None:
    """Only what changes in a container is an input, under the container's name and its own."""
    streamed(
        Containers(),
        batches(2, 2, 2),
        tmp_path / "m.onnx",
        state=["pair.0", "history.0", "history.1", "counts.1", "named.a"],
    )


class Cell(NamedTuple):
    """The two states of an LSTM."""

    h: Tensor
    c: Tensor


class NamedState(nn.Module):
    """A named tuple."""

    state: Cell

    def __init__(self) -> None:
        super().__init__()
        self.state = Cell(torch.zeros(2, 3), torch.ones(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        h = self.state.h * 0.5 + x
        self.state = Cell(h, self.state.c - h)
        return self.state.c


def test_named_tuple(tmp_path: Path) -> None:
    """The fields of a named tuple have their names."""
    streamed(NamedState(), batches(2, 2, 2), tmp_path / "m.onnx", state=["state.h", "state.c"])


class Late(nn.Module):
    """A tensor that is not there before the first call."""

    h: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.h = None

    def forward(self, x: Tensor) -> Tensor:
        h = self.h
        if h is None:
            h = torch.zeros_like(x)
        h = h * 0.5 + x
        self.h = h
        return h


def test_none_at_first(tmp_path: Path) -> None:
    """An Optional is a flag and a value; the value does not matter while the flag is False."""
    exported = streamed(Late(), batches(2, 2, 2), tmp_path / "m.onnx", state=["h.present", "h"])
    assert not exported.initial_state["h.present"]


class LatePair(nn.Module):
    """A tuple that is not there before the first call."""

    state: tuple[Tensor, Tensor] | None

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)
        self.state = None

    def forward(self, x: Tensor) -> Tensor:
        state = self.state
        h, c = self.cell(x) if state is None else self.cell(x, state)
        self.state = (h, c)
        return h


def test_a_tuple_that_is_none_at_first(tmp_path: Path) -> None:
    """One flag tells for all of its tensors."""
    streamed(
        LatePair(),
        batches(2, 2, 2),
        tmp_path / "m.onnx",
        state=["state.present", "state.0", "state.1"],
    )


class LateCache(nn.Module):
    """A cache that starts as None and grows."""

    keys: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.keys = None

    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        keys = self.keys
        keys = x if keys is None else torch.cat([keys, x], 0)
        self.keys = keys
        return keys.sum(0), keys.size(0)


def test_none_at_first_growing_later(tmp_path: Path) -> None:
    """The size is open where the value is there."""
    streamed(
        LateCache(),
        batches(2, 3, 1),
        tmp_path / "m.onnx",
        state=["keys.present", "keys"],
        dynamic_axes={"x": {0: "time"}},
    )


class Seen(nn.Module):
    """A list of numbers that grows from call to call."""

    seen: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.seen = []

    def forward(self, x: Tensor) -> tuple[Tensor, list[int]]:
        self.seen.append(x.size(0))
        return x * len(self.seen), self.seen


def test_a_list_of_numbers_that_grows(tmp_path: Path) -> None:
    """It is a tensor with one dim."""
    streamed(
        Seen(), batches(2, 3, 1), tmp_path / "m.onnx", state=["seen"],
        dynamic_axes={"x": {0: "time"}},
    )  # fmt: skip


class Ring(nn.Module):
    """A buffer written at a place that moves."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(3, 3))
        self.place = 0

    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        self.rows[self.place] = x.sum(0)
        self.place = (self.place + 1) % 3
        return self.rows.mean(0), self.place


def test_a_ring_buffer(tmp_path: Path) -> None:
    """An index that is state itself; five calls go round."""
    streamed(Ring(), batches(2, 2, 2, 2, 2), tmp_path / "m.onnx", state=["rows", "place"])


class Inner(nn.Module):
    """A module with state of its own."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.register_buffer("h", torch.full((3,), start))

    def forward(self, x: Tensor) -> Tensor:
        self.h = self.h * 0.5 + x.sum(0)
        return self.h


class Nested(nn.Module):
    """State at two levels."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = Inner(0.0)
        self.other = Inner(1.0)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1
        return self.rnn(x) + self.other(x) * self.steps


def test_nested_modules(tmp_path: Path) -> None:
    """The state of submodules has qualified names."""
    streamed(Nested(), batches(2, 2, 2), tmp_path / "m.onnx", state=["steps", "rnn.h", "other.h"])


class Shared(nn.Module):
    """One tensor under two names, written in place through the first."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("a", torch.zeros(3))
        self.b = self.a

    def forward(self, x: Tensor) -> Tensor:
        self.a += x.sum(0)
        return self.b * 2


def test_one_tensor_under_two_names(tmp_path: Path) -> None:
    """It is one input, and both names see what is written."""
    streamed(Shared(), batches(2, 2, 2), tmp_path / "m.onnx", state=["a"])


# ---------------------------------------------------------------- what is no state


class Same(nn.Module):
    """Writes what was there already."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 1
        self.register_buffer("zeros", torch.zeros(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        self.calls = 1
        self.zeros = torch.zeros(2, 3)
        return x + self.zeros + self.calls


def test_equal_values_are_no_state(tmp_path: Path) -> None:
    """A value equal to the old one changes nothing."""
    streamed(Same(), batches(2, 2), tmp_path / "m.onnx", state=[])


class Branching(nn.Module):
    """Writes an attribute in one branch only."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("peak", torch.zeros(()))
        self.peaks = 0

    def forward(self, x: Tensor) -> Tensor:
        if bool(x.max() > self.peak):
            self.peak = x.max()
            self.peaks += 1
        return self.peak * self.peaks


def test_written_in_a_branch(tmp_path: Path) -> None:
    """A write that may not happen is state."""
    streamed(Branching(), batches(2, 2, 2, 2), tmp_path / "m.onnx", state=["peak", "peaks"])


class Looping(nn.Module):
    """Writes an attribute in a loop of run-time length."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("h", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        for i in range(x.size(0)):
            self.h = self.h * 0.5 + x[i]
        return self.h


def test_written_in_a_loop(tmp_path: Path) -> None:
    """A write in a loop is state."""
    streamed(
        Looping(),
        batches(2, 5, 1),
        tmp_path / "m.onnx",
        state=["h"],
        dynamic_axes={"x": {0: "time"}},
    )


# ---------------------------------------------------------------- what goes with the model


def test_metadata_names_the_state(tmp_path: Path) -> None:
    """The model says which inputs are state, with the types of the initial values."""
    path = tmp_path / "m.onnx"
    exporter.export(torch.jit.script(Kinds()), (torch.zeros(2, 3),), path)
    found = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert json.loads(found["ts2onnx.state"])["total"] == {"dtype": "float32", "shape": [3]}


def test_frozen(tmp_path: Path) -> None:
    """Frozen state stays what it is in the archive, on every call."""
    path = tmp_path / "m.onnx"
    exported = exporter.export(
        torch.jit.script(Kinds()), (torch.ones(2, 3),), path, freeze_state=True
    )
    assert not exported.initial_state
    assert [name for name, _, _ in exported.report.inputs] == ["x"]
    session = onnxruntime.InferenceSession(path)
    for _ in range(2):
        found = session.run(None, {"x": np.ones((2, 3), np.float32)})
        np.testing.assert_allclose(found[0], np.ones(3))


def test_traced_state(tmp_path: Path) -> None:
    """A traced module's in-place writes are state too."""

    class Traced(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(3))

        def forward(self, x: Tensor) -> Tensor:
            self.total += x.sum(0)
            return self.total * 2

    path = tmp_path / "m.onnx"
    module = Traced()
    exported = exporter.export(module, (torch.ones(2, 3),), path)
    assert not module.total.any()
    session = onnxruntime.InferenceSession(path)
    held = exported.initial_state
    for (x,) in batches(2, 2):
        found = session.run(None, {"x": x.numpy(), **held})
        np.testing.assert_allclose(found[0], module(x).numpy(), 1e-5)
        held = {"total": found[1]}


def test_a_trace_does_not_record_assignments() -> None:
    """State that a trace loses is said to be lost."""

    class Assigning(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("h", torch.zeros(3))
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.h = self.h + x
            self.calls += 1
            return self.h

    module = Assigning()
    exported = exporter.export(module, (torch.ones(3),))
    (warning,) = exported.report.warnings
    assert warning.startswith("h, calls: assigned while tracing")
    assert module.calls == 0
    assert not exported.initial_state
