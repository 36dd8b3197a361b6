"""Norms of every order, distances, similarities."""

from __future__ import annotations

import math

import pytest
import torch

from tests.symbolics.harness import check

ORDERS = [0, 1, 2, 3, 0.5, -1, math.inf, -math.inf]


@pytest.mark.parametrize("order", ORDERS)
def test_vector_norms(order) -> None:
    x = torch.tensor([[3.0, 0, -4], [1, -2, 0.5]])
    check(lambda x: torch.linalg.vector_norm(x, order, dim=-1, keepdim=True), x)
    check(lambda x: (torch.norm(x, order), torch.dist(x, x + 1, order)), x, opsets=(20,))
    check(lambda x: torch.linalg.vector_norm(x, order), torch.tensor(-3.0), opsets=(20,))
    check(lambda x: torch.linalg.vector_norm(x, order, dtype=torch.float64), x, opsets=(20,))


@pytest.mark.parametrize("order", [1, -1, 2, -2, math.inf, -math.inf, "fro", "nuc"])
def test_matrix_norms(order) -> None:
    x = torch.arange(24.0).reshape(2, 3, 4).sin()
    check(lambda x: torch.linalg.matrix_norm(x, order), x, opsets=(20,))
    check(lambda x: torch.linalg.norm(x, order, dim=(0, 2), keepdim=True), x, opsets=(20,))


@pytest.mark.parametrize("order", [1, math.inf])
def test_empty_matrices(order) -> None:
    """The largest of no sums is 0."""
    calls = [(torch.zeros(2, 3, 0),), (torch.zeros(2, 0, 3),)]
    check(
        lambda x: torch.linalg.matrix_norm(x, order),
        torch.randn(2, 3, 3),
        dynamic=True,
        calls=calls,
    )


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3, -1, math.inf])
def test_norms_of_single_elements(order) -> None:
    """Their powers could overflow, or become 0."""
    x = torch.tensor([[1e30], [-1e-30], [math.nan], [math.inf]])
    check(lambda x: torch.linalg.vector_norm(x, order, 1), x, rtol=1e-6, atol=0)
    check(lambda x: torch.linalg.vector_norm(x, order, [1], keepdim=True), x, rtol=1e-6, atol=0)


def test_nan_and_inf() -> None:
    x = torch.tensor([1.0, math.nan, math.inf])
    check(lambda x: (x.norm(), x.norm(math.inf), x.norm(0)), x)


@pytest.mark.parametrize("p", [0.0, 1.0, 1.5, 2.0, math.inf])
def test_distances(p) -> None:
    x, y = torch.randn(2, 5, 3), torch.randn(4, 3)
    empty = torch.zeros(2, 5, 0), torch.zeros(4, 0)
    check(lambda x, y: torch.cdist(x, y, p), x, y, opsets=(20,), dynamic=True, calls=[empty])
    calls = [(torch.randn(3, 0),), (torch.randn(1, 2),)]
    check(lambda x: torch.pdist(x, p), y, opsets=(20,), dynamic=True, calls=calls)
    check(lambda x, y: torch.nn.functional.pairwise_distance(x, y, p), x[0, :4], y, opsets=(20,))


def test_many_rows() -> None:
    check(torch.cdist, torch.randn(30, 4), torch.randn(26, 4), atol=1e-3)


def test_similarity_and_renorm() -> None:
    x, y = torch.randn(2, 3, 4), torch.randn(3, 1)
    check(lambda x, y: torch.cosine_similarity(x, y, dim=2), x, y)
    check(lambda x: (torch.nn.functional.normalize(x), x.renorm(2, 1, 0.5)), x)
