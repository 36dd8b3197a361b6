"""Dropout."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.symbolics.harness import check

X = torch.randn(2, 3, 4, 4)
KINDS = [F.dropout, F.alpha_dropout, F.dropout2d, F.feature_alpha_dropout]


@pytest.mark.parametrize("drop", KINDS)
def test_evaluation_changes_nothing(drop: object) -> None:
    check(lambda x: drop(x, 0.5, False), X, opsets=(9, 13, 20, 26))  # type: ignore[operator]


@pytest.mark.parametrize("drop", KINDS)
def test_training(drop: object) -> None:
    check(lambda x: drop(x, 0.5, True), X, values=False)  # type: ignore[operator]
    check(lambda x: drop(x, 0.0, True), X)  # type: ignore[operator]
    check(lambda x: drop(x, 1.0, True), X)  # type: ignore[operator]


def channels_dropped(x: torch.Tensor, p: float) -> torch.Tensor:
    return torch.feature_dropout(x, p, True)


def test_whole_channels_with_a_ratio_of_run_time() -> None:
    """The model is compared where nothing is left to chance: at ratios of 0 and 1."""
    x = torch.ones(2, 3, 4)
    check(channels_dropped, x, 0.0, mode="script", calls=[(x * 3, 1.0)], opsets=(11, 20))
    check(channels_dropped, x, 0.5, mode="script", values=False)
