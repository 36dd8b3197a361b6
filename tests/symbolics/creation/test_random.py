"""Random numbers: dtypes and shapes, and that distributions are what they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.symbolics.harness import captured, check, export, loaded, run

X = torch.rand(3, 4)
OPSETS = (13, 20, 26)

CASES: dict[str, Callable[[torch.Tensor], object]] = {
    "rand": lambda x: torch.rand(2, 3) + x[0, 0],
    "randn": lambda x: torch.randn(2, 3, dtype=torch.float64) + x[0, 0],
    "rand_like": torch.rand_like,
    "randn_like": lambda x: torch.randn_like(x, dtype=torch.float16),
    "randint": lambda x: (torch.randint(5, (2,)), torch.randint(2, 5, (3,), dtype=torch.int32), x),
    "randint_like": lambda x: (torch.randint_like(x, 7), torch.randint_like(x, 2, 7)),
    "randperm": lambda x: (torch.randperm(6), x),
    "bernoulli": lambda x: (torch.bernoulli(x), torch.bernoulli(x, 0.3)),
    "multinomial": lambda x: (torch.multinomial(x, 2), torch.multinomial(x[0], 6, True)),
    "normal": lambda x: (torch.normal(x, 2.0), torch.normal(x, x), torch.normal(0.0, x)),
    "in place": lambda x: (x.clone().normal_(), x.clone().uniform_(2, 3), x.clone().random_(5)),
    "exponential": lambda x: (x.clone().exponential_(), x.clone().geometric_(0.5)),
    "log_normal": lambda x: (x.clone().log_normal_(), x.clone().cauchy_()),
}


@pytest.mark.parametrize("name", CASES)
def test_dtypes_and_shapes(name: str) -> None:
    check(CASES[name], X, values=False, opsets=OPSETS)


def test_sizes_may_vary() -> None:
    for name in ("rand_like", "randn_like", "bernoulli"):
        check(
            CASES[name],
            X,
            values=False,
            dynamic=True,
            calls=[(torch.rand(0, 2),), (torch.rand(5, 1),)],
        )


@pytest.mark.parametrize("opset", OPSETS)
def test_distributions(opset: int, tmp_path: Path) -> None:
    """Means, deviations and the independence of two draws; newer opsets make theirs bit by bit."""

    def draw(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weights = torch.zeros(2, 3) + torch.arange(1, 4)
        picked = torch.multinomial(weights + x[0, 0] * 0, 20000, True)
        return (
            torch.rand_like(x),
            torch.rand_like(x),
            torch.randn_like(x),
            picked,
            torch.randint_like(x, 4),
        )

    x = torch.ones(200, 200)
    export(captured(draw, [x], "trace"), (x,), tmp_path / "m.onnx", opset, False)
    first, second, normal, picked, whole = run(loaded(tmp_path / "m.onnx"), [x])
    assert abs(first.mean() - 0.5) < 0.01
    assert abs(first.std() - 0.2887) < 0.01
    assert first.min() >= 0
    assert first.max() < 1
    assert abs(abs(first - second).mean() - 1 / 3) < 0.01
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03
    assert abs((picked == 2).mean() - 0.5) < 0.02
    assert {*whole.reshape(-1).tolist()} == {0.0, 1.0, 2.0, 3.0}
