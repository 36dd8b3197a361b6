"""Objects of script classes: operators, properties, references, context managers."""

from typing import Any

import torch
from torch import Tensor

from tests.conversion.harness import check
from tests.conversion.random_classes import Holder

X = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
CALLS = ((X, 2), (-X, 5))


@torch.jit.script
class Vector:
    """A tensor and a number, with all that operators ask for."""

    def __init__(self, a: Tensor, n: int = 3):
        self.a = a
        self.n = n

    def __add__(self, other: "Vector") -> "Vector":
        return Vector(self.a + other.a, self.n + other.n)

    def __mul__(self, factor: float) -> "Vector":
        return Vector(self.a * factor, self.n)

    def __neg__(self) -> "Vector":
        return Vector(-self.a, -self.n)

    def __eq__(self, other: "Vector") -> bool:
        return self.n == other.n

    def __lt__(self, other: "Vector") -> bool:
        return self.n < other.n

    def __and__(self, other: "Vector") -> int:
        return self.n & other.n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Tensor:
        return self.a[i]

    def __setitem__(self, i: int, value: Tensor) -> None:
        self.a[i] = value

    def __contains__(self, n: int) -> bool:
        return n == self.n

    def __call__(self, k: int) -> int:
        return self.n * k

    def __iadd__(self, other: "Vector") -> "Vector":
        self.n += other.n
        return self

    @property
    def half(self) -> float:
        return self.n / 2

    @half.setter
    def half(self, value: float) -> None:
        self.n = int(value * 2)

    @staticmethod
    def seven(a: Tensor) -> "Vector":
        return Vector(a, 7)


@torch.jit.script
class Counted:
    """Counts in a `with`."""

    def __init__(self, n: int):
        self.n = n

    def __enter__(self) -> int:
        self.n += 1
        return self.n

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self.n *= 10


def test_operators() -> None:
    def program(x: Tensor, n: int):
        u = Vector(x.clone(), n)
        v = Vector(x * 2)
        w = -((u + v) * 2.0)
        u[0] = x[1] * 3
        asked = [u == v, u < v, n in u, 3 in u]
        return w.a, w.n, asked, u & v, len(u), u[0], u.a, u(4), Vector.seven(x).n

    check(program, *CALLS, reference="script")


def test_properties_and_references() -> None:
    def program(x: Tensor, n: int):
        u = Vector(x, n)
        same = u
        u += Vector(x, 10)
        u.half = u.half + 1
        held = [u, u]
        held[1].n *= 2
        other = {"u": u}["u"]
        maybe: Vector | None = None
        if n > 3:
            maybe = u
        found = 0 if maybe is None else maybe.n
        return same.n, held[0] is other, u is Vector(x, n), found, u.half

    check(program, *CALLS, reference="script")


def test_one_of_two_objects() -> None:
    def program(x: Tensor, n: int):
        u = Vector(x.clone(), n)
        v = Vector(x + 1, 3 * n)
        w = u if n > 3 else v
        w.n += 1
        w[0] = x[0] * 0
        return u.n, v.n, w.a, u.a, v.a

    check(program, *CALLS, reference="script")


def test_context_managers() -> None:
    def program(x: Tensor, n: int):
        outer, inner = Counted(n), Counted(1)
        with outer as a, inner as b:
            y = x + a + b
        with outer:
            if n > 3:
                y = y + 1
        return y, outer.n, inner.n

    check(program, *CALLS, reference="script")


def test_objects_whose_lists_are_of_different_lengths() -> None:
    """The run picks one object or another that holds less, twice in a row."""

    def program(x, y, n: int):
        found = Holder(x, n)
        found.items += [y]
        for _ in [x, y]:
            if x.numel() > n:
                pass
            else:
                first = found.items[0].clone()
                if first.size(0) > 1:
                    found = Holder(first.clone(), 0)
                    continue
        return found.value, found.count, found.items, found.last is None

    calls = [(X[0][:size], X[1][:1], n) for size in (3, 1, 0) for n in (0, 2, 9)]
    check(program, *calls, dynamic=True)


def test_an_object_that_a_loop_replaces_on_two_ways_out() -> None:
    """None of the objects is taken for another of its class."""

    def program(x, n: int, flag: bool):
        found = Holder(x, n)
        k = 0
        while k < 3:
            k += 1
            if bool(x.sum() > 0):
                found = Holder(x + k, found.count + k)
                if flag:
                    break
        return found.value, found.count

    calls = [(x, 1, flag) for x in (X, -X) for flag in (True, False)]
    check(program, *calls, unroll_trips=0)
