"""Lists, dicts and objects of which the run decides which one a name stands for."""

from typing import List  # noqa: UP035  as TorchScript wants it

import pytest
import torch
from torch import Tensor

from tests.conversion.harness import Program, check, refuses

X = torch.tensor([1.0, -2.0, 3.0])
MAY_BE_ANOTHER = "may be another one, which was changed since"


@torch.jit.script
class Total:
    def __init__(self, value: float) -> None:
        self.value = value

    def add(self, more: float) -> float:
        self.value += more
        return self.value


@torch.jit.script
class Holder:
    def __init__(self, rows: List[Tensor]) -> None:  # noqa: UP006  as TorchScript wants it
        self.rows = rows


def list_of_two(x: Tensor, c: bool) -> int:
    a, b = [x], [x, x]
    picked = a if c else b
    picked.append(x)
    return len(a) + 10 * len(b)


def other_way_round(x: Tensor, c: bool) -> int:
    a, b = [x], [x, x]
    picked = a if c else b
    a.append(x)
    return len(picked)


def dict_of_two(x: Tensor, c: bool) -> Tensor:
    a, b = {"k": x}, {"k": -x}
    picked = a if c else b
    picked["k"] = x * 9
    return a["k"] + b["k"]


def object_or_new(x: Tensor, c: bool) -> float:
    a = Total(1.0)
    picked = a if c else Total(2.0)
    picked.add(5.0)
    return a.value


def in_a_tuple(x: Tensor, c: bool) -> int:
    a, b = [1], [2]
    pair = (a, 1) if c else (b, 2)
    pair[0].append(3)
    return len(a)


def changed_in_a_branch(x: Tensor, c: bool) -> int:
    a, b = [x], [x, x]
    picked = a if c else b
    if x.sum() > 0:
        picked.append(x)
    return len(a)


def by_way_of_another(x: Tensor, c: bool) -> int:
    a, b = [1], [2]
    picked = a if c else b
    again = picked if x.sum() > 0 else [7]
    again.append(1)
    return len(a)


def in_zero_trips(x: Tensor, c: bool) -> int:
    a = [1, 2]
    grown = a
    for i in range(int(c)):
        grown = grown + [i]
    grown.append(5)
    return len(a) * 10 + len(grown)


def in_the_trip_before(x: Tensor, c: bool) -> int:
    a = [0]
    last = a
    length = 0
    for i in range(2 + int(c)):
        length += len(a)
        last.append(i)
        last = a if x.sum() > 0 else [i]
    return length


def two_names_in_one_branch(x: Tensor, c: bool) -> int:
    if c:
        a = [x]
        b = a
    else:
        a, b = [x], [x, x]
    a.append(x)
    return len(b)


def two_entries_in_one_branch(x: Tensor, c: bool) -> int:
    rows = {"a": [x], "b": [x, x]}
    if c:
        rows["a"] = [x]
        rows["b"] = rows["a"]
    rows["a"].append(x)
    return len(rows["b"])


def an_attribute_of_another(x: Tensor, c: bool) -> int:
    holder, rows = Holder([x]), [x, x]
    if c:
        holder = Holder([x])
        rows = holder.rows
    rows.append(x)
    return len(holder.rows)


def in_one_of_two_dicts(x: Tensor, c: bool) -> int:
    rows = [x]
    a, b = {"k": rows}, {"k": [x, x]}
    picked = a if c else b
    picked["k"].append(x)
    return len(rows)


def in_a_dict_that_is_copied(x: Tensor, c: bool) -> int:
    rows = [x]
    held = {"k": rows}
    for _ in range(int(c)):
        held = held.copy()
        rows.append(x)
    return len(held["k"])


def by_way_of_a_new_one(x: Tensor, c: bool) -> int:
    a = [1]
    if c:
        again = a if x.sum() > 0 else [2]
    else:
        again = [3]
    again.append(1)
    return len(a)


def two_names_after_a_trip(x: Tensor, c: bool) -> int:
    a, b = [x], [x, x]
    for _ in range(int(c)):
        a = [x]
        b = a
    a.append(x)
    return len(b)


def swapped_in_a_loop(x: Tensor, c: bool) -> int:
    a, b = [x], [x, x]
    second = b
    for _ in range(int(c)):
        a, b = b, a
    a.append(x)
    return len(second)


@pytest.mark.parametrize(
    "program",
    [list_of_two, other_way_round, dict_of_two, in_a_tuple, changed_in_a_branch, in_one_of_two_dicts],
)  # fmt: skip
def test_one_of_several_that_are_older_than_the_branch(program: Program) -> None:
    """The very one that is picked is changed, and the others are not."""
    check(program, *[(x, c) for x in (X, -X) for c in (True, False)])


