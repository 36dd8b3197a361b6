"""split, chunk, tensor_split and unbind into a number of pieces that only the run tells."""

import torch

from tests.conversion.harness import check, operators
from tests.conversion.sized_lists import X, at_sizes

OPSETS = (11, 20)


def test_split() -> None:
    def program(x, n: int):
        fixed, given = x.split(2), x.split(n)
        return fixed, len(given), given[0], given[-1], torch.cat(given), x.t().split(n, 1)

    at_sizes(program, (1,), (2,), (9,), opsets=OPSETS)


def test_chunk_may_give_fewer() -> None:
    def program(x, n: int):
        return x.chunk(4), x.chunk(n), len(x.chunk(3)), x.chunk(2)[0], torch.cat(x.chunk(n)[::-1])

    check(program, *[(X[:k], n) for k in (5, 4, 2, 1, 0) for n in (1, 2, 3, 6)], dynamic=True)


def test_tensor_split() -> None:
    def program(x, n: int):
        at = torch.tensor([1] * x.size(0), dtype=torch.int64)
        by_place = x.tensor_split(at), x.tensor_split([n, -1])
        even = x.repeat(n, 1)
        return x.tensor_split(n), torch.vsplit(even, n), by_place, torch.hsplit(even.t(), n)

    at_sizes(program, (1,), (2,), (7,))


def test_sizes_in_a_list() -> None:
    def program(x):
        pieces = x.split([1] * x.size(0))
        first, last = torch.split(x, [1, x.size(0) - 1])
        return pieces, len(pieces), first, last

    at_sizes(program, sizes=(5, 2, 1))


def test_pieces_in_loops() -> None:
    def program(x, n: int):
        sums: list[torch.Tensor] = []
        sizes: list[int] = []
        for piece in x.split(n):
            sums.append(piece.sum(0))
            sizes.append(piece.size(0))
        total = x.new_zeros(())
        for k, piece in enumerate(x.chunk(3)):
            total = total + k * piece.sum()
        flipped = torch.cat([piece.flip(0) for piece in x.split(n)])
        return torch.stack(sums), torch.tensor(sizes), total, flipped

    at_sizes(program, (1,), (2,), (9,))


def test_writing_to_pieces() -> None:
    def program(x):
        y = x * 1
        pieces = y.split(2)
        pieces[0].mul_(2)
        pieces[-1].add_(1)
        for piece in y.chunk(2):
            piece.sub_(3)
        return y, pieces

    at_sizes(program, opsets=OPSETS)


def test_unpacked_pieces_are_one_split() -> None:
    """As many pieces as there are variables: no lists, no bounds."""

    def program(x):
        a, b = x.chunk(2)
        c, d = x.split(2)
        e, f = x.tensor_split(2)
        return a, b, c, d, e, f

    result = check(program, (X[:3],), (X[:4],), dynamic=True)
    assert "Split" in operators(result)
    assert not {"Range", "SplitToSequence"} & operators(result)
    assert "2 items to unpack" in result.report.preconditions[0]


def test_one_side_has_more_pieces() -> None:
    def program(x, flag: bool):
        pieces = x.split(2)
        if flag:
            pieces = x.chunk(3)
        return pieces, len(pieces)

    at_sizes(program, (True,), (False,))
