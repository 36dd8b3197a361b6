"""Activations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tests.symbolics.harness import captured, check, export, loaded, refuses, run

INF, NAN = float("inf"), float("nan")
EDGES = torch.tensor([[0.0, -0.0, 0.3, -0.5, 0.5, -2.0], [4.0, 30.0, -30.0, INF, -INF, NAN]])
FINITE = EDGES.clamp(-40, 40).nan_to_num()
ALL_OPSETS = (9, 13, 20, 26)

PLAIN = {
    "relu": F.relu,
    "relu6": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, -0.2, 0.7),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "rrelu": F.rrelu,
    "selu": F.selu,
    "elu": lambda x: F.elu(x, 0.5),
    "celu": lambda x: F.celu(x, 0.5),
    "celu_of_a_large_alpha": lambda x: F.celu(x, 3.3),
    "celu_below_zero": lambda x: F.celu(x, -0.5),
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "softplus scaled": lambda x: F.softplus(x, 2, 10),
    "logsigmoid": F.logsigmoid,
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "softshrink": F.softshrink,
    "hardshrink": lambda x: F.hardshrink(x, 0.3),
    "tanhshrink": F.tanhshrink,
    "softsign": F.softsign,
}


@pytest.mark.parametrize("name", PLAIN)
def test_edges(name: str) -> None:
    """Infinities and NaN come out as PyTorch's do, but where inf - inf would be needed."""
    smooth = name in ("silu", "mish", "tanhshrink", "softsign", "logsigmoid", "hardswish")
    check(PLAIN[name], FINITE if smooth else EDGES, opsets=ALL_OPSETS)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_dtypes(name: str, dtype: torch.dtype) -> None:
    check(PLAIN[name], FINITE.to(dtype), opsets=(20,))


def test_integers() -> None:
    check(lambda x: (F.relu(x), F.relu6(x)), torch.tensor([-(2**60), -1, 0, 2**60]))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    check(lambda x: F.gelu(x, approximate=approximate), FINITE, opsets=ALL_OPSETS)


def test_prelu() -> None:
    weight = torch.tensor([0.1, -0.2, 3.0])
    for x in (torch.randn(2, 3), torch.randn(2, 3, 4), torch.randn(2, 3, 2, 2)):
        check(F.prelu, x, weight)
    check(F.prelu, torch.randn(4), weight[:1])
    check(
        F.prelu,
        torch.randn(2, 3),
        weight[:1],
        dynamic=True,
        calls=[(torch.randn(4, 5), weight[:1])],
    )


def test_glu() -> None:
    check(F.glu, torch.randn(3, 4))
    check(lambda x: F.glu(x, 0), torch.randn(4, 3), dynamic=True, calls=[(torch.randn(6, 2),)])


def test_glu_of_an_odd_size_fails(tmp_path: Path) -> None:
    """Of size 3 the halves would be of 1 and 2, which broadcast."""

    def gated(x: torch.Tensor) -> torch.Tensor:
        return F.glu(x, 0)

    refuses(gated, torch.ones(3, 2), match="size 3 has no halves", mode="script")
    inputs = (torch.ones(4, 2),)
    export(captured(gated, inputs, "trace"), inputs, tmp_path / "m.onnx", 20, True)
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        run(loaded(tmp_path / "m.onnx"), [torch.ones(3, 2)])


@pytest.mark.parametrize("function", [torch.softmax, torch.log_softmax])
def test_softmax(function: object) -> None:
    x = torch.randn(2, 3, 4)
    for dim in (0, 1, -1):
        check(lambda a, d=dim: function(a, d), x, opsets=ALL_OPSETS)  # type: ignore[operator]
    check(lambda a: function(a, 0), torch.tensor(2.0))  # type: ignore[operator]
    check(lambda a: function(a, 1, dtype=torch.float64), x)  # type: ignore[operator]
    check(lambda a: function(a, 0, dtype=torch.float32), torch.tensor([1, 2]))  # type: ignore[operator]
    check(lambda a: function(a, 1), x, dynamic=True, calls=[(torch.randn(1, 5, 2),)])  # type: ignore[operator]
    check(lambda a: function(a, 0), torch.tensor([-INF, -INF]))  # type: ignore[operator]


def test_softmax_of_integers_is_refused() -> None:
    def softmax(x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, 0)

    refuses(softmax, torch.tensor([1, 2]), match="no softmax of int64", mode="script")
