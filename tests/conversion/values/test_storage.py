"""`as_strided`, which looks past a tensor at the storage behind it."""

import pytest
import torch

from tests.conversion.harness import check, refuses

M = torch.arange(12.0).reshape(3, 4) - 5


@pytest.mark.parametrize("dynamic", [False, True])
def test_as_strided_looks_at_the_storage(dynamic: bool) -> None:
    def program(x):
        return (
            torch.as_strided(x[1:], [2], [1], 0),
            torch.as_strided(x.t(), [5], [1]),
            torch.as_strided(x[1], [4], [1]),
            torch.as_strided(x[2:, 1].unsqueeze(0), [1, 2], [1, 1]),
        )

    check(program, (M,), (-M,), dynamic=dynamic)


@pytest.mark.parametrize(
    ("size", "stride"),
    [
        ([2, 4], [1, 1]), ([4, 2], [1, 1]), ([3, 3], [1, 1]), ([2, 3, 4], [1, 1, 1]),
        ([2, 4], [0, 1]), ([2, 3, 2], [2, 1, 2]), ([2, 2], [2, 1]),
    ],
)  # fmt: skip
def test_copies_of_what_overlaps(size: list[int], stride: list[int]) -> None:
    """Dims of one stride have an order in the copy, by their sizes."""

    def program(x, size: list[int], stride: list[int]):
        y = torch.as_strided(x, size, stride).clone()
        return y.reshape(-1), y.is_contiguous(), torch.tensor(y.stride())

    check(program, (M, size, stride), constants={"size": size, "stride": stride})


def test_as_strided_without_known_strides() -> None:
    def program(x, flag: bool):
        y = x.t() + 1 if flag else x.clone()
        return torch.as_strided(y, [2], [1])

    refuses(program, M, True, match="whose place in memory is not known")


def test_as_strided_of_complex_tensors() -> None:
    """It looks at the storage, whose elements a conjugate, a part or a pair does not show."""

    def program(x):
        z = torch.complex(x, x * 2)
        strided = torch.view_as_real(torch.as_strided(z[1:], [2, 2], [1, 2], 1) * 1)
        torch.as_strided(z, [2], [3]).mul_(2)
        return torch.view_as_real(z) * 1, strided

    def conjugate(x):
        return torch.view_as_real(torch.as_strided(torch.complex(x, x).conj(), [2], [2]) * 1)

    def part(x):
        return torch.as_strided(torch.complex(x, x).real, [2], [2])

    def negative(x):
        return torch.as_strided(torch._neg_view(x), [2], [2])

    check(program, (M,))
    for view in (conjugate, part, negative):
        refuses(view, M, match="whose place in memory is not known")


def test_as_strided_of_what_may_be_a_view() -> None:
    """Whether that reshape copies is not known, and so not what lies in memory behind it."""

    def program(x):
        y = (x.transpose(0, 1) + 1).reshape(3, 2, 2, 2).transpose(1, 2)
        return torch.as_strided(y.reshape(3, 4, 2), [3, 2], [8, 1])

    refuses(program, torch.rand(2, 3, 4), match="whose place in memory is not known")


def test_as_strided_of_results_that_are_contiguous_whatever_the_arguments_are() -> None:
    """As in attention over windows: heads of a projection, cut up by `reshape` and strides."""

    def program(x, weight, bias):
        y = torch.nn.functional.linear(x.transpose(0, 1), weight, bias)
        y /= 2
        heads = y.view(4, 2, 3, 2).permute(1, 2, 0, 3).reshape(6, 4, 2)
        return (
            torch.as_strided(heads, [6, 3, 2, 2], [2, 12, 12, 1]),
            torch.as_strided(torch.softmax(x.permute(2, 0, 1), 0), [3, 2], [5, 1]),
            torch.as_strided(torch.layer_norm(x.transpose(0, 1), [6]), [3, 2], [5, 1]),
            torch.as_strided(torch.mm(x[0].t(), bias.expand(4, 6)), [6, 2], [2, 1]),
        )

    call = (torch.rand(2, 4, 6), torch.rand(6, 6), torch.rand(6))
    check(program, call)


def test_as_strided_of_results_of_tensors_with_gaps() -> None:
    """Where what is left out lies between elements in order, a new tensor has no gaps."""

    def program(x, other):
        part = x[:, 0, ::2]
        return (
            torch.as_strided((part != 0).type_as(other.t()), [3], [3]),
            torch.as_strided(part.masked_fill(part > 0.5, 0) + part, [4], [2]),
            torch.as_strided(other.t().new_ones(part.size()), [3], [3]),
            torch.as_strided(torch.ones(4, 3).type_as(other.t().double()), [3], [4]),
        )

    check(program, (torch.rand(3, 2, 6), torch.rand(3, 3)))
