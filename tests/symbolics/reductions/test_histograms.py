"""Histograms, of one and of more dims."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check

X = torch.randn(50)
POINTS = torch.rand(6, 5, 2)


def test_one_dim() -> None:
    """Equal parts of the data's own range, or of a given one; weights; edges."""
    calls = [(torch.randn(7),), (torch.full((3,), 2.0),)]
    check(lambda x: (torch.histc(x, 7), torch.histc(x, 5, -1, 1)), X, dynamic=True, calls=calls)
    check(lambda x: torch.histogram(x, 6, range=(-1.0, 1.0), density=True), X)
    check(lambda x: torch.histogram(x, 4), X, dynamic=True, calls=calls)
    edges = torch.tensor([-1.0, 0.0, 0.5, 2.0])
    check(lambda x, e, w: torch.histogram(x, e, weight=w), X, edges, torch.rand(50))


def test_nan_is_in_no_bin() -> None:
    x = torch.tensor([0.5, float("nan"), -0.5, 0.7])
    check(lambda x: (torch.histc(x, 4, -1, 1), torch.histogram(x, 4, range=(-1.0, 1.0))), x)


@pytest.mark.parametrize("density", [False, True])
def test_more_dims(density: bool) -> None:
    """Points of two coordinates, in as many bins each, in others, and between given edges."""
    weight = torch.rand(6, 5)
    axes = {"x0": {0: "count"}, "x1": {0: "count"}}
    calls = [(torch.rand(2, 5, 2), torch.rand(2, 5))]

    def histograms(x: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, ...]:
        same = torch.histogramdd(x, 3, density=density)
        other = torch.histogramdd(x, [2, 4], range=[0.0, 0.5, 0.2, 0.9], weight=w, density=density)
        edges = [torch.tensor([0.0, 0.3, 1.0]), torch.tensor([0.1, 0.2, 0.7, 0.8])]
        given = torch.histogramdd(x, edges, weight=w, density=density)
        return same.hist, *same.bin_edges, other.hist, *other.bin_edges, given.hist

    check(histograms, POINTS, weight, dynamic=axes, calls=calls)
