"""One tensor of all tensors of a list of run-time length."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tests.conversion.harness import check, refuses
from tests.conversion.sized_lists import X, at_sizes


def test_rows_stacked_and_concatenated() -> None:
    def program(x):
        xs = x.unbind(1)
        back = x.unbind(0)[::-1]
        joined = torch.cat(xs), torch.cat(back, -1)
        return joined, torch.stack(xs), torch.stack(xs, -1), torch.stack(back, 1)

    at_sizes(program, sizes=(5, 2, 1), opsets=(11, 20))


def test_empty_vectors_are_left_out() -> None:
    """Among tensors of other dims, first, last or in between; if there are only such, one is left."""

    def grown(x, n: int):
        xs = [torch.zeros(0)]
        for i in range(n):
            xs.append(x[i : i + 1])
        return torch.cat(xs)

    def mixed(x, n: int):
        xs: list[Tensor] = []
        for i in range(n):
            xs.append(x[0, :0] if i % 2 == 0 else x[:, i : i + 1])
        return torch.cat(xs, -1)

    check(grown, (X, 2), (X, 0))
    check(mixed, (X, 4), (X, 1))
    check(grown, (X, 2), (X, 0), (X[:1], 1), dynamic=True)
    check(mixed, (X, 2), (X, 1), (X[:2], 2), dynamic=True)


def test_relatives_of_stack() -> None:
    def program(x):
        rows, scalars = x.unbind(0), x[:, 0].unbind(0)
        planes = torch.stack([x, x + 1], 1).unbind(0)
        one = torch.hstack(scalars), torch.vstack(scalars), torch.dstack(scalars)
        two = torch.hstack(rows), torch.vstack(rows), torch.dstack(rows)
        three = torch.hstack(planes), torch.vstack(planes), torch.dstack(planes)
        columns = torch.column_stack(scalars), torch.column_stack(rows), torch.column_stack(planes)
        return one, two, three, columns

    at_sizes(program, sizes=(5, 2, 1), opsets=(11, 20))


def test_padding_to_the_longest() -> None:
    def program(x, fill: float):
        xs: list[Tensor] = []
        flat: list[Tensor] = []
        for k in range(x.size(0)):
            xs.append(x[k : 2 * k + 1] * 1)
            flat.append(x[k, : k + 1] * 1)
        left = pad_sequence(flat, padding_value=fill, padding_side="left")
        rows = pad_sequence(x.unbind(0), batch_first=True), pad_sequence(x.unbind(0))
        return (
            pad_sequence(xs, batch_first=True, padding_value=fill),
            pad_sequence(flat),
            left,
            rows,
        )

    at_sizes(program, (0.5,), (-1.0,), sizes=(5, 2, 1))


def test_padding_pieces_at_an_old_opset() -> None:
    def program(x):
        return pad_sequence(x.split(2), batch_first=True, padding_value=-1.0)

    check(program, (X,), (X[:1],), (X[:2],), dynamic=True, opset_version=11)


def test_operators_that_want_a_known_number_say_so() -> None:
    def program(x):
        return torch.block_diag(x.unbind(0))

    error = refuses(program, X, match="list of tensors", dynamic_axes={"x": {0: "n"}})
    assert "block_diag" in str(error)


def test_dims_out_of_range() -> None:
    """As the program raises: for slices of one tensor, and for others."""

    def of_slices(x):
        return torch.stack(x.unbind(0), 2)

    def of_others(x):
        xs: list[Tensor] = []
        for i in range(x.size(0)):
            xs.append(x[i : i + 1])
        return torch.cat(xs, -3)

    for program in (of_slices, of_others):
        refuses(program, X, match="dim -?[23] is out of range", dynamic=True)
