"""`prims::` operators, as decomposed graphs call them."""

import pytest
import torch

from tests.symbolics.harness import check

prims = torch.ops.prims
X, Y = torch.randn(3, 4), torch.randn(3, 4)
BITS, OTHER = torch.tensor([5, -7, 0]), torch.tensor([2, 3, -4])


@pytest.mark.parametrize(
    "name",
    [
        "abs",
        "atan",
        "ceil",
        "cos",
        "cosh",
        "erf",
        "exp",
        "floor",
        "neg",
        "round",
        "sign",
        "sin",
        "tanh",
        "trunc",
        "bessel_i0",
        "expm1",
    ],
)
def test_functions_of_one(name):
    check(getattr(prims, name), X, opsets=(20,))


def test_parts():
    z = torch.complex(X, Y)
    check(lambda z: (prims.real(z), prims.imag(z) * 2, prims.conj(z) * 2), z, opsets=(20,))
    check(lambda x, y: (prims.frexp(x), prims.nextafter(x, y)), X, Y, opsets=(20,))


@pytest.mark.parametrize(
    "name", ["acos", "sqrt", "rsqrt", "log", "log2", "erf_inv", "ndtri", "lgamma", "cbrt"]
)
def test_functions_of_a_range(name):
    check(getattr(prims, name), torch.rand(3, 4) * 0.8 + 0.1, opsets=(20,))


@pytest.mark.parametrize(
    "name",
    [
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "maximum",
        "fmin",
        "atan2",
        "eq",
        "lt",
        "ge",
        "hypot",
        "remainder",
        "fmod",
    ],
)
def test_functions_of_two(name):
    check(getattr(prims, name), X.abs() + 1, Y.abs() + 1, opsets=(20,))


@pytest.mark.parametrize("name", ["div", "bitwise_and", "bitwise_xor", "gcd", "mul", "shift_left"])
def test_integers(name):
    check(getattr(prims, name), BITS, OTHER.abs(), opsets=(20,))


def moves(x):
    p = torch.ops.prims
    return (
        p.transpose(x, [1, 0]),
        p.reshape(x, [2, 6]),
        p.squeeze(p.split_dim(x, 1, 4), [2]),
        p.broadcast_in_dim(x, [2, 3, 5, 4], [1, 3]),
        p.collapse(x, 0, 1),
        p.rev(x, [0, 1]),
        p.cat([x, x], 1),
        p.where(x > 0, x, x * 2),
        p.view_of(x) + p.clone(x),
        p.convert_element_type(x, torch.float64),
    )


def reductions(x):
    p = torch.ops.prims
    i = torch.ops.prims.convert_element_type(x * 5, torch.int32)
    return (
        p.sum(x, [0]),
        p.sum(i, [0, 1]),
        p.prod(x, [1]),
        p.amax(x, [1]),
        p.amin(x, [0, 1]),
        p.var(x, [1], 1.0),
    )


def new_tensors(x):
    p = torch.ops.prims
    cpu = torch.device("cpu")
    return (
        p.iota(x.size(0), start=2, step=3, dtype=torch.int64, device=cpu, requires_grad=False),
        p.full([2, 3], 1.5, dtype=torch.float32, device=cpu, requires_grad=False),
        p.full_like(x, 2, dtype=torch.float64, device=cpu, requires_grad=False),
        p.scalar_tensor(3, dtype=torch.float32, device=cpu),
    )


@pytest.mark.parametrize("function", [moves, reductions, new_tensors])
def test_the_rest(function):
    check(function, X, mode="script")
