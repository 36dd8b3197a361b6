"""Functions with a gradient of their own are what their `forward` and `backward` run."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from exporter import ConversionError, export

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


class Hidden(torch.autograd.Function):
    """Writes to its argument by a view, and does not say so."""

    @staticmethod
    def forward(ctx, x):
        x.unbind()[0].add_(1)
        return x + 1


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
# From PyTorch 2.14 on, what is called is no method of Python's.
NOT_INTERCEPTED = not hasattr(step, "__func__")


def gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        return torch.autograd.grad((function(x) * x).sum(), x)[0]


SEVERAL_RESULTS = [
    lambda x: scaled(x)[0] * scaled(x, 4)[1] - scaled(x)[3],
    lambda x: gradient(lambda y: scaled(y, 2)[0] + scaled(y)[1], x),
]


@pytest.mark.parametrize(
    "function",
    [
        step,
        Step.apply,
        lambda x: step(x, -1.0) + x,
        lambda x: Step.apply(x, -1.0) + Scaled.apply(x)[1],
        lambda x: Tripled.apply(x * 2) + x,
        lambda x: torch.vmap(mapped)(x),
        lambda x: gradient(step, x),
        lambda x: gradient(Step.apply, x),
        lambda x: gradient(lambda y: step(y * 3, 1.0), x),
        *SEVERAL_RESULTS,
    ],
)
def test_functions_of_ones_own(function: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    if function in SEVERAL_RESULTS and NOT_INTERCEPTED:
        with pytest.raises(ConversionError, match="Scaled returns several tensors"):
            check(function, tmp_path)
    else:
        check(function, tmp_path)


def check(function: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    class Module(nn.Module):
        def forward(self, x):
            return function(x)

    model, x = Module(), torch.linspace(-2, 2, 12).reshape(3, 4)
    export(model, (x + 1,), tmp_path / "model.onnx")
    (result,) = ort.InferenceSession(tmp_path / "model.onnx").run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(result), model(x))


class Nested(torch.autograd.Function):
    """Calls another function, writes to a tensor of its own, saves what it has computed."""

    @staticmethod
    def forward(ctx, x, factor, unused):
        y = x.exp()
        y[0] = 2.0
        ctx.save_for_backward(y)
        return step(y * factor) + y, None

    @staticmethod
    def backward(ctx, gradient, _):
        (y,) = ctx.saved_tensors
        return gradient * y, None, None


@pytest.mark.parametrize(
    "function",
    [
        step,
        lambda x: step(x, -1.0) + x,
        lambda x: Nested.apply(x, 0.5, x)[0],
        lambda x: torch.cat([step(x, f) * (f + 0.5) for f in (0.5, 1.0, 0.5)]),
        lambda x: gradient(lambda y: Nested.apply(y * 3, 1.0, "text")[0], x),
        lambda x: gradient(step, x),
    ],
)
def test_what_the_tracer_recorded_of_a_function(
    function: Callable[[Tensor], Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As newer releases of PyTorch leave it, where nothing can be done before."""
    monkeypatch.setattr("exporter.live.tracing.functions_seen_into", nullcontext)
    check(function, tmp_path)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: scaled(x)[0], "Scaled returns several tensors"),
        (lambda x: Tripled.apply(x * 2), "Tripled writes to its arguments"),
        (lambda x: Hidden.apply(x * 2), "Hidden writes to its arguments"),
    ],
)
def test_what_the_tracer_records_wrongly(
    function: Callable[[Tensor], Tensor], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Module(nn.Module):
        def forward(self, x):
            return function(x)

    monkeypatch.setattr("exporter.live.tracing.functions_seen_into", nullcontext)
    with pytest.raises(ConversionError, match=reason) as caught:
        export(Module(), (torch.ones(3),))
    assert "test_autograd_functions.py:" in str(caught.value)


def test_functions_are_afterwards_as_before() -> None:
    class Module(nn.Module):
        def forward(self, x):
            return step(x)

    before = torch.autograd.Function.__dict__["apply"]
    export(Module(), (torch.ones(2),))
    assert step(torch.ones(2, requires_grad=True)).grad_fn is not None
    assert torch.autograd.Function.__dict__["apply"] is before
    assert torch._C._get_tracing_state() is None
