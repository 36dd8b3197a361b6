"""State whose type changes between calls: what is open, what can be declared, what is an error.

TorchScript reads the annotations of these modules, so they are not postponed.
"""

from pathlib import Path
from typing import Optional

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import exporter
from exporter import TensorSpec
from exporter.errors import ExportError
from tests.conversion.boundary.test_state import Containers, Late
from tests.conversion.harness import loaded, refuses, run
from tests.conversion.streaming import batches, streamed


class Growing(nn.Module):
    """A cache that grows by what is given."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("cache", torch.zeros(0, 3))

    def forward(self, x: Tensor) -> Tensor:
        self.cache = torch.cat([self.cache, x], 0)
        return self.cache.sum(0)


class Turned(nn.Module):
    """After the first call it is a matter of strides whether the state is written."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("s", torch.ones(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        self.s = self.s.t()
        self.s.reshape(-1)[0] = x[0]
        return self.s


def test_a_constant_that_is_turned_round() -> None:
    """Its values stay what they were, what a later call does with it does not."""
    refuses(Turned(), torch.ones(1), match="strides that are not known")


def test_a_size_that_changes(tmp_path: Path) -> None:
    """A dim that differs from call to call is open."""
    exported = streamed(
        Growing(), batches(2, 3, 1), tmp_path / "m.onnx", state=["cache"],
        dynamic_axes={"x": {0: "time"}},
    )  # fmt: skip
    assert {n: s for n, _, s in exported.report.inputs}["cache"] == "[cache_0, 3]"


class Empty(nn.Module):
    """An empty tensor at first, a matrix later, made anew when the number of rows changes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("h", torch.zeros(0))
        self.rows = 0
        self.rate = 0

    def forward(self, x: Tensor, rate: int) -> Tensor:
        if bool(self.rows) and self.rows != x.size(0):
            self.h = torch.zeros(0)
        if bool(self.rate) and self.rate != rate:
            self.h = torch.zeros(0)
        if not bool(len(self.h)):
            self.h = torch.zeros(x.size(0), 3)
        self.h = self.h * 0.5 + x * rate
        self.rows = x.size(0)
        self.rate = rate
        return self.h


def test_a_rank_that_changes(tmp_path: Path) -> None:
    """The number of dims is open in the signature, the branches decide at run time."""
    calls = [(x, rate) for (x,), rate in zip(batches(2, 2, 4, 4, 4), (1, 1, 1, 3, 3), strict=True)]
    exported = streamed(
        Empty(), calls, tmp_path / "m.onnx", state=["h", "rows", "self.rate"],
        dynamic_axes={"x": {0: "batch"}},
    )  # fmt: skip
    assert {n: s for n, _, s in exported.report.inputs}["h"] == "?"
    assert any("onnx.checker" in warning for warning in exported.report.warnings)


class LateKernel(nn.Module):
    """The first call makes the kernel; until then it has fewer dims than `repeat` would take."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = torch.eye(3)
        self.first = True

    def forward(self, x: Tensor) -> Tensor:
        if self.first:
            self.first = False
            self.kernel = self.kernel.repeat(2, 1, 1).view(6, 3).unsqueeze(1)
        return nn.functional.conv1d(x, self.kernel, groups=2)


def test_a_rank_that_an_operator_asks_for(tmp_path: Path) -> None:
    """It is one of the two that the state may have, and the operator is converted for each."""
    calls = [(torch.randn(1, 2, length),) for length in (5, 3, 8)]
    exported = streamed(
        LateKernel(), calls, tmp_path / "m.onnx", state=["kernel", "first"],
        dynamic_axes={"x": {2: "time"}},
    )  # fmt: skip
    assert exported.report.operators["Conv"] == 1


