"""Lists of tuples whose length is only known at run time."""

from typing import NamedTuple

import torch
from torch import Tensor

from tests.conversion.harness import check, check_loop, refuses

X = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
TRIPS = tuple((X + n, n) for n in (2, 0, 1, 4))
BOTH = ((X, True), (X, False))


class Pair(NamedTuple):
    first: Tensor
    count: int


def test_grown_in_a_loop_and_read_in_another() -> None:
    def program(x, n: int):
        found: list[tuple[Tensor, int]] = []
        for i in range(n):
            found.append((x[i % 2, : i + 1], i))
        total = torch.zeros(3)
        for row, k in found:
            total[: row.size(0)] += row * k
        return total, len(found)

    check_loop(program, *TRIPS)


def test_tuples_in_tuples() -> None:
    def program(x, n: int):
        best: list[tuple[float, tuple[Tensor, int]]] = [(0.5, (x, 7))]
        for i in range(n):
            score, (t, k) = best[-1]
            best.append((score * 2, (t + 1, k - i)))
            if len(best) > 3:
                del best[0]
        score, (t, k) = best[n // 2]
        return score, t, k, torch.stack([b[1][0] for b in best])

    check_loop(program, *TRIPS)


def test_named_ones() -> None:
    def program(x, n: int):
        pairs = [Pair(x, 1), Pair(x * 2, 2)]
        for i in range(n):
            pairs.append(Pair(pairs[-1].first + 1, i))
        pairs = pairs + [Pair(x, 5)]
        pairs[0] = Pair(x - 1, 9)
        return pairs[-2].first, pairs[0].count, sum([p.count for p in pairs])

    check_loop(program, *TRIPS)


def test_methods() -> None:
    def program(x, c: bool):
        pairs = [(x, 1), (x * 2, 2)]
        if c:
            pairs.append((x + 1, 3))
        last, k = pairs[-1]
        first, m = pairs.pop(0)
        pairs.insert(1, (x * 3, 4))
        pairs.reverse()
        pairs.extend(pairs[:1])
        pairs[-1] = (x - 1, 6)
        doubled = pairs * 2
        ends = [p[0] for p in doubled]
        return last, k, first, m, ends, [p[1] for p in doubled[::2]][0], len(doubled)

    check(program, *BOTH)


def test_writes_to_what_it_holds() -> None:
    """As with lists of tensors: what may be the same tensor can't be read afterwards."""

    def own(x, n: int):
        pairs: list[tuple[Tensor, Tensor]] = []
        for i in range(n):
            pairs.append((x + i, x * i))
        for a, b in pairs:
            a.add_(b[0])
        return [p[0] for p in pairs]

    def crossed(x, c: bool):
        y = x * 2
        pairs = [(x, y)]
        if c:
            pairs.append((y, x))
        pairs[0][0].add_(1)
        return pairs[0][1]

    check_loop(own, *TRIPS)
    refuses(crossed, X, True, match="may share memory")


def test_as_a_result_or_with_lists_of_tensors_in_them_they_are_refused() -> None:
    def returned(x, c: bool):
        pairs = [(x, 1)]
        if c:
            pairs.append((x, 2))
        return pairs

    def with_lists(x, c: bool):
        pairs = [(x, [x])]
        if c:
            pairs.append((x, [x]))
        return pairs[-1][1]

    refuses(returned, X, True, match="take its parts to lists of their own")
    refuses(with_lists, X, True, match="a list of lists whose length depends on the data")
