"""Functions with a gradient of their own are what their `forward` and `backward` run."""

from collections.abc import Callable
from pathlib import Path

import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from exporter import export

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Step(torch.autograd.Function):
    """A step whose gradient is a bump, as spiking networks have it."""

    @staticmethod
    def forward(ctx, x, slope=2.0):
        ctx.save_for_backward(x)
        return (x * slope > 0).float()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * torch.exp(-x * x), None


class Scaled(torch.autograd.Function):
    """In the newer form, with results in another order than that in which they are computed."""

    @staticmethod
    def forward(x, factor=3):
        first = x * factor
        return x + 1, first, "no tensor", x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx, first, second, text, third):
        return (first + second + third) * ctx.factor, None


class Tripled(torch.autograd.Function):
    """Writes to its argument, by way of another function."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        step(x)
        return x.mul_(3)


class Mapped(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * x


# Bound here, as modules that are imported before the export do.
step, scaled, mapped = Step.apply, Scaled.apply, Mapped.apply


def gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        return torch.autograd.grad((function(x) * x).sum(), x)[0]


@pytest.mark.parametrize(
    "function",
    [
        step,
        Step.apply,
        lambda x: step(x, -1.0) + x,
        lambda x: scaled(x)[0] * scaled(x, 4)[1] - scaled(x)[3],
        lambda x: Step.apply(x, -1.0) + Scaled.apply(x)[1],
        lambda x: Tripled.apply(x * 2) + x,
        lambda x: torch.vmap(mapped)(x),
        lambda x: gradient(step, x),
        lambda x: gradient(Step.apply, x),
        lambda x: gradient(lambda y: step(y * 3, 1.0), x),
        lambda x: gradient(lambda y: scaled(y, 2)[0] + scaled(y)[1], x),
    ],
)
def test_functions_of_ones_own(function: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    class Module(nn.Module):
        def forward(self, x):
            return function(x)

    model, x = Module(), torch.linspace(-2, 2, 12).reshape(3, 4)
    export(model, (x + 1,), tmp_path / "model.onnx")
    (result,) = ort.InferenceSession(tmp_path / "model.onnx").run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(result), model(x))


def test_functions_are_afterwards_as_before() -> None:
    class Module(nn.Module):
        def forward(self, x):
            return step(x)

    export(Module(), (torch.ones(2),))
    assert step(torch.ones(2, requires_grad=True)).grad_fn is not None
    assert torch.autograd.Function.apply.__func__ is step.__func__
    assert torch._C._get_tracing_state() is None
