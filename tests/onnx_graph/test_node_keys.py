"""What is computed twice in the same way is one integer, and one node."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.conversion.harness import check, operators


class Masked(nn.Module):
    """Every function of a speech model makes its own mask from the lengths."""

    def mask(self, lengths: Tensor) -> Tensor:
        """[batch, longest]: what is there."""
        steps = torch.arange(int(lengths.max()), device=lengths.device)
        return steps.unsqueeze(0) < lengths.unsqueeze(1)

    def forward(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        """Rows of the sums over what is there, in a list that a loop makes."""
        rows: list[Tensor] = []
        hidden = torch.zeros(lengths.size(0), int(lengths.max()))
        for i in range(x.size(0)):
            hidden = torch.tanh(hidden + 1).masked_fill(~self.mask(lengths), -1.0) * x[i]
            rows.append(hidden)
        return [torch.stack(rows)]


def test_the_longest_is_one_size() -> None:
    """The rows have one shape, so they are a scan output at an opset without sequences."""
    calls = [
        (torch.randn(n), torch.tensor(sizes)) for n, sizes in [(3, [1, 4]), (5, [2]), (1, [3, 3])]
    ]
    axes = {"x": {0: "n"}, "lengths": {0: "batch"}}
    result = check(Masked(), *calls, dynamic_axes=axes, opset_version=11)
    assert not operators(result) & {"SequenceInsert", "If"}


def test_different_computations_are_different() -> None:
    def program(x: Tensor) -> tuple[Tensor, Tensor]:
        sizes = [int(x.max()), int(x.min()), int(x[0]), int(x[1]), int(x.max())]
        return torch.ones(sizes[0], sizes[1]), torch.ones(sizes[2], sizes[3], sizes[4])

    check(program, (torch.tensor([2, 5, 1]),), (torch.tensor([4, 3, 2]),))
