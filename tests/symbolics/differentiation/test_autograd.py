"""`torch.autograd.grad` in scripts: ONNX operators' derivatives, and programs that ask for them."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import exporter
from tests.conversion.harness import loaded
from tests.symbolics.harness import check, refuses

PROGRAM = """
def forward(x: Tensor, w: Tensor):
    x = x.detach().requires_grad_(True)
    w = w.detach().requires_grad_(True)
    y = {expression}
    weights = torch.cos(torch.arange(y.numel()).to(y.dtype)).reshape(y.shape)
    weight: List[Optional[Tensor]] = [weights]
    found = torch.autograd.grad([y], [x, w], weight, create_graph=True, allow_unused=True)
    result: List[Tensor] = [y.detach() + 0 * x.detach().sum() + 0 * w.detach().sum()]
    for gradient in found:
        if gradient is not None:
            result.append(gradient)
    return result
"""


def program(expression: str) -> torch.jit.ScriptFunction:
    """An expression of x and w, and its gradients to both."""
    return torch.jit.CompilationUnit(PROGRAM.format(expression=expression)).forward


def sweep(expression, x, w, **settings):
    """With sizes that are known and with dynamic ones."""
    function = program(expression)
    check(function, x, w, mode="script", opsets=(20,), **settings)
    check(function, x, w, mode="script", opsets=(13,), dynamic=True, **settings)


X, W = torch.randn(3, 4), torch.randn(4)
SMALL = torch.rand(3, 4) * 0.8 + 0.1
# Where activations have no derivative, most of them.
KINKS = torch.tensor([[-6, -3, -1, -0.5], [-0.0, 0.0, 0.5, 1], [3, 6, 20, 25]])
CUBE, PAIR = torch.randn(3, 4, 2), torch.randn(2, 3, 4)
IMAGE = torch.randn(2, 4, 6, 7)


CORNERS = torch.tensor([math.nan, 0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 1e-30, 0.5, -0.5, 2.0])
BOUNDS = torch.tensor([math.nan, 0.0, -0.0, 1.0, -1.0, 3.0, 3.0, 6.0, 0.0, math.nan, -0.5, 0.0])


@pytest.mark.parametrize(
    "expression",
    [
        "torch.relu(x)",
        "torch.nn.functional.relu6(x)",
        "torch.nn.functional.hardtanh(x, -0.5, 3.)",
        "torch.nn.functional.hardswish(x)",
        "torch.nn.functional.elu(x)",
        "torch.nn.functional.celu(x, 0.5)",
        "torch.nn.functional.threshold(x, 1., 0.)",
        "x.clamp(-1, 1)",
        "x.clamp(min=0.)",
        "torch.clamp(x, min=w)",
        "torch.clamp(x, max=w)",
        "torch.maximum(x, w)",
        "torch.minimum(x, w)",
        "torch.log1p(x)",
        "torch.expm1(x)",
        "torch.hypot(x, w)",
        "torch.atan2(x, w)",
        "torch.xlogy(x, w)",
        "torch.special.xlog1py(x, w)",
        "torch.special.entr(x)",
        "torch.fmax(x, w)",
        "torch.fmin(x, w)",
        "torch.lgamma(x.abs() + 1)",
        "torch.digamma(x.abs() + 1)",
        "torch.polygamma(2, x.abs() + 1)",
        "torch.mvlgamma(x.abs() + 1, 2)",
        "torch.erfinv(x)",
        "torch.special.ndtri(x)",
        "torch.nn.functional.binary_cross_entropy(x[1:].clamp(0, 1), w[1:2].expand(11))",
        "x[1:].std()",
    ],
)
def test_corners_and_poles(expression: str) -> None:
    """What PyTorch takes for the slope where there is none, or two infinities meet in a formula."""
    sweep(expression, CORNERS, BOUNDS)


@pytest.mark.parametrize(
    "expression",
    ["torch.clamp(x, w, w + 1)", "torch.clamp(x, w + 1, w)", "(x[1:] * 0 + 1).std()"],
)
def test_before_torchscript_optimizes(expression: str) -> None:
    """Afterwards bounds that are tensors get no gradient, and a deviation of 0 gives NaN."""
    function = program(expression)
    check(function, CORNERS, BOUNDS, mode="script", opsets=(20,), dynamic=True)


@pytest.mark.parametrize(
    "name",
    [
        "abs",
        "exp",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "tanh",
        "atan",
        "asinh",
        "erf",
        "sigmoid",
        "relu",
        "square",
        "sign",
        "floor",
        "ceil",
        "round",
        "trunc",
        "frac",
        "neg",
        "expm1",
        "exp2",
        "reciprocal",
        "selu",
    ],
)
def test_functions_of_one_number(name):
    sweep(f"torch.{name}(x)", X, W)


@pytest.mark.parametrize(
    "name",
    ["log", "log2", "log1p", "sqrt", "rsqrt", "asin", "acos", "atanh", "logit"],
)
def test_functions_of_a_range(name):
    sweep(f"torch.{name}(x)", SMALL, W)


@pytest.mark.parametrize(
    "name",
    [
        "relu6",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "softplus",
        "hardswish",
        "hardsigmoid",
        "hardtanh",
        "hardshrink",
        "softshrink",
        "logsigmoid",
        "softsign",
        "tanhshrink",
        "glu",
    ],
)
def test_activations(name):
    sweep(f"torch.nn.functional.{name}(x)", X * 3, W)
    check(program(f"torch.nn.functional.{name}(x)"), KINKS, W, mode="script", opsets=(20,))


@pytest.mark.parametrize(
    "expression",
    [
        "x + w",
        "x - w",
        "x * w",
        "x / w",
        "torch.atan2(x, w)",
        "torch.fmod(x, w)",
        "torch.remainder(x, w)",
        "torch.maximum(x, w)",
        "torch.minimum(x, w)",
        "torch.clamp(x, max=w)",
        "torch.where(x > 0, x, w)",
        "torch.lerp(x, w, 0.3)",
        "torch.addcdiv(x, x, w)",
        "torch.clamp(x, -0.5, 0.5)",
        "x ** 2",
        "x ** 3.0",
        "2.0 ** x",
        "torch.nn.functional.gelu(x, approximate='tanh')",
        "x.abs() ** w",
    ],
)
@pytest.mark.parametrize("shape", [(4,), (3, 1), (3, 4)])
def test_arithmetic_and_broadcasting(expression, shape):
    sweep(expression, X, torch.rand(shape) + 1)


@pytest.mark.parametrize(
    "method",
    [
        "sum()",
        "sum(0)",
        "sum([0, 2], True)",
        "mean()",
        "mean(-1)",
        "std(0)",
        "var([0, 1])",
        "amax(0)",
        "amin([0, 1])",
        "max()",
        "logsumexp(1)",
        "norm()",
        "norm(1.0, 0)",
        "cumsum(1)",
        "prod(1)",
        "prod()",
        "softmax(-1)",
        "log_softmax(1)",
        "sort(1)[0]",
        "topk(2, 1)[0]",
        "max(1)[0]",
        "quantile(0.5)",
        "flip([0, 1])",
        "roll(1, 0)",
        "tril()",
        "permute([2, 0, 1])",
        "reshape(2, -1)",
        "flatten(1)",
        "unsqueeze(1)",
        "expand(5, 3, 4, 2)",
        "repeat(2, 1, 1)",
        "repeat_interleave(2, 1)",
        "narrow(1, 1, 2)",
        "select(1, 2)",
        "unfold(1, 2, 1)",
        "chunk(2, 1)[1]",
        "unbind(1)[2]",
        "diagonal()",
        "index_select(1, torch.tensor([0, 2, 2]))",
        "double()",
        "half().float()",
        "clone()",
        "gather(1, torch.zeros(3, 2, 2, dtype=torch.long))",
    ],
)
def test_reductions_and_moves(method):
    sweep(f"x.{method}", CUBE, W)


@pytest.mark.parametrize(
    "expression",
    [
        "x[1:, ::2]",
        "x[:, -1]",
        "x[torch.tensor([0, 2, 2])]",
        "x[x > 0]",
        "torch.stack([x, x * w], 1)",
        "torch.nn.functional.pad(x, [1, 2])",
        "torch.nn.functional.pad(x, [-1, 1])",
        "torch.index_put(x, [torch.tensor([0, 1])], w)",
        "torch.index_add(x, 0, torch.tensor([1]), w[None])",
        "torch.scatter_add(x, 1, torch.zeros(1, 4, dtype=torch.long), w[None])",
        "torch.cat([x, w.expand(3, 4)], 1)",
    ],
)
def test_indexing_and_joining(expression):
    check(program(expression), X, W, mode="script", opsets=(11, 20))


def added_without_gradient(x):
    x = x.detach().requires_grad_(True)
    places = torch.tensor([0, 2, 0])
    added = torch.index_add(x, 0, places, x * x)
    with torch.no_grad():
        factor = torch.index_add(x, 0, places, x * x)
    found = torch.autograd.grad([(added * factor).sum()], [x])[0]
    assert found is not None
    return found


def test_sums_of_slices_below_opset_16():
    """They are a loop, with the derivative of the sum; where the program says so, with none."""
    check(added_without_gradient, X, mode="script", opsets=(13, 20), dynamic=True)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding(mode):
    sweep(f"torch.nn.functional.pad(x, [1, 2], mode='{mode}')", PAIR, W)


@pytest.mark.parametrize(
    ("expression", "left", "right"),
    [
        ("x @ w", (3, 4), (4, 5)),
        ("x @ w", (2, 3, 4), (4,)),
        ("x @ w", (4,), (2, 4, 5)),
        ("x @ w", (2, 1, 3, 4), (5, 4, 2)),
        ("torch.addmm(w, x, x.t())", (3, 4), (3,)),
        ("torch.nn.functional.linear(x, w)", (2, 3, 4), (5, 4)),
        ("torch.einsum('bij,bkj->bik', x, w)", (2, 3, 4), (2, 5, 4)),
        ("torch.einsum('ij->j', x)", (3, 4), (1,)),
        ("torch.cdist(x, w)", (3, 4), (5, 4)),
        ("torch.nn.functional.scaled_dot_product_attention(x, x, w)", (1, 2, 4, 4), (1, 2, 4, 4)),
    ],
)
def test_products(expression, left, right):
    sweep(expression, torch.randn(left), torch.randn(right), atol=1e-4)


@pytest.mark.parametrize(
    ("expression", "kernel"),
    [
        ("conv2d(x, w, None, 2, 1)", (3, 4, 3, 3)),
        ("conv2d(x, w, None, [2, 1], [1, 2], [1, 2])", (3, 4, 3, 2)),
        ("conv2d(x, w, None, 1, 1, 1, 2)", (6, 2, 3, 3)),
        ("conv2d(x, w, None, 3, 0, 1, 4)", (4, 1, 3, 3)),
        ("conv_transpose2d(x, w, None, 2, 1, 1)", (4, 3, 3, 3)),
        ("conv_transpose2d(x, w, None, 2, 1, 0, 2)", (4, 3, 3, 3)),
    ],
)
def test_convolutions(expression, kernel):
    function = program(f"torch.nn.functional.{expression}")
    check(function, IMAGE, torch.randn(kernel), mode="script", opsets=(13, 20), atol=1e-4)


@pytest.mark.parametrize(
    "expression",
    [
        "max_pool2d(x, 3, 2, 1)",
        "avg_pool2d(x, 3, 2, 1)",
        "avg_pool2d(x, 3, 2, 1, False, False)",
        "adaptive_avg_pool2d(x, 1)",
        "adaptive_avg_pool2d(x, [2, 3])",
        "adaptive_max_pool2d(x, 1)",
        "interpolate(x, scale_factor=2.0)",
        "interpolate(x, scale_factor=2.0, mode='bilinear')",
        "interpolate(x, size=[5, 9], mode='bicubic')",
        "pixel_shuffle(x, 2)",
        "unfold(x, [2, 2])",
        "group_norm(x, 2, w)",
        "instance_norm(x)",
        "layer_norm(x, [7])",
        "batch_norm(x, torch.zeros(4), torch.ones(4), w)",
        "batch_norm(x, None, None, w, None, True)",
    ],
)
def test_layers(expression):
    function = program(f"torch.nn.functional.{expression}")
    check(function, IMAGE, W, mode="script", opsets=(13, 20), atol=1e-4)


@pytest.mark.parametrize(
    "expression",
    [
        "mse_loss(x, w)",
        "smooth_l1_loss(x, w)",
        "binary_cross_entropy_with_logits(x, torch.sigmoid(w))",
        "cross_entropy(x, torch.tensor([0, 2, 1]))",
        "cosine_similarity(x, w)",
        "normalize(x)",
    ],
)
def test_losses(expression):
    function = program(f"torch.nn.functional.{expression}")
    check(function, X * 2, torch.randn(3, 4), mode="script", opsets=(13, 20))


# ---------------------------------------------------------------- programs


class Potential(nn.Module):
    """Energy and forces, as molecular dynamics wants them."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.SiLU(), nn.Linear(8, 1))

    def forward(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        positions = positions.detach().requires_grad_(True)
        rows = torch.triu_indices(positions.size(0), positions.size(0), 1)
        apart = (positions[rows[0]] - positions[rows[1]]).norm(2.0, -1, True)
        energy = self.net(apart).sum()
        gradient = torch.autograd.grad([energy], [positions])[0]
        assert gradient is not None
        return energy.detach(), -gradient


def test_forces(tmp_path):
    """Any number of atoms; the verification runs the program in PyTorch."""
    model, path = torch.jit.script(Potential()), tmp_path / "model.onnx"
    result = exporter.export(
        model, (torch.randn(5, 3),), path, dynamic_axes={"positions": {0: "atoms"}}, verify=True
    )
    assert "Loop" not in result.report.operators
    check(model, torch.randn(4, 3), mode="script", dynamic=True, calls=[(torch.randn(7, 3),)])


def second_order(x):
    x = x.detach().requires_grad_(True)
    y = (x**3).sum() * x.sin().sum()
    first = torch.autograd.grad([y], [x], create_graph=True)[0]
    assert first is not None
    second = torch.autograd.grad([(first * first).sum()], [x])[0]
    assert second is not None
    return first.detach(), second


def stopped(x):
    x = x.detach().requires_grad_(True)
    with torch.no_grad():
        factor = x * 2
    y = (x * factor).sum() + (x * x.detach()).sum()
    found = torch.autograd.grad([y], [x])[0]
    assert found is not None
    return found


def through_the_middle(x):
    x = x.detach().requires_grad_(True)
    middle = x * x
    y = (middle * x).sum()
    found = torch.autograd.grad([y, middle.sum()], [x, middle])
    first, second = found[0], found[1]
    assert first is not None
    assert second is not None
    return first, second


def to_a_constant(x):
    """The stress of a potential is a gradient to a strain of zero."""
    strain = torch.zeros(4, 4)
    strain.requires_grad_(True)
    factor = torch.ones(()).requires_grad_(True)
    moved = torch.outer(x.flatten(), torch.ones(4))
    strained = moved + torch.matmul(moved, 0.5 * (strain + strain.t())) * factor
    found = torch.autograd.grad([strained.sin().sum()], [strain, factor])
    first, second = found[0], found[1]
    assert first is not None
    assert second is not None
    return first, second, strain.detach() + 1, strain.requires_grad


@pytest.mark.parametrize("function", [second_order, stopped, through_the_middle, to_a_constant])
def test_what_depends_on_what(function):
    """Gradients of gradients; nothing passes a detached value, or what was computed in no_grad."""
    check(function, torch.randn(3, 4), mode="script", dynamic=True, calls=[(torch.randn(1, 2),)])


def of_known_value(x):
    x = x.detach().requires_grad_(True)
    found = torch.autograd.grad([(3 * x).sum()], [x])[0]
    return x.detach() if found is None else found


def test_gradients_of_known_value():
    """They are constants, and there."""
    check(of_known_value, X, mode="script")


def unused(x):
    x = x.detach().requires_grad_(True)
    other = x.detach().requires_grad_(True)
    return torch.autograd.grad([x.sum()], [other])[0]


def test_refusals():
    """A gradient to what was not used."""
    refuses(unused, X, match="do not depend on", mode="script")


def dropped(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.detach().requires_grad_(True)
    y = torch.dropout(x, 0.25, True)
    gradient = torch.autograd.grad([y.sum()], [x])[0]
    assert gradient is not None
    return y.detach(), gradient


@pytest.mark.parametrize("opset", [11, 20])
def test_dropout(opset: int) -> None:
    """The gradient is zero where an element was dropped, and scaled like it elsewhere."""
    x = torch.rand(5, 50) + 1
    result = exporter.export(torch.jit.script(dropped), (x,), opset_version=opset)
    y, gradient = loaded(result).run(None, {"x": x.numpy()})
    assert set(gradient.ravel().round(4)) == {0, np.float32(1.3333)}
    np.testing.assert_allclose(y, x.numpy() * gradient, rtol=1e-6)
