"""What an in-place operator may write to a tensor."""

import pytest
import torch

from tests.conversion.harness import check, refuses

I = torch.tensor([5, -7, 2])  # noqa: E741
B = torch.tensor([True, False, True])


def test_results_of_a_lower_kind_take_the_dtype() -> None:
    def program(i, b):
        x = i.to(torch.float32)
        x += i
        x.mul_(b)
        n = i.clone()
        n.add_(b).mul_(2).eq_(10)
        n.addcmul_(i, i, value=2)
        small = i.to(torch.int8)
        small.add_(i * 100)
        d = x.to(torch.float64)
        x.add_(d)
        m = b.clone()
        m.logical_xor_(i)
        n.masked_fill_(b, 2.5)
        return x, n, small, m, i.clone().fill_(2.5), i.clone().copy_(d + 0.5)

    check(program, (I, B))


def quotient(x):
    x = x.clone()
    x /= 2
    return x


def shifted(x):
    return x.clone().add_(1.5)


def root(x):
    return x.clone().sqrt_()


@pytest.mark.parametrize("program", [quotient, shifted, root])
def test_floats_are_not_written_to_integers(program) -> None:
    with pytest.raises(RuntimeError):
        program(I)
    refuses(program, I, match="float can't be written in place to a tensor of int64")


def test_numbers_are_not_written_to_bools() -> None:
    def program(b):
        return b.clone().add_(1)

    with pytest.raises(RuntimeError):
        program(B)
    refuses(program, B, match="int64 can't be written in place to a tensor of bool")


def test_a_branch_that_writes_floats_to_integers_is_one_that_fails() -> None:
    def program(i, flag: bool):
        y = i.clone()
        if flag:
            y.div_(2)
        return y

    check(program, (I, False))
