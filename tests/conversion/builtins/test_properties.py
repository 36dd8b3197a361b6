"""What can be asked of a tensor."""

import torch
from torch import Tensor

from tests.conversion.harness import check, refuses

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


def test_what_is_known() -> None:
    def program(x: Tensor, n: int):
        y = x.clone()
        device = torch.device("cuda:1")
        return (
            abs(x),
            x.get_device(),
            x.storage_offset(),
            torch.Size([n, x.size(0)]),
            [x.is_set_to(x), x.is_set_to(y), device.index is None, device.type == "cuda"],
        )

    check(program, (X, 2), (-X, 3), dynamic=True)


def test_a_stride_at_an_index() -> None:
    def program(x, n: int):
        return x, x.stride(-1), x.t().stride(0), x.stride(n)

    x = torch.ones(2, 3)
    check(program, (x, 0), (x, 1), (x, -2))

    def beyond(x):
        return x.stride(2)

    refuses(beyond, x, match="the program raises: dim 2 is out of range for 2 dims")


def test_views_have_no_place() -> None:
    def offset(x: Tensor) -> Tensor:
        return x + x[1].storage_offset()

    def same(x: Tensor) -> bool:
        return x[0].is_set_to(x[1])

    refuses(offset, X, match="ONNX has no storages")
    refuses(same, X, match="ONNX has no storages")


def test_equality_of_tensors_whose_number_of_dims_the_run_decides() -> None:
    def program(x, y, n: int):
        if n == 1:
            x = y[None]
        if n == 2:
            x = x.sum()
        return torch.equal(x, y), torch.equal(y, x), torch.equal(x, x)

    x, y = torch.arange(6.0).reshape(3, 2), torch.ones(3, 2)
    check(program, (x, y, 0), (x, x, 0), (x, y, 1), (x, y, 2))
    empty = torch.zeros(0, 2)
    check(program, (x, y, 0), (empty, empty, 0), (x[:1], x, 0), (x[:1], x[:1], 2), dynamic=True)


def test_equality_of_tensors_of_two_dtypes() -> None:
    """Neither loses what the other can't hold: 2 is not True, nor 1.5 equal to 1."""

    def program(x, y):
        return torch.equal(x, y), torch.equal(y, x)

    for x, y in (([True], [2.0]), ([True], [1.0]), ([1], [1.5]), ([2], [2.0]), ([True], [2])):
        check(program, (torch.tensor(x), torch.tensor(y)))
