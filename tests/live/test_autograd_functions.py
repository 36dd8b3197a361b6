"""Functions with a gradient of their own are what their `forward` and `backward` run."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

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


class Failing(torch.autograd.Function):
    """Calls another function, which it does not return from."""

    @staticmethod
    def forward(ctx, x):
        x.add_(1)
        step(x)
        raise ValueError("on purpose")


# Bound here, as modules that are imported before the export do.
step, scaled, mapped = Step.apply, Scaled.apply, Mapped.apply
tripled, hidden, nested, failing = Tripled.apply, Hidden.apply, Nested.apply, Failing.apply
forward_of_failing = Failing.forward


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
        lambda x: Step.apply(x, -1.0) + Scaled.apply(x)[1],
        lambda x: scaled(x)[0] * scaled(x, 4)[1] - scaled(x)[3],
        lambda x: torch.cat([step(x, f) * (f + 0.5) for f in (0.5, 1.0, 0.5)]),
        lambda x: nested(x, 0.5, x)[0],
        lambda x: torch.vmap(mapped)(x),
        lambda x: gradient(step, x),
        lambda x: gradient(Step.apply, x),
        lambda x: gradient(lambda y: step(y * 3, 1.0), x),
        lambda x: gradient(lambda y: scaled(y, 2)[0] + scaled(y)[1], x),
        lambda x: gradient(lambda y: nested(y * 3, 1.0, "text")[0], x),
    ],
)
def test_functions_of_ones_own(function: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    check(function, tmp_path)


def wrote(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What a function gives and what it leaves of its argument."""
    y = x * 2
    return function(y) + y * y


@pytest.mark.parametrize(
    "function",
    [
        lambda x: wrote(Tripled.apply, x),
        lambda x: wrote(tripled, x),
        lambda x: wrote(hidden, x) + wrote(hidden, x),
        lambda x: tripled(hidden(tripled(x + 1))) + x,
    ],
)
def test_functions_that_write_to_their_argument(
    function: Callable[[Tensor], Tensor], tmp_path: Path
) -> None:
    check(function, tmp_path)


def test_functions_beside_scripted_modules(tmp_path: Path) -> None:
    """Such a module goes through an archive, with a method for each module in it."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.scripted = torch.jit.script(nn.Sigmoid())

        def forward(self, x):
            y = tripled(self.scripted(x))
            return scaled(y)[1] * y + step(y)

    inner = Inner()
    check(lambda x: nested(x / 20, 2.0, None)[0] + step(x), tmp_path, inner)


def test_functions_that_raise(tmp_path: Path) -> None:
    """What the program catches ends where it was raised."""

    def function(x: Tensor) -> Tensor:
        y = x * 2
        with suppress(ValueError):
            y = failing(y)
        return step(y) + scaled(y)[1]

    check(function, tmp_path)
    with pytest.raises(ConversionError, match="on purpose"):
        check(failing, tmp_path)
    assert Failing.forward is forward_of_failing


def check(
    function: Callable[[Tensor], Tensor], tmp_path: Path, inner: nn.Module | None = None
) -> None:
    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner or nn.Identity()

        def forward(self, x):
            return function(self.inner(x))

    model, x = Module(), torch.linspace(-2, 2, 12).reshape(3, 4)
    export(model, (x + 1,), tmp_path / "model.onnx")
    (result,) = ort.InferenceSession(tmp_path / "model.onnx").run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(result), model(x))


def test_a_trace_of_ones_own_that_calls_python() -> None:
    """It can't be saved, but the module can be exported."""
    trace = torch.jit.trace(lambda x: step(x), torch.ones(3), check_trace=False)
    with pytest.raises(ConversionError, match="try  exporting the module that was traced"):
        export(trace, (torch.ones(3),))


def test_functions_are_afterwards_as_before() -> None:
    class Module(nn.Module):
        def forward(self, x):
            return step(x)

    forward = Step.forward
    export(Module(), (torch.ones(2),))
    assert step(torch.ones(2, requires_grad=True)).grad_fn is not None
    assert Step.forward is forward
    assert "__init__" not in BackwardCFunction.__dict__
    assert torch._C._get_tracing_state() is None