class EmptyCell(nn.Module):
    """Hidden states that are empty tensors before the first call."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)
        self.h, self.c = torch.zeros(0), torch.zeros(0)

    def forward(self, x: Tensor) -> Tensor:
        if self.h.numel() == 0:
            self.h, self.c = torch.zeros(x.size(0), 4), torch.zeros(x.size(0), 4)
        self.h, self.c = self.cell(x, (self.h, self.c))
        return self.h


def test_a_cell_whose_states_are_empty_at_first(tmp_path: Path) -> None:
    """Products with what may have any number of dims."""
    axes = {"x": {0: "batch"}}
    for named in ({}, axes):
        streamed(
            EmptyCell(), batches(2, 2, 2), tmp_path / "m.onnx", state=["h", "c"], dynamic_axes=named
        )


def test_a_declared_type(tmp_path: Path) -> None:
    """With its type declared and the rate bound, nothing is left to decide at run time."""
    path = tmp_path / "m.onnx"
    exported = exporter.export(
        torch.jit.script(Empty()),
        (TensorSpec("float32", ("batch", 3)),),
        path,
        constants={"rate": 2},
        state={"h": TensorSpec("float32", ("batch", 3))},
    )
    assert not exported.report.operators["If"]
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert exported.initial_state["h"].shape == (1, 3)
    assert any("starts from zeros" in warning for warning in exported.report.warnings)
    session = onnxruntime.InferenceSession(path)
    reference = torch.jit.script(Empty())
    held = {**exported.initial_state, "h": np.zeros((2, 3), np.float32)}
    for (x,) in batches(2, 2, 2):
        found = session.run(None, {"x": x.numpy(), **held})
        np.testing.assert_allclose(found[0], reference(x, 2).numpy(), 1e-5, 1e-6)
        held = dict(zip(held, found[1:], strict=True))


def test_a_static_declared_type(tmp_path: Path) -> None:
    """A declared type without dynamic dims gives an initial state that can be fed as it is."""
    exported = exporter.export(
        torch.jit.script(Empty()),
        (torch.zeros(2, 3),),
        constants={"rate": 2},
        state={"h": TensorSpec("float32", (2, 3))},
    )
    assert not exported.report.operators["If"]
    assert exported.initial_state["h"].shape == (2, 3)


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ({"h": TensorSpec("float32", (2, 5))}, r"declared float32\[2,5\]"),
        ({"h": TensorSpec("float64", (2, 3))}, "declared float64"),
        ({"g": TensorSpec("float32", (2, 3))}, "there is no state 'g'"),
    ],
)
def test_declared_wrongly(state: dict[str, TensorSpec], match: str) -> None:
    """A declared type that the program contradicts, or of no state, is an error."""
    with pytest.raises(ExportError, match=match):
        exporter.export(torch.jit.script(Empty()), (torch.zeros(2, 3), 1), state=state)


class Retyped(nn.Module):
    """A float tensor at first, an int tensor later."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("h", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.h = x.to(torch.int64)
        return self.h


def test_a_dtype_that_changes() -> None:
    """An ONNX value has one dtype: the error names the attribute."""
    with pytest.raises(ExportError, match="the attribute h is written"):
        exporter.export(torch.jit.script(Retyped()), (torch.zeros(3),))


class Keys(nn.Module):
    """A dict that gets a key."""

    found: dict[str, Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.found = {}

    def forward(self, x: Tensor) -> Tensor:
        self.found["x"] = x
        return x


@torch.jit.script
class Scale:
    """What a module works out from its first input, and keeps."""

    def __init__(self, factor: int):
        self.factor = factor


class Cached(nn.Module):
    """An object that is made in the first call."""

    scale: Optional[Scale]  # noqa: UP045  as TorchScript reads it

    def __init__(self) -> None:
        super().__init__()
        self.scale = None

    def forward(self, x: Tensor) -> Tensor:
        if self.scale is None:
            self.scale = Scale(x.size(0))
        scale = self.scale
        assert scale is not None
        return x * scale.factor


@pytest.mark.parametrize(
    ("module", "match"),
    [
        (Keys, "the attribute found is written and can't be state: the keys of a dict"),
        (Cached, "the attribute scale is replaced; an object can't be state"),
    ],
)
def test_what_can_be_no_state(module: type[nn.Module], match: str) -> None:
    """The error names the attribute and says why, and what may be tried."""
    with pytest.raises(ExportError, match=match) as caught:
        exporter.export(torch.jit.script(module()), (torch.zeros(3),))
    assert "freeze_state=True" in str(caught.value)


def test_frozen_objects() -> None:
    """Each call starts from what the archive holds."""
    x = torch.rand(3)
    result = exporter.export(torch.jit.script(Cached()), (x,), freeze_state=True)
    assert run(loaded(result), [x])[0].tolist() == (x * 3).tolist()


@pytest.mark.parametrize(
    ("module", "state"),
    [
        (Empty, {"h": TensorSpec("float32", ("batch", 3))}),
        (Empty, {}),
        (Late, {}),
        (Containers, {}),
    ],
)
def test_verification_streams(
    module: type[nn.Module], state: dict[str, TensorSpec], tmp_path: Path
) -> None:
    """Verification compares some calls in a row, from the initial state, state and all."""
    archive = tmp_path / "m.pt"
    torch.jit.script(module()).save(str(archive))
    exported = exporter.export(
        archive,
        (TensorSpec("float32", ("batch", 3)),),
        constants={"rate": 2} if module is Empty else {},
        state=state,
        verify=True,
    )
    assert exported.verification is not None
    assert len(exported.verification.runs) > 1
