"""The CTC loss."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.symbolics.harness import check

PROBABILITIES = torch.randn(7, 3, 5).log_softmax(-1)
TARGETS = torch.tensor([[1, 1, 2], [3, 4, 4], [2, -1, 0]])  # repeats, and padding of any value
INPUTS, LENGTHS = torch.tensor([7, 6, 5]), torch.tensor([3, 2, 1])


def ctc(
    log_probs: Tensor, targets: Tensor, inputs: Tensor, lengths: Tensor, **options: object
) -> Tensor:
    return F.ctc_loss(log_probs, targets, inputs, lengths, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_padded_and_in_a_row(reduction: str) -> None:
    def loss(x: Tensor, t: Tensor, i: Tensor, n: Tensor) -> Tensor:
        return ctc(x, t, i, n, reduction=reduction)

    row = torch.tensor([1, 1, 2, 3, 4, 2])
    check(loss, PROBABILITIES, TARGETS, INPUTS, LENGTHS, opsets=(11, 13, 20, 26))
    check(loss, PROBABILITIES.double(), row, INPUTS.int(), LENGTHS.int())


def test_no_batch_and_known_lengths() -> None:
    check(lambda x, t: F.ctc_loss(x, t, (7,), (3,)), PROBABILITIES[:, 0], TARGETS[0])
    check(lambda x, t: F.ctc_loss(x, t, (7, 7, 7), (3, 2, 1), blank=2), PROBABILITIES, TARGETS)


def test_what_no_path_reads_as() -> None:
    """Infinite where the targets are too long, zero where there is nothing to read."""
    too_short = torch.tensor([2, 0, 0])
    for zero in (False, True):
        check(
            lambda x, t, i, n, zero=zero: ctc(x, t, i, n, reduction="none", zero_infinity=zero),
            PROBABILITIES,
            TARGETS,
            too_short,
            torch.tensor([3, 2, 0]),
        )


def test_sizes_may_vary() -> None:
    calls = [
        (
            torch.randn(4, 1, 5).log_softmax(-1),
            torch.tensor([[2, 3]]),
            torch.tensor([4]),
            torch.tensor([2]),
        )
    ]
    check(ctc, PROBABILITIES, TARGETS, INPUTS, LENGTHS, dynamic=True, calls=calls)
