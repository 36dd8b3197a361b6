"""What the error says is to blame, where a model differs from PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exporter import VerificationError, export
from exporter.onnx_graph.builder import Builder
from exporter.verification import diagnosis, verify, verify_arrays
from exporter.verification.session import Session
from symbolics.registry import overloads

X = torch.linspace(-2, 2, 12).reshape(3, 4)


class Net(nn.Module):
    """Layers, one of which draws random numbers in training."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Dropout())

    def forward(self, x: Tensor, n: int) -> tuple[Tensor, int]:
        y = self.layers(x)
        y[:, 0] += n
        return torch.fft.ifft(torch.fft.fft(y)).real, y.size(0) + n


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a wrong function in the place of a symbolic."""

    def put(name: str, function: Callable[..., Any]) -> None:
        (overload,) = overloads(name)
        monkeypatch.setattr(overload, "function", function)

    return put


@pytest.fixture
def never_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run counts as one that differs."""

    def fail(*args: Any) -> None:
        raise VerificationError("it differs")

    monkeypatch.setattr(verify, "_compared", fail)
    monkeypatch.setattr(diagnosis, "_agrees_as_it_is", lambda *args: False)


def notes_for(model: Any, *args: Any, **options: Any) -> list[str]:
    with pytest.raises(VerificationError) as raised:
        export(model, args, verify=True, **options)
    return raised.value.notes


def flipped(g: Builder, self: Tensor, **arguments: Any) -> Any:
    return g.Neg(self)


@pytest.mark.parametrize("compiled", [torch.jit.script, lambda net: net], ids=["script", "trace"])
def test_the_first_operator_that_differs(faulty, compiled) -> None:
    faulty("aten::gelu", flipped)
    notes = notes_for(compiled(Net().eval()), X, 2, dynamic_axes={"x": [0]})
    place = next(i for i, note in enumerate(notes) if note.endswith("aten::gelu"))
    assert notes[place].startswith("the first operator that differs from PyTorch's")
    assert notes[place + 1] == "in   layers.1"
    assert notes[place + 2].startswith("at   ")
    assert notes[place + 3].startswith("its result differs in ")


def test_one_whose_arguments_and_results_are_complex(faulty) -> None:
    faulty("aten::fft_ifft", lambda g, self, *args, **arguments: self)
    notes = notes_for(torch.jit.script(Net().eval()), X, 2)
    assert any(note.endswith("aten::fft_ifft") for note in notes)


def test_where_the_arrays_are_given(faulty) -> None:
    net = torch.jit.script(Net().eval())
    expected = [net(X, 2)[0].detach().numpy()]
    faulty("aten::gelu", flipped)
    with pytest.raises(VerificationError) as raised:
        verify_arrays(export(net, (X, 2)), [X.numpy(), np.array(2)], expected)
    assert any(note.endswith("aten::gelu") for note in raised.value.notes)


def test_all_of_them_agree(never_right) -> None:
    (note,) = notes_for(torch.jit.script(Net().eval()), X, 2)
    assert note.startswith("each of its ")
    assert note.endswith("operators agrees with PyTorch's on the same arguments")


def test_what_can_not_be_repeated(never_right) -> None:
    """Random numbers, what is in a loop; results that nobody uses may be anything."""

    @torch.jit.script
    def program(x: Tensor, n: int):
        y = F.embedding_bag(torch.tensor([[0, 1]]), x)
        y = torch.max(y, 1)[0]
        y = y + torch.rand(1) + torch.empty(1)
        for _ in range(n):
            y = y.sin()
        return y

    (note,) = notes_for(program, X, 2)
    compared, total = (int(word) for word in note.split()[:4:3])
    assert 0 < compared < total
    assert "in branches or loops" in note


def test_all_of_it_is_in_branches(never_right) -> None:
    @torch.jit.script
    def program(x: Tensor, flag: bool):
        return x.sin() if flag else x.cos()

    (note,) = notes_for(program, X, True)
    assert note.startswith("0 of its 2 operators agree")


def test_onnxruntime_is_to_blame(monkeypatch) -> None:
    class Optimized(Session):
        def run(self, feeds: Any) -> dict[str, Any]:
            return {name: value + 1 for name, value in super().run(feeds).items()}

    monkeypatch.setattr(verify, "Session", Optimized)
    notes = notes_for(torch.jit.script(Net().eval()), X, 2)
    assert notes[-1] == "without onnxruntime's own optimization of the graph it gives the same"


def test_a_diagnosis_that_fails_hides_nothing(never_right, monkeypatch) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("no luck\nat all")

    monkeypatch.setattr(diagnosis, "notes", fail)
    with pytest.raises(VerificationError, match="it differs") as raised:
        export(torch.jit.script(Net().eval()), (X, 2), verify=True)
    assert raised.value.notes == ["which operator is to blame was not found: no luck"]
