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


@pytest.mark.parametrize(
    "view", ["x.flatten()[:5].unfold(0, 3, 1)", "x.as_strided([3, 3], [1, 1])"]
)
def test_windows_are_written_as_a_whole(view: str) -> None:
    """An element in two windows is added to twice; one value for all is the same in any order."""

    def written(statement: str):
        source = (
            f"def f(x: Tensor):\n    x = x + 1\n    y = {view}\n    {statement}\n    return x\n"
        )
        return torch.jit.CompilationUnit(source).f

    x = torch.randn(3, 3)
    for statement in ("y.add_(1)", "y.copy_(x.clone())", "y += x"):
        refuses(written(statement), x, match="one in memory")
    for statement in ("y.fill_(2)", "y[0] = 3", "y[:, 1].add_(1)", "y[y > 0] = 7", "y[:] = 4"):
        check(written(statement), (x,))


def test_expanded_tensors_are_not_written_as_a_whole() -> None:
    """PyTorch raises: a branch that does is never taken."""

    def program(x, c: bool):
        y = x + 1
        if c:
            y[0].expand(3, 3).add_(1)
        return y

    result = check(program, (torch.randn(3, 3), False))
    (told,) = result.report.preconditions
    assert "add_ of an expanded tensor" in told
