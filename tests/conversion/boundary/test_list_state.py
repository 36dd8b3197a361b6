"""State that is a list of tensors whose length changes from call to call: a Sequence."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import exporter
from exporter import cli
from exporter.errors import UnsupportedError
from tests.conversion.harness import script
from tests.conversion.streaming import streamed

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

X = torch.tensor([[1.0, -2.0], [3.0, 0.5]])


class Window(nn.Module):
    """The mean of the last few inputs."""

    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.rows = []

    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        self.rows.append(x)
        if len(self.rows) > 2:
            self.rows.pop(0)
        return torch.stack(self.rows).mean(0), len(self.rows)


class Reset(nn.Module):
    """One path replaces the list, the other one changes it."""

    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.rows = [torch.ones(2, 2)]

    def forward(self, x: Tensor, reset: bool) -> tuple[Tensor, int]:
        if reset:
            self.rows = []
        else:
            self.rows.append(x)
        total = torch.zeros(2, 2)
        for row in self.rows:
            total = total + row
        return total, len(self.rows)


class Later(nn.Module):
    """No list before the first call."""

    rows: list[Tensor] | None

    def __init__(self) -> None:
        super().__init__()
        self.rows = None

    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        rows = self.rows
        if rows is None:
            self.rows = [x]
            return x, 0
        rows.append(x * 2)
        return rows[0] + rows[-1], len(rows)


class Lists(nn.Module):
    """Lists in a dict, of tensors of several shapes and of numbers."""

    rows: dict[str, list[Tensor]]
    sizes: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.rows = {"a": [], "b": [torch.ones(1)]}
        self.sizes = []

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        self.rows["a"].append(x)
        self.rows["b"].append(x.sum(0))
        self.sizes.append(x.size(0))
        return self.rows["b"][-1], len(self.rows["a"]) + len(self.rows["b"]), sum(self.sizes)


def test_a_list_that_grows_and_is_cut(tmp_path: Path) -> None:
    calls = [(X * i,) for i in range(5)]
    exported = streamed(Window(), calls, tmp_path / "m.onnx", state=["rows"])
    assert exported.initial_state == {"rows": []}
    assert exported.report.inputs[1:] == [("rows", "list(float)", "?")]


def test_a_list_that_is_replaced(tmp_path: Path) -> None:
    calls = [(X * i, i % 3 == 2) for i in range(8)]
    exported = streamed(Reset(), calls, tmp_path / "m.onnx", state=["rows"])
    (initial,) = exported.initial_state["rows"]
    np.testing.assert_array_equal(initial, np.ones((2, 2)))
    described = json.loads(exported.model.metadata_props["ts2onnx.state"])
    assert described == {"rows": [{"dtype": "float32", "shape": [2, 2]}]}


def test_a_list_that_is_not_there_at_first(tmp_path: Path) -> None:
    calls = [(X * i,) for i in range(4)]
    streamed(Later(), calls, tmp_path / "m.onnx", state=["rows.present", "rows"])


def test_lists_in_a_dict(tmp_path: Path) -> None:
    calls = [(X * i,) for i in range(4)]
    state = ["rows.a", "rows.b", "sizes"]
    streamed(Lists(), calls, tmp_path / "m.onnx", state=state, dynamic_axes={"x": {0: "n"}})


@pytest.mark.parametrize(
    ("module", "call"), [(Window(), (X,)), (Reset(), (X, False)), (Later(), (X,)), (Lists(), (X,))]
)
def test_verification(module: nn.Module, call: tuple[object, ...]) -> None:
    verification = exporter.export(script(module), call, verify=True).verification
    assert verification is not None
    assert [run.what for run in verification.runs] == ["as given", "call 2", "call 3"]


def test_the_file_of_the_initial_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.jit.save(script(Lists()), "m.pt")
    with pytest.raises(SystemExit) as ended:
        cli.main(["m.pt", "-i", "x=float32[n,2]", "--state-out", "s.npz", "--verify", "-q"])
    assert not ended.value.code
    with np.load("s.npz") as stored:
        assert {name: stored[name].tolist() for name in stored} == {"rows.b.0": [1.0], "sizes": []}


def test_before_sequences_leave_branches() -> None:
    with pytest.raises(UnsupportedError, match="opset 12 lets no sequence"):
        exporter.export(script(Window()), (X,), opset_version=12)


class Ring(nn.Module):
    """The last three inputs; the next one's place is state, too."""

    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.rows = [torch.zeros(2, 2) for _ in range(3)]
        self.at = 0

    def forward(self, x: Tensor) -> Tensor:
        self.rows[self.at] = x
        self.at = (self.at + 1) % 3
        return torch.stack(self.rows).sum(0)


def test_an_item_at_a_place_that_is_state(tmp_path: Path) -> None:
    """Which item is written is only known at run time."""
    calls = [(X * i,) for i in range(1, 6)]
    streamed(Ring(), calls, tmp_path / "ring.onnx", state=["rows", "at"])
