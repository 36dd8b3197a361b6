"""Views that one call gives: which of them a write to another one reaches."""

import torch
from torch import Tensor

from tests.conversion.harness import check, operators

X = torch.arange(12.0).reshape(3, 4) - 5


def test_pieces_read_after_others_were_written() -> None:
    """Each piece is what was last written to it, and so is the tensor that they are pieces of."""

    def program(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        y = x.clone()
        a, b, c = y.unbind(0)
        a += b
        b += c
        c += a
        return y, a, b, c

    check(program, [X])


def test_pieces_written_in_a_branch() -> None:
    """Either path may write pieces, or the whole tensor."""

    def program(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        y = x.clone()
        a, b, c = y.split(1)
        if bool(x.sum() > 0):
            a += b
            b *= 2
        else:
            y += 1
            c += a
        b += a
        return y, a, b, c

    check(program, [X], [X + 9])


def test_the_whole_is_written_between() -> None:
    """A piece is taken again once the tensor was written other than through its pieces."""

    def program(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = x.clone()
        pieces = y.t().chunk(2, 0)
        for i in range(2):
            pieces[i].add_(pieces[1 - i].sum())
            y[0, 0] = 5
        return y, pieces[0], pieces[1]

    check(program, [X])


def test_pieces_that_overlap() -> None:
    """Slices between indices that fall have elements in common: a write to one reaches another."""

    def program(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        y = x.clone()
        pieces = torch.tensor_split(y, [2, 1], dim=0)
        pieces[0].add_(1)
        pieces[2].mul_(3)
        return y, pieces[0], pieces[1], pieces[2]

    check(program, [X])


def test_a_write_for_each_piece_is_a_node_for_each() -> None:
    """Writing n pieces one after another does not take n pieces n times."""

    def program(x: Tensor, w: Tensor) -> Tensor:
        y = x.clone()
        for row in y.unbind(0):
            row -= w
        return y

    rows = torch.arange(80.0).reshape(40, 2)
    result = check(program, [rows, rows[0]])
    assert result.model.graph.num_nodes() <= 4 * len(rows)


def test_parts_stay_as_they_are_when_another_is_written() -> None:
    """And so need no second Split; parts that may overlap are taken again."""

    def cut(x):
        y = x.clone()
        a, b = y.chunk(2, 1)
        a.mul_(2)
        b.add_(a)
        return a, b

    def overlapping(x):
        y = x.clone()
        a, b, c = y.tensor_split([3, 1], 0)
        rows = torch.as_strided(y, (3, 3), (2, 1), 0).unbind(0)
        a.add_(1)
        c.mul_(2)
        rows[0].sub_(1)
        rows[1].mul_(3)
        return y, a, b, c, rows

    def in_paths(x, n: int):
        y = x.clone()
        a, b = y.chunk(2, 1)
        c = a
        c.unsqueeze_(0)
        a.squeeze_(0)
        if bool(x.sum() > n):
            a.mul_(2)
            y[1].sub_(1)
        else:
            b.mul_(3)
        for _ in range(n):
            a.add_(b)
            b.sub_(1)
        return y, a, b, c

    assert not operators(check(cut, (X,))) & {"Concat", "Slice"}
    check(overlapping, (X,))
    check(in_paths, (X, 2), (-X, 3))


def test_parts_of_what_a_branch_turns_round() -> None:
    """How many there are depends on the branch that a trip before took."""

    def program(x: Tensor, y: Tensor) -> Tensor:
        xs = [x * 2, y + 1]
        for _ in list(xs)[::-1]:
            if bool(y.sum() > 0):
                for _, part in zip(list(xs), y.unbind(0)):
                    y.t_()
                    part.swapdims_(-1, 0)
            else:
                x.squeeze_()
        return y

    check(program, (X[:1, :1], X[:2, :1] + 9), (X[:1, :1], X[:2, :1]), unroll_trips=0)
    check(program, (X[:2, :1], X[:2, :3] + 9), (X[:2, :1], X[:2, :3]), unroll_trips=0)