def test_a_list_in_a_list_at_a_run_time_index() -> None:
    def table(x: Tensor, n: int) -> tuple[int, int, int]:
        """Rows by turns, as in dynamic programming."""
        rows = [[0, 0, 0], [n, 1, 2], [3, 4, 5]]
        for i in range(x.size(0)):
            for j in range(1, 3):
                rows[i % 3][j] = rows[(i + 2) % 3][j - 1] + int(x[i]) + rows[i % 3][0]
            rows[(i + n) % 3].append(i)
        return sum(rows[0]), len(rows[1]), sum(rows[2])

    def ragged(x: Tensor, n: int) -> tuple[int, int]:
        held = {"a": [1], "b": [2, 3]}
        names = ["a", "b"]
        for i in range(n):
            held[names[i % 2]].append(i)
        return sum(held["a"]) + len(held["a"]), sum(held["b"])

    calls = [(X[:size], n) for size in (3, 1, 0) for n in (0, 1, 5)]
    for trips in (64, 0):
        check(table, *calls, dynamic=True, unroll_trips=trips)
        check(ragged, *calls[:3], unroll_trips=trips)


@pytest.mark.parametrize(
    "program",
    [object_or_new, by_way_of_another, in_zero_trips, two_names_in_one_branch, two_entries_in_one_branch,
     an_attribute_of_another, in_a_dict_that_is_copied, by_way_of_a_new_one, two_names_after_a_trip, swapped_in_a_loop],
)  # fmt: skip
def test_asking_one_after_another_was_changed(program: Program) -> None:
    refuses(program, X, True, match=MAY_BE_ANOTHER)


def test_a_loop_that_asks_what_the_trip_before_changed() -> None:
    refuses(in_the_trip_before, X, True, match="may be", unroll_trips=0)


def test_what_is_only_read_or_not_asked_again() -> None:
    """Nothing is wrong while nothing changes, or while the others are out of use."""

    def read(x: Tensor, c: bool) -> tuple[Tensor, int, int, int]:
        a, b = [x, -x], [x * 2, x * 3]
        picked = a if c else b
        return torch.stack(picked), len(a), len(b), len(picked)

    def changed(x: Tensor, c: bool) -> tuple[Tensor, int]:
        a, b = [x], [x * 2, x * 3]
        picked = a if c else b
        picked.append(x)
        return torch.stack(picked), len(picked)

    def copied(x: Tensor, c: bool) -> tuple[int, int, int]:
        a, b = [1], [2, 3]
        picked = (a if c else b).copy()
        picked.append(4)
        return len(a), len(b), len(picked)

    def rebound(x: Tensor, n: int) -> tuple[int, int]:
        grown = [1, 2]
        for i in range(n):
            grown = grown + [i]
        grown.append(5)
        return len(grown), sum(grown)

    def extended(x: Tensor, n: int) -> tuple[Tensor, int]:
        rows = [x]
        for i in range(n):
            rows += [x * i]
        return torch.stack(rows), len(rows)

    def assigned(x: Tensor, n: int) -> tuple[int, int]:
        """An attribute that is another list after the first trip."""
        held = Holder([x])
        rows = [x, x + 1]
        for i in range(n):
            held.rows = rows
        return len(held.rows), len(rows)

    def appended_or_new(x: Tensor, n: int, c: bool) -> Tensor:
        """The list that the first trip appends to is out of use afterwards."""
        held = {"rows": [x]}
        for i in range(n):
            if c:
                held["rows"].append(x * i)
            else:
                held["rows"] = [x + 1]
        return torch.stack(held["rows"])

    check(assigned, (X, 2), (X, 0), (X, 3))
    check(appended_or_new, *[(X, n, c) for n in (2, 0, 3) for c in (True, False)])
    check(extended, (X, 2), (X, 0), (X, 3))
    for program in (read, changed, copied):
        check(program, (X, True), (X, False))
    check(rebound, (X, 2), (X, 0), (X, 3))


def test_what_a_list_holds_where_the_other_branch_replaced_the_list() -> None:
    """The branch that keeps the list puts something in: the very tensor, or the very list."""

    def tensor_put_in(x: Tensor, c: bool) -> Tensor:
        t, other = x + 1, Holder([x * 2])
        holder = Holder([x * 3])
        if c:
            holder.rows[0] = t
        else:
            holder.rows = other.rows
        t.add_(5)
        return holder.rows[0]

    def two_tensors_put_in(x: Tensor, c: bool) -> Tensor:
        other, holder = Holder([x * 2, x]), Holder([x * 3, x * 4])
        if c:
            made = x + 1
            holder.rows[0] = made
            holder.rows[1] = made
        else:
            holder.rows = other.rows
        holder.rows[0].add_(5)
        return holder.rows[1]

    def list_put_in(x: Tensor, c: bool) -> int:
        rows, table, other = [1], [[2, 3]], [[4, 5, 6]]
        held = {"k": table}
        if c:
            table[0] = rows
        else:
            held["k"] = other
        rows.append(7)
        return len(held["k"][0])

    for trips in (tensor_put_in, list_put_in):
        check(trips, *[(x, c) for x in (X, -X) for c in (True, False)])
    refuses(two_tensors_put_in, X, True, match="may share memory")


def test_lists_of_other_lengths() -> None:
    """One of two on one path, another on the other: each is found by what it is."""

    def picked(x: Tensor, c: bool) -> tuple[int, int, int]:
        a, b = [3], [4]
        if c:
            new = [5, 6]
            b = a if x.sum() > 0 else new
        rows, more = [7], [8]
        told_apart = rows if c else more
        told_apart.append(9)
        return len(rows), len(b), sum(b)

    check(picked, *[(x, c) for x in (X, -X) for c in (True, False)])
