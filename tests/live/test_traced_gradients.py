"""Gradients that a plain module takes in `forward`: the trace holds what the engine ran."""

from pathlib import Path

import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from exporter import ConversionError, export

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Potential(nn.Module):
    """Scripted, so that the gradient is an operator of the program."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        energy = self.layer(x).tanh().sum()
        gradient = torch.autograd.grad([energy], [x])[0]
        assert gradient is not None
        return energy, -gradient


class Wrapper(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls: Tensor
        self.register_buffer("calls", torch.zeros(()))
        self.potential = torch.jit.script(Potential())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        energy, forces = self.potential(x.detach().requires_grad_(True))
        return energy * self.calls, forces


class Plain(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().requires_grad_(True)
        return torch.autograd.grad((x.sin() * x).sum(), x)[0]


@pytest.mark.parametrize("model", [Wrapper(), Plain()])
def test_gradients_without_enable_grad(model: nn.Module, tmp_path: Path) -> None:
    """As for the trace, gradients are recorded where the module takes one; once, for its state."""
    result = export(model, (torch.randn(2, 3),), tmp_path / "model.onnx")
    x = torch.randn(2, 3)
    session = ort.InferenceSession(tmp_path / "model.onnx")
    found = session.run(None, {"x": x.numpy(), **result.initial_state})
    expected = model(x)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for wanted, array in zip(expected, found, strict=False):
        torch.testing.assert_close(torch.from_numpy(array), wanted.detach())


def test_tensors_that_the_tracer_has_not_seen() -> None:
    """They would be constants: the transposed argument of a `linear`, places of the maxima."""

    class Linear(nn.Module):
        def forward(self, x: Tensor, w: Tensor) -> Tensor:
            with torch.enable_grad():
                x = x.detach().requires_grad_(True)
                return torch.autograd.grad(nn.functional.linear(x, w).sin().sum(), x)[0]

    class Pool(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            with torch.enable_grad():
                x = x.detach().requires_grad_(True)
                y = nn.functional.max_pool2d(self.inner(x), 2)
                return torch.autograd.grad((y * y).sum(), x)[0]

    said = "(?s)tracer has not seen.*test_traced_gradients.py"
    with pytest.raises(ConversionError, match=said):
        export(Linear(), (torch.randn(2, 3), torch.randn(4, 3)))
    for inner in (nn.Identity(), torch.jit.script(nn.Identity())):
        with pytest.raises(ConversionError, match=said):
            export(Pool(inner), (torch.randn(1, 1, 4, 4),))


class Sine(torch.autograd.Function):
    """Keeps what is neither an argument nor a result."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0].cos())

    @staticmethod
    def backward(ctx, gradient):
        (cosine,) = ctx.saved_tensors
        return gradient * cosine


def test_tensors_that_a_function_keeps(tmp_path: Path) -> None:
    """What `setup_context` computes is seen, but under a `vmap`."""

    class Module(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with torch.enable_grad():
                x = x.detach().requires_grad_(True)
                return torch.autograd.grad((self.function(x) * x).sum(), x)[0]

    model, x = Module(), torch.randn(2, 3)
    model.function = Sine.apply
    export(model, (torch.randn(2, 3),), tmp_path / "model.onnx")
    (found,) = ort.InferenceSession(tmp_path / "model.onnx").run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), model(x))
    model.function = torch.vmap(Sine.apply)
    with pytest.raises(ConversionError, match="tracer has not seen"):
        export(model, (x,))


def test_tensors_of_the_module_that_the_tracer_has_not_seen(tmp_path: Path) -> None:
    """A frozen weight, transposed, has the same memory."""

    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 4).requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            with torch.enable_grad():
                x = x.detach().requires_grad_(True)
                return torch.autograd.grad(self.layer(x).sin().sum(), x)[0]

    model, x = Frozen(), torch.randn(2, 3)
    export(model, (torch.randn(2, 3),), tmp_path / "model.onnx")
    (found,) = ort.InferenceSession(tmp_path / "model.onnx").run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), model(x))
