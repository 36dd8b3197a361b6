"""Limits."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check, refuses

INF, NAN = float("inf"), float("nan")
EDGES = torch.tensor([0.0, -0.0, 1.0, -1.5, 9.0, INF, -INF, NAN])
INTS = torch.tensor([-7, 0, 3, 9])
ALL_OPSETS = (9, 11, 12, 13, 20, 26)

BOUNDS = [(-1, 1), (None, 0.5), (0, None), (2, -2), (-INF, INF), (NAN, 1.0)]


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("values", [EDGES, EDGES.double(), EDGES.half(), torch.tensor(3.0)])
def test_clamp(values: torch.Tensor, bounds: tuple[float | None, float | None]) -> None:
    """A maximum below the minimum wins, and a bound of NaN takes over."""
    check(lambda a: torch.clamp(a, *bounds), values, opsets=ALL_OPSETS)


def test_bounds_take_part_in_promotion() -> None:
    check(lambda a: (torch.clamp(a, 0, 5), torch.clamp(a, 0.5), torch.clamp(a, max=2)), INTS)
    check(lambda a: torch.clamp(a, 1, 200), INTS.to(torch.uint8))


def test_tensor_bounds() -> None:
    low, high = torch.tensor([[-1.0], [NAN]]), torch.tensor(2.0)
    check(
        lambda a, b, c: (torch.clamp(a, b, c), torch.clamp(a, b), a.clamp(max=c)), EDGES, low, high
    )
    check(lambda a, b: torch.clamp(a, b, None), INTS, torch.tensor(0.5))


PAIRS = [torch.maximum, torch.minimum, torch.fmax, torch.fmin, torch.heaviside]


@pytest.mark.parametrize("choose", PAIRS)
@pytest.mark.parametrize("values", [EDGES, INTS, EDGES.double(), torch.tensor([True, False])])
def test_pairs(choose: object, values: torch.Tensor) -> None:
    check(choose, values, values.reshape(-1, 1), opsets=ALL_OPSETS)  # type: ignore[arg-type]


def test_threshold() -> None:
    threshold = torch.nn.functional.threshold
    check(lambda a: threshold(a, 0.5, 20.0), EDGES)
    check(lambda a: threshold(a, 1, 20), INTS)


def test_no_bounds() -> None:
    def clamp(x: torch.Tensor) -> torch.Tensor:
        return torch.clamp(x)

    refuses(clamp, EDGES, match="min and max are both None", mode="script")


def test_large_integers() -> None:
    """onnxruntime's Max, Min and Clip go wrong where the lower halves of int64 look negative."""
    large = torch.tensor([0, 5, -7, 2**31, 2**31 - 1, -(2**31) - 1, 2**32 + 5, 2**63 - 1, -(2**63)])

    def program(a, b):
        bounded = torch.clamp(a, -3, 2**31 + 1), a.clamp(min=3), a.clamp(max=b), a.relu()
        return torch.maximum(a, b), torch.minimum(a, b), *bounded

    check(program, large[:, None], large, opsets=ALL_OPSETS)
