"""What a program asks and says of gradients."""

import torch
from torch import Tensor, nn

from tests.conversion.harness import check, check_state, refuses

X = torch.tensor([1.0, -2.0, 3.0])


class Flags(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)
        self.register_buffer("mean", torch.ones(3))
        self.plain = torch.ones(3, requires_grad=True)

    def forward(self, x: Tensor) -> tuple[bool, bool, bool, bool, bool, bool, bool, bool]:
        either = self.weight if x.sum() > 0 else self.weight
        return (
            self.weight.requires_grad,
            self.frozen.requires_grad,
            self.mean.requires_grad,
            self.plain.requires_grad,
            x.requires_grad,
            (self.weight * x).requires_grad,
            self.weight.detach().requires_grad,
            either.requires_grad,
        )


@torch.no_grad()
def test_flags_of_parameters() -> None:
    check(Flags(), (X,), (-X,))


@torch.no_grad()
def test_requires_grad_() -> None:
    def program(x: Tensor) -> tuple[bool, bool, bool, Tensor]:
        y = x.detach().requires_grad_()
        before = y.requires_grad
        same = y.contiguous().requires_grad
        return before, same, y.requires_grad_(False).requires_grad, y

    check(program, (X,))


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("mean", torch.ones(3))

    def forward(self, x: Tensor) -> tuple[bool, bool, Tensor]:
        with torch.no_grad():
            self.weight.add_(1)
            self.mean.add_(x)
        return (
            self.weight.requires_grad,
            self.mean.requires_grad,
            (self.weight + self.mean).detach(),
        )


def test_flags_of_state() -> None:
    check_state(Counting(), (X,), (-X,))


class OneOfTwo(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x: Tensor) -> tuple[Tensor, bool]:
        chosen = self.mean
        if bool(x.sum() > 0):
            chosen = self.weight
        return chosen + x, chosen.requires_grad


def test_where_the_path_decides() -> None:
    def set_in_a_branch(x: Tensor) -> bool:
        y = x.detach()
        if bool(x.sum() > 0):
            y.requires_grad_(True)
        return y.requires_grad

    def mode_in_a_branch(x: Tensor) -> Tensor:
        if bool(x.sum() > 0):
            torch.set_grad_enabled(True)
        return x * 2

    refuses(OneOfTwo(), X, match="requires_grad.* path that was taken")
    refuses(set_in_a_branch, X, match="requires_grad.* path that was taken")
    refuses(mode_in_a_branch, X, match="set_grad_enabled in a branch")
    refuses(computed, X, match="computed where gradients are recorded")


def computed(x: Tensor) -> bool:
    torch.set_grad_enabled(True)
    return (x * 2).requires_grad


def test_the_mode_is_set() -> None:
    def program(x: Tensor) -> tuple[bool, bool, bool, bool, bool, Tensor]:
        torch.set_grad_enabled(True)
        y = x * 2
        on = torch.is_grad_enabled()
        with torch.no_grad():
            inside = torch.is_grad_enabled()
            torch.set_grad_enabled(True)
        integers = (y > 0).requires_grad, x.requires_grad
        torch.set_grad_enabled(False)
        off = torch.is_grad_enabled()
        return on, inside, off, integers[0], integers[1], y

    enabled = torch.is_grad_enabled()
    try:
        check(program, (X,))
    finally:
        torch.set_grad_enabled(enabled)
